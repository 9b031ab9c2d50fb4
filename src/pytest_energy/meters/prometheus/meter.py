"""Joules that are spent elsewhere: cumulative counters that a Prometheus server scrapes.

For models that are served by another process or on another host. A query is asked as an instant
query (`/api/v1/query`); each series of its answer is followed on its own, and a domain counts the
sum of their increases. What cannot be known, a reset or a series that joins, is no figure.

Where each metric name and unit is documented stands beside the presets. Staleness: Prometheus ends
a series with a marker when its target or the scrape fails, and looks back for up to five minutes
where there is no marker (docs/querying/basics.md, "Staleness"), so that samples of a plain selector
are checked for their age as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal

from pytest_energy.meters.asking import TroubleError
from pytest_energy.meters.base import Meter, MeterLostError, MeterUnavailableError
from pytest_energy.meters.prometheus.queries import MICROJOULES, OWN, PRESETS, Endpoint, Query
from pytest_energy.meters.prometheus.server import (
    EXACT,
    MARK,
    Answer,
    Labels,
    Server,
)
from pytest_energy.meters.readings import MOST_MICROJOULES, one_line
from pytest_energy.types.energy import Domain, Method
from pytest_energy.world import clock

STALE_SCRAPES = 3
"""Scrape intervals without a new sample after which a series is stale."""

SHORTEST_STALE_SECONDS = 1.0
"""Scrapes every few milliseconds are late on a busy host; that is no reason to lose the meter."""

_QUOTED = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)"""
_SELECTOR = re.compile(
    rf"[a-zA-Z_:][\w:]*\s*(?:\{{\s*(?:\w+\s*(?:=~|!~|!=|=)\s*{_QUOTED}\s*,?\s*)*\}})?"
)


def _slowest(series: Iterable[Labels], targets: Sequence[tuple[Mapping[str, str], float]]) -> float:
    """The scrape interval behind some series: of their targets, else of all there are, seconds."""
    slowest = 0.0
    for labels in map(dict, series):
        same: Sequence[tuple[Mapping[str, str], float]] = ()
        for names in (("job", "instance"), ("job",)):
            if not same and all(name in labels for name in names):
                same = [t for t in targets if all(t[0].get(n) == labels[n] for n in names)]
        slowest = max(slowest, *(seconds for _, seconds in same or targets))
    return slowest


class _Counter:
    """One domain: its series, and what they counted since the meter was opened."""

    def __init__(self, server: Server, query: Query, promql: str) -> None:
        self._server = server
        self._query = query
        self._promql = promql
        # timestamp() and resets() take a selector; of anything else the server alone knows.
        self._plain = _SELECTOR.fullmatch(promql) is not None
        self._total = 0
        self._lost = ""
        self.interval = 0.0
        self._asked = clock()
        answer = self._ask("")
        self._last = self._counts(answer.values)
        self._ages = answer.ages
        if query.once_by:
            self._refuse_shared(query.once_by)

    @property
    def series(self) -> Iterable[Labels]:
        return self._last

    def where(self, trouble: TroubleError) -> str:
        """What went wrong, with the query and the server that it was asked of."""
        return _where(self._server, self._promql, trouble)

    def check_fresh(self, ages: Mapping[Labels, float] | None = None) -> None:
        """Say when a series has not been scraped for some intervals, by its age in seconds."""
        limit = max(SHORTEST_STALE_SECONDS, STALE_SCRAPES * self.interval)
        for series, age in (self._ages if ages is None else ages).items():
            if age > limit:
                raise TroubleError(
                    f"{_shown(series)} is stale: its last sample is {age:.3g} s old, and it is"
                    f" scraped every {self.interval:g} s"
                )

    def read(self) -> int:
        """Microjoules since the meter was opened."""
        if self._lost:
            raise TroubleError(self._lost)
        asked = clock()
        # From just before the last sample that was seen, so that a counter which fell back and has
        # overtaken its old value since cannot be distinguished from one that has only risen.
        age = max(self._ages.values(), default=0.0)
        back = asked - self._asked + age + self.interval / 2
        answer = self._ask(f"{max(1, int(back * 1000))}ms")
        counts = self._counts(answer.values)
        for series in counts:
            if series not in self._last:
                self._lose(f"{_shown(series)} is new: what it counted before is not known")
            if counts[series] < self._last[series] or answer.resets.get(series):
                self._lose(f"the counter of {_shown(series)} was reset, or wrapped")
        for series in self._last:
            if series not in counts:
                raise TroubleError(
                    f"{_shown(series)} is gone: its exporter or its target is down"
                    if counts
                    else "finds nothing any more: its exporter or its target is down"
                )
        self.check_fresh(answer.ages)
        self._total += sum(counts.values()) - sum(self._last.values())
        self._last, self._ages, self._asked = counts, answer.ages, asked
        return self._total

    def _lose(self, reason: str) -> None:
        # For good: a window around this one would take the sum as complete.
        self._lost = f"{reason}; the meter is lost for the rest of this session"
        raise TroubleError(self._lost)

    def _ask(self, back: str) -> Answer:
        promql = self._promql
        if self._plain:
            parts = [("time", f"timestamp({promql})")]
            if back:
                parts.append(("resets", f"resets({promql}[{back}])"))
            marked = (f'label_replace({part}, "{MARK}", "{mark}", "", "")' for mark, part in parts)
            promql = " or ".join((promql, *marked))
        return self._server.ask(promql, named=not self._plain)

    def _counts(self, values: Mapping[Labels, Decimal]) -> dict[Labels, int]:
        most = MOST_MICROJOULES // self._query.microjoules
        counts = {}
        for series, value in values.items():
            if not value.is_finite() or not 0 <= value <= most:
                raise TroubleError(
                    f"{_shown(series)} is {one_line(str(value), 40)}, no joules",
                    "ask for counters of joules, which begin at 0",
                )
            count = EXACT.multiply(value, Decimal(self._query.microjoules))
            counts[series] = int(count.to_integral_value(ROUND_HALF_EVEN, EXACT))
        return counts

    def _refuse_shared(self, label: str) -> None:
        owners: dict[str, Labels] = {}
        for series in self._last:
            value = dict(series).get(label, "")
            other = owners.setdefault(value, series)
            if value and other != series:
                name = self._promql
                raise TroubleError(
                    f"two series of one {label}, {one_line(value)}, which would count it twice",
                    f"ask for each once: '{self._query.name}=max by ({label}) ({name})"
                    f" * {self._query.microjoules / MICROJOULES:g}'",
                )


