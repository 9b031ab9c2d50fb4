"""One meter probed: what it counts, its power, how often it moves, what it costs.

Whatever a meter raises becomes the reason why it is not available.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from statistics import median
from time import perf_counter

from pytest_energy.meters.base import (
    Meter,
    MeterLostError,
    MeterSource,
    MeterUnavailableError,
    check_contract,
)
from pytest_energy.meters.readings import checked_counts, error_text
from pytest_energy.meters.updates import observe
from pytest_energy.types.energy import Domain, Method

WATCHED_SECONDS = 0.5
"""Duration of the observation of live power and of other load."""

OBSERVE_SECONDS = 0.005
"""How often counters are read meanwhile, so that power is taken from update to update."""

MOST_READS = 101
"""Readings whose median is the cost of one, at most; fewer where they are slow."""

READING_SECONDS = 0.1
"""No more is spent on timing a meter's readings, once it was read three times."""


@dataclass(frozen=True, slots=True)
class DomainFacts:
    """One thing that a meter counts.

    Args:
        domain: as the meter describes it.
        watts: its power while it was watched; None where it did not move.
        update_seconds: how often its counter was seen to move; None where that was not seen.
    """

    domain: Domain
    watts: float | None
    update_seconds: float | None

    @property
    def stalled(self) -> bool:
        """Whether it is a counter of hardware that should have moved and did not."""
        prompt = self.domain.resolution_seconds <= WATCHED_SECONDS / 4
        return self.domain.method is Method.COUNTER and self.watts is None and prompt


@dataclass(frozen=True, slots=True)
class MeterFacts:
    """One meter.

    Args:
        name: as in `--energy-meter NAME`.
        about: what it counts.
        automatic: whether `auto` may take it.
        found: whether it can be read here.
        reason: why not; empty where it can.
        hint: what to do about it, in one line or several; empty where nothing is known.
        domains: what it counts; also of a meter that was opened and then lost.
        read_seconds: what one reading takes, the median of many.
        interference: what else uses the hardware.
        skipped_hardware: hardware that is there and not counted, and why.
        closed: whether the hardware is there and refuses.
    """

    name: str
    about: str
    automatic: bool
    found: bool
    reason: str
    hint: str
    domains: tuple[DomainFacts, ...]
    read_seconds: float | None
    interference: tuple[str, ...]
    skipped_hardware: tuple[str, ...] = ()
    closed: bool = False

    @property
    def measures(self) -> bool:
        """Whether it is here and any of its domains is more than an estimate."""
        return self.found and any(
            facts.domain.method in (Method.COUNTER, Method.SAMPLED) and not facts.stalled
            for facts in self.domains
        )


