"""Counters tick: windows that begin and end on updates, over a clock of known truth."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_energy.metering import window as windows
from pytest_energy.metering.window import Window
from pytest_energy.meters import meter_set
from pytest_energy.meters import updates as edges
from pytest_energy.meters.base import Meter, MeterLostError
from pytest_energy.meters.meter_set import MeterSet
from pytest_energy.meters.updates import CounterUpdates, observe
from pytest_energy.types.energy import Domain, Method
from pytest_energy.types.measurement import Block, Measurement
from pytest_energy.verdict.rules import too_short

WAITING, WORKING = 100.0, 700.0


class Clock:
    """Time that passes when a meter is read or work is done, and the power that flows meanwhile."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.phases = [(0.0, 0.0, WAITING)]  # since when, joules until then, watts

    def __call__(self) -> float:
        return self.now

    def work(self, seconds: float) -> float:
        """Joules that so long a piece of work takes."""
        for watts, passed in ((WORKING, seconds), (WAITING, 0.0)):
            self.phases.append((self.now, self.joules(self.now), watts))
            self.now += passed
        return WORKING * seconds

    def joules(self, at: float) -> float:
        since, before, watts = next(phase for phase in reversed(self.phases) if phase[0] <= at)
        return before + watts * (at - since)


class Ticking(Meter):
    """A counter that moves every `period` seconds, and takes `cost` seconds to read."""

    name = "ticking"
    stopped = None

    def __init__(self, clock, period, cost=1e-6, stated=None, **about) -> None:
        self.clock, self.period, self.cost = clock, period, cost
        about = {"name": "gpu:0", "kind": "gpu", "method": Method.COUNTER, **about}
        self.domains = (Domain(source="NVML", resolution_seconds=stated or period, **about),)

    def read(self):
        self.clock.now += self.cost
        if self.stopped is not None:
            return self.stopped
        tick = self.clock.now // self.period * self.period if self.period else 0.0
        return (round(self.clock.joules(tick) * 1e6),)

    def stop(self):
        self.stopped = self.read()


class Still(Ticking):
    """A counter that stands still."""

    def read(self):
        self.clock.now += self.cost
        return (5,)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    for module in (windows, meter_set, edges):
        monkeypatch.setattr(module, "perf_counter", clock)
    monkeypatch.setattr(
        windows, "sleep", lambda seconds: setattr(clock, "now", clock.now + seconds)
    )
    return clock


# Observing


@pytest.mark.parametrize(
    ("period", "cost", "stated"),
    [(0.001, 2e-6, None), (0.1, 0.004, None), (0.02, 0.0005, 0.1)],
    ids=["RAPL", "NVML on an H100", "NVML on another board"],
)
def test_a_counters_update_period_is_observed(clock, period, cost, stated):
    meter = Ticking(clock, period, cost, stated)
    assert observe(meter) == (pytest.approx(period, rel=0.05),)
    meters = MeterSet([meter])
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
    assert observe(meter) == (None,)
    meters = MeterSet([meter])
    found = CounterUpdates(meters)
    assert meters.domains == meter.domains
    assert not found.needs_alignment(None)


def test_a_meter_that_is_lost_while_it_is_observed_says_so_in_the_first_window(clock):
    class Lost(Ticking):
        def read(self):
            raise MeterLostError("it fell off")

    meters = MeterSet([Lost(clock, 0.1)])
    window = Window(meters, CounterUpdates(meters))
    window.open()
    window.close(1)
    assert window.lost == "ticking: it fell off"


# Short windows


def metered(clock, meter, seconds, with_edges, offset=0.0):
    """What a window says of a piece of work, over what it took; and the measurement."""
    meters = MeterSet([meter] if isinstance(meter, Meter) else meter)
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
    meters = MeterSet([meter])
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
    meters = MeterSet([meter])
    window = Window(meters, CounterUpdates(meters))
    window.open()
    clock.work(0.5)
    meter.stop()
    window.close(1)
    assert window.measurement() is None
    assert window.lost.startswith("ticking: the counter of gpu:0 has stopped: it did not move for")


def test_a_counter_that_stops_in_a_long_window_is_noticed_too(clock):
    meter = Ticking(clock, 0.001)
    meters = MeterSet([meter])
    window = Window(meters, CounterUpdates(meters), expected_seconds=10.0)
    window.open()
    clock.work(1.0)
    window.split(1)
    meter.stop()
    clock.work(1.0)
    window.split(1)
    assert window.lost == "the counter of gpu:0 (NVML) has stopped: it did not move for 1 s"


def test_a_counter_that_never_moves_is_said_at_the_start(clock):
    meters = MeterSet([Ticking(clock, 0.001), Still(clock, 0.001, name="dram", kind="dram")])
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
        meters = MeterSet([meter])
        window = Window(meters, CounterUpdates(meters))
        window.open()
        true = clock.work(0.02)
        meter.kept = clock.now + late
        window.close(1)
        assert window.measurement().joules == pytest.approx(true, rel=0.02)


def test_short_blocks_of_a_loop_each_begin_and_end_on_updates(clock):
    meters = MeterSet([Ticking(clock, 0.1, 0.004)])
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
    meters = MeterSet([Ticking(clock, 0.1, 0.004)])
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
    meters = MeterSet([Ticking(clock, 0.1, 0.03)])
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
    meters = MeterSet([Ticking(clock, 0.1, 0.004)])
    window = Window(meters, CounterUpdates(meters), idle_seconds=1.0)
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
    meters = MeterSet([Ticking(clock, 0.1, 0.004)])
    window = Window(meters, CounterUpdates(meters), idle_seconds=1.0)
    window.open()
    clock.work(1.0)
    window.close(1)
    assert 1.2 < meters.waited_seconds < 2.2
    assert meters.waited_joules == pytest.approx(WAITING * meters.waited_seconds, rel=0.15)