def _where(server: Server, promql: str, trouble: TroubleError) -> str:
    return f"query {one_line(promql)!r} at {server.url}: {trouble.reason}"


def _shown(series: Labels) -> str:
    labels = dict(series)
    name = labels.pop("__name__", "")
    inside = ", ".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    return one_line(f"{name}{{{inside}}}", 120)


class Prometheus(Meter):
    """Energy counters of a served model, as a Prometheus server last scraped them.

    Args:
        endpoint: the server and the queries; None where no option says anything about them.

    Raises:
        MeterUnavailableError: no query, no requests, no such server, a query that it cannot answer
            with counts of joules, or no way to know how often they are scraped.
    """

    name = "prometheus"
    remote = True

    def __init__(self, endpoint: Endpoint | None) -> None:
        if endpoint is None or not endpoint.queries:
            raise MeterUnavailableError(
                "no query is given",
                f"--energy-prometheus-query with {', '.join(PRESETS)}, or PromQL that gives joules",
            )
        try:
            self._server = Server(endpoint.url)
        except TroubleError as trouble:
            raise MeterUnavailableError(trouble.reason, trouble.hint) from None
        try:
            counted = [(query, _open(self._server, query)) for query in endpoint.queries]
            opened = [(query, counter) for query, counter in counted if counter is not None]
            self._counters = tuple(counter for _, counter in opened)
            _find_intervals(self._server, self._counters, endpoint.interval_seconds)
        except MeterUnavailableError:
            self._server.close()
            raise
        self.domains = tuple(
            Domain(
                query.name,
                query.kind,
                Method.COUNTER,
                query.source,
                counter.interval,
                # Another query of the user's own is another figure; a preset's stays the same.
                basis="" if query.source != OWN else one_line(query.ways[0], 1000),
            )
            for query, counter in opened
        )
        self.covers = frozenset[str]().union(*(query.whole for query, _ in opened))

    def read(self) -> tuple[int, ...]:
        """Microjoules since the meter was opened, query by query, as of the last scrape."""
        return tuple(_read(counter) for counter in self._counters)

    def close(self) -> None:
        """Close the connections."""
        self._server.close()


def _read(counter: _Counter) -> int:
    try:
        return counter.read()
    except TroubleError as trouble:
        raise MeterLostError(counter.where(trouble)) from None


def _open(server: Server, query: Query) -> _Counter | None:
    """The counter behind the first way that finds something; None for an optional one."""
    for promql in query.ways:
        try:
            counter = _Counter(server, query, promql)
        except TroubleError as trouble:
            where = _where(server, promql, trouble)
            raise MeterUnavailableError(where, trouble.hint) from None
        if counter.series:
            return counter
    if query.optional:
        return None
    asked = ", ".join(repr(one_line(promql)) for promql in query.ways)
    raise MeterUnavailableError(
        f"query {asked} at {server.url}: finds nothing",
        "is the exporter running, and a target of this server?",
    )


def _find_intervals(server: Server, counters: Iterable[_Counter], given: float | None) -> None:
    try:
        targets = server.scrape_intervals()
        reason = "" if targets else "the server has no active targets"
    except TroubleError as trouble:
        targets, reason = [], trouble.reason
    if not targets and given is None:
        raise MeterUnavailableError(
            f"how often the counters are scraped cannot be found out at {server.url}: {reason}",
            "say it with --energy-prometheus-interval SECONDS",
        )
    for counter in counters:
        scraped = _slowest(counter.series, targets) if targets else 0.0
        counter.interval = max(scraped, given or 0.0)
        try:
            counter.check_fresh()
        except TroubleError as trouble:
            raise MeterUnavailableError(counter.where(trouble)) from None
