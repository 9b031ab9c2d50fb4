"""What people read, word for word: the terminal's report at four widths, and Markdown.

After a change that is meant, read the difference and run `pytest tests/unit/report/test_golden.py
--snapshot-update`.
"""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from _pytest.terminal import TerminalReporter

from pytest_energy.report import terminal
from pytest_energy.report.exports import markdown
from pytest_energy.types.energy import Domain, Method
from pytest_energy.types.measurement import Block, Measurement
from pytest_energy.types.result import Result, TrainingRun
from pytest_energy.types.session import Instrumentation, Overhead
from pytest_energy.types.verdict import Rule
from support.measurements import CPU, FIVE, GPU, RULE, judge, stored
from support.reports import COUNTS, history_of, session, subject, unmeasured

RAM = Domain("dram", "dram", Method.CONSTANT, "5 W", 0.0)

TEST = "tests/test_models.py::test_classification"


def measured(joules, seconds=0.02, wobble=0.004, **facts):
    """Of 100 inferences: three quarters of the joules on the GPU; a constant beside."""
    blocks = tuple(
        Block(5, 5 * seconds, (1.25 * each, 3.75 * each, 5 * 5 * seconds))
        for each in (joules * (1 + wobble * (-1) ** i) for i in range(20))
    )
    return Measurement(("rapl", "nvml"), (CPU, GPU, RAM), blocks, 100, 100.0, **facts)


def result(joules, base=None, rule=RULE, **members):
    """A result over five stored sessions of `base`, or of the first session where that is None."""
    facts = {name: members.pop(name) for name in ("recorded", "interference") if name in members}
    of = replace(subject(task="sentiment"), **members)
    now = measured(joules, **facts)
    figures = [] if base is None else [base * each / 2 for each in FIVE]
    before = stored(*figures, domains=(CPU, GPU, RAM), subject=of, meters=now.meters)
    before = replace(before, sessions=tuple(map(_by_domain, before.sessions)))
    verdict = judge(now, before if figures else None, rule, of)
    return Result(of, now, rule, verdict, history=history_of(*figures) if figures else None)


def _by_domain(one):
    """A stored session whose joules are of the CPU and the GPU, as those of `measured`."""
    joules = one.joules_per_unit
    return replace(one, domains={"cpu": joules / 4, "gpu:0": joules * 3 / 4, "dram": 0.1})


MORE_WORK = replace(COUNTS, energy=0.14, joules=2.28, joules_before=2.0, flops=0.11)
"""Counts that say what the joules say."""


def a_session():
    """A session with each verdict that people meet, by verdicts that the gate itself gave."""
    small, large = "distilbert-base-uncased-finetuned-sst-2-english", "google/flan-t5-large"
    risen = result(
        2.4, 2.1, test=f"{TEST}[distilbert]", model=small, role="task-specific",
        recorded={"accuracy": 0.913},
    )  # fmt: skip
    risen = replace(risen, verdict=replace(risen.verdict, counts=MORE_WORK))
    training = result(3.0, test="tests/test_tune.py::test_tune", model="tuned", role="training",
                      unit="step")  # fmt: skip
    results = (
        risen,
        result(31.5, 31.2, test=f"{TEST}[flan]", model=large, role="general-purpose"),
        result(1.7, 2.0, test=f"{TEST}[pruned]", model="pruned"),
        result(2.0, test=f"{TEST}[new]", model="distilbert-v2"),
        result(
            2.0, 2.0, Rule(0.05, budget_joules=1.9, budget_text="1.9 J"),
            test="tests/test_budget.py::test_budget", model="tiny",
        ),
        result(
            2.2, 2.1, test=f"{TEST}[noisy]", model="tiny",
            interference=("others used 31 % of the machine's CPU time meanwhile",),
        ),
        replace(training, training_run=TrainingRun(total_steps=1000)),
        result(2.0, 2.0, test="tests/test_generate.py::test_generate", region="decode",
               task="text-generation", model="smol", unit="token"),
        unmeasured(
            test="tests/test_generate.py::test_broken", task="text-generation", model="smol"
        ),
        unmeasured(
            test="tests/test_x.py::test_\x1b[2J|`x`<b>", task="<i>\u202e", model="a\nb" * 20,
            reason="the body raised ValueError",
        ),
    )  # fmt: skip
    return session(
        *results,
        stored={f"{TEST}[new]": "stored"},
        notices=(
            "coverage was paused in metered windows: lines that run in them alone do not count",
        ),
        problems=("--energy-json: /nowhere/r.json: Permission denied; the report was not written",),
        instrumentation=Instrumentation(domains=(CPU, GPU, RAM)),
        overhead=Overhead(12.4, 1523.0),
    )


@pytest.fixture
def shown(pytester):
    """What the end of a session prints on a terminal of so many columns."""

    def show(width, *arguments, encoding="utf-8"):
        raw = io.BytesIO()
        file = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
        reporter = TerminalReporter(pytester.parseconfig(*arguments), file)
        reporter._tw.fullwidth = width
        report = a_session()
        full = "--energy-report" in arguments
        terminal.write_summary(reporter, report, full)
        file.flush()
        text = raw.getvalue().decode(encoding)
        assert max(map(len, text.splitlines())) <= width
        return text

    return show


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_the_full_report(shown, snapshot, width):
    assert shown(width, "--energy-report", "-v") == snapshot


def test_the_full_report_in_ascii(shown, snapshot):
    assert shown(100, "--energy-report", "-v", encoding="ascii") == snapshot


def test_verbosity_adds_domains_and_sparklines_and_changes_nothing_else(shown):
    plain = shown(100, "--energy-report").splitlines()
    verbose = shown(100, "--energy-report", "-v").splitlines()
    added = [line for line in verbose if line not in plain]
    assert [line for line in verbose if line in plain] == plain
    assert sum("gated" in line for line in added) == 3 * 8
    assert sum(line.startswith("  stored  ") for line in added) == 6
    assert shown(100, "-v") == shown(100)


def test_the_short_report(shown, snapshot):
    assert shown(80) == snapshot


def test_markdown(snapshot):
    assert markdown.render([a_session()]) == snapshot
