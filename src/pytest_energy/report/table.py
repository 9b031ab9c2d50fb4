"""The full table of `--energy-report`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_energy.analysis.ratio import RatioEstimate, RoleRatio, role_ratios
from pytest_energy.report import counts, domains, training
from pytest_energy.report.console import head_rule
from pytest_energy.report.failure import idle_power
from pytest_energy.report.printable import shown
from pytest_energy.report.shortening import columns, ellipsis_of, shortened
from pytest_energy.types.carbon import Carbon
from pytest_energy.types.result import Result
from pytest_energy.types.units import (
    format_change,
    format_grams,
    format_interval,
    format_joules,
    format_percent,
    format_seconds,
    share_of_budget,
    significant,
)
from pytest_energy.types.verdict import COMPARED, Status, Verdict
from pytest_energy.verdict.counted_energy import joules_per_inference

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

WIDEST = 200
"""Columns that are used at most; the eye loses the line in longer ones."""

_COMPARISONS = COMPARED | {Status.INCONCLUSIVE}

_STYLES = {
    Status.OK: "green",
    Status.IMPROVED: "bold green",
    Status.REGRESSED: "bold red",
    Status.OVER_BUDGET: "bold red",
    Status.NEW: "cyan",
}
_DOUBTFUL = "yellow"
_BOUGHT = "magenta"

_COLUMNS = (
    ("energy/unit\ntime, power", 15),
    ("per 1,000\nCO2e", 12),
    ("change\n95 % interval", 15),
    ("verdict\nbought", 12),
)
"""Headings of the columns beside the names, and columns of the terminal that each has at least."""

_LEAST_NAMES, _ENOUGH_FOR_NAMES = 12, 40
"""Columns that names have at least, and from which on other columns get theirs first."""

_MOST_FIGURES = 40
"""Columns that each of the other columns has at most."""

MOST_ROWS = 1000
"""Rows of tests that are ok or new, where there are so many; all others have theirs."""

_Cell = list[tuple[str, str]]
"""The lines of a cell, each with its style."""


@dataclass(frozen=True, slots=True)
class _Page:
    """What the lines of one session's tables have in common.

    Args:
        width: columns of a line.
        encoding: of the terminal.
        widths: columns of each of a table's columns, the names first.
        models, tests: the texts that the names are shown as.
    """

    width: int
    encoding: str
    widths: tuple[int, ...]
    models: Mapping[str, str]
    tests: Mapping[str, str]

    def line(self, text: str, style: str) -> Text:
        """A line of its own, folded where it is too long."""
        from rich.text import Text

        return Text(shown(text, self.encoding), style=style)

    def cell(self, lines: _Cell) -> Text:
        """What stands in a cell, each line escaped by itself."""
        from rich.text import Text

        parts = [Text(shown(text, self.encoding), style=style) for text, style in lines]
        return Text("\n").join(parts)


def render(
    results: Sequence[Result],
    stored: Mapping[str, str],
    carbon: Carbon,
    width: int,
    colour: bool,
    encoding: str = "utf-8",
    detailed: bool = False,
) -> str:
    """The full table.

    Args:
        results: at least one.
        stored: what `--energy-update` did, by the subject's key.
        carbon: intensity and PUE.
        width: of the terminal in columns; at most `WIDEST` are used.
        colour: whether escape sequences may stand in it.
        encoding: of the terminal: no character stands in it that this one lacks.
        detailed: whether with the domains and the stored sessions of each result.
    """
    from io import StringIO

    from rich.console import Console

    buffer = StringIO()
    console = Console(
        file=buffer,
        width=min(width, WIDEST),
        force_terminal=colour,
        no_color=not colour,
        color_system="standard" if colour else None,
        highlight=False,
        emoji=False,
        markup=False,
    )
    rows = _rows(results)
    cells = {id(result): _cells(result, carbon) for result in rows}
    page = _page(results, list(cells.values()), console.width, encoding)
    by_task: dict[str, list[Result]] = {}
    for result in rows:
        by_task.setdefault(result.subject.task, []).append(result)
    for task, of_task in by_task.items():
        (heading,) = _short([task], console.width, encoding).values()
        console.print(page.line(heading, "bold underline"))
        console.print(_table(of_task, [cells[id(result)] for result in of_task], page))
    if len(rows) < len(results):
        left_out = f"{len(results) - len(rows):,} more are left out, each of them ok or new"
        console.print(page.line(f"{left_out}: --energy-json has every one", "bold"))
    for text in _details(rows, page) if detailed else ():
        console.print(text)
    for ratio in role_ratios(results):
        console.print(page.line(ratio_line(ratio), "bold"))
    for line in training.lines(results, carbon, page.models, page.tests):
        console.print(page.line(line, "bold"))
    for result in rows:
        note = _note(result, stored)
        if note:
            console.print(page.line(f"{page.tests[result.subject.short_name]}: {note}", "dim"))
    console.print(page.line(f"carbon: {carbon.label}; source: {carbon.source}", "dim"))
    return "\n".join(line.rstrip() for line in buffer.getvalue().rstrip().split("\n"))


def _details(results: Sequence[Result], page: _Page) -> Iterator[Text]:
    """Domains and stored sessions, below the names that stand in the table."""
    for result in results:
        lines = list(domains.lines(result, page.encoding))
        if lines:
            model, test = page.models[result.subject.model], page.tests[result.subject.short_name]
            yield page.line(f"{model} {test}", "")
            yield from (page.line(f"  {line}", "dim") for line in lines)


def _rows(results: Sequence[Result]) -> Sequence[Result]:
    """The results that a person wants to see of thousands: whatever is neither ok nor new first."""
    if len(results) <= MOST_ROWS:
        return results
    usual = [result for result in results if result.verdict.status in (Status.OK, Status.NEW)]
    left_out = set(map(id, usual[max(0, MOST_ROWS - (len(results) - len(usual))) :]))
    return [result for result in results if id(result) not in left_out]


def _short(names: Sequence[str], width: int, encoding: str) -> Mapping[str, str]:
    """What names are shown as, in at most so many columns, by name."""
    texts = {name: shown(name, encoding) for name in names}
    short = shortened(texts.values(), width, ellipsis_of(encoding))
    return {name: short[text] for name, text in texts.items()}


def _page(
    results: Sequence[Result], cells: Sequence[Sequence[_Cell]], width: int, encoding: str
) -> _Page:
    """The same widths in every task's table, as far as the terminal goes."""
    models = [result.subject.model for result in results]
    tests = [result.subject.short_name for result in results]
    spare = width - sum(least + 1 for _, least in _COLUMNS)
    longest = max(columns(shown(name, encoding)) for name in (*models, *(f" {t}" for t in tests)))
    names = max(_LEAST_NAMES, min(spare, longest, _ENOUGH_FOR_NAMES))
    spare -= names
    widths = []
    for (_, least), of_column in zip(_COLUMNS, zip(*cells, strict=True), strict=True):
        needed = max(columns(shown(text, encoding)) for cell in of_column for text, _ in cell)
        more = max(0, min(needed - least, _MOST_FIGURES - least, spare))
        spare -= more
        widths.append(least + more)
    names += max(0, min(spare, longest - names))
    return _Page(
        width,
        encoding,
        (names, *widths),
        _short(models, names, encoding),
        _short(tests, names - 1, encoding),
    )


