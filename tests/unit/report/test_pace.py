"""How long a run still takes, by a clock that the test moves."""

from __future__ import annotations

import pytest

from pytest_energy.report.pace import Pace, about
from support.clocks import Clock

SETUP, LOOP, AFTER = 2.0, 10.0, 3.0
"""Seconds of a metered test's parts."""


def drawn(pace, clock, seconds=LOOP, steps=5):
    """Run one metered test; what is foretold in its loop, and when."""
    found = []
    pace.begin(metered=True)
    clock.sleep(SETUP)
    pace.run()
    for step in range(1, steps + 1):
        clock.sleep(seconds / steps)
        found.append((clock.now, pace.seconds_left(seconds * (steps - step) / steps)))
    pace.loop_ended()
    clock.sleep(AFTER)
    pace.end(metered=True)
    return found


def other(pace, clock, seconds):
    pace.begin(metered=False)
    clock.sleep(seconds)
    pace.end(metered=False)


def test_of_tests_that_are_alike_the_end_is_foretold_and_comes_nearer():
    clock = Clock()
    pace = Pace(6, 0, clock)
    found = [each for _ in range(6) for each in drawn(pace, clock)]
    end = clock.now
    told = [(at, left) for at, left in found if left is not None]
    assert told
    for at, left in told:
        assert left == pytest.approx(end - at)
    figures = [left for _, left in told]
    assert figures == sorted(figures, reverse=True)


def test_it_is_silent_until_two_tests_have_ended_and_in_the_last_one():
    clock = Clock()
    pace = Pace(4, 0, clock)
    tests = [drawn(pace, clock) for _ in range(4)]
    silent = [all(left is None for _, left in test) for test in tests]
    assert silent == [True, True, False, True]


def test_other_tests_count_with_what_their_like_took_and_are_not_guessed():
    clock = Clock()
    pace = Pace(4, 4, clock)
    drawn(pace, clock)
    drawn(pace, clock)
    assert {left for _, left in drawn(pace, clock)} == {None}  # four others, none of which has run
    other(pace, clock, 1.0)
    other(pace, clock, 3.0)
    _, left = drawn(pace, clock)[-1]
    assert left == pytest.approx(AFTER + 2 * 2.0)


def test_tests_that_are_skipped_do_not_count_as_fast_ones():
    clock = Clock()
    pace = Pace(7, 0, clock)
    for _ in range(2):
        drawn(pace, clock)
    for _ in range(3):
        pace.begin(metered=True)
        pace.end(metered=True)
    _, left = drawn(pace, clock)[-1]
    assert left == pytest.approx(AFTER + SETUP + LOOP + AFTER)


def test_a_test_with_two_loops_is_foretold_in_both():
    clock = Clock()
    pace = Pace(4, 0, clock)

    def run():
        found = []
        pace.begin(metered=True)
        pace.run()
        for _ in range(2):
            clock.sleep(LOOP / 2)
            found.append((clock.now, pace.seconds_left(LOOP / 2)))
            clock.sleep(LOOP / 2)
            pace.loop_ended()
        pace.end(metered=True)
        return found

    told = [run() for _ in range(4)][2]
    assert [left for _, left in told] == [pytest.approx(clock.now - at) for at, _ in told]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "about 5 s"),
        (12.4, "about 10 s"),
        (57.4, "about 55 s"),
        (57.5, "about 1 min"),
        (89.0, "about 1 min"),
        (240.0, "about 4 min"),
        (5399.0, "about 90 min"),
        (5400.0, "about 1.5 h"),
        (36000.0, "about 10 h"),
    ],
)
def test_a_time_is_said_as_roughly_as_it_is_known(seconds, text):
    assert about(seconds) == text
