"""What the files of a folder have, read once each and kept in little memory."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Generic, TypeVar

from pytest_energy.baselines.file_format import BaselineError
from pytest_energy.baselines.folder import Entry

E = TypeVar("E")

MOST_UNREAD, MOST_UNREAD_BYTES = 1000, 16 * 2**20
"""Files, and bytes of them all, that are read only to see whether a test claims what is in them."""


class Packed(Generic[E]):
    """What a file has, in little memory: each entry is asked for once, by its own test.

    Args:
        entries: by key.
        names: what is told of them to who asks whose they are, by key.
    """

    __slots__ = ("_packed", "names")

    def __init__(self, entries: Mapping[str, E], names: Mapping[str, Entry]) -> None:
        self.names = names
        # Pickle is safe with what this process itself has made.
        self._packed = {
            key: zlib.compress(pickle.dumps(entry, pickle.HIGHEST_PROTOCOL), level=1)
            for key, entry in entries.items()
        }

    def __contains__(self, key: str) -> bool:
        return key in self.names

    def taken(self, key: str) -> bool:
        """Whether an entry was here, and was taken."""
        return key in self.names and key not in self._packed

    def take(self, key: str) -> E | None:
        """The entry of a name, which is not kept any longer; None where there is none."""
        packed = self._packed.pop(key, None)
        if packed is None:
            return None
        entry: E = pickle.loads(zlib.decompress(packed))
        return entry


class ReadFiles(Generic[E]):
    """Files, each read once.

    Args:
        read: what a file has, by key; raises `BaselineError`.
        entry_of: what is told of an entry to who asks whose it is.
    """

    def __init__(
        self,
        read: Callable[[Path], Mapping[str, E]],
        entry_of: Callable[[Path, E], Entry],
    ) -> None:
        self._read = read
        self._entry_of = entry_of
        self._files: dict[Path, Packed[E] | BaselineError] = {}

    def of(self, path: Path) -> Packed[E] | BaselineError:
        """What a file has, or why it cannot be read."""
        if path not in self._files:
            try:
                found = self._read(path)
                names = {key: self._entry_of(path, entry) for key, entry in found.items()}
                self._files[path] = Packed(found, names)
            except BaselineError as error:
                # What it was raised from holds all that was read.
                error.__cause__ = error.__context__ = error.__traceback__ = None
                self._files[path] = error
        return self._files[path]

    def take(self, path: Path, key: str) -> E | None:
        """An entry of a file, if any; asked for again, it is read again.

        Raises:
            BaselineError: the file cannot be read.
        """
        found = self.of(path)
        if not isinstance(found, BaselineError) and found.taken(key):
            self.forget(path)
            found = self.of(path)
        if isinstance(found, BaselineError):
            raise found
        return found.take(key)

    def forget(self, path: Path) -> None:
        """Read a file again when it is asked for: it was written."""
        self._files.pop(path, None)

    def entries(self, folder: Path) -> list[Entry]:
        """What lies in a folder, a level of folders below; what cannot be read is passed over.

        All of it, unless many files were not read yet: then what is in those that were.
        """
        found: list[Entry] = []
        try:
            paths = sorted(folder.glob("*/*.json"))
        except OSError:
            return found
        unread = [path for path in paths if path not in self._files]
        many = len(unread) > MOST_UNREAD or sum(map(_size, unread)) > MOST_UNREAD_BYTES
        for path in paths:
            if many and path not in self._files:
                continue
            entries = self.of(path)
            if not isinstance(entries, BaselineError):
                found += entries.names.values()
        return found


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
