"""The decision: what was measured, the stored sessions and the rule in; a verdict out. Pure.

Read `judge` from top to bottom. How far a change is from the stored sessions, and how far noise
alone may carry it, is `comparison`; what agrees with what is `comparable`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from pytest_energy.comparable import why_incomparable
from pytest_energy.comparison import Comparison, average, looks_differ
from pytest_energy.estimators import normal_quantile
from pytest_energy.measurement import (
    Baseline,
    Domain,
    Measurement,
    Method,
    Status,
    Subject,
    Verdict,
    gated_domains,
)
from pytest_energy.units import format_flops, format_percent, format_seconds

Z_95 = 1.96
"""Half-width of a 95 % interval in standard errors, for a normal."""

MIN_UPDATES = 20
"""A window is trusted when it spans so many updates of the slowest gated counter (5 % an edge)."""

DISTURBED_SHARE = 0.10
"""Share of the machine's CPU time used by others from which on a window counts as disturbed."""

MISSED = 0.10
"""`ok` is said only where a rise of twice the tolerance passes for less than the tolerance no more
often than this."""

ENOUGH_SESSIONS = 5
"""With fewer stored sessions, storing more is the first remedy."""

SHORTEST_ESTIMATE_SECONDS = 0.05
"""In a shorter window an estimate from CPU seconds is mostly the noise of scheduling."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a test allows.

    Args:
        tolerance: allowed rise over the baseline, as a fraction.
        budget_joules: ceiling per unit, in joules; None for no ceiling.
        budget_text: the ceiling as the user wrote it.
        max_flops: ceiling of floating-point operations per inference; None for none.
        comparisons: verdicts of the whole session, over which false alarms are held.
    """

    tolerance: float
    budget_joules: float | None = None
    budget_text: str = ""
    max_flops: int | None = None
    comparisons: int = 1


def unmeasured(reason: str, remedy: str = "") -> Verdict:
    """The verdict on a test that gave no figure."""
    return Verdict(Status.UNMEASURED, reason, remedy)


def judge(
    subject: Subject,
    looks: Sequence[Measurement],
    baseline: Baseline | None,
    rule: Rule,
    elsewhere: Sequence[str] = (),
    *,
    confirmed: bool = False,
    separate: bool = False,
) -> Verdict:
    """Decide about one measurement.

    Args:
        subject: what was measured.
        looks: the figures: one pass over the samples, or several of the same session.
        baseline: the stored entry of this machine class, if any.
        rule: what is allowed.
        elsewhere: other machine classes that have a baseline of the same test.
        confirmed: whether a suspect gets another look, so that a single one is none.
        separate: whether the looks are sessions of their own: the test was run several times.

    Returns:
        The verdict. In this order: is the work within its ceiling, is there a figure at all, is it
        long enough, is there something comparable, what does the comparison say, was the machine
        quiet, is it within its budget, do the looks agree.
    """
    measurement = average(looks)
    figures = Verdict(
        Status.NEW, budget_joules=rule.budget_joules, max_flops=rule.max_flops, storable=True
    )
    if _too_much_work(measurement, rule):
        return _with(figures, Status.OVER_BUDGET, *_why_too_much_work(measurement, rule))
    for look in looks:
        unresolved = why_unresolved(subject, look)
        if unresolved:
            return _with(figures, Status.UNRESOLVED, *unresolved)
    apart = looks_differ(looks) if len(looks) > 1 else None

    disturbed = _why_disturbed(measurement)
    if baseline is not None:
        reason = why_incomparable(subject, measurement, baseline)
        if reason:
            figures = replace(figures, status=Status.INCOMPARABLE, reason=reason, remedy=_ACCEPT)
        else:
            against = Comparison(
                looks,
                baseline,
                rule.tolerance,
                comparisons=rule.comparisons,
                confirmed=confirmed,
                disturbed=bool(disturbed),
                separate=separate,
            )
            figures = _compare(figures, measurement, baseline, rule, against)
    elif elsewhere:
        figures = replace(
            figures,
            status=Status.INCOMPARABLE,
            reason=f"the baseline is of another machine class: {', '.join(elsewhere)}",
            remedy="store one for this machine with --energy-update",
        )
    figures = replace(figures, apart=None if apart is None else math.expm1(apart))

    if disturbed:
        figures = replace(figures, storable=False)
        # In units of the yardstick a rise may be beyond all that neighbours can do.
        beyond = figures.status is Status.REGRESSED and measurement.yardstick is not None
        if not beyond or measurement.disturbances:
            return _with(figures, Status.INCONCLUSIVE, *disturbed)
    if rule.budget_joules is not None and all(
        look.joules_per_unit > rule.budget_joules for look in looks
    ):
        return _with(figures, Status.OVER_BUDGET, f"the budget is {rule.budget_text}", "")
    unchecked = _why_unchecked(measurement, rule)
    if unchecked and figures.status in _CONTENT:
        return _with(figures, Status.INCONCLUSIVE, *unchecked)
    if apart is not None and abs(apart) > math.log1p(rule.tolerance):
        return _doubted(figures, abs(apart), rule)
    return figures


