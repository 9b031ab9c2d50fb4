"""A project whose baselines an older version has written, or a newer one."""

from __future__ import annotations

import pytest

from pytest_energy.cli.main import main
from support.projects import TEST, store_five
from support.schema_1 import turn_back


@pytest.fixture
def path(loop):
    """The project's baseline file, in schema 1."""
    store_five(loop)
    (path,) = loop.baselines()
    turn_back(path)
    return path


def test_a_file_of_schema_1_is_compared_and_left_as_it_is(loop, path):
    before = path.read_bytes()
    assert loop.verdicts()[TEST]["status"] == "ok"
    loop.set_cost(3.0)
    verdict = loop.verdicts()[TEST]
    assert verdict["status"] == "regressed"
    assert verdict["change"]["value"] == pytest.approx(0.5)
    assert verdict["change"]["sessions"] == 5
    assert path.read_bytes() == before


def test_the_verdict_is_the_same_to_the_last_digit_before_and_after_the_update(loop, path):
    loop.set_cost(2.05)
    before = loop.verdicts()[TEST]
    assert main(["migrate", str(loop.path / "baselines")]) == 0
    assert loop.verdicts()[TEST] == before


def test_the_next_update_rewrites_the_file_in_schema_2(loop, path):
    sessions = loop.baseline()["entries"][TEST]["sessions"]
    loop.run("--energy-update")
    record = loop.baseline()
    assert record["schema"] == 2
    entry = record["entries"][TEST]
    assert len(entry["sessions"]) == 6
    assert [s["metered_count"] for s in entry["sessions"]] == [s["done"] for s in sessions] + [100]
    assert entry["sessions"][0]["blocks"] == sessions[0]["blocks"]


def test_a_file_of_schema_3_is_refused_by_name_and_never_written_to(loop, path):
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 3'))
    before = path.read_bytes()
    verdict = loop.verdicts()[TEST]
    assert verdict["status"] == "incomparable"
    assert "schema 3, this version reads 1 and 2: written by a newer pytest-energy" in str(verdict)
    result = loop.run("--energy-update")
    result.stdout.fnmatch_lines([f"*{TEST}: not stored: its baseline file is broken*"])
    assert loop.run("--energy-strict").ret == 1
    assert path.read_bytes() == before
