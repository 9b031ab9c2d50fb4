"""A file layer that fails: one call of the operating system's, or all from one on, by a schedule.

`FailingFiles` stands in front of the calls that Python's file functions end in, for the files
below one folder. A call is numbered when it is made; what the schedule says of its number happens
instead of it. A kill has no effect on any handler: from there on no call reaches the disk, whatever
the dying program still tries.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

if sys.platform != "win32":
    import fcntl

needs_full_device = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")


def to_full_device(
    command: Sequence[str], cwd: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command whose standard output takes nothing, as that of a full disk."""
    with open("/dev/full", "w") as full:
        return subprocess.run(
            command,
            cwd=cwd,
            env=environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )


ERRORS = ("ENOSPC", "EIO", "EACCES", "EINTR")
"""Errors that a single call ends with."""

SHORT = "short write"
"""Half of what was to be written is, and the call says so; the system may do that at any time."""

KILLED = "killed"
"""The process ends before the call; a write has written the half."""

FULL = "full"
"""From this call on the disk is full: half of a write is written, and nothing can be created."""

DEAD = "dead disk"
"""From this call on the disk answers nothing but EIO, to the removing of a file too."""

KINDS = (*ERRORS, SHORT, KILLED, FULL, DEAD)


class KilledError(BaseException):
    """Stands for the end of the process; no handler can do anything to the files any more."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one call.

    Args:
        at: its number, from 0.
        kind: one of `KINDS`.
    """

    at: int
    kind: str


