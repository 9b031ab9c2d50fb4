"""The text of a baseline file: write it so that a diff reads well, read it with suspicion.

A file that cannot be understood is named with its line and never written to.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import mul
from pathlib import Path
from statistics import median
from typing import Any, Generic, TypeVar

from pytest_energy.files import MOST_BYTES, RefusedFileError, line_of, read_text, shown_path, stable
from pytest_energy.types.baseline import MOST_CHARACTERS, MOST_N, Baseline, Session
from pytest_energy.types.carbon import Carbon
from pytest_energy.types.codec import (
    DecodeError,
    MissingMemberError,
    check_characters,
    check_finite,
    count_values,
    cut,
    decode,
    encode,
    shown,
    unique_members,
)
from pytest_energy.types.codec import Path as Place
from pytest_energy.types.energy import Domain, Method, gated_domains
from pytest_energy.types.history import Replaced
from pytest_energy.types.measurement import AS_IS, MOST_FLOPS
from pytest_energy.types.renames import as_written, renamed
from pytest_energy.types.result import Subject
from pytest_energy.types.units import kwh

SCHEMA = 2
"""Version of the file format that is written. Version 1, with other names, is read too."""

SCHEMA_FILE = Path(__file__).with_name("baseline.schema.json")
"""The JSON Schema (draft 2020-12) that every file of this version fits."""

MOST_JOULES = 1e12
"""More per unit than any computation takes (278 MWh): such a figure is a slip of the pen."""

LEAST_JOULES = 1e-15
"""Less than any inference takes: one multiplication of 8-bit integers takes 0.2 pJ (M. Horowitz,
"Computing's energy problem", ISSCC 2014, figure 1.1.9). The same bound holds for seconds."""

MOST_VALUES = 1_000_000
"""Of one file: 1,000 tests with ten full sessions each have 0.8 million."""

MOST_SESSIONS = 100
"""Sessions of one entry: ten are kept, and a merge of two branches may leave the sum of both."""

MOST_BLOCKS = 1000
"""Blocks of one session: a loop has 20, and each is compared with its counterparts."""

ROUNDING = 1e-4
"""How far figures of one session may disagree, as a fraction; each is rounded to six digits."""


class BaselineError(Exception):
    """A baseline file that cannot be read or written; the message names file, line and hint.

    Args:
        path: the file; shown relative to the current folder where it lies inside.
        problem: what is wrong, and what to do.
        line: where, counted from 1.
    """

    def __init__(self, path: Path, problem: str, line: int | None = None) -> None:
        place = shown_path(path) if line is None else f"{shown_path(path)}, line {line}"
        super().__init__(f"{place}: {cut(problem)}")


E = TypeVar("E")
T = TypeVar("T")


@dataclass(slots=True)
class EntriesFile(Generic[E]):
    """One file: its entries, and the record that they were read from.

    Entries that are not changed keep their text, down to the grams at the intensity of their day.

    Args:
        record: as JSON holds it, in the current schema; empty when there is no file yet.
        entries: by key.
    """

    record: dict[str, Any]
    entries: dict[str, E]

    def drop(self, key: str) -> None:
        """Delete an entry."""
        del self.entries[key]
        del self.record["entries"][key]

    def text(self) -> str:
        """JSON with sorted keys and each list of numbers on one line: a diff reads well."""
        text = json.dumps(
            self.record, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False
        )

        def one_line(match: re.Match[str]) -> str:
            return f"[{' '.join(match[1].split())}]"

        return re.sub(r"\[\n([-+\d.eE,\s]+)\]", one_line, text) + "\n"


@dataclass(slots=True)
class BaselineFile(EntriesFile[Baseline]):
    """A file of what was measured.

    Args:
        schema: version of the text that was read: an older one than `SCHEMA` is rewritten as a
            whole when anything in the file is.
    """

    schema: int = SCHEMA

    def put(self, entry: Baseline, machine: Mapping[str, Any], carbon: Carbon) -> None:
        """Add or replace an entry.

        Args:
            entry: of the file's task and model.
            machine: the machine class as `Machine.describe` gives it.
            carbon: for the grams that stand beside the joules.
        """
        subject = entry.subject
        self.entries[subject.key] = entry
        self.record |= {
            "schema": SCHEMA,
            "machine": dict(machine),
            "task": subject.task,
            "model": subject.model,
        }
        record = _entry_record(entry, carbon)
        self.record.setdefault("entries", {})[subject.key] = record
        record["digest"] = digest_of(self.record, subject.key)


def digest_of(record: Mapping[str, Any], key: str) -> str:
    """What an entry is recognised by that stands as this plugin wrote it.

    It is no signature: whoever edits an entry can compute it as well. It tells a figure that was
    measured from one that was typed in, or came about in a merge.

    Args:
        record: the whole file, as JSON holds it. Where the entry stands is a part of it: machine
            class, task, model and name.
        key: of the entry.

    Returns:
        The first 16 hexadecimal digits of SHA-256 over the entry without its digest.
    """
    machine = record.get("machine")
    where = [machine.get("class") if isinstance(machine, dict) else None]
    where += [record.get("task"), record.get("model"), key]
    return digest(where, record["entries"][key])


def digest(where: Sequence[object], entry: Mapping[str, Any]) -> str:
    """The same of any part of a file.

    Args:
        where: it stands.
        entry: as JSON holds it.
    """
    rest = {name: member for name, member in entry.items() if name != "digest"}
    text = json.dumps([where, rest], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _entry_record(entry: Baseline, carbon: Carbon) -> dict[str, Any]:
    joules = stable(median(session.joules_per_unit for session in entry.sessions))
    subject = entry.subject
    return {
        "test": subject.test,
        "region": subject.region,
        "dataset": subject.dataset,
        "role": subject.role,
        "unit": subject.unit,
        "n": subject.n,
        **({"concurrency": subject.concurrency} if subject.concurrency != 1 else {}),
        "meters": list(entry.meters),
        "domains": {
            domain.name: {
                "kind": domain.kind,
                "method": domain.method.value,
                "source": domain.source,
                "basis": domain.basis,
            }
            for domain in entry.domains
        },
        "reference_workload": entry.reference_workload,
        "allocator": entry.allocator,
        "flops_per_inference": entry.flops,
        "history": encode(entry.history),
        "joules_per_unit": joules,
        "kwh_per_1000": stable(kwh(joules) * 1000),
        "gco2e_per_1000": stable(carbon.grams_per_1000(joules)),
        "carbon_intensity": {
            "grams_per_kwh": carbon.grams_per_kwh,
            "place": carbon.place,
            "year": carbon.year,
            "source": carbon.source,
            "pue": carbon.pue,
        },
        "sessions": [
            {
                "date": session.date,
                "metered_count": session.metered_count,
                "commit": session.commit,
                "joules_per_unit": session.joules_per_unit,
                "domains": dict(session.domains),
                "blocks": list(session.blocks),
                "block_sizes": list(session.block_sizes),
                "seconds_per_unit": session.seconds_per_unit,
                "other_cpu_share": session.other_cpu_share,
                "reference_joules": list(session.reference_joules),
                "flops": session.flops,
                "flops_samples": list(session.flops_samples),
                "repeat_difference": session.repeat_difference,
                "page_faults": session.page_faults,
                "environment": dict(session.environment),
                **({"recorded": dict(session.recorded)} if session.recorded else {}),
            }
            for session in entry.sessions
        ],
    }


_ENTRY_NAMES = {"reference_workload": "yardstick"}
_SESSION_NAMES = {
    "metered_count": "done",
    "other_cpu_share": "others_share",
    "reference_joules": "yardstick",
    "repeat_difference": "looks",
}
_NAMES_OF_SCHEMA_1 = _ENTRY_NAMES | _SESSION_NAMES


def from_schema_1(record: dict[str, Any]) -> dict[str, Any]:
    """A record of schema 1 as one of schema 2: other names, the same figures.

    What the first versions did not store yet gets the value that says so. Whatever is not as it
    should be is kept as it is, for the reader to find.

    Args:
        record: the whole file, as JSON holds it.

    Raises:
        DecodeError: a member stands there under its old and its new name.
    """
    entries = record.get("entries")
    if isinstance(entries, dict):
        entries = {
            key: _entry_from_schema_1(entry, ("entries", key)) if isinstance(entry, dict) else entry
            for key, entry in entries.items()
        }
        record = {**record, "entries": entries}
    return {**record, "schema": SCHEMA}


def _entry_from_schema_1(entry: dict[str, Any], place: Place) -> dict[str, Any]:
    absent = {"reference_workload": "", "flops_per_inference": None}
    entry = absent | renamed(entry, _ENTRY_NAMES, place)
    sessions = entry.get("sessions")
    if isinstance(sessions, list):
        absent_session: dict[str, object] = {
            "reference_joules": [],
            "flops": None,
            "repeat_difference": None,
        }
        entry["sessions"] = [
            absent_session | renamed(session, _SESSION_NAMES, (*place, "sessions", i))
            if isinstance(session, dict)
            else session
            for i, session in enumerate(sessions)
        ]
    return entry


def read_file(path: Path, within: Path | None = None) -> BaselineFile:
    """One file; empty when there is none.

    Args:
        path: of the file. Nothing is written to it.
        within: the folder that links must not lead out of; None for no such bound.

    Raises:
        BaselineError: not readable, not JSON, an unknown schema, or a figure that cannot be true;
            with the line.
    """
    return read_as(path, within, _parsed) or BaselineFile({}, {})


def read_as(path: Path, within: Path | None, parsed: Callable[[object], T]) -> T | None:
    """What a file of ours holds; None when there is none.

    Args:
        path: of the file. Nothing is written to it.
        within: the folder that links must not lead out of; None for no such bound.
        parsed: makes it of its JSON, in which every number is finite, and raises `DecodeError`.

    Raises:
        BaselineError: not readable, not JSON, or refused; with the line, and what to do.
    """
    try:
        text = read_text(path, within)
    except FileNotFoundError:
        if os.path.islink(path):  # noqa: PTH114  # says no where the disk does not answer
            raise BaselineError(path, f"a link that leads to nothing; {_LEFT}") from None
        return None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise BaselineError(path, f"not UTF-8 text; {_LEFT}", line) from error
    except RefusedFileError as error:
        raise BaselineError(path, f"{error.strerror}; {_LEFT}") from error
    except OSError as error:
        raise BaselineError(path, error.strerror or str(error)) from error
    if why := why_too_large(text):
        raise BaselineError(path, f"{why}, which no file of ours has; {_LEFT}")
    try:
        record = json.loads(text, object_pairs_hook=unique_members)
    except json.JSONDecodeError as error:
        raise BaselineError(path, f"{why_no_json(error)}; {_LEFT}", error.lineno) from error
    except RecursionError as error:
        raise BaselineError(path, f"nested too deeply; {_LEFT}", 1) from error
    except ValueError as error:  # a number of thousands of digits, a member that stands twice
        raise BaselineError(path, f"{error}; {_LEFT}") from error
    try:
        if "\\u" in text:  # only an escape can name what UTF-8 has not
            check_characters(record)
        check_finite(record)  # what is not finite could not be written again
        return parsed(record)
    except _NewerSchemaError as error:
        raise BaselineError(
            path, f"{error.problem}; {_AS_IT_WAS}", line_of(text, error.path)
        ) from error
    except DecodeError as error:
        raise BaselineError(path, f"{error.problem}; {_LEFT}", line_of(text, error.path)) from error


_CONFLICT = re.compile(r"(?:<{7}|\|{7}|={7}|>{7})(?: |$)")
"""A line with which git marks where two branches disagree; no line of JSON begins so."""


def why_no_json(error: json.JSONDecodeError) -> str:
    """Why a file is not JSON, as a clause: what a merge leaves in it is told by its name.

    Args:
        error: of the file's whole text.
    """
    line = error.doc.split("\n")[error.lineno - 1].rstrip("\r")
    if not _CONFLICT.match(line):
        return error.msg
    return (
        "markers of a merge conflict: take one side of the file (git checkout --ours or --theirs)"
        " and measure what is merged"
    )


def why_too_large(text: str) -> str:
    """Why a file of this text would not be read, as a clause; empty where it would."""
    if len(text.encode()) > MOST_BYTES:
        return f"more than {MOST_BYTES:,} bytes"
    return f"more than {MOST_VALUES:,} values" if count_values(text) > MOST_VALUES else ""


_AS_IT_WAS = "the file was left as it is"
_LEFT = f"{_AS_IT_WAS}. Mend it, or delete it and run with --energy-update"


class _NewerSchemaError(DecodeError):
    """A file that only a newer version can read: nothing in it needs mending."""


@dataclass(frozen=True, slots=True)
class _DomainRecord:
    """A domain as a file holds it, under its name."""

    kind: str
    method: Method
    source: str
    basis: str


@dataclass(frozen=True, slots=True)
class _EntryRecord:
    """What is read of an entry; the rest of it follows from this, and is there for people."""

    test: str
    region: str
    dataset: str
    role: str
    unit: str
    n: int
    meters: tuple[str, ...]
    domains: Mapping[str, _DomainRecord]
    joules_per_unit: float
    sessions: tuple[Session, ...]
    reference_workload: str = ""
    allocator: str = AS_IS
    history: tuple[Replaced, ...] = ()
    digest: str = ""
    concurrency: int = 1


@dataclass(frozen=True, slots=True)
class _FileRecord:
    """What is read of a file."""

    task: str
    model: str
    entries: Mapping[str, _EntryRecord]


def _parsed(record: object) -> BaselineFile:
    """A file from its JSON.

    Raises:
        DecodeError: something in it is wrong; its path leads through `record`.
    """
    record, schema = with_schema(record, (1, SCHEMA))
    if schema == SCHEMA:
        return BaselineFile(record, _entries(record), schema)
    try:
        current = from_schema_1(record)
        return BaselineFile(current, _entries(current), schema)
    except DecodeError as error:
        raise as_written(error, record, _NAMES_OF_SCHEMA_1) from error


def with_schema(record: object, known: Sequence[int]) -> tuple[dict[str, Any], int]:
    """A file's record, and the version of its format.

    Args:
        record: as JSON holds it.
        known: versions that are read, in order.

    Raises:
        DecodeError: it is no object, or of a version that is not read.
    """
    if not isinstance(record, dict):
        raise DecodeError((), f"expected an object, found {shown(record)}")
    if "schema" not in record:
        raise MissingMemberError((), "schema")
    schema = record["schema"]
    number = isinstance(schema, int | float) and not isinstance(schema, bool)
    if number and schema in known:
        return record, int(schema)
    problem = f"schema {shown(schema)}, this version reads {' and '.join(map(str, known))}"
    if number and schema > known[-1]:
        newer = f"{problem}: written by a newer pytest-energy: upgrade it"
        raise _NewerSchemaError(("schema",), newer)
    raise DecodeError(("schema",), f"{problem}: not a known schema")


def _entries(record: dict[str, Any]) -> dict[str, Baseline]:
    file = decode(_FileRecord, record)
    return {
        key: _entry(
            entry,
            ("entries", key),
            file.task,
            file.model,
            why_unverified(entry.digest, digest_of(record, key)),
        )
        for key, entry in file.entries.items()
    }


def why_unverified(found: str, expected: str) -> str:
    """Why something is not known to stand as the plugin wrote it, as a clause; empty where it is.

    Args:
        found: the digest that stands there; empty where none does.
        expected: that of what stands there.
    """
    if not found:
        return "stored without a digest: by an older version, or by hand"
    return "" if found == expected else "edited by hand"


def _entry(entry: _EntryRecord, place: Place, task: str, model: str, unverified: str) -> Baseline:
    """An entry, once its figures have been found to be possible."""
    # Thousands of entries name the same, and so do their tests.
    names = (entry.test, entry.region, task, model, entry.dataset, entry.role, entry.unit)
    test, region, task, model, dataset, role, unit = map(sys.intern, names)
    subject = Subject(test, region, task, model, dataset, role, unit, entry.n, entry.concurrency)
    if subject.key != place[-1]:
        raise DecodeError(place, f"entry {place[-1]!r} is of test {subject.key!r}")
    for name in ("test", "region", "dataset", "role", "unit"):
        check_text(getattr(entry, name), (*place, name))
    check_count(entry.n, (*place, "n"))
    check_count(entry.concurrency, (*place, "concurrency"))
    check_filled(entry.meters, (*place, "meters"))
    check_filled(entry.sessions, (*place, "sessions"), MOST_SESSIONS)
    for i, session in enumerate(entry.sessions):
        _check_session(session, (*place, "sessions", i))
    _check_figure(entry.joules_per_unit, (*place, "joules_per_unit"))
    middle = median(session.joules_per_unit for session in entry.sessions)
    if not math.isclose(entry.joules_per_unit, middle, rel_tol=1e-4):
        raise DecodeError(
            (*place, "joules_per_unit"),
            f"{entry.joules_per_unit:g} is not the median of the sessions below ({middle:g})",
        )
    domains = tuple(
        # How often its counter moves is a matter of the machine, not of what was stored.
        Domain(name, domain.kind, domain.method, domain.source, 0.0, domain.basis)
        for name, domain in entry.domains.items()
    )
    gated = {domains[i].name for i in gated_domains(domains)}
    for i, session in enumerate(entry.sessions):
        _check_domains(session, set(entry.domains), gated, (*place, "sessions", i))
    for i, replaced in enumerate(entry.history):
        _check_figure(replaced.joules_per_unit, (*place, "history", i, "joules_per_unit"))
    return Baseline(
        subject,
        entry.meters,
        domains,
        entry.sessions,
        entry.reference_workload,
        entry.allocator,
        entry.history,
        unverified,
    )


def _check_session(session: Session, place: Place) -> None:
    check_date(session.date, (*place, "date"))
    check_count(session.metered_count, (*place, "metered_count"))
    _check_figure(session.joules_per_unit, (*place, "joules_per_unit"))
    _check_figure(session.seconds_per_unit, (*place, "seconds_per_unit"))
    for name, joules in session.domains.items():
        _check_figure(joules, (*place, "domains", name), zero=True)
    check_filled(session.blocks, (*place, "blocks"), MOST_BLOCKS)
    for i, joules in enumerate(session.blocks):
        _check_figure(joules, (*place, "blocks", i), zero=True)
    if session.other_cpu_share is not None:
        _check_figure(session.other_cpu_share, (*place, "other_cpu_share"), zero=True)
    if len(session.reference_joules) not in (0, len(session.blocks)):
        raise DecodeError(
            (*place, "reference_joules"),
            f"expected one figure for each of {len(session.blocks)} blocks, or none, found"
            f" {shown(session.reference_joules)}",
        )
    for i, joules in enumerate(session.reference_joules):
        _check_figure(joules, (*place, "reference_joules", i))
    _check_blocks(session, place)
    if session.flops is not None:
        check_count(session.flops, (*place, "flops"), most=MOST_FLOPS)
    for i, count in enumerate(session.flops_samples):
        check_count(count, (*place, "flops_samples", i), least=0, most=MOST_FLOPS)
    if session.page_faults is not None:
        _check_figure(session.page_faults, (*place, "page_faults"), zero=True)


def _check_domains(session: Session, names: set[str], gated: set[str], place: Place) -> None:
    """Refuse a session whose domains do not add up to its energy."""
    if session.domains.keys() != names:
        raise DecodeError(
            (*place, "domains"),
            f"expected a figure for each of {', '.join(sorted(names))}, found"
            f" {', '.join(sorted(session.domains)) or 'none'}",
        )
    total = sum(session.domains[name] for name in gated)
    if not math.isclose(total, session.joules_per_unit, rel_tol=ROUNDING):
        raise DecodeError(
            (*place, "domains"),
            f"the domains that are gated ({', '.join(sorted(gated))}) add up to {total:g} J, and"
            f" joules_per_unit is {session.joules_per_unit:g}: the figures of one session agree",
        )


def _check_blocks(session: Session, place: Place) -> None:
    """Refuse a session whose blocks do not make up its energy.

    Without their sizes that is only known to lie between the smallest and the largest block.
    """
    sizes, blocks = session.block_sizes, session.blocks
    if sizes and len(sizes) != len(blocks):
        problem = f"expected one size for each of {len(blocks)} blocks, or none"
        raise DecodeError((*place, "block_sizes"), f"{problem}, found {shown(list(sizes))}")
    for i, size in enumerate(sizes):
        check_count(size, (*place, "block_sizes", i))
    if sizes:
        low = high = sum(map(mul, blocks, sizes)) / sum(sizes)
    else:
        low, high = min(blocks), max(blocks)
    if not low * (1 - ROUNDING) <= session.joules_per_unit <= high * (1 + ROUNDING):
        makes = f"{low:g}" if low == high else f"{low:g} to {high:g}"
        raise DecodeError(
            (*place, "blocks"),
            f"these blocks make {makes} J per unit, and joules_per_unit is"
            f" {session.joules_per_unit:g}: the figures of one session agree",
        )


def check_date(text: str, place: Place) -> None:
    """Refuse what is no ISO 8601 date."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise DecodeError(place, f"expected an ISO 8601 date, found {shown(text)}") from None


