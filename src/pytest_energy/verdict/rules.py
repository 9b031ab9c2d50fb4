"""Why a verdict is what it is, and what would help: in words, for people. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pytest_energy.types.baseline import Baseline
from pytest_energy.types.energy import is_estimated
from pytest_energy.types.measurement import Measurement
from pytest_energy.types.result import Subject
from pytest_energy.types.units import (
    format_change,
    format_flops,
    format_percent,
    format_seconds,
    significant,
)
from pytest_energy.types.verdict import Quality, Rule, Status, Verdict
from pytest_energy.verdict.baseline_comparison import BaselineComparison
from pytest_energy.verdict.estimators import normal_quantile
from pytest_energy.verdict.paired_comparison import PairedComparison

Z_95 = 1.96
"""Half-width of a 95 % interval in standard errors, for a normal."""

MIN_UPDATES = 20
"""A window is trusted when it spans so many updates of the slowest gated counter (5 % an edge)."""

MIN_UPDATES_ALIGNED = 5
"""The same for a turn of a paired run that waits for updates: 1.1 % (standard deviation)."""

BOUNDARY_ERROR = math.sqrt(1 / 6) / MIN_UPDATES
"""What a window may be off at its ends: what one of `MIN_UPDATES` is, 2 % (standard deviation).
Where its ends waited for updates, a quarter of them does; where many short stretches are put
together, it takes more, as the square root of their number."""

BUSY_SHARE = 0.10
"""Share of the machine's CPU time used by others from which on a window counts as disturbed."""

MISSED = 0.10
"""`ok` is said only where a rise of twice the tolerance passes for less than the tolerance no more
often than this."""

ENOUGH_SESSIONS = 5
"""With fewer stored sessions, storing more is the first remedy."""

SHORTEST_ESTIMATE_SECONDS = 0.05
"""In a shorter window an estimate from CPU seconds is mostly the noise of scheduling."""


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
    pieces = f" for {measurement.segments:,} pieces" if measurement.segments > 1 else ""
    return (
        f"the window of {format_seconds(measurement.seconds)} is too short for {slowest.name}"
        f" ({slowest.source} moves every {format_seconds(slowest.resolution_seconds)},"
        f" {math.ceil(round(updates, 6))} updates are needed{pieces})",
        more,
    )


def why_interfered(measurement: Measurement) -> tuple[str, str] | None:
    """What makes a figure doubtful, and what would help; None when nothing does."""
    if measurement.interference:
        return "; ".join(measurement.interference), "measure without it"
    share = measurement.other_cpu_share
    if share is not None and share >= BUSY_SHARE:
        return (
            f"others used {format_percent(round(share, 2))} of the machine's CPU time meanwhile",
            "measure on a quieter machine",
        )
    return None


def why_too_much_work(
    subject: Subject, measurement: Measurement, rule: Rule
) -> tuple[str, str] | None:
    """Why an inference is over its ceiling of operations; None when it is not, or there is none."""
    work = measurement.flops
    if rule.max_flops is None or work is None or work.count <= rule.max_flops:
        return None
    allowed = format_flops(rule.max_flops)
    return f"{format_flops(work.count)} per {subject.act}, allowed {allowed}", ""


def why_unchecked(measurement: Measurement, rule: Rule) -> tuple[str, str] | None:
    """Why a ceiling of operations cannot be said to hold; None when it does, or there is none."""
    work = measurement.flops
    if rule.max_flops is None or (work and work.count and not work.without_formula):
        return None
    if work and work.without_formula:
        why = f"there is no formula for {', '.join(work.without_formula)}"
        return f"max_flops could not be checked: {why}", "set a budget in joules"
    why = measurement.flops_unavailable or "no operations were counted"
    return (
        f"max_flops could not be checked: {why}",
        "loop over energy.each(samples), with torch loaded and without --energy-work=off",
    )


def too_short(measurement: Measurement) -> bool:
    """Whether a window is mostly the noise of scheduling: a moment, estimated or counted."""
    moment = measurement.seconds < SHORTEST_ESTIMATE_SECONDS
    return moment and (is_estimated(measurement.domains) or measurement.update_aligned)


def _why_too_short(subject: Subject, measurement: Measurement) -> tuple[str, str]:
    wanted = measurement.metered_count * SHORTEST_ESTIMATE_SECONDS / max(measurement.seconds, 1e-9)
    return (
        f"a window of {format_seconds(measurement.seconds)} is too short"
        f" {'for an estimate' if is_estimated(measurement.domains) else 'for a comparison'}",
        f"perform more {subject.act}s: {subject.argument}={math.ceil(wanted):,} would do",
    )


def why_quality_unknown(rule: Rule) -> tuple[str, str]:
    """Why quality cannot be said to have held, and what would help."""
    name = rule.quality
    return (
        f"quality is {name!r}, and energy.record({name}=…) recorded none",
        "call it in the test",
    )


