"""What a person reads on the terminal: a failing test's message, the table, the closing line."""

from __future__ import annotations

import shlex
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_energy.analysis import ratio as ratios
from pytest_energy.files import shown_path
from pytest_energy.report import training
from pytest_energy.types.carbon import Carbon
from pytest_energy.types.energy import Method
from pytest_energy.types.measurement import Measurement
from pytest_energy.types.result import Result
from pytest_energy.types.units import (
    format_change,
    format_flops,
    format_grams,
    format_joules,
    format_percent,
    format_seconds,
    significant,
)
from pytest_energy.types.verdict import COMPARED, PairedBase, Status, Verdict

if TYPE_CHECKING:
    import pytest
    from rich.table import Table

    from pytest_energy.gate.results_log import ResultsLog
    from pytest_energy.gate.session import EnergySession

WIDEST = 100
"""Columns that a report uses at most."""

_STYLES = {
    Status.OK: "green",
    Status.IMPROVED: "bold green",
    Status.REGRESSED: "bold red",
    Status.OVER_BUDGET: "bold red",
    Status.NEW: "cyan",
}
_DOUBTFUL = "yellow"


def header(session: EnergySession, reporter: pytest.TerminalReporter | None) -> list[str]:
    """Lines below pytest's own header: meters with their methods, machine class, baseline folder.

    Args:
        session: of the metered tests.
        reporter: pytest's terminal, for its width.
    """
    width = _width(reporter)
    meters = session.meters
    named = ", ".join(
        f"{meter.name} ({'+'.join(sorted({domain.method for domain in meter.domains}))})"
        for meter in meters.meters
    )
    against = session.against
    lines = [f"energy: {named or 'no meter'}, {session.machine.slug}, "]
    if against is None:
        lines[0] += f"baselines in {shown_path(session.settings.baselines)}/"
    else:
        lines[0] += f"in turns with {against.label}"
    lines += [f"energy: {meters.note}"] if meters.note else []
    return [line for long in lines for line in _fold(long, width)]


def write_summary(
    reporter: pytest.TerminalReporter, ledger: ResultsLog, session: EnergySession, full: bool
) -> None:
    """The section at the end: the table if asked for, what went wrong, the closing line.

    Args:
        reporter: pytest's terminal.
        ledger: at least one test's results.
        session: whose carbon intensity and meters.
        full: whether to show the table.
    """
    results = ledger.results
    width = _width(reporter)
    doubtful = any(result.verdict.reason for result in results)

    def write(line: str, **markup: bool) -> None:
        for part in _fold(line, width):
            reporter.write_line(part, **markup)

    if full:
        reporter.write_sep("=", "energy")
        colour = bool(reporter.hasmarkup)
        reporter.write_line(table(results, ledger.stored, session.carbon, width, colour))
        for domain in session.meters.domains:
            basis = f": {domain.basis}" if domain.basis else ""
            write(f"{domain.name}: {domain.method} ({domain.source}){basis}")
    else:
        # Each distinct reason why a baseline could not be used.
        for reason in dict.fromkeys(
            result.verdict.reason
            for result in results
            if result.verdict.status is Status.INCOMPARABLE
        ):
            write(f"energy: incomparable: {reason}", yellow=True)
        for key, text in ledger.stored.items():
            write(f"energy: {key}: {text}")
    said = dict.fromkeys(r.verdict.pairing.error for r in results if r.verdict.pairing)
    for error in filter(None, said):
        reporter.write_sep("_", "energy: what the base said")
        for line in error.splitlines():
            reporter.write_line(line)
    only_base = session.against.only_base if session.against else []
    if session.against and only_base:
        write(f"energy: only {session.against.label} has: {', '.join(only_base)}", yellow=True)
    for problem in ledger.problems:
        write(f"energy: {problem}", red=True)
    hint = "" if full or not doubtful else " (--energy-report says why)"
    write(closing_line(results, *ledger.gate_cost) + hint, **closing_markup(results))


def _width(reporter: pytest.TerminalReporter | None) -> int:
    return WIDEST if reporter is None else min(WIDEST, int(reporter._tw.fullwidth))


