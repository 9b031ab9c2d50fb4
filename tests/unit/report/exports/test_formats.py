"""The formats of other programs, read by what reads them: a library, or the schema it publishes."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from pytest_energy.report.exports import BUILT_IN, bencher, codecarbon, github_action_benchmark
from pytest_energy.report.exports import openmetrics as openmetrics_export
from pytest_energy.report.exports.selection import interval
from pytest_energy.settings import OPTIONS
from pytest_energy.types.machine import Gpu
from pytest_energy.types.reporter import ReportError
from support.pages import page_data
from support.reports import (
    CARBON,
    MACHINE,
    OTHER_MACHINE,
    both_roles,
    full_session,
    new,
    on_gpu,
    only_counted,
    result,
    session,
    trained,
    unmeasured,
)

BENCHMARKS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["name", "unit", "value"],
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string", "minLength": 1},
            "unit": {"type": "string"},
            "value": {"type": "number"},
            "range": {"type": "string"},
            "extra": {"type": "string"},
        },
    },
}
"""What github-action-benchmark reads with `tool: customSmallerIsBetter`."""

BMF = {
    "type": "object",
    "propertyNames": {"minLength": 1, "maxLength": 1024},
    "additionalProperties": {
        "type": "object",
        "propertyNames": {"minLength": 1, "maxLength": 64},
        "additionalProperties": {
            "type": "object",
            "required": ["value"],
            "additionalProperties": False,
            "properties": {
                name: {"type": "number"} for name in ("value", "lower_value", "upper_value")
            },
        },
    },
}
"""Bencher Metric Format, as its JSON Schema has it."""


ENERGY_ALONE = {"ai-energy-score", "boamps", "codecarbon", "cyclonedx", "model-card", "spdx3"}
"""Formats that have no room for anything but energy."""


def several():
    """Two sessions of one machine class, and one of another."""
    return [
        session(result(3.0), date="2026-03-05T00:00:00Z"),
        session(result(2.0), new(test="t.py::b"), unmeasured(test="t.py::c")),
        session(result(4.0), machine=OTHER_MACHINE),
    ]


# github-action-benchmark


def benchmarks(*reports):
    found = json.loads(github_action_benchmark.render(reports))
    jsonschema.validate(found, BENCHMARKS)
    return found


def test_github_action_benchmark_gets_joules_per_unit_of_each_test():
    (one,) = benchmarks(session(result(3.0), unmeasured(test="t.py::c")))
    assert one["name"] == "tests/test_x.py::test_a"
    assert one["value"] == pytest.approx(3.0)
    assert one["unit"] == "J/inference"
    assert one["range"] == "± 0.0308"
    assert "model: model\nmethod: counter\nCO2e: 0.333 g per 1,000\n" in one["extra"]
    assert one["extra"].endswith("verdict: regressed\nchange: +50.0 %")


def test_github_action_benchmark_names_are_unique():
    found = benchmarks(*several())
    names = [one["name"] for one in found]
    assert len(names) == len(set(names)) == 3
    assert [one["value"] for one in found] == pytest.approx([3.0, 2.0, 4.0])


def test_github_action_benchmark_gets_a_chart_of_each_count_where_nothing_was_metered():
    found = benchmarks(session(only_counted(test="t.py::a"), new(test="t.py::b")))
    assert [(one["name"], one["unit"], one["value"]) for one in found] == [
        ("t.py::a (flops)", "flops/inference", 2e9),
        ("t.py::a (bytes)", "bytes/inference", 2e7),
        ("t.py::a (operator calls)", "operator calls/inference", 1),
        ("t.py::a (python calls)", "python calls/inference", 40),
        ("t.py::b", "J/inference", pytest.approx(2.0)),
    ]


# Bencher


def metrics(*reports):
    found = json.loads(bencher.render(reports))
    jsonschema.validate(found, BMF)
    return found


def test_bencher_gets_energy_and_carbon_with_the_interval_of_the_comparison():
    risen = result(3.0)
    (one,) = metrics(session(risen, unmeasured(test="t.py::c"))).values()
    low, high = interval(risen)
    assert low < 3.0 < high
    assert one["energy"] == pytest.approx({"value": 3.0, "lower_value": low, "upper_value": high})
    assert one["carbon"]["value"] == pytest.approx(3.0 / 3600 * 400)
    assert one["carbon"]["upper_value"] == pytest.approx(high / 3600 * 400)
    (first,) = metrics(session(new())).values()
    assert first["energy"] == pytest.approx({"value": 2.0})


def test_bencher_names_are_not_too_long_and_still_differ():
    long = "t.py::test[" + "x" * 2000
    found = metrics(session(new(test=f"{long}1]"), new(test=f"{long}2]")))
    assert len(found) == 2
    assert len(metrics(*several())) == 3


def test_bencher_gets_what_was_counted_beside_energy_or_alone():
    counted = only_counted(test="t.py::a")
    both = replace(new(test="t.py::b"), counts=counted.counts)
    found = metrics(session(counted, both))
    figures = {
        "flops": {"value": 2e9},
        "bytes": {"value": 2e7},
        "operator-calls": {"value": 1},
        "python-calls": {"value": 40},
    }
    assert found["t.py::a"] == figures
    assert found["t.py::b"] == figures | {
        "energy": {"value": pytest.approx(2.0)},
        "carbon": {"value": pytest.approx(2.0 / 3600 * 400)},
    }


def test_what_could_not_be_counted_is_not_written_as_nothing():
    counts = replace(only_counted().counts, operators_unavailable="torch is not loaded")
    (one,) = metrics(session(only_counted(counts))).values()
    assert one == {"python-calls": {"value": 40}}


@pytest.mark.parametrize("render", [bencher.render, github_action_benchmark.render])
def test_a_session_without_any_figure_is_refused_with_the_verdicts(render):
    with pytest.raises(ReportError, match=r"the only result has none \(1 unmeasured\); run the te"):
        render([session(unmeasured())])


# OpenMetrics


def families(*reports):
    parser = pytest.importorskip("prometheus_client.openmetrics.parser")
    text = openmetrics_export.render(reports)
    assert text.endswith("\n# EOF\n")
    return {family.name: family for family in parser.text_string_to_metric_families(text)}


def test_openmetrics_is_read_by_prometheus():
    found = families(session(result(3.0), new(test="t.py::b"), unmeasured(test="t.py::c")))
    first, second = found["pytest_energy_joules_per_unit"].samples
    assert (first.value, second.value) == (pytest.approx(3.0), 2.0)
    assert first.labels == {
        "test": "tests/test_x.py::test_a",
        "region": "",
        "task": "task",
        "model": "model",
        "unit": "inference",
        "method": "counter",
        "machine": MACHINE.slug,
    }
    (change,) = found["pytest_energy_change_ratio"].samples
    assert change.value == pytest.approx(0.5, abs=0.01)
    totals = found["pytest_energy_joules"]
    assert (totals.type, totals.unit) == ("counter", "joules")
    assert totals.samples[0].name == "pytest_energy_joules_total"
    assert totals.samples[0].labels["domain"] == "cpu"
    assert totals.samples[0].value == pytest.approx(300.0)
    verdicts = {s.labels["verdict"]: s.value for s in found["pytest_energy_verdicts"].samples}
    assert verdicts == {"regressed": 1, "new": 1, "unmeasured": 1}


def test_openmetrics_has_the_headline_ratio_of_each_machine_class():
    elsewhere = session(*both_roles(general=8.0), machine=OTHER_MACHINE)
    found = families(session(*both_roles()), elsewhere)["pytest_energy_role_ratio"]
    assert {(s.labels["machine"], s.labels["task"]): s.value for s in found.samples} == {
        (MACHINE.slug, "qa"): pytest.approx(10.0),
        (OTHER_MACHINE.slug, "qa"): pytest.approx(4.0),
    }


def test_openmetrics_has_what_was_counted_beside_energy_or_alone():
    counted = only_counted(test="t.py::a")
    both = replace(new(test="t.py::b"), counts=counted.counts)
    found = families(session(counted, both))
    for name, number in (("flops", 2e9), ("bytes", 2e7), ("python_calls", 40)):
        alone, beside = found[f"pytest_energy_{name}_per_inference"].samples
        assert (alone.value, beside.value) == (number, number)
        assert (alone.labels["method"], beside.labels["method"]) == ("counted", "counted")
    (joules,) = found["pytest_energy_joules_per_unit"].samples
    assert joules.labels["method"] == "counter"


@pytest.mark.parametrize("metered", [True, False])
def test_counts_of_a_training_are_per_step_in_every_format(metered):
    counted = only_counted(role="training", unit="step", test="t.py::a")
    training = replace(trained(test="t.py::a"), counts=counted.counts) if metered else counted
    found = families(session(training))
    assert not any(name.endswith("_per_inference") for name in found)
    (flops,) = found["pytest_energy_flops_per_step"].samples
    assert (flops.value, flops.labels["unit"]) == (2e9, "step")
    units = {one["unit"] for one in benchmarks(session(training))}
    counts = {f"{what}/step" for what in ("flops", "bytes", "operator calls", "python calls")}
    assert units == ({"J/step"} if metered else counts)


def test_counts_of_a_test_per_token_are_per_inference():
    tokens = replace(new(unit="token"), counts=only_counted().counts)
    found = families(session(tokens))
    (flops,) = found["pytest_energy_flops_per_inference"].samples
    (joules,) = found["pytest_energy_joules_per_unit"].samples
    assert (flops.labels["unit"], joules.labels["unit"]) == ("inference", "token")


def test_openmetrics_has_each_series_once():
    found = families(*several())
    values = [sample.value for sample in found["pytest_energy_joules_per_unit"].samples]
    assert values == pytest.approx([3.0, 2.0, 4.0])


def test_openmetrics_of_nothing_is_its_end_alone():
    assert openmetrics_export.render([session()]) == "# EOF\n"


def test_openmetrics_label_values_come_back_as_they_are_printed():
    found = families(session(new(test='a"b\\c\nd')))
    (sample,) = found["pytest_energy_joules_per_unit"].samples
    assert sample.labels["test"] == 'a"b\\c\\nd'


# codecarbon


def emissions(*reports):
    return list(csv.DictReader(io.StringIO(codecarbon.render(reports))))


def test_codecarbon_finds_its_own_columns_and_units(tmp_path):
    data = pytest.importorskip("codecarbon.output_methods.emissions_data")
    output = pytest.importorskip("codecarbon.output_methods.file")
    of_class = [field.name for field in dataclasses.fields(data.EmissionsData)]
    assert of_class == list(codecarbon.COLUMNS)
    (row,) = emissions(session(result(3.0), unmeasured(test="t.py::c")))
    record = data.EmissionsData(**row)
    path = tmp_path / "emissions.csv"
    path.write_text(codecarbon.render([session(result(3.0))]))
    assert output.FileOutput("emissions.csv", str(tmp_path)).has_valid_headers(record)


def test_codecarbons_file_can_be_added_to_by_codecarbon(tmp_path):
    data = pytest.importorskip("codecarbon.output_methods.emissions_data")
    output = pytest.importorskip("codecarbon.output_methods.file")
    path = tmp_path / "emissions.csv"
    path.write_text(codecarbon.render([session(result(3.0))]))
    (row,) = emissions(session(result(3.0)))
    output.FileOutput("emissions.csv", str(tmp_path)).out(data.EmissionsData(**row), None)
    with path.open(newline="") as file:
        assert [each["project_name"] for each in csv.DictReader(file)] == [
            "tests/test_x.py::test_a"
        ] * 2
    assert [file.name for file in tmp_path.iterdir()] == ["emissions.csv"]


def test_codecarbons_rows_have_the_energy_of_the_whole_window():
    carbon = dataclasses.replace(CARBON, pue=1.5)
    machine = dataclasses.replace(MACHINE, gpus=(Gpu("H100", 700),) * 2)
    report = dataclasses.replace(session(result(3.0), machine=machine), carbon=carbon)
    (row,) = emissions(report)
    kwh = 300 / 3.6e6 * 1.5
    assert float(row["energy_consumed"]) == pytest.approx(kwh)
    assert float(row["cpu_energy"]) == pytest.approx(kwh)
    assert float(row["gpu_energy"]) == 0.0
    assert float(row["duration"]) == pytest.approx(10.0)
    assert float(row["cpu_power"]) == pytest.approx(30 * 1.5)
    assert float(row["emissions"]) == pytest.approx(kwh * 0.4)
    assert float(row["emissions_rate"]) == pytest.approx(kwh * 0.4 / 10)
    assert (row["gpu_count"], row["gpu_model"]) == ("2", "H100, H100")
    assert emissions(report)[0]["run_id"] == row["run_id"]


# All of them


@pytest.mark.parametrize("reporter", BUILT_IN, ids=lambda each: each.name)
def test_a_session_without_results_can_be_written(reporter):
    reporter.render([session()]).encode()


@pytest.mark.parametrize("reporter", BUILT_IN, ids=lambda each: each.name)
def test_a_file_is_the_same_however_often_it_is_made(reporter):
    reports = [replace(full_session(), results=full_session().results[:3])]
    if reporter.name == "ai-energy-score":
        reports = [session(on_gpu())]
    assert reporter.render(reports) == reporter.render(reports)


@pytest.mark.parametrize("reporter", BUILT_IN, ids=lambda each: each.name)
def test_a_run_that_only_counted_is_written_or_the_reason_is_said(reporter):
    """No file looks as if there had been nothing."""
    report = session(only_counted(test="t.py::a"), only_counted(test="t.py::b"))
    if reporter.name not in ENERGY_ALONE:
        text = reporter.render([report])
        assert "t.py::a" in (str(page_data(text)) if reporter.name == "html" else text)
        return
    with pytest.raises(ReportError, match=r"for this format, and none of 2 has one \(2 only cou"):
        reporter.render([report])


def test_every_format_has_a_row_with_its_file_in_the_documentation():
    page = (Path(__file__).parents[4] / "docs" / "reports.md").read_text("utf-8")
    for reporter in BUILT_IN:
        assert f"\n| `{reporter.name}` | `{reporter.file}` | " in page


def test_formats_are_in_the_order_of_their_names_and_in_the_help():
    names = [reporter.name for reporter in BUILT_IN]
    assert names == sorted(names)
    (text,) = (option[-1] for option in OPTIONS if option[0] == "export")
    assert all(name in text for name in names)
