"""The JSON Schemas that are published: each has an address, and is one of draft 2020-12."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import pytest_energy

SCHEMAS = sorted(Path(pytest_energy.__file__).parent.rglob("*.schema.json"))

BASE = "https://pytest-energy.github.io/pytest-energy/schema/"


def load(path):
    return json.loads(path.read_text("utf-8"))


def test_each_has_an_address_of_its_own_with_its_version():
    found = [load(path)["$id"] for path in SCHEMAS]
    assert sorted(found) == [
        f"{BASE}{name}.json"
        for name in ("baseline-2", "compare-1", "counts-1", "doctor-2", "papers-1", "report-2")
    ]


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_each_is_a_schema_of_its_draft_and_of_the_version_in_its_address(path):
    schema = load(path)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)
    version = re.search(r"-(\d+)\.json$", schema["$id"])
    assert version
    # One schema is of two forms, each with its version.
    forms = [schema["$defs"][one["$ref"].rpartition("/")[2]] for one in schema.get("oneOf", ())]
    for form in forms or [schema]:
        assert form["properties"]["schema"]["const"] == int(version[1])


def test_check_jsonschema_finds_nothing():
    tool = shutil.which("check-jsonschema", path=Path(sys.executable).parent)
    if tool is None:
        pytest.skip("needs check-jsonschema")
    command = [tool, "--check-metaschema", *map(str, SCHEMAS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
