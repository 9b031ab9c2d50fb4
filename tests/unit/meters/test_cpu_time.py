"""CPU time of real processes, as an estimate of their energy."""

from __future__ import annotations

import subprocess
import sys
import time
from itertools import pairwise, repeat

import pytest

from pytest_energy.meters import cpu_time
from pytest_energy.types.energy import Method
from pytest_energy.types.machine import Cpu
from support.processes import BURN, burn, seconds_of

CPU = Cpu("AMD EPYC", 2, 1, virtual=True)


@pytest.fixture
def meter():
    return cpu_time.CpuTime(CPU)


def test_own_cpu_seconds_are_counted_and_sleep_is_not(meter):
    before = meter.read()
    burn(0.2)
    time.sleep(0.3)
    assert 0.2 <= seconds_of(meter, before) < 0.3


def test_an_ended_child_is_counted(meter):
    before = meter.read()
    subprocess.run([sys.executable, "-c", BURN.format(0.4)], check=True)
    assert seconds_of(meter, before) >= 0.4


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX processes")
def test_living_children_and_grandchildren_are_counted_and_the_count_goes_on_when_they_end(meter):
    before = meter.read()
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys\n"
            f"inner = {BURN.format(0.3)!r} + 'print(flush=True)\\nimport sys\\nsys.stdin.read()'\n"
            "p = subprocess.Popen([sys.executable, '-c', inner], stdin=sys.stdin)\n"
            f"{BURN.format(0.3)}p.wait()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    child.stdout.readline()  # the grandchild has burnt its share and lives on
    living = seconds_of(meter, before)
    assert living >= 0.3
    child.communicate()
    ended = seconds_of(meter, before)
    assert ended >= 0.6
    assert ended >= living


def scripted(own, children):
    """A meter of such CPU seconds, reading by reading."""
    ours, theirs = iter(own), iter(children)
    return cpu_time.CpuTime(CPU, lambda: next(ours) * 10**9, lambda: next(theirs) * 10**9)


def test_the_count_never_goes_back_even_when_a_child_takes_its_seconds_along():
    meter = scripted(repeat(0), [100, 200, 150, 160])
    counts = [meter.read()[0] for _ in range(4)]
    assert [(b - a) / 1e6 / meter.watts for a, b in pairwise(counts)] == [
        100,
        0,
        10,
    ]


def test_looking_for_children_is_charged_to_nobody():
    meter = scripted([100, 107, 110, 117, 150, 157], repeat(0))  # 7 s of looking in each
    counts = [meter.read()[0] for _ in range(3)]
    assert [(b - a) / 1e6 / meter.watts for a, b in pairwise(counts)] == [3, 33]


def test_watts_come_from_the_table_over_the_logical_cpus():
    watts, why = cpu_time.watts_per_cpu(
        Cpu("AMD EPYC 7763 64-Core Processor", 256, 2, virtual=False)
    )
    assert watts == pytest.approx(2 * 280 / 256)
    assert why == "2 x 280 W TDP over 256 logical CPUs, codecarbon's table"


@pytest.mark.parametrize(
    ("cpu", "why"),
    [
        (Cpu("AMD EPYC 7763 64-Core Processor", 2, 1, virtual=True), "virtual machine hides"),
        (Cpu("Wonder 9000", 8, 1, virtual=False), "not in its table"),
    ],
)
def test_where_the_table_does_not_help_a_labelled_default_stands_in(cpu, why):
    watts, label = cpu_time.watts_per_cpu(cpu)
    assert watts == cpu_time.DEFAULT_WATTS_PER_CPU
    assert why in label
    assert "default" in label


def test_an_estimate_says_that_it_is_one_and_what_it_rests_on(meter):
    (domain,) = meter.domains
    assert domain.method is Method.ESTIMATED
    assert domain.basis.startswith("4 W per logical CPU (codecarbon's default")
