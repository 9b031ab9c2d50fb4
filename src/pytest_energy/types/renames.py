"""Members that an older version of a file calls otherwise: read under their new names.

Pure: a record of an older schema is turned into the current one before it is decoded, and the place
of an error in the result is turned back into a place in the file, where it has the old name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_energy.types.codec import DecodeError, MissingMemberError, Path

Names = Mapping[str, str]
"""The old name of each member, by its new name."""


def renamed(record: Mapping[str, Any], names: Names, path: Path = ()) -> dict[str, Any]:
    """A JSON object with its members under their new names; all others are kept.

    Args:
        record: the object.
        names: of its members that have another name now.
        path: where the object stands, for messages.

    Raises:
        DecodeError: a member stands there under both names, so that neither can be trusted.
    """
    old_names = {old: new for new, old in names.items() if old in record}
    for old, new in old_names.items():
        if new in record:
            raise DecodeError((*path, new), f"{old!r} and {new!r} are the same member: keep one")
    return {old_names.get(name, name): member for name, member in record.items()}


def as_written(error: DecodeError, record: object, names: Names) -> DecodeError:
    """An error about a renamed record as an error about the record that the file holds.

    Args:
        error: its path leads through the renamed record.
        record: as the file holds it.
        names: of every member that was renamed, wherever it stands.
    """
    path: list[str | int] = []
    for step in error.path:
        if isinstance(record, dict) and isinstance(step, str):
            name = names.get(step, step) if step not in record else step
            path.append(name)
            record = record.get(name)
        else:
            path.append(step)
            inside = isinstance(record, list) and isinstance(step, int) and step < len(record)
            record = record[step] if inside else None  # type: ignore[index]
    if isinstance(error, MissingMemberError):
        return MissingMemberError(tuple(path), names.get(error.name, error.name))
    return DecodeError(tuple(path), error.problem)
