"""Which processes are this run's own: what they do to a board or a CPU is no disturbance."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_joined: set[int] = set()


def join(pid: int) -> None:
    """Another process of this run, which is no child of this one: the head of a paired run."""
    _joined.add(pid)


def strangers(pids: set[int]) -> set[int]:
    """Those that are not this run's own.

    Args:
        pids: as the system numbers them; what does not exist here (a number from outside of a
            container) is left out, since nobody can tell whose it is.
    """
    return {pid for pid in pids - {os.getpid()} - _joined if _is_strange(pid)}


def _is_strange(pid: int) -> bool:
    """Whether a process exists and neither it nor who started it, and so on, is this one."""
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
            stat = Path(f"/proc/{pid}/stat").read_bytes()
        except OSError:
            return None
        return int(stat.rpartition(b")")[2].split()[1])

else:

    def _parent(pid: int) -> int | None:
        import psutil

        try:
            return int(psutil.Process(pid).ppid())
        except psutil.Error:
            return None
