"""The decision: what was measured, the stored sessions and the rule in; a verdict out. Pure.

Read `judge` from top to bottom. How far a change is from the stored sessions, and how far noise
alone may carry it, is `comparison`; what agrees with what is `comparable`; why, in words, and what
would help, is `reasons`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from pytest_energy.types.baseline import Baseline
from pytest_energy.types.energy import Method, is_estimated
from pytest_energy.types.measurement import Measurement
from pytest_energy.types.result import Subject
from pytest_energy.types.units import format_percent
from pytest_energy.types.verdict import PairedBase, Status, Verdict
from pytest_energy.types.verdict import Rule as Rule
from pytest_energy.verdict import quality
from pytest_energy.verdict.baseline_comparison import BaselineComparison, average, passes_differ
from pytest_energy.verdict.comparability import why_incomparable
from pytest_energy.verdict.paired_comparison import PairedComparison
from pytest_energy.verdict.rules import (
    Z_95,
    cause_of,
    numbers,
    too_short,
    why_inconclusive,
    why_interfered,
    why_pair_inconclusive,
    why_quality_fell,
    why_quality_unknown,
    why_too_much_work,
    why_unchecked,
    why_unresolved,
)


def unmeasured(reason: str, hint: str = "") -> Verdict:
    """The verdict on a test that gave no figure."""
    return Verdict(Status.UNMEASURED, reason, hint)


def judge(
    subject: Subject,
    passes: Sequence[Measurement],
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
        passes: the figures: one pass over the samples, or several of the same session.
        baseline: the stored entry of this machine class, if any.
        rule: what is allowed.
        elsewhere: other machine classes that have a baseline of the same test.
        confirmed: whether a suspect gets another look, so that a single one is none.
        separate: whether the looks are sessions of their own: the test was run several times.

    Returns:
        The verdict. In this order: is the work within its ceiling, is there a figure at all, is it
        long enough, is there something comparable, what does the comparison say, was the machine
        quiet, is it within its budget, do the looks agree; and last, which no noise touches, has
        quality fallen.
    """
    measurement = average(passes)
    figures = _energy(
        subject,
        passes,
        measurement,
        baseline,
        rule,
        elsewhere,
        confirmed=confirmed,
        separate=separate,
    )
    return _with_quality(subject, figures, measurement, baseline, rule)


def _energy(
    subject: Subject,
    passes: Sequence[Measurement],
    measurement: Measurement,
    baseline: Baseline | None,
    rule: Rule,
    elsewhere: Sequence[str],
    *,
    confirmed: bool,
    separate: bool,
) -> Verdict:
    """What the joules alone say."""
    figures = Verdict(
        Status.NEW, budget_joules=rule.budget_joules, max_flops=rule.max_flops, can_be_stored=True
    )
    too_much = why_too_much_work(subject, measurement, rule)
    if too_much:
        return _with(figures, Status.OVER_BUDGET, *too_much)
    for look in passes:
        unresolved = why_unresolved(subject, look)
        if unresolved:
            return _with(figures, Status.UNRESOLVED, *unresolved)
    repeat_difference = passes_differ(passes) if len(passes) > 1 else None

    disturbed = why_interfered(measurement)
    if baseline is not None:
        reason = why_incomparable(subject, measurement, baseline)
        if reason:
            figures = replace(figures, status=Status.INCOMPARABLE, reason=reason, hint=_ACCEPT)
        else:
            against = BaselineComparison(
                passes,
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
            hint="store one for this machine with --energy-update",
        )
    figures = replace(
        figures,
        repeat_difference=None if repeat_difference is None else math.expm1(repeat_difference),
    )

    if disturbed:
        figures = replace(figures, can_be_stored=False)
        # In units of the yardstick a rise may be beyond all that neighbours can do.
        exceeds_limit = figures.status is Status.REGRESSED and measurement.reference is not None
        if not exceeds_limit or measurement.interference:
            return _with(figures, Status.INCONCLUSIVE, *disturbed)
    if rule.budget_joules is not None and all(
        look.joules_per_unit > rule.budget_joules for look in passes
    ):
        return _with(figures, Status.OVER_BUDGET, f"the budget is {rule.budget_text}", "")
    unchecked = why_unchecked(measurement, rule)
    if unchecked and figures.status in _CONTENT:
        return _with(figures, Status.INCONCLUSIVE, *unchecked)
    if repeat_difference is not None and abs(repeat_difference) > math.log1p(rule.tolerance):
        return _passes_disagree(figures, abs(repeat_difference), rule)
    return figures