def _table(results: Sequence[Result], cells: Sequence[Sequence[_Cell]], page: _Page) -> Table:
    from rich.table import Table

    rule = head_rule(page.encoding)
    grid = Table(box=rule, show_edge=False, padding=0, pad_edge=False)
    headings = ("model\n test", *(heading for heading, _ in _COLUMNS))
    for heading, width in zip(headings, page.widths, strict=True):
        grid.add_column(heading, overflow="fold", width=width)
    for result, row in zip(results, cells, strict=True):
        model, test = page.models[result.subject.model], page.tests[result.subject.short_name]
        grid.add_row(*(page.cell(cell) for cell in ([(model, ""), (f" {test}", "dim")], *row)))
    return grid


def _cells(result: Result, carbon: Carbon) -> tuple[_Cell, _Cell, _Cell, _Cell]:
    """What stands beside a result's names."""
    subject, verdict, measurement = result.subject, result.verdict, result.measurement
    style = _STYLES.get(verdict.status, _DOUBTFUL)
    last = [(verdict.status.words, style)]
    if measurement is None:
        return _counted_energy(result), [("-", "")], _counted_change(result), last
    if _within_budget(result):
        last.append(("within budget", "green"))
    if measurement.metered_count != subject.n:
        last.append((f"from {measurement.metered_count:,}", "dim"))
    if subject.concurrency > 1:
        last.append((f"{subject.concurrency:,} at a time", "dim"))
    for quantity, value in (measurement.recorded or {}).items():
        last.append((f"{quantity} {significant(value)}", _BOUGHT))
        quality = verdict.quality
        if quality is not None and quality.name == quantity and quality.stored is not None:
            last.append((f" was {significant(quality.stored)}", "dim"))
    unit = "" if subject.unit == "inference" else f"/{subject.unit}"
    drawn = f"{format_seconds(measurement.seconds_per_unit)}, {significant(measurement.watts)} W"
    energy = [(f"{format_joules(measurement.joules_per_unit)}{unit}", ""), (drawn, "dim")]
    if idle_power(measurement):
        idle = sum(measurement.idle_watts[i] for i in measurement.gated)
        energy.append((f"idle {significant(idle)} W", "dim"))
    per_1000 = [
        (f"{significant(measurement.kwh_per_1000)} kWh", ""),
        (format_grams(carbon.grams_per_1000(measurement.joules_per_unit)), "dim"),
    ]
    return energy, per_1000, _change(verdict), last