# As a user sees it

IDLING = '''
import time
from pytest_energy import Domain, Meter, MeterSource, Method


class Board(Meter):
    """50 W when idle, and 3 J for each inference on top."""

    name = "board"
    domains = (Domain("gpu:0", "gpu", Method.COUNTER, "NVML", 0.0),)
    spent = 0.0

    def read(self):
        return (round((time.perf_counter() * 50 + Board.spent) * 1e6),)


def infer():
    Board.spent += 3.0


def pytest_energy_meters(config):
    return [MeterSource("board", Board)]
'''

LOOP = """
import pytest
from conftest import infer

@pytest.mark.inference(n=40, task="t", model="m")
def test_loop(energy):
    for _ in energy.each(range(40)):
        infer()
"""


@pytest.fixture
def board(project):
    project.pytester.makeconftest(IDLING)
    project.ini("energy_meter = board")
    project.write(test_it=LOOP)
    return project


def test_idle_power_stands_beside_the_figure_when_it_is_asked_for(board):
    (result,) = board.report("--energy-idle=0.2")["results"]
    assert result["measurement"]["idle_watts"] == [pytest.approx(50, rel=0.02)]
    assert result["measurement"]["joules_per_unit"] >= 3.0
    table = board.run("--energy-idle=0.2", "--energy-report").stdout.str()
    assert "\n test_loop" in table
    assert " idle 50" in table
    assert " idle " not in board.run("--energy-report").stdout.str()


def test_a_failing_test_says_what_of_it_would_flow_anyway(board):
    board.write(test_it=LOOP.replace('model="m"', 'model="m", budget="1 J"'))
    output = board.run("--energy-idle=0.2").stdout
    output.fnmatch_lines(["  idle    gpu:0 *50* W, right before; not taken off"])


def test_an_estimate_knows_no_idle_power(project):
    project.write(
        test_it="import pytest\n@pytest.mark.inference(n=1)\ndef test_one(): sum(range(10**6))\n"
    )
    result = project.run("--energy-meter=cpu_time", "--energy-idle=0.05", "--energy-report")
    assert " idle " not in result.stdout.str()


@pytest.mark.parametrize("seconds", ["-1", "soon", "nan"])
def test_a_time_to_idle_that_cannot_be_meant_is_refused(board, seconds):
    result = board.run(f"--energy-idle={seconds}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*--energy-idle*expected seconds such as 1, or 0 for none, found*"]
    )


REGIONS = """
import pytest
from scripted import spend

@pytest.mark.inference(n=100, task="t", model="m")
def test_loop(energy):
    for _ in energy.each(range(100)):
        with energy.measure("decode"):
            spend(1.0)

def test_apart(energy):
    for _ in range(2):
        with energy.measure("prefill", n=5):
            spend(5.0)
"""


def test_nothing_is_waited_for_inside_of_another_window(board):
    board.write(
        test_it="""
        import pytest
        from conftest import infer

        @pytest.mark.inference(n=40, task="t", model="m")
        def test_inside(energy):
            for _ in energy.each(range(40)):
                with energy.measure("inside"):
                    infer()

        def test_around(energy):
            with energy.measure("around"):
                for _ in energy.each(range(40)):
                    infer()
        """
    )
    found = {
        r["subject"]["region"]: r["measurement"]
        for r in board.report("--energy-idle=0.5")["results"]
    }
    assert found["inside"]["idle_watts"] == []
    assert found["around"]["seconds"] < 0.45


def test_the_pieces_of_a_region_are_counted(project):
    project.write(test_it=REGIONS)
    found = {r["subject"]["region"]: r["measurement"] for r in project.report()["results"]}
    assert found[""]["segments"] == 1
    assert found["decode"]["segments"] == 100
    assert found["prefill"]["segments"] == 2


def test_many_short_pieces_need_a_longer_window_and_say_how_much(project):
    # The counter moves every 10 ms by what it says; 100 pieces of about nothing are not enough.
    project.write(test_it=REGIONS.split("def test_apart")[0])
    scripted = (project.path / "scripted.py").read_text()
    (project.path / "scripted.py").write_text(scripted.replace('"RAPL", 0.0', '"RAPL", 0.01'))
    verdict = project.verdicts()["test_it.py::test_loop#decode"]
    assert verdict["status"] == "unresolved"
    assert "200 updates are needed for 100 pieces" in verdict["reason"]
    assert verdict["hint"].endswith("times as many inferences would do")


MOMENT = Measurement(
    meters=("rapl",),
    domains=(Domain("cpu", "cpu", Method.COUNTER, "RAPL", 0.001),),
    blocks=(Block(1, 0.005, (0.1,)),),
    metered_count=1,
    unit_count=1.0,
    update_aligned=True,
)


def test_a_moment_that_a_counter_resolves_is_still_no_comparison():
    """What else the system does in five milliseconds matters more than what the test does."""
    assert too_short(MOMENT)
    assert not too_short(replace(MOMENT, blocks=(Block(1, 0.06, (1.0,)),)))
    assert not too_short(
        replace(MOMENT, update_aligned=False)
    )  # it needs no waiting, or is unresolved