def judge_pair(
    subject: Subject,
    head: Measurement,
    base: Baseline,
    measured: Measurement,
    rule: Rule,
    pairing: PairedBase,
) -> Verdict:
    """Decide about one measurement that took turns with another revision's.

    Args:
        subject: what was measured.
        head: its figures.
        base: the other revision, as if its one session were stored.
        measured: its figures.
        rule: what is allowed.
        pairing: what is known of the base; the number of pairs is filled in.

    Returns:
        The verdict, in the order of `judge`. What others do on the machine meanwhile hits both
        sides, and what of it does not shows in the scatter of pairs. But a counter counts their
        energy too, which makes the ratio smaller than it is: a change is one all the same, and
        no change may be none.
    """
    figures = _energy_of_pair(subject, head, base, measured, rule, pairing)
    return _with_quality(subject, figures, head, base, rule)


def _energy_of_pair(
    subject: Subject,
    head: Measurement,
    base: Baseline,
    measured: Measurement,
    rule: Rule,
    pairing: PairedBase,
) -> Verdict:
    """What the joules of both sides alone say."""
    figures = Verdict(
        Status.NEW, budget_joules=rule.budget_joules, max_flops=rule.max_flops, can_be_stored=False
    )
    too_much = why_too_much_work(subject, head, rule)
    if too_much:
        return _with(figures, Status.OVER_BUDGET, *too_much)
    for look in (head, measured):
        unresolved = why_unresolved(subject, look)
        if unresolved:
            return _with(figures, Status.UNRESOLVED, *unresolved)
    reason = why_incomparable(subject, head, base, "base")
    if reason:
        return _with(figures, Status.INCOMPARABLE, reason, "")
    accepted = pairing.accepted or 0.0
    interference = tuple(dict.fromkeys((*head.interference, *measured.interference)))
    disturbed = why_interfered(replace(head, interference=interference))
    against = PairedComparison(
        head, measured, rule.tolerance, rule.comparisons, accepted, disturbed=bool(disturbed)
    )
    figures = replace(figures, pairing=replace(pairing, pairs=against.pairs))
    figures = _compare(figures, head, base, rule, against)
    diluted = not is_estimated(head.domains) and figures.status is Status.OK
    if disturbed and (interference or diluted):
        return _with(figures, Status.INCONCLUSIVE, *disturbed)
    if rule.budget_joules is not None and head.joules_per_unit > rule.budget_joules:
        return _with(figures, Status.OVER_BUDGET, f"the budget is {rule.budget_text}", "")
    unchecked = why_unchecked(head, rule)
    if unchecked and figures.status in _CONTENT:
        return _with(figures, Status.INCONCLUSIVE, *unchecked)
    # What is accepted is a rise that was found.
    return replace(figures, can_be_stored=figures.status is Status.REGRESSED)


_CONTENT = (Status.OK, Status.IMPROVED, Status.NEW)
_JUDGED = (
    Status.OK,
    Status.IMPROVED,
    Status.REGRESSED,
    Status.INCONCLUSIVE,
    Status.UNRESOLVED,
)
_ACCEPT = "start the baseline anew with --energy-update"


def _with(figures: Verdict, status: Status, reason: str, hint: str) -> Verdict:
    # What energy and work together mean belongs to a status that rests on the comparison.
    return replace(
        figures, status=status, reason=reason, hint=hint, interpretation="", can_be_stored=False
    )


def _with_quality(
    subject: Subject,
    figures: Verdict,
    measurement: Measurement,
    baseline: Baseline | None,
    rule: Rule,
) -> Verdict:
    """Energy that was saved at the price of quality is no improvement."""
    if not rule.quality:
        return figures
    found = quality.quality_of(measurement, baseline, rule)
    if found is None:
        if figures.status not in _CONTENT:
            return figures
        return _with(figures, Status.INCONCLUSIVE, *why_quality_unknown(rule))
    figures = replace(figures, quality=found)
    if figures.status not in _JUDGED or baseline is None:
        return figures
    if figures.status is Status.UNRESOLVED and why_incomparable(subject, measurement, baseline):
        return figures
    if found.stored is None:
        if figures.status not in _CONTENT:
            return figures
        whose = "base" if figures.pairing else "baseline"
        reason = f"the {whose} has no {found.name}"
        hint = "" if figures.pairing else "store it with --energy-update"
        return replace(figures, status=Status.INCOMPARABLE, reason=reason, hint=hint)
    if not quality.fell(found):
        return figures
    # What may not be stored for its energy's sake may not for its quality's; and with another
    # revision only rises of energy are accepted.
    kept = figures.can_be_stored and figures.pairing is None
    reason, hint = why_quality_fell(found, figures)
    if figures.status is Status.REGRESSED:  # energy rose as well, and that is said first
        if figures.pairing is None:
            return figures
        return replace(figures, can_be_stored=False, hint=figures.hint or hint)
    return replace(
        figures,
        status=Status.REGRESSED,
        reason=reason,
        hint=hint,
        interpretation="",
        can_be_stored=kept,
        quality=replace(found, decisive=True),
    )


