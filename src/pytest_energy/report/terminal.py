"""What a person reads on the terminal: the header, the summary, the closing line."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_energy.files import shown_path
from pytest_energy.report import table
from pytest_energy.report.failure import WIDTH
from pytest_energy.report.printable import encoding_of, printable_lines, readable, shown
from pytest_energy.types.machine import Machine
from pytest_energy.types.measurement import STEADY_VARIABLES
from pytest_energy.types.result import Result, numbers_of, short_name, some_names
from pytest_energy.types.session import BaseSummary, Instrumentation, SessionReport, Unrun
from pytest_energy.types.units import format_percent
from pytest_energy.types.verdict import COMPARED, FAILED, Status

if TYPE_CHECKING:
    import pytest


def header(
    instrumentation: Instrumentation | None,
    machine: Machine,
    baselines: Path,
    base: BaseSummary | None,
    reporter: pytest.TerminalReporter | None,
) -> list[str]:
    """Lines below pytest's own header: meters with their methods, machine class, baseline folder.

    Args:
        instrumentation: what is metered with; None where that is not known.
        machine: the machine class.
        baselines: their folder.
        base: the base of a paired session; None without one.
        reporter: pytest's terminal, for its width.
    """
    place = f"interleaved with {base.label}" if base else f"baselines in {shown_path(baselines)}/"
    lines = [f"{machine.slug}, {place}"]
    if instrumentation is not None:
        meters = ", ".join(
            f"{meter.name} ({'+'.join(meter.methods)})" for meter in instrumentation.meters
        )
        lines = [f"{meters or 'no meter'}, {lines[0]}", *filter(None, [instrumentation.note])]
    lines = [f"energy: {line}" for line in lines]
    width, encoding = _width(reporter), encoding_of_terminal(reporter)
    return [line for long in lines for line in _fold(shown(long, encoding), width)]


def encoding_of_terminal(reporter: pytest.TerminalReporter | None) -> str:
    """The encoding that pytest writes to its terminal in, or to the file that it is redirected to.

    Args:
        reporter: pytest's terminal; without one, it is UTF-8.
    """
    return encoding_of(reporter._tw._file if reporter is not None else None)


def say(reporter: pytest.TerminalReporter, text: str, **markup: bool) -> None:
    """Write a line: printable, and in characters that the terminal has.

    Args:
        reporter: pytest's terminal.
        text: of the line.
        markup: as `TerminalReporter.write_line` has it.
    """
    reporter.write_line(shown(text, encoding_of_terminal(reporter)), **markup)


def make_readable(reporter: pytest.TerminalReporter) -> None:
    """Write the messages of failed tests in what the terminal has, where that lacks a character.

    pytest itself escapes every such character. To be called at the end of a session, when reports
    that are files have taken the messages as they are.

    Args:
        reporter: pytest's terminal, which will print its reports.
    """
    encoding = encoding_of_terminal(reporter)
    for report in reporter.stats.get("failed", ()):
        traceback = getattr(report.longrepr, "reprtraceback", None)
        if traceback is None or not hasattr(report, "energy"):
            continue
        messages = [entry for entry in traceback.reprentries if entry.style == "value"]
        for entry in messages:
            entry.lines = [readable(line, encoding) for line in entry.lines]
        if messages and report.longrepr.reprcrash is not None:
            crash = report.longrepr.reprcrash
            crash.message = readable(crash.message, encoding)


def write_summary(reporter: pytest.TerminalReporter, report: SessionReport, full: bool) -> None:
    """The section at the end: the table if asked for, what went wrong, the closing line.

    Args:
        reporter: pytest's terminal.
        report: of the session; without any result there is no table.
        full: whether to show the table.
    """
    results, width = report.results, _width(reporter)
    encoding = encoding_of_terminal(reporter)

    def write(line: str, **markup: bool) -> None:
        for part in _fold(shown(line, encoding), width):
            reporter.write_line(part, **markup)

    if full and results:
        reporter.write_sep("=", "energy")
        colour = bool(reporter.hasmarkup)
        carbon, stored = report.carbon, report.stored
        detailed = reporter.verbosity > 0
        text = table.render(results, stored, carbon, width, colour, encoding, detailed)
        for line in text.split("\n"):
            reporter.write_line(line)
        for domain in report.instrumentation.domains:
            basis = f": {domain.basis}" if domain.basis else ""
            write(f"{domain.name}: {domain.method} ({domain.source}){basis}")
        measured = [result.measurement for result in results if result.measurement is not None]
        for allocator in sorted({measurement.allocator for measurement in measured}):
            write(f"memory: allocator {allocator} (--energy-allocator)")
    else:
        # Each distinct reason why a baseline could not be used.
        for reason in dict.fromkeys(
            result.verdict.reason
            for result in results
            if result.verdict.status is Status.INCOMPARABLE
        ):
            write(f"energy: incomparable: {reason}", yellow=True)
        for line in stored_lines(report.stored):
            write(f"energy: {line}")
    advice = allocator_advice(results)
    if advice:
        write(f"energy: {advice}")
    errors = dict.fromkeys(r.verdict.paired.error for r in results if r.verdict.paired)
    for error in filter(None, errors):
        reporter.write_sep("_", "energy: output of the base")
        for line in printable_lines(error).split("\n"):
            say(reporter, line)
    for notice in report.notices:
        write(f"energy: {notice}", yellow=True)
    for problem in report.problems:
        write(f"energy: {problem}", red=True)
    doubtful = any(result.verdict.reason for result in results)
    hint = "" if full or not doubtful else " (--energy-report says why)"
    write(closing_line(report) + hint, **closing_markup(report))


MOST_ALIKE = 20
"""Tests with a line each of which the same was done; of more, some are named in one line."""


def stored_lines(stored: Mapping[str, str]) -> list[str]:
    """What `--energy-update` did, a line for each test or for many of which it did the same."""
    alike: dict[str, list[str]] = {}
    for key, text in stored.items():
        alike.setdefault(text, []).append(key)
    lines = []
    for text, keys in alike.items():
        if len(keys) > MOST_ALIKE:
            lines.append(f"{text}: {some_names(list(map(short_name, keys)))}")
        else:
            lines += [f"{key}: {text}" for key in keys]
    return lines


WORTH_SAYING = 0.05
"""Share of an inference's CPU time from which on a saving is said."""