def why_quality_fell(quality: Quality, figures: Verdict) -> tuple[str, str]:
    """That answers have become worse, and what to do where `--energy-update` does not accept it."""
    change = "" if quality.change is None else f" ({format_change(quality.change)})"
    reason = (
        f"{quality.name} fell from {significant(quality.stored or 0.0)} to"
        f" {significant(quality.now)}{change}, allowed -{format_percent(quality.tolerance)}"
    )
    if figures.pairing is not None:  # only rises of energy are accepted there
        return reason, "if it is meant, allow it with quality_tolerance in this change"
    if figures.can_be_stored:
        return reason, ""
    why = f" ({figures.reason})" if figures.reason else ""
    return reason, f"to accept it, store it with --energy-update once its energy can be{why}"


def why_inconclusive(
    measurement: Measurement, baseline: Baseline, rule: Rule, against: BaselineComparison
) -> tuple[str, str] | None:
    """Why `ok` cannot be said, and what would help."""
    if too_short(measurement) and against.exceeds_limit:
        return _why_too_short(baseline.subject, measurement)
    if against.total_exceeds and len(against.passes) < 2:
        return (
            f"block {numbers(against.outliers)} stood out, and there was no second look",
            "let energy.each run to its end, so that a suspect can be looked at again",
        )
    sharp = _sharp(rule)
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


def why_pair_inconclusive(
    subject: Subject, measurement: Measurement, rule: Rule, against: PairedComparison
) -> tuple[str, str] | None:
    """The same for head and base in turns."""
    if too_short(measurement):
        return _why_too_short(subject, measurement)
    tolerance = format_percent(rule.tolerance)
    too_far = against.excess > math.log1p(rule.tolerance) + 1e-9
    sharp = against.error <= _sharp(rule)
    if sharp and not too_far:
        return None
    noise = format_percent(_rounded(math.expm1(against.half_width)))
    if against.few:
        turns = f"{against.pairs} pair{'s' * (against.pairs != 1)} of turns" * (against.pairs > 0)
        return (
            f"{turns or 'one figure of each side'} can tell little: the same code differs by"
            f" ±{noise} from run to run, too much for a tolerance of {tolerance}",
            f"loop over energy.each(samples), with more {subject.act}s, so that head and base take"
            " turns block by block",
        )
    holds = _holding(2 * against.error, against.allowed, against.excess)
    wanted = math.ceil(measurement.metered_count * (against.error / (_sharp(rule) * 0.9)) ** 2)
    say = f", {subject.argument}={wanted:,} say,"
    enough = say if wanted > measurement.metered_count and not sharp else ","
    hint = f"perform more {subject.act}s{enough} or allow {holds}"
    if too_far:
        return (
            f"the change is over the tolerance of {tolerance}, and no more than noise may do:"
            f" pairs of turns settle it to ±{noise}",
            hint,
        )
    return (
        f"pairs of turns settle the ratio to ±{noise}, too little for a tolerance of {tolerance}",
        hint,
    )


def _holding(*changes: float) -> str:
    """The tolerance that would hold, in whole percents: no less than any of these logs."""
    return format_percent(math.ceil(100 * math.expm1(max(changes)) - 1e-9) / 100)


def _sharp(rule: Rule) -> float:
    """How sharp a figure has to be for twice the tolerance not to pass for less than it."""
    room = math.log1p(2 * rule.tolerance) - math.log1p(rule.tolerance)
    return room / normal_quantile(1 - MISSED)


def _what_would_help(
    measurement: Measurement, baseline: Baseline, against: BaselineComparison, sharp: float
) -> str:
    subject = baseline.subject
    holds = _holding(2 * against.error, against.limit, against.change)
    by_blocks = against.mean.error
    if by_blocks**2 > against.error**2 / 2:
        rest = sharp**2 - (against.error**2 - by_blocks**2)
        wanted = math.ceil(measurement.metered_count * by_blocks**2 / rest) if rest > 0 else 0
        if wanted > baseline.subject.n:
            enough = f"{subject.argument}={wanted:,} would do"
            return f"perform more {subject.act}s: {enough} (and a new baseline)"
        return f"perform more {subject.act}s, or allow {holds}"
    more = ENOUGH_SESSIONS - len(baseline.sessions)
    if more > 0:
        return (
            f"store {more} more session{'s' * (more > 1)} with --energy-update, on different"
            f" occasions, or allow {holds}"
        )
    return (
        "measure on a quieter machine, or compare the two revisions in turns, with"
        f" --energy-against; a tolerance of {holds} would hold here"
    )


def _rounded(fraction: float) -> float:
    return float(f"{fraction:.2g}")


def cause_of(status: Status, work: float | None, without_formula: Sequence[str]) -> str:
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


def numbers(blocks: Sequence[int]) -> str:
    """Blocks as people read them: `8, 9, 10`."""
    return ", ".join(map(str, blocks)) or "none alone"
