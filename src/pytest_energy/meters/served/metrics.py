"""The meter `metrics`: an exporter's own page of counters, without a Prometheus in between."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING

from pytest_energy.meters.asking import TroubleError
from pytest_energy.meters.base import MeterUnavailableError
from pytest_energy.meters.readings import one_line
from pytest_energy.meters.served.counters import PRESETS, Counter, Page, Selector
from pytest_energy.meters.served.page import PageClient, server_seconds
from pytest_energy.meters.served.progress import Counts, PageMeter, Series, in_microjoules

if TYPE_CHECKING:
    from pytest_energy.web.transport import Reply

URL_OPTION = "--energy-metrics-url"
PREFIX = "PYTEST_ENERGY_METRICS"
REQUESTS_PREFIX = f"{PREFIX}_REQUESTS"
"""Another server, which is not told the first one's credentials."""

STARTED = "process_start_time_seconds"
"""What client libraries tell of their own process: another one's counters began anew."""

REQUESTS = {
    "vllm:num_requests_running": "running",
    "vllm:num_requests_waiting": "waiting",
    "sglang:num_running_reqs": "running",
    "sglang:num_queue_reqs": "waiting",
    "llamacpp:requests_processing": "running",
    "llamacpp:requests_deferred": "waiting",
    "tgi_batch_current_size": "running",
    "tgi_queue_size": "waiting",
}
"""Gauges of requests at a server, by vLLM, SGLang, llama.cpp and TGI; before and behind a window
none of them are the test's own."""

HOSTS = ("Hostname", "instance", "node_name", "node", "hostname")
"""Labels that name a host; a page of several hosts sums what a test may not have used."""

_now = partial(time.time)  # a test may put another clock in its place

MOST_LINES = 100_000
"""Of one counter; more are no counters of joules of one host."""


@dataclass(slots=True)
class Samples:
    """The samples of a page that somebody asked for.

    Args:
        values: by metric name and labels.
        ages: seconds since a sample was taken, where the page tells that.
    """

    values: dict[tuple[str, Series], float] = field(default_factory=dict)
    ages: dict[tuple[str, Series], float] = field(default_factory=dict)


def parse_page(reply: Reply, names: Iterable[str]) -> Samples:
    """The samples of some metrics; other lines are not looked at, so that a long page costs little.

    Args:
        reply: with a page in the text format of Prometheus.
        names: of the metrics, regular expressions.

    Raises:
        TroubleError: it is no such page, or has one series twice.
    """
    from prometheus_client.parser import text_string_to_metric_families

    pattern = re.compile(rf"(?:{'|'.join(names)})(?=[{{\s])")
    try:
        text = reply.body.decode()
    except ValueError:
        raise TroubleError("the answer is no text in UTF-8", "is it a page of metrics?") from None
    lines = [line for line in text.split("\n") if pattern.match(line)]
    if len(lines) > MOST_LINES:
        raise TroubleError(f"the page has more than {MOST_LINES:,} series of these counters")
    found = Samples()
    now = server_seconds(reply, _now())
    try:
        families = list(text_string_to_metric_families("\n".join(lines) + "\n"))
    except Exception as error:  # of the parser: ValueError mostly, not always
        raise TroubleError(
            f"the page is no text of Prometheus' format: {one_line(str(error), 80)}",
            "is it a page of metrics?",
        ) from None
    for sample in (sample for family in families for sample in family.samples):
        series = frozenset(sample.labels.items())
        key = sample.name, series
        if key in found.values:
            raise TroubleError(f"{shown_series(sample.name, series)} stands there twice")
        found.values[key] = sample.value
        if sample.timestamp is not None:
            found.ages[key] = now - float(sample.timestamp)
    return found


def shown_series(name: str, series: Series) -> str:
    """A series as PromQL writes it, in one line."""
    inside = ", ".join(f'{label}="{value}"' for label, value in sorted(series))
    return one_line(f"{name}{{{inside}}}", 120)


