"""What metering itself takes is added up in one account."""

from __future__ import annotations

import pytest

from pytest_energy import Domain, Meter, MeterSource, Method
from pytest_energy.machine.load import LoadReader
from pytest_energy.metering.instruments import Instruments
from pytest_energy.types.energy import Reading
from pytest_energy.types.session import MeterUse, Overhead
from support.clocks import Clock


class Scripted(Meter):
    name = "scripted"
    domains = (
        Domain("gpu:0", "gpu", Method.COUNTER, "NVML", 0.0),
        Domain("dram", "dram", Method.CONSTANT, "5 W", 0.0),
    )
    joules = 0.0

    def read(self):
        return (round(self.joules * 1e6), 10**9)


@pytest.fixture
def meter():
    return Scripted()


@pytest.fixture
def instruments(meter):
    opened = Instruments(["scripted"], [MeterSource("scripted", lambda: meter)])
    yield opened
    opened.close()


def test_opening_the_meters_is_part_of_it(instruments):
    taken = instruments.overhead.take()
    assert taken.seconds > 0
    assert taken.joules == 0.0


def test_everything_that_is_counted_comes_out_once(instruments, meter):
    instruments.overhead.take()
    with instruments.counting_overhead():
        meter.joules += 3.0
    instruments.overhead.add(Overhead(10.0, 4.0))
    instruments.meters.waited(Reading(0.0, (0, 0)), Reading(2.0, (5_000_000, 7)))
    taken = instruments.overhead.take()
    assert taken.joules == pytest.approx(3.0 + 4.0 + 5.0)
    assert taken.seconds == pytest.approx(12.0, abs=0.5)
    assert instruments.overhead.take() == Overhead()


def test_what_is_counted_inside_of_what_is_counted_comes_out_once(instruments, meter):
    instruments.overhead.take()
    with instruments.counting_overhead():
        meter.joules += 1.0
        with instruments.counting_overhead():
            meter.joules += 2.0
    assert instruments.overhead.take().joules == pytest.approx(3.0)


def test_what_is_metered_with_is_told_with_its_methods(instruments):
    told = instruments.instrumentation
    assert told.meters == (MeterUse("scripted", (Method.CONSTANT, Method.COUNTER)),)
    assert [domain.name for domain in told.domains] == ["gpu:0", "dram"]


def test_a_counter_needs_no_reference_workload(instruments):
    assert instruments.reference is None


def test_workers_side_by_side_are_interference(meter):
    opened = Instruments(["scripted"], [MeterSource("scripted", lambda: meter)], workers=3)
    assert opened.interference == ("3 pytest-xdist workers ran side by side",)
    opened.close()


@pytest.mark.parametrize(
    ("busy", "waited"), [(0.0, 1.0), (3.5, 5.0), (100.0, 10.0)], ids=["at once", "soon", "no"]
)
def test_a_test_waits_until_others_leave_the_machine_alone(instruments, busy, waited):
    clock = Clock()
    began = clock.now

    def idle():  # for so many seconds, others use one of two CPUs
        return 2 * clock.now - min(clock.now, began + busy)

    instruments.meters.clock = clock
    instruments.meters.load = LoadReader(clock, idle, logical_cpus=2)
    instruments.await_quiet(10.0, clock.sleep)
    assert clock.now - began == waited


def test_without_a_time_to_wait_nothing_is_waited_for(instruments):
    instruments.await_quiet(0.0, lambda _: pytest.fail("it slept"))
