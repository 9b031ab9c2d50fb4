"""What others use of this machine's CPU time: all of it less what idles and what is ours."""

from __future__ import annotations

import os
from dataclasses import dataclass
from time import perf_counter

LOGICAL_CPUS = os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Look:
    """The machine's CPU time at one moment.

    Args:
        seconds: a monotonic clock.
        idle_seconds: of all CPUs since the machine started; None where the system does not tell.
        own_seconds: CPU seconds of this run's own processes.
    """

    seconds: float
    idle_seconds: float | None
    own_seconds: float

    @classmethod
    def now(cls, own_seconds: float) -> Look:
        """At this moment."""
        return cls(perf_counter(), _idle_seconds(), own_seconds)

    def other_cpu_share(self, later: Look) -> float | None:
        """Share of the machine's CPU time that others used until a later look, 0 to 1.

        The system counts idle time in ticks of 10 ms: tell it of half a second or more.
        """
        if self.idle_seconds is None or later.idle_seconds is None:
            return None
        capacity = (later.seconds - self.seconds) * LOGICAL_CPUS
        if capacity <= 0:
            return None
        idle = later.idle_seconds - self.idle_seconds
        used = capacity - idle - (later.own_seconds - self.own_seconds)
        return min(1.0, max(0.0, used / capacity))


_uptime: int | None = None


def _idle_seconds() -> float | None:
    # /proc/uptime has the idle seconds of all CPUs in one short line (1.6 µs to read); /proc/stat
    # says more and costs ten times as much, more with every CPU. Waiting for a disk is counted as
    # use by others: for metering, a stall is a disturbance too.
    global _uptime
    try:
        if _uptime is None:
            _uptime = os.open("/proc/uptime", os.O_RDONLY)
        return float(os.pread(_uptime, 64, 0).split()[1])
    except (OSError, IndexError, ValueError):
        pass
    import psutil

    try:
        return float(psutil.cpu_times().idle)
    except (psutil.Error, OSError):
        return None
