"""GitHub's runner: annotations as workflow commands, and the step's summary."""

from __future__ import annotations

import os
import re

import pytest

from pytest_energy.report import github
from pytest_energy.types.session import Failure
from support.reports import HOSTILE, result, session

COMMAND = re.compile(r"::error (?P<properties>[^:]*)::(?P<message>.*)")


def read(line):
    """An annotation as the runner reads it: one line, properties and data unescaped."""
    match = COMMAND.fullmatch(line)
    properties = dict(each.split("=", 1) for each in match["properties"].split(","))
    return {name: text(value) for name, value in properties.items()}, text(match["message"])


def text(data):
    for sign, meant in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        data = data.replace(sign, meant)
    return data


def annotations(root, failures, workspace=None):
    report = session(result(3.0), failures=failures)
    return list(github.error_commands(report, root, workspace))


def test_a_failing_test_is_annotated_on_its_line_with_the_whole_message(tmp_path):
    message = "energy regressed: 3.00 J\n  change +50.0 %, allowed +5 %"
    failure = Failure("tests/test_x.py", 7, message)
    (line,) = annotations(tmp_path, {"tests/test_x.py::test_a[1,2:3]": failure})
    assert "\n" not in line
    properties, said = read(line)
    assert properties == {"file": "tests/test_x.py", "line": "7", "title": "test_a[1,2:3]"}
    assert said == message
    assert "%2C" in line


def test_files_are_named_from_the_checkout(tmp_path):
    inside = tmp_path / "packages" / "one"
    inside.mkdir(parents=True)
    failures = {"a": Failure("test_x.py", None, "m"), "b": Failure("../test_y.py", 1, "m")}
    lines = [read(line)[0] for line in annotations(inside, failures, tmp_path)]
    assert [each["file"] for each in lines] == ["packages/one/test_x.py", "packages/test_y.py"]
    assert "line" not in lines[0]
    (outside, _) = annotations(inside, failures, tmp_path / "elsewhere")
    assert read(outside)[0]["file"] == (inside / "test_x.py").as_posix()


def test_no_name_ends_a_property_or_begins_another_command(tmp_path):
    failure = Failure(f"t{HOSTILE}.py", 1, f"x\n::error::{HOSTILE}\r::warning::")
    (line,) = annotations(tmp_path, {f"t.py::{HOSTILE}": failure})
    assert line.isprintable()
    properties, _ = read(line)
    assert set(properties) == {"file", "line", "title"}


def test_of_many_the_last_says_how_many_more_there_are(tmp_path):
    failures = {f"t.py::test_{i}": Failure("t.py", i, "m") for i in range(25)}
    lines = annotations(tmp_path, failures)
    assert len(lines) == github.MOST_ANNOTATIONS
    assert read(lines[-1])[1] == "16 more metered tests failed: see the log"
    assert len(annotations(tmp_path, dict(list(failures.items())[:10]))) == 10


def test_the_summary_is_appended_to_what_others_wrote(tmp_path):
    path = tmp_path / "summary"
    report = session(result(3.0))
    assert github.append_summary(path, report) == ""
    path.write_text("# Others\nlast line")
    assert github.append_summary(path, report) == ""
    assert path.read_text().startswith("# Others\nlast line\n**Energy: 1 regressed**")


@pytest.mark.parametrize("left", [5000, 500, 10])
def test_a_summary_that_is_nearly_full_gets_what_it_can_hold(tmp_path, left):
    path = tmp_path / "summary"
    path.write_text("x" * (github.MOST_SUMMARY_BYTES - left))
    said = github.append_summary(path, session(*(result(test=f"t{i}") for i in range(100))))
    assert path.stat().st_size <= github.MOST_SUMMARY_BYTES
    assert ("is full: nothing was added" in said) == (left == 10)
    assert ("Energy" in path.read_text()) == (left > 10)


def test_a_summary_that_cannot_be_written_is_said(tmp_path):
    said = github.append_summary(tmp_path, session(result()))
    assert "Is a directory; nothing was added to it" in said
    assert "No such file" in github.append_summary(tmp_path / "a" / "b", session(result()))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
def test_nothing_waits_for_the_reader_of_a_fifo(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    assert "nothing was added" in github.append_summary(tmp_path / "fifo", session(result()))
