"""Columns and a summary for pytest-html's page.

pytest-html puts what it is given into its page as HTML, so that every text is escaped here. It
finds what a column is sorted by in the cell itself, by the text between `<td …>` and `</td>`, and
compares texts: a cell with a number begins with a hidden key whose order is that of the numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from html import escape

from pytest_energy.analysis.ratio import role_ratios
from pytest_energy.report import sparkline
from pytest_energy.report.exports.markdown import headline_parts
from pytest_energy.report.printable import printable
from pytest_energy.report.table import ratio_line
from pytest_energy.types.codec import cut
from pytest_energy.types.result import Result
from pytest_energy.types.session import SessionReport
from pytest_energy.types.units import format_change, format_interval, format_joules
from pytest_energy.types.verdict import Status
from pytest_energy.verdict.counted_energy import joules_per_inference

MOST_CHARACTERS = 300
"""Of a name or a reason; of longer ones the ends are shown."""

MOST_RESULTS = 5
"""Results of one test that have a line in its cells: a test may have many regions."""

MOST_RATIOS = 10
"""Tasks whose ratio stands in the summary."""

_COLOURS = {
    Status.OK: "#1a7f37",
    Status.IMPROVED: "#1a7f37",
    Status.NEW: "#0550ae",
    Status.REGRESSED: "#c00000",
    Status.OVER_BUDGET: "#c00000",
}
_DOUBTFUL = "#8a5a00"


def cells(results: Sequence[Result]) -> tuple[str, ...]:
    """The cells of one run of a test, each on one line.

    Args:
        results: of its loop or body, and of its regions.
    """
    if not results:
        return ()
    shown, more = results[:MOST_RESULTS], len(results) - MOST_RESULTS
    rest = f"<br>and {more:,} more" if more > 0 else ""
    first, line = results[0], sparkline.sparkline(results[0])
    return (
        _cell(
            "energyJoules", _key(first, _joules(first)) + "<br>".join(map(_energy, shown)) + rest
        ),
        _cell("energyChange", _key(first, _change(first)) + "<br>".join(map(_changed, shown))),
        _cell("energyVerdict", _hidden(first.verdict.status) + "<br>".join(map(_verdict, shown))),
        _cell("energyHistory", sparkline.svg(line, _said(first, line)) if line else ""),
    )


def summary(report: SessionReport) -> list[str]:
    """Paragraphs above the table: the verdict in a line, and the headline ratio of each task.

    Args:
        report: of the session.
    """
    first, *others = headline_parts([report])
    ratios = [_text(ratio_line(ratio)) for ratio in role_ratios(report.results)]
    if len(ratios) > MOST_RATIOS:
        ratios[MOST_RATIOS:] = [f"and {len(ratios) - MOST_RATIOS:,} more tasks"]
    lines = ["; ".join([f"<strong>{escape(first)}</strong>", *map(escape, others)]), *ratios]
    return [f"<p>{line}</p>" for line in lines]


def _cell(column: str, content: str) -> str:
    return f'<td class="col-{column}">{content}</td>'


def _text(text: str) -> str:
    """A text that others chose, on one line, and as it may stand in HTML."""
    return escape(cut(printable(text), MOST_CHARACTERS))


def _key(result: Result, value: float | None) -> str:
    """What a cell is sorted by, hidden; nothing without a figure, so that the cell is empty.

    Counted figures stand apart from measured ones, which they are never set against.
    """
    measured = "m" if result.measurement is not None else "c"
    return "" if value is None else _hidden(measured + sort_key(value))


def _hidden(key: str) -> str:
    return f'<i hidden data-key="{key}"></i>'


def sort_key(value: float) -> str:
    """A text whose order is that of the number: its bits, turned so that negatives come first.

    Args:
        value: any number.
    """
    (bits,) = struct.unpack(">Q", struct.pack(">d", value))
    bits = bits ^ (2**64 - 1) if bits >> 63 else bits | 1 << 63
    return f"{bits:016x}"


def _joules(result: Result) -> float | None:
    if result.measurement is not None:
        return result.measurement.joules_per_unit
    if result.has_counted_energy and result.counts is not None:
        return joules_per_inference(result.counts)
    return None


def _change(result: Result) -> float | None:
    change, counts = result.verdict.change, result.verdict.counts
    if change is not None:
        return change.value
    return counts.energy if counts is not None else None


def _energy(result: Result) -> str:
    region = f"{_text(result.subject.region)} " if result.subject.region else ""
    joules, unit = _joules(result), result.subject.unit
    if joules is None:
        return f"{region}-" if region else ""
    if result.measurement is None:
        return f"{region}{format_joules(joules)} counted"
    return f"{region}{format_joules(joules)}{'' if unit == 'inference' else f'/{_text(unit)}'}"


def _changed(result: Result) -> str:
    change, value = result.verdict.change, _change(result)
    if value is None:
        return ""
    if change is None:
        return f"{format_change(value)} counted"
    return (
        f"{format_change(value)} <small>(95 %: {format_interval(change.low, change.high)})</small>"
    )


def _verdict(result: Result) -> str:
    verdict = result.verdict
    colour = _COLOURS.get(verdict.status, _DOUBTFUL)
    reason = f' title="{_text(verdict.reason)}"' if verdict.reason else ""
    return f'<span style="color:{colour}"{reason}>{verdict.status.words}</span>'


def _said(result: Result, line: sparkline.Sparkline) -> str:
    """A sparkline in words, as it may stand in HTML."""
    sessions = result.history.sessions if result.history is not None else ()
    figures = ", ".join(format_joules(session.joules_per_unit) for session in sessions)
    limits = f"dashed: {format_change(line.limit)} and as far below"
    now = "" if line.now is None else f"; the larger point: now, {_changed_words(result)}"
    return escape(f"stored sessions: {figures}{now}; {limits}")


def _changed_words(result: Result) -> str:
    change = result.verdict.change
    return format_change(change.value) if change is not None else ""
