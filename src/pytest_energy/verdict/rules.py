"""The rules of a verdict: each one function with its threshold, its decision and its words. Pure.

`ENERGY_RULES` and `QUALITY_RULES`, at the end of this file, are the order of precedence. A rule
takes a `Case` and returns a decision, or None to leave it to the next rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from pytest_energy.types.energy import is_estimated
from pytest_energy.types.measurement import FlopCount, Measurement
from pytest_energy.types.obstacle import Obstacle
from pytest_energy.types.result import Subject
from pytest_energy.types.units import (
    format_change,
    format_flops,
    format_joules,
    format_percent,
    format_seconds,
    significant,
)
from pytest_energy.types.verdict import Quality, Rule, Status, Verdict
from pytest_energy.verdict import quality as qualities
from pytest_energy.verdict.baseline_comparison import BaselineComparison
from pytest_energy.verdict.case import Base, Case
from pytest_energy.verdict.estimators import normal_quantile
from pytest_energy.verdict.paired_comparison import PairedComparison


@dataclass(frozen=True, slots=True)
class Decision:
    """What one rule decides.

    Args:
        status: one of the nine.
        reason: why, in words; empty where the figures say it.
        hint: what would help, in words.
        can_be_stored: whether `--energy-update` may store the figure, or accept the rise.
        shows_change: whether the figures of the comparison and of the passes stand beside the
            decision.
        rests_on_comparison: whether the decision is the comparison's own, so that energy and
            floating-point operations may be interpreted together.
        obstacle: what in the run kept the figure from being compared, where something did.
    """

    status: Status
    reason: str = ""
    hint: str = ""
    can_be_stored: bool = False
    shows_change: bool = True
    rests_on_comparison: bool = False
    obstacle: Obstacle | None = None


# Before any comparison


def more_flops_than_allowed(case: Case) -> Decision | None:
    """An inference is over its ceiling of floating-point operations, which no noise touches."""
    flops, allowed = case.measurement.flops, case.rule.max_flops
    if allowed is None or flops is None or flops.count <= allowed:
        return None
    reason = f"{format_flops(flops.count)} per {case.subject.act}, allowed {format_flops(allowed)}"
    return Decision(Status.OVER_BUDGET, reason, shows_change=False)


MIN_UPDATES = 20
"""A window is trusted when it spans so many updates of the slowest gated counter (5 % per end)."""

MIN_UPDATES_ALIGNED = 5
"""Updates of a block that waits for them, in a paired run: 1.1 % (standard deviation)."""

BOUNDARY_ERROR = math.sqrt(1 / 6) / MIN_UPDATES
"""Allowed uncertainty of a window at its two ends, as a share of it: that of `MIN_UPDATES` updates,
2 % (standard deviation). A quarter of them does where the ends waited for updates; where many short
segments are put together, it takes more, as the square root of their number."""


def too_short_for_its_counters(case: Case) -> Decision | None:
    """A window, on either side, spans too few updates of its slowest counter."""
    base = (case.against.measurement,) if isinstance(case.against, Base) else ()
    for measurement in (*case.passes, *base):
        unresolved = why_unresolved(case.subject, measurement)
        if unresolved is not None:
            return Decision(Status.UNRESOLVED, *unresolved, shows_change=False)
    return None


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
    updates = measurement.boundary_error_updates / BOUNDARY_ERROR
    needed = updates * slowest.resolution_seconds
    if measurement.seconds >= needed and measurement.joules > 0:
        return None
    if measurement.joules <= 0 and measurement.seconds >= needed:
        return (
            "the counters did not move",
            "see what pytest-energy doctor says of them, or choose another meter",
        )
    times = needed / max(measurement.seconds, 1e-9)
    if subject.region and measurement.segments > 1:  # each entry brings its own ends
        times **= 2
    # A tenth more than needed; rounded first, so that a rounding error adds no inference.
    enough = math.ceil(round(1.1 * subject.n * times, 6))
    more = f"perform more {subject.act}s"
    if enough <= 10**9:
        more = f"{subject.argument}={enough:,} would do"
    if subject.region:
        more = f"{math.ceil(1.1 * times):,} times as many {subject.act}s would do"
    pieces = f" for {measurement.segments:,} segments" if measurement.segments > 1 else ""
    return (
        f"the window of {format_seconds(measurement.seconds)} is too short for {slowest.name}"
        f" ({slowest.source} moves every {format_seconds(slowest.resolution_seconds)},"
        f" {math.ceil(round(updates, 6))} updates are needed{pieces})",
        more,
    )


# Doubts about the measurement


def interfered(case: Case) -> Decision | None:
    """Something ran beside the window that makes its figure doubtful.

    A regression in units of the reference workload may be beyond all that other processes can do.
    In a paired run they hit both sides; but a counter counts their energy too, which makes the
    ratio smaller than it is: a change is one all the same, and no change may be none.
    """
    measurement, comparison = case.measurement, case.comparison
    if not case.interference and not measurement.busy:
        return None
    if case.interference:
        gates = case.against is not None or case.rule.budget_joules is not None
        return Decision(
            Status.INCONCLUSIVE,
            "; ".join(case.interference),
            "measure without it",
            obstacle=case.obstacle if gates else None,
        )
    if case.paired:
        counted = not is_estimated(measurement.domains)
        doubtful = counted and comparison is not None and _leaves_ok(case)
    elif case.incomparable:
        doubtful = not risen_in_plain_joules(case)
    else:
        doubtful = measurement.reference is None or regressed(case) is None
    if not doubtful:
        return None
    return Decision(
        Status.INCONCLUSIVE,
        load_clause(measurement),
        "measure on a quieter machine, or wait for quiet with --energy-wait=60",
        can_be_stored=not case.paired,  # its share of others is stored with it, and widens errors
    )


def load_clause(measurement: Measurement) -> str:
    """How much of the machine other processes used, as a clause."""
    share = format_percent(round(measurement.other_cpu_share or 0.0, 2))
    return f"others used {share} of the machine's CPU time meanwhile"


TRACED_FACTOR = 100.0
"""More than a tracer can do: a Python function that is called for each line."""

SHARED_FACTORS = {True: 2.0, False: 10.0}
"""More than other processes on the same machine do to an estimate (virtual CPUs slow down 1.7
times), and to a counter, which counts theirs too."""


def over_budget_all_the_same(case: Case) -> Decision | None:
    """Every pass took more than the ceiling per unit, by more than what interfered can do."""
    measurement, budget = case.measurement, case.rule.budget_joules
    if budget is None or not (measurement.interference or measurement.busy):
        return None
    known = {Obstacle.TRACER, Obstacle.WORKERS}
    if len(measurement.interference) > len(known & set(measurement.obstacles)):
        return None  # another program on the board may do anything
    factor = TRACED_FACTOR if Obstacle.TRACER in measurement.obstacles else 1.0
    if measurement.busy or Obstacle.WORKERS in measurement.obstacles:
        factor *= SHARED_FACTORS[is_estimated(measurement.domains)]
    if not all(one.joules_per_unit > factor * budget for one in case.passes):
        return None
    why = "; ".join(measurement.interference) or load_clause(measurement)
    return Decision(
        Status.OVER_BUDGET, f"the budget is {case.rule.budget_text}; {why}, which cannot do so much"
    )


def over_budget(case: Case) -> Decision | None:
    """Every pass took more than the ceiling per unit."""
    budget = case.rule.budget_joules
    if budget is None or not all(one.joules_per_unit > budget for one in case.passes):
        return None
    return Decision(Status.OVER_BUDGET, f"the budget is {case.rule.budget_text}")


def flops_unchecked(case: Case) -> Decision | None:
    """There is a ceiling of operations, and it cannot be said to hold."""
    flops, unavailable = case.measurement.flops, case.measurement.flops_unavailable
    unchecked = why_flops_unchecked(flops, unavailable, case.rule)
    return None if unchecked is None else Decision(Status.INCONCLUSIVE, *unchecked)


def why_flops_unchecked(
    flops: FlopCount | None, unavailable: str, rule: Rule
) -> tuple[str, str] | None:
    """Why a ceiling of operations cannot be said to hold; None when it does, or there is none.

    Args:
        flops: that were counted; None where none were.
        unavailable: why not, as a clause; empty where that is not known.
        rule: what the test allows.
    """
    if rule.max_flops is None or (flops and flops.count and not flops.without_formula):
        return None
    if flops and flops.without_formula:
        why = f"there is no formula for {', '.join(flops.without_formula)}"
        return f"max_flops could not be checked: {why}", "set a budget in joules"
    why = unavailable or "no operations were counted"
    return (
        f"max_flops could not be checked: {why}",
        "loop over energy.each(samples), with torch loaded and without --energy-counts=off",
    )


# The comparison


def incomparable(case: Case) -> Decision | None:
    """What is stored, or the base, was measured under other conditions."""
    if not case.incomparable:
        return None
    obstacle, why = Obstacle.METER if case.other_meters else None, case.incomparable
    if case.paired:
        return Decision(Status.INCOMPARABLE, why, obstacle=obstacle)
    hint = "start the baseline anew with --energy-update"
    if case.unverified:  # one word changed would switch the gate off
        obstacle, why = Obstacle.BASELINE, f"{why}, and it was {case.unverified}"
    plain = case.plain_comparison
    if plain is not None:
        stored = format_joules(median(plain.compared_joules))
        now = format_joules(case.measurement.joules_per_unit)
        change = format_change(math.expm1(plain.change))
        figures = f"in plain joules {stored} -> {now}, {change}"
        if risen_in_plain_joules(case):
            reason = f"{figures}, more than noise may do; {why}"
            return Decision(Status.REGRESSED, reason, can_be_stored=True)
        hint = f"{hint} ({figures}; ±{_noise(plain)} of that may be noise)"
    return Decision(Status.INCOMPARABLE, why, hint, can_be_stored=True, obstacle=obstacle)


def risen_in_plain_joules(case: Case) -> bool:
    """Whether energy has risen beyond all noise, though the reference workload is another one."""
    plain = case.plain_comparison
    return plain is not None and plain.exceeds_limit and plain.change > 0


def _noise(comparison: BaselineComparison) -> str:
    return format_percent(_rounded(math.expm1(comparison.half_width)))


def baseline_of_another_machine(case: Case) -> Decision | None:
    """Only other machine classes have a baseline of the test."""
    if case.against is not None or not case.other_machines:
        return None
    return Decision(
        Status.INCOMPARABLE,
        f"the {case.name} is of another machine class: {', '.join(case.other_machines)}",
        "store one for this machine with --energy-update",
        can_be_stored=True,
    )


def no_baseline(case: Case) -> Decision | None:
    """There is nothing to compare with yet."""
    return Decision(Status.NEW, can_be_stored=True) if case.against is None else None


SHORTEST_SECONDS = 0.05
"""In a shorter window an estimate from CPU seconds is mostly the noise of scheduling, and so is a
counter's figure whose ends were aligned with its updates."""


