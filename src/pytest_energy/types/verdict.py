"""What is allowed, and what a comparison says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pytest_energy.types.counts import CountsChange
from pytest_energy.types.obstacle import Obstacle


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

    @property
    def words(self) -> str:
        """As people read it: `over budget`."""
        return self.value.replace("_", " ")


COMPARED = frozenset({Status.OK, Status.IMPROVED, Status.REGRESSED})
"""Verdicts that set a measurement against a baseline."""

FAILED = frozenset({Status.REGRESSED, Status.OVER_BUDGET})
"""Verdicts that fail a test whatever the options."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a test allows.

    Args:
        tolerance: allowed rise over the baseline, as a fraction.
        budget_joules: ceiling per unit, in joules; None for no ceiling.
        budget_text: the ceiling as the user wrote it.
        max_flops: ceiling of floating-point operations per inference; None for none.
        comparisons: number of verdicts of the whole session; the chance of a false alarm is held
            over all of them.
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
    """How good the answers are, and how good they were.

    Args:
        name: of the recorded quantity, `accuracy` say; greater is better.
        now: as recorded by this run.
        stored: what it is compared with, as recorded by the baseline's sessions, by the base, or by
            another run; None where they have none.
        tolerance: how far it may fall, as a fraction of that.
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
    """The other revision of a paired run, where a figure was set against that.

    Args:
        label: the revision, as people read it: `1a2b3c4 (origin/main)`.
        pairs: pairs of blocks, one of each side, that the comparison rests on.
        body_differs: whether the base's test body is written otherwise; None where a source is
            missing.
        accepted: a rise that was accepted before, as a fraction, and is allowed on top; None
            without one.
        accepted_because: when that was, and why.
        error: the whole output of a base that failed; empty where it did not.
    """

    label: str
    pairs: int = 0
    body_differs: bool | None = None
    accepted: float | None = None
    accepted_because: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """The figures of a comparison. Fractions: 0.148 is +14.8 %.

    Args:
        value: measured over compared, less one; with a reference workload, in units of it.
        low: lower end of its 95 % interval, for what the next session of the same code would say.
        high: upper end of it.
        limit: the change that was allowed: the tolerance, or more where sessions differ by more.
        detectable: the minimum detectable change: the smallest rise that this test would have
            found in four of five sessions.
        joules: what it was compared with, joules per unit: the median of the stored sessions, or
            the base's figure.
        joules_low: the smallest of the stored sessions, joules per unit.
        joules_high: the largest of them.
        sessions: number of stored sessions; 1 for a base.
        passes: the change that each pass over the samples saw; empty for a single pass.
        outliers: blocks, counted from 1, that differ from their counterparts as no other block
            does.
        reference_change: change of the reference workload since the stored sessions, which is
            taken out of `value`; None without one.
        domains: the change of each domain, by name.
        flops: change of the floating-point operations per inference; None where they were not
            counted on both sides.
        page_faults: per inference, of what it was compared with; None where they were not counted.
        environment: what has another version now, or another number of threads, in words.
        unverified: why what it was compared with is not known to stand as it was measured, as a
            clause: `edited by hand`; empty where it is.
    """

    value: float
    low: float
    high: float
    limit: float
    detectable: float
    joules: float
    joules_low: float
    joules_high: float
    sessions: int
    passes: tuple[float, ...] = ()
    outliers: tuple[int, ...] = ()
    reference_change: float | None = None
    domains: Mapping[str, float] = field(default_factory=dict)
    flops: float | None = None
    page_faults: float | None = None
    environment: tuple[str, ...] = ()
    unverified: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision about one measurement, and the words that go with it.

    Args:
        status: one of the nine.
        reason: why, in words; empty where the figures say it.
        hint: what to do about it, in words; empty where nothing would help.
        change: the comparison's figures; None where nothing was compared.
        repeat_difference: how far the last pass lay from the first, as a fraction; None for a
            single pass.
        interpretation: what energy and floating-point operations say together, in words.
        can_be_stored: whether `--energy-update` may store the figure, or accept the rise.
        paired: the base, in a paired run; None where stored sessions are compared with.
        quality: of the answers, where the test names a quality that must not fall.
        obstacle: what in the run kept the figure from being compared with what there is; None where
            nothing did.
        counts: what has changed of exact counts; None where there were none, or none to compare
            with.
        measured_status: the verdict on the joules alone, where counts have decided otherwise; None
            where they have not.
    """

    status: Status
    reason: str = ""
    hint: str = ""
    change: Change | None = None
    repeat_difference: float | None = None
    interpretation: str = ""
    can_be_stored: bool = False
    paired: PairedBase | None = None
    quality: Quality | None = None
    obstacle: Obstacle | None = None
    counts: CountsChange | None = None
    measured_status: Status | None = None
