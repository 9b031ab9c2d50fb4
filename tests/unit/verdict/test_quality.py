"""What the energy bought must not get worse."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from pytest_energy.types.verdict import Quality, Status
from pytest_energy.verdict import quality
from support.measurements import RULE, judge, measured, stored


def graded(joules, accuracy, **facts):
    return measured(joules, recorded={"accuracy": accuracy}, **facts)


def graded_baseline(*joules, accuracy=0.8):
    baseline = stored(*joules)
    sessions = tuple(replace(one, recorded={"accuracy": accuracy}) for one in baseline.sessions)
    return replace(baseline, sessions=sessions)


GUARDED = replace(RULE, quality="accuracy", quality_tolerance=0.01)


def test_a_fall_of_quality_counts_on_a_busy_machine_and_can_be_accepted():
    busy = graded(2.0, 0.7, other_cpu_share=0.5)
    found = judge(busy, graded_baseline(2.0, 2.0, 2.0), GUARDED)
    assert found.status is Status.REGRESSED
    assert found.quality.decisive
    assert found.reason.startswith("accuracy fell from 0.800 to 0.700")
    assert found.can_be_stored


def test_a_fall_of_quality_beside_a_tracer_says_how_to_accept_it():
    watched = graded(2.0, 0.7, interference=("a tracer was running",))
    found = judge(watched, graded_baseline(2.0, 2.0, 2.0), GUARDED)
    assert found.status is Status.REGRESSED
    assert not found.can_be_stored
    assert found.hint.startswith("to accept it, store it with --energy-update once")


def test_a_fall_of_quality_counts_where_the_window_is_too_short_for_its_counter():
    short = graded(2.0, 0.7, seconds=0.001)
    baseline = graded_baseline(2.0, 2.0, 2.0)
    assert judge(short, baseline, RULE).status is Status.UNRESOLVED
    assert judge(short, baseline, GUARDED).status is Status.REGRESSED


def test_a_rise_of_energy_beside_a_fall_of_quality_stays_a_rise_of_energy():
    found = judge(graded(3.0, 0.7), graded_baseline(2.0, 2.0, 2.0), GUARDED, remeasured=True)
    assert found.status is Status.REGRESSED
    assert not found.quality.decisive


def test_a_figure_of_nothing_that_stays_nothing_has_not_changed():
    assert Quality("q", 0.0, 0.0, 0.01).change == 0.0
    assert Quality("q", -1.0, 0.0, 0.01).change == -math.inf


@pytest.mark.parametrize(
    ("now", "stored", "tolerance", "has_fallen"),
    [
        (0.795, 0.8, 0.01, False),
        (0.792, 0.8, 0.01, False),  # exactly what is allowed
        (0.7919, 0.8, 0.01, True),
        (-2.1, -2.0, 0.01, True),  # a loss, recorded as its negative
        (-2.01, -2.0, 0.01, False),
        (-0.1, 0.0, 0.5, True),  # of nothing, nothing is allowed
        (0.0, 0.0, 0.0, False),
        (0.1, None, 0.0, False),
    ],
)
def test_a_fall_is_more_than_the_tolerance_of_what_is_stored(now, stored, tolerance, has_fallen):
    assert quality.fell(Quality("q", now, stored, tolerance)) is has_fallen
