"""Which meters there are, and which of them a session reads."""

from __future__ import annotations

from collections.abc import Iterable

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
        names: `("auto",)` or names of sources.
        sources: built in and third-party ones; a later source replaces an earlier of its name.

    Raises:
        ValueError: an unknown name, an unavailable meter that was asked for by name, or a domain
            counted twice; the message lists what there is.
    """
    by_name = {source.name: source for source in sources}
    wanted = list(dict.fromkeys(names))
    if wanted != [AUTO]:
        opened: list[Meter] = []
        for name in wanted:
            if name not in by_name:
                raise ValueError(
                    f"no meter named {name!r}; there are: {AUTO}, {', '.join(by_name)}"
                )
            try:
                opened.append(by_name[name].open())
            except MeterUnavailableError as error:
                remedy = f"; {error.remedy}" if error.remedy else ""
                raise ValueError(
                    f"meter {name!r} is unavailable: {error.reason}{remedy}"
                ) from error
        return MeterSet(opened)

    taken: list[Meter] = []
    missing: list[tuple[str, str]] = []
    for source in by_name.values():
        if not source.automatic:
            continue
        try:
            meter = source.open()
        except MeterUnavailableError as error:
            remedy = f" ({error.remedy})" if error.remedy else ""
            missing.append((source.kind, f"{source.name}: {error.reason}{remedy}"))
            continue
        seen = {domain.kind for other in taken for domain in other.domains}
        estimate = all(d.method in (Method.ESTIMATED, Method.CONSTANT) for d in meter.domains)
        if estimate and seen & {domain.kind for domain in meter.domains}:
            meter.close()
            continue
        taken.append(meter)
    estimated = {d.kind for m in taken for d in m.domains if d.method is Method.ESTIMATED}
    reasons = [reason for kind, reason in missing if kind in estimated]
    return MeterSet(taken, f"estimated, because {'; '.join(reasons)}" if reasons else "")
