"""SPDX 3.0.1, read by SPDX's own Python bindings: they check classes, words and cardinalities."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace

import pytest

from pytest_energy.report.exports.spdx3 import render
from pytest_energy.types.reporter import ReportError
from support.reports import (
    CARBON,
    OTHER_MACHINE,
    new,
    on_gpu,
    session,
    trained,
    unmeasured,
)

spdx = pytest.importorskip("spdx_python_model")

DECIMAL = re.compile(r"\d+(\.\d+)?")
"""How a quantity is written: the schema's `xsd:decimal` has no exponent."""


def packages(*reports):
    """The packages by name; whatever is missing or of another type is an error."""
    model, objects = spdx.load_data(json.loads(render(reports)))
    model.JSONLDSerializer().write(objects, io.BytesIO())  # checks what has to be there
    return {each.name: each for each in objects.foreach_type("ai_AIPackage")}


def test_a_model_is_a_package_with_the_energy_of_1000_inferences():
    report = session(new(dataset="sst2"), trained(test="t.py::train"))
    (package,) = packages(report).values()
    assert package.name == "model"
    assert list(package.ai_domain) == ["task"]
    energy = package.ai_energyConsumption
    (inference,) = energy.ai_inferenceEnergyConsumption
    (training,) = energy.ai_trainingEnergyConsumption
    assert inference.ai_energyQuantity == pytest.approx(2.0 * 1000 / 3.6e6, rel=1e-5)
    assert training.ai_energyQuantity == pytest.approx(3.0 * 1000 / 3.6e6, rel=1e-5)
    assert inference.ai_energyUnit.endswith("/EnergyUnitType/kilowattHour")
    assert [(each.key, each.value) for each in package.ai_metric] == [
        ("accuracy, tests/test_x.py::test_a", "0.9")
    ]
    heading, first, second = package.comment.splitlines()
    assert heading == "Measured by pytest-energy, at the meter:"
    assert first.startswith(
        "0.000555556 kWh per 1,000 inferences: tests/test_x.py::test_a; counter (RAPL); amd-epyc-"
    )
    assert first.endswith("; 2026-03-04T05:06:07Z; commit abc1234")
    assert second.startswith("0.000833333 kWh of the training, extrapolated from 100 metered")


def test_quantities_are_plain_decimals():
    record = json.loads(render([session(new(1e-9), new(1e12, test="t.py::b"))]))
    (package,) = (each for each in record["@graph"] if each["type"] == "ai_AIPackage")
    found = package["ai_energyConsumption"]["ai_inferenceEnergyConsumption"]
    quantities = [each["ai_energyQuantity"] for each in found]
    assert quantities == ["0.000000000000277778", "277778000"]
    assert all(map(DECIMAL.fullmatch, quantities))


def test_energy_is_at_the_meter_whatever_the_pue():
    report = session(new())
    assert render([report]) == render([replace(report, carbon=replace(CARBON, pue=2.0))])


def test_models_of_several_sessions_and_machine_classes_are_one_package_each():
    found = packages(
        session(new(model="a"), new(model="b", test="t.py::b"), date="2026-03-05T00:00:00Z"),
        session(new(model="a"), unmeasured(model="c", test="t.py::c")),
        session(on_gpu(model="a"), machine=OTHER_MACHINE),
    )
    assert set(found) == {"a", "b"}
    assert len(found["a"].ai_energyConsumption.ai_inferenceEnergyConsumption) == 2
    assert "intel-xeon" in found["a"].comment


def test_no_two_elements_have_one_identity_and_another_session_has_others():
    def ids(date):
        reports = [session(new(model="a"), new(model="b", test="t.py::b"), date=date)]
        graph = json.loads(render(reports))["@graph"]
        return [each["spdxId"] for each in graph if "spdxId" in each]

    first, second = ids("2026-03-04T05:06:07Z"), ids("2026-03-05T05:06:07Z")
    assert len({*first, *second}) == 8


def test_it_does_not_claim_what_it_lacks():
    """The AI profile wants a supplier, a version, licences and a place to download from."""
    graph = json.loads(render([session(new())]))["@graph"]
    (document,) = (each for each in graph if each["type"] == "SpdxDocument")
    assert document["profileConformance"] == ["core", "software"]


@pytest.mark.parametrize(
    "date", ["yesterday", "", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00"]
)
def test_a_date_that_is_none_is_named(date):
    with pytest.raises(ReportError, match=re.escape(f"the report's date, {date!r}, is none")):
        render([session(new(), date=date)])


def test_dates_are_in_utc():
    graph = json.loads(render([session(new(), date="2026-03-04T05:06:07.5+02:00")]))["@graph"]
    assert graph[0]["created"] == "2026-03-04T03:06:07Z"
