"""The formats of other programs, read by what reads them: a library, or the schema it publishes."""

from __future__ import annotations

import csv
import dataclasses
import io
import json

import jsonschema
import pytest

from pytest_energy.report.exports import BUILT_IN, bencher, codecarbon, github_action_benchmark
from pytest_energy.report.exports import openmetrics as openmetrics_export
from pytest_energy.report.exports.selection import interval
from pytest_energy.settings import OPTIONS
from pytest_energy.types.machine import Gpu
from support.reports import (
    CARBON,
    MACHINE,
    OTHER_MACHINE,
    both_roles,
    hostile_session,
    new,
    result,
    session,
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
def test_no_name_breaks_a_format(reporter):
    text = reporter.render([hostile_session()])
    assert text.replace("\n", "").isprintable()
    text.encode()
    check = {
        "bencher": lambda: metrics(hostile_session()),
        "github-action-benchmark": lambda: benchmarks(hostile_session()),
        "openmetrics": lambda: families(hostile_session()),
        "codecarbon": lambda: emissions(hostile_session()),
    }
    found = check.get(reporter.name, lambda: True)()
    assert found


@pytest.mark.parametrize("reporter", BUILT_IN, ids=lambda each: each.name)
def test_a_session_without_results_can_be_written(reporter):
    assert reporter.render([session()])


def test_formats_are_in_the_order_of_their_names_and_in_the_help():
    names = [reporter.name for reporter in BUILT_IN]
    assert names == sorted(names)
    (text,) = (option[-1] for option in OPTIONS if option[0] == "export")
    assert all(name in text for name in names)
