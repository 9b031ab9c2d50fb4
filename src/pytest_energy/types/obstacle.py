"""What keeps a figure from being compared, where the run itself does it."""

from __future__ import annotations

from enum import StrEnum


class Obstacle(StrEnum):
    """What `--energy-allow` takes: a reason, in the run, why something was not compared."""

    TRACER = "tracer"
    WORKERS = "workers"
    REPEATED = "repeated"
    BASE = "base"
    BASELINE = "baseline"
    METER = "meter"
    UNMEASURED = "unmeasured"


MEANINGS = {
    Obstacle.TRACER: "a debugger or profiler watched the test",
    Obstacle.WORKERS: "pytest-xdist's workers ran at the same time, without the lock",
    Obstacle.REPEATED: "another plugin ran the test's function several times in one window",
    Obstacle.BASE: "the base of a paired run died or could not be collected",
    Obstacle.BASELINE: "a baseline file could not be read, or its entry was edited",
    Obstacle.METER: "the meters are others than those of the baseline",
    Obstacle.UNMEASURED: "a test that has a baseline gave no figure",
}
"""What each stands for, for people."""
