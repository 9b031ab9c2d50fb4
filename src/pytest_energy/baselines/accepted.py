"""Rises that were accepted: a file in the repository, reviewed like code.

Where a test is set against another revision there is no baseline to store. What says yes instead is
an entry in `<baselines>/accepted.json`: how much the test may rise over a base that does not have
the same entry yet. Once the change is merged the base has it, and the entry means nothing more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from pytest_energy.baselines.file_format import BaselineError, why_no_json, why_too_large
from pytest_energy.baselines.folder import writing
from pytest_energy.files import line_of, read_text, replace_file
from pytest_energy.types.codec import (
    DecodeError,
    check_characters,
    check_finite,
    decode,
    shown,
    unique_members,
)
from pytest_energy.types.codec import Path as Place

NAME = "accepted.json"

SCHEMA = 1
"""Version of the file's form."""

MOST_RISE = 10.0
"""A rise to more than eleven times the energy is no rise that is accepted, but a slip."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """One accepted rise.

    Args:
        change: over the base, as a fraction.
        base: what it was measured against, for people.
        date: when, in UTC.
        reason: why, in the words of who accepted it; empty where none were given.
    """

    change: float
    base: str
    date: str
    reason: str = ""

    @property
    def because(self) -> str:
        """When and why, for people."""
        return f"{self.date[:10]}: {self.reason}" if self.reason else self.date[:10]


def read(folder: Path) -> dict[str, Accepted]:
    """The accepted rises, by the subject's key; none where there is no file.

    Raises:
        BaselineError: the file cannot be read; names it and what is wrong.
    """
    path = folder / NAME
    try:
        text = read_text(path, folder)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise BaselineError(path, f"{why}; {_LEFT}") from error
    try:
        if why := why_too_large(text):
            raise ValueError(why)
        record = json.loads(text, object_pairs_hook=unique_members)
        check_characters(record)
        check_finite(record)
        file = decode(_File, record)
        if file.schema != SCHEMA:
            raise DecodeError(("schema",), f"schema {file.schema!r} is not {SCHEMA}")
        for name, entry in file.accepted.items():
            _check(entry, ("accepted", name))
    except DecodeError as error:
        raise BaselineError(path, f"{error.problem}; {_LEFT}", line_of(text, error.path)) from error
    except json.JSONDecodeError as error:
        raise BaselineError(path, f"{why_no_json(error)}; {_LEFT}", error.lineno) from error
    except (ValueError, RecursionError) as error:
        raise BaselineError(path, f"{error}; {_LEFT}") from error
    return dict(file.accepted)


_LEFT = "the file was left as it is: mend it"


@dataclass(frozen=True, slots=True)
class _File:
    schema: int
    accepted: Mapping[str, Accepted]


def _check(entry: Accepted, place: Place) -> None:
    if not 0 <= entry.change <= MOST_RISE:
        problem = f"expected a rise such as 0.15, {MOST_RISE:g} at most, found {entry.change:g}"
        raise DecodeError((*place, "change"), problem)
    try:
        datetime.fromisoformat(entry.date)
    except ValueError:
        problem = f"expected an ISO 8601 date, found {shown(entry.date)}"
        raise DecodeError((*place, "date"), problem) from None


def store(folder: Path, added: Mapping[str, Accepted]) -> None:
    """Add entries, or replace those of the same names.

    Raises:
        BaselineError: the file cannot be read or written.
    """
    path = folder / NAME
    with writing(folder, path):
        entries = {**read(folder), **added}
        form = {
            "schema": SCHEMA,
            "accepted": {name: asdict(entry) for name, entry in sorted(entries.items())},
        }
        replace_file(path, json.dumps(form, indent=2, ensure_ascii=False) + "\n")
