"""The contract of a meter: cumulative counters, read in microjoules.

Everything above takes differences of readings and never asks which hardware it was. A new kind of
hardware is one new module here and one line in `meters/__init__.py`, or a third-party plugin
through the `pytest_energy_meters` hook.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from pytest_energy.machine.process_tree import RunProcesses
from pytest_energy.types.energy import Domain, Method, Reading

__all__ = [
    "Domain",
    "Meter",
    "MeterLostError",
    "MeterSource",
    "MeterUnavailableError",
    "Method",
    "Reading",
]


MOST_WATTS = 1e9
"""More than anything draws that a test may meter: the largest data centres are of a gigawatt."""

MOST_BOARD_WATTS = 5000.0
"""More than an accelerator board draws: the largest modules of two dies are rated at 2.7 kW."""


class MeterUnavailableError(Exception):
    """A meter cannot be opened here.

    Args:
        reason: why, as a clause: `no powercap zones under /sys/class/powercap`.
        hint: what to do about it; empty where nothing can be done.
        closed: whether the hardware is there and refuses: `auto` does not pass over that in
            silence.
    """

    def __init__(
        self, reason: str, hint: str = "", closed: bool = False, **renamed: object
    ) -> None:
        if renamed:  # as written against the contract's first form
            names = ", ".join(f"{name}= is now called hint=" for name in renamed)
            raise TypeError(f"MeterUnavailableError: {names}")
        super().__init__(reason)
        self.reason = reason
        self.hint = hint
        self.closed = closed


class MeterLostError(Exception):
    """A meter that was open can no longer be read: a board fell off, a file vanished."""


class Meter(ABC):
    """A set of cumulative counters."""

    name: str
    """As in `--energy-meter NAME`."""

    domains: tuple[Domain, ...]
    """What is counted; fixed for the meter's life."""

    max_read_interval_seconds: float = inf
    """How far apart two readings may lie before the hardware may have wrapped unseen."""

    max_watts: float = MOST_WATTS
    """More than what any one of its domains counts can draw: a count that rose faster is a faulty
    reading, and a smaller limit than the default finds more of them."""

    covers: frozenset[str] = frozenset()
    """Kinds of hardware that it counts whole whatever its domains are called, so that no other
    meter may count them beside it: `{"cpu", "dram"}` for a counter of the whole platform."""

    remote: bool = False
    """Whether the joules are spent elsewhere, in another process or on another host: what else
    runs here does then not interfere."""

    polled: bool = False
    """Whether a remote meter may be read again and again until it moves: it pauses by itself."""

    skipped_hardware: tuple[str, ...] = ()
    """Hardware that is there and not counted, each with the reason, as a clause."""

    missed_samples: int = 0
    """How often, since it was opened, it had to do without readings that its counts rest on."""

    processes: RunProcesses = RunProcesses()
    """The processes of this run; the session puts its own here, the same for all its meters."""

    own_cpu_ns: int | None = None
    """CPU nanoseconds of this process and its children at the last `read`, from a meter that reads
    them anyway; None from any other."""

    @abstractmethod
    def read(self) -> tuple[int, ...]:
        """The counters now: one cumulative count of microjoules per domain, in order.

        Counts are integers from 0 to 10²¹, start anywhere and never go back: a meter takes care of
        its hardware's wraps. Any other answer is a reading that failed.

        Raises:
            MeterLostError: the hardware can no longer be read.
        """

    def interference(self) -> tuple[str, ...]:
        """What else uses the metered hardware right now, each a clause for people; asked before
        a window is opened and after it is closed.
        """
        return ()

    def close(self) -> None:
        """Release what the meter holds. Called once, at the end of the session."""
        return


RENAMED = {
    "whole_kinds": "covers",
    "left_out": "skipped_hardware",
    "longest_seconds": "max_read_interval_seconds",
    "gaps": "missed_samples",
    "disturbances": "interference",
}
"""Members of the contract by the names of its first form, and by those of today."""


def check_contract(meter: Meter) -> None:
    """Refuse a meter that was written for an older contract: what it says would go unheard.

    Args:
        meter: open.

    Raises:
        MeterUnavailableError: it has members of the old names; names the new ones.
    """
    old = [name for name in RENAMED if hasattr(meter, name)]
    if old:
        names = ", ".join(f"{name} is now called {RENAMED[name]}" for name in old)
        raise MeterUnavailableError(
            f"{type(meter).__name__} is written for an older contract of meters",
            f"rename its members: {names}",
            closed=True,
        )


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
        about: what it counts, in a few words, for `pytest-energy doctor`.
    """

    name: str
    open: Callable[[], Meter]
    automatic: bool = False
    kind: str = ""
    about: str = ""
