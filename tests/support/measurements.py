"""Measurements and baselines of known joules, and the verdict on them."""

from __future__ import annotations

from pytest_energy.types.baseline import Baseline, Session
from pytest_energy.types.energy import Domain, Method
from pytest_energy.types.measurement import Block, Measurement
from pytest_energy.types.result import Subject
from pytest_energy.types.verdict import Rule
from pytest_energy.verdict.case import Case
from pytest_energy.verdict.judge import judge as judge_case

CPU = Domain("cpu", "cpu", Method.COUNTER, "RAPL", 1e-3)


GPU = Domain("gpu:0", "gpu", Method.COUNTER, "NVML", 0.1)


ESTIMATE = Domain("cpu", "cpu", Method.ESTIMATED, "CPU time", 1e-6, "4 W per logical CPU")


SUBJECT = Subject("t.py::test_x", "", "task", "model", "", "", "inference", 100)


RULE = Rule(tolerance=0.05)


def measured(joules, *, domains=(CPU,), blocks=20, wobble=0.0, seconds=10.0, **facts):
    """A measurement of so many joules per inference, its blocks wobbling around it."""
    size = SUBJECT.n // blocks
    figures = [joules * (1 + (wobble if i % 2 else -wobble)) for i in range(blocks)]
    return Measurement(
        meters=("rapl",),
        domains=domains,
        blocks=tuple(
            Block(size, seconds / blocks, (figure * size, *[0.0] * (len(domains) - 1)))
            for figure in figures
        ),
        metered_count=SUBJECT.n,
        unit_count=float(SUBJECT.n),
        **facts,
    )


def stored(*joules, domains=(CPU,), blocks=20, subject=SUBJECT, meters=("rapl",)):
    """A baseline with a session for each figure."""
    return Baseline(
        subject,
        meters,
        domains,
        tuple(
            Session(
                "2026-01-01T00:00:00Z",
                subject.n,
                None,
                j,
                {domains[0].name: j},
                (j,) * blocks,
                0.1,
                None,
            )
            for j in joules
        ),
    )


def judge(measurement, baseline, rule=RULE, subject=SUBJECT, elsewhere=(), remeasured=False):
    """The verdict on one pass, or on a list of passes."""
    passes = measurement if isinstance(measurement, list) else [measurement]
    return judge_case(Case(subject, passes, rule, baseline, elsewhere, remeasured))


FIVE = (2.0, 1.99, 2.01, 2.0, 2.0)
"""Five stored sessions that agree."""
