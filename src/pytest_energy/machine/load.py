"""What others use of this machine's CPU time: all of it less what idles and what is ours."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from pytest_energy.world import clock, pread

LOGICAL_CPUS = os.cpu_count() or 1

RECENT_SECONDS = 5e-3
"""A reading that is no older stands for one now: the system counts idle time in ticks of 10 ms, and
shares are computed of windows that are much longer."""

EARLIER_SPACING_SECONDS = 0.1
"""Readings that are kept for a while lie so far apart."""

EARLIEST_SECONDS = 2.0
"""A reading that is older says nothing of a window of a moment."""


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """The machine's CPU time at one moment.

    Args:
        seconds: a monotonic clock.
        idle_seconds: of all CPUs since the machine started; None where the system does not tell.
        own_seconds: CPU seconds of this run's own processes.
    """

    seconds: float
    idle_seconds: float | None
    own_seconds: float


@cache
def _uptime() -> int | None:
    try:
        return os.open("/proc/uptime", os.O_RDONLY)
    except OSError:
        return None


def idle_seconds() -> float | None:
    """Idle seconds of all CPUs since the machine started; None where the system does not tell."""
    # /proc/uptime has the idle seconds of all CPUs in one short line (1.6 µs to read); /proc/stat
    # says more and costs ten times as much, more with every CPU. Waiting for a disk is counted as
    # use by others: for metering, a stall is interference too.
    uptime = _uptime()
    if uptime is not None:
        try:
            return _told(float(pread(uptime, 64, 0).split()[1]))
        except (OSError, IndexError, ValueError):
            pass
    import psutil

    try:
        return _told(float(psutil.cpu_times().idle))
    except (psutil.Error, OSError):
        return None


def _told(idle: float) -> float | None:
    """Idle seconds, or None for the 0 of a system that keeps no count (gVisor)."""
    return idle if 0 < idle < math.inf else None


class LoadReader:
    """Reads the machine's CPU time, and computes the share of others between two readings.

    Args:
        clock: monotonic, in seconds.
        idle: idle seconds of all CPUs; None where the system does not tell.
        logical_cpus: of the machine.
    """

    __slots__ = ("_clock", "_cpus", "_earlier", "_idle", "_last")

    def __init__(
        self,
        clock: Callable[[], float] = clock,
        idle: Callable[[], float | None] = idle_seconds,
        logical_cpus: int = LOGICAL_CPUS,
    ) -> None:
        self._clock, self._idle, self._cpus = clock, idle, logical_cpus
        self._last: CpuTimes | None = None
        self._earlier: deque[CpuTimes] = deque()

    def now(self, own_seconds: float) -> CpuTimes:
        """The CPU time at this moment.

        Args:
            own_seconds: CPU seconds of this run's own processes.
        """
        return CpuTimes(self._clock(), self._idle(), own_seconds)

    def recent(self, own_seconds: Callable[[], float]) -> CpuTimes:
        """The CPU time at this moment, or as last read here less than `RECENT_SECONDS` ago.

        Args:
            own_seconds: CPU seconds of this run's own processes; asked only for a new reading.
        """
        last, clock = self._last, self._clock
        if last is None or clock() - last.seconds > RECENT_SECONDS:
            self._last = last = self.now(own_seconds())
            self._keep(last)
        return last

    def start_over(self) -> None:
        """Use no reading from before: the run has other processes from here on."""
        self._last = None
        self._earlier.clear()

    def _keep(self, reading: CpuTimes) -> None:
        earlier = self._earlier
        if not earlier or reading.seconds - earlier[-1].seconds >= EARLIER_SPACING_SECONDS:
            earlier.append(reading)
        while len(earlier) > 1 and reading.seconds - earlier[0].seconds > EARLIEST_SECONDS:
            earlier.popleft()

    def before(self, until: CpuTimes, seconds: float) -> CpuTimes:
        """The latest reading that was taken so long before another one, or the first there is.

        What ran beside a window of a moment ran a moment ago as well, most likely. No reading is
        older than `EARLIEST_SECONDS`.

        Args:
            until: a reading that was just taken here.
            seconds: that should lie between the two.
        """
        earlier = self._earlier
        enough = (each for each in reversed(earlier) if until.seconds - each.seconds >= seconds)
        return next(enough, earlier[0] if earlier else until)

    def other_cpu_share(self, since: CpuTimes, until: CpuTimes) -> float | None:
        """Share of the machine's CPU time that others used between two readings, 0 to 1.

        The system counts idle time in ticks of 10 ms: a fifth of a second is the
        least to tell it of.
        """
        if since.idle_seconds is None or until.idle_seconds is None:
            return None
        capacity = (until.seconds - since.seconds) * self._cpus
        if capacity <= 0:
            return None
        idle = until.idle_seconds - since.idle_seconds
        used = capacity - idle - (until.own_seconds - since.own_seconds)
        return min(1.0, max(0.0, used / capacity))
