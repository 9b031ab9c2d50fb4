"""What remains of a ratio of energies when the models are of one size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from pytest_energy import Measurement, Ratio
from pytest_energy.papers import luccioni
from pytest_energy.verdict.estimators import student_quantile

Sized = tuple[int, Measurement]
"""A model's parameters, and what was measured of it."""


def at_equal_size(general: Sequence[Sized], specific: Sequence[Sized]) -> Ratio:
    """The energy of general-purpose models over that of task-specific ones of as many parameters.

    The distance of two parallel lines of energy over parameters, both as logarithms, as
    `luccioni.at_equal_size` has it of the paper's rows. It is a weighted sum of the logarithms of
    the energies, and so is its error.

    Args:
        general: two or more models of several sizes, or one beside several.
        specific: likewise.

    Returns:
        The ratio with a 95 % interval from the measurements' blocks: what measuring the same models
        again would give. How far other models lie from the lines, it does not tell.

    Raises:
        ValueError: there is nothing to draw lines through.
    """
    value = luccioni.at_equal_size(*(_energies(side) for side in (general, specific)))
    weights = _weights(*([math.log(size) for size, _ in side] for side in (general, specific)))
    variance, fewest = 0.0, math.inf
    for weight, (_, measurement) in zip(weights, (*general, *specific), strict=True):
        blocks = measurement.block_joules_per_unit
        if len(blocks) < 3 or min(blocks) <= 0:
            return Ratio(value, None)
        variance += (weight * stdev(map(math.log, blocks))) ** 2 / len(blocks)
        fewest = min(fewest, len(blocks))
    width = student_quantile(0.975, int(fewest) - 1) * math.sqrt(variance)
    return Ratio(value, (value * math.exp(-width), value * math.exp(width)))


def _energies(side: Sequence[Sized]) -> list[tuple[float, float]]:
    return [(size, measurement.joules_per_unit) for size, measurement in side]


def _weights(general: Sequence[float], specific: Sequence[float]) -> list[float]:
    # Of the logarithms of energies in: difference of means - common slope × distance of sizes.
    apart = fmean(general) - fmean(specific)
    spread = sum((size - fmean(side)) ** 2 for side in (general, specific) for size in side)
    return [
        sign / len(side) - apart * (size - fmean(side)) / spread
        for sign, side in ((1, general), (-1, specific))
        for size in side
    ]
