"""Baselines as JSON files in the repository: read, append, replace, prune; atomic and locked.

One file per machine class, task and model: `<folder>/<machine>/<task>/<model>.json`.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from statistics import median

from pytest_energy.baselines.file_format import BaselineError, read_file
from pytest_energy.files import replace_file, shown_path, stable
from pytest_energy.types.baseline import Agreement, Baseline, Replaced, Session
from pytest_energy.types.carbon import Carbon
from pytest_energy.types.machine import Machine
from pytest_energy.types.measurement import Measurement
from pytest_energy.types.result import Subject
from pytest_energy.types.units import format_change, utc_text

KEEP_SESSIONS = 10
"""Sessions that an entry keeps: the spread between them is what a gate must know."""

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


def session_of(
    measurement: Measurement,
    date: datetime,
    commit: str | None,
    repeat_difference: float | None = None,
) -> Session:
    """A measurement as it is stored.

    Args:
        measurement: of one test or region.
        date: when, in UTC.
        commit: the revision of the project, if it has one.
        repeat_difference: how far the passes differed that it is the mean of, as a fraction.
    """
    reference = measurement.reference.joules if measurement.reference else ()
    faults = measurement.page_faults_per_inference
    flops = measurement.flops if measurement.flops and measurement.flops.count else None
    return Session(
        date=utc_text(date),
        metered_count=measurement.metered_count,
        commit=commit,
        joules_per_unit=stable(measurement.joules_per_unit),
        domains={
            domain.name: stable(joules / measurement.unit_count)
            for domain, joules in zip(measurement.domains, measurement.domain_joules, strict=True)
        },
        blocks=tuple(map(stable, measurement.block_joules_per_unit)),
        seconds_per_unit=stable(measurement.seconds_per_unit),
        other_cpu_share=None
        if measurement.other_cpu_share is None
        else round(measurement.other_cpu_share, 3),
        reference_joules=tuple(map(stable, reference)),
        flops=flops.count if flops is not None else None,
        flops_samples=flops.samples if flops is not None else (),
        repeat_difference=None if repeat_difference is None else round(repeat_difference, 4),
        recorded={name: stable(v) for name, v in sorted((measurement.recorded or {}).items())},
        page_faults=None if faults is None else stable(faults),
        environment=dict(sorted(measurement.environment.items())),
    )


class Action(StrEnum):
    """What storing did with an entry."""

    CREATED = "created"
    APPENDED = "appended"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class Addition:
    """A session to be stored.

    Args:
        subject, measurement: what was measured; the entry takes its description from them.
        session: the figures to store.
        agreement: whether the session belongs to the stored ones. It is asked under the lock,
            about what is stored then: another run may have written meanwhile.
    """

    subject: Subject
    measurement: Measurement
    session: Session
    agreement: Callable[[Baseline], Agreement]


@dataclass(frozen=True, slots=True)
class Stored:
    """What storing did with one addition.

    Args:
        action: created, appended or replaced.
        before: the entry as it was; None where there was none.
        agreement: how the addition and the entry before agree; None where there was none.
    """

    action: Action
    before: Baseline | None = None
    agreement: Agreement | None = None


class BaselineStore:
    """The baselines of one machine class, and where other classes keep theirs.

    Args:
        folder: `baselines/`.
        machine: this machine's class.
        carbon: for the grams that stand beside the joules.
    """

    def __init__(self, folder: Path, machine: Machine, carbon: Carbon) -> None:
        self.folder = folder
        self.machine = machine
        self.carbon = carbon
        self._read: dict[Path, dict[str, Baseline]] = {}

    def path(self, subject: Subject, machine: str | None = None) -> Path:
        """The file of a subject's task and model, for this machine class or another one."""
        place = self.folder / (machine or self.machine.slug)
        return place / file_name(subject.task) / f"{file_name(subject.model)}.json"

    def find(self, subject: Subject) -> Baseline | None:
        """The stored entry of this subject on this machine class, if any.

        Raises:
            BaselineError: the file cannot be read.
        """
        path = self.path(subject)
        if path not in self._read:
            self._read[path] = read_file(path).entries
        return self._read[path].get(subject.key)

    def machines_with(self, subject: Subject) -> tuple[str, ...]:
        """Other machine classes that have an entry of this subject."""
        machines = []
        for folder in sorted(self.folder.iterdir()) if self.folder.is_dir() else ():
            path = self.path(subject, folder.name)
            if folder.name != self.machine.slug and path.is_file():
                try:
                    if path not in self._read:
                        self._read[path] = read_file(path).entries
                    entries = self._read[path]
                except BaselineError:
                    continue  # not the file that this run depends on
                if subject.key in entries:
                    machines.append(folder.name)
        return tuple(machines)

    def store(self, additions: Sequence[Addition]) -> list[Stored]:
        """Add sessions to their entries, or start entries anew.

        Args:
            additions: at least one, all of one task and model.

        Returns:
            What was done with each.

        Raises:
            BaselineError: the file cannot be read or written; it is as it was.
        """
        path = self.path(additions[0].subject)
        done = []
        with writing(self.folder, path):
            file = read_file(path)
            for new in additions:
                stored = _add(file.entries.get(new.subject.key), new)
                done.append(stored)
                appended = stored.before is not None and stored.action is Action.APPENDED
                kept = stored.before.sessions if appended and stored.before else ()
                entry = Baseline(
                    new.subject,
                    new.measurement.meters,
                    new.measurement.domains,
                    (*kept, new.session)[-KEEP_SESSIONS:],
                    new.measurement.reference.kind if new.measurement.reference else "",
                    new.measurement.allocator,
                    _history(stored),
                )
                file.put(entry, self.machine.describe(), self.carbon)
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, file.text())
        self._read.pop(path, None)
        return done