def _counted_energy(result: Result) -> _Cell:
    """Counted energy, where nothing was metered and counts decide."""
    if result.counts is None or not result.has_counted_energy:
        return [("-", "")]
    said: _Cell = [(f"{format_joules(joules_per_inference(result.counts))} counted", "")]
    return [*said, ("per step", "dim")] if result.subject.is_training else said


def _counted_change(result: Result) -> _Cell:
    change = result.verdict.counts
    if change is None or change.energy is None or not result.has_counted_energy:
        return [("-", "")]
    return [
        (format_change(change.energy), ""),
        (f"over {format_joules(change.joules_before)}", ""),
        ("counted, exact", ""),
    ]


def _change(verdict: Verdict) -> _Cell:
    change = verdict.change
    if change is None:
        return [("-", "")]
    interval = format_interval(change.low, change.high)
    detects = f"detects {format_change(change.detectable)}"
    over = f"over {format_joules(change.joules)}"
    return [(format_change(change.value), ""), (over, ""), (interval, ""), (detects, "")]


def _note(result: Result, stored: Mapping[str, str]) -> str:
    verdict, change, paired = result.verdict, result.verdict.change, result.verdict.paired
    parts = [stored[result.subject.key]] if result.subject.key in stored else []
    if verdict.reason and not any(verdict.reason in part for part in parts):
        parts.append(verdict.reason)
    if verdict.hint and not parts[:-1]:
        parts.append(verdict.hint)
    if change is not None and change.unverified:
        parts.append(f"the baseline was {change.unverified}")
    parts += accounted_for(result)
    if paired is not None and change is not None:
        base = f"base {format_joules(change.joules)} at {paired.label}"
        parts.append(f"{base}, {paired.pairs} pair{'s' * (paired.pairs != 1)} of blocks")
        parts += ["the test's body differs"] if paired.body_differs else []
        parts += [f"{format_change(paired.accepted)} was accepted"] if paired.accepted else []
    elif change is not None and change.outliers and not verdict.reason:
        blocks = ", ".join(map(str, change.outliers))
        parts.append(f"block{'s' * (len(change.outliers) > 1)} {blocks} stood out")
    if change is not None and change.passes and verdict.status in _COMPARISONS:
        number = len(change.passes)
        several = f"{'two' if number == 2 else number} processes"
        if verdict.paired:
            several = f"{number} pairs of processes"
        parts.append(f"{several}: {', '.join(format_change(one) for one in change.passes)}")
    if result.measurement is not None and _within_budget(result):
        share = result.measurement.joules_per_unit / (result.rule.budget_joules or 1.0)
        text, left = result.rule.budget_text, format_percent(1 - share)
        parts.append(f"{share_of_budget(text, share)} of a budget of {text}, {left} left")
    if change is not None and change.flops:
        flops = f"flops {format_change(change.flops)}"
        parts.append(f"{flops}: {verdict.interpretation}" if verdict.interpretation else flops)
    return "; ".join([*parts, *_of_counts(verdict)])