def _fold(line: str, width: int) -> list[str]:
    return textwrap.wrap(
        line, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def failure_message(result: Result, carbon: Carbon, test: str = "", flags: str = "") -> str:
    """Why a test fails, in at most 100 columns (the command at its end may be longer).

    Args:
        result: with a verdict that fails.
        carbon: today's intensity, for the baseline's grams too: a cleaner grid is no improvement.
        test: its node id as pytest takes it from the current folder; the subject's when left out.
        flags: further options of the command that accepts it.
    """
    subject, decision, measurement = result.subject, result.verdict, result.measurement
    where = f" in {subject.region!r}" if subject.region else ""
    status = decision.status.value.replace("_", " ")
    lines = [f"energy {status}{where}: {_headline(result)}"]
    quality = decision.quality
    if quality is not None and quality.decisive:
        lines = [f"quality {status}: {decision.reason}"]
        saved = decision.change is not None and decision.change < -(decision.limit or 0.0)
        paid = "; what was saved is paid for with quality" if saved else ""
        lines += _wrapped("energy", _headline(result) + paid)
    elif decision.reason and measurement is not None:
        lines += _wrapped("reason", decision.reason)
    if decision.change is not None:
        interval = ""
        if decision.low is not None and decision.high is not None:
            interval = f"  [{format_change(decision.low)}, {format_change(decision.high)}]"
        allowed = f"   allowed +{format_percent(float(f'{decision.limit or 0.0:.2g}'))}"
        if decision.tolerance is not None and (decision.limit or 0.0) > decision.tolerance + 1e-4:
            allowed += f" (asked: {format_percent(decision.tolerance)})"
        lines.append(f"  {'change':<7} {format_change(decision.change):>7}{interval}{allowed}")
    if decision.detectable is not None:
        times = "runs" if decision.pairing else "sessions"
        found = f"would have been found, in four of five {times}"
        lines.append(f"  {'notice':<7} {format_change(decision.detectable):>7}  {found}")
    if decision.passes:
        seen = ", ".join(f"{format_change(look):>7}" for look in decision.passes)
        lines.append(f"  {'looks':<7} {seen}")
    if decision.pairing is not None:
        lines += _paired(decision.pairing)
    if measurement is not None:
        changes = dict(decision.domain_changes)
        for domain in measurement.domains:
            if domain.name in changes:
                change = format_change(changes[domain.name])
                lines.append(f"  {domain.name:<7} {change:>7}  {domain.method} ({domain.source})")
        idle = _idle(measurement)
        if idle:
            lines += _wrapped("idle", f"{idle}, right before; not taken off")
        if decision.reference_change is not None:
            lines.append(f"  {'machine':<7} {_speed(decision.reference_change)}")
        if measurement.flops is not None and decision.flops is not None:
            lines += _wrapped("work", f"{format_change(decision.flops):>7}  {_work(result)}")
        lines.append(f"  {'CO2e':<7} {_grams(result, carbon)}")
    if quality is not None and quality.change is not None:
        stored = significant(quality.stored or 0.0)
        allowed = format_percent(quality.tolerance)
        lines.append(
            f"  {'quality':<7} {format_change(quality.change):>7}  {quality.name}"
            f" {significant(quality.now)}, stored {stored}; allowed -{allowed}"
        )
    if decision.hint:
        lines += _wrapped("hint", decision.hint)
    if decision.can_be_stored:
        verb = "store" if decision.status is Status.NEW else "accept"
        lines.append(
            f"{verb} it: pytest {shlex.quote(test or subject.test)}{flags} --energy-update"
        )
    return "\n".join(lines)


def _paired(pairing: PairedBase) -> list[str]:
    """What there is to say of the base, beside its figure."""
    lines = []
    if pairing.pairs:
        turns = "turns of each side, one after the other, in random order"
        if pairing.pairs == 1:
            turns = "turn of each side: energy.each takes many, and settles more"
        lines.append(f"  {'pairs':<7} {pairing.pairs:>7}  {turns}")
    if pairing.accepted:
        lines.append(
            f"  {'accept':<7} {format_change(pairing.accepted):>7}  accepted before, allowed on top"
        )
    if pairing.body_differs:
        lines.append(f"  {'body':<7} {'':>7}  the test itself differs from the base's")
    return lines


def _idle(measurement: Measurement) -> str:
    """What the gated hardware draws with nothing to do, where that was measured."""
    return ", ".join(
        f"{measurement.domains[i].name} {significant(measurement.idle_watts[i])} W"
        for i in measurement.gated
        if measurement.idle_watts and measurement.domains[i].method is not Method.ESTIMATED
    )


def _idle_total(measurement: Measurement) -> str:
    if not _idle(measurement):
        return ""
    return f"\nidle {significant(sum(measurement.idle_watts[i] for i in measurement.gated))} W"


def _speed(reference_change: float) -> str:
    """How much dearer the same work has become on this machine: counted out of the change."""
    slower = "slower" if reference_change > 0 else "faster"
    return f"{format_change(reference_change):>7}  yardstick: the machine is {slower} than it was; counted out"


def _work(result: Result) -> str:
    measurement = result.measurement
    if measurement is None or measurement.flops is None:
        return ""
    interpretation = result.verdict.interpretation
    flops = f"{format_flops(measurement.flops.count)} per {result.subject.act}"
    return f"{flops}: {interpretation}" if interpretation else flops


def _wrapped(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDEST,
        initial_indent=f"  {label:<7} ",
        subsequent_indent=" " * 10,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _headline(result: Result) -> str:
    decision, measurement = result.verdict, result.measurement
    if measurement is None:
        return decision.reason
    now = f"{format_joules(measurement.joules_per_unit)} per {result.subject.unit}"
    budget = decision.budget_joules
    over = decision.status is Status.OVER_BUDGET and budget is not None
    if over and measurement.joules_per_unit > (budget or 0.0):
        now += f", allowed {format_joules(budget or 0.0)}"
    if decision.baseline_joules is None:
        lacks = "base" if decision.pairing else "baseline"
        return f"{now}, no {lacks}" if decision.status is Status.NEW else now
    if decision.pairing is not None:
        base = format_joules(decision.baseline_joules)
        return f"{now}, base {base} at {decision.pairing.base}"
    count = f"{decision.sessions} session{'s' * (decision.sessions > 1)}"
    if decision.sessions > 1:
        low = significant(_in_unit_of(decision.baseline_low, decision.baseline_joules))
        high = significant(_in_unit_of(decision.baseline_high, decision.baseline_joules))
        count += f", {low} to {high}"
    return f"{now}, baseline {format_joules(decision.baseline_joules)} ({count})"


def _in_unit_of(value: float | None, reference: float) -> float:
    """`value` in the unit that `format_joules` chose for `reference`."""
    shown = float(format_joules(reference).split()[0].replace(",", ""))
    return (value or 0.0) * shown / reference if reference else 0.0


def _grams(result: Result, carbon: Carbon) -> str:
    measurement, decision = result.measurement, result.verdict
    if measurement is None:
        return ""
    after = format_grams(carbon.grams(measurement.joules_per_unit) * 1000)
    before = ""
    if decision.baseline_joules is not None:
        before = f"{format_grams(carbon.grams(decision.baseline_joules) * 1000)} -> "
    return f"{before}{after} per 1,000 {result.subject.unit}s at {carbon.label}"


def closing_line(results: Sequence[Result], gate_seconds: float, gate_joules: float) -> str:
    """How many were compared, with what outcome, and what the gate itself took."""
    counts = Counter(result.verdict.status for result in results)
    compared = sum(counts[status] for status in COMPARED)
    inside = ", ".join(
        _count(counts, status) for status in Status if status in COMPARED & set(counts)
    )
    rest = [_count(counts, status) for status in Status if status in set(counts) - COMPARED]
    head = f"{compared} compared ({inside})" if compared else "nothing was compared"
    cost = f"{format_joules(gate_joules)} and {format_seconds(gate_seconds)}"
    return f"energy: {', '.join([head, *rest])}; the gate itself, warm-up included, took {cost}"


def _count(counts: Mapping[Status, int], status: Status) -> str:
    return f"{counts[status]:,} {status.value.replace('_', ' ')}"


def closing_markup(results: Sequence[Result]) -> dict[str, bool]:
    """The closing line's colour: red for a gate that compared nothing or found something."""
    statuses = {result.verdict.status for result in results}
    failed = statuses & {Status.REGRESSED, Status.OVER_BUDGET}
    if failed or not statuses & COMPARED:
        return {"red": True, "bold": True}
    return {"green": True} if statuses <= COMPARED else {"yellow": True}


def table(
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
        width=min(width, WIDEST),
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
    for line in _ratios(results):
        console.print(Text(line, style="bold"))
    for line in training.lines(results, carbon):
        console.print(Text(line, style="bold"))
    for result in results:
        note = _note(result, stored)
        if note:
            name = result.subject.short_name
            console.print(Text(f"{name}: ", style="dim").append(note), soft_wrap=False)
    console.print(Text(f"carbon: {carbon.label}; source: {carbon.source}", style="dim"))
    return buffer.getvalue().rstrip("\n")


_COLUMNS = (
    ("energy/unit\ntime, power", 15),
    ("per 1,000\nCO2e", 12),
    ("change\n95 % interval", 15),
    ("verdict\nbought", 12),
)


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
        subject, decision, measurement = result.subject, result.verdict, result.measurement
        name = subject.short_name
        first = Text(f"{subject.model}\n").append(f" {name}", style="dim")
        style = _STYLES.get(decision.status, _DOUBTFUL)
        last = Text(decision.status.value.replace("_", " "), style=style)
        if measurement is None:
            grid.add_row(first, "-", "-", "-", last)
            continue
        if measurement.metered_count != subject.n:
            last.append(f"\nfrom {measurement.metered_count:,}", style="dim")
        for quantity, value in (measurement.recorded or {}).items():
            last.append(f"\n{quantity} {significant(value)}", style="dim")
            quality = decision.quality
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
            _change(decision),
            last,
        )
    return grid


def _change(decision: Verdict) -> str:
    if decision.change is None:
        return "-"
    text = format_change(decision.change)
    if decision.low is not None and decision.high is not None:
        text += f"\n{100 * decision.low:+.1f} to {100 * decision.high:+.1f}"
    if decision.detectable is not None:
        text += f"\nnotices {format_change(decision.detectable)}"
    return text


def _note(result: Result, stored: Mapping[str, str]) -> str:
    decision = result.verdict
    parts = [stored[result.subject.key]] if result.subject.key in stored else []
    if decision.reason:
        parts.append(decision.reason)
    if decision.hint and not parts[:-1]:
        parts.append(decision.hint)
    pairing = decision.pairing
    if pairing is not None and decision.baseline_joules is not None:
        base = f"base {format_joules(decision.baseline_joules)} at {pairing.base}"
        parts.append(f"{base}, {pairing.pairs} pair{'s' * (pairing.pairs != 1)} of turns")
        parts += ["the test's body differs"] if pairing.body_differs else []
        parts += [f"{format_change(pairing.accepted)} was accepted"] if pairing.accepted else []
    elif decision.outliers and not decision.reason:
        stood_out = ", ".join(map(str, decision.outliers))
        parts.append(f"block{'s' * (len(decision.outliers) > 1)} {stood_out} stood out")
    if decision.passes and decision.status in COMPARED | {Status.INCONCLUSIVE}:
        parts.append(f"looked twice: {', '.join(format_change(look) for look in decision.passes)}")
    if decision.flops:
        parts.append(f"work {format_change(decision.flops)}: {decision.interpretation}")
    return "; ".join(parts)


def _ratios(results: Sequence[Result]) -> list[str]:
    """General-purpose over task-specific, for each task that has both."""
    lines = []
    for task in dict.fromkeys(result.subject.task for result in results):
        sides = [
            [
                result.measurement
                for result in results
                if (result.subject.task, result.subject.role) == (task, role)
                and not result.subject.region
                and result.measurement is not None
                and result.verdict.status is not Status.UNRESOLVED
            ]
            for role in ("general-purpose", "task-specific")
        ]
        units = {
            r.subject.unit for r in results if r.subject.task == task and not r.subject.is_training
        }
        if all(sides) and len(units) == 1:
            found = ratios.ratio(*sides)
            interval = (
                f" (95 %: {significant(found.low)} to {significant(found.high)})"
                if found.low is not None and found.high is not None
                else ""
            )
            lines.append(
                f"{task}: general-purpose takes {significant(found.value)} times the energy of"
                f" task-specific{interval}"
            )
    return lines
