"""A diagnosis as people read it on a terminal, and as JSON for programs.

The JSON's form is described by `doctor.schema.json` beside this module.
"""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Iterable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from pytest_energy.doctor.diagnosis import Chosen, Diagnosis, FigureQuality
from pytest_energy.doctor.probe import MeterFacts
from pytest_energy.machine.sensors import Clock, Heat, Load
from pytest_energy.report.console import console, folded, head_rule
from pytest_energy.report.printable import printable_lines, readable, shown
from pytest_energy.types.carbon import Carbon
from pytest_energy.types.energy import gated_domains
from pytest_energy.types.machine import Machine
from pytest_energy.types.units import format_seconds, significant

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

SCHEMA = 2
"""Version of the JSON's form."""

SCHEMA_FILE = Path(__file__).with_name("doctor.schema.json")
"""The JSON Schema (draft 2020-12) that every diagnosis fits."""

WIDEST = 100
"""Columns that are used at most."""

UNKNOWN = "not reported by the system"

_LABELS = ("chosen", "machine", "class", "carbon", "others", "clock", "heat")

_QUALITY = {
    FigureQuality.COUNTER: "Figures on this machine rest on hardware energy counters ({domains}):"
    " joules are measured, and both their changes and their absolute size can be trusted.",
    FigureQuality.SAMPLED: "Figures on this machine rest, in part at least, on power samples added"
    " up over time ({domains}): joules are measured, a little more coarsely than by a counter.",
    FigureQuality.ESTIMATED: "Figures on this machine are estimates only ({domains}): good for"
    " finding that the same test has become dearer here, not for saying how many joules it takes.",
    FigureQuality.CONSTANT: "Figures on this machine are a constant power times the duration"
    " ({domains}): they say how long something took, and no gate compares them.",
    FigureQuality.NOTHING: "Nothing can be metered like this.",
}


def write(diagnosis: Diagnosis, stream: TextIO) -> None:
    """Write a diagnosis for people.

    Colours only where `stream` is a terminal; what is to be copied stands in lines of its own.

    Args:
        diagnosis: to be shown.
        stream: an open file with a descriptor.
    """
    place = console(stream, WIDEST)
    with place.capture() as captured:  # rich ends the process when its reader has gone
        _print(diagnosis, place)
    stream.write(captured.get())


def _print(diagnosis: Diagnosis, console: Console) -> None:
    from rich.text import Text

    encoding = console.encoding
    label_width = 2 + max(len(label) for label in [*_LABELS, *(m.name for m in diagnosis.meters)])

    def show(text: str, style: str = "") -> None:
        # Folded below and not by rich, which breaks paths and options at their hyphens.
        text = readable(printable_lines(text), encoding)
        console.print(Text(text, style=style), soft_wrap=True)

    def say(label: str, text: str, style: str = "") -> None:
        filled = textwrap.wrap(
            shown(f"{label:<{label_width}}{text}", encoding),
            console.width,
            subsequent_indent=" " * label_width,
            break_long_words=False,
            break_on_hyphens=False,
        )
        show("\n".join(filled), style)

    available = [one for one in diagnosis.meters if one.found]
    if available:
        console.print(_table(available, diagnosis.chosen, encoding))
        show("")
        for one in available:
            for position, line in enumerate(_remarks(one)):
                say(one.name if position == 0 else "", line, "dim")
        show("")
    missing = [one for one in diagnosis.meters if not one.found]
    if missing:
        show("not available", "bold")
        for one in missing:
            say(one.name, f"{one.about}: {one.reason}" if one.about else one.reason)
        show("")
    for one in missing:
        if one.hint:
            show(f"hint for {one.name}", "bold")
            # Several lines are commands, and stay whole so that they can be copied.
            show(one.hint) if "\n" in one.hint else show(folded(one.hint, console.width))
            show("")
    for label, text in zip(_LABELS, _lines(diagnosis), strict=True):
        say(label, text)
    show("")
    for problem in diagnosis.problems:
        say("error", problem, "bold red")
    if not diagnosis.problems:
        say("quality", _quality(diagnosis), "bold")
        then = ":" if diagnosis.next_step.command else ""
        say("next", diagnosis.next_step.text + then, "bold")
        if diagnosis.next_step.command:
            show(" " * label_width + diagnosis.next_step.command, "bold")


def _table(available: Iterable[MeterFacts], chosen: Chosen, encoding: str) -> Table:
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=head_rule(encoding), show_edge=False, padding=(0, 1), pad_edge=False)
    grid.add_column("meter", overflow="fold")
    grid.add_column("domain", overflow="fold")
    grid.add_column("method", overflow="fold")
    for heading in ("power\nnow", "moves\nevery", "resolution", "one\nreading"):
        grid.add_column(heading, justify="right", overflow="fold")
    for one in available:
        taken = one.name in chosen.meters
        for position, facts in enumerate(one.domains):
            first = position == 0
            cost = "" if one.read_seconds is None else _time(one.read_seconds)
            cells = (
                one.name if first else "",
                facts.domain.name,
                facts.domain.method.value,
                "-" if facts.watts is None else f"{significant(facts.watts)} W",
                "-" if facts.update_seconds is None else _time(facts.update_seconds),
                _time(facts.domain.resolution_seconds),
                cost if first else "",
            )
            name, *rest = (Text(shown(text, encoding)) for text in cells)
            name.stylize("bold green" if taken else "")
            grid.add_row(name, *rest)
    return grid


