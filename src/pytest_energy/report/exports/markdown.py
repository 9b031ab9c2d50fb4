"""Markdown as GitHub and GitLab show it: what changed and what is to blame; the rest is folded.

Whatever a test, a file or a repository has named stands as code: there no sign of Markdown or HTML
means anything, and no `@name`, `#1` or address becomes a link that notifies anybody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pytest_energy.report import counts, training
from pytest_energy.report.exports.selection import latest_results, role_ratios_of, unrun_tests
from pytest_energy.report.printable import printable
from pytest_energy.report.table import ratio_line
from pytest_energy.types.codec import cut
from pytest_energy.types.result import Result, numbers_of, some_names
from pytest_energy.types.session import SessionReport, Unrun
from pytest_energy.types.units import (
    format_change,
    format_grams,
    format_interval,
    format_joules,
)
from pytest_energy.types.verdict import COMPARED, FAILED, Status
from pytest_energy.verdict.counted_energy import joules_per_inference

MOST_BYTES = 1_000_000
"""Of a report, as UTF-8: GitHub shows no more than 1 MiB of a step's summary."""

MOST_CHARACTERS = 300
"""Of a name or a reason; of longer ones the ends are shown."""

MOST_NOTES = 50
"""Lines of each kind about how it was measured; the others are counted."""

MOST_RATIOS = 10
"""Tasks of a machine class whose ratio is shown; the others are counted."""

_RESERVED, _RESERVED_PER_MACHINE = 2000, 1000
"""Bytes that headings, words around the tables and what is said of left out rows take at most."""

_CHANGED = FAILED | {Status.IMPROVED}
_USUAL = (Status.OK, Status.NEW)

_SPECIAL = re.compile(r"[^A-Za-z0-9 \u0080-\U0010ffff-]")


def code(text: str, most: int = MOST_CHARACTERS) -> str:
    """A text that others chose, as code: shown as it is, and nothing in it acts.

    Args:
        text: of one line; what does not show is escaped as on the terminal.
        most: characters that are shown; the middle of a longer text is left out.
    """
    text = cut(printable(text), most)
    if not text:
        return ""
    if "`" in text or "|" in text or text.strip() != text:
        # A code span cannot hold these in a table: a pipe ends the cell, a backtick the span.
        escaped = _SPECIAL.sub(lambda match: f"&#{ord(match[0])};", text)
        return f"<code>{escaped}</code>"
    return f"`{text}`"


def headline(reports: Sequence[SessionReport]) -> str:
    """The verdict in one line.

    Args:
        reports: of one session or of several; of each test what `latest_results` takes.
    """
    first, *others = headline_parts(reports)
    return "; ".join([f"**{first}**", *others])


def headline_parts(reports: Sequence[SessionReport]) -> list[str]:
    """The verdict in a few words, then how many were compared and what became of the others.

    Args:
        reports: of one session or of several; of each test what `latest_results` takes.
    """
    latest = latest_results(reports)
    found = [result.verdict.status for _, result in latest]
    compared = sum(status in COMPARED for status in found)
    failed = ", ".join(numbers_of(found, (s for s in Status if s in FAILED)))
    said = failed or ("no regression" if compared else "nothing was compared")
    inside = numbers_of(found, (s for s in Status if s in COMPARED))
    rest = numbers_of(found, (s for s in Status if s not in COMPARED | FAILED))
    unrun = unrun_tests(reports)
    if compared and not failed and {Unrun.ERROR, Unrun.UNFINISHED} & set(unrun):
        said = "no regression in what ran"
    if compared and not failed and any(_failed_uncompared(*each) for each in latest):
        said = "no regression in what was compared"
    rest += numbers_of(unrun, Unrun)
    parts = [f"Energy: {said}"]
    if compared:
        parts.append(f"{compared:,} compared ({', '.join(inside)})")
    return [*parts, *([", ".join(rest)] if rest else [])]


def _failed_uncompared(report: SessionReport, result: Result) -> bool:
    """Whether a test failed, by an assertion say, so that nothing is known of its energy."""
    return report.has_failed(result.subject.test) and result.verdict.status not in COMPARED


