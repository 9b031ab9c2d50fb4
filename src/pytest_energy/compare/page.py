"""A comparison as people read it on a terminal.

For programs the same is in `as_json`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from pytest_energy.analysis.ratio import role_ratios
from pytest_energy.compare.across import Across, Row, Table
from pytest_energy.compare.judge import Comparison, Pair
from pytest_energy.compare.runs import Run, Runs, differences
from pytest_energy.files import shown_path
from pytest_energy.report import counts as count_words
from pytest_energy.report.console import console, head_rule
from pytest_energy.report.failure import details
from pytest_energy.report.printable import shown
from pytest_energy.report.shortening import columns, ellipsis_of, shortened
from pytest_energy.report.table import accounted_for, interval_of
from pytest_energy.types.counts import Judge
from pytest_energy.types.result import Result, Subject, short_name, some_names
from pytest_energy.types.units import (
    format_change,
    format_interval,
    format_joules,
    format_percent,
    significant,
)
from pytest_energy.types.verdict import COMPARED, Status
from pytest_energy.verdict.counted_energy import joules_per_inference

if TYPE_CHECKING:
    from rich.console import Console

WIDEST = 120
"""Columns that are used at most."""

MOST_ROWS = 1000
"""Rows of tests that are ok, where there are so many; all others have theirs."""

MOST_DETAILED = 20
"""Tests whose change is shown in full; of more, the table has the figures."""

_STYLES = {
    Status.OK: "green",
    Status.IMPROVED: "bold green",
    Status.REGRESSED: "bold red",
}
_DOUBTFUL = "yellow"

_Cell = list[tuple[str, str]]
"""The lines of a cell, each with its style."""


def write(comparison: Comparison, summary: str, stream: TextIO) -> None:
    """Write a comparison for people; colours only where `stream` is a terminal.

    Args:
        comparison: of two runs.
        summary: the last line.
        stream: an open file with a descriptor.
    """
    bad = comparison.regressed or not comparison.compared
    with _page(stream, comparison.runs, summary, "bold red" if bad else "bold") as page:
        for note in comparison.notes:
            page.say(note, "dim")
        page.end()
        _tables(page, comparison)
        _changes(page, comparison)
        _not_compared(page, comparison)


def write_across(found: Across, summary: str, stream: TextIO) -> None:
    """Write ratios and ranks for people.

    Args:
        found: of two runs.
        summary: the last line.
        stream: an open file with a descriptor.
    """
    with _page(stream, found.runs, summary, "bold") as page:
        page.say(f"warning: {found.warning}", "bold yellow")
        page.end()
        for table in found.tables:
            _ranks(page, table)
        reasons: dict[str, list[str]] = {}
        for row in found.rows:
            if row.problem:
                reasons.setdefault(row.problem, []).append(row.subject.short_name)
        for reason, names in reasons.items():
            page.say(f"no ratio: {reason}: {some_names(names)}", _DOUBTFUL)
        other_work: dict[str, list[str]] = {}
        for row in found.rows:
            change = row.counts
            if change is not None and change.energy is not None and not change.unchanged:
                what = count_words.figures(change)
                other_work.setdefault(what, []).append(row.subject.short_name)
        for what, names in other_work.items():
            page.say(f"other work in B: {what}: {some_names(names)}", _DOUBTFUL)


@contextmanager
def _page(stream: TextIO, runs: Runs, summary: str, style: str) -> Iterator[_Page]:
    """What both kinds of page begin and end with; it is written when the block ends."""
    place = console(stream, WIDEST)
    with place.capture() as captured:  # rich ends the process when its reader has gone
        page = _Page(place)
        page.runs(runs.a, runs.b)
        yield page
        _role_ratios(page, runs)
        _one_sided(page, runs.gone, runs.new)
        page.say(summary, style)
    _put(stream, captured.get())


def summary_of(comparison: Comparison) -> str:
    """How many tests were compared, with what outcome, and how many were not.

    Args:
        comparison: of two runs.
    """
    statuses, pairs = comparison.statuses, len(comparison.pairs)
    inside = [_count(statuses, status) for status in Status if status in COMPARED & set(statuses)]
    rest = [_count(statuses, status) for status in Status if status in set(statuses) - COMPARED]
    both = f"{pairs:,} test{'s' * (pairs != 1)} of both runs"
    head = f"compared {comparison.compared:,} of {both}: {', '.join(inside)}"
    if not comparison.compared:
        head = f"nothing was compared of {both}"
    parts = [head]
    if rest:
        parts.append(f"not compared: {', '.join(rest)}")
    return "; ".join([*parts, *_one_sided_counts(comparison.runs)])


def summary_across(found: Across) -> str:
    """How many tests have a ratio or a rank.

    Args:
        found: of two runs.
    """
    rows, ratios = len(found.rows), sum(row.ratio is not None for row in found.rows)
    said = f"{ratios:,} ratio{'s' * (ratios != 1)} of {rows:,} tests of both runs, no verdict"
    return "; ".join([said, *_one_sided_counts(found.runs)])


def _one_sided_counts(runs: Runs) -> list[str]:
    both = (("only in A", runs.gone), ("only in B", runs.new))
    return [f"{len(subjects):,} {word}" for word, subjects in both if subjects]


def _count(statuses: Mapping[Status, int], status: Status) -> str:
    return f"{statuses[status]:,} {status.value.replace('_', ' ')}"


def _put(stream: TextIO, text: str) -> None:
    # Cells are padded to the column; a file of tables needs no blanks at the ends of its lines.
    lines = [line.rstrip() for line in text.rstrip().splitlines()]
    stream.write("\n".join(lines) + "\n")


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of figures beside the names.

    Args:
        heading: of one line or two.
        least: columns of the terminal that it has at least.
    """

    heading: str
    least: int


