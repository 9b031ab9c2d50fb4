"""Strubell et al.: their formula, row by row."""

from __future__ import annotations

import pytest

from pytest_energy.papers import strubell


@pytest.mark.parametrize("row", strubell.table(), ids=lambda row: f"{row.model}-{row.hardware}")
def test_the_papers_table_comes_out_of_its_formula(row):
    if row.watts is None:
        assert row.kwh is row.pounds is row.printed_kwh is row.printed_pounds is None
    else:
        assert round(row.kwh) == row.printed_kwh
        assert round(row.pounds) == row.printed_pounds


def test_five_rows_of_the_papers_table_have_watts():
    assert sum(row.watts is not None for row in strubell.table()) == 5


def test_berts_79_hours_are_79_2():
    (bert,) = [row for row in strubell.table() if row.note]
    assert (bert.model, bert.hours, bert.exact_hours) == ("BERT_base", 79, 79.2)
    assert round(strubell.kwh(bert.hours, 0, 0, bert.watts)) == 1503 != bert.printed_kwh


def test_cpu_memory_and_every_gpu_count_in_the_papers_formula():
    assert strubell.kwh(10, 100, 20, 250, gpus=4) == pytest.approx(1.58 * 10 * 1120 / 1000)
    assert strubell.pounds(1000) == pytest.approx(954)
    with pytest.raises(ValueError, match="0 or more"):
        strubell.kwh(-1, 100, 20, 250)


def test_the_papers_factors_turn_the_joules_of_its_rows_into_its_pounds():
    (row,) = [row for row in strubell.table() if row.model == "ELMo"]
    joules = row.watts * row.hours * 3600  # at the meter
    pounds = strubell.CARBON.grams(joules) / strubell.GRAMS_PER_POUND
    assert round(pounds) == row.printed_pounds
