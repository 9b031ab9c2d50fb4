"""The folder of baselines: names of files and of entries, and the lock of those who write.

Files of what was measured lie below their machine class, `<machine>/<task>/<model>.json`; counts
are of no machine and lie beside them, `counts/<task>/<model>.json`.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_energy.baselines.file_format import BaselineError
from pytest_energy.files import (
    TEMPORARY_SUFFIX,
    RefusedFileError,
    check_inside,
    exists,
    is_file,
    is_folder,
    replace_file,
    shown_path,
    sweep,
)
from pytest_energy.types.result import Subject

if TYPE_CHECKING:
    import portalocker

FOLDER = "baselines"
"""What the folder is called unless `--energy-baselines` names another one."""

COUNTS = "counts"
"""The folder of exact counts. No machine class is called so: its name ends in a digest."""

LOCK_SECONDS = 60
"""How long to wait for another run that is writing to the same folder."""

_PLAIN_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
_WINDOWS_DEVICES = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?")


def file_name(name: str) -> str:
    """A safe file name for a model or task, distinct for distinct names.

    A name that is safe as it stands stays: `distilbert-sst2`. Any other keeps what is readable and
    gets a digest: `org/Model` becomes `org-Model~8a1f03c2`. `~` never stands in a plain name, and
    capitals always bring a digest, so names that differ only in case stay apart on every disk.
    """
    plain = _PLAIN_NAME.fullmatch(name) and not _WINDOWS_DEVICES.fullmatch(name)
    if plain and not name.endswith("."):
        return name
    readable = re.sub(r"[^\w.-]+", "-", unicodedata.normalize("NFC", name)).strip("-.")
    # 80 bytes, not characters: file systems count bytes.
    readable = readable.encode(errors="ignore")[:80].decode(errors="ignore")
    if _WINDOWS_DEVICES.fullmatch(readable.lower()):
        readable = f"_{readable}"
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{readable}~{digest}"


@dataclass(frozen=True, slots=True)
class Names:
    """How entries name tests: the same from wherever pytest is started.

    Args:
        root: pytest's rootdir, which pytest names tests from.
        home: what entries are named from.
    """

    root: Path
    home: Path

    def named(self, subject: Subject) -> Subject:
        """A subject as its entry names it.

        Args:
            subject: with its test as pytest names it, relative to rootdir.
        """
        path, colons, rest = subject.test.partition("::")
        file = Path(os.path.normpath(self.root / path))
        if self.home == self.root or not file.is_relative_to(self.home):
            return subject
        return replace(subject, test=file.relative_to(self.home).as_posix() + colons + rest)

    def test_of(self, entry: Subject) -> str:
        """The test of an entry, as pytest names it."""
        path, colons, rest = entry.test.partition("::")
        if self.home == self.root:
            return entry.test
        return Path(os.path.relpath(self.home / path, self.root)).as_posix() + colons + rest


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored entry.

    Args:
        path: its file.
        machine: the class that it is of; of counts `COUNTS`, or empty where all were taken on a
            CPU, which every machine has.
        subject: what was measured or counted, as the entry names it.
    """

    path: Path
    machine: str
    subject: Subject

    @property
    def shown(self) -> str:
        """For people: file and name."""
        return f"{shown_path(self.path)}: {self.subject.key}"


def is_counts_file(path: Path) -> bool:
    """Whether a file in a folder of baselines is one of counts, by where it lies."""
    # Not resolved: a folder of ours may lie behind a link of any name.
    return Path(os.path.abspath(path)).parent.parent.name == COUNTS  # noqa: PTH100


def files_in(folder: Path) -> list[Path]:
    """The JSON files of all machine classes and of counts, in order; none where there is no folder.

    Args:
        folder: `baselines/`.

    Raises:
        BaselineError: a folder that cannot be listed. `Path.glob` takes one for empty.
    """
    try:
        places = [folder] if is_folder(folder) else []
        for _ in ("machine class", "task"):
            places = [below for place in places for below in place.iterdir() if is_folder(below)]
            places = [place for place in places if _is_inside(place, folder)]
        below = (path for place in places for path in place.iterdir())
        return sorted(path for path in below if path.suffix == ".json")
    except OSError as error:
        unread = Path(error.filename or folder)
        raise BaselineError(unread, error.strerror or str(error)) from error


def _is_inside(place: Path, folder: Path) -> bool:
    try:
        check_inside(place, folder)
    except RefusedFileError:
        return False
    return True


_IGNORED = (
    "# a lock against two runs writing at once, and what a killed run leaves\n"
    f".lock\n.*{TEMPORARY_SUFFIX}\n"
)


def _ignore(path: Path) -> None:
    """Tell git what is none of its business, in a file of ours; one of others stays as it is."""
    if not exists(path, follow_symlinks=False):
        replace_file(path, _IGNORED)


def _check_lock(path: Path) -> None:
    """Refuse a lock that others have made a link or a FIFO: opening it could wait for ever."""
    taken = exists(path, follow_symlinks=False)
    if taken and not is_file(path, follow_symlinks=False):
        raise RefusedFileError(f"{shown_path(path)} is no regular file: delete it")


def _release(held: portalocker.Lock) -> None:
    """Give the lock up. What was written is written, whatever goes wrong here."""
    import portalocker

    file = held.fh
    # Before version 4 portalocker raised it, and left the file open where it could not be unlocked.
    with suppress(OSError, portalocker.LockException):
        held.release()
    if file is not None and not file.closed:
        with suppress(OSError):
            file.close()


@contextmanager
def writing(folder: Path, path: Path, sweeps: bool = True) -> Iterator[None]:
    """Hold the folder's lock, and raise what goes wrong as a `BaselineError` about `path`.

    Args:
        folder: `baselines/`.
        path: of the file that will be written.
        sweeps: whether to delete beside it what killed writers have left.
    """
    import portalocker

    lock = folder / ".lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        check_inside(path, folder)
        _check_lock(lock)
        held = portalocker.Lock(lock, timeout=LOCK_SECONDS)
        held.acquire()
        try:
            _ignore(folder / ".gitignore")
            if sweeps:
                sweep(path.parent)
            yield
        finally:
            _release(held)
    except portalocker.AlreadyLocked as error:
        raise BaselineError(
            path, f"another run has held {lock} for {LOCK_SECONDS} s; try again when it has ended"
        ) from error
    except portalocker.LockException as error:
        raise BaselineError(
            path, f"{lock} cannot be locked: {error}; nothing was written"
        ) from error
    except OSError as error:
        raise BaselineError(path, f"{error.strerror or error}; nothing was written") from error
    except ValueError as error:  # a name that cannot be written as UTF-8
        raise BaselineError(path, f"{error}; nothing was written") from error
