"""Rises that were accepted: a file in the repository, reviewed like code.

Where a test is set against another revision there is no baseline to store. What says yes instead is
an entry in `<baselines>/accepted.json`: how much the test may rise over a base that does not have
the same entry yet. Once the change is merged the base has it, and the entry means nothing more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pytest_energy.baselines.file_format import MOST_VALUES, BaselineError
from pytest_energy.baselines.store import writing
from pytest_energy.files import read_text, replace_file
from pytest_energy.types.codec import check_characters, count_values, unique_members

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
        if count_values(text) > MOST_VALUES:
            raise ValueError(f"more than {MOST_VALUES:,} values, which no file of ours has")
        record = json.loads(text, object_pairs_hook=unique_members)
        check_characters(record)
        if record["schema"] != SCHEMA:
            raise ValueError(f"schema {record['schema']!r} is not {SCHEMA}")
        entries = {name: Accepted(**entry) for name, entry in record["accepted"].items()}
        for name, entry in entries.items():
            if not (isinstance(entry.change, float) and 0 <= entry.change <= MOST_RISE):
                raise ValueError(
                    f"{name}: expected a rise such as 0.15, {MOST_RISE:g} at most, found"
                    f" {entry.change!r}"
                )
            for member in (entry.base, entry.date, entry.reason):
                if not isinstance(member, str):
                    raise TypeError(f"{name}: expected a text, found {member!r}")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise BaselineError(path, error.strerror or str(error)) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = f"{error} is missing" if isinstance(error, KeyError) else error
        raise BaselineError(path, f"{why}; the file was left as it is: mend it") from error
    return entries


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
