"""Meters that are read together, and what of their answers is refused."""

from __future__ import annotations

import itertools

import numpy
import pytest

from pytest_energy.meters.base import MeterLostError
from pytest_energy.meters.meter_set import MeterSet
from pytest_energy.types.energy import Domain, Method
from support.clocks import Clock
from support.meters import Answering

DOMAIN = Domain("x", "x", Method.COUNTER, "Shelly", 0.0)


class SilentError(Exception):
    """An error whose own text has a defect."""

    def __str__(self):
        raise ValueError


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        # no counts
        (None, "read() returned None, and should return a tuple of one count per domain"),
        (5, "read() returned 5, and should return a tuple of one count per domain"),
        (numpy.int64(5), ", and should return a tuple of one count per domain"),
        ("5", "read() returned '5', and should return a tuple of one count per domain"),
        (b"5", "read() returned b'5', and should return a tuple of one count per domain"),
        ({"x": 5}, "read() returned {'x': 5}, and should return a tuple"),
        ({5}, "read() returned {5}, and should return a tuple of one count per domain"),
        ((), "read() returned 0, and should return one count per domain: 1"),
        ((5, 5), "read() returned more than 1, and should return one count per domain: 1"),
        (
            itertools.count(),
            "read() returned more than 1, and should return one count per domain: 1",
        ),
        # no whole microjoules
        ((None,), "read() returned None for x, and should return whole microjoules, an int"),
        ((5.0,), "read() returned 5.0 for x, and should return whole microjoules, an int"),
        ((float("nan"),), "read() returned nan for x, and should return whole microjoules"),
        ((float("inf"),), "read() returned inf for x, and should return whole microjoules"),
        ((True,), "read() returned True for x, and should return whole microjoules, an int"),
        ((numpy.True_,), " for x, and should return whole microjoules, an int"),
        ((numpy.float64(5),), " for x, and should return whole microjoules, an int"),
        (("5",), "read() returned '5' for x, and should return whole microjoules, an int"),
        # no counter's
        ((-1,), "the counter of x (Shelly) reads -1e-06 J, which is less than nothing: a faulty"),
        ((10**28,), "x (Shelly) reads 1e+22 J, which is more than anything has counted: a faulty"),
        ((10**10_000,), "the counter of x (Shelly) reads 1e+9994 J, which is more than anything"),
        ((-(10**10_000),), "the counter of x (Shelly) reads -1e+9994 J, which is less than"),
        # no answer
        (MeterLostError("fell off\nthe bus\x1b[31m"), "theirs: fell off the bus [31m"),
        (OSError(5, "I/O error"), "theirs: OSError: [Errno 5] I/O error"),
        (ValueError("x" * 1_000_000), f"theirs: ValueError: {'x' * 299}…"),
        (StopIteration(), "theirs: StopIteration"),
        (SilentError(), "theirs: SilentError"),
    ],
    ids=lambda value: repr(value)[:20] if not isinstance(value, tuple | int) else None,
)
@pytest.mark.parametrize("first", [True, False], ids=["at first", "later"])
def test_an_answer_that_is_no_count_is_a_lost_meter_with_its_name_and_the_answer(
    answer, message, first
):
    meter = Answering("theirs", DOMAIN)
    meters = MeterSet([meter])
    if not first:
        meters.read()
    meter.answer = answer
    with pytest.raises(MeterLostError) as lost:
        meters.read()
    assert str(lost.value).startswith("theirs: ")
    assert message in str(lost.value)
    assert "\n" not in str(lost.value)
    # The next answer is a reading again.
    meter.answer = (7,)
    assert meters.read().microjoules == (7,)


@pytest.mark.parametrize("answer", [[5], numpy.array([5]), (numpy.int64(5),), (numpy.uint8(5),)])
def test_counts_that_are_whole_are_taken_as_plain_integers(answer):
    meter = Answering("theirs", DOMAIN)
    meter.answer = answer
    (count,) = MeterSet([meter]).read().microjoules
    assert count == 5
    assert type(count) is int


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, pytest.skip.Exception])
def test_what_ends_a_test_or_the_session_is_not_taken_for_a_defect(error):
    meter = Answering("theirs", DOMAIN)
    meter.answer = error()
    with pytest.raises(error):
        MeterSet([meter]).read()


# From one reading to the next


def counts(*microjoules, max_watts=None, seconds=1.0, resolution=0.0):
    """What a set reads of a meter that counts so, so many seconds apart."""
    clock = Clock()
    meter = Answering("theirs", Domain("x", "x", Method.COUNTER, "Shelly", resolution))
    if max_watts is not None:
        meter.max_watts = max_watts
    meters = MeterSet([meter], clock=clock)
    read = []
    for count in microjoules:
        meter.answer = (count,)
        try:
            read.append(meters.read().microjoules[0])
        except MeterLostError as lost:
            read.append(str(lost))
        clock.now += seconds
    return read


def test_a_jump_that_no_hardware_can_take_is_refused_where_it_is_read():
    assert counts(0, 10**16, 10**16 + 5) == [
        0,
        "theirs: the counter of x (Shelly) rose by 1e+10 J in 1 s, more than anything can take"
        " (1.02e+09 J): a faulty reading",
        10**16 + 5,
    ]


def test_after_one_impossible_reading_the_counter_goes_on_from_the_one_before():
    spike, *rest = counts(5, 10**16, 6, 7)[1:]
    assert spike.endswith("a faulty reading")
    assert rest == [6, 7]


def test_after_a_counter_began_anew_it_goes_on_from_there():
    back, *rest = counts(10**7, 5, 6, 7)[1:]
    assert back == "theirs: the counter of x (Shelly) went back by 10 J"
    assert rest == [6, 7]


def test_a_counter_that_jumps_each_time_is_refused_each_time():
    assert all("faulty" in text for text in counts(0, 10**16, 2 * 10**16, 3 * 10**16)[1:])


def test_a_meter_that_says_what_its_hardware_can_take_finds_smaller_ones():
    assert counts(0, 50_000_000_000, max_watts=1000.0)[1].endswith(
        "can take (1.02e+03 J): a faulty reading"
    )
    assert counts(0, 900_000_000, max_watts=1000.0) == [0, 900_000_000]


def test_an_update_may_hold_what_was_taken_since_the_one_before():
    assert counts(0, 15_000_000_000, max_watts=1000.0, resolution=15.0) == [0, 15_000_000_000]


def test_a_reading_that_takes_long_may_find_more():
    clock = Clock()

    class Slow(Answering):
        def read(self):
            clock.now += self.takes
            return (round(clock.now * 500e6),)

    meter = Slow("theirs", DOMAIN)
    meter.max_watts, meter.takes = 1000.0, 0.0
    meters = MeterSet([meter], clock=clock)
    before = meters.read()
    meter.takes = 10.0  # the process was kept from running
    assert meters.read().microjoules[0] - before.microjoules[0] == 5_000_000_000


def test_a_counter_that_goes_back_is_refused_once():
    assert counts(10_000_000, 4_000_000, 5_000_000) == [
        10_000_000,
        "theirs: the counter of x (Shelly) went back by 6 J",
        5_000_000,
    ]