KEEP_HISTORY = 10
"""Replaced sessions of which a line is kept."""


def _history(stored: Stored) -> tuple[Replaced, ...]:
    """An entry's history, once it is stored as it is now."""
    before, agreement = stored.before, stored.agreement
    if before is None:
        return ()
    if stored.action is Action.APPENDED or agreement is None:
        return before.history
    last = before.sessions[-1]
    reason = agreement.reason
    if agreement.change is not None:
        reason = f"{format_change(agreement.change.value)}, accepted with --energy-update"
    replaced = Replaced(
        last.date,
        last.commit,
        stable(median(session.joules_per_unit for session in before.sessions)),
        len(before.sessions),
        reason,
    )
    return (*before.history, replaced)[-KEEP_HISTORY:]


def _add(before: Baseline | None, new: Addition) -> Stored:
    if before is None:
        return Stored(Action.CREATED)
    agreement = new.agreement(before)
    action = Action.APPENDED if agreement.agrees else Action.REPLACED
    return Stored(action, before, agreement)


def prune(folder: Path, gone: Callable[[str, Subject], bool]) -> list[str]:
    """Delete the entries of tests that are gone.

    Args:
        folder: `baselines/`.
        gone: whether an entry is of a test that is not there any more, from the machine class
            and the entry's subject.

    Returns:
        What was deleted, as `file: entry`.

    Raises:
        BaselineError: a file cannot be read or written; what was deleted before it stays so.
    """
    deleted = []
    for path in sorted(folder.glob("*/*/*.json")):
        with writing(folder, path):
            file = read_file(path)
            keys = [
                key
                for key, entry in file.entries.items()
                if gone(path.parent.parent.name, entry.subject)
            ]
            for key in keys:
                file.drop(key)
            if keys and file.entries:
                replace_file(path, file.text())
            elif keys:
                path.unlink()
                for empty in (path.parent, path.parent.parent):
                    if not any(empty.iterdir()):
                        empty.rmdir()
        deleted += [f"{shown_path(path)}: {key}" for key in keys]
    return deleted


@contextmanager
def writing(folder: Path, path: Path) -> Iterator[None]:
    """Hold the folder's lock, and raise what goes wrong as a `BaselineError` about `path`."""
    from filelock import FileLock, Timeout

    lock = folder / ".lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ignore = folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("# a lock against two runs writing at once\n.lock\n")
        with FileLock(lock, timeout=LOCK_SECONDS):
            yield
    except Timeout as error:
        raise BaselineError(
            path, f"another run has held {lock} for {LOCK_SECONDS} s; try again when it has ended"
        ) from error
    except OSError as error:
        raise BaselineError(path, f"{error.strerror or error}; nothing was written") from error
    except ValueError as error:  # a name that cannot be written as UTF-8
        raise BaselineError(path, f"{error}; nothing was written") from error
