"""The window: blocks, pauses, and what it notices beside energy."""

from __future__ import annotations

import sys
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energy.metering.window import BLOCKS, Window, block_sizes
from pytest_energy.meters.base import MeterLostError
from pytest_energy.meters.meter_set import MeterSet
from pytest_energy.meters.updates import CounterUpdates
from support.clocks import Clock, Ticking
from support.meters import Scripted


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
    assert window.lost == "scripted: the counter of cpu (RAPL) went back by 6 J"


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


# Readings that cannot be


def metered_by(meter, blocks, watts_after=0.0):
    """A window whose blocks last and take so much, seconds and joules, and the power after it."""
    clock = Clock()

    def wait(seconds):
        clock.now += seconds
        meter.joules += watts_after * seconds

    window = Window(MeterSet([meter], clock=clock), sleep=wait)
    window.open()
    for i, (seconds, joules) in enumerate(blocks, 1):
        clock.now += seconds
        meter.joules += joules
        (window.split if i < len(blocks) else window.close)(1)
    return window


def test_a_count_that_rose_faster_than_the_hardware_can_is_no_reading(meter):
    meter.max_watts = 1000.0
    window = metered_by(meter, [(0.002, 1.0), (0.002, 50_000.0)])
    assert window.lost == (
        "scripted: the counter of cpu (RAPL) rose by 5e+04 J in 0.002 s, more than anything can"
        " take (22 J): a faulty reading"
    )
    assert window.measurement() is None


@pytest.mark.parametrize("met_by", ["a region inside", "the wrap guard", "the gate's own account"])
@pytest.mark.parametrize("joules", [1e6, -5.0], ids=["a jump", "a fall"])
def test_an_impossible_reading_inside_of_a_window_leaves_it_no_figure(meter, met_by, joules):
    """Whoever makes the reading: afterwards the counter goes on from there as if nothing was."""
    meter.max_watts, meter.joules = 1000.0, 10.0
    clock = Clock()
    meters = MeterSet([meter], clock=clock)
    window = Window(meters)
    window.open()
    clock.now += 1.0
    meter.joules += joules
    if met_by == "a region inside":
        inner = Window(meters)
        inner.open()
        clock.now += 1.0
        inner.close(1)
    elif met_by == "the wrap guard":
        meters._refresh()
    else:
        with suppress(MeterLostError):
            meters.read()
    clock.now += 1.0
    meter.joules += 10.0
    window.close(1)
    assert "faulty reading" in window.lost or "went back" in window.lost
    assert window.measurement() is None


def test_the_readings_of_idle_power_are_no_part_of_what_reading_takes():
    clock = Clock()
    slow = Ticking(clock, 0.0, cost=0.2)

    def wait(seconds):
        clock.now += seconds

    window = Window(MeterSet([slow], clock=clock), idle_seconds=1.0, sleep=wait)
    window.open()
    clock.work(0.8)
    window.close(1)
    assert window.lost == ""


def test_what_the_hardware_can_take_is_a_reading(meter):
    meter.max_watts = 1000.0
    assert metered_by(meter, [(0.002, 1.0), (1.0, 900.0)]).lost == ""


def test_a_counter_that_stops_half_way_is_a_lost_meter(meter):
    window = metered_by(meter, [(0.05, 1.0)] * 10 + [(0.05, 0.0)] * 10)
    stopped = "scripted: the counter of cpu (RAPL) has stopped: it did not move for 0.15 s"
    assert window.lost == stopped


@pytest.mark.parametrize("seconds", [0.0005, 0.005])
def test_one_that_stops_half_way_in_a_window_of_a_moment_is_found_right_after_it(meter, seconds):
    window = metered_by(meter, [(seconds, 1.0)] * 10 + [(seconds, 0.0)] * 10)
    assert window.lost.startswith("scripted: the counter of cpu (RAPL) has stopped: it did not")
    assert window.measurement() is None


def test_one_that_only_rested_at_the_end_of_the_work_is_waited_for(meter):
    window = metered_by(meter, [(0.005, 1.0)] * 10 + [(0.005, 0.0)], watts_after=100.0)
    assert window.lost == ""
    assert window.measurement().joules == 10.0  # waiting is no part of it
    assert window.measurement().seconds == pytest.approx(0.055)


def test_a_counter_that_stops_for_all_of_a_later_window_is_lost_too(meter):
    clock = Clock()
    meters = MeterSet([meter], clock=clock)
    first, second = Window(meters), Window(meters)
    for window, joules in ((first, 10.0), (second, 0.0)):
        window.open()
        clock.now += 1.0
        meter.joules += joules
        window.close(1)
    assert first.lost == ""
    assert second.lost == (
        "scripted: the counter of cpu (RAPL) has stopped: it did not move for 1 s"
    )


def test_a_counter_that_rests_for_a_moment_is_none(meter):
    assert metered_by(meter, [(0.05, 1.0), (0.05, 0.0)] * 10, watts_after=1.0).lost == ""


def test_a_body_in_which_a_counter_stops_that_moves_by_itself_is_lost():
    clock = Clock()
    meter = Ticking(clock, 0.001)
    meters = MeterSet([meter], clock=clock)
    window = Window(meters, CounterUpdates(meters), expected_seconds=10.0, sleep=clock.sleep)
    window.open()
    clock.work(1.0)
    meter.stop()
    clock.work(1.0)
    window.close(1)
    assert window.lost.startswith("ticking: the counter of gpu:0 (NVML) has stopped: it did not")
    assert window.measurement() is None


def test_a_meter_whose_readings_take_most_of_the_time_gives_no_figure():
    clock = Clock()
    slow = Ticking(clock, 0.0, cost=0.5)
    window = Window(MeterSet([slow], clock=clock))
    window.open()
    clock.work(0.1)
    window.close(1)
    assert window.lost == (
        "ticking: reading it took 1 s, for 0.6 s that were metered: meter more work at a time"
    )


@pytest.mark.parametrize("stalled", range(4))
def test_a_single_reading_in_which_a_busy_machine_stops_the_process_is_none_of_the_meter_s(stalled):
    clock = Clock()
    meter = Ticking(clock, 0.0)
    window = Window(MeterSet([meter], clock=clock))
    costs = iter(0.4 if i == stalled else 1e-6 for i in range(4))

    def at_a_reading(do):
        meter.cost = next(costs)
        do()

    at_a_reading(window.open)
    for _ in range(2):
        clock.work(0.001)
        at_a_reading(lambda: window.split(1))
    clock.work(0.001)
    at_a_reading(lambda: window.close(1))
    assert window.lost == ""
    assert window.measurement().metered_count == 3


def test_one_that_is_as_slow_and_meters_long_work_gives_one():
    clock = Clock()
    slow = Ticking(clock, 0.0, cost=0.5)
    window = Window(MeterSet([slow], clock=clock))
    window.open()
    clock.work(10.0)
    window.close(1)
    assert window.lost == ""


def test_a_counter_that_went_back_between_two_windows_is_lost_once(meter):
    meters = MeterSet([meter])
    first, second, third = (Window(meters) for _ in range(3))
    meter.joules = 10.0
    first.open()
    first.close(1)
    meter.joules = 4.0
    for window in (second, third):
        window.open()
        meter.joules += 1.0
        window.close(1)
    assert first.lost == third.lost == ""
    assert second.lost == "scripted: the counter of cpu (RAPL) went back by 6 J"
