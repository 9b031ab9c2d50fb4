"""The decision: a measurement, the stored sessions and the rule in; a verdict out. Pure.

The noise that matters is the one *between* sessions of the same code. So the middle of the stored
sessions is what a measurement is set against, and their spread widens what is allowed; the blocks
within the measurement only say how sharp this one figure is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median, stdev

from pytest_energy.measurement import (
    Baseline,
    Domain,
    Measurement,
    Method,
    Session,
    Status,
    Subject,
    Verdict,
    gated_domains,
)
from pytest_energy.units import format_percent, format_seconds

MAD_TO_SD = 1.4826
"""Median absolute deviation to standard deviation, for a normal (Rousseeuw and Croux 1993)."""

SPREAD_FACTOR = 3.0
"""Robust standard deviations between sessions that are allowed where the tolerance is less."""

Z_95 = 1.96
"""Half-width of a 95 % interval in standard errors, for a normal."""

MIN_UPDATES = 20
"""A window is trusted when it spans so many updates of the slowest gated counter (5 % an edge)."""

DISTURBED_SHARE = 0.10
"""Share of the machine's CPU time used by others from which on a window counts as disturbed."""

MIN_BLOCKS = 5
"""Fewer blocks give no interval: the spread of four figures says little."""

ROUNDING = 1e-5
"""Stored figures have six digits: no closer can a change be told from none."""

ENOUGH_SESSIONS = 5
"""From so many stored sessions on, their own spread tells how far sessions differ."""

PRIOR_SPREAD = 0.08
"""Before that, how far estimates from CPU seconds differ between sessions of the same code: on
virtual machines a standard deviation of 8 % in one hour and of 17 % in another were measured."""

SHORTEST_ESTIMATE_SECONDS = 0.05
"""In a shorter window an estimate from CPU seconds is mostly the noise of scheduling."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a test allows.

    Args:
        tolerance: allowed rise over the baseline, as a fraction.
        budget_joules: ceiling per unit, in joules; None for no ceiling.
        budget_text: the ceiling as the user wrote it.
    """

    tolerance: float
    budget_joules: float | None = None
    budget_text: str = ""


@dataclass(frozen=True, slots=True)
class Ratio:
    """One energy over another, with its 95 % interval (None where there are too few blocks)."""

    value: float
    low: float | None
    high: float | None


def unmeasured(reason: str, remedy: str = "") -> Verdict:
    """The verdict on a test that gave no figure."""
    return Verdict(Status.UNMEASURED, reason, remedy)


def judge(
    subject: Subject,
    measurement: Measurement,
    baseline: Baseline | None,
    rule: Rule,
    elsewhere: Sequence[str] = (),
) -> Verdict:
    """Decide about one measurement.

    Args:
        subject: what was measured.
        measurement: the figures.
        baseline: the stored entry of this machine class, if any.
        rule: what is allowed.
        elsewhere: other machine classes that have a baseline of the same test.

    Returns:
        The verdict. In this order: is there a figure at all, is it long enough, was the machine
        quiet, is it within its budget, is there something comparable, and what does the
        comparison say.
    """
    budget = rule.budget_joules
    unresolved = _why_unresolved(subject, measurement)
    if unresolved:
        return Verdict(Status.UNRESOLVED, *unresolved, budget_joules=budget)

    compared = Verdict(Status.NEW, budget_joules=budget, storable=True)
    if baseline is not None:
        reason = _why_incomparable(subject, measurement, baseline)
        if reason:
            compared = Verdict(
                Status.INCOMPARABLE, reason, _ACCEPT, budget_joules=budget, storable=True
            )
        else:
            compared = _compare(measurement, baseline, rule)
    elif elsewhere:
        compared = Verdict(
            Status.INCOMPARABLE,
            f"the baseline is of another machine class: {', '.join(elsewhere)}",
            "store one for this machine with --energy-update",
            budget_joules=budget,
            storable=True,
        )

    disturbed = _why_disturbed(measurement)
    if disturbed:
        return _with(compared, Status.INCONCLUSIVE, *disturbed, storable=False)
    if budget is not None and measurement.joules_per_unit > budget:
        return _with(
            compared, Status.OVER_BUDGET, f"the budget is {rule.budget_text}", "", storable=False
        )
    return compared


_ACCEPT = "start the baseline anew with --energy-update"


def agrees(measurement: Measurement, subject: Subject, baseline: Baseline, rule: Rule) -> bool:
    """Whether a measurement belongs to the stored sessions: comparable, and within the limit."""
    if _why_incomparable(subject, measurement, baseline):
        return False
    log_change, limit = _log_change(measurement, baseline), _limit(baseline, rule)
    return abs(log_change) <= math.log1p(limit) + ROUNDING