class _Page:
    """Lines and tables on one console."""

    def __init__(self, place: Console) -> None:
        self._console = place
        self._encoding = place.encoding
        self.width = place.width

    def runs(self, a: Run, b: Run) -> None:
        """Which run is which."""
        for name, run in (("A", a), ("B", b)):
            facts = [shown_path(run.path), run.session.date]
            facts += [f"commit {run.session.commit}"] if run.session.commit else []
            self.say(f"{name}  {', '.join(facts)}", "bold", indent=3)
            if name == "A" or a.machine != b.machine:
                same = " (A and B)" if a.machine == b.machine else ""
                self.say(f"   {run.machine}{same}", "dim", indent=3)

    def end(self) -> None:
        self._console.print()

    def say(self, text: str, style: str = "", indent: int = 2) -> None:
        """A line, folded where it is too long."""
        from rich.text import Text

        folded = textwrap.fill(
            shown(text, self._encoding),
            self.width,
            subsequent_indent=" " * indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        self._console.print(Text(folded, style=style), soft_wrap=True)

    def names(self, subjects: Sequence[Subject], room: int) -> dict[str, str]:
        """What models and tests are shown as, in so many columns, by name."""
        models = {subject.model for subject in subjects}
        tests = {f" {subject.short_name}" for subject in subjects}
        texts = {name: shown(name, self._encoding) for name in sorted(models | tests)}
        short = shortened(texts.values(), room, ellipsis_of(self._encoding))
        return {name: short[text] for name, text in texts.items()}

    def room(self, subjects: Sequence[Subject], others: Sequence[_Column]) -> int:
        """Columns for the names: what the others leave, as far as names need it."""
        spare = self.width - sum(other.least + 1 for other in others)
        longest = max(
            (
                columns(shown(text, self._encoding))
                for subject in subjects
                for text in (subject.model, f" {subject.short_name}")
            ),
            default=0,
        )
        return max(12, min(spare, longest))

    def table(
        self,
        names: Mapping[str, str],
        room: int,
        others: Sequence[_Column],
        rows: Sequence[tuple[Subject, Sequence[_Cell]]],
    ) -> None:
        """A table: model and test of each row, then its cells."""
        from rich.table import Table as Grid
        from rich.text import Text

        rule = head_rule(self._encoding)
        grid = Grid(box=rule, show_edge=False, padding=0, pad_edge=False)
        grid.add_column("model\n test", width=room, overflow="fold")
        for other in others:
            grid.add_column(other.heading, width=other.least, overflow="fold")
        for subject, cells in rows:
            test = names[f" {subject.short_name}"]
            first: _Cell = [(names[subject.model], ""), (test, "dim")]
            grid.add_row(
                *(
                    Text("\n").join(
                        Text(shown(text, self._encoding), style=style) for text, style in cell
                    )
                    for cell in (first, *cells)
                )
            )
        self._console.print(grid)
        self.end()

    def heading(self, text: str) -> None:
        (short,) = shortened([shown(text, self._encoding)], self.width).values()
        self.say(short, "bold underline")


# The gate's verdicts

_COLUMNS = (
    _Column("A", 8),
    _Column("B", 8),
    _Column("change\n95 % interval", 15),
    _Column("allowed", 8),
    _Column("verdict", 12),
)


def _tables(page: _Page, comparison: Comparison) -> None:
    pairs, left_out = _rows(comparison.pairs)
    subjects = [pair.after.subject for pair in pairs]
    room = page.room(subjects, _COLUMNS)
    names = page.names(subjects, room)
    by_task: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_task.setdefault(pair.after.subject.task, []).append(pair)
    for task, of_task in by_task.items():
        page.heading(task)
        rows = [(pair.after.subject, _cells(pair, comparison.judge)) for pair in of_task]
        page.table(names, room, _COLUMNS, rows)
    if left_out:
        page.say(f"{left_out:,} more are left out, each of them ok: --json has every one", "bold")


def _rows(pairs: Sequence[Pair]) -> tuple[Sequence[Pair], int]:
    """The tests that a person wants to see of thousands, and how many are left out."""
    usual = [pair for pair in pairs if pair.status is Status.OK]
    left_out = max(0, len(pairs) - MOST_ROWS)
    gone = set(map(id, usual[len(usual) - min(left_out, len(usual)) :])) if left_out else set()
    return [pair for pair in pairs if id(pair) not in gone], len(gone)


def _cells(pair: Pair, decides: Judge) -> tuple[_Cell, ...]:
    verdict, change = pair.after.verdict, pair.after.verdict.change
    style = _STYLES.get(verdict.status, _DOUBTFUL)
    said: _Cell = [("-", "")]
    allowed: _Cell = [("-", "")]
    if decides is Judge.COUNTED:
        energies = [_counted(one) for one in (pair.before, pair.after)]
    else:
        energies = [_metered(one) for one in (pair.before, pair.after)]
        if change is not None:
            interval = format_interval(change.low, change.high)
            said = [(format_change(change.value), ""), (interval, "dim")]
            allowed = [(f"+{format_percent(float(f'{change.limit:.2g}'))}", "")]
    counts = verdict.counts
    if counts is not None and counts.energy is not None:
        if decides is Judge.COUNTED:
            said = [(count_words.exact_change(counts.energy), ""), ("exact", "dim")]
            allowed = [(f"+{format_percent(pair.after.rule.tolerance)}", "")]
        elif not counts.unchanged:
            said.append((f"counts {count_words.exact_change(counts.energy)}", "dim"))
        else:
            said.append(("counts the same", "dim"))
    word = verdict.status.words
    how: _Cell = [("counted", "dim")] if decides is Judge.COUNTED else []
    sides = ([(text, ""), *(how if text != "-" else [])] for text in energies)
    return *sides, said, allowed, [(word, style)]


def _metered(result: Result) -> str:
    one = result.measurement
    return format_joules(one.joules_per_unit) if one is not None else "-"


def _counted(result: Result) -> str:
    if result.counts is None or not result.counts.inferences:
        return "-"
    return format_joules(joules_per_inference(result.counts))


def _changes(page: _Page, comparison: Comparison) -> None:
    """Regressions as a failing test prints them, then improvements, then counts that changed."""
    carbon = comparison.runs.b.session.carbon
    found = [
        *comparison.regressed,
        *(pair for pair in comparison.pairs if pair.status is Status.IMPROVED),
    ]
    for pair in found[:MOST_DETAILED]:
        style = _STYLES[pair.status]
        page.say(f"{pair.after.subject.key}: {_headline(pair, comparison.judge)}", style)
        for line in details(pair.after, carbon, page.width, "A"):
            page.say(line)
        page.end()
    if len(found) > MOST_DETAILED:
        rest = [pair.after.subject.short_name for pair in found[MOST_DETAILED:]]
        page.say(f"changed as well, with their figures in the table: {some_names(rest)}", "bold")
        page.end()
    said = False
    detailed = set(map(id, found[:MOST_DETAILED]))
    for pair in comparison.pairs:
        why = [] if id(pair) in detailed else accounted_for(pair.after)
        if why:
            page.say(f"{pair.after.subject.short_name}: {why[0]}", "dim")
            said = True
        change = pair.counts
        if pair.status is Status.OK and change is not None and not change.unchanged:
            figures = count_words.figures(change)
            page.say(f"{pair.after.subject.short_name}: counts {figures}", "dim")
            said = True
    if said:
        page.end()


def _headline(pair: Pair, decides: Judge) -> str:
    """What has changed, in a line: `energy regressed: 2.41 J per inference, A 2.10 J`."""
    verdict = pair.after.verdict
    word = verdict.status.value
    if verdict.quality is not None and verdict.quality.decisive:
        return f"quality {word}: {verdict.reason}"
    if decides is Judge.COUNTED:
        now, was = _counted(pair.after), _counted(pair.before)
        return f"energy {word}: {now} counted per {pair.after.subject.act}, A {was}"
    now, was = _metered(pair.after), _metered(pair.before)
    return f"energy {word}: {now} per {pair.after.subject.unit}, A {was}"


def _not_compared(page: _Page, comparison: Comparison) -> None:
    """Why tests of both runs have no verdict, each reason once."""
    reasons: dict[tuple[Status, str], list[str]] = {}
    for pair in comparison.pairs:
        if pair.status not in COMPARED:
            why = (pair.status, pair.after.verdict.reason)
            reasons.setdefault(why, []).append(pair.after.subject.short_name)
    for (status, reason), names in reasons.items():
        said = f"{status.value.replace('_', ' ')}: {reason}" if reason else status.value
        page.say(f"{some_names(names)}: {said}", _DOUBTFUL)
    if any(pair.status is Status.INCONCLUSIVE for pair in comparison.pairs):
        page.say(
            "one session of each revision says little on a noisy machine: pytest"
            " --energy-against=REV runs both side by side",
            "dim",
        )
    if reasons:
        page.end()


def _one_sided(page: _Page, gone: Sequence[Subject], new: Sequence[Subject]) -> None:
    """Tests that one run alone has."""
    elsewhere = {subject.key: subject for subject in new}
    for subject in gone[:MOST_DETAILED]:
        now = elsewhere.get(subject.key)
        other = f" (in B with {differences(subject, now)})" if now is not None else ""
        page.say(f"only in A: {subject.key}{other}", _DOUBTFUL)
    if len(gone) > MOST_DETAILED:
        page.say(f"only in A: {_rest(gone)}", _DOUBTFUL)
    for subject in new[:MOST_DETAILED]:
        page.say(f"only in B: {subject.key}", "cyan")
    if len(new) > MOST_DETAILED:
        page.say(f"only in B: {_rest(new)}", "cyan")
    if gone or new:
        page.end()


def _role_ratios(page: _Page, runs: Runs) -> None:
    """General-purpose over task-specific in each run, of all that it measured."""
    by_task: dict[str, list[str]] = {}
    for name, run in (("A", runs.a), ("B", runs.b)):
        for roles in role_ratios(run.session.results):
            figure = f"{significant(roles.ratio.value)} times{interval_of(roles.ratio)}"
            by_task.setdefault(roles.task, []).append(f"{name} {figure}")
    for task, figures in list(by_task.items())[:MOST_DETAILED]:
        page.say(f"{task}: general-purpose over task-specific: {', '.join(figures)}", "bold")
    if len(by_task) > MOST_DETAILED:
        page.say(f"and {len(by_task) - MOST_DETAILED:,} more tasks: --json has each", "bold")
    if by_task:
        page.end()


def _rest(subjects: Sequence[Subject]) -> str:
    return some_names([short_name(subject.key) for subject in subjects[MOST_DETAILED:]])


# Across machines

_RANK_COLUMNS = (
    _Column("A", 8),
    _Column("rank", 5),
    _Column("B", 8),
    _Column("rank", 5),
    _Column("B over A\n95 % interval", 16),
)


def _ranks(page: _Page, table: Table) -> None:
    rows, left_out = table.rows[:MOST_ROWS], len(table.rows) - MOST_ROWS
    subjects = [row.subject for row in rows]
    room = page.room(subjects, _RANK_COLUMNS)
    page.heading(f"energy per {table.unit}, by rank in A")
    names = page.names(subjects, room)
    page.table(names, room, _RANK_COLUMNS, [(row.subject, _rank_cells(row)) for row in rows])
    if left_out > 0:
        page.say(f"{left_out:,} more are left out: --json has every one", "bold")
    if table.correlation is None:
        page.say(f"No rank correlation: {table.problem}.")
    else:
        count = sum(row.ranks is not None for row in table.rows)
        page.say(f"Rank correlation of {count:,} tests (Spearman): {table.correlation:.2f}")
    page.end()


def _rank_cells(row: Row) -> tuple[_Cell, ...]:
    places = [significant(rank) if rank % 1 else f"{rank:,.0f}" for rank in row.ranks or ()]
    was, now = places or ("-", "-")
    ratio: _Cell = [("-", "")]
    if row.ratio is not None:
        ratio = [(f"{significant(row.ratio.value)} x", "")]
        if row.ratio.low is not None and row.ratio.high is not None:
            ratio.append((f"{significant(row.ratio.low)} to {significant(row.ratio.high)}", "dim"))
    return (
        [(_metered(row.before), "")],
        [(was, "")],
        [(_metered(row.after), "")],
        [(now, "")],
        ratio,
    )