def render(reports: Sequence[SessionReport], most_bytes: int = MOST_BYTES) -> str:
    """The report, in at most so many bytes: rows that find no room are counted.

    Args:
        reports: of one session or of several; of each test and machine class what `latest_results`
            takes.
        most_bytes: as UTF-8.
    """
    lines = [headline(reports), ""]
    by_machine: dict[str, list[tuple[SessionReport, Result]]] = {}
    for report, result in latest_results(reports):
        by_machine.setdefault(report.machine.slug, []).append((report, result))
    reserved = _RESERVED + _RESERVED_PER_MACHINE * len(by_machine)
    if most_bytes < reserved:
        return f"{lines[0]}\n"
    page = _Page(most_bytes - reserved)
    # All tables of what changed first: of one machine's others none takes room from them.
    ratios = {name: _ratios(of, page) for name, of in by_machine.items()}
    changed = {name: page.fitting(_changed_rows(of)) for name, of in by_machine.items()}
    others = {name: page.fitting(_other_rows(of)) for name, of in by_machine.items()}
    for name in by_machine:
        if len(by_machine) > 1:
            lines += [f"#### {code(name)}", ""]
        lines += ratios[name]
        lines += _table(_CHANGED_HEAD, changed[name])
        if others[name].rows or others[name].left_out:
            number = len(others[name].rows) + others[name].left_out
            kind = "other" if changed[name].rows else "result"
            what = f"{number:,} {kind}{'s' * (number != 1)}"
            lines += _folded(what, _table(_OTHERS_HEAD, others[name]))
    notes = [note for note in _notes(reports) if page.has_room(note)]
    if notes:
        lines += _folded("How it was measured", [*notes, ""])
    return "\n".join(lines).rstrip() + "\n"