def _with(figures: Verdict, status: Status, reason: str, remedy: str, storable: bool) -> Verdict:
    return replace(figures, status=status, reason=reason, remedy=remedy, storable=storable)


def _why_unresolved(subject: Subject, measurement: Measurement) -> tuple[str, str] | None:
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


def _why_incomparable(subject: Subject, measurement: Measurement, baseline: Baseline) -> str | None:
    stored = baseline.subject
    for what, was, now in (
        ("unit", stored.unit, subject.unit),
        ("n", f"{stored.n:,}", f"{subject.n:,}"),
        ("dataset", stored.dataset or "none", subject.dataset or "none"),
        (
            "meters",
            ", ".join(sorted(baseline.meters)),
            ", ".join(sorted(measurement.meters)),
        ),
    ):
        if was != now:
            return f"the baseline's {what} was {was}, now {now}"
    before = {domain.name: domain for domain in baseline.domains}
    after = {domain.name: domain for domain in measurement.domains}
    if before.keys() != after.keys():
        return f"the baseline counted {_names(before)}, now {_names(after)}"
    for name, now_domain in after.items():
        was_domain = before[name]
        if was_domain.method != now_domain.method:
            return f"the baseline's {name} was {was_domain.method}, now {now_domain.method}"
        if (was_domain.source, was_domain.basis) != (now_domain.source, now_domain.basis):
            return (
                f"the baseline's {name} rests on {_basis(was_domain)}, now on {_basis(now_domain)}"
            )
    return None


def _names(domains: dict[str, Domain]) -> str:
    return ", ".join(sorted(domains)) or "nothing"


def _basis(domain: Domain) -> str:
    return f"{domain.source}, {domain.basis}" if domain.basis else domain.source


def _compare(measurement: Measurement, baseline: Baseline, rule: Rule) -> Verdict:
    limit = _limit(baseline, rule)
    log_change = _log_change(measurement, baseline)
    error = _log_error(measurement, baseline.sessions)
    low = high = None
    if error is not None:
        low, high = log_change - Z_95 * error, log_change + Z_95 * error
    bound = math.log1p(limit) + ROUNDING

    status, reason, remedy = Status.OK, "", ""
    if log_change > bound:
        status = Status.REGRESSED
    elif log_change < -bound:
        status = Status.IMPROVED
    beyond = status is not Status.OK
    if (
        error is not None
        and Z_95 * error > bound
        and (not beyond or abs(log_change) < Z_95 * error)
    ):
        status = Status.INCONCLUSIVE
        reason = (
            f"the blocks leave ±{format_percent(math.expm1(Z_95 * error))} of doubt,"
            f" more than the allowed {format_percent(limit)}"
        )
        remedy = "perform more inferences, or measure on a quieter machine"
    elif (
        beyond
        and measurement.seconds < SHORTEST_ESTIMATE_SECONDS
        and _estimated(measurement.domains)
    ):
        status = Status.INCONCLUSIVE
        reason = f"a window of {format_seconds(measurement.seconds)} is too short for an estimate"
        wanted = measurement.done * SHORTEST_ESTIMATE_SECONDS / max(measurement.seconds, 1e-9)
        remedy = f"perform more inferences: n={math.ceil(wanted):,} would do"
    elif not beyond and log_change > math.log1p(rule.tolerance) + ROUNDING:
        # Over the tolerance, yet no further than the stored sessions lie from each other.
        status = Status.INCONCLUSIVE
        few = len(baseline.sessions) < ENOUGH_SESSIONS and _estimated(baseline.domains)
        noise = "sessions of an estimate" if few else "the stored sessions"
        reason = (
            f"{noise} differ so far that {format_percent(limit)} would pass,"
            f" more than the tolerance of {format_percent(rule.tolerance)}"
        )
        remedy = f"store {ENOUGH_SESSIONS} sessions or more, or measure on a quieter machine"
    return Verdict(
        status=status,
        reason=reason,
        remedy=remedy,
        change=math.expm1(log_change),
        low=None if low is None else math.expm1(low),
        high=None if high is None else math.expm1(high),
        limit=limit,
        tolerance=rule.tolerance,
        baseline_joules=median(_stored(baseline)),
        baseline_low=min(_stored(baseline)),
        baseline_high=max(_stored(baseline)),
        sessions=len(baseline.sessions),
        domain_changes=_domain_changes(measurement, baseline.sessions),
        budget_joules=rule.budget_joules,
        storable=True,
    )