_CONTENT = (Status.OK, Status.IMPROVED, Status.NEW)
_ACCEPT = "start the baseline anew with --energy-update"


def _with(figures: Verdict, status: Status, reason: str, remedy: str) -> Verdict:
    # What energy and work together mean belongs to a status that rests on the comparison.
    return replace(figures, status=status, reason=reason, remedy=remedy, cause="", storable=False)


def _doubted(figures: Verdict, apart: float, rule: Rule) -> Verdict:
    reason = (
        f"two looks at the same samples differ by {format_percent(math.expm1(apart))},"
        f" more than the tolerance of {format_percent(rule.tolerance)}"
    )
    if figures.status is Status.REGRESSED:  # both looks are over the limit all the same
        return replace(figures, storable=False, reason=figures.reason or reason)
    return _with(
        figures, Status.INCONCLUSIVE, reason, "measure on a quieter machine, or on one thread"
    )


def agrees(
    measurement: Measurement,
    subject: Subject,
    baseline: Baseline,
    rule: Rule,
    *,
    confirmed: bool = True,
) -> bool:
    """Whether a measurement belongs to the stored sessions: comparable, and within the limit.

    Args:
        measurement: the figure to be stored.
        subject: what was measured.
        baseline: what is stored.
        rule: as it was judged by.
        confirmed: as it was judged: what `judge` calls beyond the limit is not added to it.
    """
    if why_incomparable(subject, measurement, baseline):
        return False
    return not Comparison(
        [measurement],
        baseline,
        rule.tolerance,
        comparisons=rule.comparisons,
        confirmed=confirmed,
    ).beyond


def _too_much_work(measurement: Measurement, rule: Rule) -> bool:
    work = measurement.work
    return rule.max_flops is not None and work is not None and work.flops > rule.max_flops


def _why_too_much_work(measurement: Measurement, rule: Rule) -> tuple[str, str]:
    flops = measurement.work.flops if measurement.work else 0
    allowed = format_flops(rule.max_flops or 0)
    return f"{format_flops(flops)} per inference, allowed {allowed}", ""


def _why_unchecked(measurement: Measurement, rule: Rule) -> tuple[str, str] | None:
    """Why a ceiling of operations cannot be said to hold; None when it does, or there is none."""
    work = measurement.work
    if rule.max_flops is None or (work and work.flops and not work.without_formula):
        return None
    if work and work.without_formula:
        why = f"there is no formula for {', '.join(work.without_formula)}"
        return f"max_flops could not be checked: {why}", "set a budget in joules"
    why = measurement.uncounted or "no operations were counted"
    return (
        f"max_flops could not be checked: {why}",
        "loop over energy.each(samples), with torch loaded and without --energy-work=off",
    )


