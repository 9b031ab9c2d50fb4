"""The clocks and files of this machine, out of reach of what a test puts in their place.

freezegun replaces functions of `time`, pyfakefs those of `os` and `open`, in every module that has
them as attributes. A `partial` is none of these functions, so that it stays, and costs 20 ns.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

clock: Callable[[], float] = partial(time.perf_counter)
"""Monotonic, in seconds."""

sleep: Callable[[float], None] = partial(time.sleep)

process_time: Callable[[], float] = partial(time.process_time)
"""CPU time of this process, in seconds."""

thread_time: Callable[[], float] = partial(time.thread_time)
"""CPU time of this thread, in seconds."""

process_time_ns: Callable[[], int] = partial(time.process_time_ns)

listdir: Callable[[str], list[str]] = partial(os.listdir)

_open: Callable[..., IO[bytes]] = open

open_bytes: Callable[[str], IO[bytes]] = partial(_open, mode="rb", buffering=0)
"""Opens a file to read bytes from it, unbuffered."""

HAS_PROC = Path("/proc/self/task").exists()
"""Whether the system shows its processes as files (Linux)."""


def _not_here(*_: int) -> int:
    raise OSError("this system has no such function")


pread: Callable[[int, int, int], bytes] = partial(getattr(os, "pread", _not_here))
"""Reads so many bytes of an open file from an offset on."""

clock_gettime_ns: Callable[[int], int] = partial(getattr(time, "clock_gettime_ns", _not_here))


@contextmanager
def real_files() -> Iterator[None]:
    """The real file system for the length of the block, where pyfakefs has put another there."""
    module = sys.modules.get("pyfakefs.fake_filesystem_unittest")
    patcher = getattr(getattr(module, "Patcher", None), "PATCHER", None)
    if patcher is None:
        yield
        return
    patcher.pause()
    try:
        yield
    finally:
        patcher.resume()
