"""BoAmps, checked against what its schemas say (Boavizta/BoAmps, `model/*.json`, April 2026).

They are open, but no package has them: this is what they say of the members that are written, and
stricter, since they let a member through that they do not know.
"""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import pytest

from pytest_energy.report.exports.boamps import render
from pytest_energy.types.machine import Gpu
from pytest_energy.types.reporter import ReportError
from pytest_energy.types.verdict import Status
from support.reports import (
    CARBON,
    MACHINE,
    OTHER_MACHINE,
    TRAINING,
    new,
    on_gpu,
    result,
    session,
    trained,
    unmeasured,
)

TEXT, NUMBER = {"type": "string"}, {"type": "number"}


def members(required=(), **properties):
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def many(items):
    return {"type": "array", "minItems": 1, "items": items}


def one_of(*words):
    return {"enum": list(words)}


SECOND = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$"}

DATASET = members(
    ("dataUsage", "dataType"),
    dataUsage=one_of("input", "output"),
    dataType=one_of(
        *("tabular", "audio", "boolean", "image", "video"),
        *("object", "text", "token", "word", "other"),
    ),
    dataQuantity=NUMBER,
)
MEASURE = members(
    ("measurementMethod", "powerConsumption"),
    measurementMethod=TEXT,
    cpuTrackingMode=TEXT,
    gpuTrackingMode=TEXT,
    powerConsumption=NUMBER,
    measurementDuration=NUMBER,
)
REPORT = members(
    ("task", "measures", "infrastructure"),
    header=members(
        ("reportDatetime",),
        formatVersionSpecificationUri=TEXT,
        reportId=TEXT,
        reportDatetime=SECOND,
        reportStatus=one_of("draft", "final", "corrective", "other"),
    ),
    task=members(
        ("taskStage", "taskFamily", "algorithms", "dataset"),
        taskStage=TEXT,
        taskFamily=TEXT,
        nbRequest=NUMBER,
        algorithms=many(members(foundationModelName=TEXT, framework=TEXT, frameworkVersion=TEXT)),
        dataset=many(DATASET),
        measuredAccuracy={"type": "number", "minimum": 0, "maximum": 1},
        taskDescription=TEXT,
    ),
    measures=many(MEASURE),
    system=members(("os",), os=TEXT),
    software=members(("language",), language=TEXT, version=TEXT),
    infrastructure=members(
        ("infraType", "components"),
        infraType=one_of("publicCloud", "privateCloud", "onPremise", "other"),
        components=many(
            members(
                ("componentType", "nbComponent"),
                componentType=TEXT,
                componentName=TEXT,
                nbComponent={"type": "integer"},
            )
        ),
    ),
    environment=members(
        ("country",), country=TEXT, location=TEXT, powerSourceCarbonIntensity=NUMBER
    ),
)


def read(text):
    found = [json.loads(line) for line in text.splitlines()]
    for each in found:
        jsonschema.validate(each, REPORT)
    return found


def test_a_result_is_a_report_of_the_metered_window():
    boards = replace(MACHINE, gpus=(Gpu("H100", 700),) * 2)
    of = on_gpu(model="meta/llama", task="text-generation", recorded={"accuracy": 0.9})
    environment = {"python": "3.12.1", "torch": "2.9"}
    of = replace(of, measurement=replace(of.measurement, environment=environment))
    (one,) = read(render([session(of, machine=boards)]))
    assert one["header"]["reportDatetime"] == "2026-03-04 05:06:07"
    assert one["task"] == {
        "taskStage": "inference",
        "taskFamily": "text-generation",
        "nbRequest": 100,
        "algorithms": [
            {"foundationModelName": "meta/llama", "framework": "torch", "frameworkVersion": "2.9"}
        ],
        "dataset": [{"dataUsage": "input", "dataType": "text"}],
        "taskDescription": "tests/test_x.py::test_a",
        "measuredAccuracy": 0.9,
    }
    assert one["measures"] == [
        {
            "measurementMethod": "pytest-energy: counter (NVML, RAPL)",
            "powerConsumption": 0.000111111,  # kWh: 400 J
            "measurementDuration": 10.0,
            "cpuTrackingMode": "rapl",
            "gpuTrackingMode": "nvml",
        }
    ]
    assert one["infrastructure"]["components"] == [
        {"componentType": "cpu", "componentName": "AMD EPYC", "nbComponent": 2},
        {"componentType": "gpu", "componentName": "H100", "nbComponent": 2},
    ]
    assert one["software"] == {"language": "python", "version": "3.12.1"}


