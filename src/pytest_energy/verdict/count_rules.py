"""What exact counts decide, alone or beside measured joules. Pure.

Counts have no noise: any difference is one. How much of one fails a test is a matter of counted
energy (`counted_energy`) and the test's tolerance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pytest_energy.types.counts import DIFFER, Counts, CountsChange, Work
from pytest_energy.types.measurement import flop_count
from pytest_energy.types.obstacle import Obstacle
from pytest_energy.types.units import format_change, format_flops, format_percent
from pytest_energy.types.verdict import Rule, Status, Verdict
from pytest_energy.verdict.counts_comparison import of_no_code
from pytest_energy.verdict.rules import CONTENT, why_flops_unchecked

STORE = "store them with --energy-update"


@dataclass(frozen=True, slots=True)
class CountedCase:
    """What was counted of a test, and what it is compared with.

    Args:
        counts: None where nothing was counted.
        reason: why, as a clause.
        change: over what there is to compare with; None where there is nothing.
        problem: why what is stored cannot be read, as a clause; empty where it can.
        base: what the base of a paired run is called, where it lacks the test; empty elsewhere.
        act: what the counts are of one of: `inference` or `step`.
    """

    counts: Counts | None
    reason: str = ""
    change: CountsChange | None = None
    problem: str = ""
    base: str = ""
    act: str = "inference"


def judge_counts(case: CountedCase, rule: Rule) -> Verdict:
    """Decide by counts alone.

    Args:
        case: what was counted.
        rule: what the test allows.
    """
    counts = case.counts
    if counts is None:
        return Verdict(Status.UNMEASURED, case.reason)
    verdict = _judged(counts, case, rule)
    unchecked = why_flops_unchecked(flop_count(counts), counts.operators_unavailable, rule)
    if unchecked is None or verdict.status not in CONTENT:
        return verdict
    reason, hint = unchecked
    return replace(verdict, status=Status.INCONCLUSIVE, reason=reason, hint=hint)


def _judged(counts: Counts, case: CountedCase, rule: Rule) -> Verdict:
    """The verdict, as if a ceiling of operations that could not be checked held."""
    change = case.change
    allowed, total = rule.max_flops, counts.total
    if allowed is not None and not counts.operators_unavailable:
        flops = round(total.flops / counts.inferences)
        if flops > allowed:
            reason = f"{format_flops(flops)} per {case.act}, allowed {format_flops(allowed)}"
            return Verdict(Status.OVER_BUDGET, reason, counts=change)
    if case.problem:
        return Verdict(Status.INCOMPARABLE, case.problem, obstacle=Obstacle.BASELINE)
    if change is None:
        return Verdict(
            Status.NEW,
            f"{case.base} has no such test" if case.base else "",
            can_be_stored=not case.base,
        )
    if change.energy is None and not change.unchanged:
        return _without_ratio(change)
    status = Status.OK
    if risen(change, rule):
        status = Status.REGRESSED
    elif fallen(change, rule):
        status = Status.IMPROVED
    return Verdict(status, can_be_stored=True, counts=change)


def _without_ratio(change: CountsChange) -> Verdict:
    """The verdict where both sides were counted, and no change of energy follows from that."""
    if (change.problem and not of_no_code(change.problem)) or change.joules > 0:
        reason = change.problem or "nothing was counted then: there is no ratio to it"
        return Verdict(
            Status.INCOMPARABLE,
            reason,
            STORE,
            can_be_stored=True,
            obstacle=Obstacle.BASELINE,
            counts=change,
        )
    return Verdict(
        Status.INCOMPARABLE,
        change.problem or "; ".join(change.notes) or "nothing was counted",
        "counts are compared where a test does the same in every process; joules need not",
        can_be_stored=True,
        counts=change,
    )


def risen(change: CountsChange, rule: Rule) -> bool:
    """Whether counted energy has risen by more than is allowed."""
    return change.energy is not None and change.energy > rule.tolerance


def risen_by_operators(change: CountsChange, rule: Rule) -> bool:
    """Whether it has risen by more than that, had Python called what it called before."""
    return change.of_operators is not None and change.of_operators > rule.tolerance


def fallen(change: CountsChange, rule: Rule) -> bool:
    """Whether counted energy has fallen by more than the tolerance."""
    return change.energy is not None and change.energy < -rule.tolerance


DECIDED_BY_COUNTS = (
    Status.OK,
    Status.NEW,
    Status.INCONCLUSIVE,
    Status.INCOMPARABLE,
    Status.UNRESOLVED,
)
"""Verdicts on joules that a counted rise turns into a regression. A figure that was measured to
have fallen stands: it is the truth that counts stand for."""


def with_counts(
    verdict: Verdict, change: CountsChange | None, rule: Rule, act: str = "inference"
) -> Verdict:
    """A verdict on joules, and what counts say beside.

    Python calls decide nothing here: what a call takes differs by a thousand times, and joules tell
    what they took together.

    Args:
        verdict: on what was measured.
        change: of the counts; None where nothing was counted, or there is nothing to compare with.
        rule: what the test allows.
        act: what the counts are of one of: `inference` or `step`.
    """
    if change is None:
        return verdict
    verdict = replace(verdict, counts=change)
    if verdict.status in DECIDED_BY_COUNTS and risen_by_operators(change, rule):
        return replace(
            verdict,
            status=Status.REGRESSED,
            reason=_why_risen(verdict, change, rule, act),
            hint="",
            obstacle=None,
            measured_status=verdict.status,
        )
    if verdict.status is Status.INCONCLUSIVE:
        said = "counts unchanged" if change.unchanged else _what_changed(change)
        return replace(verdict, reason=f"{verdict.reason}; {said}" if said else verdict.reason)
    return verdict


def agreeing(counts: Counts, others: Sequence[Counts]) -> Counts:
    """Counts without what other processes of the same code have counted otherwise.

    Args:
        counts: of the first process.
        others: of the others.
    """
    for other in others:
        pairs = list(zip(counts.samples, other.samples, strict=False))
        both = counts.python_unavailable or other.python_unavailable
        differ = [
            (a.python_calls, b.python_calls) for a, b in pairs if a.python_calls != b.python_calls
        ]
        if differ and not both:
            one, another = differ[0]
            why = f"{DIFFER} ({one:,} and {another:,})"
            counts = replace(counts, python_unavailable=why)
        both = counts.operators_unavailable or other.operators_unavailable
        if not both and any(_of_operators(a) != _of_operators(b) for a, b in pairs):
            counts = replace(counts, operators_unavailable=DIFFER)
    return counts


def _of_operators(work: Work) -> Work:
    return replace(work, python_calls=0)


def _why_risen(verdict: Verdict, change: CountsChange, rule: Rule, act: str) -> str:
    """Why a test fails whose joules alone do not say so."""
    more = format_change(change.energy or 0.0)
    allowed = format_percent(rule.tolerance)
    measured = verdict.status.words
    why = f": {verdict.reason}" if verdict.reason else ""
    return (
        f"by exact count each {act} does more: {more} of counted energy, allowed +{allowed};"
        f" measured alone it is {measured}{why}"
    )


def _what_changed(change: CountsChange) -> str:
    if change.energy is None:
        return f"counts not compared: {change.problem}"
    return f"counts changed: {format_change(change.energy)} of counted energy"
