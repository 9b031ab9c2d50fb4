"""Why a test fails, as a person reads it: the headline, the figures, how to accept it."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Sequence

from pytest_energy.report import counts
from pytest_energy.report.printable import printable
from pytest_energy.types.carbon import Carbon
from pytest_energy.types.counts import CountsChange
from pytest_energy.types.energy import Method
from pytest_energy.types.measurement import FlopCount, Measurement
from pytest_energy.types.result import Result
from pytest_energy.types.units import (
    format_change,
    format_flops,
    format_grams,
    format_joules,
    format_percent,
    significant,
)
from pytest_energy.types.verdict import Change, PairedBase, Quality, Status

WIDTH = 100
"""Columns of a message at most; the command at its end may be longer."""

MANY_FAULTS = 20
"""Page faults per inference by which processes of the same code differ by themselves."""

SAME_CHANGE = 0.005
"""Changes that differ by less are not told apart in words."""

LABEL_WIDTH = 10
"""Columns of the labels at the left."""


def message(
    result: Result, carbon: Carbon, test: str = "", flags: str = "", command: bool = True
) -> str:
    """Why a test fails, in at most `WIDTH` columns, printable.

    Args:
        result: with a verdict that fails.
        carbon: today's intensity, for the baseline's grams too: a cleaner grid is no improvement.
        test: its node id as pytest takes it from the current folder; the subject's when left out.
        flags: further options of the command that accepts it.
        command: whether that command stands at the end; of a verdict that fails no test it would
            mislead.
    """
    subject, verdict = result.subject, result.verdict
    where = f" in {subject.region!r}" if subject.region else ""
    status = verdict.status.words
    head = f"energy {status}{where}: {_headline(result)}"
    below: list[str] = []
    quality, change = verdict.quality, verdict.change
    if quality is not None and quality.decisive:
        head = f"quality {status}: {verdict.reason}"
        saved = change is not None and change.value < -change.limit
        paid = "; what was saved is paid for with quality" if saved else ""
        below.append(_entry("energy", _headline(result) + paid))
    elif verdict.reason and verdict.reason != _headline(result):
        below.append(_entry("reason", verdict.reason))
    below += _details(result, carbon)
    if verdict.hint:
        below.append(_entry("hint", verdict.hint))
    if verdict.obstacle is not None:
        text = f"--energy-allow={verdict.obstacle} lets it pass without a comparison"
        below.append(_entry("allow", text))
    lines = [printable(head), *_folded(below, WIDTH)]
    if verdict.can_be_stored and command:
        verb = "store" if verdict.status is Status.NEW else "accept"
        judge = " --energy-judge=counted" if _counted_alone(result) else ""
        words = f"pytest {shlex.quote(test or subject.test)}{flags}{judge} --energy-update"
        lines.append(printable(f"{verb} it: {words}"))
    return "\n".join(lines)


def details(result: Result, carbon: Carbon, width: int = WIDTH, compared: str = "") -> list[str]:
    """The lines below a message's headline: why, what has changed, by how much, and where.

    Args:
        result: of a comparison.
        carbon: as in `message`.
        width: columns of a line.
        compared: name of the run that the figures are compared with; empty for what is stored, or
            for the base of a paired run.
    """
    verdict = result.verdict
    decisive = verdict.quality is not None and verdict.quality.decisive
    why = [_entry("reason", verdict.reason)] if verdict.reason and not decisive else []
    return _folded([*why, *_details(result, carbon, compared)], width)


def _details(result: Result, carbon: Carbon, compared: str = "") -> list[str]:
    verdict, measurement = result.verdict, result.measurement
    quality, change = verdict.quality, verdict.change
    lines: list[str] = []
    if change is not None:
        lines += _change(change, result)
    if change is not None and change.unverified:
        text = f"{change.unverified}; --energy-strict takes only what was measured"
        lines.append(_entry("baseline", text))
    if verdict.counts is not None:
        lines += _counts(verdict.counts, result)
    if verdict.paired is not None:
        lines += _paired(verdict.paired)
    if measurement is not None:
        lines += _figures(result, measurement, carbon)
    if quality is not None and quality.change is not None:
        lines.append(_quality(quality, compared or ("base" if verdict.paired else "stored")))
    return lines


def _line(label: str, figure: str, text: str = "") -> str:
    return f"  {label:<{LABEL_WIDTH}} {figure:>7}  {text}".rstrip()


def _change(change: Change, result: Result) -> list[str]:
    asked = result.rule.tolerance
    allowed = f"allowed +{format_percent(float(f'{change.limit:.2g}'))}"
    if change.limit > asked + 1e-4:
        allowed += f" (asked: {format_percent(asked)})"
    interval = f"[{format_change(change.low)}, {format_change(change.high)}] (95 %)"
    times = "runs" if result.verdict.paired else "sessions"
    lines = [
        _line("change", format_change(change.value), f"{interval}   {allowed}"),
        _line(
            "detectable",
            format_change(change.detectable),
            f"would have been found, in four of five {times}",
        ),
    ]
    lines += _quotient(change, result)
    if change.passes:
        passes = ", ".join(f"{format_change(one):>7}" for one in change.passes)
        lines.append(f"  {'processes':<{LABEL_WIDTH}} {passes}")
    return lines


def _quotient(change: Change, result: Result) -> list[str]:
    """The figures of the headline divided, where that is another change than the judged one."""
    measurement, quotient = result.measurement, result.plain_change
    if measurement is None or quotient is None or abs(quotient - change.value) < SAME_CHANGE:
        return []
    now, before = format_joules(measurement.joules_per_unit), format_joules(change.joules)
    why = ["the typical block"] if len(measurement.blocks) > 1 else []
    why += ["in units of the reference workload"] if change.reference_change is not None else []
    text = f"{now} over {before}; judged is {', '.join(why)}" if why else f"{now} over {before}"
    return [_entry("plain", f"{format_change(quotient):>7}  {text}")]


def _counted_alone(result: Result) -> bool:
    """Whether counts alone decide, and nothing was to be metered."""
    failed = result.verdict.status is Status.UNMEASURED
    return result.measurement is None and result.counts is not None and not failed


def _counts(change: CountsChange, result: Result) -> list[str]:
    """What has changed of exact counts, and where."""
    lines: list[str] = []
    if change.energy is not None:
        allowed = f", allowed +{format_percent(result.rule.tolerance)}"
        decides = result.verdict.measured_status is not None or _counted_alone(result)
        figures = f"{counts.figures(change)}{allowed if decides else ''}"
        lines = [_entry("counted", f"{format_change(change.energy):>7}  {figures}")]
    elif change.problem:
        lines = [_entry("counted", f"{'':>7}  {counts.figures(change)}")]
    for label, found in (
        ("culprit", counts.culprit_lines(change)),
        ("python", counts.function_lines(change)),
    ):
        for i, line in enumerate(found):
            lines.append(f"  {'' if i else label:<{LABEL_WIDTH}} {line}")
    for note in change.notes:
        lines.append(_entry("", note))
    if change.unverified:
        text = f"its counts were {change.unverified}; --energy-strict takes only what was counted"
        lines.append(_entry("baseline", text))
    return lines


def _paired(paired: PairedBase) -> list[str]:
    """What there is to say of the base, beside its figure."""
    lines = []
    if paired.pairs:
        text = "pairs of blocks, head and base one after the other, in random order"
        if paired.pairs == 1:
            text = "block of each side: energy.each takes many, and settles more"
        lines.append(_line("pairs", str(paired.pairs), text))
    if paired.accepted:
        text = "accepted before, allowed on top"
        lines.append(_line("accepted", format_change(paired.accepted), text))
    if paired.body_differs:
        lines.append(_line("body", "", "the test itself differs from the base's"))
    return lines


def _figures(result: Result, measurement: Measurement, carbon: Carbon) -> list[str]:
    lines, change = [], result.verdict.change
    domains = change.domains if change is not None else {}
    for domain in measurement.domains:
        if domain.name in domains:
            text = f"{domain.method} ({domain.source})"
            lines.append(_line(domain.name, format_change(domains[domain.name]), text))
    idle = idle_power(measurement)
    if idle:
        lines.append(_entry("idle", f"{idle}, right before; not subtracted"))
    if change is not None and change.reference_change is not None:
        slower = "slower" if change.reference_change > 0 else "faster"
        text = f"reference workload: the machine is {slower} than it was; taken out"
        lines.append(_line("machine", format_change(change.reference_change), text))
    if measurement.flops is not None and change is not None and change.flops is not None:
        flops = f"{format_flops(measurement.flops.count)} per {result.subject.act}"
        flops += _samples_counted(measurement.flops)
        words = result.verdict.interpretation
        text = f"{flops}: {words}" if words else flops
        lines.append(_entry("flops", f"{format_change(change.flops):>7}  {text}"))
    lines += _page_faults(measurement, change, result.subject.act)
    if change is not None and change.environment:
        lines.append(_entry("versions", "; ".join(change.environment)))
    lines.append(f"  {'CO2e':<{LABEL_WIDTH}} {_grams(result, measurement, carbon)}")
    return lines


def _samples_counted(flops: FlopCount) -> str:
    """How many samples an operation count is of, where that makes a difference."""
    if len(flops.samples) < 2:
        return " (one sample)"
    if not flops.standard_error:
        return ""
    error = format_percent(float(f"{flops.standard_error:.1g}"))
    return f" (mean of {len(flops.samples)} samples, standard error {error})"


def _page_faults(measurement: Measurement, change: Change | None, act: str) -> list[str]:
    """Page faults of both sides, where they differ by more than a process makes of them."""
    now = measurement.page_faults_per_inference
    before = change.page_faults if change is not None else None
    if now is None or before is None or abs(now - before) <= max(MANY_FAULTS, 0.1 * before):
        return []
    text = f"{before:,.0f} -> {now:,.0f} page faults per {act}"
    words = "memory is given back to the system and taken again"
    return [_entry("memory", f"{text}: {words}" if now > before else text)]


def idle_power(measurement: Measurement) -> str:
    """What the gated hardware draws with nothing to do, where that was measured."""
    return ", ".join(
        f"{measurement.domains[i].name} {significant(measurement.idle_watts[i])} W"
        for i in measurement.gated
        if measurement.idle_watts and measurement.domains[i].method is not Method.ESTIMATED
    )


def _quality(quality: Quality, compared: str) -> str:
    before = significant(quality.stored or 0.0)
    allowed = format_percent(quality.tolerance)
    return _line(
        "quality",
        format_change(quality.change or 0.0),
        f"{quality.name} {significant(quality.now)}, {compared} {before}; allowed -{allowed}",
    )


def _entry(label: str, text: str) -> str:
    return f"  {label:<{LABEL_WIDTH}} {text}"


def _folded(lines: Sequence[str], width: int) -> list[str]:
    """Lines in so many columns, printable, the rest of each below its text."""
    indent = " " * (LABEL_WIDTH + 3)
    return [
        folded
        for line in lines
        for folded in textwrap.wrap(
            printable(line),
            width,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
    ]


def _headline(result: Result) -> str:
    verdict, measurement, change = result.verdict, result.measurement, result.verdict.change
    if measurement is None:
        return _counted_headline(result) or verdict.reason
    now = f"{format_joules(measurement.joules_per_unit)} per {result.subject.unit}"
    budget = result.rule.budget_joules
    over = verdict.status is Status.OVER_BUDGET and budget is not None
    if over and measurement.joules_per_unit > (budget or 0.0):
        now += f", allowed {format_joules(budget or 0.0)}"
    if change is None:
        lacks = "base" if verdict.paired else "baseline"
        return f"{now}, no {lacks}" if verdict.status is Status.NEW else now
    if verdict.paired is not None:
        return f"{now}, base {format_joules(change.joules)} at {verdict.paired.label}"
    count = f"{change.sessions} session{'s' * (change.sessions > 1)}"
    if change.sessions > 1:
        low = significant(_in_unit_of(change.joules_low, change.joules))
        high = significant(_in_unit_of(change.joules_high, change.joules))
        count += f", {low} to {high}"
    return f"{now}, baseline {format_joules(change.joules)} ({count})"


def _counted_headline(result: Result) -> str:
    """Counted energy now and before; empty where that is not what the verdict is about."""
    verdict, change = result.verdict, result.verdict.counts
    if change is None or change.energy is None:
        return ""
    if verdict.status in (Status.OVER_BUDGET, Status.UNMEASURED):
        return ""
    now, before = format_joules(change.joules), format_joules(change.joules_before)
    what = f"base {before} at {verdict.paired.label}" if verdict.paired else f"baseline {before}"
    return f"{now} counted per {result.subject.act}, {what}"


def _in_unit_of(value: float, shown: float) -> float:
    """`value` in the unit that `format_joules` chose for `shown`."""
    number = float(format_joules(shown).split()[0].replace(",", ""))
    return value * number / shown if shown else 0.0


def _grams(result: Result, measurement: Measurement, carbon: Carbon) -> str:
    change = result.verdict.change
    after = format_grams(carbon.grams_per_1000(measurement.joules_per_unit))
    before = f"{format_grams(carbon.grams_per_1000(change.joules))} -> " if change else ""
    return f"{before}{after} per 1,000 {result.subject.unit}s at {carbon.label}"
