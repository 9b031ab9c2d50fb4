"""Counters tick: how often each one does, and what it would read between two ticks.

A counter shows what had flown at its last update. A window that begins and ends anywhere errs by
up to one update at each end: 100 ms of an H100's counter are 30 J of a board at work. Waiting for
updates removes that. At the end of the work, two updates are waited for: between them flows what
waiting costs, and at that power the first one is counted back to the moment when the work ended.
At the start, the work begins right at an update.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import inf
from statistics import median

from pytest_energy.meters.base import Meter, MeterLostError
from pytest_energy.meters.meter_set import MeterSet
from pytest_energy.types.energy import Method, Reading, gated_domains
from pytest_energy.types.units import format_seconds
from pytest_energy.world import clock

FASTEST_SECONDS = 1e-4
"""A counter that moves more often than this needs no waiting."""

SLOWEST_SECONDS = 0.25
"""A counter that moves less often is not waited for: it would take longer than most tests."""

SHORT_UPDATES = 100
"""A window of so many updates errs by 0.4 % at its ends at most, and needs no waiting."""

SHORT_BLOCK_UPDATES = 10
"""Blocks of a loop that are shorter are ended and begun on updates, each."""

OBSERVED_UPDATES = 4
"""Updates after which a period is known: the median of the gaps between them."""

OBSERVED_SECONDS = 0.02
"""A fast counter is watched for so long at least, so that a moment's stall does not matter."""

UNSURE_UPDATES = 0.25
"""An update is good for counting back where it is known when it came, to so much of a period."""

STILL_UPDATES, STILL_SECONDS = 20, 0.05
"""A counter that moved before and does not for so many periods, and so long on top (a busy machine
keeps a process from looking), has stopped."""

PATIENCE = 12
"""Periods, as a meter states them, after which a counter is taken to stand still."""


def observe(meter: Meter, clock: Callable[[], float] = clock) -> tuple[float | None, ...]:
    """Watch a meter's counters until it is known how often they move.

    Args:
        meter: open; it is read in a loop, for some 20 ms where counters move every millisecond,
            and some 0.4 s where they move every 100 ms.
        clock: monotonic, in seconds.

    Returns:
        Seconds between two updates, one figure a domain; None for what does not move, moves too
        seldom to be waited for, or is no counter.

    Raises:
        MeterLostError: the meter cannot be read.
    """
    watched = [i for i, domain in enumerate(meter.domains) if _ticks(domain.resolution_seconds)]
    watched = [i for i in watched if meter.domains[i].method is Method.COUNTER]
    if meter.remote and not meter.polled:  # a server is not to be asked in a loop
        watched = []
    moved: dict[int, list[float]] = {i: [] for i in watched}
    if not watched:
        return (None,) * len(meter.domains)
    began = now = clock()
    patience = PATIENCE * max(meter.domains[i].resolution_seconds for i in watched)
    last = meter.read()
    while now - began < patience and not (
        now - began > OBSERVED_SECONDS
        and all(len(times) > OBSERVED_UPDATES for times in moved.values())
    ):
        counts = meter.read()
        now = clock()
        for i in watched:
            if counts[i] != last[i]:
                moved[i].append(now)
        last = counts
    return tuple(_period(moved.get(i, [])) for i in range(len(meter.domains)))


def _ticks(seconds: float) -> bool:
    return FASTEST_SECONDS <= seconds <= SLOWEST_SECONDS


def _period(times: list[float]) -> float | None:
    if len(times) <= OBSERVED_UPDATES:
        return None
    return median(b - a for a, b in pairwise(times))


