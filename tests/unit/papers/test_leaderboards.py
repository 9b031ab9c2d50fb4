"""Leaderboards in the papers' tables: each figure is one of the published rows, or of several."""

from __future__ import annotations

from statistics import fmean, median

import pytest

from pytest_energy.papers.leaderboards import (
    ai_energy_score,
    by_task,
    concurrencies,
    per_token,
    wh_per_1000,
)
from pytest_energy.published.shipped import rows


def test_joules_per_token_are_those_of_the_rows():
    published = [row for row in rows("mlenergy2025_h100.csv") if row["joules_per_token"]]
    found = {(one.dataset, one.model, one.note): one for one in per_token()}
    for (dataset, model, precision), one in found.items():
        for concurrency, joules in one.joules.items():
            of = [
                float(row["joules_per_token"])
                for row in published
                if (row["task"], row["model"], row["precision"]) == (dataset, model, precision)
                and int(row["max_num_seqs_or_batch"]) == concurrency
            ]
            assert joules == pytest.approx(fmean(of))
    assert sum(len(one.joules) for one in found.values()) == len(
        {
            (row["task"], row["model"], row["precision"], row["max_num_seqs_or_batch"])
            for row in published
        }
    )


def test_batching_takes_a_fraction_of_the_energy_of_a_token():
    times = [one.times for one in per_token()]
    assert 2.6 < median(times) < 4
    assert max(times) == pytest.approx(8.1, abs=0.05)
    for one in per_token():
        assert one.least == min(one.joules.values())


def test_the_commonest_concurrencies_have_columns_in_order():
    found = per_token()
    assert concurrencies(found, 5) == [8, 16, 32, 64, 96]
    assert concurrencies(found[:1], 2) == sorted(found[0].joules)[:2]


def test_a_task_is_the_median_of_its_models_at_the_lowest_concurrency():
    (row,) = (one for one in by_task() if one.source == "aienergyscore2025")
    wh = [1000 * float(each["kwh_gpu_per_1000"]) for each in rows("aienergyscore2025_h100.csv")]
    assert (row.task, row.models, row.concurrency) == ("text-generation", len(wh), 1)
    assert row.median_kwh_per_1000 == pytest.approx(median(wh) / 1000)
    assert row.most_kwh_per_1000 == pytest.approx(max(wh) / 1000)
    assert [wh_per_1000(one) for one in ai_energy_score()] == pytest.approx(sorted(wh))


def test_data_sets_that_ask_for_other_lengths_stand_apart():
    generation = [one for one in by_task() if one.task == "text-generation"]
    assert [one.dataset for one in generation if one.source == "mlenergy2025"] == [
        "gpqa",
        "lm-arena-chat",
        "sourcegraph-fim",
    ]
    assert {one.dataset for one in generation if one.source != "mlenergy2025"} == {""}
