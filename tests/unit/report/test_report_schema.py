"""The JSON Schema of reports names what reports hold, and nothing else."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest
from jsonschema import Draft202012Validator

from pytest_energy.analysis.ratio import RatioEstimate, RoleRatio
from pytest_energy.report import doctor
from pytest_energy.report import json as json_report
from pytest_energy.types.carbon import Carbon
from pytest_energy.types.energy import Method
from pytest_energy.types.measurement import Block, FlopCount, ReferenceReadings
from pytest_energy.types.result import Subject, TrainingRun
from pytest_energy.types.session import BaseSummary, Overhead
from pytest_energy.types.verdict import Change, PairedBase, Quality, Rule, Status, Verdict

SCHEMA = json.loads(json_report.SCHEMA_FILE.read_text("utf-8"))


@pytest.mark.parametrize("module", [json_report, doctor], ids=["report", "doctor"])
def test_a_schema_has_an_address_of_its_version(module):
    schema = json.loads(module.SCHEMA_FILE.read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    name = module.__name__.rpartition(".")[2].replace("json", "report")
    assert (
        schema["$id"]
        == f"https://pytest-energy.github.io/pytest-energy/schema/{name}-{module.SCHEMA}.json"
    )
    assert schema["properties"]["schema"]["const"] == module.SCHEMA == 2


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("base", BaseSummary),
        ("block", Block),
        ("carbon", Carbon),
        ("change", Change),
        ("flops", FlopCount),
        ("overhead", Overhead),
        ("paired", PairedBase),
        ("quality", Quality),
        ("ratio", RatioEstimate),
        ("reference", ReferenceReadings),
        ("role_ratio", RoleRatio),
        ("rule", Rule),
        ("subject", Subject),
        ("training_run", TrainingRun),
        ("verdict", Verdict),
    ],
)
def test_the_members_are_those_of_the_values_that_travel(name, kind):
    assert list(SCHEMA["$defs"][name]["properties"]) == [field.name for field in fields(kind)]


def test_every_member_is_described_and_required_and_there_are_no_others():
    for found in (SCHEMA, *SCHEMA["$defs"].values()):
        assert found["additionalProperties"] is False
        always = [
            name
            for name, member in found["properties"].items()
            if "absent without --energy-json-blocks" not in member["description"]
        ]
        assert sorted(found["required"]) == sorted(always)
        assert all(member["description"] for member in found["properties"].values())
        for name, member in found["properties"].items():
            assert member.get("description"), name


def test_the_enumerations_are_complete():
    definitions = SCHEMA["$defs"]
    assert definitions["verdict"]["properties"]["status"]["enum"] == list(Status)
    assert definitions["domain"]["properties"]["method"]["enum"] == list(Method)
