"""The meters: CPU time of real processes, and which of them a session takes."""

from __future__ import annotations

import subprocess
import sys
import time
from itertools import pairwise

import pytest

from pytest_energy.machine import process_tree
from pytest_energy.meters import builtin_sources, cpu_time, open_meters
from pytest_energy.meters.base import Meter, MeterLostError, MeterSource, MeterUnavailableError
from pytest_energy.meters.meter_set import MeterSet
from pytest_energy.types.energy import Domain, Method
from pytest_energy.types.machine import Cpu

# CPU time


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


BURN = "import time\nwhile time.process_time() < {}: pass\n"


@pytest.fixture
def meter():
    return cpu_time.CpuTime(Cpu("AMD EPYC", 2, 1, virtual=True))


def seconds_of(meter, before):
    return (meter.read()[0] - before[0]) / 1e6 / meter.watts


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


def test_the_count_never_goes_back_even_when_a_child_takes_its_seconds_along(meter, monkeypatch):
    figures = iter([100, 200, 150, 160])
    monkeypatch.setattr(cpu_time, "children_cpu_ns", lambda: next(figures) * 10**9)
    monkeypatch.setattr(cpu_time.time, "process_time_ns", lambda: 0)
    counts = [meter.read()[0] for _ in range(4)]
    assert [(b - a) / 1e6 / meter.watts for a, b in pairwise(counts)] == [
        100,
        0,
        10,
    ]


def test_looking_for_children_is_charged_to_nobody(meter, monkeypatch):
    clock = iter([100, 107, 110, 117, 150, 157])  # 7 s of looking in each
    monkeypatch.setattr(cpu_time, "children_cpu_ns", lambda: 0)
    monkeypatch.setattr(cpu_time.time, "process_time_ns", lambda: next(clock) * 10**9)
    counts = [meter.read()[0] for _ in range(3)]
    assert [(b - a) / 1e6 / meter.watts for a, b in pairwise(counts)] == [3, 33]


def test_another_revisions_process_is_no_part_of_what_is_measured(meter):
    before = meter.read()
    child = subprocess.Popen(
        [sys.executable, "-c", BURN.format(0.3) + "input()"], stdin=subprocess.PIPE
    )
    process_tree.exclude_pid(child.pid, True)
    try:
        while process_tree.excluded_cpu_ns() < 0.3e9:
            time.sleep(0.01)
        assert seconds_of(meter, before) < 0.2
        process_tree.exclude_pid(child.pid, False)
        assert seconds_of(meter, before) >= 0.3
    finally:
        process_tree.exclude_pid(child.pid, False)
        child.communicate(b"")


