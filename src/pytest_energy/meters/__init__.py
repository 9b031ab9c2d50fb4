"""Which meters there are, and which of them a session reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from pytest_energy.meters.base import (
    Meter,
    MeterLostError,
    MeterSource,
    MeterUnavailableError,
    check_contract,
)
from pytest_energy.meters.meter_set import MeterSet
from pytest_energy.meters.readings import error_text
from pytest_energy.types.energy import Method
from pytest_energy.types.machine import Gpu

if TYPE_CHECKING:
    from pytest_energy.machine.served import ServedProcesses
    from pytest_energy.meters.prometheus.queries import Endpoint
    from pytest_energy.meters.served.counters import Page

__all__ = ["AUTO", "boards", "builtin_sources", "open_meters"]

AUTO = "auto"


def _late(module: str, name: str, **arguments: object) -> Callable[[], Meter]:
    """What opens a meter of this package; its module and libraries are imported only then."""

    def open_it() -> Meter:
        made: Meter = getattr(import_module(f"{__name__}.{module}"), name)(**arguments)
        return made

    return open_it


def builtin_sources(
    endpoint: Endpoint | None = None,
    metrics: Page | None = None,
    http: Page | None = None,
    served: Callable[[], ServedProcesses] | None = None,
) -> tuple[MeterSource, ...]:
    """The meters that this package brings; counters first, estimates last.

    Args:
        endpoint: what the `prometheus` meter asks, and where; None for nothing, so that it is
            unavailable and says which option it needs.
        metrics: what the meter of this name reads, likewise.
        http: what the meter of this name reads, likewise.
        served: finds a server's processes, which the estimate of CPU time covers too; None for no
            server.
    """
    rapl, psys = _late("rapl", "Rapl"), _late("rapl", "Psys")
    nvml, every = _late("nvml", "Nvml"), _late("nvml", "Nvml", every=True)
    amd, sockets = _late("amd", "Amd"), _late("amd_energy", "AmdEnergy")
    apple, cpu_time = _late("apple", "Apple"), _late("cpu_time", "CpuTime", find_served=served)
    codecarbon = _late("codecarbon", "CodeCarbon")
    prometheus = _late("prometheus.meter", "Prometheus", endpoint=endpoint)
    return (
        MeterSource("rapl", rapl, True, "cpu", "whole packages and memory of Intel and AMD CPUs"),
        MeterSource("nvml", nvml, True, "gpu", "whole NVIDIA boards that this process sees"),
        MeterSource("cpu_time", cpu_time, True, "cpu", "the test's CPU seconds x watts"),
        MeterSource("rapl_psys", psys, kind="system", about="the whole platform, by RAPL"),
        MeterSource("nvml_all", every, kind="gpu", about="every whole NVIDIA board of the machine"),
        MeterSource("amd", amd, True, "gpu", "whole AMD boards that this process sees"),
        MeterSource("amd_energy", sockets, True, "cpu", "AMD sockets, by the amd_energy driver"),
        MeterSource("apple", apple, True, "cpu", "whole CPU, GPU and memory of Apple silicon"),
        MeterSource(
            "codecarbon", codecarbon, kind="cpu", about="the machine, by codecarbon's tracker"
        ),
        MeterSource(
            "prometheus", prometheus, about="counters of a served model, through Prometheus"
        ),
        MeterSource(
            "metrics",
            _late("served.metrics", "Metrics", page=metrics),
            about="counters of an exporter's own page",
        ),
        MeterSource(
            "http",
            _late("served.http", "Http", page=http),
            about="a counter in JSON, of a plug or a server",
        ),
    )


def boards() -> tuple[Gpu, ...]:
    """The GPU boards that this process sees, for the machine class: NVIDIA's, then AMD's."""
    from pytest_energy.meters import amd, nvml

    return nvml.boards() + amd.boards()


def open_meters(names: Iterable[str], sources: Iterable[MeterSource]) -> MeterSet:
    """Open the meters that the settings name.

    `auto` takes every automatic meter that counts or samples, and an estimate only for a kind of
    hardware that none of them sees; a counter that is there but closed to us is named, not
    silently replaced.

    Args:
        names: `auto`, names of sources, or both.
        sources: built in and third-party ones; a later source replaces an earlier of its name.

    Raises:
        ValueError: an unknown name, an unavailable meter that was asked for by name, or a domain
            counted twice; the message lists what there is.
    """
    by_name = {source.name: source for source in sources}
    requested = list(dict.fromkeys(names))
    taken: list[Meter] = []
    note = ""
    try:
        if AUTO in requested:
            note = _take_automatic(by_name.values(), taken)
        for name in requested:
            if name != AUTO and name not in {meter.name for meter in taken}:
                taken.append(_open_named(name, by_name))
        return MeterSet(taken, note)
    except ValueError:
        for meter in taken:
            meter.close()
        raise


def _open_named(name: str, by_name: Mapping[str, MeterSource]) -> Meter:
    if name not in by_name:
        there = "; ".join(f"{known} ({_state(source)})" for known, source in by_name.items())
        raise ValueError(f"no meter named {name!r}; there are: {AUTO}; {there}")
    try:
        return _open(by_name[name])
    except MeterUnavailableError as error:
        hint = f"; {error.hint}" if error.hint else ""
        raise ValueError(f"meter {name!r} is unavailable: {error.reason}{hint}") from error


def _state(source: MeterSource) -> str:
    """Whether a meter can be had here, in a few words."""
    try:
        _open(source).close()
    except MeterUnavailableError as error:
        return error.reason
    return "available"


def _open(source: MeterSource) -> Meter:
    try:
        meter = source.open()
        check_contract(meter)
        return meter
    except MeterUnavailableError:
        raise
    except MeterLostError as error:  # its first reading failed
        raise MeterUnavailableError(error_text(error)) from error
    except Exception as error:  # a third-party meter: a missing library, for example
        text = ": ".join(filter(None, (type(error).__name__, error_text(error, 300))))
        raise MeterUnavailableError(text) from error


def _take_automatic(sources: Iterable[MeterSource], taken: list[Meter]) -> str:
    """Open what `auto` takes; why something is estimated, or nothing."""
    estimates: list[Meter] = []
    missing: list[tuple[str, str, bool]] = []
    closed: list[tuple[str, str]] = []
    skipped_hardware: list[str] = []
    for source in sources:
        if not source.automatic:
            continue
        try:
            meter = _open(source)
        except MeterUnavailableError as error:
            long = "\n" in error.hint or len(error.hint) > 100
            hint = "pytest-energy doctor says what to do" if long else error.hint
            hint = f" ({hint})" if hint else ""
            reason = f"{source.name}: {error.reason}{hint}"
            missing.append((source.kind, reason, bool(hint)))
            if error.closed:
                closed.append((source.kind, reason))
            continue
        if all(d.method in (Method.ESTIMATED, Method.CONSTANT) for d in meter.domains):
            estimates.append(meter)
        elif other := _counted_by(meter, taken):
            skipped_hardware.append(f"{source.name} is left out, because {other} counts the same")
            meter.close()
        else:
            taken.append(meter)
    counted = {domain.kind for meter in taken for domain in meter.domains}
    counted = counted.union(*(meter.covers for meter in taken))
    estimated = set()
    for meter in estimates:
        kinds = {domain.kind for domain in meter.domains}
        if kinds & counted:
            meter.close()
        else:
            taken.append(meter)
            estimated |= kinds
    explained = [(reason, curable) for kind, reason, curable in missing if kind in estimated]
    # Other makers' hardware has no hint: where nothing has one, the first stands for all.
    reasons = (
        [reason for reason, curable in explained if curable] or [explained[0][0]]
        if explained
        else []
    )
    notes = [f"estimated, because {'; '.join(reasons)}"] if reasons else []
    notes += [f"not metered, because {reason}" for kind, reason in closed if kind not in estimated]
    return "; ".join([*notes, *skipped_hardware])


def _counted_by(meter: Meter, taken: Iterable[Meter]) -> str:
    """Which meter that comes before sees what this one sees, as two drivers see one socket."""
    names = {domain.name for domain in meter.domains}
    kinds = {domain.kind for domain in meter.domains}
    for other in taken:
        if names & {domain.name for domain in other.domains}:
            return other.name
        other_kinds = {domain.kind for domain in other.domains}
        if other.covers & kinds or meter.covers & other_kinds:
            return other.name
    return ""
