"""The processes of a server on this machine that the test did not start."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from pytest_energy.machine.process_tree import trees_cpu_ns
from pytest_energy.world import HAS_PROC

LARGEST_PORT = 65_535

_NANOSECONDS = 1_000_000_000


def parse_server(text: str) -> tuple[str, int]:
    """`port` or `pid`, and its number.

    Args:
        text: `8000`, or `pid:4711`.

    Raises:
        ValueError: it is neither.
    """
    found = re.fullmatch(r"(pid:)?([0-9]{1,10})", text.strip(), re.ASCII)
    number = int(found[2]) if found else 0
    if not found or number < 1 or (not found[1] and number > LARGEST_PORT):
        raise ValueError(f"expected a port such as 8000, or pid:4711, found {text!r}")
    return ("pid" if found[1] else "port"), number


class ServedProcesses:
    """A server's process trees, found by its port or its process id.

    Args:
        kind: `port` or `pid`.
        number: of the port, or the process.

    Raises:
        ValueError: there is no such process, it may not be looked at, or it belongs to this run;
            says what to do.
    """

    def __init__(self, kind: str, number: int) -> None:
        import psutil

        self._said = f"port {number}" if kind == "port" else f"process {number}"
        pids = {number} if kind == "pid" else _listeners(number)
        try:
            own = {os.getpid()} | {c.pid for c in psutil.Process().children(recursive=True)}
            found = [psutil.Process(pid) for pid in pids]
            # A server's workers listen too; their parent's tree has them.
            roots = [p for p in found if not pids & {above.pid for above in p.parents()}]
            self._roots = {process.pid: process for process in roots}
        except psutil.AccessDenied:
            raise ValueError(f"{self._said}: permission denied to look at the process") from None
        except psutil.NoSuchProcess:
            raise ValueError(f"{self._said}: there is no such process") from None
        ours = own & self._roots.keys()
        if ours:
            raise ValueError(
                f"{self._said}: process {min(ours)} belongs to this run, and is counted already"
            )
        above = {parent.pid for parent in psutil.Process().parents()} & self._roots.keys()
        if above:
            raise ValueError(
                f"{self._said}: process {min(above)} has started this run, which would count twice"
            )
        self.cpu_ns()

    def cpu_ns(self) -> int:
        """CPU nanoseconds of the server's processes, living and ended.

        Raises:
            ValueError: the server has ended, whether or not another process has its number now.
        """
        for process in self._roots.values():
            # By the time of its start: numbers are used again.
            if not process.is_running() or _is_dead(process):
                raise ValueError(
                    f"{self._said}: the server's process {process.pid} has ended; what runs there"
                    " now is another one: start the session again"
                )
        if HAS_PROC:
            return trees_cpu_ns(list(self._roots), {os.getpid()})
        return _psutil_ns(self._roots.values())


def _listeners(port: int) -> set[int]:
    """Ids of the processes that listen at a TCP port.

    Raises:
        ValueError: nobody listens, or it may not be known who.
    """
    import psutil

    denied = (
        f"port {port}: permission denied to see who listens there; run as the server's user, or"
        " name the process with pid:NUMBER"
    )
    try:
        there = [
            one
            for one in psutil.net_connections("tcp")
            if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port
        ]
    except psutil.AccessDenied:
        raise ValueError(denied) from None
    if not there:
        raise ValueError(f"port {port}: nobody listens there on this machine; start the server")
    pids = {one.pid for one in there if one.pid}
    # A socket without a process is another user's, or another container's.
    if not pids:
        raise ValueError(denied)
    return pids


def _is_dead(process: object) -> bool:
    import psutil

    assert isinstance(process, psutil.Process)
    try:
        return bool(process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD))
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


def _psutil_ns(roots: Iterable[object]) -> int:
    """CPU nanoseconds where the system has no /proc.

    Raises:
        ValueError: a process may not be looked at.
    """
    import psutil

    total = 0.0
    for root in roots:
        assert isinstance(root, psutil.Process)
        try:
            for process in [root, *root.children(recursive=True)]:
                times = process.cpu_times()
                total += times.user + times.system
        except psutil.AccessDenied:
            raise ValueError(
                f"process {root.pid}: permission denied to read its CPU time"
            ) from None
        except psutil.NoSuchProcess:
            continue  # one of its children ended meanwhile
    return int(total * _NANOSECONDS)
