"""What this machine can tell of energy, found out: `pytest-energy doctor`.

Every meter is opened once, and all are watched during the same half second. What is found travels
as one frozen `Diagnosis`; `report.doctor` shows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from time import perf_counter, sleep
from typing import TYPE_CHECKING

from pytest_energy.carbon import factors
from pytest_energy.doctor.probe import OBSERVE_SECONDS, WATCHED_SECONDS, MeterFacts, Probe
from pytest_energy.machine.identity import read_cpu, read_machine
from pytest_energy.machine.sensors import Clock, Heat, Load, LoadWatch, read_clock, read_heat
from pytest_energy.meters import AUTO, boards, open_meters
from pytest_energy.meters.base import MeterSource
from pytest_energy.types.carbon import Carbon
from pytest_energy.types.energy import Domain, Method, gated_domains
from pytest_energy.types.machine import Machine
from pytest_energy.types.measurement import BUSY_SHARE

if TYPE_CHECKING:
    from pytest_energy.settings.settings import Settings


class FigureQuality(StrEnum):
    """What figures on this machine rest on, the best first."""

    COUNTER = "counter"
    SAMPLED = "sampled"
    ESTIMATED = "estimated"
    CONSTANT = "constant"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a session would meter with.

    Args:
        asked: what `--energy-meter` says.
        meters: names of those that were taken.
        domains: what they count.
        note: why these, where that needs saying.
    """

    asked: tuple[str, ...]
    meters: tuple[str, ...]
    domains: tuple[Domain, ...]
    note: str


@dataclass(frozen=True, slots=True)
class NextStep:
    """The one thing most worth doing.

    Args:
        text: an imperative sentence.
        command: to be copied; empty where there is none.
    """

    text: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All that was found out.

    Args:
        meters: one each, built in first.
        chosen: of them.
        off: whether metering is switched off.
        machine: its class.
        carbon: intensity of the electricity; None where the settings name none that is known.
        load, clock, heat: of the machine while the meters were watched.
        problems: what would stop a session, each a sentence; empty when all is well.
        quality: of the figures.
        next_step: the one thing most worth doing.
    """

    meters: tuple[MeterFacts, ...]
    chosen: Chosen
    off: bool
    machine: Machine
    carbon: Carbon | None
    load: Load
    clock: Clock
    heat: Heat
    problems: tuple[str, ...]
    quality: FigureQuality
    next_step: NextStep

    @property
    def exit_code(self) -> int:
        """0 for better than an estimate, 1 for an estimate only, 2 for an error."""
        if self.problems:
            return 2
        return 0 if any(facts.measures for facts in self.meters) else 1


def examine(settings: Settings, sources: Iterable[MeterSource]) -> Diagnosis:
    """Find out what can be metered here, and how well.

    Args:
        settings: of the session that would meter.
        sources: built in and third-party ones; a later source replaces an earlier of its name.
    """
    probes = [Probe(source) for source in {s.name: s for s in sources}.values()]
    try:
        load = _watch(probes)
        for probe in probes:
            probe.try_out()
        facts = tuple(probe.facts() for probe in probes)
        chosen, problems = _choose(settings.meters, probes)
    finally:
        for probe in probes:
            probe.close()
    problems += [
        f"meter {one.name!r} was opened, and then could not be read: {one.reason}"
        for one in facts
        if one.name in chosen.meters and not one.found
    ]
    intensity = None
    try:
        intensity = factors.resolve(
            settings.factors,
            settings.country,
            settings.region,
            settings.carbon_intensity,
            settings.pue,
        )
    except ValueError as error:
        problems.append(str(error))
    machine = read_machine(boards())
    still = {f.domain.name for one in facts if one.found for f in one.domains if f.stalled}
    quality = figure_quality([domain for domain in chosen.domains if domain.name not in still])
    return Diagnosis(
        meters=facts,
        chosen=chosen,
        off=settings.off,
        machine=machine,
        carbon=intensity,
        load=load,
        clock=read_clock(),
        heat=read_heat(),
        problems=tuple(problems),
        quality=quality,
        next_step=next_step(
            facts,
            chosen,
            quality,
            load,
            bool(machine.gpus),
            virtual=read_cpu().virtual,
            problems=problems,
        ),
    )


def figure_quality(domains: Sequence[Domain]) -> FigureQuality:
    """What a gate's figures rest on, where a session meters these domains."""
    methods = {domains[i].method for i in gated_domains(domains)}
    for method, quality in (
        (Method.SAMPLED, FigureQuality.SAMPLED),  # a sum is as good as its weakest part
        (Method.COUNTER, FigureQuality.COUNTER),
        (Method.ESTIMATED, FigureQuality.ESTIMATED),
    ):
        if method in methods:
            return quality
    return FigureQuality.CONSTANT if domains else FigureQuality.NOTHING


def next_step(
    meters: Sequence[MeterFacts],
    chosen: Chosen,
    quality: FigureQuality,
    load: Load,
    has_gpu: bool,
    virtual: bool,
    problems: Sequence[str] = (),
) -> NextStep:
    """The one thing most worth doing.

    Args:
        meters: all of them.
        chosen: of them.
        quality: of the chosen.
        load: by others.
        has_gpu: whether the driver shows GPU boards.
        virtual: whether a hypervisor is underneath.
        problems: what would stop a session.
    """
    if problems:
        return NextStep("correct what is wrong above, and run it again")
    paired = "pytest --energy-against REVISION"
    if quality not in (FigureQuality.COUNTER, FigureQuality.SAMPLED):
        better = [one.name for one in meters if one.measures and one.name not in chosen.meters]
        if better:
            return NextStep("name the meter that measures", f"pytest --energy-meter {better[0]}")
        missing = [one for one in meters if not one.found and one.automatic and one.hint]
        # A virtual machine's guest can do little about counters that its host hides.
        missing = [one for one in missing if one.closed or not virtual]
        if missing:
            return NextStep(
                f"follow the hint for {missing[0].name} above; then joules are measured"
            )
        return NextStep(
            "interleave with the base, so that interference with an estimate hits both sides",
            paired,
        )
    if has_gpu and not any(domain.kind == "gpu" for domain in chosen.domains):
        return NextStep("have the GPU metered too: see its meter above")
    if load.other_cpu_share is not None and load.other_cpu_share >= BUSY_SHARE:
        return NextStep(
            "end what else runs here, for it is metered too, or interleave with the base",
            paired,
        )
    return NextStep("meter a test and store its baseline", "pytest --energy-update")


def _choose(asked: Sequence[str], probes: Sequence[Probe]) -> tuple[Chosen, list[str]]:
    """What a session would open, and what would stop it."""
    try:
        meters = open_meters(asked, [probe.lent() for probe in probes])
    except ValueError as error:
        return Chosen(tuple(asked), (), (), ""), [str(error)]
    chosen = Chosen(tuple(asked), meters.names, meters.domains, meters.note)
    problems = [] if meters.meters else [f"no meter can be opened here, not even for {AUTO!r}"]
    return chosen, problems


def _watch(probes: Sequence[Probe]) -> Load:
    """Watch all meters for the same half second, and what other processes do meanwhile."""
    watch = LoadWatch()
    for probe in probes:
        probe.observe()
    end = perf_counter() + WATCHED_SECONDS
    while perf_counter() < end:
        sleep(OBSERVE_SECONDS)
        for probe in probes:
            probe.observe()
    for probe in probes:
        probe.observe(last=True)
    return watch.load()