class Probe:
    """One meter under examination.

    Args:
        source: of the meter, which is opened right away.
    """

    def __init__(self, source: MeterSource) -> None:
        self._source = source
        self._name = source.name
        self._meter: Meter | None = None
        self._domains: tuple[Domain, ...] = ()
        self._reason = self._hint = ""
        self._closed = False
        self._tracks: list[_Track] = []
        self._watts: list[float | None] = []
        self._updates: tuple[float | None, ...] = ()
        self._read_seconds = 0.0
        self._interference: tuple[str, ...] = ()
        self._attempt(self._open)

    def observe(self, last: bool = False) -> None:
        """Note the counters; those that take long to read, only the first and the last time."""
        slow = self._read_seconds > OBSERVE_SECONDS / 5
        if not self._reason and (last or not slow):
            self._attempt(self._note)

    def try_out(self) -> None:
        """Power, how often it moves, what a reading takes, what else uses the hardware."""
        for step in (self._add_up, self._observe, self._time, self._ask_around):
            if not self._reason:
                self._attempt(step)

    def facts(self) -> MeterFacts:
        """All that was found."""
        nothing = (None,) * len(self._domains)
        figures = zip(self._domains, self._watts or nothing, self._updates or nothing, strict=False)
        return MeterFacts(
            name=self._source.name,
            about=self._source.about,
            automatic=self._source.automatic,
            found=not self._reason,
            reason=self._reason,
            hint=self._hint,
            domains=tuple(DomainFacts(*each) for each in figures),
            read_seconds=None if self._reason else self._read_seconds,
            interference=self._interference,
            skipped_hardware=tuple(map(str, getattr(self._meter, "skipped_hardware", ()))),
            closed=self._closed,
        )

    def lent(self) -> MeterSource:
        """A source of the meter that is open already, for `open_meters` to choose from."""

        def open_again() -> Meter:
            if self._meter is None or not self._domains:
                # The hint stands with the meter.
                raise MeterUnavailableError(self._reason, self._hint and "see above")
            return _Lent(self._meter, self._name, self._domains)

        return replace(self._source, open=open_again)

    def close(self) -> None:
        """Close the meter."""
        if self._meter is not None:
            with suppress(Exception):  # at the end nothing can be done about it
                self._meter.close()

    def _attempt(self, step: Callable[[], None]) -> None:
        try:
            step()
        except KeyboardInterrupt:
            raise
        except MeterUnavailableError as error:
            self._reason, self._hint = error.reason or "no reason given", error.hint
            self._closed = error.closed
        except BaseException as error:  # pytest.skip and sys.exit are no Exceptions
            parts = [] if isinstance(error, MeterLostError) else [type(error).__name__]
            text = error_text(error)
            self._reason = ": ".join(filter(None, [*parts, text])) or "no reason given"

    def _open(self) -> None:
        self._meter = self._source.open()
        if isinstance(self._meter, Meter):
            check_contract(self._meter)
        else:
            raise TypeError(f"what it opened is no Meter: {self._meter!r}")
        domains = tuple(self._meter.domains)
        if not domains or not all(isinstance(domain, Domain) for domain in domains):
            raise TypeError(f"its domains are {domains!r}, and should be one Domain or more")
        self._name, self._domains = str(self._meter.name), domains
        self._tracks = [_Track() for _ in domains]

    def _read(self) -> tuple[int, ...]:
        if self._meter is None:
            raise MeterLostError("it was closed")
        return checked_counts(self._meter.read(), self._domains)

    def _note(self) -> None:
        began = perf_counter()
        counts = self._read()
        now = perf_counter()
        self._read_seconds = now - began
        for track, count in zip(self._tracks, counts, strict=True):
            track.note((began + now) / 2, count)

    def _add_up(self) -> None:
        for domain, track in zip(self._domains, self._tracks, strict=True):
            watts = track.watts(domain.resolution_seconds)
            # Who spends no CPU time moves no estimate of it; a counter of hardware never stands
            # still, and what moves seldom may just not have moved in time.
            prompt = domain.resolution_seconds <= OBSERVE_SECONDS
            still = watts is None and prompt and domain.method is Method.ESTIMATED
            self._watts.append(0.0 if still else watts)

    def _observe(self) -> None:
        if self._meter is not None:
            self._updates = observe(self._meter)

    def _time(self) -> None:
        times: list[float] = []
        began = perf_counter()
        while len(times) < 3 or (
            len(times) < MOST_READS and perf_counter() - began < READING_SECONDS
        ):
            start = perf_counter()
            self._read()
            times.append(perf_counter() - start)
        self._read_seconds = median(times)

    def _ask_around(self) -> None:
        if self._meter is not None:
            self._interference = tuple(str(clause) for clause in self._meter.interference())


class _Track:
    """One counter while it is watched."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None
        self._last = (0.0, 0)
        self._moves: list[tuple[float, int]] = []
        self._notes = 0

    def note(self, seconds: float, microjoules: int) -> None:
        if self._first is None:
            self._first = (seconds, microjoules)
        elif microjoules != self._last[1]:
            self._moves.append((seconds, microjoules))
        self._last = (seconds, microjoules)
        self._notes += 1

    def watts(self, resolution_seconds: float) -> float | None:
        """Mean power from the first move to the last; None where it is unknown."""
        ends = [self._moves[0], self._moves[-1]] if len(self._moves) > 1 else []
        if self._notes == 2 and self._moves and self._first is not None:
            # Too slow to be read in between.
            ends = [self._first, self._last]
            if resolution_seconds > WATCHED_SECONDS / 5:
                return None
        if not ends:
            return None
        (t1, e1), (t2, e2) = ends
        watts = (e2 - e1) / 1e6 / (t2 - t1)
        return watts if math.isfinite(watts) else None


class _Lent(Meter):
    """An open meter once more; closed by its owner."""

    def __init__(self, meter: Meter, name: str, domains: tuple[Domain, ...]) -> None:
        self._meter = meter
        self.name = name
        self.domains = domains
        self.covers = meter.covers
        self.max_read_interval_seconds = meter.max_read_interval_seconds
        self.remote = meter.remote

    def read(self) -> tuple[int, ...]:
        """The counters of the meter itself."""
        return self._meter.read()
