"""Operations that are counted beside the energy."""

from __future__ import annotations

import sys

import pytest

from support.projects import TEST, flowing

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("torch.utils.flop_counter", reason="needs torch")

TORCH = """
import pytest, torch
from scripted import spend

layer = torch.nn.Linear({inner}, 20)

@pytest.mark.inference(n=10, task="t", model="m"{more})
def test_loop(energy):
    for i in energy.each(range(10)):
        layer(torch.ones(3, {inner}))
        spend({joules})
"""


@pytest.fixture
def torch_project(project, monkeypatch):
    # The runs share this process and its torch, which cannot be imported twice in one.
    monkeypatch.setitem(sys.modules, "torch", torch)

    def write(inner=10, joules=2.0, more=""):
        project.write(test_it=TORCH.format(inner=inner, joules=joules, more=more))
        return project

    return write


def test_work_is_counted_once_outside_the_windows_and_stored(torch_project):
    project = torch_project()
    (result,) = project.report("--energy-update")["results"]
    assert result["measurement"]["flops"] == {
        "count": 1200,
        "without_formula": [],
        "samples": [1200] * 3,
    }
    assert result["measurement"]["joules_per_unit"] == 2.0
    entry = project.baseline()["entries"][TEST]
    assert entry["flops_per_inference"] == 1200
    assert entry["sessions"][0]["flops"] == 1200
    assert entry["sessions"][0]["flops_samples"] == [1200] * 3


def test_a_failing_test_says_whether_the_model_or_the_way_it_runs_has_changed(torch_project):
    project = torch_project()
    for _ in range(5):
        project.run("--energy-update")
    torch_project(inner=20, joules=3.0).run().stdout.fnmatch_lines(
        ["  flops      +100.0 %  2.40 kFLOP per inference: each inference does more*"]
    )
    torch_project(joules=3.0).run().stdout.fnmatch_lines(
        ["  flops       +0.0 %  1.20 kFLOP per inference: the operations are*"]
    )
    report = torch_project(inner=20).run("--energy-report")
    report.assert_outcomes(passed=1)
    text = flowing(report)
    assert "flops +100.0 %: more operations for the same energy: worth knowing" in text


def test_max_flops_gates_exactly_and_needs_no_baseline(torch_project):
    project = torch_project(more=', max_flops="1 kFLOP"')
    result = project.run("--energy-strict")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["  reason     1.20 kFLOP per inference, allowed 1.00 kFLOP"])
    torch_project(more=", max_flops=1200").run().assert_outcomes(passed=1)


def test_a_ceiling_that_could_not_be_checked_does_not_pass_for_one_that_held(torch_project):
    project = torch_project(more=", max_flops=1200")
    (result,) = project.report("--energy-counts=off")["results"]
    assert result["verdict"]["status"] == "inconclusive"
    assert "max_flops" in result["verdict"]["reason"]
    assert result["measurement"]["flops"] is None


LENGTHS = """
import pytest, torch
from scripted import spend

layer = torch.nn.Linear(10, 20)
LENGTHS = [1, 9, 4, 4] * 50

@pytest.mark.inference(n=200, task="t", model="m")
def test_loop(energy):
    for length in energy.each(LENGTHS):
        layer(torch.ones(length + {padding}, 10))
        spend({joules})
"""


def test_samples_of_several_lengths_are_counted_and_compared_each_with_itself(project, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", torch)
    project.write(test_it=LENGTHS.format(padding=0, joules=2.0))
    for _ in range(5):
        project.run("--energy-update")
    (session, *_) = project.baseline()["entries"][TEST]["sessions"]
    assert len(session["flops_samples"]) == 6
    assert session["flops"] == round(sum(session["flops_samples"]) / 6)
    project.write(test_it=LENGTHS.format(padding=1, joules=3.0))
    (result,) = project.report()["results"]
    mean = session["flops"] / 400
    assert result["verdict"]["change"]["flops"] == pytest.approx(1 / mean, abs=1e-3)
    project.run().stdout.re_match_lines(
        [r"  flops .* \(mean of 6 samples, standard error [\d.]+ %\):"]
    )
