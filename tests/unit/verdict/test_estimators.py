"""The estimators: what they give on known values, and what cannot pull them."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energy.verdict import estimators

values = st.lists(st.floats(min_value=-1e3, max_value=1e3), min_size=1, max_size=20)


def test_the_location_of_a_symmetric_sample_is_its_middle():
    assert estimators.location([1.0, 2.0, 3.0, 4.0, 5.0]) == 3.0


def test_a_quarter_of_the_values_may_lie_anywhere():
    assert estimators.location([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1e9, 1e9]) == 1.0


@given(values)
def test_the_location_lies_within_the_sample(sample):
    assert min(sample) <= estimators.location(sample) <= max(sample)


@given(values, st.floats(min_value=-100, max_value=100))
def test_the_location_moves_with_the_sample(sample, shift):
    moved = estimators.location([value + shift for value in sample])
    assert moved == pytest.approx(estimators.location(sample) + shift, abs=1e-6)


def test_the_spread_of_a_normal_sample_is_its_standard_deviation():
    normal = statistics.NormalDist(5, 2)
    sample = [normal.inv_cdf((i + 0.5) / 999) for i in range(999)]
    assert estimators.spread(sample) == pytest.approx(2, rel=0.01)
    assert estimators.location_error(sample) == pytest.approx(2 / 999**0.5 / 0.955**0.5, rel=0.01)


def test_no_value_counts_for_more_than_the_widest():
    assert estimators.clipped_squares([1.0, -10.0], 2.0) == 5.0


# Student's t: Abramowitz and Stegun, table 26.10.
@pytest.mark.parametrize(
    ("probability", "freedom", "t"),
    [
        (0.975, 1, 12.706),
        (0.975, 4, 2.776),
        (0.995, 5, 4.032),
        (0.975, 12, 2.179),
        (0.9995, 19, 3.883),
        (0.95, 120, 1.658),
    ],
)
def test_students_quantiles_are_those_of_the_tables(probability, freedom, t):
    assert estimators.student_quantile(probability, freedom) == pytest.approx(t, abs=6e-4)


def test_normal_quantiles():
    assert estimators.normal_quantile(0.975) == pytest.approx(1.96, abs=1e-3)
