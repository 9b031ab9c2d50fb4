"""The window: edges, blocks, pauses, and what it notices beside energy."""

from __future__ import annotations

import subprocess
import sys
import time
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energy.machine import load as neighbours
from pytest_energy.metering import window as windows
from pytest_energy.metering.window import BLOCKS, Window, block_sizes
from pytest_energy.meters.base import Meter, MeterLostError
from pytest_energy.meters.meter_set import MeterSet
from pytest_energy.types.energy import Domain, Method


class Scripted(Meter):
    """Reads what the test has set."""

    name = "scripted"

    def __init__(self, resolution=0.0, method=Method.COUNTER):
        self.domains = (Domain("cpu", "cpu", method, "RAPL", resolution),)
        self.joules = 0.0
        self.lost = ""

    def read(self):
        if self.lost:
            raise MeterLostError(self.lost)
        return (round(self.joules * 1e6),)


@pytest.fixture
def meter():
    return Scripted()


@pytest.fixture
def window(meter):
    return Window(MeterSet([meter]))


def test_blocks_follow_each_other_without_a_gap(meter, window):
    window.open()
    meter.joules += 3
    window.split(10)
    meter.joules += 5
    window.close(10)
    measured = window.measurement()
    assert [block.joules for block in measured.blocks] == [(3.0,), (5.0,)]
    assert (measured.metered_count, measured.unit_count, measured.joules_per_unit) == (20, 20, 0.4)


def test_what_happens_between_close_and_open_is_not_metered(meter, window):
    window.open()
    meter.joules += 1
    window.close(1)
    meter.joules += 100
    window.open()
    meter.joules += 2
    window.close(1)
    assert window.measurement().joules == 3.0


def test_a_pause_keeps_the_block_together(meter, window):
    window.open()
    meter.joules += 1
    window.pause()
    meter.joules += 100
    window.open()
    meter.joules += 2
    window.close(4)
    (block,) = window.measurement().blocks
    assert (block.n, block.joules) == (4, (3.0,))


def test_a_meter_that_is_lost_half_way_leaves_no_figure(meter, window):
    window.open()
    meter.joules += 1
    window.split(1)
    meter.lost = "fell off the bus"
    window.close(1)
    assert window.measurement() is None
    assert window.lost == "scripted: fell off the bus"


def test_a_counter_that_goes_back_is_a_lost_meter(meter, window):
    meter.joules = 10
    window.open()
    meter.joules = 4
    window.close(1)
    assert window.measurement() is None
    assert window.lost == "the counter of cpu (RAPL) went back by 6 J"


def test_the_divisor_may_be_another_than_the_inferences(meter, window):
    window.open()
    meter.joules += 10
    window.close(5)
    measured = window.measurement(units=100.0, recorded={"tokens": 100.0})
    assert measured.joules_per_unit == 0.1
    assert measured.block_joules_per_unit == (pytest.approx(0.1),)
    assert measured.recorded == {"tokens": 100.0}


def test_duration_and_mean_power_stand_beside_energy(meter, window):
    window.open()
    meter.joules += 10
    time.sleep(0.05)
    window.close(1)
    measured = window.measurement()
    assert measured.seconds >= 0.05
    assert measured.watts == pytest.approx(10 / measured.seconds)


@given(st.integers(min_value=1, max_value=100_000))
def test_blocks_are_as_equal_as_can_be_and_hold_everything(n):
    sizes = block_sizes(n)
    assert sum(sizes) == n
    assert len(sizes) == min(n, BLOCKS)
    assert max(sizes) - min(sizes) <= 1


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


def test_a_tracer_is_named(window):
    previous = sys.gettrace()
    sys.settrace(lambda *_: None)
    try:
        window.open()
    finally:
        sys.settrace(previous)
    window.close(1)
    assert "tracer" in window.measurement().interference[0]


def test_only_counters_that_are_fast_enough_are_paused():
    assert Window(MeterSet([Scripted(1e-3)])).pausable
    assert not Window(MeterSet([Scripted(0.1)])).pausable


def test_queued_gpu_work_is_waited_for_at_both_edges_on_devices_in_use(meter, window, monkeypatch):
    waited = []
    cuda = types.SimpleNamespace(
        is_initialized=lambda: True,
        device_count=lambda: 3,
        memory_reserved=lambda index: 1024 if index == 2 else 0,
        current_device=lambda: 0,
        synchronize=lambda index: waited.append((index, meter.joules)),
    )
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(cuda=cuda))
    window.open()
    meter.joules += 1
    window.close(1)
    assert waited == [(0, 0.0), (2, 0.0), (0, 1.0), (2, 1.0)]


def test_a_gpu_that_was_never_used_is_left_alone(window, monkeypatch):
    cuda = types.SimpleNamespace(is_initialized=lambda: False)
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(cuda=cuda))
    window.open()
    window.close(1)
    assert window.measurement() is not None


def test_metering_never_imports_torch():
    code = (
        "import sys\nfrom pytest_energy.meters.cpu_time import CpuTime\n"
        "from pytest_energy.meters.meter_set import MeterSet\nfrom pytest_energy.metering.window import Window\n"
        "w = Window(MeterSet([CpuTime()])); w.open(); w.close(1); w.measurement()\n"
        "assert not {'torch', 'pandas', 'codecarbon', 'pynvml'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
