"""AI Energy Score's rows: what its own aggregator reads of them."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest

from pytest_energy.report.exports.ai_energy_score import COLUMNS, render
from pytest_energy.types.energy import Method
from pytest_energy.types.reporter import ReportError
from support.measurements import GPU
from support.reports import OTHER_MACHINE, new, on_gpu, session, trained


def rows(*reports):
    """As `ResultsAggregator.get_results_summary` reads them: no number is empty."""
    found = list(csv.DictReader(io.StringIO(render(reports))))
    for row in found:
        assert row["error_message"] == ""
        int(row["total_tokens"])
        float(row["gpu_energy_wh"])
        float(row["total_duration_seconds"])
        for column in ("gpu_energy_wh", "wh_per_1000_queries", "co2_emissions_g"):
            assert "e" not in row[column]
    return found


def test_a_row_has_the_energy_of_the_gpu_alone():
    (row,) = rows(session(on_gpu(3.6, model="meta/llama")))
    assert tuple(row) == COLUMNS
    assert (row["model_name"], row["task"]) == ("meta/llama", "task")
    assert (row["total_prompts"], row["successful_prompts"], row["failed_prompts"]) == (
        *("100", "100", "0"),
    )
    assert float(row["gpu_energy_wh"]) == pytest.approx(0.1)
    assert float(row["wh_per_1000_queries"]) == pytest.approx(1.0)
    assert float(row["avg_energy_per_prompt_wh"]) == pytest.approx(0.001)
    assert float(row["co2_emissions_g"]) == pytest.approx(0.0001 * 400)
    assert (row["model_class"], row["total_tokens"], row["tokens_per_joule"]) == ("", "0", "")


def test_tokens_are_the_unit_that_was_metered():
    of = on_gpu(3.6, unit="token")
    of = replace(of, measurement=replace(of.measurement, unit_count=7200.0))
    (row,) = rows(session(of))
    assert row["total_tokens"] == "7200"
    assert float(row["tokens_per_joule"]) == pytest.approx(20.0)
    assert float(row["throughput_tokens_per_second"]) == pytest.approx(720.0)
    assert float(row["wh_per_1000_queries"]) == pytest.approx(1.0)


@pytest.mark.parametrize("method", [Method.SAMPLED, Method.ESTIMATED, Method.CONSTANT])
def test_a_gpu_that_is_not_counted_has_no_row(method):
    found = rows(session(on_gpu(gpu=replace(GPU, method=method)), on_gpu(test="t.py::counted")))
    assert [row["test"] for row in found] == ["t.py::counted"]


def test_without_a_gpu_the_reason_is_said():
    with pytest.raises(ReportError, match="results need a GPU whose energy is counted for this fo"):
        render([session(new(), trained(test="t.py::train"))])


def test_rows_of_several_machine_classes_tell_them():
    found = rows(
        session(on_gpu(3.0)),
        session(on_gpu(4.0), date="2026-03-05T00:00:00Z"),
        session(on_gpu(5.0), machine=OTHER_MACHINE),
    )
    assert [float(row["wh_per_1000_queries"]) for row in found] == [1.11111, 1.38889]
    assert len({row["machine"] for row in found}) == 2


def test_a_region_is_no_query():
    (row,) = rows(session(on_gpu(test="t.py::a"), on_gpu(test="t.py::b", region="prefill")))
    assert row["test"] == "t.py::a"


def test_no_stars_and_no_class_are_given():
    assert not {"energy_score", "stars", "class"} & set(COLUMNS)
    (row,) = rows(session(on_gpu()))
    assert row["model_class"] == row["reasoning_state"] == ""
