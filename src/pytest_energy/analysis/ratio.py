"""One energy over another, measured in the same session. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from contextlib import suppress
from statistics import stdev

from pytest_energy.types.measurement import Measurement
from pytest_energy.types.ratio import RatioEstimate as RatioEstimate
from pytest_energy.types.ratio import RoleRatio as RoleRatio
from pytest_energy.types.result import Result
from pytest_energy.types.verdict import Status
from pytest_energy.verdict.baseline_comparison import MIN_BLOCKS
from pytest_energy.verdict.estimators import student_quantile


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


def role_ratios(
    results: Sequence[Result], stored: Iterable[RoleRatio] = ()
) -> tuple[RoleRatio, ...]:
    """General-purpose over task-specific, for each task that has both.

    The headline comparison of Luccioni, Jernite and Strubell 2024 (arXiv 2311.16863).

    Args:
        results: of a session; regions, unresolved windows and training steps do not count.
        stored: what a report without blocks says of its session. The interval of a ratio of the
            same energies is taken from it.
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
    known = tuple(stored)
    return tuple(_with_interval(one, known) for one in ratios)


_ROUNDED = 1e-4
"""How far a ratio of figures with six digits may lie from that of all digits, as a fraction."""


def _with_interval(of_task: RoleRatio, stored: Sequence[RoleRatio]) -> RoleRatio:
    """A ratio without an interval with that which was computed while there were blocks."""
    value = of_task.ratio.value
    for other in stored if of_task.ratio.low is None else ():
        low, high = other.ratio.low, other.ratio.high
        same = other.task == of_task.task and math.isclose(
            other.ratio.value, value, rel_tol=_ROUNDED
        )
        # A report that was edited may hold anything.
        if same and low is not None and high is not None and 0 <= low <= value <= high:
            return RoleRatio(of_task.task, RatioEstimate(value, low, high))
    return of_task
