"""The full table of `--energy-report`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_energy.analysis.ratio import RoleRatio, role_ratios
from pytest_energy.report import training
from pytest_energy.report.failure import WIDTH, idle_power
from pytest_energy.types.carbon import Carbon
from pytest_energy.types.measurement import Measurement
from pytest_energy.types.result import Result
from pytest_energy.types.units import (
    format_change,
    format_grams,
    format_joules,
    format_percent,
    format_seconds,
    share_of_budget,
    significant,
)
from pytest_energy.types.verdict import COMPARED, Status, Verdict

if TYPE_CHECKING:
    from rich.table import Table

_COMPARISONS = COMPARED | {Status.INCONCLUSIVE}

_STYLES = {
    Status.OK: "green",
    Status.IMPROVED: "bold green",
    Status.REGRESSED: "bold red",
    Status.OVER_BUDGET: "bold red",
    Status.NEW: "cyan",
}
_DOUBTFUL = "yellow"

_COLUMNS = (
    ("energy/unit\ntime, power", 15),
    ("per 1,000\nCO2e", 12),
    ("change\n95 % interval", 15),
    ("verdict\nbought", 12),
)


def render(
    results: Sequence[Result], stored: Mapping[str, str], carbon: Carbon, width: int, colour: bool
) -> str:
    """The full table.

    Args:
        results: at least one.
        stored: what `--energy-update` did, by the subject's key.
        carbon: intensity and PUE.
        width: of the terminal in columns; at most 100 are used.
        colour: whether escape sequences may stand in it.
    """
    from io import StringIO

    from rich.console import Console
    from rich.text import Text

    buffer = StringIO()
    console = Console(
        file=buffer,
        width=min(width, WIDTH),
        force_terminal=colour,
        no_color=not colour,
        color_system="standard" if colour else None,
        highlight=False,
        emoji=False,
        markup=False,
    )
    for task in dict.fromkeys(result.subject.task for result in results):
        of_task = [result for result in results if result.subject.task == task]
        console.print(Text(task, style="bold underline"))
        console.print(_table(of_task, carbon, console.width))
    for ratio in role_ratios(results):
        console.print(Text(ratio_line(ratio), style="bold"))
    for line in training.lines(results, carbon):
        console.print(Text(line, style="bold"))
    for result in results:
        note = _note(result, stored)
        if note:
            name = result.subject.short_name
            console.print(Text(f"{name}: ", style="dim").append(note), soft_wrap=False)
    console.print(Text(f"carbon: {carbon.label}; source: {carbon.source}", style="dim"))
    return buffer.getvalue().rstrip("\n")


def _table(results: Sequence[Result], carbon: Carbon, width: int) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=0, pad_edge=False)
    # The same widths in every task's table; names get what is left.
    left = width - sum(columns + 1 for _, columns in _COLUMNS)
    grid.add_column("model\n test", overflow="fold", width=max(12, min(left, 40)))
    for heading, columns in _COLUMNS:
        grid.add_column(heading, overflow="fold", width=columns)
    for result in results:
        subject, verdict, measurement = result.subject, result.verdict, result.measurement
        name = subject.short_name
        first = Text(f"{subject.model}\n").append(f" {name}", style="dim")
        style = _STYLES.get(verdict.status, _DOUBTFUL)
        last = Text(verdict.status.value.replace("_", " "), style=style)
        if measurement is None:
            grid.add_row(first, "-", "-", "-", last)
            continue
        if _within_budget(result):
            last.append("\nwithin budget", style="green")
        if measurement.metered_count != subject.n:
            last.append(f"\nfrom {measurement.metered_count:,}", style="dim")
        for quantity, value in (measurement.recorded or {}).items():
            last.append(f"\n{quantity} {significant(value)}", style="dim")
            quality = verdict.quality
            if quality is not None and quality.name == quantity and quality.stored is not None:
                last.append(f"\n was {significant(quality.stored)}", style="dim")
        unit = "" if subject.unit == "inference" else f"/{subject.unit}"
        grid.add_row(
            first,
            Text(f"{format_joules(measurement.joules_per_unit)}{unit}\n").append(
                f"{format_seconds(measurement.seconds_per_unit)},"
                f" {significant(measurement.watts)} W{_idle_total(measurement)}",
                style="dim",
            ),
            Text(f"{significant(measurement.kwh_per_1000)} kWh\n").append(
                f"{format_grams(carbon.grams(measurement.joules_per_unit) * 1000)}", style="dim"
            ),
            _change(verdict),
            last,
        )
    return grid


def _change(verdict: Verdict) -> str:
    change = verdict.change
    if change is None:
        return "-"
    interval = f"{100 * change.low:+.1f} to {100 * change.high:+.1f}"
    detects = f"detects {format_change(change.detectable)}"
    return f"{format_change(change.value)}\n{interval}\n{detects}"


def _note(result: Result, stored: Mapping[str, str]) -> str:
    verdict, change, paired = result.verdict, result.verdict.change, result.verdict.paired
    parts = [stored[result.subject.key]] if result.subject.key in stored else []
    if verdict.reason and not any(verdict.reason in part for part in parts):
        parts.append(verdict.reason)
    if verdict.hint and not parts[:-1]:
        parts.append(verdict.hint)
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
        parts.append(f"flops {format_change(change.flops)}: {verdict.interpretation}")
    return "; ".join(parts)


def _within_budget(result: Result) -> bool:
    """Whether there is a ceiling in energy, and the figure, in doubt or not, is below it."""
    budget, measurement = result.rule.budget_joules, result.measurement
    held = result.verdict.status not in (Status.OVER_BUDGET, Status.INCONCLUSIVE, Status.UNRESOLVED)
    return bool(budget and measurement and held and measurement.joules_per_unit <= budget)


def ratio_line(roles: RoleRatio) -> str:
    """General-purpose over task-specific, in a sentence."""
    ratio = roles.ratio
    interval = (
        f" (95 %: {significant(ratio.low)} to {significant(ratio.high)})"
        if ratio.low is not None and ratio.high is not None
        else ""
    )
    return (
        f"{roles.task}: general-purpose takes {significant(ratio.value)} times the energy of"
        f" task-specific{interval}"
    )


def _idle_total(measurement: Measurement) -> str:
    if not idle_power(measurement):
        return ""
    return f"\nidle {significant(sum(measurement.idle_watts[i] for i in measurement.gated))} W"