def too_short_to_compare(case: Case) -> Decision | None:
    """A window of a moment, on either side of a comparison."""
    measurement = case.measurement
    if case.comparison is None or not is_momentary(measurement):
        return None
    needed = measurement.metered_count * SHORTEST_SECONDS / max(measurement.seconds, 1e-9)
    estimated = is_estimated(measurement.domains)
    subject = case.subject
    return Decision(
        Status.INCONCLUSIVE,
        f"a window of {format_seconds(measurement.seconds)} is too short"
        f" {'for an estimate' if estimated else 'for a comparison'}",
        f"perform more {subject.act}s: {subject.argument}={math.ceil(needed):,} would do",
        can_be_stored=not case.paired,
        rests_on_comparison=True,
    )


def is_momentary(measurement: Measurement) -> bool:
    """Whether a window is mostly the noise of scheduling: a moment, estimated or aligned."""
    moment = measurement.seconds < SHORTEST_SECONDS
    return moment and (is_estimated(measurement.domains) or measurement.update_aligned)


def unconfirmed(case: Case) -> Decision | None:
    """The change is more than is allowed in one process, and no second one could say so too."""
    comparison = case.comparison
    if not case.unconfirmed or comparison is None or not comparison.exceeds_limit:
        return None
    change = format_change(math.expm1(comparison.change))
    what = "pair of processes" if case.paired else "process"
    return Decision(
        Status.INCONCLUSIVE,
        f"{change} in one {what}, and a second gave no figure: {case.unconfirmed}",
        "a test has to run again in a new process to be confirmed: see what stands in the way",
    )