def test_psutil_counts_the_same_where_there_is_no_proc():
    child = subprocess.Popen(
        [sys.executable, "-c", BURN.format(0.3) + "print(flush=True)\ninput()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    child.stdout.readline()
    portable = process_tree._living_children_ns_psutil()
    linux = process_tree._living_children_ns()
    child.communicate(b"\n")
    assert portable >= 0.29e9
    assert linux == pytest.approx(portable, rel=0.2)


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


# Choosing


class Fixed(Meter):
    """A meter that always reads the same."""

    def __init__(self, name, *domains):
        self.name = name
        self.domains = domains

    def read(self):
        return (0,) * len(self.domains)


def source(name, method, kind="cpu", automatic=True, error=None):
    def open_it():
        if error:
            raise error
        return Fixed(name, Domain(kind, kind, method, name, 0.0))

    return MeterSource(name, open_it, automatic, kind)


COUNTER = source("rapl", Method.COUNTER)
ESTIMATE = source("cpu_time", Method.ESTIMATED)


def test_auto_takes_the_counter_and_no_estimate_of_the_same_thing():
    assert open_meters(["auto"], [COUNTER, ESTIMATE]).names == ("rapl",)


def test_auto_estimates_what_has_no_counter_and_says_why():
    closed = MeterUnavailableError("no permission to read /sys/x", "chgrp it")
    meters = open_meters(["auto"], [source("rapl", None, error=closed), ESTIMATE])
    assert meters.names == ("cpu_time",)
    assert meters.note == "estimated, because rapl: no permission to read /sys/x (chgrp it)"


def test_a_gpu_counter_stands_beside_an_estimate_of_the_cpu():
    gpu = source("nvml", Method.COUNTER, kind="gpu")
    assert open_meters(["auto"], [gpu, ESTIMATE]).names == ("nvml", "cpu_time")


def test_auto_sees_everybodys_counters_before_it_estimates():
    theirs = source("esmi", Method.COUNTER)
    assert open_meters(["auto"], [ESTIMATE, theirs]).names == ("esmi",)
    wall = source("wall", Method.COUNTER, kind="system", automatic=False)
    assert open_meters(["auto", "wall"], [COUNTER, ESTIMATE, wall]).names == ("rapl", "wall")


def test_a_meter_whose_library_is_missing_is_unavailable():
    theirs = source("esmi", None, error=ImportError("No module named 'esmi'"))
    with pytest.raises(ValueError, match="'esmi' is unavailable: ImportError: No module named"):
        open_meters(["esmi"], [theirs])
    assert open_meters(["auto"], [theirs, ESTIMATE]).names == ("cpu_time",)


def test_auto_leaves_meters_that_must_be_asked_for():
    wall = source("wall", Method.COUNTER, kind="system", automatic=False)
    assert open_meters(["auto"], [ESTIMATE, wall]).names == ("cpu_time",)
    assert open_meters(["wall"], [ESTIMATE, wall]).names == ("wall",)


def test_an_unknown_meter_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match="no meter named 'watt'; there are: auto; ") as error:
        open_meters(["watt"], builtin_sources())
    assert "cpu_time (available)" in str(error.value)
    closed = MeterUnavailableError("no permission to read /sys/x", "chgrp it")
    with pytest.raises(ValueError, match=r"rapl \(no permission to read /sys/x\)"):
        open_meters(["watt"], [source("rapl", None, error=closed), ESTIMATE])


def test_a_meter_asked_for_by_name_is_never_replaced():
    closed = source("rapl", None, error=MeterUnavailableError("no zones", "run on metal"))
    with pytest.raises(ValueError, match="'rapl' is unavailable: no zones; run on metal"):
        open_meters(["rapl"], [closed, ESTIMATE])


def test_two_meters_of_one_domain_would_count_twice_and_are_refused():
    with pytest.raises(ValueError, match=r"'rapl' and 'cpu_time' both count 'cpu'"):
        open_meters(["rapl", "cpu_time"], [COUNTER, ESTIMATE])


def test_a_defect_in_somebody_elses_meter_is_a_lost_meter_that_names_it():
    class Broken(Fixed):
        def read(self):
            return 1 / 0

    class Float(Fixed):
        def read(self):
            return (float("nan"),)

    class Short(Fixed):
        def read(self):
            return ()

    domain = Domain("x", "x", Method.COUNTER, "x", 0.0)
    with pytest.raises(MeterLostError, match="theirs: ZeroDivisionError"):
        MeterSet([Broken("theirs", domain)]).read()
    with pytest.raises(MeterLostError, match="theirs: TypeError: 'float'"):
        MeterSet([Float("theirs", domain)]).read()
    with pytest.raises(MeterLostError, match="0 counts for 1 domains"):
        MeterSet([Short("theirs", domain)]).read()


def test_a_meter_that_sees_everything_stands_for_the_estimate_and_for_what_comes_later():
    class Wall(Fixed):
        covers = frozenset({"cpu", "dram", "gpu"})

    wall = MeterSource(
        "wall", lambda: Wall("wall", Domain("wall", "system", Method.COUNTER, "plug", 1.0)), True
    )
    assert open_meters(["auto"], [wall, ESTIMATE]).names == ("wall",)
    meters = open_meters(["auto"], [COUNTER, wall])
    assert meters.names == ("rapl",)
    assert meters.note == "wall is left out, because rapl counts the same"
    with pytest.raises(ValueError, match="'wall' and 'rapl' both count 'cpu'"):
        open_meters(["rapl", "wall"], [COUNTER, wall])
