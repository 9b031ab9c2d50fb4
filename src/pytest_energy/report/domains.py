"""What `-v` adds to the table: domains, latency, and stored sessions as a sparkline."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_energy.report import sparkline
from pytest_energy.report.printable import shown
from pytest_energy.report.shortening import columns, ellipsis_of, shortened
from pytest_energy.types.latency import Latency
from pytest_energy.types.measurement import Measurement
from pytest_energy.types.result import Result
from pytest_energy.types.units import format_joules, format_seconds

MOST_COLUMNS = 30
"""Columns that a domain's name has at most: a meter of somebody else's may name it anything."""


def lines(result: Result, encoding: str) -> Iterator[str]:
    """A line per domain, one of latency, and one of the stored sessions where there are any.

    Args:
        result: of a test or a region.
        encoding: of the terminal.
    """
    if result.measurement is not None:
        yield from _domains(result.measurement, result.subject.unit, encoding)
        if result.measurement.latency is not None:
            yield f"latency  {latency_words(result.measurement.latency)}"
    line, history = sparkline.sparkline(result), result.history
    if line is not None and history is not None:
        count, first = len(history.sessions), history.sessions[0].date[:10]
        sessions = f"{count} sessions since {first}" if count > 1 else f"1 session, {first}"
        yield f"stored  {sparkline.text(line, encoding)}  {sessions}"


def latency_words(latency: Latency) -> str:
    """How long inferences took, in words: of each figure the median, and what 95 % stay below."""
    parts = (
        ("", latency.inference),
        ("first token ", latency.first_token),
        ("per token ", latency.per_token),
    )
    return "; ".join(
        f"{name}{format_seconds(one.median_seconds)}, 95 % below {format_seconds(one.p95_seconds)}"
        for name, one in parts
        if one is not None
    )


def _domains(measurement: Measurement, unit: str, encoding: str) -> Iterator[str]:
    """Name, joules per unit, method, and whether a verdict rests on it, in columns."""
    gated, domains = measurement.gated, measurement.domains
    texts = [shown(domain.name, encoding) for domain in domains]
    short = shortened(texts, MOST_COLUMNS, ellipsis_of(encoding))
    rows = [
        (
            short[name],
            shown(f"{format_joules(joules / measurement.unit_count)} per {unit}", encoding),
            f"{domain.method}, {'gated' if i in gated else 'not gated'}",
        )
        for i, (name, domain, joules) in enumerate(
            zip(texts, domains, measurement.domain_joules, strict=True)
        )
    ]
    names = max((columns(name) for name, _, _ in rows), default=0)
    figures = max((columns(figure) for _, figure, _ in rows), default=0)
    for name, figure, how in rows:
        blanks = " " * (names - columns(name) + 2 + figures - columns(figure))
        yield f"{name}{blanks}{figure}  {how}"