def regressed(case: Case) -> Decision | None:
    """The change is a rise of more than is allowed."""
    comparison = case.comparison
    if comparison is None or is_momentary(case.measurement):
        return None
    if not comparison.exceeds_limit or comparison.change <= 0:
        return None
    return Decision(
        Status.REGRESSED, _why_partial(case), can_be_stored=True, rests_on_comparison=True
    )


def improved(case: Case) -> Decision | None:
    """The change is a fall of more than the limit."""
    comparison = case.comparison
    if comparison is None or not comparison.exceeds_limit or comparison.change > 0:
        return None
    return Decision(
        Status.IMPROVED,
        _why_partial(case),
        can_be_stored=not case.paired,
        rests_on_comparison=True,
    )


def _why_partial(case: Case) -> str:
    comparison = case.comparison
    if comparison is None or not comparison.partial_change:
        return ""
    if case.paired:
        return "only some of the samples changed: the typical one did not"
    return f"only some blocks changed: {block_numbers(comparison.repeated_outliers)}"


def suspect_blocks(case: Case) -> Decision | None:
    """A few blocks pull the total over the limit, and no second pass says whether they do again."""
    comparison = case.comparison
    if not isinstance(comparison, BaselineComparison):
        return None
    if not comparison.total_exceeds or len(comparison.passes) > 1:
        return None
    return _undecided(
        case,
        f"block {block_numbers(comparison.outliers)} stood out, and there was no re-measurement",
        "let energy.each run to its end, so that a suspect can be measured again",
    )


