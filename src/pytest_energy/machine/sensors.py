"""The system's own figures of load, clock and temperature while something is metered."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import psutil

from pytest_energy.files import text_of
from pytest_energy.machine.load import LOGICAL_CPUS, LoadReader
from pytest_energy.machine.process_tree import RunProcesses

CPUS = Path("/sys/devices/system/cpu")
"""Where Linux describes its CPUs: Documentation/admin-guide/pm/cpufreq.rst."""

MOST = 2**64
"""No number of the kernel's is as large."""


@dataclass(frozen=True, slots=True)
class Load:
    """What else runs.

    Args:
        other_cpu_share: share of all CPUs' time that other processes used, 0 to 1; None where the
            time was too short to tell.
        seconds: over how long.
        average: mean number of tasks that ran or wanted to, over the last minute; None where the
            system keeps no such figure.
        logical_cpus: hardware threads that they share.
    """

    other_cpu_share: float | None
    seconds: float
    average: float | None
    logical_cpus: int


@dataclass(frozen=True, slots=True)
class Clock:
    """The clock of the CPUs. None, or nothing, stands for what the system does not report.

    Args:
        governors: what sets the frequency: `performance`, `powersave`, …; one name each.
        megahertz: the CPUs' mean frequency now.
        most_megahertz: the highest that the hardware allows.
        boost: whether the clock may rise above its nominal frequency (turbo).
    """

    governors: tuple[str, ...] = ()
    megahertz: float | None = None
    most_megahertz: float | None = None
    boost: bool | None = None


@dataclass(frozen=True, slots=True)
class Temperature:
    """The hottest place of one sensor chip. `high_celsius` is the limit that the chip names."""

    chip: str
    celsius: float
    high_celsius: float | None


@dataclass(frozen=True, slots=True)
class Heat:
    """Temperatures and throttling.

    Args:
        temperatures: one a chip.
        throttled: how often a CPU was slowed down for its heat since boot; None where the system
            does not count.
    """

    temperatures: tuple[Temperature, ...] = ()
    throttled: int | None = None


class LoadWatch:
    """Watches what other processes use, from its making to `load`."""

    def __init__(self) -> None:
        self._reader = LoadReader()
        self._began = self._reader.now(RunProcesses().cpu_ns() / 1e9)

    def load(self) -> Load:
        """What they used since."""
        now = self._reader.now(RunProcesses().cpu_ns() / 1e9)
        seconds = now.seconds - self._began.seconds
        # The system counts idle time in ticks of 10 ms.
        share = self._reader.other_cpu_share(self._began, now) if seconds >= 0.1 else None
        average = None
        if hasattr(os, "getloadavg"):  # psutil's stand-in on Windows needs minutes
            with suppress(OSError):
                average = os.getloadavg()[0]
        return Load(share, seconds, average, LOGICAL_CPUS)


def read_clock(cpus: Path = CPUS) -> Clock:
    """Ask for the clock.

    Args:
        cpus: Linux's folder of CPUs; elsewhere, and where it has no figures, psutil is asked.
    """
    policies = sorted((cpus / "cpufreq").glob("policy*"))
    governors = dict.fromkeys(filter(None, (text_of(p / "scaling_governor") for p in policies)))
    now = [khz for p in policies if (khz := _number(p / "scaling_cur_freq")) is not None]
    most = [khz for p in policies if (khz := _number(p / "cpuinfo_max_freq")) is not None]
    megahertz = mean(now) / 1000 if now else None
    most_megahertz = max(most) / 1000 if most else None
    if megahertz is None and cpus == CPUS:
        megahertz, most_megahertz = _portable_megahertz()
    return Clock(tuple(governors), megahertz, most_megahertz, _boost(cpus))


def _portable_megahertz() -> tuple[float | None, float | None]:
    try:
        frequency = psutil.cpu_freq()
    except (OSError, RuntimeError, NotImplementedError, AttributeError):
        frequency = None
    # psutil writes 0 for what it does not know.
    return (frequency.current or None, frequency.max or None) if frequency else (None, None)


def _boost(cpus: Path) -> bool | None:
    no_turbo = _number(cpus / "intel_pstate" / "no_turbo")
    if no_turbo is not None:
        return no_turbo == 0
    boost = _number(cpus / "cpufreq" / "boost")
    return None if boost is None else boost != 0


def read_heat(cpus: Path = CPUS) -> Heat:
    """Ask for temperatures and throttling.

    Args:
        cpus: Linux's folder of CPUs, which counts throttling on Intel's.
    """
    # Each core has its own count; the threads of a core and the cores of a package repeat theirs,
    # so this says whether and roughly how often, not how long.
    counts = _numbers(cpus.glob("cpu[0-9]*/thermal_throttle/*_throttle_count"))
    return Heat(_temperatures(), max(counts, default=None))


def _temperatures() -> tuple[Temperature, ...]:
    try:
        chips = psutil.sensors_temperatures()
    except (AttributeError, OSError, ValueError):  # no such thing on macOS and Windows
        return ()
    hottest = ((chip, max(places, key=lambda p: p.current)) for chip, places in chips.items())
    return tuple(Temperature(chip, place.current, place.high or None) for chip, place in hottest)


def _number(path: Path) -> int | None:
    try:
        number = int(text_of(path))
    except ValueError:
        return None
    return number if abs(number) < MOST else None


def _numbers(paths: Iterable[Path]) -> list[int]:
    return [number for path in paths if (number := _number(path)) is not None]