@dataclass(slots=True)
class FailingFiles:
    """Calls for files below a folder, of which some fail.

    Args:
        folder: elsewhere nothing fails.
        faults: which do.
        die: ends the process where it is killed; raises `KilledError` if left out.
        sync: whether what is to reach the disk does; nothing has to wait for that otherwise.
    """

    folder: Path
    faults: Sequence[Fault] = ()
    die: Callable[[], Any] | None = None
    sync: bool = False
    calls: list[str] = field(default_factory=list)
    """Every call and its file's name, in order."""
    hit: list[str] = field(default_factory=list)
    """Calls that a fault of the schedule changed."""
    open: set[int] = field(default_factory=set)
    """Descriptors that are open."""
    _killed: bool = False
    _full: bool = False
    _dead: bool = False

    def concerns(self, place: Any) -> bool:
        """Whether a path lies below the folder, or a descriptor is of a file there."""
        if isinstance(place, int):
            return place in self.open
        try:
            return Path(os.fsdecode(place)).absolute().is_relative_to(self.folder)
        except TypeError:
            return False

    def call(self, name: str, place: Any, half: Callable[[], Any] | None = None) -> bool:
        """Count a call, and do to it what the schedule says.

        Args:
            name: of the call.
            place: its file.
            half: writes half of what was to be written.

        Returns:
            Whether the call is to be cut to the half.

        Raises:
            OSError: it fails.
            KilledError: the process has ended.
        """
        if self._killed:
            raise KilledError
        label = f"{name} {place if isinstance(place, int) else Path(place).name}"
        at = len(self.calls)
        self.calls.append(label)
        kind = next((fault.kind for fault in self.faults if fault.at == at), "")
        if kind and (kind != SHORT or half is not None):
            self.hit.append(f"{label}: {kind}")
        if kind == KILLED:
            if half is not None:
                half()
            self._killed = True
            if self.die is not None:
                self.die()
            raise KilledError
        self._full = self._full or kind == FULL
        self._dead = self._dead or kind == DEAD
        if self._dead:
            raise _error("EIO", place)
        if self._full and name in ("write", "mkdir", "create"):
            if half is not None and kind == FULL:
                return True
            raise _error("ENOSPC", place)
        if kind in ERRORS:
            raise _error(kind, place)
        return kind == SHORT

    @contextmanager
    def installed(self) -> Iterator[FailingFiles]:
        """In front of the system's calls."""
        with pytest.MonkeyPatch.context() as patch:
            for name in ("replace", "rename", "unlink", "remove", "mkdir", "rmdir", "chmod"):
                patch.setattr(os, name, partial(self._path_call, name, getattr(os, name)))
            for name in ("stat", "lstat", "listdir", "scandir", "fstat", "ftruncate"):
                patch.setattr(os, name, partial(self._path_call, name, getattr(os, name)))
            for name in ("open", "read", "write", "close", "fsync"):
                patch.setattr(os, name, partial(getattr(self, f"_{name}"), getattr(os, name)))
            opened = partial(self._open_file, io.open)
            patch.setattr(io, "open", opened)
            patch.setattr(builtins, "open", opened)
            if sys.platform != "win32":
                patch.setattr(fcntl, "flock", partial(self._path_call, "flock", fcntl.flock))
            yield self

    def _path_call(self, name: str, real: Callable[..., Any], place: Any, *rest: Any, **also: Any):
        if self.concerns(place if not hasattr(place, "fileno") else place.fileno()):
            self.call(name, place if not hasattr(place, "fileno") else place.fileno())
        return real(place, *rest, **also)

    def _open(
        self, real: Callable[..., int], path: Any, flags: int, *rest: Any, **also: Any
    ) -> int:
        concerned = self.concerns(path)
        if concerned:
            self.call("create" if flags & os.O_CREAT else "open", path)
        descriptor = real(path, flags, *rest, **also)
        if concerned:
            self.open.add(descriptor)
        return descriptor

    def _read(self, real: Callable[..., bytes], descriptor: int, size: int) -> bytes:
        if self.concerns(descriptor):
            self.call("read", descriptor)
        return real(descriptor, size)

    def _write(self, real: Callable[..., int], descriptor: int, data: Any) -> int:
        if self.concerns(descriptor):
            half = bytes(data)[: max(1, len(data) // 2)]
            if self.call("write", descriptor, lambda: real(descriptor, half)):
                return real(descriptor, half)
        return real(descriptor, data)

    def _close(self, real: Callable[[int], None], descriptor: int) -> None:
        """Close it in any case, as the system does, and fail then."""
        concerned = self.concerns(descriptor)
        real(descriptor)
        if concerned:
            self.open.discard(descriptor)
            if not self._killed:
                self.call("close", descriptor)

    def _fsync(self, real: Callable[[int], None], descriptor: int) -> None:
        if self.concerns(descriptor):
            self.call("fsync", descriptor)
        if self.sync:
            real(descriptor)

    def _open_file(
        self, real: Callable[..., Any], place: Any, mode: str = "r", *rest: Any, **also: Any
    ) -> Any:
        if not self.concerns(place) or set(also) - {"encoding", "errors", "newline"} or rest[4:]:
            return real(place, mode, *rest, **also)
        creates = any(letter in mode for letter in "wax")
        if not isinstance(place, int):
            self.call("create" if creates else "open", place)
        buffering, *texts = rest or (-1,)
        raw = _Raw(self, place, mode.replace("t", "").replace("b", ""))
        if buffering == 0:
            return raw
        layer = io.BufferedWriter if creates else io.BufferedReader
        file = (io.BufferedRandom if "+" in mode else layer)(raw)
        if "b" in mode:
            return file
        named = dict(zip(("encoding", "errors", "newline"), texts, strict=False))
        text = io.TextIOWrapper(file, **named, **also)
        text.mode = mode
        return text


class _Raw(io.FileIO):
    """An unbuffered file, whose calls come by the layer."""

    def __init__(self, files: FailingFiles, place: Any, mode: str) -> None:
        super().__init__(place, mode)
        self._files = files
        files.open.add(self.fileno())

    def write(self, data: Any) -> int:
        half = bytes(data)[: max(1, len(data) // 2)]
        write = super().write
        cut = self._files.call("write", self.fileno(), lambda: write(half))
        return write(half if cut else data)

    def readinto(self, buffer: Any) -> int:
        self._files.call("read", self.fileno())
        return super().readinto(buffer)

    def readall(self) -> bytes:
        self._files.call("read", self.fileno())
        return super().readall()

    def close(self) -> None:
        """Close it in any case, as the system does, and fail then."""
        if self.closed:
            return
        descriptor = self.fileno()
        super().close()
        self._files.open.discard(descriptor)
        if not self._files._killed:
            self._files.call("close", descriptor)


def _error(name: str, place: Any) -> OSError:
    number = getattr(errno, name)
    path = () if isinstance(place, int) else (os.fspath(place),)
    return OSError(number, os.strerror(number), *path)


def single_faults(calls: Sequence[str]) -> list[Fault]:
    """Every schedule of one fault.

    Args:
        calls: those of a run without any, as `FailingFiles` lists them.
    """
    return [
        Fault(at, kind)
        for at, call in enumerate(calls)
        for kind in KINDS
        if call.startswith(_ONLY.get(kind, ""))
    ]


_ONLY = {
    SHORT: "write",
    "EACCES": ("open", "create", "stat", "scandir", "listdir", "mkdir", "replace", "unlink"),
    "EINTR": ("open", "read", "write", "fsync", "close", "flock"),
}
"""Calls that some kinds of faults are of; all others are of any call."""
