"""Which processes are this run's own: what they do to a board or a CPU is no disturbance."""

from __future__ import annotations

import os

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
    unknown = pids - {os.getpid()} - _joined
    if not unknown:
        return set()
    import psutil

    try:
        family = {child.pid for child in psutil.Process().children(recursive=True)}
    except psutil.Error:
        return set()
    return {pid for pid in unknown - family if psutil.pid_exists(pid)}