def allocator_advice(results: Sequence[Result]) -> str:
    """What a steady memory allocator saves of the test that it saves most; empty for little."""
    found = [
        (trial.saving, trial.page_faults, result)
        for result in results
        if result.measurement and (trial := result.measurement.allocator_trial)
    ]
    saving, faults, result = max(found, key=lambda each: each[0], default=(0.0, 0, None))
    if result is None or saving < WORTH_SAYING:
        return ""
    return (
        f"{result.subject.short_name}: {faults:,} page faults in an inference: memory is given back"
        f" to the system and taken again; with {STEADY_VARIABLES} in the environment it took"
        f" {format_percent(round(saving, 2))} less CPU time"
    )


def _width(reporter: pytest.TerminalReporter | None) -> int:
    return WIDTH if reporter is None else min(table.WIDEST, int(reporter._tw.fullwidth))


def _fold(line: str, width: int) -> list[str]:
    return textwrap.wrap(
        line, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def closing_line(report: SessionReport) -> str:
    """How many were compared, with what outcome, what did not run, what the gate itself took."""
    found = [result.verdict.status for result in report.results]
    compared = sum(status in COMPARED for status in found)
    inside = ", ".join(numbers_of(found, (s for s in Status if s in COMPARED)))
    rest = numbers_of(found, (s for s in Status if s not in COMPARED))
    rest += numbers_of(report.unrun.values(), Unrun)
    head = f"{compared} compared ({inside})" if compared else "nothing was compared"
    counted = ", ".join([head, *rest])
    return f"energy: {counted}; the gate itself, warm-up included, took {report.overhead}"


def closing_markup(report: SessionReport) -> dict[str, bool]:
    """The closing line's colour: red for a gate that compared nothing or found something."""
    statuses = {result.verdict.status for result in report.results}
    failed = statuses & FAILED
    if failed or not statuses & COMPARED:
        return {"red": True, "bold": True}
    whole = statuses <= COMPARED and not report.unrun
    return {"green": True} if whole else {"yellow": True}
