"""A disk whose power can be cut: an ext4 file system in a file, mounted through a loop device.

The file is the medium. What the file system has not written yet is in the kernel's memory alone and
not in the file, so a copy of it, taken while nothing runs, is the medium after a power cut at that
moment; mounting the copy replays the journal as the next start of the machine would. The file
system is made to keep things back for as long as it may: no timed commit, and no writing ahead of a
renamed file's data (`noauto_da_alloc`), which other file systems do not do either.

One thing is kinder than a real disk: what was written has arrived, in the order of writing. A disk
whose own cache is lost or reordered is not simulated; that takes device-mapper's target log-writes.
ext4 flushes such a cache at every `fsync`, so what was synced holds there too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BYTES = 24 * 2**20
"""Of the disk: room for a journal and a few files."""

HOLD_BACK = "commit=600,noauto_da_alloc"
"""Mount options: ten minutes until the journal is committed unasked."""


def why_not() -> str:
    """Why no disk can be mounted here, as a clause; empty where one can."""
    if sys.platform != "linux":
        return "loop devices are Linux'"
    if os.geteuid() != 0:
        return "only root may mount a file system"
    if not Path("/dev/loop-control").exists():
        return "this machine lends no loop device"
    if shutil.which("mkfs.ext4") is None or shutil.which("mount") is None:
        return "mkfs.ext4 or mount is not installed"
    return ""


class Disk:
    """A file system of its own.

    Args:
        place: an empty folder for its file, its copies and where they are mounted.
    """

    def __init__(self, place: Path) -> None:
        self._medium, self._copy = place / "medium", place / "copy"
        self.top = place / "top"
        """Where it is mounted."""
        self._second = place / "second"
        self.top.mkdir()
        self._second.mkdir()
        with self._medium.open("wb") as file:
            file.truncate(BYTES)
        lazy = "lazy_itable_init=0,lazy_journal_init=0"
        _run("mkfs.ext4", "-q", "-F", "-b", "1024", "-J", "size=1", "-E", lazy, self._medium)

    @contextmanager
    def mounted(self) -> Iterator[None]:
        """While its files can be read and written."""
        with _mounted(self._medium, self.top, HOLD_BACK):
            yield

    def commit(self) -> None:
        """Have the journal written, as some other program's `fsync` does; no file's data."""
        other = os.open(self.top / "other-program", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.write(other, b"x")
            os.fsync(other)
        finally:
            os.close(other)

    @contextmanager
    def after_power_cut(self) -> Iterator[Path]:
        """The top folder of the disk as the next start finds it if the power goes now."""
        # In pieces, of which the empty ones stay holes.
        _run("cp", "--sparse=always", self._medium, self._copy)
        with _mounted(self._copy, self._second, "rw"):
            yield self._second


@contextmanager
def _mounted(image: Path, where: Path, options: str) -> Iterator[None]:
    _run("mount", "-t", "ext4", "-o", f"loop,{options}", image, where)
    try:
        yield
    finally:
        _run("umount", where)


def _run(*command: object) -> None:
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