MISSED = 0.10
"""Highest chance with which a rise of twice the tolerance may pass for less than the tolerance,
where the verdict is `ok`."""


def noise_too_large(case: Case) -> Decision | None:
    """A rise of twice the tolerance could pass unseen, or the change is over the tolerance."""
    comparison = case.comparison
    if isinstance(comparison, PairedComparison):
        return _pairs_too_noisy(case, comparison)
    if comparison is None:
        return None
    tolerance = format_percent(case.rule.tolerance)
    too_far = comparison.change > math.log1p(case.rule.tolerance) + 1e-9
    if comparison.error <= _sharp(case.rule) and not too_far:
        return None
    noise = _noise(comparison)
    if too_far:
        reason = (
            f"the change is over the tolerance of {tolerance}, and no more than noise may do:"
            f" figures of the same code differ by ±{noise}"
        )
    else:
        reason = (
            f"figures of the same code differ by ±{noise}, too much for a tolerance of {tolerance}"
        )
    return _undecided(case, reason, _what_would_help(case, comparison))


def _pairs_too_noisy(case: Case, comparison: PairedComparison) -> Decision | None:
    subject, rule, measurement = case.subject, case.rule, case.measurement
    tolerance = format_percent(rule.tolerance)
    too_far = comparison.excess > math.log1p(rule.tolerance) + 1e-9
    sharp = comparison.error <= _sharp(rule)
    if sharp and not too_far:
        return None
    noise = format_percent(_rounded(math.expm1(comparison.half_width)))
    if comparison.few:
        pairs = f"{comparison.pairs} pair{'s' * (comparison.pairs != 1)} of blocks"
        return _undecided(
            case,
            f"{pairs if comparison.pairs else 'one figure of each side'} can tell little: the same"
            f" code differs by ±{noise} from run to run, too much for a tolerance of {tolerance}"
            f"{f'; it was not repeated: {case.unconfirmed}' if case.unconfirmed else ''}",
            f"loop over energy.each(samples), with more {subject.act}s, so that head and base are"
            " interleaved block by block",
        )
    holds = _holding(2 * comparison.error, comparison.allowed, comparison.excess)
    needed = math.ceil(measurement.metered_count * (comparison.error / (_sharp(rule) * 0.9)) ** 2)
    example = f", {subject.argument}={needed:,} for example,"
    enough = example if needed > measurement.metered_count and not sharp else ","
    hint = f"perform more {subject.act}s{enough} or allow {holds}"
    if too_far:
        return _undecided(
            case,
            f"the change is over the tolerance of {tolerance}, and no more than noise may do:"
            f" pairs of blocks settle it to ±{noise}",
            hint,
        )
    return _undecided(
        case,
        f"pairs of blocks settle the ratio to ±{noise}, too little for a tolerance of {tolerance}",
        hint,
    )


def processes_disagree(case: Case) -> Decision | None:
    """As many pairs of processes are over the tolerance as are not: neither side is believed."""
    comparison = case.comparison
    if not isinstance(comparison, PairedComparison) or not comparison.divided:
        return None
    changes = [format_change(math.expm1(one.change)) for one in comparison.passes]
    tolerance = format_percent(case.rule.tolerance)
    return _undecided(
        case,
        f"pairs of processes disagree: {', '.join(changes)}, with a tolerance of {tolerance}",
        f"ask for more of them, with --energy-processes={2 * len(changes)} for example",
    )