def test_energy_is_at_the_meter_whatever_the_pue():
    report = session(new())
    (one,) = read(render([report]))
    (other,) = read(render([replace(report, carbon=replace(CARBON, pue=2.0))]))
    assert one["measures"] == other["measures"]


def test_a_training_is_extrapolated_to_the_whole():
    (one,) = read(render([session(trained(3.0, replace(TRAINING, runs=3)))]))
    assert (one["task"]["taskStage"], one["task"]["nbRequest"]) == ("training", 0)
    (measure,) = one["measures"]
    assert measure["powerConsumption"] == pytest.approx(3 * 3.0 * 1000 / 3.6e6, rel=1e-5)
    assert measure["measurementDuration"] == pytest.approx(3 * 100.0)
    assert measure["measurementMethod"].endswith(
        "; 3 trainings, extrapolated from 100 metered steps"
    )


def test_every_figure_has_a_line_and_an_identity_of_its_own():
    reports = [
        session(new(test="t.py::a"), unmeasured(test="t.py::b"), result(test="t.py::c")),
        session(new(test="t.py::a"), machine=OTHER_MACHINE),
    ]
    found = read(render(reports))
    assert [each["task"]["taskDescription"] for each in found] == ["t.py::a", "t.py::c", "t.py::a"]
    assert len({each["header"]["reportId"] for each in found}) == 3


def test_regions_stand_for_an_inference_where_nothing_else_does():
    regions = [new(test=test, region="decode") for test in ("t.py::a", "t.py::b")]
    unresolved = unmeasured(test="t.py::b")
    found = read(render([session(new(test="t.py::a"), *regions, unresolved)]))
    told = [each["task"]["taskDescription"] for each in found]
    assert told == ["t.py::a", "t.py::b#decode"]


def test_a_window_too_short_for_its_meter_and_one_of_nothing_are_no_figures():
    short = new(test="t.py::short")
    short = replace(short, verdict=replace(short.verdict, status=Status.UNRESOLVED))
    (one,) = read(render([session(short, new(0.0, test="t.py::nothing"), new(test="t.py::a"))]))
    assert one["task"]["taskDescription"] == "t.py::a"


def test_a_figure_that_is_not_finite_is_refused_with_its_test():
    with pytest.raises(ReportError, match=r"the energy of t\.py::endless is no finite number; mea"):
        render([session(new(), new(1e308, test="t.py::endless"))])


@pytest.mark.parametrize(
    ("task", "unit", "kinds"),
    [
        ("image-classification", "inference", ["image"]),
        ("text-to-image", "image", ["text", "image"]),
        ("question-answering", "token", ["text", "token"]),
        ("automatic-speech-recognition", "word", ["audio", "word"]),
        ("text", "byte", ["other"]),
        ("my task", "inference", ["other"]),
    ],
)
def test_data_that_are_not_named_are_others(task, unit, kinds):
    (one,) = read(render([session(new(task=task, unit=unit))]))
    assert [each["dataType"] for each in one["task"]["dataset"]] == kinds


@pytest.mark.parametrize(
    ("place", "environment"),
    [
        ("France", {"country": "France"}),
        ("Quebec, CAN", {"country": "CAN", "location": "Quebec"}),
        ("world average", None),
        ("as given", None),
    ],
)
def test_the_place_is_that_of_the_grid(place, environment):
    (one,) = read(render([replace(session(new()), carbon=replace(CARBON, place=place))]))
    expected = environment and {**environment, "powerSourceCarbonIntensity": 400.0}
    assert one.get("environment") == expected


def test_names_that_are_empty_and_an_accuracy_that_is_none_are_left_out():
    of = new(model="", task="", dataset="")
    of = replace(of, measurement=replace(of.measurement, recorded={"accuracy": 90.0}))
    (one,) = read(render([session(of)]))
    assert one["task"]["algorithms"] == [{}]
    assert "measuredAccuracy" not in one["task"]
