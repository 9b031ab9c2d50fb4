"""A folder of baselines rewritten in the current schema, each file whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pytest_energy.baselines import accepted
from pytest_energy.baselines.file_format import SCHEMA, BaselineError, read_file
from pytest_energy.baselines.folder import is_counts_file, writing
from pytest_energy.files import TEMPORARY_SUFFIX, exists, is_file, replace_file


class Step(StrEnum):
    """What was done with a file, in words."""

    REWRITTEN = "rewritten"
    OUTDATED = "would be rewritten"
    CURRENT = f"already schema {SCHEMA}"
    LEFT = "left"
    """It could not be read or not be written, and is as it was."""
    REMOVED = "removed, since an interrupted run left it half written"


@dataclass(frozen=True, slots=True)
class Migrated:
    """What was done with one file.

    Args:
        path: the file.
        step: what was done.
        problem: why it was left, with the file, the line and what to do; empty otherwise.
    """

    path: Path
    step: Step
    problem: str = ""


def migrate(folder: Path, write: bool = True) -> Iterator[Migrated]:
    """Rewrite the files of a folder, however deep they lie, that are of an older schema.

    Every file is complete at every moment, so an interruption at any point leaves old files and new
    ones, both of which are read; the next run does the rest. Hidden files and folders,
    `accepted.json` and the files of counts, which have schemas of their own, are left as they are.

    Args:
        folder: `baselines/`, or a folder inside; its lock is held while a file is written.
        write: False only lists what is outdated.

    Yields:
        What was done with each file, in the order of their paths.
    """
    problems: list[OSError] = []
    for place, folders, names in os.walk(folder, onerror=problems.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place, name)
            done: Migrated | None = None
            if write and name.startswith(".") and name.endswith(TEMPORARY_SUFFIX):
                done = _remove(folder, path)
            else:
                try:
                    if _may_be_baseline(folder, path):
                        done = _migrate(folder, path, write)
                except OSError as error:  # a disk that does not even say what kind of file it is
                    done = Migrated(path, Step.LEFT, str(BaselineError(path, _why(error))))
            if done is not None:
                yield done
    for problem in problems:  # folders that cannot be listed
        unread = Path(problem.filename)
        yield Migrated(unread, Step.LEFT, str(BaselineError(unread, _why(problem))))


def _why(error: OSError) -> str:
    return error.strerror or str(error)


def _may_be_baseline(folder: Path, path: Path) -> bool:
    hidden = path.name.startswith(".") or path.suffix != ".json" or not is_file(path)
    return not (hidden or path == folder / accepted.NAME or is_counts_file(path))


def _migrate(folder: Path, path: Path, write: bool) -> Migrated | None:
    try:
        if read_file(path, folder).schema == SCHEMA:
            return Migrated(path, Step.CURRENT)
        if not write:
            return Migrated(path, Step.OUTDATED)
        with writing(folder, path, sweeps=False):
            file = read_file(path, folder)  # another run may have written meanwhile, or deleted it
            if not file.record:
                return None
            if file.schema == SCHEMA:
                return Migrated(path, Step.CURRENT)
            replace_file(path, file.text())
    except BaselineError as error:
        return Migrated(path, Step.LEFT, str(error))
    return Migrated(path, Step.REWRITTEN)


def _remove(folder: Path, path: Path) -> Migrated | None:
    try:
        with writing(
            folder, path, sweeps=False
        ):  # every writer holds the lock, so none is writing this
            if not exists(path):  # it was being written when the folder was listed
                return None
            path.unlink()
    except BaselineError as error:
        return Migrated(path, Step.LEFT, str(error))
    return Migrated(path, Step.REMOVED)