def _estimated(domains: Sequence[Domain]) -> bool:
    return any(domains[i].method is Method.ESTIMATED for i in gated_domains(domains))


def _stored(baseline: Baseline) -> list[float]:
    return [session.joules_per_unit for session in baseline.sessions]


def _limit(baseline: Baseline, rule: Rule) -> float:
    """The allowed change: the tolerance, or the spread between stored sessions where it is more."""
    stored = _stored(baseline)
    middle = median(stored)
    spread = MAD_TO_SD * median(abs(value - middle) for value in stored) / middle
    if len(stored) < ENOUGH_SESSIONS and _estimated(baseline.domains):
        spread = max(spread, PRIOR_SPREAD)
    return max(rule.tolerance, SPREAD_FACTOR * spread)


def _log_change(measurement: Measurement, baseline: Baseline) -> float:
    now = _comparable_joules(measurement, baseline)
    return math.log(now / median(_stored(baseline)))


def _comparable_joules(measurement: Measurement, baseline: Baseline) -> float:
    """The measurement's joules per unit, carried to the workload that is stored.

    After an early stop only the first blocks were performed, and the first samples may be longer
    or shorter than all of them. How n samples are cut into blocks depends on n alone: so the
    blocks that both have are set against each other, and the stored figure is scaled by that.
    """
    n = baseline.subject.n
    now = measurement.block_joules_per_unit
    carried = []
    for session in baseline.sessions:
        both = min(len(now), len(session.blocks))
        stopped = min(measurement.done, session.done) < n and both > 1
        if (
            stopped
            and len(now) != len(session.blocks)
            and _positive(now[:both], session.blocks[:both])
        ):
            shared = sum(now[:both]) / sum(session.blocks[:both])
            carried.append(shared * session.joules_per_unit)
        else:
            carried.append(measurement.joules_per_unit)
    return median(carried)


def _positive(*figures: Sequence[float]) -> bool:
    return all(sum(some) > 0 for some in figures)


def _log_error(measurement: Measurement, sessions: Sequence[Session]) -> float | None:
    """Standard error of the log of the measurement, from its blocks.

    The same samples stand in the same block in every session, so each block is first set against
    its stored counterpart: what remains is noise, not that some samples are longer than others.
    """
    now = measurement.block_joules_per_unit
    if len(now) < MIN_BLOCKS or min(now) <= 0:
        return None
    counterparts = [s.blocks for s in sessions if len(s.blocks) >= len(now) and min(s.blocks) > 0]
    if counterparts:
        base = [median(blocks[i] for blocks in counterparts) for i in range(len(now))]
    else:
        base = [1.0] * len(now)
    return _mean_error([math.log(a / b) for a, b in zip(now, base, strict=True)])


def _mean_error(logs: Sequence[float]) -> float:
    """The change is that of the whole, a mean: one block far off widens the interval as well."""
    return stdev(logs) / math.sqrt(len(logs))


def _domain_changes(
    measurement: Measurement, sessions: Sequence[Session]
) -> tuple[tuple[str, float], ...]:
    changes = []
    for domain, joules in zip(measurement.domains, measurement.domain_joules, strict=True):
        stored = [s.domains[domain.name] for s in sessions if s.domains.get(domain.name)]
        if stored:
            changes.append((domain.name, joules / measurement.units / median(stored) - 1))
    return tuple(changes)


def precise_enough(measurement: Measurement, precision: float) -> bool:
    """Whether the blocks so far settle their mean to within ± `precision` (95 %)."""
    blocks = measurement.block_joules_per_unit
    if len(blocks) < 2 * MIN_BLOCKS or min(blocks) <= 0:
        return False
    error = _mean_error([math.log(value) for value in blocks])
    return Z_95 * error <= math.log1p(precision)


def ratio(numerator: Sequence[Measurement], denominator: Sequence[Measurement]) -> Ratio:
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
    log_ratio, variance, known = 0.0, 0.0, True
    for sign, group in ((1, numerator), (-1, denominator)):
        for measurement in group:
            if measurement.joules_per_unit <= 0:
                raise ValueError("a ratio needs energies above 0")
            log_ratio += sign * math.log(measurement.joules_per_unit) / len(group)
            error = _log_error(measurement, ())
            known = known and error is not None
            variance += ((error or 0.0) / len(group)) ** 2
    value = math.exp(log_ratio)
    if not known:
        return Ratio(value, None, None)
    width = Z_95 * math.sqrt(variance)
    return Ratio(value, value * math.exp(-width), value * math.exp(width))
