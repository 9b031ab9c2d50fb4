"""Windows that begin and end on updates of their counters, over a clock of known truth."""

from __future__ import annotations

import pytest

from pytest_energy.metering.window import Window
from pytest_energy.meters.base import Meter, MeterLostError
from pytest_energy.meters.meter_set import MeterSet
from pytest_energy.meters.updates import CounterUpdates, observe
from pytest_energy.types.energy import Method
from support.clocks import WAITING, WORKING, Clock, Still, Ticking


@pytest.fixture
def clock():
    return Clock()


# Observing


@pytest.mark.parametrize(
    ("period", "cost", "stated"),
    [(0.001, 2e-6, None), (0.1, 0.004, None), (0.02, 0.0005, 0.1)],
    ids=["RAPL", "NVML on an H100", "NVML on another board"],
)
def test_a_counters_update_period_is_observed(clock, period, cost, stated):
    meter = Ticking(clock, period, cost, stated)
    assert observe(meter, clock) == (pytest.approx(period, rel=0.05),)
    meters = MeterSet([meter], clock=clock)
    CounterUpdates(meters)
    assert meters.domains[0].resolution_seconds == pytest.approx(period, rel=0.05)


@pytest.mark.parametrize(
    "make",
    [
        lambda clock: Still(clock, 0.001),
        lambda clock: Ticking(clock, 1.0),
        lambda clock: Ticking(clock, 1e-6),
        lambda clock: Ticking(clock, 0.1, method=Method.SAMPLED),
        lambda clock: Ticking(clock, 0.1, method=Method.ESTIMATED),
    ],
    ids=["stands still", "a second between updates", "no ticks", "sampled", "estimated"],
)
def test_what_cannot_or_need_not_be_waited_for_keeps_its_meters_word(clock, make):
    meter = make(clock)
    assert observe(meter, clock) == (None,)
    meters = MeterSet([meter], clock=clock)
    found = CounterUpdates(meters)
    assert meters.domains == meter.domains
    assert not found.needs_alignment(None)


def test_a_meter_that_is_lost_while_it_is_observed_says_so_in_the_first_window(clock):
    class Lost(Ticking):
        def read(self):
            raise MeterLostError("it fell off")

    meters = MeterSet([Lost(clock, 0.1)], clock=clock)
    window = Window(meters, CounterUpdates(meters))
    window.open()
    window.close(1)
    assert window.lost == "ticking: it fell off"


# Short windows


def metered(clock, meter, seconds, with_edges, offset=0.0):
    """What a window says of a piece of work, over what it took; and the measurement."""
    meters = MeterSet([meter] if isinstance(meter, Meter) else meter, clock=clock)
    found = CounterUpdates(meters) if with_edges else None
    clock.now += offset
    window = Window(meters, found)
    window.open()
    true = clock.work(seconds)
    window.close(1)
    measurement = window.measurement()
    return measurement.joules / true - 1, measurement


def worst(clock, period, cost, seconds, with_edges):
    errors = [
        metered(clock, Ticking(clock, period, cost), seconds, with_edges, period * i / 37)[0]
        for i in range(37)
    ]
    return max(map(abs, errors))


@pytest.mark.parametrize(
    ("period", "cost"), [(0.001, 2e-6), (0.1, 0.004)], ids=["RAPL", "NVML on an H100"]
)
def test_a_window_of_five_updates_is_right_on_updates_and_far_off_without(clock, period, cost):
    assert worst(clock, period, cost, 5.3 * period, with_edges=True) < 0.015
    assert worst(clock, period, cost, 5.3 * period, with_edges=False) > 0.10


def test_even_less_than_one_update_is_about_right(clock):
    assert worst(clock, 0.1, 0.004, 0.05, with_edges=True) < 0.12
    assert worst(clock, 0.1, 0.004, 0.05, with_edges=False) > 0.80


def test_waiting_is_no_part_of_the_windows_duration(clock):
    _, measurement = metered(clock, Ticking(clock, 0.1, 0.004), 0.73, with_edges=True)
    assert measurement.seconds == pytest.approx(0.73, abs=0.001)
    assert measurement.update_aligned


def test_a_long_window_is_closed_at_once(clock):
    meter = Ticking(clock, 0.1, 0.004)
    _, measurement = metered(clock, meter, 60.0, with_edges=True)
    assert measurement.update_aligned
    before = clock.now
    meters = MeterSet([meter], clock=clock)
    window = Window(meters, CounterUpdates(meters), expected_seconds=60.0)
    observed = clock.now
    window.open()
    assert clock.now - observed < 0.01
    assert observed > before  # only the observation took its time
    window.close(1)
    assert not window.measurement().update_aligned


def test_a_fast_and_a_slow_counter_are_both_waited_for(clock):
    fast = Ticking(clock, 0.001, name="cpu", kind="cpu")
    slow = Ticking(clock, 0.1, 0.004)
    slow.name = "slow"
    for offset in (0.0, 0.013, 0.049, 0.0907):
        _, measurement = metered(clock, [slow, fast], 0.53, with_edges=True, offset=offset)
        for joules in measurement.domain_joules:  # both count the same
            assert joules == pytest.approx(WORKING * 0.53, rel=0.015)