def _ratios(pairs: Sequence[tuple[SessionReport, Result]], page: _Page) -> list[str]:
    """General-purpose over task-specific, a line per task, in view."""
    found = role_ratios_of(pairs)
    lines = [f"- {code(ratio_line(ratio))}" for ratio in found[:MOST_RATIOS]]
    if len(found) > MOST_RATIOS:
        lines.append(f"- and {len(found) - MOST_RATIOS:,} more tasks: `--energy-json` has each")
    lines = [line for line in lines if page.has_room(line)]
    return [*lines, ""] if lines else []


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of a table, and how many more there are."""

    rows: Sequence[str]
    left_out: int


class _Page:
    """What room is left of a report.

    Args:
        most_bytes: for rows and notes.
    """

    def __init__(self, most_bytes: int) -> None:
        self._left = most_bytes

    def has_room(self, line: str) -> bool:
        """Take the room of a line, where there is so much."""
        size = len(line.encode()) + 1
        if size > self._left:
            return False
        self._left -= size
        return True

    def fitting(self, rows: Iterable[str]) -> _Rows:
        """Rows up to the first that has no room."""
        kept: list[str] = []
        left_out = 0
        for row in rows:
            if left_out or not self.has_room(row):
                left_out += 1
            else:
                kept.append(row)
        return _Rows(kept, left_out)


_CHANGE = "change (95 % interval)"
_CHANGED_HEAD = ("verdict", "test", "energy", _CHANGE, "culprit")
_OTHERS_HEAD = ("verdict", "test", "model", "energy", "CO2e per 1,000", _CHANGE, "reason")


def _table(head: Sequence[str], rows: _Rows) -> list[str]:
    """The table with what it leaves out; nothing for no rows."""
    lines = []
    if rows.rows:
        lines = [f"| {' | '.join(head)} |", "|" + " --- |" * len(head), *rows.rows, ""]
    if rows.left_out:
        lines += [f"{rows.left_out:,} more are left out: `--energy-json` has every one.", ""]
    return lines


def _folded(summary: str, lines: Sequence[str]) -> list[str]:
    # The blank line lets Markdown begin again inside of HTML.
    return [f"<details><summary>{summary}</summary>", "", *lines, "</details>", ""]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _has_changed(report: SessionReport, result: Result) -> bool:
    """Whether a result is shown unfolded: it moved, or its test failed for want of a comparison."""
    if result.verdict.status in _CHANGED:
        return True
    return report.has_failed(result.subject.test) and result.verdict.status not in _USUAL


def _changed_rows(pairs: Sequence[tuple[SessionReport, Result]]) -> Iterable[str]:
    """What failed first, and of that what rose most."""
    found = [result for report, result in pairs if _has_changed(report, result)]
    found.sort(key=lambda result: (result.verdict.status is Status.IMPROVED, -_size(result)))
    for result in found:
        energy = _energy(result)
        yield _row(
            f"**{_status(result)}**", _test(result), energy, _change(result), _culprit(result)
        )


def _size(result: Result) -> float:
    """By how much a result changed, whichever figures decide."""
    change, exact = result.verdict.change, result.verdict.counts
    figures = [change.value] if change is not None else []
    figures += [exact.energy] if exact is not None and exact.energy is not None else []
    return max(figures, key=abs, default=0.0)


def _other_rows(pairs: Sequence[tuple[SessionReport, Result]]) -> Iterable[str]:
    """What is neither ok nor new first: that is what there is something to do about."""
    found = [pair for pair in pairs if not _has_changed(*pair)]
    found.sort(key=lambda pair: pair[1].verdict.status in _USUAL)
    for report, result in found:
        measurement = result.measurement
        grams = ""
        if measurement is not None:
            grams = format_grams(report.carbon.grams_per_1000(measurement.joules_per_unit))
        yield _row(
            _status(result),
            _test(result),
            code(result.subject.model),
            _energy(result),
            grams,
            _change(result),
            code(result.verdict.reason),
        )


def _status(result: Result) -> str:
    return result.verdict.status.words


def _test(result: Result) -> str:
    return code(result.subject.key)


def _energy(result: Result) -> str:
    """Joules per unit; counted ones, and that they are, where nothing was metered."""
    if result.measurement is not None:
        unit = result.subject.unit
        per = "" if unit == "inference" else f" per {code(unit)}"
        return f"{format_joules(result.measurement.joules_per_unit)}{per}"
    if result.has_counted_energy and result.counts is not None:
        joules = joules_per_inference(result.counts)
        return f"{format_joules(joules)} counted"
    return ""


def _change(result: Result) -> str:
    change, exact = result.verdict.change, result.verdict.counts
    said = []
    if change is not None:
        interval = format_interval(change.low, change.high)
        said.append(f"{format_change(change.value)} ({interval})")
    if exact is not None and exact.energy:
        said.append(f"counted {counts.exact_change(exact.energy)}")
    return "<br>".join(said)


def _culprit(result: Result) -> str:
    """Modules and functions that account for the change, else the domain that changed most."""
    verdict = result.verdict
    lines: list[str] = []
    if verdict.counts is not None:
        lines += counts.culprit_lines(verdict.counts)
        lines += counts.function_lines(verdict.counts)
    if not lines and verdict.change is not None and verdict.change.domains:
        name, moved = max(verdict.change.domains.items(), key=lambda each: abs(each[1]))
        if round(moved, 3):  # over a budget, nothing may have changed
            lines.append(f"{name} {format_change(moved)}")
    if not lines and verdict.interpretation:
        lines.append(verdict.interpretation)
    if verdict.reason:
        lines.append(verdict.reason)
    return "<br>".join(code(line.strip()) for line in lines)


def _notes(reports: Sequence[SessionReport]) -> list[str]:
    """Machine, grid, methods and notices, a line each; what the results say of each other.

    Of several runs, what is not of all of them says which it is of.
    """
    lines: list[str] = []
    reports = reports[:MOST_NOTES]
    if not reports:
        return lines
    runs = _runs(reports)
    named, *kinds = zip(*map(_notes_of, reports), strict=True)
    for kind in [_shared(named, [""] * len(reports)), *(_shared(kind, runs) for kind in kinds)]:
        lines += [f"- {line}" for line in kind[:MOST_NOTES]]
        if len(kind) > MOST_NOTES:
            lines.append(f"- and {len(kind) - MOST_NOTES:,} more of this kind")
    return lines


def _runs(reports: Sequence[SessionReport]) -> list[str]:
    """What each run is called in front of a line: its date, and where that says too little more."""
    names = [code(report.date) for report in reports]
    if len(set(names)) < len(names):
        names = [
            f"{name} on {code(report.machine.slug)}"
            for name, report in zip(names, reports, strict=True)
        ]
    if len(set(names)) < len(names):
        names = [f"{name} (run {i})" for i, name in enumerate(names, 1)]
    return names


def _shared(kind: Sequence[Sequence[str]], runs: Sequence[str]) -> list[str]:
    """Lines of one kind, each once, in front of it the runs that say it unless all of them do.

    Args:
        kind: the lines of each run.
        runs: what each is called; empty where the lines name them.
    """
    found: dict[str, list[str]] = {}
    for run, lines in zip(runs, kind, strict=True):
        for line in dict.fromkeys(lines):
            found.setdefault(line, []).append(run)
    return [
        line if len(of) == len(runs) or not any(of) else f"{some_names(of)}: {line}"
        for line, of in found.items()
    ]


def _notes_of(report: SessionReport) -> tuple[list[str], ...]:
    """What there is to say of a session, kind by kind."""
    results, carbon = report.results, report.carbon
    names = {result.subject.model: result.subject.model for result in results}
    tests = {result.subject.short_name: result.subject.short_name for result in results}
    commit = f", commit {code(report.commit)}" if report.commit else ""
    base = [f"compared with the base {code(report.base.label)}"] if report.base else []
    return (
        [f"{code(report.machine.slug)}, {code(report.date)}{commit}"],
        base,
        [
            f"{code(domain.name)}: {domain.method.value} ({code(domain.source)})"
            for domain in report.instrumentation.domains
        ],
        [f"carbon: {code(carbon.label)}; source: {code(carbon.source)}"],
        [code(line, 2 * MOST_CHARACTERS) for line in training.lines(results, carbon, names, tests)],
        [code(notice) for notice in report.notices],
        [f"**{code(problem)}**" for problem in report.problems],
        [f"the gate itself took {report.overhead}"],
    )
