"""Head against base, turn by turn in the same run: the ratio, and how far noise may carry it. Pure.

Turn i of both sides is the same samples, moments apart, on the same machine: what drifts hits both
and leaves the ratio. Turns that follow each other make a stretch, each stretch gives one log ratio,
and their scatter says how sharp the typical one is. What stays is what two processes of the same
code differ by as long as they live, by where their memory happens to lie, say: `PROCESS_SPREAD`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise

from pytest_energy.comparison import (
    MIN_BLOCKS,
    OUTLIER,
    PERSISTING,
    POWER,
    PRIOR_SPREAD,
    PRIOR_WEIGHT,
    ROUNDING,
    SINGLE_LEVEL,
    Look,
    block_figures,
)
from pytest_energy.estimators import location, location_error, spread, student_quantile
from pytest_energy.measurement import Measurement

PROCESS_SPREAD = 0.005
"""Standard deviation of the log ratio of two processes of the same code, however many turns they
take (`benchmarks/paired.py`)."""


STRETCHES = 25
"""How many ratios the turns are put together to. A rise that only some samples have is then in
every stretch; of a hundred single turns the typical one would not show it."""


class Paired:
    """One test of two revisions that took turns. All figures are logs of head over base.

    Args:
        head, base: their figures.
        tolerance: allowed rise, as a fraction.
        comparisons: how many verdicts the whole session makes: the more, the further each may lie.
        accepted: a rise that is allowed on top, as a fraction.
    """

    speed: float | None = None
    """Head and base ran on the same machine at the same time."""

    def __init__(
        self,
        head: Measurement,
        base: Measurement,
        tolerance: float,
        comparisons: int = 1,
        accepted: float = 0.0,
    ) -> None:
        self._head = head
        self._base = base
        self._tolerance = tolerance
        self._accepted = math.log1p(accepted)
        freedom = PRIOR_WEIGHT + max(1, self.pairs) - 1
        self._factor = student_quantile(1 - SINGLE_LEVEL / max(1, comparisons), freedom)
        self._power_factor = student_quantile(POWER, freedom)

    @cached_property
    def pairs(self) -> int:
        """Turns that both took, one after the other; 0 where the two were cut differently."""
        sizes = [[block.n for block in measured.blocks] for measured in (self._head, self._base)]
        shared = min(map(len, sizes))
        return shared if sizes[0][:shared] == sizes[1][:shared] else 0

    @cached_property
    def ratios(self) -> tuple[float, ...]:
        """One for each stretch of turns; empty where there are none, or some took nothing."""
        count = min(self.pairs, STRETCHES)
        edges = [i * self.pairs // count for i in range(count + 1)] if count else []
        now, before = (_sums(measured, edges) for measured in (self._head, self._base))
        if not count or min(*now, *before) <= 0:
            return ()
        return tuple(math.log(a / b) for a, b in zip(now, before, strict=True))

    @property
    def few(self) -> bool:
        """Whether there are too few stretches to tell their own noise."""
        return len(self.ratios) < MIN_BLOCKS

    @cached_property
    def mean(self) -> Look:
        """The typical stretch, all of them together, and the standard error of their scatter."""
        total = math.log(self._head.joules_per_unit / self._base.joules_per_unit)
        if not self.ratios:
            return Look(total, total, 0.0, ())
        change = location(self.ratios)
        if self.few:
            return Look(change, total, 0.0, ())
        far = max(OUTLIER * spread(self.ratios), math.log1p(self._tolerance))
        outliers = (i for i, ratio in enumerate(self.ratios, 1) if abs(ratio - change) > far)
        return Look(change, total, location_error(self.ratios), tuple(outliers))

    @property
    def looks(self) -> tuple[Look, ...]:
        """One: every pair is a look of its own."""
        return (self.mean,)

    @property
    def change(self) -> float:
        """Of the typical stretch."""
        return self.mean.change

    @cached_property
    def error(self) -> float:
        """Standard error of `change`; of a few pairs, what single runs are known to differ by."""
        if self.few:
            domains = self._head.domains
            single = max(PRIOR_SPREAD[domains[i].method] for i in self._head.gated)
            return single * math.sqrt(2 * (1 - PERSISTING) / max(1, self.pairs))
        return math.hypot(PROCESS_SPREAD, self.mean.error)

    @cached_property
    def allowed(self) -> float:
        """How far up or down is no change: the tolerance, or what noise alone may do."""
        return max(math.log1p(self._tolerance), self._factor * self.error) + ROUNDING

    @property
    def limit(self) -> float:
        """The rise that is allowed, what was accepted before included."""
        return self._accepted + self.allowed

    @property
    def notice(self) -> float:
        """The smallest rise that is found with a chance of `POWER`."""
        return self.limit + self._power_factor * self.error

    @property
    def outliers(self) -> tuple[int, ...]:
        """Stretches, from 1, that stood out."""
        return self.mean.outliers

    again: tuple[int, ...] = ()
    sparse: bool = False
    """A rise in few stretches cannot be told from the machine's doing: there is no second look."""

    @property
    def pulled(self) -> bool:
        """Whether a few stretches carry the whole over the limit, where the typical is not."""
        return bool(self.outliers) and not self.beyond and self.mean.total > self.limit

    @property
    def beyond(self) -> bool:
        """Whether the change is more than is allowed, up or down."""
        return self.change > self.limit or self.change < -self.allowed

    @property
    def excess(self) -> float:
        """The rise over what was accepted before."""
        return self.change - self._accepted

    @property
    def stored_joules(self) -> list[float]:
        """Joules per unit of the base."""
        return [self._base.joules_per_unit]


def _sums(measured: Measurement, edges: Sequence[int]) -> list[float]:
    """Joules per unit of each stretch of blocks."""
    blocks = list(zip(block_figures(measured), (b.n for b in measured.blocks), strict=True))
    return [
        sum(figure * n for figure, n in blocks[begin:end]) / sum(n for _, n in blocks[begin:end])
        for begin, end in pairwise(edges)
    ]
