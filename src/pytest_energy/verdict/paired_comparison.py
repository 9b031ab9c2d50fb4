"""Head over base, block by block in one run: the ratio, and how far noise may carry it. Pure.

Block i of both sides is the same samples, moments apart, on the same machine: what drifts hits both
and leaves the ratio. So each pair of blocks gives one log ratio, and their scatter says how sharp
the typical one is. What stays is what two processes of the same code differ by as long as they
live, by where their memory happens to lie, say: `PROCESS_SPREAD`.

The typical pair is sharp and blind to a rise that only some samples have; all of them together see
it, and whatever hit the machine in a few blocks as well. Both are computed, each with its own
error.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from statistics import fmean, stdev

from pytest_energy.types.energy import is_estimated
from pytest_energy.types.measurement import Measurement
from pytest_energy.verdict.baseline_comparison import (
    AGREEING,
    MIN_BLOCKS,
    OUTLIER,
    PERSISTING,
    POWER,
    PRIOR_SPREAD,
    PRIOR_WEIGHT,
    ROUNDING,
    SINGLE_LEVEL,
    PassChange,
    block_figures,
)
from pytest_energy.verdict.estimators import location, location_error, spread, student_quantile

PROCESS_SPREAD = 0.02
"""Standard deviation of the log ratio of two processes of the same code, however many blocks they
run, held on one CPU with a steady allocator: 1 % for transformers, 1.4 to 2.7 % for a convolutional
net, 2.3 to 3.4 % for a Python loop (`benchmarks/processes.py`)."""

PROCESS_WEIGHT = 8
"""Degrees of freedom that `PROCESS_SPREAD` counts for, beside the pairs of processes seen."""

BURST_SD = {False: 0.012, True: 0.05}
"""Standard deviation that an estimate from CPU seconds adds, times the square root of a side's
seconds, by whether the machine is busy: the CPU that a process runs on, and what else runs there,
changes every second or so,
and the blocks of half a second all share that error."""

BATCHES = 20
"""Blocks that follow each other are put together to so many batches, for the error of the total
(batch means): the machine's bursts last for several blocks, which would seem independent."""

MAD_EFFICIENCY = 0.37
"""Degrees of freedom of a spread from the median absolute deviation, for each of a standard
deviation's (its asymptotic efficiency for a normal; Rousseeuw and Croux 1993)."""

SHARED_ERROR_FREEDOM = 30
"""Degrees of freedom of `PROCESS_SPREAD` and `BURST_SD`: they rest on about so many pairs."""


@dataclass(frozen=True, slots=True)
class _Error:
    """A standard error, and how well it is known itself.

    Args:
        standard: of a log ratio.
        freedom: degrees of freedom.
    """

    standard: float
    freedom: float

    @classmethod
    def of(cls, scatter: float, freedom: float, shared_error: float) -> _Error:
        """From the scatter of pairs, and what all of them share (Satterthwaite 1946)."""
        standard = math.hypot(shared_error, scatter)
        if not standard:
            return cls(0.0, SHARED_ERROR_FREEDOM)
        by_scatter = scatter**4 / max(1.0, freedom)
        return cls(standard, standard**4 / (by_scatter + shared_error**4 / SHARED_ERROR_FREEDOM))

    def times(self, probability: float) -> float:
        """The distance that is not exceeded with a probability."""
        return student_quantile(probability, max(1, int(self.freedom))) * self.standard


