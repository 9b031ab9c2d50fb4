"""Everything that the rules ask of one comparison, computed when it is first asked for. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from statistics import median

from pytest_energy.types.baseline import Baseline
from pytest_energy.types.measurement import FlopCount, Measurement, mean_of_passes
from pytest_energy.types.obstacle import Obstacle
from pytest_energy.types.result import Subject
from pytest_energy.types.verdict import Change, PairedBase, Quality, Rule
from pytest_energy.verdict.baseline_comparison import BaselineComparison, log_repeat_difference
from pytest_energy.verdict.comparability import Conditions, why_incomparable
from pytest_energy.verdict.paired_comparison import PairedComparison
from pytest_energy.verdict.quality import quality_of


@dataclass(frozen=True, slots=True)
class Base:
    """The other revision's figure in a paired run.

    Args:
        subject: as the base measured it.
        measurement: its figures.
        paired: what is known of the base; the number of pairs is filled in by the comparison.
    """

    subject: Subject
    measurement: Measurement
    paired: PairedBase


@dataclass(frozen=True)
class Case:
    """A measurement, what it is compared with, and what is allowed.

    Args:
        subject: what was measured.
        passes: one measurement per process, at least one.
        rule: what is allowed.
        against: the stored baseline of this machine class, or the base of a paired run; None where
            there is neither.
        other_machines: other machine classes that have a baseline of the same test.
        remeasured: whether a suspected change would have been measured again, in a second process.
        processes: blocks of each pair of processes, where a paired run had several, one after the
            other; empty for one.
        now: when the passes ran, in UTC; None for the occasion of the stored sessions.
        unconfirmed: why the second process, or pair of them, that was asked gave no figure; empty
            where it did, or none was asked.
        name: of stored sessions, in clauses.
    """

    subject: Subject
    passes: Sequence[Measurement]
    rule: Rule
    against: Baseline | Base | None = None
    other_machines: Sequence[str] = ()
    remeasured: bool = False
    processes: Sequence[int] = ()
    unconfirmed: str = ""
    now: datetime | None = None
    name: str = "baseline"

    @property
    def paired(self) -> bool:
        """Whether head and base of a paired run are compared."""
        return isinstance(self.against, Base)

    @cached_property
    def measurement(self) -> Measurement:
        """The mean of all passes."""
        return mean_of_passes(self.passes)

    @cached_property
    def interference(self) -> tuple[str, ...]:
        """Interference with either side, each a clause; other processes' CPU time not included."""
        base = self.against.measurement.interference if isinstance(self.against, Base) else ()
        return tuple(dict.fromkeys((*self.measurement.interference, *base)))

    @cached_property
    def obstacle(self) -> Obstacle | None:
        """What of the interference lies in the run itself, on either side; None for nothing."""
        base = self.against.measurement.obstacles if isinstance(self.against, Base) else ()
        return next(iter((*self.measurement.obstacles, *base)), None)

    @cached_property
    def other_meters(self) -> bool:
        """Whether what there is to compare with was metered with other meters."""
        if isinstance(self.against, Base):
            before = self.against.measurement.meters, self.against.measurement.domains
        elif self.against is not None:
            before = self.against.meters, self.against.domains
        else:
            return False
        now = self.measurement.meters, self.measurement.domains
        return any(
            set(old) != set(new)
            for old, new in (
                (before[0], now[0]),
                ([each.name for each in before[1]], [each.name for each in now[1]]),
            )
        )

    @cached_property
    def log_repeat_difference(self) -> float | None:
        """Log of the last pass over the first; None for a single pass."""
        return log_repeat_difference(self.passes) if len(self.passes) > 1 else None

    @cached_property
    def incomparable(self) -> str:
        """Why the figures cannot be compared; empty where they can, or there is nothing."""
        now = Conditions.of_measurement(self.subject, self.measurement)
        if isinstance(self.against, Base):
            base = Conditions.of_measurement(self.against.subject, self.against.measurement)
            return why_incomparable(base, now, "base")
        if self.against is not None:
            return why_incomparable(Conditions.of_baseline(self.against), now, self.name)
        return ""

    @cached_property
    def comparison(self) -> BaselineComparison | PairedComparison | None:
        """How far the figures lie apart; None where nothing can be compared."""
        if self.against is None or self.incomparable:
            return None
        if isinstance(self.against, Base):
            return PairedComparison(
                self.measurement,
                self.against.measurement,
                self.rule.tolerance,
                self.rule.comparisons,
                self.against.paired.accepted or 0.0,
                self.processes,
            )
        return BaselineComparison(
            self.passes,
            self.against,
            self.rule.tolerance,
            comparisons=self.rule.comparisons,
            remeasured=self.remeasured,
            now=self.now,
        )

    @cached_property
    def plain_comparison(self) -> BaselineComparison | None:
        """The same in plain joules, where nothing but the reference workload differs.

        It follows the threads and libraries that the test itself sets, and what those cost must not
        pass for that reason.
        """
        if not isinstance(self.against, Baseline) or not self.incomparable:
            return None
        sessions = tuple(replace(each, reference_joules=()) for each in self.against.sessions)
        baseline = replace(self.against, reference_workload="", sessions=sessions)
        passes = [replace(one, reference=None) for one in self.passes]
        now = Conditions.of_measurement(self.subject, passes[-1])
        if why_incomparable(Conditions.of_baseline(baseline), now):
            return None
        return BaselineComparison(
            passes,
            baseline,
            self.rule.tolerance,
            comparisons=self.rule.comparisons,
            remeasured=self.remeasured,
            now=self.now,
        )

    @cached_property
    def flops_change(self) -> float | None:
        """Change of the floating-point operations, as a fraction; None where not counted twice.

        Of the samples that were counted both times: which they are depends on n alone.
        """
        now = _flops_samples(self.measurement.flops)
        before: tuple[int, ...] = ()
        if isinstance(self.against, Base):
            before = _flops_samples(self.against.measurement.flops)
        elif self.against is not None:
            before = self.against.flops_samples
        both = list(zip(now, before, strict=False))
        total = sum(count for _, count in both)
        return sum(count for count, _ in both) / total - 1 if total else None

    @cached_property
    def quality(self) -> Quality | None:
        """The quality that the rule names, now and before; None where it was not recorded."""
        if isinstance(self.against, Base):
            recorded = self.against.measurement.recorded or {}
            before = [recorded[self.rule.quality]] if self.rule.quality in recorded else []
        else:
            sessions = self.against.sessions if self.against else ()
            before = [
                session.recorded[self.rule.quality]
                for session in sessions
                if self.rule.quality in session.recorded
            ]
        return quality_of(self.measurement, before, self.rule)

    def _environment_changes(self) -> tuple[str, ...]:
        """What has another version than in the last stored session, or on the base, in words."""
        before: Mapping[str, str] = {}
        if isinstance(self.against, Base):
            before = self.against.measurement.environment
        elif self.against is not None:
            before = self.against.sessions[-1].environment
        now = self.measurement.environment
        if not before:
            return ()
        return tuple(
            f"{name} {before.get(name, 'was not loaded')}, now {now.get(name, 'not loaded')}"
            for name in sorted({*before, *now})
            if before.get(name) != now.get(name)
        )

    def _page_faults_before(self) -> float | None:
        """Page faults per inference of what is compared with; None where they were not counted."""
        if isinstance(self.against, Base):
            return self.against.measurement.page_faults_per_inference
        sessions = self.against.sessions if self.against is not None else ()
        known = [each.page_faults for each in sessions if each.page_faults is not None]
        return median(known) if known else None

    def paired_base(self) -> PairedBase | None:
        """What is known of the base, the number of pairs included; None in a stored comparison."""
        if not isinstance(self.against, Base):
            return None
        comparison = self.comparison
        pairs = comparison.pairs if isinstance(comparison, PairedComparison) else 0
        return replace(self.against.paired, pairs=pairs)

    @property
    def unverified(self) -> str:
        """Why the baseline is not known to stand as it was measured; empty where it is."""
        return self.against.unverified if isinstance(self.against, Baseline) else ""

    def change(self) -> Change | None:
        """The comparison's figures as fractions; None where nothing was compared."""
        comparison = self.comparison or self.plain_comparison
        if comparison is None:
            return None
        change, half_width = comparison.change, comparison.half_width
        joules = comparison.compared_joules
        passes = comparison.passes
        return Change(
            value=math.expm1(change),
            low=math.expm1(change - half_width),
            high=math.expm1(change + half_width),
            limit=math.expm1(comparison.limit),
            detectable=math.expm1(comparison.detectable),
            joules=median(joules),
            joules_low=min(joules),
            joules_high=max(joules),
            sessions=len(joules),
            passes=tuple(math.expm1(one.change) for one in passes) if len(passes) > 1 else (),
            outliers=comparison.outliers,
            reference_change=None
            if comparison.reference_change is None
            else math.expm1(comparison.reference_change),
            domains=comparison.domain_changes(self.measurement),
            flops=self.flops_change,
            page_faults=self._page_faults_before(),
            environment=self._environment_changes(),
            unverified=self.unverified,
        )


def _flops_samples(flops: FlopCount | None) -> tuple[int, ...]:
    """Operations of each sample that was counted; of the first where no more is known."""
    return () if flops is None else flops.samples or (flops.count,)