class CounterUpdates:
    """Reads a session's meters at their counters' updates.

    Args:
        meters: of the session; they are observed right away, and their domains' resolution is from
            then on what was seen. Their clock is this one's too.
    """

    def __init__(self, meters: MeterSet) -> None:
        self._meters = meters
        self._clock = meters.clock
        self._periods: list[tuple[float | None, ...]] = []
        for meter in meters.meters:
            try:
                self._periods.append(observe(meter, meters.clock))
            except Exception:  # it will be lost in the first window, and say why there
                self._periods.append((None,) * len(meter.domains))
        flat = [period for periods in self._periods for period in periods]
        meters.note_periods(flat)
        gated = gated_domains(meters.domains)
        self.stalled = tuple(
            domain.name
            for domain, period in zip(meters.domains, flat, strict=True)
            if period is None
            and domain.method is Method.COUNTER
            and not meters.remote
            and _ticks(domain.resolution_seconds)
        )
        """Domains whose counters should move and did not."""
        if self.stalled:
            note = f"the counter of {', '.join(self.stalled)} stands still: it counts nothing"
            meters.note = "; ".join(filter(None, (meters.note, note)))
        self.slowest_seconds = max((flat[i] or 0.0 for i in gated), default=0.0)
        """Period of the slowest gated counter that can be waited for; 0 where none has to be."""
        if not _ticks(self.slowest_seconds):
            self.slowest_seconds = 0.0
        self._all = all(
            flat[i] is not None or meters.domains[i].resolution_seconds < FASTEST_SECONDS
            for i in gated
        )
        """Whether every gated counter is waited for, or needs no waiting."""

    def needs_alignment(self, seconds: float | None) -> bool:
        """Whether a window of so many seconds needs its ends on updates; None for unknown."""
        limit = SHORT_UPDATES * self.slowest_seconds
        return limit > 0 and (seconds is None or seconds < limit)

    def needs_alignment_in_blocks(self, seconds: float | None) -> bool:
        """Whether each block needs it, where a block takes so many seconds; None for unknown."""
        return seconds is not None and seconds < SHORT_BLOCK_UPDATES * self.slowest_seconds

    def read(self) -> tuple[Reading, Reading, bool]:
        """Wait for updates of every counter.

        Returns:
            What the counters would have shown at the call had they moved all the time, what they
            show at the return, right after an update, and whether every gated counter is known so
            well.

        Raises:
            MeterLostError: a meter cannot be read; the message names it.
        """
        called = self._clock()
        order = sorted(range(len(self._periods)), key=lambda which: self._slowest(which))
        before: dict[int, tuple[int, ...]] = {}
        after: dict[int, tuple[int, ...]] = {}
        came = self._all
        for which in order:
            before[which], after[which], seen = self._follow(which, called, 2)
            came = came and seen
        # While the slow ones were waited for, the fast ones went on.
        for which in order[:-1]:
            after[which] = self._follow(which, called, 1)[1]
        counts = [
            tuple(count for which in range(len(self._periods)) for count in reading[which])
            for reading in (before, after)
        ]
        readings = Reading(called, counts[0]), Reading(self._clock(), counts[1])
        self._meters.waited(*readings)
        return *readings, came

    def _slowest(self, which: int) -> float:
        return max((period or 0.0 for period in self._periods[which]), default=0.0)

    def _follow(
        self, which: int, called: float, updates: int
    ) -> tuple[tuple[int, ...], tuple[int, ...], bool]:
        """One meter until each of its moving counters has been updated so often."""
        meter, periods = self._meters.meters[which], self._periods[which]
        first = last = self._meters.read_one(meter)
        waiting = {i for i, period in enumerate(periods) if period}
        patience = STILL_UPDATES * self._slowest(which) + STILL_SECONDS
        began = seen_at = self._clock()
        quickest = inf
        moved: set[int] = set()
        points: dict[int, list[tuple[float, int]]] = {i: [] for i in waiting}
        while waiting and seen_at - began < patience:
            counts = self._meters.read_one(meter)
            now = self._clock()
            quickest = min(quickest, now - seen_at)
            for i in tuple(waiting):
                if counts[i] == last[i]:
                    continue
                moved.add(i)
                # It happened somewhere since the reading before. Where the process was kept from
                # reading meanwhile, at an unknown time: then two others have to come.
                if now - seen_at > max(UNSURE_UPDATES * (periods[i] or 0.0), 3 * quickest):
                    points[i].clear()
                    continue
                points[i].append(((seen_at + now) / 2, counts[i]))
                if len(points[i]) == updates:
                    waiting.discard(i)
            last, seen_at = counts, now
        still = [meter.domains[i].name for i in sorted(waiting - moved)]
        if still:
            raise MeterLostError(
                f"{meter.name}: the counter of {', '.join(still)} has stopped: it did not move for"
                f" {format_seconds(patience)}"
            )
        back = list(first)
        for i, seen in points.items():
            if len(seen) >= 2:
                (t1, e1), (t2, e2) = seen[0], seen[-1]
                back[i] = max(first[i], round(e1 - (e2 - e1) / (t2 - t1) * (t1 - called)))
        # A node's eight boards take a third of their period to read: no update is known that well.
        slow = any(quickest > UNSURE_UPDATES * period for period in periods if period)
        return tuple(back), last, not waiting and not slow
