"""What is allowed, and what a comparison says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """The nine verdicts. The first five rest on a measurement."""

    OK = "ok"
    IMPROVED = "improved"
    REGRESSED = "regressed"
    OVER_BUDGET = "over_budget"
    NEW = "new"
    INCONCLUSIVE = "inconclusive"
    INCOMPARABLE = "incomparable"
    UNRESOLVED = "unresolved"
    UNMEASURED = "unmeasured"


COMPARED = frozenset({Status.OK, Status.IMPROVED, Status.REGRESSED})
"""Verdicts that set a measurement against a baseline."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a test allows.

    Args:
        tolerance: allowed rise over the baseline, as a fraction.
        budget_joules: ceiling per unit, in joules; None for no ceiling.
        budget_text: the ceiling as the user wrote it.
        max_flops: ceiling of floating-point operations per inference; None for none.
        comparisons: verdicts of the whole session, over which false alarms are held.
        quality: name of the recorded quantity that must not fall; empty for none.
        quality_tolerance: how far it may, as a fraction of the stored figure.
    """

    tolerance: float
    budget_joules: float | None = None
    budget_text: str = ""
    max_flops: int | None = None
    comparisons: int = 1
    quality: str = ""
    quality_tolerance: float = 0.0


@dataclass(frozen=True, slots=True)
class Quality:
    """How good the answers are that the energy bought, beside what they were.

    Args:
        name: of the recorded quantity, `accuracy` say; greater is better.
        now: as recorded by this run.
        stored: as recorded by the baseline's sessions; None where they have none.
        tolerance: how far it may fall, as a fraction of the stored figure.
        decisive: whether its fall is why the test fails, and not the energy.
    """

    name: str
    now: float
    stored: float | None
    tolerance: float
    decisive: bool = False

    @property
    def change(self) -> float | None:
        """Now over stored, less one, by the stored figure's magnitude; None without one."""
        if self.stored is None:
            return None
        gap = self.now - self.stored
        if not self.stored:
            return math.copysign(math.inf, gap) if gap else 0.0
        return gap / abs(self.stored)


@dataclass(frozen=True, slots=True)
class PairedBase:
    """What a figure was set against, where that was another revision in the same run.

    Args:
        base: the revision, for people: `1a2b3c4 (origin/main)`.
        pairs: turns that both took, one after the other.
        body_differs: whether the base's test is written otherwise; None where nobody looked.
        accepted: a rise that was accepted before, as a fraction, and is allowed; None without.
        error: what the base said when it failed, whole.
    """

    base: str
    pairs: int = 0
    body_differs: bool | None = None
    accepted: float | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the comparison says. Fractions: 0.148 is +14.8 %.

    Args:
        status: one of the nine.
        reason: why, in words; empty where the figures say it.
        hint: what to do about it, in words.
        change: measured over baseline, less one; with a yardstick, in units of it.
        low, high: its 95 % interval, for what the next session of the same code would say.
        limit: the change that was allowed: the tolerance, or more where sessions differ by more.
        tolerance: what the test asked for.
        detectable: the smallest rise that this test would have found, in four of five sessions.
        passes: the change that each pass over the samples saw; empty for a single one.
        repeat_difference: how far the second pass lay from the first, as a fraction; None for a single one.
        outliers: blocks, from 1, that differ from the stored ones as no other block does.
        reference_change: change of the yardstick since the stored sessions, counted out of `change`; None
            without a yardstick.
        baseline_joules: the median of the stored sessions, joules per unit.
        baseline_low, baseline_high: their smallest and largest.
        sessions: how many were stored.
        domain_changes: the change of each domain, by name.
        budget_joules: the ceiling per unit, if one was set.
        max_flops: the ceiling of operations per inference, if one was set.
        flops: change of the floating-point operations per inference; None where not counted twice.
        interpretation: what work and energy together say about the change, in words.
        can_be_stored: whether the figure may become a baseline.
        pairing: the base, where it is another revision that took turns; None for stored sessions.
        quality: of the answers, where the test says that it must not fall.
    """

    status: Status
    reason: str = ""
    hint: str = ""
    change: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    tolerance: float | None = None
    detectable: float | None = None
    passes: tuple[float, ...] = ()
    repeat_difference: float | None = None
    outliers: tuple[int, ...] = ()
    reference_change: float | None = None
    baseline_joules: float | None = None
    baseline_low: float | None = None
    baseline_high: float | None = None
    sessions: int = 0
    domain_changes: tuple[tuple[str, float], ...] = ()
    budget_joules: float | None = None
    max_flops: int | None = None
    flops: float | None = None
    interpretation: str = ""
    can_be_stored: bool = False
    pairing: PairedBase | None = None
    quality: Quality | None = None
