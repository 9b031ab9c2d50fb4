"""What others use of this machine's CPU time."""

from __future__ import annotations

import time

import pytest

from pytest_energy.machine import load as neighbours
from pytest_energy.metering import window as windows
from pytest_energy.metering.window import Window
from pytest_energy.meters.meter_set import MeterSet


@pytest.mark.parametrize(
    ("idle", "own", "share"),
    [(2.0, 1.0, 0.25), (3.0, 1.0, 0.0), (0.0, 0.0, 1.0), (3.5, 1.0, 0.0), (2.6, 1.0, 0.1)],
)
def test_what_is_neither_idle_nor_ours_is_others(meter, monkeypatch, idle, own, share):
    """Two seconds on two CPUs are four; so much of them idle, so much our own."""
    monkeypatch.setattr(neighbours, "LOGICAL_CPUS", 2)
    clock = [100.0]
    monkeypatch.setattr(windows, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(neighbours, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(neighbours, "_idle_seconds", iter([50.0, 50.0 + idle]).__next__)
    own_ns = iter([7_000_000_000, 7_000_000_000 + round(own * 1e9)])
    monkeypatch.setattr(windows, "process_tree_cpu_ns", own_ns.__next__)
    window = Window(MeterSet([meter]))
    window.open()
    clock[0] += 2.0
    window.close(1)
    assert window.measurement().other_cpu_share == pytest.approx(share)


def test_where_the_system_does_not_tell_what_idles_nothing_is_said_of_others(meter, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(windows, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(neighbours, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(neighbours, "_idle_seconds", lambda: None)
    window = Window(MeterSet([meter]))
    window.open()
    clock[0] += 2.0
    window.close(1)
    assert window.measurement().other_cpu_share is None


def test_windows_right_after_each_other_share_one_look(meter, monkeypatch):
    taken = []
    monkeypatch.setattr(neighbours, "_idle_seconds", lambda: taken.append(1) or 0.0)
    monkeypatch.setattr(windows, "RECENT_SECONDS", 60.0)
    meters = MeterSet([meter])
    for _ in range(5):
        window = Window(meters)
        window.open()
        window.close(1)
    assert len(taken) == 1


def test_the_machines_idle_time_is_read_from_the_system():
    before = neighbours._idle_seconds(), time.perf_counter()
    time.sleep(0.2)
    idle = neighbours._idle_seconds() - before[0]
    # No more than every CPU can idle, within the kernel's ticks.
    assert 0 <= idle <= neighbours.LOGICAL_CPUS * (time.perf_counter() - before[1] + 0.02)


def test_a_short_window_does_not_judge_its_neighbours(window):
    window.open()
    window.close(1)
    assert window.measurement().other_cpu_share is None