def _undecided(case: Case, reason: str, hint: str) -> Decision:
    return Decision(Status.INCONCLUSIVE, reason, hint, not case.paired, rests_on_comparison=True)


def _holding(*changes: float) -> str:
    """The tolerance that would hold, in whole percents: no less than any of these logs."""
    return format_percent(math.ceil(100 * math.expm1(max(changes)) - 1e-9) / 100)


def _sharp(rule: Rule) -> float:
    """Standard error below which twice the tolerance does not pass for less than it."""
    room = math.log1p(2 * rule.tolerance) - math.log1p(rule.tolerance)
    return room / normal_quantile(1 - MISSED)


ENOUGH_SESSIONS = 5
"""With fewer stored sessions, storing more is the first hint."""


ENOUGH_OCCASIONS = 10
"""With so many, whose means agree within 1 %, a tolerance of 5 % holds."""


def _what_would_help(case: Case, comparison: BaselineComparison) -> str:
    subject, sessions = case.subject, comparison.session_count
    holds = _holding(2 * comparison.error, comparison.limit, comparison.change)
    by_blocks = comparison.mean.error
    if by_blocks**2 > comparison.error**2 / 2:
        room = _sharp(case.rule) ** 2 - (comparison.error**2 - by_blocks**2)
        metered = case.measurement.metered_count
        needed = math.ceil(metered * by_blocks**2 / room) if room > 0 else 0
        if needed > subject.n:
            enough = f"{subject.argument}={needed:,} would do"
            return f"perform more {subject.act}s: {enough} (and a new baseline)"
        return f"perform more {subject.act}s, or allow {holds}"
    if comparison.other_occasion and len(comparison.occasions) < ENOUGH_OCCASIONS:
        count = len(comparison.occasions)
        return (
            f"the stored sessions are of {count} occasion{'s' * (count > 1)}, and an estimate"
            " differs from one to another: compare the two revisions in one interleaved run, with"
            f" --energy-against, store more on other days, or allow {holds}"
        )
    more = ENOUGH_SESSIONS - sessions
    if more > 0:
        return (
            f"store {more} more session{'s' * (more > 1)} with --energy-update, on different"
            f" occasions, or allow {holds}"
        )
    return (
        "measure on a quieter machine, or compare the two revisions in one interleaved run, with"
        f" --energy-against; a tolerance of {holds} would hold here"
    )


def _rounded(fraction: float) -> float:
    return float(f"{fraction:.2g}")


def within_tolerance(case: Case) -> Decision:
    """No other rule has decided: the change is within the limit, and more would have been seen."""
    return Decision(Status.OK, can_be_stored=not case.paired, rests_on_comparison=True)


def _leaves_ok(case: Case) -> bool:
    """Whether no rule about the comparison decides, so that it would be `ok`."""
    rules = (
        too_short_to_compare,
        regressed,
        improved,
        suspect_blocks,
        noise_too_large,
        processes_disagree,
    )
    return all(rule(case) is None for rule in rules)


ENERGY_RULES: tuple[Callable[[Case], Decision | None], ...] = (
    more_flops_than_allowed,
    too_short_for_its_counters,
    over_budget_all_the_same,
    interfered,
    over_budget,
    incomparable,
    baseline_of_another_machine,
    too_short_to_compare,
    unconfirmed,
    regressed,
    flops_unchecked,
    no_baseline,
    improved,
    suspect_blocks,
    noise_too_large,
    processes_disagree,
    within_tolerance,
)
"""What the joules say, in order of precedence: the first rule that decides wins."""


# Quality


CONTENT = (Status.OK, Status.IMPROVED, Status.NEW)
"""Verdicts that say nothing is wrong."""

_COMPARED_OR_DOUBTED = (
    Status.OK,
    Status.IMPROVED,
    Status.REGRESSED,
    Status.INCONCLUSIVE,
    Status.UNRESOLVED,
)


def quality_unknown(case: Case, verdict: Verdict) -> Verdict | None:
    """The rule names a quality, and the test recorded none."""
    name = case.rule.quality
    if not name or case.quality is not None or verdict.status not in CONTENT:
        return None
    return replace(
        verdict,
        status=Status.INCONCLUSIVE,
        reason=f"quality is {name!r}, and energy.record({name}=…) recorded none",
        hint="call it in the test",
        interpretation="",
        can_be_stored=False,
    )


