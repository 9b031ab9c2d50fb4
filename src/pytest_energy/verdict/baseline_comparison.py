"""The change from the stored sessions to a measurement, and how far noise may carry it. Pure.

The model: the log of a block's figure = what this block takes (its samples) + what this session
adds (the machine, today) + what remains (the block's own noise). Sessions of the same code differ
by more than the blocks within one: so the stored sessions say how far the next one may lie, and
the blocks say how sharp this one is. `docs/statistics.md` has the model and its error rates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from statistics import fmean, median, stdev

from pytest_energy.types.baseline import Baseline, Session
from pytest_energy.types.energy import Method, gated_domains, is_estimated
from pytest_energy.types.measurement import BUSY_SHARE, Measurement, mean_of_passes
from pytest_energy.verdict.estimators import (
    clipped_squares,
    location,
    location_error,
    spread,
    student_quantile,
)

PRIOR_SPREAD = {Method.COUNTER: 0.02, Method.SAMPLED: 0.033, Method.ESTIMATED: 0.08}
"""Standard deviation between sessions of the same code, before the stored ones tell.

Counter and sampled: from 224 groups of repeats behind Luccioni et al. (2024), where one in four
spreads by more than 2.0 % (energy of the node) and 3.4 % (GPU alone, sampled power); 3.3 % was
chosen for the latter on half of the groups (`benchmarks/gate.py repeats`). Estimated: CPU seconds
on virtual machines, measured for this project: 4 to 6 % on one thread, 8 to 17 % on two.
"""

PRIOR_SPREAD_REFERENCE = {True: 0.025, False: 0.08}
"""Standard deviation between sessions of the same code for an estimate in units of the reference
workload, by whether the model runs on one thread: 1.7 to 2.6 % there, 5 to 15 % on two, quiet and
loaded sessions mixed (`benchmarks/reference_workload.py`)."""

OCCASION = timedelta(hours=1)
"""Sessions that follow each other sooner are of one occasion: the machine is the same."""

OCCASION_SPREAD = 0.07
"""Standard deviation that the occasion adds to an estimate, in units of the reference workload as
well. Five sessions within three minutes, and the same code later, on virtual CPUs: after 5 to 25
minutes -1.4 % (MiniLM), -0.1 % (EfficientNet-Lite0), -1.3 % (SmolLM2), means of 20 runs each; after
95 minutes -9.1, -13.2 and -6.1 %, after 105 -12.1, -16.1 and -5.1 %. In calm weeks it is 2 %."""

OCCASION_WEIGHT = 2
"""Degrees of freedom that it counts for: it rests on few hosts. With three occasions, half."""

PRIOR_WEIGHT = 8
"""Degrees of freedom that the prior counts for: with nine stored sessions, half."""

LOADED_SPREAD = {True: 0.025, False: 0.15}
"""What other processes on a busy machine add to an estimate in units of the reference workload, by
whether the model runs on one thread. There it is next to nothing (`benchmarks/gate.py live --busy`:
1.3 % between sessions, quiet or not); several threads spin for each other while one has to wait."""

CLIP = 2.5
"""Robust standard deviations beyond which a stored session counts for no more."""

CONFIRMED_LEVEL = 0.025
"""Chance of a false alarm over a whole session on the first pass, where another one confirms."""

SINGLE_LEVEL = 0.01
"""Chance of a false alarm over a whole session where a single pass is all there is."""

POWER = 0.8
"""The chance with which a change of `detectable` is found."""

AGREEING = 0.8
"""Share of the tolerance that every pass has to exceed, where their mean exceeds the limit."""

PERSISTING = 0.4
"""Share of the variance between sessions that runs in close succession have in common."""

SEVERAL_THREADS = 1.2
"""CPU seconds per second from which on a window ran on more than one thread."""

Z_95 = 1.96
"""Half-width of a 95 % interval in standard errors, for a normal."""

MIN_BLOCKS = 5
"""Fewer blocks say nothing about their own noise: the spread of four figures is no spread."""

OUTLIER = 5.0
"""Robust standard deviations from which on a block is called an outlier."""

ROUNDING = 1e-5
"""Stored figures have six digits: a smaller change cannot be distinguished from none."""


@dataclass(frozen=True, slots=True)
class PassChange:
    """One pass, or the mean of several, against what it is compared with. Logs of ratios.

    Args:
        change: of the typical block.
        total: of all blocks together, which a few blocks can pull.
        error: standard error of `change`, from the blocks; 0 where too few say nothing.
        outliers: blocks, counted from 1, that differ as no other block does.
    """

    change: float
    total: float
    error: float
    outliers: tuple[int, ...]


class BaselineComparison:
    """Passes over the samples, compared with the stored sessions of the same test.

    Args:
        passes: one pass or more, of as many blocks each.
        baseline: comparable with them.
        tolerance: allowed change, as a fraction.
        comparisons: number of verdicts of the whole session: the more, the wider each limit.
        remeasured: whether a suspected change is measured again in the same loop.
        now: when the passes ran, in UTC; None for the occasion of the stored sessions.
    """

    paired = False

    def __init__(
        self,
        passes: Sequence[Measurement],
        baseline: Baseline,
        tolerance: float,
        *,
        comparisons: int = 1,
        remeasured: bool = False,
        now: datetime | None = None,
    ) -> None:
        self._now = now
        self._measured = passes
        self._baseline = baseline
        self._tolerance = tolerance
        self._loaded = any(one.busy or one.interference for one in passes)
        self._own_sessions = len(passes)
        # A session that stopped early says nothing of the blocks after it.
        count = len(passes[0].blocks)
        complete = tuple(s for s in baseline.sessions if len(s.blocks) >= count)
        self._sessions = complete or baseline.sessions
        level = CONFIRMED_LEVEL if remeasured or len(passes) > 1 else SINGLE_LEVEL
        freedom = PRIOR_WEIGHT + len(self._sessions) - 1
        self._factor = student_quantile(1 - level / max(1, comparisons), freedom)
        self._power_factor = student_quantile(POWER, freedom)

    @property
    def session_count(self) -> int:
        """Number of stored sessions."""
        return len(self._baseline.sessions)

    @cached_property
    def _expected_log_blocks(self) -> tuple[float, ...]:
        """Log of what each block takes, from the sessions that have it cut like these passes.

        How n samples are cut into blocks depends on n alone, so block i holds the same samples in
        every session; after an early stop the first blocks do. Empty where blocks do not match.
        """
        blocks = [block_figures(session) for session in self._sessions]
        now = [block_figures(one) for one in self._measured]
        shared = min(map(len, (*now, *blocks)))
        whole = {len(b) for b in (*now, *blocks)} == {shared}
        if shared < 2 or not (whole or self.stopped_early):
            return ()
        if any(min(figures[:shared]) <= 0 for figures in (*now, *blocks)):
            return ()
        return tuple(median(math.log(figures[i]) for figures in blocks) for i in range(shared))

    @property
    def stopped_early(self) -> bool:
        """Whether not all of n stands on both sides, so that only first blocks are compared."""
        done = [session.metered_count for session in self._sessions]
        return min(*done, *(one.metered_count for one in self._measured)) < self._baseline.subject.n

    @cached_property
    def _stored(self) -> tuple[tuple[float, float], ...]:
        """Each stored session's level over the profile, and its standard error."""
        if not self._expected_log_blocks:
            return tuple((math.log(_figure(s)), 0.0) for s in self._sessions)
        rests = [self._residuals(block_figures(session)) for session in self._sessions]
        return tuple((location(rest), _error(rest)) for rest in rests)

    def _residuals(self, figures: Sequence[float]) -> list[float]:
        return [
            math.log(value) - usual
            for value, usual in zip(figures, self._expected_log_blocks, strict=False)
        ]

    @cached_property
    def _centre(self) -> float:
        """The mean of the stored sessions, in which one far out counts for no more than `CLIP`."""
        levels = [level for level, _ in self._stored]
        middle = location(levels)
        clip_width = self._clip_width
        return middle + fmean(max(-clip_width, min(clip_width, level - middle)) for level in levels)

    @cached_property
    def _clip_width(self) -> float:
        """How far from the others a stored session counts at most."""
        return CLIP * max(spread([level for level, _ in self._stored]), self._prior)

    @cached_property
    def occasions(self) -> tuple[tuple[int, ...], ...]:
        """The stored sessions by occasion: positions of those that followed each other closely."""
        moments = self._moments
        groups: list[list[int]] = []
        for i in sorted(range(len(moments)), key=moments.__getitem__):
            if groups and moments[i] - moments[groups[-1][-1]] < OCCASION:
                groups[-1].append(i)
            else:
                groups.append([i])
        return tuple(map(tuple, groups))

    @cached_property
    def _moments(self) -> tuple[datetime, ...]:
        """When each stored session ran; a date without a zone is in UTC."""
        dates = (datetime.fromisoformat(session.date) for session in self._sessions)
        return tuple(date if date.tzinfo else date.replace(tzinfo=UTC) for date in dates)

    @cached_property
    def other_occasion(self) -> bool:
        """Whether the occasion matters: for an estimate, unless all is of one, now as well."""
        if self._now is None or not is_estimated(self._baseline.domains):
            return False
        return len(self.occasions) > 1 or self._now - max(self._moments) >= OCCASION

    @property
    def _independent(self) -> int:
        """Stored figures that share nothing: sessions, or occasions where these matter."""
        return len(self.occasions) if self.other_occasion else len(self._stored)

    @cached_property
    def _between_occasion_sd(self) -> float:
        """Standard deviation between sessions of different occasions.

        From the prior of both levels, and what the occasions' own means show.
        """
        prior = self._prior**2 + OCCASION_SPREAD**2
        means = [fmean(self._stored[i][0] for i in group) for group in self.occasions]
        middle = fmean(means)
        squares = sum((mean - middle) ** 2 for mean in means)
        freedom = OCCASION_WEIGHT + len(means) - 1
        return math.sqrt((OCCASION_WEIGHT * prior + squares) / freedom)

    @cached_property
    def between_session_sd(self) -> float:
        """Standard deviation between sessions, beyond what their blocks' noise explains.

        The prior and the stored sessions' own spread, each weighted with its degrees of freedom,
        and no less than the sessions themselves show (by their median absolute deviation): there
        are machines, and hours, in which the same code differs by twice the prior. A session far
        out counts for no more than `CLIP` times the spread of the others.
        """
        prior = self._prior
        rest = [level - self._centre for level, _ in self._stored]
        squares = clipped_squares(rest, self._clip_width)
        by_blocks = fmean(error**2 for _, error in self._stored) * (len(rest) - 1)
        squares = max(0.0, squares - by_blocks)
        own = _process_squares(self._measured)
        freedom = PRIOR_WEIGHT + len(rest) - 1 + self._own_sessions - 1
        variance = (PRIOR_WEIGHT * prior**2 + squares + own) / freedom
        variance = max(variance, spread([level for level, _ in self._stored]) ** 2)
        if self.other_occasion:
            variance = max(variance, self._between_occasion_sd**2)
        if self._loaded:
            variance += LOADED_SPREAD[_one_thread(self._measured[0])] ** 2
        return math.sqrt(variance)

    @property
    def _prior(self) -> float:
        measured = self._measured[0]
        if measured.reference is not None:
            return PRIOR_SPREAD_REFERENCE[_one_thread(measured)]
        domains = self._baseline.domains
        return max(PRIOR_SPREAD[domains[i].method] for i in gated_domains(domains))

    @cached_property
    def error(self) -> float:
        """Standard error of `change`: of this session as a whole, of the baseline, of the blocks.

        The blocks' is that of their scatter around their stored counterparts, whose own noise is
        part of that scatter.
        """
        # Another process of the same occasion says nothing about the occasion.
        apart = 1.0 if self.other_occasion else PERSISTING
        own = apart + (1 - apart) / self._own_sessions
        return math.hypot(
            self.between_session_sd * math.sqrt(own + 1 / self._independent),
            self.mean.error,
            math.hypot(*(self._doubt(session) for session in self._sessions)) / len(self._stored),
        )

    def _doubt(self, session: Session) -> float:
        """Error of a stored session beyond that of any: of its processes, of a busy machine."""
        apart = abs(math.log1p(session.repeat_difference or 0.0)) / 2
        busy = (session.other_cpu_share or 0.0) >= BUSY_SHARE
        loaded = LOADED_SPREAD[_one_thread(self._measured[0])] if busy else 0.0
        return math.hypot(max(0.0, apart - self._prior), loaded)

    @cached_property
    def passes(self) -> tuple[PassChange, ...]:
        """Each pass by itself."""
        return tuple(self._pass_change(one) for one in self._measured)

    @cached_property
    def mean(self) -> PassChange:
        """All passes together."""
        return (
            self._pass_change(mean_of_passes(self._measured))
            if len(self._measured) > 1
            else self.passes[0]
        )

    def _pass_change(self, measurement: Measurement) -> PassChange:
        if not self._expected_log_blocks:
            change = math.log(_figure(measurement)) - self._centre
            return PassChange(change, change, 0.0, ())
        rest = self._residuals(block_figures(measurement))
        level = location(rest)
        change = level - self._centre
        # How far a few blocks pull the whole: beyond what they did in the stored sessions.
        total_exceeds = self._pull(block_figures(measurement)) - median(self._pulls)
        far = max(OUTLIER * spread(rest), math.log1p(self._tolerance))
        outliers = tuple(i for i, value in enumerate(rest, 1) if abs(value - level) > far)
        known = len(rest) >= MIN_BLOCKS
        return PassChange(change, change + total_exceeds, _error(rest), outliers if known else ())

    @cached_property
    def _pulls(self) -> tuple[float, ...]:
        return tuple(self._pull(block_figures(session)) for session in self._sessions)

    def _pull(self, figures: Sequence[float]) -> float:
        """Log of all blocks together over what the typical block makes of them."""
        sizes = [block.n for block in self._measured[0].blocks]
        usual = [math.exp(value) for value in self._expected_log_blocks]
        count = len(usual)
        total = math.log(_weighted(figures, sizes, count) / _weighted(usual, sizes, count))
        return total - location(self._residuals(figures))

    @property
    def change(self) -> float:
        """Log of measured over stored: of the typical block, or of all where `partial_change`."""
        return self.mean.total if self.partial_change else self.mean.change

    @property
    def half_width(self) -> float:
        """Half of the 95 % interval around `change`, as a log."""
        return Z_95 * self.error

    @cached_property
    def limit(self) -> float:
        """Log of the change that is allowed: the tolerance, or what noise alone may do."""
        return max(math.log1p(self._tolerance), self._factor * self.error) + ROUNDING

    @property
    def detectable(self) -> float:
        """Log of the smallest rise that is found with a chance of `POWER`."""
        return self.limit + self._power_factor * self.error

    @property
    def outliers(self) -> tuple[int, ...]:
        """Blocks that stood out in any pass."""
        return tuple(sorted({i for one in self.passes for i in one.outliers}))

    @cached_property
    def repeated_outliers(self) -> tuple[int, ...]:
        """Blocks that stood out in every pass, where there was more than one."""
        if len(self.passes) < 2:
            return ()
        return tuple(sorted(set.intersection(*(set(one.outliers) for one in self.passes))))

    @property
    def total_exceeds(self) -> bool:
        """Whether all blocks together are over the limit, where the typical one is not."""
        wobble = (
            stdev(self._pulls) if len(self._sessions) > 1 and self._expected_log_blocks else 0.0
        )
        limit = math.hypot(self.limit, self._factor * wobble)
        totals = [one.total for one in self.passes]
        return not self._typical_exceeds and self._exceeds(totals, self.mean.total, limit)

    @property
    def partial_change(self) -> bool:
        """Whether the same few blocks pull the whole over the limit in every pass."""
        return self.total_exceeds and bool(self.repeated_outliers)

    @property
    def exceeds_limit(self) -> bool:
        """Whether the change is more than is allowed, up or down, and every pass agrees."""
        return self._typical_exceeds or self.partial_change

    @property
    def _typical_exceeds(self) -> bool:
        return self._exceeds([one.change for one in self.passes], self.mean.change, self.limit)

    def _exceeds(self, changes: Sequence[float], mean: float, limit: float) -> bool:
        sign = math.copysign(1.0, mean)
        far = min(sign * change for change in changes)
        return abs(mean) > limit and far > AGREEING * math.log1p(self._tolerance)

    @property
    def reference_change(self) -> float | None:
        """Log of the reference workload's energy now over then; above 0 the machine is slower."""
        before = [median(s.reference_joules) for s in self._sessions if s.reference_joules]
        now = [median(m.reference.joules) for m in self._measured if m.reference]
        return math.log(fmean(now) / median(before)) if now and before else None

    @property
    def compared_joules(self) -> list[float]:
        """Joules per unit of each stored session; of the blocks compared after an early stop."""
        if not (self._expected_log_blocks and self.stopped_early):
            return [session.joules_per_unit for session in self._baseline.sessions]
        sizes = [block.n for block in self._measured[0].blocks][: len(self._expected_log_blocks)]
        count = len(sizes)
        return [_weighted(s.blocks, sizes, count) / sum(sizes) for s in self._sessions]

    def domain_changes(self, measurement: Measurement) -> dict[str, float]:
        """The change of each domain of a measurement, by name, as a fraction."""
        reference_change = math.exp(self.reference_change or 0.0)
        # After an early stop the stored figure is that of the blocks compared.
        complete = median(session.joules_per_unit for session in self._baseline.sessions)
        share = median(self.compared_joules) / complete
        changes = {}
        for domain, joules in zip(measurement.domains, measurement.domain_joules, strict=True):
            stored = [
                session.domains[domain.name]
                for session in self._baseline.sessions
                if session.domains.get(domain.name)
            ]
            if stored:
                now = joules / measurement.unit_count / share
                if domain.method is Method.ESTIMATED:  # as the total: in units of the reference
                    now /= reference_change
                changes[domain.name] = now / median(stored) - 1
        return changes

    @property
    def block_changes(self) -> list[float]:
        """Log of each block of the first pass over its stored counterpart; empty without one."""
        return (
            self._residuals(block_figures(self._measured[0])) if self._expected_log_blocks else []
        )


