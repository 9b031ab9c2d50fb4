"""What others use of this machine's CPU time."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace

import pytest

from pytest_energy.machine.load import LOGICAL_CPUS, LoadReader, idle_seconds
from pytest_energy.metering.window import Window
from pytest_energy.meters.meter_set import MeterSet
from pytest_energy.types.energy import Method
from support.clocks import Clock


def window_of_two_seconds(meter, idle, own=0.0):
    """A window on a machine of two CPUs, of which so much idles, and so much is this run's own."""
    clock = Clock()
    meter.own_cpu_ns = 7_000_000_000
    window = Window(MeterSet([meter], clock=clock, load=LoadReader(clock, idle, logical_cpus=2)))
    window.open()
    clock.now += 2.0
    meter.own_cpu_ns += round(own * 1e9)
    window.close(1)
    return window.measurement()


@pytest.mark.parametrize(
    ("idle", "own", "share"),
    [(2.0, 1.0, 0.25), (3.0, 1.0, 0.0), (0.0, 0.0, 1.0), (3.5, 1.0, 0.0), (2.6, 1.0, 0.1)],
)
def test_what_is_neither_idle_nor_ours_is_others(meter, idle, own, share):
    measured = window_of_two_seconds(meter, iter([50.0, 50.0 + idle]).__next__, own)
    assert measured.other_cpu_share == pytest.approx(share)
    assert measured.cpus == pytest.approx(own / 2)


def test_where_the_system_does_not_tell_what_idles_nothing_is_said_of_others(meter):
    assert window_of_two_seconds(meter, lambda: None).other_cpu_share is None


def test_windows_right_after_each_other_share_one_reading(meter):
    taken = []
    clock = Clock()
    meters = MeterSet([meter], clock=clock, load=LoadReader(clock, lambda: taken.append(1)))
    for _ in range(5):
        window = Window(meters)
        window.open()
        window.close(1)
    assert len(taken) == 1


def test_no_reading_is_shared_across_a_change_of_the_runs_processes(meter):
    """Seen: a head that joined a window's processes read as 27 CPUs at once."""
    meter.own_cpu_ns = 7_000_000_000
    meters = MeterSet([meter], clock=Clock())
    before = meters.cpu_times()
    assert meters.cpu_times() is before
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        try:
            meters.exclude({other.pid})
            while meters.processes.excluded_cpu_ns() == 0:
                time.sleep(0.01)
            after = meters.cpu_times()
            assert after.own_seconds > before.own_seconds
            meters.exclude({other.pid})
            assert meters.cpu_times() is after
        finally:
            other.kill()


def test_the_machines_idle_time_is_read_from_the_system():
    before = idle_seconds(), time.perf_counter()
    time.sleep(0.2)
    idle = idle_seconds() - before[0]
    # No more than every CPU can idle, within the kernel's ticks.
    assert 0 <= idle <= LOGICAL_CPUS * (time.perf_counter() - before[1] + 0.02)


def test_a_short_window_does_not_judge_its_neighbours(window):
    window.open()
    window.close(1)
    assert window.measurement().other_cpu_share is None


def estimated_window(meter, clock, idle, sleep):
    """A window of a tenth of a second over an estimate, on a machine of two CPUs."""
    meter.domains = tuple(replace(d, method=Method.ESTIMATED) for d in meter.domains)
    meter.own_cpu_ns = None
    meters = MeterSet([meter], clock=clock, load=LoadReader(clock, idle, logical_cpus=2))
    window = Window(meters, sleep=sleep)
    return meters, window


def test_a_short_window_looks_back_to_what_ran_right_before_it(meter):
    clock = Clock()
    meters, window = estimated_window(meter, clock, lambda: clock.now, lambda _: None)
    for _ in range(8):  # one of two CPUs idles
        meters.cpu_times_between()
        clock.now += 0.1
    window.open()
    clock.now += 0.1
    window.close(1)
    assert window.measurement().other_cpu_share == pytest.approx(0.5, abs=0.02)


def test_where_nothing_ran_before_it_a_short_window_looks_around_for_a_moment(meter):
    clock, slept = Clock(), []

    def sleep(seconds):
        slept.append(seconds)
        clock.now += seconds

    _, window = estimated_window(meter, clock, lambda: clock.now, sleep)
    window.open()
    clock.now += 0.1
    window.close(1)
    assert window.measurement().other_cpu_share is None
    window.look_around()
    assert slept == pytest.approx([0.4])
    assert window.measurement().other_cpu_share == pytest.approx(0.5, abs=0.02)
    window.look_around()
    assert len(slept) == 1


def test_a_reading_of_long_ago_says_nothing_of_a_short_window():
    reader = LoadReader(clock := Clock(), lambda: 0.0)
    reader.recent(lambda: 0.0)
    clock.now += 60
    assert reader.before(reader.recent(lambda: 0.0), 0.5).seconds == clock.now
