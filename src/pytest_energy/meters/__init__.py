"""Which meters there are, and which of them a session reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pytest_energy.measurement import Method
from pytest_energy.meters.base import Meter, MeterSet, MeterSource, MeterUnavailableError

__all__ = ["AUTO", "builtin_sources", "open_meters"]

AUTO = "auto"


def _rapl() -> Meter:
    from pytest_energy.meters.rapl import Rapl

    return Rapl()


def _nvml() -> Meter:
    from pytest_energy.meters.nvml import Nvml

    return Nvml()


def _cpu_time() -> Meter:
    from pytest_energy.meters.cpu_time import CpuTime

    return CpuTime()


def builtin_sources() -> tuple[MeterSource, ...]:
    """The meters that this package brings; counters first, estimates last."""
    return (
        MeterSource("rapl", _rapl, automatic=True, kind="cpu"),
        MeterSource("nvml", _nvml, automatic=True, kind="gpu"),
        MeterSource("cpu_time", _cpu_time, automatic=True, kind="cpu"),
    )


def open_meters(names: Iterable[str], sources: Iterable[MeterSource]) -> MeterSet:
    """Open the meters that the settings name.

    `auto` takes every automatic meter that counts or samples, and an estimate only for a kind of
    hardware that none of them sees; a counter that is there but closed to us is said, not
    silently replaced.

    Args:
        names: `auto`, names of sources, or both.
        sources: built in and third-party ones; a later source replaces an earlier of its name.

    Raises:
        ValueError: an unknown name, an unavailable meter that was asked for by name, or a domain
            counted twice; the message lists what there is.
    """
    by_name = {source.name: source for source in sources}
    wanted = list(dict.fromkeys(names))
    taken: list[Meter] = []
    note = ""
    try:
        if AUTO in wanted:
            note = _take_automatic(by_name.values(), taken)
        for name in wanted:
            if name != AUTO and name not in {meter.name for meter in taken}:
                taken.append(_open_named(name, by_name))
        return MeterSet(taken, note)
    except ValueError:
        for meter in taken:
            meter.close()
        raise


def _open_named(name: str, by_name: Mapping[str, MeterSource]) -> Meter:
    if name not in by_name:
        raise ValueError(f"no meter named {name!r}; there are: {AUTO}, {', '.join(by_name)}")
    try:
        return _open(by_name[name])
    except MeterUnavailableError as error:
        remedy = f"; {error.remedy}" if error.remedy else ""
        raise ValueError(f"meter {name!r} is unavailable: {error.reason}{remedy}") from error


def _open(source: MeterSource) -> Meter:
    try:
        return source.open()
    except MeterUnavailableError:
        raise
    except Exception as error:  # somebody else's meter: a missing library, say
        raise MeterUnavailableError(f"{type(error).__name__}: {error}") from error


def _take_automatic(sources: Iterable[MeterSource], taken: list[Meter]) -> str:
    """Open what `auto` takes; why something is estimated, or nothing."""
    estimates: list[Meter] = []
    missing: list[tuple[str, str]] = []
    for source in sources:
        if not source.automatic:
            continue
        try:
            meter = _open(source)
        except MeterUnavailableError as error:
            remedy = f" ({error.remedy})" if error.remedy else ""
            missing.append((source.kind, f"{source.name}: {error.reason}{remedy}"))
            continue
        estimate = all(d.method in (Method.ESTIMATED, Method.CONSTANT) for d in meter.domains)
        (estimates if estimate else taken).append(meter)
    counted = {domain.kind for meter in taken for domain in meter.domains}
    estimated = set()
    for meter in estimates:
        kinds = {domain.kind for domain in meter.domains}
        if kinds & counted:
            meter.close()
        else:
            taken.append(meter)
            estimated |= kinds
    reasons = [reason for kind, reason in missing if kind in estimated]
    return f"estimated, because {'; '.join(reasons)}" if reasons else ""
