"""Two runs of different machines: ratios of energies, and their order. Never a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pytest_energy.analysis.ranks import FEWEST, ranks, spearman
from pytest_energy.analysis.ratio import RatioEstimate, ratio
from pytest_energy.compare.judge import counts_change, why_no_figure
from pytest_energy.compare.runs import FIRST, Runs
from pytest_energy.types.counts import CountsChange
from pytest_energy.types.measurement import Measurement
from pytest_energy.types.result import Result, Subject
from pytest_energy.verdict.comparability import Conditions, why_incomparable


@dataclass(frozen=True, slots=True)
class Row:
    """A test of both runs.

    Args:
        before, after: what the first and the second run have of it.
        ratio: the second run's energy per unit over the first's; None where that says nothing.
        problem: why there is no ratio, as a clause; empty where there is one.
        ranks: its place among the tests of its table by energy in each run, from 1, the least
            energy first; None where it has no figure that can be ranked, and for a region.
        counts: what has changed of exact counts; None where they are not in both runs.
    """

    before: Result
    after: Result
    ratio: RatioEstimate | None
    problem: str = ""
    ranks: tuple[float, float] | None = None
    counts: CountsChange | None = None

    @property
    def subject(self) -> Subject:
        """As the second run measured it."""
        return self.after.subject


@dataclass(frozen=True, slots=True)
class Table:
    """Tests whose energies are per the same unit.

    Args:
        unit: `inference`, `step`, `token`, …
        rows: in the order of their rank in the first run; what has none comes last.
        correlation: Spearman's, of the ranks in both runs; None where there is none to tell.
        problem: why there is none, as a clause.
    """

    unit: str
    rows: tuple[Row, ...]
    correlation: float | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Across:
    """Two runs whose figures may not be judged against each other.

    Args:
        runs: both.
        warning: what the figures are not.
        tables: one per unit.
    """

    runs: Runs
    warning: str
    tables: tuple[Table, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """Of all tables."""
        return tuple(row for table in self.tables for row in table.rows)

    @property
    def said(self) -> int:
        """Tests that have a ratio or a rank."""
        return sum(row.ratio is not None or row.ranks is not None for row in self.rows)


def across(runs: Runs) -> Across:
    """Ratios and ranks.

    Args:
        runs: both.
    """
    by_unit: dict[str, list[_Found]] = {}
    for before, after in runs.pairs:
        subject = after.subject
        unit = "step" if subject.is_training else subject.unit
        by_unit.setdefault(unit, []).append(_found(runs, before, after))
    tables = tuple(_ranked(unit, rows) for unit, rows in by_unit.items())
    return Across(runs, _warning(runs), tables)


def _warning(runs: Runs) -> str:
    if runs.a.machine == runs.b.machine:
        return (
            "both runs are of one machine class, and without --across they are judged: these are"
            " ratios and ranks, and no verdict"
        )
    return (
        f"two machine classes, {runs.a.machine} and {runs.b.machine}: ratios hold for these two"
        " runs, and nothing here is a verdict"
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """A row, and whether its figures can be ranked: both are there, and of the same work."""

    row: Row
    has_figures: bool


def _found(runs: Runs, before: Result, after: Result) -> _Found:
    no_figures = _why_no_figures(before, after)
    problem = no_figures or _why_no_ratio(before, after)
    return _Found(_row(runs, before, after, problem), not no_figures)


def _row(runs: Runs, before: Result, after: Result, problem: str) -> Row:
    counts = counts_change(runs.a, before, after)
    found = None
    if not problem and before.measurement is not None and after.measurement is not None:
        try:
            found = ratio([after.measurement], [before.measurement])
        except (ArithmeticError, ValueError) as error:  # a report may have been edited
            problem = f"nothing can be computed with its figures ({error})"
    return Row(before, after, found, problem, counts=counts)


def _why_no_ratio(before: Result, after: Result) -> str:
    """Why two figures have no ratio that says anything, as a clause; empty where they have."""
    if before.measurement is None or after.measurement is None:
        return ""
    was, now = _method(before.measurement), _method(after.measurement)
    return f"the {FIRST}'s figure is of {was}, now of {now}" if was != now else ""


def _why_no_figures(before: Result, after: Result) -> str:
    """Why two results are not of the same work, or one of them is no figure."""
    was, now = (Conditions(one.subject, (), (), "", "") for one in (before, after))
    problem = why_incomparable(was, now, FIRST)
    if problem:
        return problem
    for name, one in ((FIRST, before), ("second run", after)):
        try:
            why = why_no_figure(one)
        except (ArithmeticError, ValueError) as error:
            why = f"nothing can be computed with it ({error})"
        if why:
            return f"the {name} has no figure to compare: {why}"
    return ""


def _method(measurement: Measurement) -> str:
    """What hardware a figure is of, and how it came about: `cpu (counter) + gpu (counter)`."""
    gated = (measurement.domains[i] for i in measurement.gated)
    return " + ".join(sorted({f"{domain.kind} ({domain.method})" for domain in gated}))


def _ranked(unit: str, rows: Sequence[_Found]) -> Table:
    """Rows with their ranks: of whole tests that have a figure in both runs."""
    whole = [one.row for one in rows if one.has_figures and not one.row.subject.region]
    figures = [
        (row.before.measurement, row.after.measurement)
        for row in whole
        if row.before.measurement and row.after.measurement
    ]
    joules = [[one.joules_per_unit for one in side] for side in zip(*figures, strict=True)]
    placed: dict[int, tuple[float, float]] = {}
    if joules:
        both = zip(*(ranks(side) for side in joules), strict=True)
        placed = {id(row): (was, now) for row, (was, now) in zip(whole, both, strict=True)}
    found = [replace(row, ranks=placed.get(id(row))) for row in (one.row for one in rows)]
    found.sort(key=lambda row: (row.ranks is None, row.ranks or ()))
    correlation, problem = None, ""
    for name, side in zip(("A", "B"), zip(*figures, strict=True), strict=False):
        if len({_method(one) for one in side}) > 1:
            problem = f"tests were metered in different ways in {name}"
    if len(whole) < FEWEST:
        problem = f"{len(whole)} test{'s' * (len(whole) != 1)} in both; it takes {FEWEST} or more"
    if not problem:
        try:
            correlation = spearman(*joules)
        except ValueError as error:
            problem = str(error)
    return Table(unit, tuple(found), correlation, problem)
