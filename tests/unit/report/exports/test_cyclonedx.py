"""CycloneDX, checked by the strict validator of CycloneDX's own library."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pytest_energy.report.exports.cyclonedx import render
from support.reports import (
    CARBON,
    OTHER_MACHINE,
    new,
    on_gpu,
    session,
    trained,
)

validation = pytest.importorskip("cyclonedx.validation.json")
schema = pytest.importorskip("cyclonedx.schema")


def read(text):
    record = json.loads(text)
    for version in (schema.SchemaVersion.V1_6, schema.SchemaVersion.V1_7):
        of_version = json.dumps(record | {"specVersion": version.to_version()})
        assert validation.JsonStrictValidator(version).validate_str(of_version) is None
    return record


def components(*reports):
    return {each["name"]: each for each in read(render(reports))["components"]}


def consumptions(component):
    considerations = component["modelCard"]["considerations"]
    return considerations["environmentalConsiderations"]["energyConsumptions"]


def test_the_validator_finds_a_unit_that_is_none():
    record = json.loads(render([session(new())]))
    consumptions(record["components"][0])[0]["activityEnergyCost"]["unit"] = "J"
    with pytest.raises(AssertionError):
        read(json.dumps(record))


def test_a_model_is_a_component_with_energy_at_the_meter_and_carbon_with_the_pue():
    carbon = replace(CARBON, pue=1.5)
    report = replace(session(new(dataset="sst2"), trained(test="t.py::train")), carbon=carbon)
    (component,) = components(report).values()
    assert component["type"] == "machine-learning-model"
    card = component["modelCard"]
    assert card["modelParameters"] == {
        "task": "task",
        "datasets": [{"type": "dataset", "name": "sst2"}],
    }
    assert card["quantitativeAnalysis"] == {
        "performanceMetrics": [
            {"type": "accuracy", "value": "0.9", "slice": "tests/test_x.py::test_a"}
        ]
    }
    inference, training = consumptions(component)
    assert (inference["activity"], training["activity"]) == ("inference", "training")
    assert inference["activityEnergyCost"] == {"value": 0.000555556, "unit": "kWh"}
    assert inference["co2CostEquivalent"] == {
        "value": pytest.approx(0.000555556 * 1.5 * 400 / 1e6, rel=1e-5),
        "unit": "tCO2eq",
    }
    assert training["activityEnergyCost"]["value"] == pytest.approx(3.0 / 3600, rel=1e-5)
    properties = {each["name"]: each["value"] for each in inference["properties"]}
    assert properties.pop("pytest-energy:machine").startswith("amd-epyc-2cpu-linux-x86-64-")
    assert properties == {
        "pytest-energy:of": "1,000 inferences",
        "pytest-energy:test": "tests/test_x.py::test_a",
        "pytest-energy:task": "task",
        "pytest-energy:method": "counter (RAPL)",
        "pytest-energy:date": "2026-03-04T05:06:07Z",
        "pytest-energy:commit": "abc1234",
        "pytest-energy:grid": "400 g/kWh (Testland, 2024, PUE 1.5)",
        "pytest-energy:pue": "1.5",
    }


def test_several_sessions_and_machine_classes_are_one_component_per_model():
    found = components(
        session(new(model="a"), new(model="b", test="t.py::b"), date="2026-03-05T00:00:00Z"),
        session(new(5.0, model="a")),
        session(on_gpu(model="a", task="other"), machine=OTHER_MACHINE),
    )
    assert set(found) == {"a", "b"}
    values = [each["activityEnergyCost"]["value"] for each in consumptions(found["a"])]
    assert values == [0.000555556, 0.00111111]
    assert "modelParameters" not in found["a"]


def test_a_model_without_a_name_has_that_of_its_test():
    assert set(components(session(new(model=""), new(model="", test="t.py::b")))) == {
        "test_a",
        "b",
    }


def test_another_session_has_another_serial_number():
    first = read(render([session(new())]))
    assert first["serialNumber"] == read(render([session(new())]))["serialNumber"]
    assert first["serialNumber"] != read(render([session(new(2.1))]))["serialNumber"]
