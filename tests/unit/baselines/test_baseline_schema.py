"""The JSON Schema of baseline files: every file fits it, and it is as strict as the reader."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, ValidationError

from pytest_energy.baselines import store as baselines
from pytest_energy.baselines.file_format import SCHEMA, SCHEMA_FILE, read_file
from pytest_energy.types.machine import Gpu
from pytest_energy.types.measurement import FlopCount, ReferenceReadings
from support.baselines import CARBON, MACHINE, NOW, addition, measurement, subject
from support.schema_1 import BASELINE, turn_back

FOLDER = Path(__file__).parents[3] / "baselines"
FILES = sorted(FOLDER.rglob("*.json"))


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(SCHEMA_FILE.read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def full():
    """An addition with everything that a session may hold."""
    measured = replace(
        measurement(2.0),
        other_cpu_share=0.011,
        reference=ReferenceReadings("product", 1, (0.02,) * 20),
        flops=FlopCount(10**9),
        recorded={"loglikelihood": -1.5},
    )
    session = baselines.session_of(measured, NOW, None, -0.02)
    return baselines.Addition(subject(), measured, session, addition().agreement)


def test_the_schema_has_an_address_of_its_version():
    schema = json.loads(SCHEMA_FILE.read_text("utf-8"))
    assert (
        schema["$id"]
        == f"https://pytest-energy.github.io/pytest-energy/schema/baseline-{SCHEMA}.json"
    )
    assert schema["properties"]["schema"]["const"] == SCHEMA


@pytest.mark.skipif(not FILES, reason="not in a source distribution")
def test_every_file_of_the_repository_fits(validator):
    for path in FILES:
        validator.validate(json.loads(path.read_text("utf-8")))
        assert read_file(path).schema == SCHEMA
    assert len(FILES) >= 106


@pytest.mark.parametrize("new", [addition(2.0), full()], ids=["bare", "full"])
def test_a_stored_file_fits(store, validator, new):
    store.store([new])
    validator.validate(json.loads(store.path(subject()).read_text("utf-8")))


@pytest.mark.parametrize("old", ["stored", "found", "without what came later"])
def test_a_rewritten_file_fits(store, validator, old):
    store.store([full()])
    path = store.path(subject())
    record = json.loads(BASELINE.read_text("utf-8") if old == "found" else turn_back(path))
    if old == "without what came later":
        for entry in record["entries"].values():
            del entry["yardstick"], entry["flops_per_inference"]
            for session in entry["sessions"]:
                del session["yardstick"], session["looks"], session["flops"]
    path.write_text(json.dumps(record))
    with pytest.raises(ValidationError):
        validator.validate(record)
    validator.validate(json.loads(read_file(path).text()))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("schema",), 1),
        (("schema",), 3),
        (("note",), "by hand"),
        (("entries", "KEY", "n"), 0),
        (("entries", "KEY", "role"), "guess"),
        (("entries", "KEY", "sessions"), []),
        (("entries", "KEY", "meters"), []),
        (("entries", "KEY", "joules_per_unit"), 0),
        (("entries", "KEY", "joules_per_unit"), 1e40),
        (("entries", "KEY", "domains", "cpu", "method"), "guess"),
        (("entries", "KEY", "sessions", 0, "date"), "yesterday"),
        (("entries", "KEY", "sessions", 0, "done"), 100),
        (("entries", "KEY", "sessions", 0, "metered_count"), 1.5),
        (("entries", "KEY", "sessions", 0, "commit"), 7),
        (("entries", "KEY", "sessions", 0, "blocks"), []),
        (("entries", "KEY", "sessions", 0, "other_cpu_share"), -1),
        (("entries", "KEY", "sessions", 0, "recorded"), {"accuracy": "high"}),
    ],
)
def test_what_the_format_has_not_is_refused(store, validator, place, value):
    store.store([full()])
    record = json.loads(store.path(subject()).read_text("utf-8"))
    *parents, name = place
    found = record
    for step in parents:
        found = found[subject().key if step == "KEY" else step]
    found[name] = value
    with pytest.raises(ValidationError):
        validator.validate(record)


def test_every_member_is_described():
    schema = json.loads(SCHEMA_FILE.read_text("utf-8"))
    for found in (schema, *schema["$defs"].values()):
        assert found["additionalProperties"] is False
        for name, member in found["properties"].items():
            assert member.get("description"), name


def test_the_machine_of_a_store_fits(tmp_path, validator):
    boards = (Gpu("NVIDIA A10", 150), Gpu("NVIDIA A10", None))
    store = baselines.BaselineStore(tmp_path, replace(MACHINE, gpus=boards), CARBON)
    store.store([full()])
    validator.validate(json.loads(store.path(subject()).read_text("utf-8")))
