"""Plots of a run beside the papers' figures, from reports that were written without any model."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from pytest_energy.report import json as json_report
from pytest_energy.types.measurement import FlopCount
from support.examples import ROOT
from support.reports import HOSTILE, new, session

pytest.importorskip("matplotlib")

ALL = ("both-kinds", "energy-against-accuracy", "energy-against-operations", "energy-by-task")


@pytest.fixture
def plots(tmp_path):
    """Draw a session's plots: their names, and what was said of those that are missing."""

    def draw(*results, blocks=True):
        report, folder = tmp_path / "report.json", tmp_path / "plots"
        assert json_report.write_report(report, session(*results), blocks) == []
        script = [sys.executable, ROOT / "scripts" / "plot_papers.py", report, folder]
        done = subprocess.run(script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        drawn = sorted(path.stem for path in folder.iterdir())
        assert all(path.stat().st_size > 10_000 for path in folder.iterdir())
        return drawn, done.stderr

    return draw


def counted(joules, flops, **members):
    one = new(joules, **members)
    return replace(one, measurement=replace(one.measurement, flops=FlopCount(flops)))


def of_both_kinds(task="question-answering", model="m"):
    roles = (("task-specific", 2.0, 10**9), ("general-purpose", 30.0, 10**11))
    return [
        counted(
            joules,
            flops,
            test=f"t.py::{task}_{role}",
            task=task,
            role=role,
            model=f"{model} {role}",
        )
        for role, joules, flops in roles
    ]


@pytest.mark.parametrize("blocks", [True, False])
def test_a_run_without_any_model_is_drawn(plots, blocks):
    drawn, said = plots(*of_both_kinds(), *of_both_kinds("summarization"), blocks=blocks)
    assert tuple(drawn) == ALL
    assert said == ""


def test_what_a_run_has_too_little_for_is_left_out_and_said(plots):
    drawn, said = plots(new(task="question-answering", role="task-specific"))
    assert drawn == ["energy-by-task"]
    assert said.count("the run measured too little for it") == 3


@pytest.mark.parametrize(
    "name", [HOSTILE, "$x^", "$", "x" * 10_000, "_" * 30, "\N{CJK RADICAL CHOKE}"]
)
def test_whatever_a_model_is_called_it_is_drawn(plots, name):
    drawn, _ = plots(*of_both_kinds(model=name), *of_both_kinds(f"{name} task", model=name))
    assert tuple(drawn) == ALL
