"""The benchmark of reports: what it makes is always the same, and what it prints can be read."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from pytest_energy.report.read import read_session

FOLDER = Path(__file__).parents[2] / "benchmarks"


def _run(*command):
    return subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, check=False
    )


def test_the_report_of_many_is_the_same_to_the_byte_and_has_all_that_a_report_has(tmp_path):
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    for path in (first, second):
        assert _run(FOLDER / "report_of_many.py", 100, path).returncode == 0
    assert first.read_bytes() == second.read_bytes()
    report = read_session(first)
    verdicts = Counter(one.verdict.status.value for one in report.results)
    assert verdicts == {"ok": 95, "regressed": 2, "improved": 1, "new": 1, "unmeasured": 1}
    stored = [one for one in report.results if one.history]
    assert all(len(one.history.sessions) == 10 for one in stored)
    assert all(one.counts and one.verdict.counts for one in stored)
    assert all(len(one.measurement.blocks) == 20 for one in stored)
    assert len(stored) == 98


@pytest.mark.skipif(sys.platform == "win32", reason="os.wait4 is not there")
def test_each_format_is_a_row_of_at_most_80_columns(tmp_path):
    figures = tmp_path / "figures.json"
    command = (FOLDER / "reports.py", 20, "--formats", "csv", "boamps", "--json", figures)
    done = _run(*command)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    names = ["json.load (peer)", "reading", "boamps", "csv"]
    assert [line[:23].strip() for line in lines[4:]] == names
    rows = json.loads(figures.read_text())
    assert [row["name"] for row in rows] == names
    assert all(row["problem"] == "" and row["seconds"] > 0 for row in rows)
    assert [bool(row["size"]) for row in rows] == [False, False, True, True]


@pytest.mark.skipif(sys.platform == "win32", reason="os.wait4 is not there")
def test_a_format_that_cannot_be_written_is_a_row_that_says_why():
    done = _run(FOLDER / "reports.py", 5, "--formats", "model-card")
    assert done.returncode == 0, done.stderr
    *_, line, why = done.stdout.splitlines()
    assert line.startswith("model-card")
    assert line.endswith("none")
    assert "there is no result of 'organisation/model-00007'" in why


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["0"], "N and --repeats are 1 or more"),
        (["5", "--repeats", "0"], "N and --repeats are 1 or more"),
        (["5", "--keep", "FILE/folder"], "--keep: "),
    ],
)
def test_an_argument_that_cannot_be_is_refused_in_one_line(tmp_path, arguments, words):
    (tmp_path / "FILE").touch()
    given = [one.replace("FILE", str(tmp_path / "FILE")) for one in arguments]
    done = _run(FOLDER / "reports.py", *given)
    assert done.returncode == 2
    assert words in done.stderr.splitlines()[-1]