def test_a_counter_that_stops_meanwhile_makes_the_window_unmeasured(clock):
    meter = Ticking(clock, 0.1, 0.004)
    meters = MeterSet([meter], clock=clock)
    window = Window(meters, CounterUpdates(meters))
    window.open()
    clock.work(0.5)
    meter.stop()
    window.close(1)
    assert window.measurement() is None
    assert window.lost.startswith("ticking: the counter of gpu:0 has stopped: it did not move for")


def test_a_counter_that_stops_in_a_long_window_is_noticed_too(clock):
    meter = Ticking(clock, 0.001)
    meters = MeterSet([meter], clock=clock)
    window = Window(meters, CounterUpdates(meters), expected_seconds=10.0)
    window.open()
    clock.work(1.0)
    window.split(1)
    meter.stop()
    clock.work(1.0)
    window.split(1)
    assert (
        window.lost == "ticking: the counter of gpu:0 (NVML) has stopped: it did not move for 1 s"
    )


def test_a_counter_that_never_moves_is_said_at_the_start(clock):
    meters = MeterSet(
        [Ticking(clock, 0.001), Still(clock, 0.001, name="dram", kind="dram")], clock=clock
    )
    meters.meters[1].name = "still"
    CounterUpdates(meters)
    assert meters.note == "the counter of dram stands still: it counts nothing"


def test_updates_that_nobody_saw_come_are_not_counted_back_from(clock):
    """A busy machine keeps the process from looking for a while, in the midst of the waiting."""

    class Kept(Ticking):
        def read(self):
            found = super().read()
            if self.kept and self.clock.now > self.kept:
                self.clock.now, self.kept = self.clock.now + 0.0073, 0.0
                found = super().read()
            return found

    for late in (0.0001, 0.0006, 0.0011, 0.0015):
        meter = Kept(clock, 0.001, 2e-6)
        meter.kept = 0.0
        meters = MeterSet([meter], clock=clock)
        window = Window(meters, CounterUpdates(meters))
        window.open()
        true = clock.work(0.02)
        meter.kept = clock.now + late
        window.close(1)
        assert window.measurement().joules == pytest.approx(true, rel=0.02)


def test_short_blocks_of_a_loop_each_begin_and_end_on_updates(clock):
    meters = MeterSet([Ticking(clock, 0.1, 0.004)], clock=clock)
    window = Window(meters, CounterUpdates(meters), expected_seconds=6.0, block_seconds=0.6)
    window.open()
    for _ in range(9):
        clock.work(0.6)
        window.split(1)
    clock.work(0.6)
    window.close(1)
    measurement = window.measurement()
    assert [b.joules[0] for b in measurement.blocks] == [pytest.approx(420, rel=0.02)] * 10
    assert measurement.segments == 10
    assert measurement.seconds == pytest.approx(6.0, rel=0.01)


def test_longer_blocks_go_on_without_a_break(clock):
    meters = MeterSet([Ticking(clock, 0.1, 0.004)], clock=clock)
    window = Window(meters, CounterUpdates(meters), expected_seconds=8.0, block_seconds=4.0)
    window.open()
    clock.work(4.0)
    window.split(1)
    clock.work(4.0)
    window.close(1)
    assert window.measurement().segments == 1
    assert window.measurement().joules == pytest.approx(5600, rel=0.002)


def test_boards_that_take_long_to_read_are_not_waited_for_in_vain(clock):
    """Eight boards at 4 ms each: updates come, and nobody knows when to a quarter of a period."""
    meters = MeterSet([Ticking(clock, 0.1, 0.03)], clock=clock)
    window = Window(meters, CounterUpdates(meters))
    window.open()
    true = clock.work(2.0)
    began = clock.now
    window.close(1)
    assert clock.now - began < 0.4
    measurement = window.measurement()
    assert measurement.joules == pytest.approx(true, rel=0.02)
    assert not measurement.update_aligned


# Idle


def test_idle_power_is_measured_right_before_the_window_and_not_taken_off_it(clock):
    meters = MeterSet([Ticking(clock, 0.1, 0.004)], clock=clock)
    window = Window(meters, CounterUpdates(meters), idle_seconds=1.0, sleep=clock.sleep)
    window.open()
    clock.work(1.0)
    window.close(1)
    measurement = window.measurement()
    assert measurement.idle_watts == (pytest.approx(WAITING, rel=0.01),)
    assert measurement.joules == pytest.approx(WORKING, rel=0.01)
    assert measurement.seconds == pytest.approx(1.0, rel=0.01)


def test_a_slow_counter_that_nobody_waited_for_is_not_vouched_for_by_a_fast_one(clock):
    fast = Ticking(clock, 0.001, name="cpu", kind="cpu")
    slow = Ticking(clock, 1.0)
    slow.name = "slow"
    _, measurement = metered(clock, [fast, slow], 3.0, with_edges=True)
    assert not measurement.update_aligned


def test_waiting_and_idling_are_part_of_the_gates_own_cost(clock):
    meters = MeterSet([Ticking(clock, 0.1, 0.004)], clock=clock)
    window = Window(meters, CounterUpdates(meters), idle_seconds=1.0, sleep=clock.sleep)
    window.open()
    clock.work(1.0)
    window.close(1)
    assert 1.2 < meters.waited_seconds < 2.2
    assert meters.waited_joules == pytest.approx(WAITING * meters.waited_seconds, rel=0.15)
