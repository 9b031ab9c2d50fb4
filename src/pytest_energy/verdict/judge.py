"""The decision: measurements, what they are compared with and a rule in; a verdict out. Pure.

`judge` asks the rules of `rules.ENERGY_RULES` in order, the first that decides wins, and then those
of `rules.QUALITY_RULES`, which no noise touches. Read that tuple for the order of precedence. The
statistics are in `baseline_comparison` and `paired_comparison`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from pytest_energy.types.baseline import Agreement, Baseline
from pytest_energy.types.measurement import Measurement
from pytest_energy.types.obstacle import Obstacle
from pytest_energy.types.result import Subject
from pytest_energy.types.verdict import Rule, Status, Verdict
from pytest_energy.verdict import quality
from pytest_energy.verdict.case import Case
from pytest_energy.verdict.rules import ENERGY_RULES, QUALITY_RULES, interpretation_of


def unmeasured(reason: str, gates: bool = False) -> Verdict:
    """The verdict on a test that gave no figure.

    Args:
        reason: why, as a clause.
        gates: whether there is something that it would have been held against.
    """
    obstacle = Obstacle.UNMEASURED if gates else None
    return Verdict(Status.UNMEASURED, reason, obstacle=obstacle)


def judge(case: Case) -> Verdict:
    """Decide about one measurement, compared with stored sessions or with the base of a paired run.

    Args:
        case: the measurement, what it is compared with, and what is allowed.

    Returns:
        The verdict, with the figures of the comparison where there was one.
    """
    decision = next(decided for rule in ENERGY_RULES if (decided := rule(case)) is not None)
    # Windows that are too short may be of no energy at all.
    repeat_difference = case.log_repeat_difference if decision.shows_change else None
    verdict = Verdict(
        status=decision.status,
        reason=decision.reason or case.unconfirmed,
        hint=decision.hint,
        change=case.change() if decision.shows_change else None,
        repeat_difference=None if repeat_difference is None else math.expm1(repeat_difference),
        interpretation=interpretation_of(case, decision.status)
        if decision.rests_on_comparison
        else "",
        can_be_stored=decision.can_be_stored and not case.unconfirmed,
        paired=case.paired_base(),
        quality=case.quality,
        obstacle=decision.obstacle,
    )
    by_quality = (rule(case, verdict) for rule in QUALITY_RULES)
    return next((decided for decided in by_quality if decided is not None), verdict)


def agreement(
    subject: Subject,
    passes: Sequence[Measurement],
    baseline: Baseline,
    rule: Rule,
    remeasured: bool = True,
    now: datetime | None = None,
) -> Agreement:
    """Whether a measurement belongs to the stored sessions: comparable, within the limits.

    Args:
        subject: what was measured.
        passes: the figure to be stored, as it was judged.
        baseline: what is stored.
        rule: what the test allows.
        remeasured: whether a suspected change was measured again: what `judge` calls a change is
            not added to the stored sessions.
        now: when it was measured, in UTC; None for the occasion of the stored sessions.
    """
    case = Case(subject, passes, rule, baseline, remeasured=remeasured, now=now)
    comparison = case.comparison
    if comparison is None:
        return Agreement(False, case.incomparable, None)
    known = case.quality
    within = known is None or quality.agrees(known)
    return Agreement(within and not comparison.exceeds_limit, "", case.change())
