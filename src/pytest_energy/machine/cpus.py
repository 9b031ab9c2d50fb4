"""Hold this process on one CPU: virtual CPUs change speed each by itself, 1.7 times for seconds.

A neighbour on the sibling hardware thread does that, and no guest system sees it. Two processes on
different CPUs are therefore biased against each other for as long as it lasts; on the same CPU both
are hit alike.
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

SEVERAL_CPUS = 1.2
"""CPU seconds per second from which on work ran on several CPUs at once; one thread has at most 1,
and a little of other threads' housekeeping."""


OWN_CGROUP = Path("/proc/self/cgroup")
"""Which control groups this process is in."""


class CpuHold:
    """Holds all threads of this process on one CPU, and lets them go again.

    Nothing is held where the system has no such call, where there is one CPU only, and where the
    user has chosen CPUs already (`taskset`, `numactl`): that choice stands.

    Args:
        tasks: where Linux lists the threads of this process.
    """

    def __init__(self, tasks: Path = Path("/proc/self/task")) -> None:
        self._tasks = tasks
        self._before: dict[int, set[int]] = {}
        self._random = random.Random()  # not the test's: it may have seeded that

    def choose(self) -> int | None:
        """One of the CPUs that this process may be held on, by chance; None where it may not."""
        free = sorted(free_cpus())
        return self._random.choice(free) if free else None

    def hold(self, cpu: int | None) -> bool:
        """Move every thread to one CPU; threads that start later begin there too.

        Args:
            cpu: its number; None to hold nothing.

        Returns:
            Whether this process is held: not where the CPU has gone offline or is refused.
        """
        self.release()
        if cpu is None:
            return False
        before = self._masks()
        self._before = before
        try:
            for thread in before:
                os.sched_setaffinity(thread, {cpu})
        except ProcessLookupError:  # a thread that has ended meanwhile
            return self.hold(cpu)
        except OSError:
            self.release()
            return False
        return True

    def release(self) -> None:
        """Give every thread the CPUs that it had; threads that began meanwhile get the main's."""
        before, self._before = self._before, {}
        if not before:
            return
        of_main = before.get(os.getpid()) or next(iter(before.values()))
        for thread in self._masks():
            with suppress(OSError):  # it has ended, or its CPUs have gone offline
                os.sched_setaffinity(thread, before.get(thread, of_main))

    def _masks(self) -> dict[int, set[int]]:
        masks = {}
        with suppress(OSError):
            for thread in self._tasks.iterdir():
                with suppress(OSError):
                    masks[int(thread.name)] = os.sched_getaffinity(int(thread.name))
        return masks or {0: os.sched_getaffinity(0)}


def free_cpus() -> frozenset[int]:
    """CPUs that this process may be held on; empty where it is not ours to choose."""
    if not hasattr(os, "sched_setaffinity"):
        return frozenset()
    try:
        own = os.sched_getaffinity(0)
        # The kernel cuts a request down to what the container allows: so one asks for all, to
        # learn whether somebody has asked for fewer before.
        os.sched_setaffinity(0, range(max(os.cpu_count() or 1, max(own) + 1)))
        allowed = os.sched_getaffinity(0)
        os.sched_setaffinity(0, own)
    except OSError:
        return frozenset()
    return frozenset(own) if own == allowed and len(own) > 1 else frozenset()


def usable_cpus(cgroups: Path = Path("/sys/fs/cgroup"), own: Path = OWN_CGROUP) -> int:
    """Logical CPUs that this process may use: those of its affinity, within a container's quota.

    Args:
        cgroups: where the kernel shows control groups.
        own: which of them this process is in.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    count = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    quotas = [math.ceil(quota) for quota in _quotas(cgroups, own)]
    return max(1, min([count, *quotas]))


def _quotas(cgroups: Path, own: Path) -> Iterator[float]:
    """CPUs' worth of time that each control group around this process allows."""
    with suppress(OSError, ValueError):
        for line in own.read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "cpu" not in controllers.split(","):
                continue
            top = cgroups / "cpu" if controllers else cgroups  # version 1 has one tree each
            place = top / path.lstrip("/")
            # In a container the path may be the host's, and the tree begins at the container.
            for folder in dict.fromkeys((place, *place.parents, top)):
                if folder.is_relative_to(top):
                    yield from _quota(folder)


def _quota(folder: Path) -> Iterator[float]:
    with suppress(OSError, ValueError, ArithmeticError):
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text(encoding="utf-8").split()
        else:
            quota, period = (
                (folder / f"cpu.cfs_{name}_us").read_text(encoding="utf-8").strip()
                for name in ("quota", "period")
            )
        if quota != "max" and int(quota) > 0:
            yield int(quota) / int(period)