def why_unresolved(subject: Subject, measurement: Measurement) -> tuple[str, str] | None:
    """Why a window is too short for its counters, and what would do; None when it is not."""
    if not measurement.gated:
        return (
            "the meters count nothing that can be compared, only constants",
            "choose another meter with --energy-meter",
        )
    slowest = max(
        (measurement.domains[i] for i in measurement.gated),
        key=lambda domain: domain.resolution_seconds,
    )
    needed = MIN_UPDATES * slowest.resolution_seconds
    if measurement.seconds >= needed and measurement.joules > 0:
        return None
    if measurement.joules <= 0 and measurement.seconds >= needed:
        return ("the counters did not move", "perform more inferences, or choose another meter")
    # A tenth more than needed; rounded first, so that a rounding error adds no inference.
    enough = math.ceil(round(1.1 * subject.n * needed / max(measurement.seconds, 1e-9), 6))
    return (
        f"the window of {format_seconds(measurement.seconds)} is too short for {slowest.name}"
        f" ({slowest.source} moves every {format_seconds(slowest.resolution_seconds)},"
        f" {MIN_UPDATES} updates are needed)",
        f"n={enough:,} would do" if enough <= 10**9 else "perform more inferences",
    )


def _why_disturbed(measurement: Measurement) -> tuple[str, str] | None:
    if measurement.disturbances:
        return "; ".join(measurement.disturbances), "measure without it"
    share = measurement.others_share
    if share is not None and share >= DISTURBED_SHARE:
        return (
            f"others used {format_percent(round(share, 2))} of the machine's CPU time meanwhile",
            "measure on a quieter machine",
        )
    return None


def _compare(
    figures: Verdict,
    measurement: Measurement,
    baseline: Baseline,
    rule: Rule,
    against: Comparison,
) -> Verdict:
    change, error = against.change, against.error
    status, reason, remedy = Status.OK, "", ""
    doubtful = _why_inconclusive(measurement, baseline, rule, against)
    if against.beyond:
        status = Status.REGRESSED if change > 0 else Status.IMPROVED
        if against.sparse:
            reason = f"only some blocks changed: {_numbers(against.again)}"
    if doubtful and (not against.beyond or _too_short(measurement)):
        status, (reason, remedy) = Status.INCONCLUSIVE, doubtful
    work, now = None, measurement.work
    if now is not None and baseline.flops:
        work = now.flops / baseline.flops - 1
    stored = against.stored_joules
    return replace(
        figures,
        status=status,
        reason=reason,
        remedy=remedy,
        change=math.expm1(change),
        low=math.expm1(change - Z_95 * error),
        high=math.expm1(change + Z_95 * error),
        limit=math.expm1(against.limit),
        tolerance=rule.tolerance,
        notice=math.expm1(against.notice),
        looks=tuple(math.expm1(look.change) for look in against.looks)
        if len(against.looks) > 1
        else (),
        outliers=against.outliers,
        speed=None if against.speed is None else math.expm1(against.speed),
        baseline_joules=median(stored),
        baseline_low=min(stored),
        baseline_high=max(stored),
        sessions=len(stored),
        domain_changes=_domain_changes(measurement, baseline, against),
        work=work,
        cause=_cause(status, work, now.without_formula if now else ()),
    )


def _numbers(blocks: Sequence[int]) -> str:
    return ", ".join(map(str, blocks)) or "none alone"


def _too_short(measurement: Measurement) -> bool:
    short = measurement.seconds < SHORTEST_ESTIMATE_SECONDS
    return short and _estimated(measurement.domains)


def _why_inconclusive(
    measurement: Measurement, baseline: Baseline, rule: Rule, against: Comparison
) -> tuple[str, str] | None:
    """Why `ok` cannot be said, and what would help."""
    if _too_short(measurement) and against.beyond:
        wanted = measurement.done * SHORTEST_ESTIMATE_SECONDS / max(measurement.seconds, 1e-9)
        return (
            f"a window of {format_seconds(measurement.seconds)} is too short for an estimate",
            f"perform more inferences: n={math.ceil(wanted):,} would do",
        )
    if against.pulled and len(against.looks) < 2:
        return (
            f"block {_numbers(against.outliers)} stood out, and there was no second look",
            "let energy.each run to its end, so that a suspect can be looked at again",
        )
    # As sharp as this a figure has to be for twice the tolerance not to pass for less than it.
    sharp = math.log1p(2 * rule.tolerance) - math.log1p(rule.tolerance)
    sharp /= normal_quantile(1 - MISSED)
    too_far = against.change > math.log1p(rule.tolerance) + 1e-9
    if against.error <= sharp and not too_far:
        return None
    noise = format_percent(_rounded(math.expm1(Z_95 * against.error)))
    if too_far:
        reason = (
            f"the change is over the tolerance of {format_percent(rule.tolerance)}, and no more"
            f" than noise may do: figures of the same code differ by ±{noise}"
        )
    else:
        reason = (
            f"figures of the same code differ by ±{noise}, too much for a tolerance of"
            f" {format_percent(rule.tolerance)}"
        )
    return reason, _what_would_help(measurement, baseline, against, sharp)