def quality_not_stored(case: Case, verdict: Verdict) -> Verdict | None:
    """What is compared with has no such quality."""
    if not _quality_counts(case, verdict) or case.quality is None:
        return None
    if case.quality.stored is not None or verdict.status not in CONTENT:
        return None
    return replace(
        verdict,
        status=Status.INCOMPARABLE,
        reason=f"the {'base' if case.paired else case.name} has no {case.quality.name}",
        hint="" if case.paired else "store it with --energy-update",
    )


def quality_fell(case: Case, verdict: Verdict) -> Verdict | None:
    """Energy that was saved at the price of quality is no improvement."""
    quality = case.quality
    if quality is None or not _quality_counts(case, verdict) or not qualities.fell(quality):
        return None
    reason, hint = _why_quality_fell(case, quality, verdict)
    if verdict.status is Status.REGRESSED:  # energy rose as well, and that comes first
        if not case.paired:
            return None
        return replace(verdict, can_be_stored=False, hint=verdict.hint or hint)
    return replace(
        verdict,
        status=Status.REGRESSED,
        reason=reason,
        hint=hint,
        interpretation="",
        # What may not be stored for its energy's sake may not for its quality's; and with another
        # revision only rises of energy are accepted.
        can_be_stored=verdict.can_be_stored and not case.paired,
        quality=replace(quality, decisive=True),
    )


def _quality_counts(case: Case, verdict: Verdict) -> bool:
    """Whether the quality before is of the same samples under the same conditions."""
    if case.against is None or verdict.status not in _COMPARED_OR_DOUBTED:
        return False
    return not (verdict.status is Status.UNRESOLVED and case.incomparable)


def _why_quality_fell(case: Case, quality: Quality, verdict: Verdict) -> tuple[str, str]:
    change = "" if quality.change is None else f" ({format_change(quality.change)})"
    reason = (
        f"{quality.name} fell from {significant(quality.stored or 0.0)} to"
        f" {significant(quality.now)}{change}, allowed -{format_percent(quality.tolerance)}"
    )
    if case.paired:
        return reason, "if it is meant, allow it with quality_tolerance in this change"
    if verdict.can_be_stored:
        return reason, ""
    why = f" ({verdict.reason})" if verdict.reason else ""
    return reason, f"to accept it, store it with --energy-update once its energy can be{why}"


QUALITY_RULES: tuple[Callable[[Case, Verdict], Verdict | None], ...] = (
    quality_unknown,
    quality_not_stored,
    quality_fell,
)
"""What quality says, asked after energy: the first rule that decides wins."""


# Words that several rules share


def interpretation_of(case: Case, status: Status) -> str:
    """What energy and floating-point operations say together: the one is noisy, the other exact."""
    change = case.flops_change
    if change is None:
        return ""
    act = case.subject.act
    direction = "same" if change == 0 else "more" if change > 0 else "less"
    words = {
        (Status.REGRESSED, "same"): "the operations are the same, the way they run is not",
        (
            Status.REGRESSED,
            "more",
        ): f"each {act} does more operations (model, input size, padding or cache)",
        (
            Status.REGRESSED,
            "less",
        ): f"each {act} does fewer operations, and takes more energy for them",
        (Status.IMPROVED, "same"): "the operations are the same, they run better",
        (
            Status.IMPROVED,
            "less",
        ): f"each {act} does fewer operations (model, input size, padding or cache)",
        (
            Status.IMPROVED,
            "more",
        ): f"each {act} does more operations, and takes less energy for them",
        (Status.OK, "more"): "more operations for the same energy: worth knowing",
        (Status.OK, "less"): "fewer operations for the same energy: worth knowing",
        (
            Status.INCONCLUSIVE,
            "more",
        ): f"each {act} does more operations (model, input size, padding or cache)",
        (
            Status.INCONCLUSIVE,
            "less",
        ): f"each {act} does fewer operations (model, input size, padding or cache)",
    }.get((status, direction), "the same operations")
    flops = case.measurement.flops
    if flops is not None and flops.without_formula:
        words += f"; not counted, for want of a formula: {', '.join(flops.without_formula)}"
    return words


def block_numbers(blocks: Sequence[int]) -> str:
    """Blocks as people read them: `8, 9, 10`."""
    return ", ".join(map(str, blocks)) or "none alone"