def _process_squares(processes: Sequence[Measurement]) -> float:
    """Sum of the squares by which the logs of what processes measured differ from their mean."""
    levels = [_log_over(processes[0], one) for one in processes]
    middle = fmean(levels)
    return sum((level - middle) ** 2 for level in levels)


def log_repeat_difference(passes: Sequence[Measurement]) -> float:
    """Log of the last pass over the first, block by block."""
    return _log_over(passes[0], passes[-1])


def _log_over(one: Measurement, other: Measurement) -> float:
    """Log of the other over the one, block by block."""
    before, after = block_figures(one), block_figures(other)
    if min(*before, *after) <= 0:
        return math.log(_figure(other) / _figure(one))
    return location([math.log(b / a) for a, b in zip(before, after, strict=True)])


def block_figures(measured: Measurement | Session) -> tuple[float, ...]:
    """Joules per unit of each block, in units of the reference workload where there is one."""
    reference = _reference_joules(measured)
    joules = measured.blocks if isinstance(measured, Session) else measured.block_joules_per_unit
    return tuple(a / b for a, b in zip(joules, reference, strict=True)) if reference else joules


def _figure(measured: Measurement | Session) -> float:
    reference = _reference_joules(measured)
    return measured.joules_per_unit / (median(reference) if reference else 1.0)


def _reference_joules(measured: Measurement | Session) -> tuple[float, ...]:
    if isinstance(measured, Session):
        return measured.reference_joules
    return measured.reference.joules if measured.reference else ()


def _weighted(figures: Sequence[float], sizes: Sequence[int], count: int) -> float:
    pairs = zip(figures[:count], sizes[:count], strict=True)
    return sum(figure * size for figure, size in pairs)


def _error(rest: Sequence[float]) -> float:
    return location_error(rest) if len(rest) >= MIN_BLOCKS else 0.0


def _one_thread(measurement: Measurement) -> bool:
    """Whether reference and workload ran on one thread, as far as their CPU seconds tell."""
    reference = measurement.reference
    alone = measurement.cpus is None or measurement.cpus < SEVERAL_THREADS
    return reference is not None and reference.threads == 1 and alone
