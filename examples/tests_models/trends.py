"""How energy grows with operations over a family of models. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from pytest_energy import Measurement
from pytest_energy.verdict.estimators import student_quantile


@dataclass(frozen=True, slots=True)
class Point:
    """One model of a family.

    Args:
        name: of the model.
        flops: floating-point operations per inference.
        joules: per inference.
        error: standard error of the joules' logarithm, from the blocks of the measurement; None
            where there are too few.
        accuracy: share of right answers; None where nobody knows.
        blocks: that the error is from.
    """

    name: str
    flops: float
    joules: float
    error: float | None = None
    accuracy: float | None = None
    blocks: int = 20

    @property
    def joules_per_gflop(self) -> float:
        """The same for every member where energy is proportional to operations."""
        return self.joules / self.flops * 1e9

    @property
    def joules_per_point(self) -> float | None:
        """Joules of an inference for each percentage point of accuracy."""
        return self.joules / (100 * self.accuracy) if self.accuracy else None


def point(name: str, measurement: Measurement, accuracy: str = "accuracy") -> Point:
    """What a measurement says of a model.

    Args:
        name: of the model.
        measurement: with operations counted.
        accuracy: name of the recorded quantity.

    Raises:
        ValueError: operations were not counted.
    """
    if measurement.flops is None:
        raise ValueError(f"{name}: no operations were counted: {measurement.flops_unavailable}")
    blocks = measurement.block_joules_per_unit
    known = len(blocks) >= 5 and min(blocks) > 0
    return Point(
        name,
        measurement.flops.count * measurement.metered_count / measurement.unit_count,
        measurement.joules_per_unit,
        stdev(map(math.log, blocks)) / math.sqrt(len(blocks)) if known else None,
        (measurement.recorded or {}).get(accuracy),
        len(blocks),
    )


@dataclass(frozen=True, slots=True)
class Slope:
    """Energy grows as operations to this power: 1 is proportional, below 1 large is cheaper.

    Args:
        value: of the line through the logarithms, by least squares.
        low, high: where this run's noise leaves it, at 95 %; None where the noise is unknown. How
            far the models lie from a line at all is not in it.
    """

    value: float
    low: float | None
    high: float | None


def slope(points: Sequence[Point]) -> Slope:
    """The slope of log joules over log operations.

    Args:
        points: two or more models of different size.

    Raises:
        ValueError: all are of one size.
    """
    if len({one.flops for one in points}) < 2:
        raise ValueError("a slope needs models of different size")
    sizes = [math.log(one.flops) for one in points]
    energies = [math.log(one.joules) for one in points]
    middle = fmean(sizes)
    across = sum((size - middle) ** 2 for size in sizes)
    weights = [(size - middle) / across for size in sizes]
    value = sum(weight * energy for weight, energy in zip(weights, energies, strict=True))
    errors = [one.error for one in points if one.error is not None]
    if len(errors) < len(points):
        return Slope(value, None, None)
    fewest = min(one.blocks for one in points)
    half = student_quantile(0.975, fewest - 1) * math.hypot(
        *(w * e for w, e in zip(weights, errors, strict=True))
    )
    return Slope(value, value - half, value + half)


def joules_of_next_point(smaller: Point, larger: Point) -> float | None:
    """Joules of an inference that one percentage point more costs.

    Args:
        smaller: the model that one has.
        larger: the one that one would take instead.

    Returns:
        None where it is no more accurate: then no energy buys a point.
    """
    if smaller.accuracy is None or larger.accuracy is None:
        return None
    points = 100 * (larger.accuracy - smaller.accuracy)
    return (larger.joules - smaller.joules) / points if points > 1e-9 else None
