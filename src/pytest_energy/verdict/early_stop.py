"""When to measure again, and when to stop: decided while the loop runs. Pure.

Interim looks at a running comparison raise false alarms unless the rule is made for them: every
interval here holds for all interim looks at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import fmean, stdev

from pytest_energy.types.baseline import Baseline
from pytest_energy.types.measurement import Measurement
from pytest_energy.types.result import Subject
from pytest_energy.types.verdict import Rule
from pytest_energy.verdict.baseline_comparison import (
    MIN_BLOCKS,
    BaselineComparison,
    block_figures,
)
from pytest_energy.verdict.case import Case
from pytest_energy.verdict.estimators import student_quantile
from pytest_energy.verdict.rules import why_unresolved

SUSPECT = 0.7
"""Share of the limit from which on a change is measured again."""

INTERIM_LOOKS = (0.25, 0.4, 0.6, 0.8)
"""Shares of a loop after which an interim look is taken: each more makes all more cautious."""

INTERIM_LEVEL = 0.01
"""Chance, over all interim looks, that a loop is stopped with another verdict than at its end."""


def suspect(
    subject: Subject,
    measurement: Measurement,
    baseline: Baseline | None,
    rule: Rule,
    now: datetime | None = None,
) -> bool:
    """Whether a first pass calls for another: near or beyond a limit, or a few blocks stand out.

    Args:
        subject: what is measured.
        measurement: the first pass.
        baseline: what is stored, if anything.
        rule: what is allowed.
        now: when it was measured, in UTC; None for the occasion of the stored sessions.
    """
    if why_unresolved(subject, measurement):
        return False
    budget = rule.budget_joules
    if budget is not None and measurement.joules_per_unit > budget:
        return True
    case = Case(subject, [measurement], rule, baseline, remeasured=True, now=now)
    comparison = case.comparison or case.plain_comparison
    if not isinstance(comparison, BaselineComparison):
        return False
    (only,) = comparison.passes
    return max(abs(only.change), abs(only.total)) > SUSPECT * comparison.limit


def settled(
    subject: Subject,
    measurement: Measurement,
    baseline: Baseline | None,
    rule: Rule,
    planned: int,
    now: datetime | None = None,
) -> bool:
    """Whether the blocks still to come can hardly change the verdict.

    The blocks so far put the change of the whole loop within an interval that holds for every
    interim look at once: Student's t at `INTERIM_LEVEL`, shared by all interim looks (Bonferroni).
    Where all of it lies on one side of the limit, further blocks would only cost energy. It takes
    the blocks to come for blocks like those seen.

    Args:
        subject: what is measured.
        measurement: the blocks so far.
        baseline: what is stored; without it nothing is ever settled.
        rule: what is allowed; a budget is of the whole loop, and never settled early.
        planned: blocks of the whole loop.
        now: when it is measured, in UTC; None for the occasion of the stored sessions.
    """
    count = len(measurement.blocks)
    if count not in interim_looks(planned) or baseline is None or rule.budget_joules is not None:
        return False
    if why_unresolved(subject, measurement):
        return False
    comparison = _comparison(subject, measurement, baseline, rule, now)
    if comparison is None or not comparison.block_changes:
        return False
    # How far the mean of all blocks may lie from that of those seen: what is still to come.
    to_come = stdev(comparison.block_changes) * math.sqrt(1 / count - 1 / planned)
    half = _factor(INTERIM_LEVEL, count, planned) * to_come
    change = abs(comparison.passes[0].change)
    inside = change + half < math.log1p(rule.tolerance)
    return inside or change - half > comparison.limit


def _comparison(
    subject: Subject,
    measurement: Measurement,
    baseline: Baseline | None,
    rule: Rule,
    now: datetime | None = None,
) -> BaselineComparison | None:
    """What the judge would compare at the end of the loop; None where nothing is comparable."""
    comparison = Case(subject, [measurement], rule, baseline, remeasured=True, now=now).comparison
    return comparison if isinstance(comparison, BaselineComparison) else None


@dataclass(frozen=True, slots=True)
class EarlyStop:
    """Whether the blocks of a running loop so far are enough.

    Args:
        subject: what is measured.
        baseline: what is stored of it; None without.
        rule: what is allowed, asked when it is needed: regions may have come in meanwhile.
        unit_count: the divisor after so many inferences; None where it is not known yet.
        precision: wanted half-width, as a fraction; None to end once the verdict is settled.
        base_blocks: joules per inference of another revision's blocks, which grow as the loop runs;
            None where nothing is interleaved.
        accepted: a rise over it that is allowed, as a fraction.
        now: when the loop runs, in UTC; None for the occasion of the stored sessions.
    """

    subject: Subject
    baseline: Baseline | None
    rule: Callable[[], Rule]
    unit_count: Callable[[int], float | None]
    precision: float | None
    base_blocks: Sequence[float] | None = None
    accepted: float = 0.0
    now: datetime | None = None

    def __call__(self, measurement: Measurement, planned: int) -> bool:
        """Whether to end here.

        Args:
            measurement: the blocks so far.
            planned: blocks of the whole loop.
        """
        rule = self.rule()
        if self.base_blocks is not None:
            pairs = list(zip(block_figures(measurement), self.base_blocks, strict=False))
            settles = self.precision is None  # a budget is for the whole loop
            if not pairs or min(map(min, pairs)) <= 0 or (settles and rule.budget_joules):
                return False
            ratios = [math.log(now / before) for now, before in pairs]
            return pairs_enough(ratios, self.precision, rule.tolerance, planned, self.accepted)
        if self.precision is not None:
            return precise_enough(self.subject, measurement, self.baseline, self.precision, planned)
        units = self.unit_count(measurement.metered_count)
        if units is None:
            return False
        counted = replace(measurement, unit_count=units)
        return settled(self.subject, counted, self.baseline, rule, planned, self.now)


def interim_looks(planned: int) -> tuple[int, ...]:
    """Numbers of blocks after which a loop of so many gets an interim look."""
    counts = (math.ceil(share * planned) for share in INTERIM_LOOKS)
    return tuple(count for count in counts if MIN_BLOCKS <= count < planned)


def _factor(level: float, count: int, planned: int) -> float:
    """Standard errors on each side of an interval that holds for every interim look at once.

    Student's t with the plain standard deviation, which one block far off widens: then the loop
    goes on. The level is shared by all interim looks (Bonferroni).
    """
    return student_quantile(1 - level / 2 / len(interim_looks(planned)), count - 1)


def pairs_enough(
    ratios: Sequence[float],
    precision: float | None,
    tolerance: float,
    planned: int,
    accepted: float = 0.0,
) -> bool:
    """Whether the pairs of an interleaved run so far settle the verdict, or the wanted precision.

    Args:
        ratios: logs of head over base, one per pair.
        precision: wanted half-width, as a fraction; None to end once the typical ratio is clearly
            within the tolerance or clearly over it.
        tolerance: allowed rise, as a fraction.
        planned: pairs of the whole loop.
        accepted: a rise that is allowed on top, as a fraction.
    """
    count = len(ratios)
    if count not in interim_looks(planned):
        return False
    level = INTERIM_LEVEL if precision is None else 1 - 0.95
    half = _factor(level, count, planned) * stdev(ratios) / math.sqrt(count)
    if precision is not None:
        return half <= math.log1p(precision)
    change, allowed = fmean(ratios), math.log1p(tolerance)
    limit = math.log1p(accepted) + allowed
    inside = -allowed < change - half and change + half < limit
    return inside or change - half > limit or change + half < -allowed


def precise_enough(
    subject: Subject,
    measurement: Measurement,
    baseline: Baseline | None,
    precision: float,
    planned: int,
) -> bool:
    """Whether the blocks so far settle their typical figure to within ± `precision` (95 %).

    The interval holds for every interim look at once, as in `settled`.

    Args:
        subject: what is measured.
        measurement: the blocks so far.
        baseline: with one that is comparable, each block is compared with its stored counterpart,
            so that long and short samples are not taken for noise.
        precision: wanted half-width, as a fraction.
        planned: blocks of the whole loop.
    """
    blocks = block_figures(measurement)
    count = len(blocks)
    if count not in interim_looks(planned) or min(blocks) <= 0:
        return False
    logs = [math.log(value) for value in blocks]
    comparison = _comparison(subject, measurement, baseline, Rule(tolerance=0.0))
    if comparison is not None:
        logs = comparison.block_changes or logs
    half = _factor(1 - 0.95, count, planned) * stdev(logs) / math.sqrt(count)
    return half <= math.log1p(precision)
