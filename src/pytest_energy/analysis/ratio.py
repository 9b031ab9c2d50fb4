"""One energy over another, measured in the same session. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from statistics import stdev

from pytest_energy.types.measurement import Measurement
from pytest_energy.types.result import Result
from pytest_energy.types.verdict import Status
from pytest_energy.verdict.baseline_comparison import MIN_BLOCKS
from pytest_energy.verdict.estimators import student_quantile


@dataclass(frozen=True, slots=True)
class RatioEstimate:
    """One energy over another, with its 95 % interval (None where there are too few blocks)."""

    value: float
    low: float | None
    high: float | None


def ratio(numerator: Sequence[Measurement], denominator: Sequence[Measurement]) -> RatioEstimate:
    """Energy per unit of some measurements over that of others.

    Args:
        numerator: one or more measurements; several are put together as their geometric mean, so
            that each counts the same whatever its size.
        denominator: likewise.

    Returns:
        The ratio with a 95 % interval from the blocks of every measurement. It holds for this
        session; how far sessions differ, only stored sessions tell.

    Raises:
        ValueError: one of the two is empty, or a measurement is of no energy.
    """
    if not numerator or not denominator:
        raise ValueError("a ratio needs measurements on both sides")
    log_ratio, variance, known, fewest = 0.0, 0.0, True, 0
    for sign, group in ((1, numerator), (-1, denominator)):
        for measurement in group:
            if measurement.joules_per_unit <= 0:
                raise ValueError("a ratio needs energies above 0")
            log_ratio += sign * math.log(measurement.joules_per_unit) / len(group)
            blocks = measurement.block_joules_per_unit
            if len(blocks) < MIN_BLOCKS or min(blocks) <= 0:
                known = False
                continue
            # The ratio is of totals, means: one block far off widens the interval as well.
            error = stdev(map(math.log, blocks)) / math.sqrt(len(blocks))
            variance += (error / len(group)) ** 2
            fewest = min(fewest or len(blocks), len(blocks))
    value = math.exp(log_ratio)
    if not known:
        return RatioEstimate(value, None, None)
    width = student_quantile(0.975, fewest - 1) * math.sqrt(variance)
    return RatioEstimate(value, value * math.exp(-width), value * math.exp(width))


@dataclass(frozen=True, slots=True)
class RoleRatio:
    """Energy of general-purpose over task-specific models of one task.

    Args:
        task: that both perform.
        ratio: of energies per unit, each side the geometric mean of its models.
    """

    task: str
    ratio: RatioEstimate


def role_ratios(results: Sequence[Result]) -> tuple[RoleRatio, ...]:
    """General-purpose over task-specific, for each task that has both.

    The headline comparison of Luccioni, Jernite and Strubell 2024 (arXiv 2311.16863).

    Args:
        results: of a session; regions, unresolved windows and training steps do not count.
    """
    ratios = []
    by_task: dict[str, list[Result]] = {}
    for result in results:
        by_task.setdefault(result.subject.task, []).append(result)
    for task, of_task in by_task.items():
        sides = [
            [
                result.measurement
                for result in of_task
                if result.subject.role == role
                and not result.subject.region
                and result.measurement is not None
                and result.verdict.status is not Status.UNRESOLVED
            ]
            for role in ("general-purpose", "task-specific")
        ]
        units = {r.subject.unit for r in of_task if not r.subject.is_training}
        # A report that was edited may hold anything.
        positive = all(0 < one.joules_per_unit < math.inf for side in sides for one in side)
        if all(sides) and len(units) == 1 and positive:
            with suppress(OverflowError):
                ratios.append(RoleRatio(task, ratio(*sides)))
    return tuple(ratios)