def _passes_disagree(figures: Verdict, repeat_difference: float, rule: Rule) -> Verdict:
    reason = (
        f"two looks at the same samples differ by {format_percent(math.expm1(repeat_difference))},"
        f" more than the tolerance of {format_percent(rule.tolerance)}"
    )
    if figures.status is Status.REGRESSED:  # both looks are over the limit all the same
        return replace(figures, can_be_stored=False, reason=figures.reason or reason)
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
    """Whether a measurement belongs to the stored sessions: comparable, within the limits.

    Args:
        measurement: the figure to be stored.
        subject: what was measured.
        baseline: what is stored.
        rule: as it was judged by.
        confirmed: as it was judged: what `judge` calls beyond the limit is not added to it.
    """
    if why_incomparable(subject, measurement, baseline):
        return False
    found = quality.quality_of(measurement, baseline, rule)
    if found is not None and not quality.agrees(found):
        return False
    return not BaselineComparison(
        [measurement],
        baseline,
        rule.tolerance,
        comparisons=rule.comparisons,
        confirmed=confirmed,
    ).exceeds_limit


def _compare(
    figures: Verdict,
    measurement: Measurement,
    baseline: Baseline,
    rule: Rule,
    against: BaselineComparison | PairedComparison,
) -> Verdict:
    change = against.change
    half = against.half_width if isinstance(against, PairedComparison) else Z_95 * against.error
    status, reason, hint = Status.OK, "", ""
    if isinstance(against, PairedComparison):
        doubtful = why_pair_inconclusive(baseline.subject, measurement, rule, against)
    else:
        doubtful = why_inconclusive(measurement, baseline, rule, against)
    if against.exceeds_limit:
        status = Status.REGRESSED if change > 0 else Status.IMPROVED
        if against.partial_change:
            reason = (
                "only some of the samples changed: the typical one did not"
                if isinstance(against, PairedComparison)
                else f"only some blocks changed: {numbers(against.again)}"
            )
    if doubtful and (not against.exceeds_limit or too_short(measurement)):
        status, (reason, hint) = Status.INCONCLUSIVE, doubtful
    work, now = None, measurement.flops
    if now is not None and baseline.flops:
        work = now.count / baseline.flops - 1
    stored = against.stored_joules
    return replace(
        figures,
        status=status,
        reason=reason,
        hint=hint,
        change=math.expm1(change),
        low=math.expm1(change - half),
        high=math.expm1(change + half),
        limit=math.expm1(against.limit),
        tolerance=rule.tolerance,
        detectable=math.expm1(against.detectable),
        passes=tuple(math.expm1(look.change) for look in against.passes)
        if len(against.passes) > 1
        else (),
        outliers=against.outliers,
        reference_change=None
        if against.reference_change is None
        else math.expm1(against.reference_change),
        baseline_joules=median(stored),
        baseline_low=min(stored),
        baseline_high=max(stored),
        sessions=len(stored),
        domain_changes=against.domain_changes
        if isinstance(against, PairedComparison)
        else _domain_changes(measurement, baseline, against),
        flops=work,
        interpretation=cause_of(status, work, now.without_formula if now else ()),
    )


def _domain_changes(
    measurement: Measurement, baseline: Baseline, against: BaselineComparison
) -> tuple[tuple[str, float], ...]:
    reference_change = math.exp(against.reference_change or 0.0)
    # After an early stop the stored figure is that of the blocks compared.
    whole = median(session.joules_per_unit for session in baseline.sessions)
    share = median(against.stored_joules) / whole
    changes = []
    for domain, joules in zip(measurement.domains, measurement.domain_joules, strict=True):
        stored = [s.domains[domain.name] for s in baseline.sessions if s.domains.get(domain.name)]
        if stored:
            now = joules / measurement.unit_count / share
            if domain.method is Method.ESTIMATED:  # as the whole: in units of the yardstick
                now /= reference_change
            changes.append((domain.name, now / median(stored) - 1))
    return tuple(changes)
