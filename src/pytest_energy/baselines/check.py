"""Files of baselines read as a session would read them: which are broken, and what was edited.

A file is one of ours by what it says or, where it says nothing any more, by where it lies. Any
other JSON is passed over.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_energy.baselines import accepted
from pytest_energy.baselines.counts_format import read_counts
from pytest_energy.baselines.file_format import BaselineError, read_file
from pytest_energy.baselines.folder import COUNTS, FOLDER, is_counts_file
from pytest_energy.baselines.store import of_its_folder
from pytest_energy.files import RefusedFileError, read_bytes

_MACHINE = re.compile(r".+-[0-9a-f]{8}")
"""The name of a machine class's folder: readable, and a digest behind it."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found in one file.

    Args:
        path: of the file.
        problem: why no session could read it, with the file, the line and what to do; empty where
            one can.
        unverified: of its entries, by name, why they are not known to stand as they were written.
    """

    path: Path
    problem: str
    unverified: Mapping[str, str]


def check(path: Path) -> Checked | None:
    """Read one file as a session would.

    Args:
        path: of a file that is there.

    Returns:
        What was found; None where the file is none of ours.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100  # a link counts by the name that it has
    try:
        read = _reader_of(path, read_bytes(path).decode("utf-8", errors="replace"))
    except OSError as error:
        ours = _lies_as_ours(path) or path.name == accepted.NAME
        if isinstance(error, RefusedFileError) and not ours:
            return None
        return Checked(path, str(BaselineError(path, error.strerror or str(error))), {})
    if read is None:
        return None
    try:
        return Checked(path, "", read(path))
    except BaselineError as error:
        return Checked(path, str(error), {})


def files_below(folder: Path) -> Iterator[Path]:
    """The JSON files of a folder, however deep they lie, in order; hidden ones are left out.

    Args:
        folder: `baselines/`, or any that holds such folders.

    Raises:
        OSError: a folder that cannot be listed.
    """

    def stop(error: OSError) -> None:
        raise error

    for place, folders, names in os.walk(folder, onerror=stop):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.endswith(".json") and not name.startswith("."):
                yield Path(place, name)


_Reader = Callable[[Path], Mapping[str, str]]


def _reader_of(path: Path, text: str) -> _Reader | None:
    """What reads this file; None where it is none of ours."""
    names = _top_level(text)
    if "entries" in names or _lies_as_ours(path):
        return _read_counts if is_counts_file(path) else _read_measured
    if path.name == accepted.NAME and ("accepted" in names or path.parent.name == FOLDER):
        return _read_accepted
    return None


def _top_level(text: str) -> set[str]:
    """Which members of ours a file has; of one that is no JSON, which it seems to have had."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        # Keys are sorted: where the end is missing, the entries are still there.
        found = set(re.findall(r'(?m)^\s*"(\w+)"\s*:', text))
        return found if found & {"schema", "digest"} else set()
    return set(record) if isinstance(record, dict) and "schema" in record else set()


def _lies_as_ours(path: Path) -> bool:
    place = path.parent.parent
    below = FOLDER in place.parent.parts
    return below and (place.name == COUNTS or bool(_MACHINE.fullmatch(place.name)))


def _read_measured(path: Path) -> dict[str, str]:
    entries = of_its_folder(path, read_file(path, path.parents[2]))
    return {key: entry.unverified for key, entry in entries.items() if entry.unverified}


def _read_counts(path: Path) -> dict[str, str]:
    return {
        f"{key} ({name})": variant.unverified
        for key, entry in read_counts(path, path.parents[2]).entries.items()
        for name, variant in entry.variants.items()
        if variant.unverified
    }


def _read_accepted(path: Path) -> dict[str, str]:
    accepted.read(path.parent)
    return {}
