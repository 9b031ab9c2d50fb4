"""The processes of this run, and their CPU time."""

from __future__ import annotations

import os
import sys
from collections.abc import Set
from dataclasses import dataclass, field

from pytest_energy.world import (
    HAS_PROC,
    clock_gettime_ns,
    listdir,
    open_bytes,
    process_time_ns,
)


@dataclass(slots=True)
class RunProcesses:
    """The processes of one run: the tree of this process, with what is added and what is left out.

    Args:
        added: ids of processes that are no children of this one and belong to the run all the same:
            the head, in the worker of a paired run.
        excluded: ids of children that are no part of what is measured: the worker, in the head of a
            paired run. It waits while a window is open, but its threads may spin a while longer.
    """

    added: set[int] = field(default_factory=set)
    excluded: set[int] = field(default_factory=set)

    def foreign_pids(self, pids: set[int]) -> set[int]:
        """Ids of processes that do not belong to this run.

        Args:
            pids: as the system numbers them; what does not exist here (a number from outside of a
                container) is left out, since it may belong to this run.
        """
        return {pid for pid in pids - {os.getpid()} - self.added if _is_strange(pid)}

    def cpu_ns(self) -> int:
        """CPU nanoseconds of this process and its children, living and ended, user and system.

        A child that ends without being waited for takes its own along; callers that need a count
        that never goes back keep the largest (`CpuTime` does).
        """
        return process_time_ns() + self.children_cpu_ns()

    def children_cpu_ns(self) -> int:
        """CPU nanoseconds of the children alone, without the excluded ones."""
        return _ended_children_ns() + living_children_ns(self.excluded)

    def excluded_cpu_ns(self) -> int:
        """CPU nanoseconds of the excluded processes that are alive, with their own children."""
        without = {os.getpid()}  # in a worker the head, its parent, may be excluded
        return trees_cpu_ns(list(self.excluded), without) if self.excluded and _LINUX else 0


def _is_strange(pid: int) -> bool:
    """Whether a process exists, and neither it nor any ancestor of it is this process."""
    own, line = os.getpid(), [pid]
    while line[-1] > 1:
        parent = _parent(line[-1])
        if parent is None:
            return len(line) > 1  # its line ended meanwhile, without coming by here
        if parent == own:
            return False
        if parent in line:
            break
        line.append(parent)
    return True


if sys.platform == "linux":

    def _parent(pid: int) -> int | None:
        try:
            with open_bytes(f"/proc/{pid}/stat") as file:
                return int(file.read().rpartition(b")")[2].split()[1])
        except (OSError, IndexError, ValueError):  # it ended meanwhile
            return None

else:

    def _parent(pid: int) -> int | None:
        import psutil

        try:
            return int(psutil.Process(pid).ppid())
        except psutil.Error:
            return None


_NANOSECONDS = 1_000_000_000

_LINUX = sys.platform == "linux"

_TICK_NANOSECONDS = _NANOSECONDS // os.sysconf("SC_CLK_TCK") if _LINUX else 0


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


def living_children_ns(excluded: Set[int] = frozenset()) -> int:
    """CPU nanoseconds of the living children and theirs, without the excluded ones.

    Args:
        excluded: ids of children that do not count.
    """
    if not _has_children():
        return 0
    if not _LINUX or not HAS_PROC:
        return living_children_ns_psutil(excluded)
    # Only this process's own tree is walked: psutil reads the whole process table, milliseconds
    # on a busy machine, and that time would stand in the window.
    return trees_cpu_ns(_child_ids("self"), excluded)


def trees_cpu_ns(waiting: list[int], without: Set[int]) -> int:
    """CPU nanoseconds of processes and all below them, with the ended ones that were waited for.

    Args:
        waiting: ids of the processes; the list is used up.
        without: ids of processes that do not count, with theirs.
    """
    total, done = 0, set(without)
    while waiting:
        pid = waiting.pop()
        if pid in done:
            continue
        done.add(pid)
        try:
            # Linux encodes the CPU clock of a process in its clock id (clock_getcpuclockid(3)).
            total += clock_gettime_ns((~pid << 3) | 2)
            with open_bytes(f"/proc/{pid}/stat") as stat:
                fields = stat.read().rpartition(b")")[2].split()
            total += (int(fields[13]) + int(fields[14])) * _TICK_NANOSECONDS
        except (OSError, IndexError, ValueError):  # it ended meanwhile: its parent has its seconds
            continue
        waiting += _child_ids(str(pid))
    return total


def _child_ids(process: str) -> list[int]:
    ids: list[int] = []
    try:
        # Plain opens and names: pathlib would take three times as long.
        for thread in listdir(f"/proc/{process}/task"):
            with open_bytes(f"/proc/{process}/task/{thread}/children") as children:
                ids += map(int, children.read().split())
    except (OSError, ValueError):
        pass
    return ids


def living_children_ns_psutil(excluded: Set[int] = frozenset()) -> int:
    """CPU nanoseconds of the living children by psutil, for systems without /proc.

    Args:
        excluded: ids of children that do not count.
    """
    import psutil

    total = 0.0
    try:
        process = psutil.Process()
        ours = [child for child in process.children() if child.pid not in excluded]
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
