"""What is held alike while work is metered."""

from __future__ import annotations

import os

import pytest

from pytest_energy.machine.process_tree import RunProcesses
from pytest_energy.metering.conditions import Mark, RunConditions, WarmupUsage, trial


class Counted(RunProcesses):
    """Processes whose CPU time a test says."""

    seconds = 0.0

    def cpu_ns(self):
        return round(self.seconds * 1e9)


@pytest.mark.parametrize(
    ("cpu_seconds", "wall_seconds", "parallel"),
    [(1.0, 1.0, False), (0.3, 1.0, False), (1.9, 1.0, True), (1.3, 1.0, True), (2e-4, 1e-4, False)],
)
def test_work_on_several_cpus_at_once_is_told_from_work_on_one(cpu_seconds, wall_seconds, parallel):
    processes, times = Counted(), iter([0.0, wall_seconds])
    usage = WarmupUsage(processes, lambda: next(times))
    processes.seconds = cpu_seconds
    assert usage.parallel is parallel


def test_nothing_is_held_unless_it_is_wanted():
    conditions = RunConditions(RunProcesses())
    assert conditions.choose_cpu() is None
    assert conditions.hold(0) is None
    assert not conditions.make_steady()
    assert conditions.allocator == "as-is"


def test_the_allocator_is_made_steady_once():
    conditions = RunConditions(RunProcesses(), steady=True)
    first = conditions.make_steady()
    assert conditions.allocator == ("steady" if first else "as-is")
    assert not conditions.make_steady()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system holds no process")
def test_a_cpu_is_held_and_released():
    before = os.sched_getaffinity(0)
    conditions = RunConditions(RunProcesses(), pin=True)
    cpu = conditions.hold(conditions.choose_cpu())
    try:
        assert os.sched_getaffinity(0) == ({cpu} if cpu is not None else before)
    finally:
        conditions.release()
    assert os.sched_getaffinity(0) == before


def test_what_a_steady_allocator_saves_is_a_share_of_the_cpu_time():
    found = trial((Mark(100, 1.0), Mark(4100, 1.4)), (Mark(4100, 2.0), Mark(4100, 2.3)))
    assert found.page_faults == 4000
    assert found.saving == pytest.approx(0.25)


def test_a_system_that_tells_no_page_faults_has_none():
    assert trial((Mark(None, 1.0), Mark(None, 1.4)), (Mark(None, 2.0), Mark(None, 2.3))) == trial(
        (Mark(0, 1.0), Mark(0, 1.4)), (Mark(0, 2.0), Mark(0, 2.3))
    )