def _time(seconds: float) -> str:
    return format_seconds(seconds) if math.isfinite(seconds) else "-"


def _remarks(one: MeterFacts) -> list[str]:
    """What does not fit in a row."""
    about = [one.about] if one.about else []
    bases = [f"{f.domain.name}: {f.domain.basis}" for f in one.domains if f.domain.basis]
    still = [f"{f.domain.name}: the counter stands still" for f in one.domains if f.stalled]
    skipped_hardware = [f"left out: {clause}" for clause in one.skipped_hardware]
    interference = [f"interference: {clause}" for clause in one.interference]
    return [*about, *bases, *still, *skipped_hardware, *interference]


def _lines(diagnosis: Diagnosis) -> list[str]:
    return [
        _chosen(diagnosis),
        _machine(diagnosis.machine),
        diagnosis.machine.slug,
        _carbon(diagnosis.carbon),
        _load(diagnosis.load),
        _clock(diagnosis.clock),
        _heat(diagnosis.heat),
    ]


def _chosen(diagnosis: Diagnosis) -> str:
    chosen = diagnosis.chosen
    asked = ",".join(chosen.asked)
    parts = f"{asked!r} takes " if asked != "auto" else "auto takes "
    parts += " and ".join(chosen.meters) or "nothing"
    parts += f" ({_domains(diagnosis)})" if chosen.domains else ""
    parts += f"; {chosen.note}" if chosen.note else ""
    return parts + ("; but energy_off is set, and nothing is metered" if diagnosis.off else "")


def _domains(diagnosis: Diagnosis) -> str:
    domains = diagnosis.chosen.domains
    gated = [domains[i].name for i in gated_domains(domains)]
    return ", ".join(gated or [domain.name for domain in domains])


def _machine(machine: Machine) -> str:
    models: dict[str, int] = {}
    for gpu in machine.gpus:
        limit = gpu.power_limit_watts
        limit_text = "power limit unknown" if limit is None else f"power limit {limit} W"
        name = f"{gpu.model} ({limit_text})"
        models[name] = models.get(name, 0) + 1
    gpus = [f"{count} x {name}" for name, count in models.items()] or ["no GPU"]
    cpus = f"{machine.logical_cpus} logical CPU{'s' * (machine.logical_cpus > 1)}"
    return ", ".join([machine.cpu, cpus, *gpus, f"{machine.system} {machine.architecture}"])


def _carbon(carbon: Carbon | None) -> str:
    return f"{carbon.label}; source: {carbon.source}" if carbon else "unknown"


def _load(load: Load) -> str:
    share = UNKNOWN
    if load.other_cpu_share is not None:
        share = f"{100 * load.other_cpu_share:.0f} % of the CPU time in {load.seconds:.1f} s"
    if load.average is None:
        return share
    average = f"load average {load.average:.2f} on {load.logical_cpus}"
    return f"{share}; {average} logical CPU{'s' * (load.logical_cpus > 1)}"


def _clock(clock: Clock) -> str:
    parts = [f"governor {', '.join(clock.governors)}"] if clock.governors else []
    if clock.megahertz is not None:
        most = clock.most_megahertz
        parts.append(f"{clock.megahertz:,.0f}{f' of at most {most:,.0f}' if most else ''} MHz")
    if clock.boost is not None:
        parts.append(f"boost {'on' if clock.boost else 'off'}")
    return ", ".join(parts) or UNKNOWN


def _heat(heat: Heat) -> str:
    parts = [
        f"{one.chip} {one.celsius:.0f} °C"
        + (f" (high: {one.high_celsius:.0f} °C)" if one.high_celsius is not None else "")
        for one in heat.temperatures
    ]
    if heat.throttled is not None:
        parts.append(f"throttled {heat.throttled:,} times since boot")
    return ", ".join(parts) or UNKNOWN


def _quality(diagnosis: Diagnosis) -> str:
    return _QUALITY[diagnosis.quality].format(domains=_domains(diagnosis))


def as_json(diagnosis: Diagnosis) -> str:
    """A diagnosis for programs, one JSON object; null stands for what is not known."""
    chosen = diagnosis.chosen
    record = {
        "schema": SCHEMA,
        "plugin": version("pytest-energy"),
        "meters": [_meter(one, chosen) for one in diagnosis.meters],
        "chosen": {**asdict(chosen), "domains": [domain.name for domain in chosen.domains]},
        "off": diagnosis.off,
        "machine": diagnosis.machine.describe(),
        "carbon": diagnosis.carbon and asdict(diagnosis.carbon),
        "load": asdict(diagnosis.load),
        "clock": asdict(diagnosis.clock),
        "heat": asdict(diagnosis.heat),
        "problems": diagnosis.problems,
        "quality": diagnosis.quality,
        "summary": _quality(diagnosis),
        "next_step": asdict(diagnosis.next_step),
        "exit_code": diagnosis.exit_code,
    }
    return json.dumps(_finite(record), indent=2, allow_nan=False) + "\n"


def _meter(one: MeterFacts, chosen: Chosen) -> dict[str, Any]:
    record = asdict(one)
    record["chosen"] = one.name in chosen.meters
    record["domains"] = [
        {
            **facts["domain"],
            "watts": facts["watts"],
            "update_seconds": facts["update_seconds"],
            "stalled": of_it.stalled,
        }
        for facts, of_it in zip(record["domains"], one.domains, strict=True)
    ]
    return record


def _finite(value: Any) -> Any:
    """JSON has no infinity, and a third-party meter may state one as its resolution."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return value