class Metrics(PageMeter):
    """Energy counters of an exporter's page.

    Args:
        page: what is read where; None where no option says anything about it.

    Raises:
        MeterUnavailableError: nothing is named, a library is missing, there is no such page, or
            it has no such counters; says what to do.
    """

    name = "metrics"

    def __init__(self, page: Page | None) -> None:
        if page is None or not page.url or not page.counters:
            raise MeterUnavailableError(
                "no page or no counter is given",
                f"{URL_OPTION} with a page of metrics, and --energy-metrics-counter with"
                f' {", ".join(PRESETS)}, or METRIC{{label="value"}} UNIT',
            )
        try:
            import prometheus_client.parser  # noqa: F401
        except ImportError as error:
            raise MeterUnavailableError(
                f"prometheus_client cannot be imported: {error}",
                "pip install 'pytest-energy[served]'",
            ) from error
        self._ways: dict[str, Selector] = {}
        super().__init__(page, URL_OPTION, PREFIX, "--energy-metrics-interval")
        self._others: PageClient | None = None
        if page.requests_url:
            try:
                self._others = PageClient(
                    page.requests_url, "--energy-metrics-requests", REQUESTS_PREFIX
                )
            except TroubleError as trouble:
                self.close()
                raise MeterUnavailableError(trouble.reason, trouble.hint) from None

    def counts(self, reply: Reply, counters: Iterable[Counter]) -> dict[str, Counts]:
        """The microjoules of every series of each counter, by the counter's name."""
        counters = tuple(counters)
        names = [way.name for counter in counters for way in counter.ways]
        samples = parse_page(
            reply,
            [rf"(?:{name})(?:_created)?" for name in names]
            + [_created(n) for n in names]
            + [STARTED],
        )
        started = samples.values.get((STARTED, frozenset()))
        found = {}
        for counter in counters:
            counts = self._of(counter, samples)
            counts.started = started
            if counts.microjoules or not counter.optional:
                found[counter.name] = counts
        return found

    def _of(self, counter: Counter, samples: Samples) -> Counts:
        chosen = self._ways.get(counter.name)
        for way in counter.ways if chosen is None else (chosen,):
            counts = Counts()
            for (name, series), value in samples.values.items():
                if not way.matches(name, dict(series)):
                    continue
                shown = shown_series(name, series)
                if not isfinite(value) or value < 0:
                    raise TroubleError(f"{shown} is {value:g}, no joules")
                counts.microjoules[shown] = in_microjoules(value, way.unit)
                if (name, series) in samples.ages:
                    counts.ages[shown] = samples.ages[name, series]
                made = samples.values.get((_created(name), series))
                if made is not None:
                    counts.created[shown] = made
                counts.labels[shown] = dict(series)
            if counts.microjoules:
                self._ways[counter.name] = way
                _refuse_several(counter, counts.labels)
                return counts
        return Counts()

    def interference(self) -> tuple[str, ...]:
        """Requests of others at the server, where its page tells: the test has none open now."""
        reply = (self._others or self._client).ask()
        samples = parse_page(reply, map(re.escape, REQUESTS))
        requests = {"running": 0.0, "waiting": 0.0}
        for (name, _), value in samples.values.items():
            if isfinite(value) and value > 0:
                requests[REQUESTS[name]] += value
        parts = [f"{number:g} {state}" for state, number in requests.items() if number]
        return (f"the server works on requests of others ({', '.join(parts)})",) if parts else ()

    def close(self) -> None:
        """Close the connections."""
        super().close()
        others = getattr(self, "_others", None)
        if others is not None:
            others.close()


def _created(name: str) -> str:
    """How the creation time of a counter `x_total` is called: `x_created`."""
    return f"{name.removesuffix('_total')}_created"


def _refuse_several(counter: Counter, labels: Mapping[str, Mapping[str, str]]) -> None:
    """Refuse one board told twice, and series of several hosts.

    Raises:
        TroubleError: says how to name one.
    """
    if counter.once_by:
        seen: set[str] = set()
        for of_one in labels.values():
            value = of_one.get(counter.once_by, "")
            if value and value in seen:
                raise TroubleError(
                    f"two series of one {counter.once_by}, {one_line(value, 60)}, which would count"
                    " it twice",
                    "name one of them with its labels",
                )
            seen.add(value)
    for label in HOSTS:
        hosts = sorted({of_one.get(label, "") for of_one in labels.values()} - {""})
        if len(hosts) > 1:
            raise TroubleError(
                f"series of {len(hosts)} hosts: {one_line(', '.join(hosts), 80)}",
                f'name the serving one: METRIC{{{label}="{one_line(hosts[0], 40)}"}}',
            )
