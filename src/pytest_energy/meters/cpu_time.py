"""An estimate where the CPU has no counter: CPU seconds x watts per logical CPU.

CPU seconds of this process and of all its children, living and ended. On a machine without
counters this is the estimate that varies least; its absolute value is only as good as the watts.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Set
from pathlib import Path

from pytest_energy import reference
from pytest_energy.machine import Cpu, read_cpu
from pytest_energy.measurement import Domain, Method
from pytest_energy.meters.base import Meter

DEFAULT_WATTS_PER_CPU = 4.0
"""Watts of one busy logical CPU of an unknown model.

Source: codecarbon's own default for CPUs that are not in its table (`DEFAULT_POWER_PER_CORE`).
"""

_NANOSECONDS = 1_000_000_000
_LINUX = sys.platform == "linux"
_TICK_NANOSECONDS = _NANOSECONDS // os.sysconf("SC_CLK_TCK") if _LINUX else 0


def watts_per_cpu(cpu: Cpu) -> tuple[float, str]:
    """Watts that one busy logical CPU is charged with, and how that was found.

    The thermal design power of the sockets over the logical CPUs they show, from codecarbon's
    table. In a virtual machine the CPUs are a share of a socket whose size the guest cannot see;
    there, and for models that are not in the table, `DEFAULT_WATTS_PER_CPU`.
    """
    if cpu.virtual:
        return DEFAULT_WATTS_PER_CPU, "codecarbon's default: a virtual machine hides the socket"
    tdp = reference.cpu_tdp_watts(cpu.model)
    if tdp is None:
        return DEFAULT_WATTS_PER_CPU, "codecarbon's default: the model is not in its table"
    sockets = f"{cpu.sockets} x " if cpu.sockets > 1 else ""
    return (
        tdp * cpu.sockets / cpu.logical_cpus,
        f"{sockets}{tdp:g} W TDP over {cpu.logical_cpus} logical CPUs, codecarbon's table",
    )


def process_tree_cpu_ns() -> int:
    """CPU nanoseconds of this process and its children, living and ended, user and system.

    A child that ends without being waited for takes its own along; callers that need a count
    that never goes back keep the largest (`CpuTime` does).
    """
    return time.process_time_ns() + children_cpu_ns()


def children_cpu_ns() -> int:
    """Of the children alone."""
    return _ended_children_ns() + _living_children_ns()


_apart: set[int] = set()


def set_apart(pid: int, apart: bool) -> None:
    """Say of a child that it is no part of what is measured: another revision's process.

    It waits while a window is open, but threads that it has may spin a while longer.
    """
    if apart:
        _apart.add(pid)
    else:
        _apart.discard(pid)


def apart_cpu_ns() -> int:
    """Of the living children that are set apart, with theirs."""
    return _trees_cpu_ns(list(_apart), frozenset()) if _apart and _LINUX else 0


if sys.platform == "win32":

    def _ended_children_ns() -> int:
        return 0  # Windows keeps no account of children that ended

    def _has_children() -> bool:
        return True

else:
    import resource

    def _ended_children_ns() -> int:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return int((usage.ru_utime + usage.ru_stime) * _NANOSECONDS)

    def _has_children() -> bool:
        # One system call answers for the whole process: most windows need no walk at all.
        if not hasattr(os, "waitid"):
            return True
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return False
        return True


def _living_children_ns() -> int:
    if not _has_children():
        return 0
    if not _LINUX or not Path("/proc/self/task").exists():
        return _living_children_ns_psutil()
    # Only this process's own tree is walked: psutil reads the whole process table, milliseconds
    # on a busy machine, and that time would stand in the window.
    return _trees_cpu_ns(_child_ids("self"), _apart)


def _trees_cpu_ns(waiting: list[int], without: Set[int]) -> int:
    total = 0
    while waiting:
        pid = waiting.pop()
        if pid in without:
            continue
        try:
            # Linux encodes the CPU clock of a process in its clock id (clock_getcpuclockid(3)).
            total += time.clock_gettime_ns((~pid << 3) | 2)
            with open(f"/proc/{pid}/stat", "rb", buffering=0) as stat:
                fields = stat.read().rpartition(b")")[2].split()
            total += (int(fields[13]) + int(fields[14])) * _TICK_NANOSECONDS
        except (OSError, IndexError):  # it ended meanwhile: its parent has its seconds
            continue
        waiting += _child_ids(str(pid))
    return total


def _child_ids(process: str) -> list[int]:
    ids: list[int] = []
    try:
        # Plain opens and names: pathlib would take three times as long.
        for thread in os.listdir(f"/proc/{process}/task"):  # noqa: PTH208
            with open(f"/proc/{process}/task/{thread}/children", "rb", buffering=0) as children:
                ids += map(int, children.read().split())
    except OSError:
        pass
    return ids


def _living_children_ns_psutil() -> int:
    import psutil

    total = 0.0
    try:
        process = psutil.Process()
        ours = [child for child in process.children() if child.pid not in _apart]
        children = [*ours, *(below for child in ours for below in child.children(recursive=True))]
    except psutil.Error:
        return 0
    for child in children:
        try:
            times = child.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system
        total += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return int(total * _NANOSECONDS)


class CpuTime(Meter):
    """CPU seconds of the process tree x watts per logical CPU.

    Args:
        cpu: what machine this is; read from the system when left out.
    """

    name = "cpu_time"
    own_cpu_ns: int

    def __init__(self, cpu: Cpu | None = None) -> None:
        self.watts, basis = watts_per_cpu(cpu or read_cpu())
        domain = Domain(
            name="cpu",
            kind="cpu",
            method=Method.ESTIMATED,
            source="CPU time",
            # clock_gettime(CLOCK_PROCESS_CPUTIME_ID) is good for about a microsecond.
            resolution_seconds=1e-6,
            basis=f"{self.watts:.4g} W per logical CPU ({basis})",
        )
        self.domains = (domain,)
        self.own_cpu_ns = 0
        self._lost_ns = 0
        self._looking_ns = 0

    def read(self) -> tuple[int, ...]:
        """Microjoules since the process began, estimated."""
        own = time.process_time_ns()
        now = own - self._looking_ns + children_cpu_ns() + self._lost_ns
        # Looking for living children takes a fraction of a millisecond, and would stand in every
        # window that this reading opens.
        self._looking_ns += time.process_time_ns() - own
        last = self.own_cpu_ns
        if now < last:
            self._lost_ns += last - now
            now = last
        self.own_cpu_ns = now
        return (int(now * self.watts) // 1000,)