def _of_counts(verdict: Verdict) -> list[str]:
    """What has changed of exact counts; nothing where nothing has."""
    change = verdict.counts
    if change is None or change.unchanged:
        return []
    if change.energy is None:
        said = [] if change.problem in verdict.reason else [f"counts {counts.figures(change)}"]
    else:
        said = [f"counted {format_change(change.energy)}: {counts.figures(change)}"]
    return [*said, *change.notes]


def accounted_for(result: Result) -> list[str]:
    """What lies between the joules' own change and the judged one, where a row shows both.

    A reader divides the two figures of the row: what they give and what is judged have to agree as
    far as their digits go, in their sign too.

    Args:
        result: of a comparison.

    Returns:
        A clause; none where there is nothing to explain.
    """
    measurement, change, plain = result.measurement, result.verdict.change, result.plain_change
    if measurement is None or change is None or plain is None:
        return []
    now, before = format_joules(measurement.joules_per_unit), format_joules(change.joules)
    rounding = (1 + plain) * (_rounding(now) + _rounding(before)) + _HALF_A_DIGIT
    other_sign = now != before and plain * round(change.value, 3) < 0
    if abs(plain - change.value) <= rounding and not other_sign:
        return []
    judged = format_change(change.value)
    text = f"{now} over {before} is {format_change(plain)}, and {judged} judged"
    reference, why = change.reference_change or 0.0, []
    if abs(reference) > _HALF_A_DIGIT:
        slower = "slower" if reference > 0 else "faster"
        by = format_percent(round(abs(reference), 3))
        why.append(f"by the reference workload the machine is {by} {slower} than it was")
    if not why or abs((1 + plain) / (1 + reference) - 1 - change.value) > rounding:
        typical = "pair of blocks" if result.verdict.paired else "block"
        why.append(f"what is judged is the typical {typical}, not their mean")
    return [f"{text}: {' and '.join(why)}"]


_HALF_A_DIGIT = 0.0005
"""Half of the last digit of a change as it is shown, `+1.3 %`."""


def _rounding(figure: str) -> float:
    """Half of the last digit of a figure as it is shown, `2.93 mJ`, as a share of it."""
    number = figure.split()[0].replace(",", "")
    value, decimals = float(number), len(number.partition(".")[2])
    return 0.5 * 10**-decimals / value if value else 0.0


def _within_budget(result: Result) -> bool:
    """Whether there is a ceiling in energy, and the figure, in doubt or not, is below it."""
    budget, measurement = result.rule.budget_joules, result.measurement
    held = result.verdict.status not in (Status.OVER_BUDGET, Status.INCONCLUSIVE, Status.UNRESOLVED)
    return bool(budget and measurement and held and measurement.joules_per_unit <= budget)


def ratio_line(roles: RoleRatio) -> str:
    """General-purpose over task-specific, in a sentence."""
    ratio = roles.ratio
    return (
        f"{roles.task}: general-purpose takes {significant(ratio.value)} times the energy of"
        f" task-specific{interval_of(ratio)}"
    )


def interval_of(ratio: RatioEstimate) -> str:
    """The interval of a ratio, to stand behind its figure; empty without one."""
    if ratio.low is None or ratio.high is None:
        return ""
    return f" (95 %: {significant(ratio.low)} to {significant(ratio.high)})"