class PairedComparison:
    """One test of two revisions in an interleaved run. All figures are logs of head over base.

    Args:
        head, base: their measurements.
        tolerance: allowed rise, as a fraction.
        comparisons: number of verdicts of the whole session: the more, the wider each limit.
        accepted: a rise that is allowed on top, as a fraction.
        processes: blocks of each pair of processes, where there were several, one after the other;
            empty for one.
    """

    paired = True

    reference_change: float | None = None
    """None: head and base ran on the same machine at the same time."""

    repeated_outliers: tuple[int, ...] = ()
    """None are known: there is one pass."""

    def __init__(
        self,
        head: Measurement,
        base: Measurement,
        tolerance: float,
        comparisons: int = 1,
        accepted: float = 0.0,
        processes: Sequence[int] = (),
    ) -> None:
        self._head = head
        self._base = base
        self._tolerance = tolerance
        self._accepted = math.log1p(accepted)
        self._loaded = bool(head.busy or head.interference or base.interference)
        self._level = 1 - SINGLE_LEVEL / max(1, comparisons)
        self._processes = tuple(processes) or (len(head.blocks),)

    @cached_property
    def ratios(self) -> tuple[float, ...]:
        """One per pair of blocks; empty where the two were cut differently, or took no energy."""
        sizes = [[block.n for block in measured.blocks] for measured in (self._head, self._base)]
        now, before = block_figures(self._head), block_figures(self._base)
        if sizes[0] != sizes[1] or min(*now, *before) <= 0:
            return ()
        return tuple(math.log(a / b) for a, b in zip(now, before, strict=True))

    @property
    def pairs(self) -> int:
        """Pairs of blocks, one of each side, one after the other."""
        return len(self.ratios)

    @property
    def few(self) -> bool:
        """Whether there are too few pairs to tell their own noise."""
        return self.pairs < MIN_BLOCKS

    @cached_property
    def mean(self) -> PassChange:
        """The typical pair, all of them together, and the standard error of the typical one."""
        total = math.log(self._head.joules_per_unit / self._base.joules_per_unit)
        if not self.ratios:
            return PassChange(total, total, 0.0, ())
        change = location(self.ratios)
        if self.few:
            return PassChange(change, total, 0.0, ())
        far = max(OUTLIER * spread(self.ratios), math.log1p(self._tolerance))
        outliers = (i for i, ratio in enumerate(self.ratios, 1) if abs(ratio - change) > far)
        return PassChange(change, total, location_error(self.ratios), tuple(outliers))

    @cached_property
    def passes(self) -> tuple[PassChange, ...]:
        """Each pair of processes by itself; a single one where the blocks of both do not match."""
        if len(self._processes) < 2 or not self.ratios:
            return (self.mean,)
        bounds = [0, *accumulate(self._processes)]
        parts = [self.ratios[begin:end] for begin, end in pairwise(bounds)]
        return tuple(
            PassChange(location(part), location(part), location_error(part), ()) for part in parts
        )

    @cached_property
    def _process_error(self) -> float:
        """Standard error of the mean over the processes seen, beyond their blocks' own noise.

        The prior, and the spread of the pairs of processes where there were several, each weighted
        with its degrees of freedom (Kalibera and Jones 2013 have the levels).
        """
        levels = [one.change for one in self.passes]
        count = len(levels)
        middle = fmean(levels)
        by_blocks = fmean(one.error**2 for one in self.passes) * (count - 1)
        squares = max(0.0, sum((level - middle) ** 2 for level in levels) - by_blocks)
        prior = PROCESS_SPREAD**2
        variance = (PROCESS_WEIGHT * prior + squares) / (PROCESS_WEIGHT + count - 1)
        return math.sqrt(variance / count)

    @property
    def change(self) -> float:
        """Log ratio of the typical pair, or of all together where `partial_change`."""
        return self.mean.total if self.partial_change else self.mean.change

    @property
    def error(self) -> float:
        """Standard error of `change`."""
        return self._shown.standard

    @cached_property
    def _typical(self) -> _Error:
        """Error of the typical pair; for a few pairs, what single runs are known to differ by."""
        if self.few:
            domains = self._head.domains
            single = max(PRIOR_SPREAD[domains[i].method] for i in self._head.gated)
            return _Error(
                single * math.sqrt(2 * (1 - PERSISTING) / max(1, self.pairs)), PRIOR_WEIGHT
            )
        if self.pairs < BATCHES:  # a median absolute deviation of so few is hardly known
            scatter = stdev(self.ratios) / math.sqrt(self.pairs)
            return _Error.of(scatter, self.pairs - 1, self._shared_error)
        return _Error.of(self.mean.error, MAD_EFFICIENCY * (self.pairs - 1), self._shared_error)

    @property
    def _shared_error(self) -> float:
        """The error that all blocks share: of the processes, and of the moment."""
        return math.hypot(self._process_error, self._moment_error)

    @property
    def _moment_error(self) -> float:
        """What all blocks of a moment have in common; nothing where energy is counted."""
        if not is_estimated(self._head.domains):
            return 0.0
        return BURST_SD[self._loaded] / math.sqrt(max(1e-3, self._head.seconds))

    @cached_property
    def _whole(self) -> _Error:
        """Error of all pairs together over the typical one: what hits a few blocks widens it.

        Without the processes': what they differ by, all pairs have, the typical one too.
        """
        bounds = [i * self.pairs // BATCHES for i in range(BATCHES + 1)]
        now, before = (_sums(measured, bounds) for measured in (self._head, self._base))
        scatter = stdev(math.log(a / b) for a, b in zip(now, before, strict=True))
        return _Error.of(scatter / math.sqrt(BATCHES), BATCHES - 1, self._moment_error)

    @property
    def _shown(self) -> _Error:
        return self._whole if self.partial_change else self._typical

    @property
    def allowed(self) -> float:
        """Log of the change, up or down, that counts as none: the tolerance, or noise alone."""
        if self.partial_change:
            return math.log1p(self._tolerance) + self._whole.times(self._level)
        return self._at_least(self._typical)

    @property
    def limit(self) -> float:
        """The rise that is allowed, what was accepted before included."""
        return self._accepted + self.allowed

    @property
    def half_width(self) -> float:
        """Half of the 95 % interval around `change`, as a log."""
        return self._shown.times(0.975)

    def _at_least(self, error: _Error) -> float:
        return max(math.log1p(self._tolerance), error.times(self._level)) + ROUNDING

    @property
    def detectable(self) -> float:
        """The smallest rise that is found with a chance of `POWER`."""
        return self.limit + self._shown.times(POWER)

    @property
    def outliers(self) -> tuple[int, ...]:
        """Pairs, from 1, that stood out."""
        return self.mean.outliers

    @cached_property
    def _typical_exceeds(self) -> bool:
        allowed, change = self._at_least(self._typical), self.mean.change
        agreeing = AGREEING * math.log1p(self._tolerance)
        each = [one.change for one in self.passes]
        rise = change > self._accepted + allowed and min(each) > self._accepted + agreeing
        return rise or (change < -allowed and max(each) < -agreeing)

    @cached_property
    def partial_change(self) -> bool:
        """Whether all pairs together have risen, though the typical one has not.

        Bursts look the same, so the rise has to be over the tolerance beyond all noise.
        """
        if self.pairs < BATCHES or self._typical_exceeds:
            return False
        sure = self.mean.total - self._whole.times(self._level)
        return sure > self._accepted + math.log1p(self._tolerance)

    @property
    def exceeds_limit(self) -> bool:
        """Whether the change is more than is allowed, up or down."""
        return self._typical_exceeds or self.partial_change

    @property
    def divided(self) -> bool:
        """Whether half of the pairs of processes or more are over the tolerance, and not all."""
        changes = [math.expm1(one.change) for one in self.passes]
        over = count_over(changes, self._tolerance, math.expm1(self._accepted))
        return len(changes) / 2 <= over < len(changes)

    @property
    def excess(self) -> float:
        """The rise over what was accepted before."""
        return self.change - self._accepted

    def domain_changes(self, _: Measurement) -> dict[str, float]:
        """The change of each domain, by name, as a fraction: of the same pairs as `change`."""
        changes = {}
        for i, domain in enumerate(self._head.domains):
            now, before = ([b.joules[i] for b in m.blocks] for m in (self._head, self._base))
            if min(sum(now), sum(before)) <= 0:
                continue
            per_unit = sum(now) / self._head.unit_count, sum(before) / self._base.unit_count
            change = math.log(per_unit[0] / per_unit[1])
            if self.ratios and not self.partial_change and min(*now, *before) > 0:
                change = location([math.log(a / b) for a, b in zip(now, before, strict=True)])
            changes[domain.name] = math.expm1(change)
        return changes

    @property
    def compared_joules(self) -> list[float]:
        """Joules per unit of the base."""
        return [self._base.joules_per_unit]


def count_over(changes: Iterable[float], tolerance: float, accepted: float) -> int:
    """How many changes are rises of more than the tolerance over what was accepted before.

    Args:
        changes: of each pair of processes, as fractions.
        tolerance: as a fraction.
        accepted: as a fraction.
    """
    return sum(change > (1 + accepted) * (1 + tolerance) - 1 for change in changes)


def _sums(measured: Measurement, bounds: Sequence[int]) -> list[float]:
    """Joules per unit of each batch of blocks."""
    blocks = list(zip(block_figures(measured), (b.n for b in measured.blocks), strict=True))
    return [
        sum(figure * n for figure, n in blocks[begin:end]) / sum(n for _, n in blocks[begin:end])
        for begin, end in pairwise(bounds)
    ]
