"""What counters of a page have counted: updates, resets, and counters that stand still."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import pairwise
from typing import TYPE_CHECKING

from pytest_energy.meters.asking import TroubleError
from pytest_energy.meters.base import Meter, MeterLostError, MeterUnavailableError
from pytest_energy.meters.prometheus.server import EXACT
from pytest_energy.meters.readings import MOST_MICROJOULES, one_line
from pytest_energy.meters.served.counters import MICROJOULES, Counter, Page
from pytest_energy.meters.served.page import PageClient
from pytest_energy.types.energy import Domain, Method
from pytest_energy.world import clock, sleep

if TYPE_CHECKING:
    from pytest_energy.web.transport import Reply

PAUSE_SECONDS = 0.01
"""Between two questions to one server, which has other work."""

WATCHED_SECONDS = 4.0
"""How long counters are watched when the meter is opened."""

WATCHED_UPDATES = 4
"""Updates that are waited for meanwhile."""

STALE_UPDATES, STALE_SECONDS = 20, 2.0
"""A counter that did not move for so many intervals, and so long at least, has stopped: hardware
that idles draws power too. Plugs count in steps, and skip some."""

OLD_UPDATES, OLD_SECONDS = 3, 3.0
"""A sample's own time may lie so far back; a server's `Date` is good for a second."""

Series = frozenset[tuple[str, str]]


def in_microjoules(value: float, unit: str) -> int:
    """A count in whole microjoules, exact but for the last one.

    Args:
        value: finite.
        unit: a key of `MICROJOULES`.
    """
    count = EXACT.multiply(Decimal(value), Decimal(MICROJOULES[unit]))
    return int(count.to_integral_value(ROUND_HALF_EVEN, EXACT))


@dataclass(slots=True)
class Counts:
    """One domain's series on a page.

    Args:
        microjoules: by series, as messages show it.
        ages: seconds since a sample was taken, where the page tells that.
        created: when a series began to count, where the page tells that.
        labels: by series.
        started: when the exporter's process began, where the page tells that.
    """

    microjoules: dict[str, int] = field(default_factory=dict)
    ages: dict[str, float] = field(default_factory=dict)
    created: dict[str, float] = field(default_factory=dict)
    labels: dict[str, dict[str, str]] = field(default_factory=dict)
    started: float | None = None


class Progress:
    """What one domain has counted since the meter was opened."""

    def __init__(self, counter: Counter, counts: Counts) -> None:
        self.counter = counter
        self.interval = 0.0
        self.total = 0
        self._lost = ""
        self._last = counts
        self._moved_at = clock()
        self._check_size(counts)

    def advance(self, counts: Counts) -> int:
        """Microjoules since the meter was opened.

        Raises:
            TroubleError: what was counted cannot be known.
        """
        if self._lost:
            raise TroubleError(self._lost)
        self._check_size(counts)
        self._check_same(counts)
        self.check_age(counts)
        rise = sum(counts.microjoules.values()) - sum(self._last.microjoules.values())
        now = clock()
        if rise:
            self._moved_at = now
        elif self.interval and now - self._moved_at > max(
            STALE_SECONDS, STALE_UPDATES * self.interval
        ):
            raise TroubleError(
                f"{next(iter(counts.microjoules))} has not moved for {now - self._moved_at:.3g} s,"
                f" and should every {self.interval:.3g} s"
            )
        self.total += rise
        self._last = counts
        return self.total

    def check_age(self, counts: Counts | None = None) -> None:
        """Say when a sample is old by the time that stands beside it."""
        limit = max(OLD_SECONDS, OLD_UPDATES * self.interval)
        for series, age in (counts or self._last).ages.items():
            if age > limit:
                raise TroubleError(f"{series} is stale: its sample is {age:.3g} s old")

    def _check_same(self, counts: Counts) -> None:
        last = self._last
        if not counts.microjoules:
            raise TroubleError("finds nothing any more")
        for series, count in counts.microjoules.items():
            if series not in last.microjoules:
                self._lose(f"{series} is new: what it counted before is not known")
            if count < last.microjoules[series]:
                self._lose(f"the counter of {series} was reset, or wrapped")
            if counts.created.get(series) != last.created.get(series):
                self._lose(f"the counter of {series} was reset: it was created anew")
        for series in last.microjoules:
            if series not in counts.microjoules:
                raise TroubleError(f"{series} is gone")
        if counts.started != last.started:
            self._lose("the exporter was started anew: its counters may have been reset")

    def _check_size(self, counts: Counts) -> None:
        for series, count in counts.microjoules.items():
            if not 0 <= count <= MOST_MICROJOULES:
                raise TroubleError(f"{series} is {count / 1e6:.3g} J, which nothing has counted")

    def _lose(self, reason: str) -> None:
        # For good: a window around this one would take the sum as complete.
        self._lost = f"{reason}; the meter is lost for the rest of this session"
        raise TroubleError(self._lost)


class PageMeter(Meter):
    """Counters of a page that is asked over HTTP.

    Args:
        page: what is read where.
        option: that names the page.
        prefix: of the variables with credentials.
        interval_option: that says how often the counters move.

    Raises:
        MeterUnavailableError: there is no such page, or it has no such counters.
    """

    remote = True
    polled = True

    def __init__(self, page: Page, option: str, prefix: str, interval_option: str) -> None:
        try:
            self._client = PageClient(page.url, option, prefix)
        except TroubleError as trouble:
            raise MeterUnavailableError(trouble.reason, trouble.hint) from None
        self._asked_at = clock()
        try:
            self._followed = self._open(page)
            self._find_intervals(page.interval_seconds, interval_option)
        except TroubleError as trouble:
            self._client.close()
            where = f"{self._client.shown}: {trouble.reason}"
            raise MeterUnavailableError(where, trouble.hint) from None
        except MeterUnavailableError:
            self._client.close()
            raise
        self.domains = tuple(
            Domain(
                one.counter.name,
                one.counter.kind,
                Method.COUNTER,
                one.counter.source,
                one.interval,
                basis=one_line(f"{one.counter.written}: {one.counter.whose}", 1000),
            )
            for one in self._followed
        )
        self.covers = frozenset[str]().union(*(one.counter.whole for one in self._followed))

    @abstractmethod
    def counts(self, reply: Reply, counters: Iterable[Counter]) -> dict[str, Counts]:
        """The microjoules of every series of each counter, by the counter's name.

        Raises:
            TroubleError: the page has something else.
        """

    def read(self) -> tuple[int, ...]:
        """Microjoules since the meter was opened, counter by counter."""
        try:
            return self._read()
        except TroubleError as trouble:
            raise MeterLostError(f"{self._client.shown}: {trouble.reason}") from None

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _ask(self) -> Reply:
        rest = PAUSE_SECONDS - (clock() - self._asked_at)
        if rest > 0:
            sleep(rest)
        self._asked_at = clock()
        return self._client.ask()

    def _open(self, page: Page) -> tuple[Progress, ...]:
        found = self.counts(self._ask(), page.counters)
        for counter in page.counters:
            if counter.name in found and not found[counter.name].microjoules:
                raise TroubleError(
                    f"{one_line(counter.written)!r} finds nothing",
                    "is it the right page, and the name spelled as it stands there?",
                )
        return tuple(
            Progress(counter, found[counter.name])
            for counter in page.counters
            if counter.name in found
        )

    def _read(self) -> tuple[int, ...]:
        counted = self.counts(self._ask(), (one.counter for one in self._followed))
        return tuple(one.advance(counted.get(one.counter.name, Counts())) for one in self._followed)

    def _find_intervals(self, given: float | None, option: str) -> None:
        gaps = [given] * len(self._followed) if given else self._watch()
        for one, seconds in zip(self._followed, gaps, strict=True):
            one.interval = seconds or one.counter.seconds
            if not one.interval:
                raise TroubleError(
                    f"{one_line(one.counter.written)!r} did not move for {WATCHED_SECONDS:g} s, so"
                    " that it is not known how often it does",
                    f"say it with {option} SECONDS",
                )
            one.check_age()

    def _watch(self) -> list[float | None]:
        """The longest time between two updates of each counter; None where there were none."""
        moved: list[list[float]] = [[] for _ in self._followed]
        last = self._read()
        until = clock() + WATCHED_SECONDS
        while clock() < until and any(len(times) < WATCHED_UPDATES for times in moved):
            counts = self._read()
            for times, before, after in zip(moved, last, counts, strict=True):
                if after != before:
                    times.append(clock())
            last = counts
        return [
            max(b - a for a, b in pairwise(times)) if len(times) > 1 else None for times in moved
        ]
