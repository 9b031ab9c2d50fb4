"""`pytest-energy explain`: the tree of what a test's inference does."""

from __future__ import annotations

import json

import pytest

from pytest_energy.cli.main import main
from pytest_energy.report.explain import lines, page
from pytest_energy.report.read import Counted, RunError, read_counted
from pytest_energy.types.codec import encode
from pytest_energy.types.counts import CallRow, Counts, OperatorRow, Work
from pytest_energy.types.result import Subject

SUBJECT = Subject("tests/test_x.py::test_a", "", "t", "m", "", "", "inference", 100)
COUNTS = Counts(
    "cpu",
    {"python": "3.11", "torch": "2.13.0"},
    (Work(2_000_000, 10_000, 13, 40),),
    (1,),
    (
        OperatorRow(
            "Bert.encoder.layer.[0-5].dense", "aten::addmm", "float32", 2_000_000, 8_000, 12
        ),
        OperatorRow("", "aten::copy_", "int64", 0, 2_000, 1),
    ),
    (CallRow("test_x.py:test_a", "bert.py:forward", 1, 40),),
    without_formula=("aten::_fft",),
)


@pytest.fixture
def report(tmp_path):
    def write(*results, **members):
        path = tmp_path / "run.json"
        path.write_text(json.dumps({"schema": 2, "results": list(results), **members}))
        return path

    return write


def result(test="tests/test_x.py::test_a", counts=COUNTS):
    subject = {**encode(SUBJECT), "test": test}
    return {"subject": subject, "measurement": None, "counts": encode(counts)}


def test_modules_stand_in_a_tree_with_their_share_of_the_joules():
    text = list(lines(COUNTS, 1.0))
    assert text[0].split() == ["share", "energy", "FLOPs", "bytes", "calls"]
    tree = [line for line in text if "Bert" in line]
    assert len(tree) == 1  # a chain of modules with one child each is one line
    assert tree[0].endswith("Bert.encoder.layer.[0-5].dense · aten::addmm float32")
    assert "2.00 MFLOP" in tree[0]
    assert any("(outside of modules)" in line for line in text)
    assert any("Python: 40 calls" in line for line in text)
    assert any(line.endswith("test_x.py:test_a -> bert.py:forward") for line in text)
    shares = [float(line.split()[0]) for line in text[1:] if " %" in line and "  " not in line[30:]]
    assert sum(shares) == pytest.approx(0, abs=100)


def test_it_says_whether_the_joules_are_metered_or_counted():
    metered = "\n".join(page(Counted(SUBJECT, COUNTS, 2.0)))
    assert "2.00 J per inference, as the run metered it" in metered
    assert "a model and no measurement" in metered
    assert "per inference, counted" in "\n".join(page(Counted(SUBJECT, COUNTS)))
    assert "without a formula for their operations: aten::_fft" in metered


def test_a_part_of_the_name_is_enough_where_it_is_the_only_one(report, capfd):
    path = report(result(), result("tests/test_x.py::test_ab"), {"subject": {}, "counts": None})
    assert main(["explain", "test_ab", "--run", str(path)]) == 0
    assert "tests/test_x.py::test_ab: " in capfd.readouterr().out
    assert main(["explain", "tests/test_x.py::test_a", "--run", str(path)]) == 0
    assert main(["explain", "test_x", "--run", str(path)]) == 2
    error = capfd.readouterr().err
    assert (
        "2 tests have that in their names: tests/test_x.py::test_a, tests/test_x.py::test_ab"
        in error
    )
    assert main(["explain", "other", "--run", str(path)]) == 2
    assert "no test of that name was counted" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda r: r["counts"].update(samples=[]), "counts: expected samples"),
        (lambda r: r["counts"].update(device=3), "counts.device: expected a text"),
        (lambda r: r["counts"]["operators"][0].update(flops="many"), "expected a whole number"),
    ],
)
def test_a_report_that_was_edited_is_refused_with_its_line(report, change, problem):
    one = result()
    change(one)
    with pytest.raises(RunError, match=problem):
        read_counted(report(one))


def test_what_is_no_report_is_refused(tmp_path, capfd):
    path = tmp_path / "x.json"
    assert main(["explain", "a", "--run", str(path)]) == 2
    path.write_text("[]")
    assert main(["explain", "a", "--run", str(path)]) == 2
    assert "not a report of pytest-energy" in capfd.readouterr().err
