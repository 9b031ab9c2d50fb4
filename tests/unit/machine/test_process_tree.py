"""Whose CPU seconds are counted: this process's, its children's, and not those of a base."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from pytest_energy.machine import process_tree
from pytest_energy.meters.cpu_time import CpuTime
from pytest_energy.types.machine import Cpu
from support.processes import BURN, seconds_of


@pytest.fixture
def meter():
    return CpuTime(Cpu("AMD EPYC", 2, 1, virtual=True))


def test_another_revisions_process_is_no_part_of_what_is_measured(meter):
    before = meter.read()
    child = subprocess.Popen(
        [sys.executable, "-c", BURN.format(0.3) + "input()"], stdin=subprocess.PIPE
    )
    meter.processes = process_tree.RunProcesses(excluded={child.pid})
    try:
        while meter.processes.excluded_cpu_ns() < 0.3e9:
            time.sleep(0.01)
        assert seconds_of(meter, before) < 0.2
        meter.processes.excluded.clear()
        assert seconds_of(meter, before) >= 0.3
    finally:
        child.communicate(b"")


def test_psutil_counts_the_same_where_there_is_no_proc():
    child = subprocess.Popen(
        [sys.executable, "-c", BURN.format(0.3) + "print(flush=True)\ninput()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    child.stdout.readline()
    portable = process_tree.living_children_ns_psutil()
    linux = process_tree.living_children_ns()
    child.communicate(b"\n")
    assert portable >= 0.29e9
    assert linux == pytest.approx(portable, rel=0.2)
