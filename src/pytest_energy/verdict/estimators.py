"""Estimators that the verdict rests on: location and spread that outliers cannot pull, quantiles.

Pure; nothing here knows what is being estimated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from statistics import NormalDist, median

MAD_TO_SD = 1.4826
"""Median absolute deviation to standard deviation, for a normal (Rousseeuw and Croux 1993)."""

HODGES_LEHMANN_EFFICIENCY = 0.955
"""Variance of the mean over that of the Hodges-Lehmann estimator, for a normal: 3/pi (Lehmann
1963)."""


def location(values: Sequence[float]) -> float:
    """The Hodges-Lehmann estimator: the median of the means of all pairs, each with itself too.

    A normal's mean is estimated nearly as sharply as by the mean, and up to 29 % of the values may
    lie anywhere (Hodges and Lehmann 1963).

    Args:
        values: at least one.
    """
    pairs = [(a + b) / 2 for i, a in enumerate(values) for b in values[i:]]
    return median(pairs)


def spread(values: Sequence[float]) -> float:
    """A standard deviation from the median absolute deviation; 0 for a single value."""
    middle = median(values)
    return MAD_TO_SD * median(abs(value - middle) for value in values)


def location_error(values: Sequence[float]) -> float:
    """Standard error of `location`, from the scatter of the values themselves."""
    return spread(values) / math.sqrt(len(values) * HODGES_LEHMANN_EFFICIENCY)


def clipped_squares(values: Sequence[float], clip_width: float) -> float:
    """Sum of squares in which no value counts for more than `clip_width`."""
    return sum(min(abs(value), clip_width) ** 2 for value in values)


def normal_quantile(probability: float) -> float:
    """Number of standard deviations that leave `1 - probability` above them."""
    return NormalDist().inv_cdf(probability)


@cache
def student_quantile(probability: float, freedom: int) -> float:
    """Number of standard errors that leave `1 - probability` above them, for Student's t.

    Args:
        probability: above one half.
        freedom: degrees of freedom, at least 1.
    """
    low, high = 0.0, 1.0
    while _student_cdf(high, freedom) < probability:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        if _student_cdf(middle, freedom) < probability:
            low = middle
        else:
            high = middle
    return high


def _student_cdf(t: float, freedom: int) -> float:
    # The finite series for whole degrees of freedom: Abramowitz and Stegun 26.7.3 and 26.7.4.
    angle = math.atan2(t, math.sqrt(freedom))
    cosine = math.cos(angle)
    term = cosine if freedom % 2 else 1.0
    total = 0.0
    for k in range(2 + freedom % 2, freedom + 1, 2):
        total += term
        term *= cosine * cosine * (k - 1) / k
    if freedom % 2:
        return 0.5 + (angle + math.sin(angle) * total) / math.pi
    return 0.5 + math.sin(angle) * total / 2
