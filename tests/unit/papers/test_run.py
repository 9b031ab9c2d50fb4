"""A run's report is read in its current form and in the one before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_energy.papers.run import from_schema_1, read_run
from pytest_energy.report.json import write_report
from pytest_energy.report.read import RunError
from support.reports import result, session
from support.schema_1 import REPORT

DONE = '"done": 8'


def changed(tmp_path, old, new, count=1):
    """The report of schema 1 with something else in it, and the line where that stands."""
    text = REPORT.read_text("utf-8")
    assert old in text
    path = tmp_path / "report.json"
    path.write_text(text.replace(old, new, count), "utf-8")
    return path, text[: text.index(old)].count("\n") + 1


def test_a_report_of_schema_1_is_read():
    run = read_run(REPORT)
    (one, body) = run.measured
    assert one.subject.test == "test_it.py::test_specific"
    assert one.measurement.joules_per_unit == pytest.approx(3.6, rel=0.01)
    assert one.measurement.metered_count == 8
    assert one.measurement.recorded == {"parameters": 1e8}
    assert (one.method, body.subject.test) == ("counter", "test_it.py::test_region")
    (training,) = run.trained
    assert training.model == "own"
    assert training.kwh == pytest.approx(1800 * 2000 / 3.6e6)
    assert len(training.inferences) == 2
    assert run.not_compared == 1  # the region


def test_what_has_another_name_now_is_read_under_the_old_one(tmp_path):
    record = json.loads(REPORT.read_text("utf-8"))
    measured = record["results"][0]["measurement"]
    measured["work"] = {"flops": 42, "without_formula": ["aten::q"]}
    measured["others_share"] = 0.25
    measured["disturbances"] = ["a process ran"]
    measured["yardstick"] = {"kind": "product", "threads": 1, "joules": [0.5] * 8}
    path = tmp_path / "report.json"
    path.write_text(json.dumps(record), "utf-8")
    found = read_run(path).measured[0].measurement
    assert (found.flops.count, found.flops.without_formula) == (42, ("aten::q",))
    assert found.other_cpu_share == 0.25
    assert found.interference == ("a process ran",)
    assert found.reference.joules == (0.5,) * 8


def test_the_conversion_leaves_the_result_that_it_is_given():
    (result, *_) = json.loads(REPORT.read_text("utf-8"))["results"]
    before = json.dumps(result)
    from_schema_1(result)
    assert json.dumps(result) == before


@pytest.mark.parametrize(
    ("new", "problem"),
    [
        ('"done": "x"', 'measurement.done: expected a whole number, found "x"'),
        ('"done": 0', "measurement.done: expected a number from 1 to 1e+15"),
        ('"done": NaN', "measurement.done: expected a finite number, found NaN"),
        ('"done": 8, "metered_count": 8', "measurement.metered_count: 'done' and 'metered_count'"),
    ],
)
def test_a_wrong_member_of_an_older_report_is_named_as_it_stands_there(tmp_path, new, problem):
    path, line = changed(tmp_path, DONE, new)
    with pytest.raises(RunError) as error:
        read_run(path)
    assert f"{path}, line {line}: result 1 is not as reports have it: {problem}" in str(error.value)


def test_a_missing_member_of_an_older_report_is_named_as_it_would_stand_there(tmp_path):
    path, _ = changed(tmp_path, f"{DONE},", "")
    with pytest.raises(RunError, match="measurement: 'done' is missing"):
        read_run(path)


def test_the_current_schema_knows_no_old_names(tmp_path):
    path, _ = changed(tmp_path, '"schema": 1', '"schema": 2')
    with pytest.raises(RunError, match="measurement: 'metered_count' is missing"):
        read_run(path)


def test_a_report_of_schema_3_is_refused_by_name(tmp_path):
    path, _ = changed(tmp_path, '"schema": 1', '"schema": 3')
    with pytest.raises(RunError) as error:
        read_run(path)
    assert str(error.value) == (
        f"{path}: schema 3, this version reads 1 and 2; written by a newer pytest-energy:"
        " upgrade it"
    )


@pytest.mark.parametrize("figure", ["0", "-1.0", "NaN", '"much"', "null"])
def test_a_trainings_figures_are_numbers_above_0(tmp_path, figure):
    cost = json.loads(REPORT.read_text("utf-8"))["results"][1]["training_cost"]
    path, _ = changed(tmp_path, f'"joules": {cost["joules"]}', f'"joules": {figure}')
    with pytest.raises(RunError, match=r"report\.json, line \d+: result 2 is not as reports"):
        read_run(path)


def test_the_file_is_left_as_it_is():
    before = Path(REPORT).read_bytes()
    read_run(REPORT)
    assert REPORT.read_bytes() == before


def test_a_report_without_blocks_that_lacks_their_duration_is_refused_with_its_place(tmp_path):
    path = tmp_path / "run.json"
    assert write_report(path, session(result()), blocks=False) == []
    record = json.loads(path.read_text())
    del record["results"][0]["measurement"]["seconds"]
    path.write_text(json.dumps(record))
    with pytest.raises(RunError, match=r"line 1: result 1 .*seconds: expected a number"):
        read_run(path)


def test_the_machine_class_is_what_its_members_make_whatever_name_stands_there(tmp_path):
    record = json.loads(REPORT.read_text("utf-8"))
    record["machine"]["class"] = "another-machine"
    path = tmp_path / "report.json"
    path.write_text(json.dumps(record), "utf-8")
    assert read_run(path).machine == read_run(REPORT).machine