def check_text(text: str, place: Place) -> None:
    """Refuse a name that is longer than any."""
    if len(text) > MOST_CHARACTERS:
        problem = f"expected {MOST_CHARACTERS:,} characters at most, found {len(text):,}"
        raise DecodeError(place, problem)


def check_count(value: int, place: Place, least: int = 1, most: float = MOST_N) -> None:
    """Refuse a whole number out of bounds."""
    if not least <= value <= most:
        problem = f"expected a whole number from {least} to {most:g}, found {shown(value)}"
        raise DecodeError(place, problem)


def _check_figure(value: float, place: Place, zero: bool = False) -> None:
    """Refuse what no energy and no duration can be."""
    if value < 0 or (value == 0 and not zero):
        raise DecodeError(place, f"expected a number above 0, found {shown(value)}")
    if 0 < value < LEAST_JOULES:
        raise DecodeError(place, f"{shown(value)} is less than any inference takes")
    if value > MOST_JOULES:
        raise DecodeError(place, f"{shown(value)} is more than any inference takes")


def check_filled(values: tuple[object, ...], place: Place, most: int = 1000) -> None:
    """Refuse a list that is empty, or longer than any."""
    if not values:
        raise DecodeError(place, "expected a list with something in it, found []")
    if len(values) > most:
        raise DecodeError(place, f"expected {most:,} members at most, found {len(values):,}")