def _what_would_help(
    measurement: Measurement, baseline: Baseline, against: Comparison, sharp: float
) -> str:
    wide = max(2 * against.error, against.limit, against.change)
    holds = format_percent(math.ceil(100 * math.expm1(wide) - 1e-9) / 100)
    by_blocks = against.mean.error
    if by_blocks**2 > against.error**2 / 2:
        rest = sharp**2 - (against.error**2 - by_blocks**2)
        wanted = math.ceil(measurement.done * by_blocks**2 / rest) if rest > 0 else 0
        if wanted > baseline.subject.n:
            return f"perform more inferences: n={wanted:,} would do (and a new baseline)"
        return f"perform more inferences, or allow {holds}"
    more = ENOUGH_SESSIONS - len(baseline.sessions)
    if more > 0:
        return (
            f"store {more} more session{'s' * (more > 1)} with --energy-update, on different"
            f" occasions, or allow {holds}"
        )
    return (
        "measure on a quieter machine, or compare the two revisions side by side in one run; a"
        f" tolerance of {holds} would hold here"
    )


def _rounded(fraction: float) -> float:
    return float(f"{fraction:.2g}")


def _cause(status: Status, work: float | None, without_formula: Sequence[str]) -> str:
    """What energy and work say together: the one is noisy, the other exact."""
    if work is None:
        return ""
    change = "same" if work == 0 else "more" if work > 0 else "less"
    said = {
        (Status.REGRESSED, "same"): "the model is the same, the way it runs is not",
        (Status.REGRESSED, "more"): "the model has changed: it does more work",
        (Status.REGRESSED, "less"): "the model does less work, and takes more energy for it",
        (Status.IMPROVED, "same"): "the model is the same, it runs better",
        (Status.IMPROVED, "less"): "the model has changed: it does less work",
        (Status.IMPROVED, "more"): "the model does more work, and takes less energy for it",
        (Status.OK, "more"): "more work for the same energy: worth knowing",
        (Status.OK, "less"): "less work for the same energy: worth knowing",
        (Status.INCONCLUSIVE, "more"): "the model has changed: it does more work",
        (Status.INCONCLUSIVE, "less"): "the model has changed: it does less work",
    }.get((status, change), "the same work")
    if without_formula:
        said += f"; not counted, for want of a formula: {', '.join(without_formula)}"
    return said


def _estimated(domains: Sequence[Domain]) -> bool:
    return any(domains[i].method is Method.ESTIMATED for i in gated_domains(domains))


def _domain_changes(
    measurement: Measurement, baseline: Baseline, against: Comparison
) -> tuple[tuple[str, float], ...]:
    speed = math.exp(against.speed or 0.0)
    # After an early stop the stored figure is that of the blocks compared.
    whole = median(session.joules_per_unit for session in baseline.sessions)
    share = median(against.stored_joules) / whole
    changes = []
    for domain, joules in zip(measurement.domains, measurement.domain_joules, strict=True):
        stored = [s.domains[domain.name] for s in baseline.sessions if s.domains.get(domain.name)]
        if stored:
            now = joules / measurement.units / share
            if domain.method is Method.ESTIMATED:  # as the whole: in units of the yardstick
                now /= speed
            changes.append((domain.name, now / median(stored) - 1))
    return tuple(changes)
