"""Luccioni et al.: every printed figure out of the released rows."""

from __future__ import annotations

import math
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energy.papers import luccioni


def test_the_rows_are_88_models_on_three_datasets_a_task():
    rows = luccioni.models()
    assert len(rows) == 312
    assert len({row.model for row in rows}) == 88
    for task in luccioni.TASKS.values():
        specific = luccioni.where(task, luccioni.SPECIFIC)
        assert len({row.dataset for row in specific}) == 3
        assert len(specific) == 24


def test_the_ten_tasks_stand_in_the_papers_order_from_least_to_most_energy():
    printed = [row.kwh_per_1000 for row in luccioni.table2()]
    assert luccioni.table2()[0].name == "text classification"
    assert len(printed) == 10
    assert printed == sorted(printed)


@pytest.mark.parametrize("row", luccioni.table2(), ids=lambda row: row.task)
def test_every_mean_of_table_2_comes_out_of_the_rows_to_the_last_printed_digit(row):
    # Half a unit of the third decimal is rounding; nothing is off by more.
    assert row.recomputed_kwh_per_1000 == pytest.approx(row.kwh_per_1000, abs=0.0005)


@pytest.mark.parametrize("row", luccioni.table2(), ids=lambda row: row.task)
def test_every_deviation_of_table_2_comes_out_within_one_printed_digit(row):
    # The paper cuts some of them off and rounds others: 0.0269 is printed 0.02, 0.0266 is 0.03.
    unit = 0.001 if row.sd_kwh_per_1000 < 0.01 else 0.01
    assert row.recomputed_sd_kwh_per_1000 == pytest.approx(row.sd_kwh_per_1000, abs=unit)


@pytest.mark.parametrize("row", luccioni.table3(), ids=lambda row: row.name)
def test_table_3_comes_out_of_the_rows(row):
    assert row.recomputed_kwh_per_1000 == pytest.approx(row.kwh_per_1000, abs=0.0006)
    assert row.recomputed_grams_per_1000 == pytest.approx(row.grams_per_1000, rel=0.005)


@pytest.mark.parametrize("row", luccioni.table3(), ids=lambda row: row.name)
def test_the_printed_grams_are_not_those_of_the_intensity_that_the_text_states(row):
    assert row.grams_per_1000_as_stated / row.grams_per_1000 == pytest.approx(297.6 / 138.75, 0.01)


def test_bloomz_7b_has_cost_as_much_as_its_training_after_593_million_queries():
    assert luccioni.parity(51686, 7571, 1e-4) == pytest.approx(592.57e6)


def test_table_5_reproduces_but_for_one_slip_of_the_paper():
    slips = {row.name: row.slip for row in luccioni.table5()}
    assert slips.pop("BLOOMz-3B") == "printed as 395,602,740; the formula gives 395,561,644"
    assert slips == {"BLOOMz-7B": "", "BLOOMz-1B": "", "BLOOMz-560M": ""}


@pytest.mark.parametrize("bad", [(-1, 0, 1), (0, -1, 1), (1, 1, 0), (math.nan, 1, 1)])
def test_parity_refuses_figures_that_no_training_has(bad):
    with pytest.raises(ValueError, match="cost parity needs"):
        luccioni.parity(*bad)


def test_general_purpose_models_take_several_times_the_energy_on_every_task():
    ratios = {row.task: row.ratio for row in luccioni.comparisons()}
    assert ratios == pytest.approx(
        {"text-classification": 8.65, "question-answering": 13.09, "summarization": 2.67}, abs=0.01
    )


def test_at_equal_size_they_take_more_too_though_not_for_each_parameter():
    for row in luccioni.comparisons():
        assert row.at_equal_size > 1.5
    per_parameter = {row.task: round(row.ratio_per_parameter, 2) for row in luccioni.comparisons()}
    assert per_parameter == {
        "text-classification": 0.83,
        "question-answering": 1.33,
        "summarization": 0.82,
    }


@given(st.floats(0.1, 50), st.floats(-0.5, 2))
def test_at_equal_size_finds_the_factor_between_two_kinds_that_scale_alike(factor, slope):
    specific = [(size, size**slope) for size in (60e6, 120e6, 300e6)]
    general = [(size, factor * size**slope) for size in (200e6, 1e9, 7e9)]
    assert luccioni.at_equal_size(general, specific) == pytest.approx(factor, rel=1e-6)


@pytest.mark.parametrize(
    ("general", "specific", "why"),
    [([], [(1, 1)], "both sides"), ([(1, 1)], [(2, 1)], "several sizes")],
)
def test_at_equal_size_says_what_it_lacks(general, specific, why):
    with pytest.raises(ValueError, match=why):
        luccioni.at_equal_size(general, specific)


def test_accuracies_belong_to_a_task_a_kind_and_a_measure():
    assert luccioni.mean_accuracy("text-classification", "sst2", "task-specific") == pytest.approx(
        fmean([0.98855, 0.75229, 0.81995, 0.79128, 0.87844, 0.92431, 0.81881, 0.80619]), abs=1e-4
    )
    assert {one.measure for one in luccioni.accuracy()} == {"acc", "f1", "rouge"}
    assert {one.dataset for one in luccioni.accuracy()} <= {
        row.dataset for row in luccioni.models()
    }
    assert luccioni.mean_accuracy("fill-mask", "c4", "task-specific") is None
