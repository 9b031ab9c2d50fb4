"""The contract of a meter: cumulative counters, read in microjoules.

Everything above takes differences of readings and never asks which hardware it was. A new kind of
hardware is one new module here and one line in `meters/__init__.py`, or somebody else's plugin
through the `pytest_energy_meters` hook.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from operator import index
from time import perf_counter

from pytest_energy.measurement import Domain, Method, Reading

__all__ = [
    "Domain",
    "Meter",
    "MeterLostError",
    "MeterSet",
    "MeterSource",
    "MeterUnavailableError",
    "Method",
    "Reading",
]


class MeterUnavailableError(Exception):
    """A meter cannot be opened here.

    Args:
        reason: why, as a clause: `no powercap zones under /sys/class/powercap`.
        remedy: what to do about it; empty where nothing can be done.
    """

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


class MeterLostError(Exception):
    """A meter that was open can no longer be read: a board fell off, a file vanished."""


class Meter(ABC):
    """A set of cumulative counters."""

    name: str
    """As in `--energy-meter NAME`."""

    domains: tuple[Domain, ...]
    """What is counted; fixed for the meter's life."""

    longest_seconds: float = inf
    """How far apart two readings may lie before the hardware may have wrapped unseen."""

    own_cpu_ns: int | None = None
    """CPU nanoseconds of this process and its children at the last `read`, from a meter that reads
    them anyway; None from any other."""

    @abstractmethod
    def read(self) -> tuple[int, ...]:
        """The counters now: one cumulative count of microjoules per domain, in order.

        Counts start anywhere and never go back: a meter takes care of its hardware's wraps.

        Raises:
            MeterLostError: the hardware can no longer be read.
        """

    def close(self) -> None:
        """Release what the meter holds. Called once, at the end of the session."""
        return


@dataclass(frozen=True, slots=True)
class MeterSource:
    """A meter that can be asked for by name.

    Args:
        name: as in `--energy-meter NAME`.
        open: makes the meter, or raises `MeterUnavailableError`.
        automatic: whether `auto` may take it. Leave it off for a meter that sees what another one
            sees too (a wall socket, say): `auto` would count twice.
        kind: of hardware that it counts, `cpu` or `gpu`: where an estimate has to stand in for it,
            the reason is shown.
    """

    name: str
    open: Callable[[], Meter]
    automatic: bool = False
    kind: str = ""


class MeterSet:
    """The meters of a session, read together.

    Args:
        meters: open meters with distinct domain names.
        note: why this set, where that needs saying: `estimated, because …`.

    Raises:
        ValueError: two meters count a domain of the same name, which would count it twice.
    """

    def __init__(self, meters: Sequence[Meter], note: str = "") -> None:
        self.meters = tuple(meters)
        self.names = tuple(meter.name for meter in self.meters)
        self.domains = tuple(domain for meter in self.meters for domain in meter.domains)
        self.note = note
        self.longest_seconds = min((meter.longest_seconds for meter in meters), default=inf)
        owners: dict[str, str] = {}
        for meter in self.meters:
            for domain in meter.domains:
                if domain.name in owners:
                    raise ValueError(
                        f"meters {owners[domain.name]!r} and {meter.name!r} both count"
                        f" {domain.name!r}, which would count it twice: name one of them"
                    )
                owners[domain.name] = meter.name

    def read(self) -> Reading:
        """All counters now.

        Raises:
            MeterLostError: a meter cannot be read; the message names it.
        """
        seconds = perf_counter()
        counts: tuple[int, ...] = ()
        for meter in self.meters:
            try:
                counts += tuple(index(count) for count in meter.read())
            except MeterLostError as lost:
                raise MeterLostError(f"{meter.name}: {lost}") from lost
            except Exception as error:  # somebody else's meter: its defect is not the test's
                raise MeterLostError(f"{meter.name}: {type(error).__name__}: {error}") from error
        if len(counts) != len(self.domains):
            raise MeterLostError(
                f"{', '.join(self.names)}: {len(counts)} counts for {len(self.domains)} domains"
            )
        return Reading(seconds, counts)

    def own_cpu_ns(self) -> int | None:
        """What `Meter.own_cpu_ns` says, from the first meter that knows."""
        for meter in self.meters:
            if meter.own_cpu_ns is not None:
                return meter.own_cpu_ns
        return None

    def close(self) -> None:
        """Close every meter; one that fails to does not keep the others open."""
        for meter in self.meters:
            with suppress(Exception):  # at the end of a session nobody can act on it
                meter.close()
