"""Baselines as JSON files in the repository: read, append, replace, prune; atomic and locked.

One file per machine class, task and model: `<folder>/<machine>/<task>/<model>.json`.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import unicodedata
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from statistics import median

from pytest_energy.baselines.file_format import (
    BaselineError,
    BaselineFile,
    read_file,
    why_too_large,
)
from pytest_energy.files import (
    TEMPORARY_SUFFIX,
    RefusedFileError,
    check_inside,
    read_bytes,
    replace_file,
    shown_path,
    stable,
    sweep,
    sync_folder,
)
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
        block_sizes=tuple(block.n for block in measurement.blocks),
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
        reason: why, in the words of who accepts it; empty where none were given.
    """

    subject: Subject
    measurement: Measurement
    session: Session
    agreement: Callable[[Baseline], Agreement]
    reason: str = ""


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


class _Entries:
    """What a file has, in little memory: each entry is asked for once, by its own test.

    Args:
        entries: by key.
    """

    __slots__ = ("_packed", "subjects")

    def __init__(self, entries: Mapping[str, Baseline]) -> None:
        self.subjects = {entry.subject.key: entry.subject for entry in entries.values()}
        # Pickle is safe with what this process itself has made.
        self._packed = {
            key: zlib.compress(pickle.dumps(entry, pickle.HIGHEST_PROTOCOL), level=1)
            for key, entry in entries.items()
        }

    def __contains__(self, key: str) -> bool:
        return key in self.subjects

    def taken(self, key: str) -> bool:
        """Whether an entry was here, and was taken."""
        return key in self.subjects and key not in self._packed

    def take(self, key: str) -> Baseline | None:
        """The entry of a name, which is not kept any longer; None where there is none."""
        packed = self._packed.pop(key, None)
        if packed is None:
            return None
        entry: Baseline = pickle.loads(zlib.decompress(packed))
        return entry


MOST_UNREAD, MOST_UNREAD_BYTES = 1000, 16 * 2**20
"""Files, and bytes of them all, that are read only to see whether a test claims what is in them."""


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


class BaselineStore:
    """The baselines of one machine class, and where other classes keep theirs.

    An entry's name begins with the test's file, relative to `home`: the same from wherever pytest
    is started.

    Args:
        folder: `baselines/`.
        machine: this machine's class.
        carbon: for the grams that stand beside the joules.
        root: pytest's rootdir, which the tests of subjects are relative to.
        home: what entries are named from; `root` if left out.
    """

    def __init__(
        self,
        folder: Path,
        machine: Machine,
        carbon: Carbon,
        root: Path | None = None,
        home: Path | None = None,
    ) -> None:
        self.folder = folder
        self.machine = machine
        self.carbon = carbon
        self._root = root or folder.parent
        self._home = home or self._root
        self._read: dict[Path, _Entries | BaselineError] = {}

    def named(self, subject: Subject) -> Subject:
        """A subject as its entry names it.

        Args:
            subject: with its test as pytest names it, relative to rootdir.
        """
        path, colons, rest = subject.test.partition("::")
        file = Path(os.path.normpath(self._root / path))
        if self._home == self._root or not file.is_relative_to(self._home):
            return subject
        return replace(subject, test=file.relative_to(self._home).as_posix() + colons + rest)

    def test_of(self, entry: Subject) -> str:
        """The test of an entry, as pytest names it."""
        path, colons, rest = entry.test.partition("::")
        if self._home == self._root:
            return entry.test
        return Path(os.path.relpath(self._home / path, self._root)).as_posix() + colons + rest

    def path(self, subject: Subject, machine: str | None = None) -> Path:
        """The file of a subject's task and model, for this machine class or another one."""
        place = self.folder / (machine or self.machine.slug)
        return place / file_name(subject.task) / f"{file_name(subject.model)}.json"

    def find(self, subject: Subject) -> Baseline | None:
        """The stored entry of this subject on this machine class, if any.

        Raises:
            BaselineError: the file cannot be read.
        """
        path, key = self.path(subject), self.named(subject).key
        found = self._entries(path)
        if not isinstance(found, BaselineError) and found.taken(key):
            del self._read[path]
            found = self._entries(path)
        if isinstance(found, BaselineError):
            raise found
        return found.take(key)

    def machines_with(self, subject: Subject) -> tuple[str, ...]:
        """Other machine classes that have an entry of this subject."""
        key, machines = self.named(subject).key, []
        for name in self._machines:
            if name != self.machine.slug:
                entries = self._entries(self.path(subject, name))
                # A file that cannot be read is not the one that this run depends on.
                if not isinstance(entries, BaselineError) and key in entries:
                    machines.append(name)
        return tuple(machines)

    def load(self, subject: Subject) -> None:
        """Read all that there is of a subject's task and model, so that no file is needed later.

        A test may put another file system in the place of this one.
        """
        for name in {self.machine.slug, *self._machines}:
            self._entries(self.path(subject, name))

    def subjects(self) -> list[tuple[Path, str, Subject]]:
        """Entries of this machine class: the file, the name there, and what was measured.

        All of them, unless so many files were not read yet that a session of few tests would read
        more of others than of its own: then those of the files that were.
        """
        found: list[tuple[Path, str, Subject]] = []
        try:
            paths = sorted((self.folder / self.machine.slug).glob("*/*.json"))
        except OSError:
            return found
        unread = [path for path in paths if path not in self._read]
        many = len(unread) > MOST_UNREAD or sum(map(_size, unread)) > MOST_UNREAD_BYTES
        for path in paths:
            if many and path not in self._read:
                continue
            entries = self._entries(path)
            if not isinstance(entries, BaselineError):
                found += [(path, key, subject) for key, subject in entries.subjects.items()]
        return found

    @cached_property
    def _machines(self) -> tuple[str, ...]:
        """Machine classes that have a folder."""
        try:
            return tuple(sorted(place.name for place in self.folder.iterdir() if place.is_dir()))
        except OSError:
            return ()

    def _entries(self, path: Path) -> _Entries | BaselineError:
        """What a file has, or why it cannot be read."""
        if path not in self._read:
            try:
                self._read[path] = _Entries(_of_its_folder(path, read_file(path, self.folder)))
            except BaselineError as error:
                # What it was raised from holds all that was read.
                error.__cause__ = error.__context__ = error.__traceback__ = None
                self._read[path] = error
        return self._read[path]

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
            file = read_file(path, self.folder)
            for new in additions:
                subject = self.named(new.subject)
                stored = _add(file.entries.get(subject.key), new)
                done.append(stored)
                appended = stored.before is not None and stored.action is Action.APPENDED
                kept = stored.before.sessions if appended and stored.before else ()
                entry = Baseline(
                    subject,
                    new.measurement.meters,
                    new.measurement.domains,
                    (*kept, new.session)[-KEEP_SESSIONS:],
                    new.measurement.reference.kind if new.measurement.reference else "",
                    new.measurement.allocator,
                    _history(stored, new.reason),
                )
                file.put(entry, self.machine.describe(), self.carbon)
            text = file.text()
            if why := why_too_large(text):
                raise BaselineError(
                    path,
                    f"it would have {why}, and could not be read; nothing was written. Delete what"
                    " no test claims (--energy-prune), or give tests another task or model",
                )
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, text)
        self._read.pop(path, None)
        return done


def _of_its_folder(path: Path, file: BaselineFile) -> Mapping[str, Baseline]:
    """The entries of a file, and whether they were measured on the machine of its folder."""
    machine = file.record.get("machine")
    of = machine.get("class") if isinstance(machine, dict) else None
    if of == path.parents[1].name:
        return file.entries
    why = f"copied from another machine's folder ({of})" if of else "stored without a machine"
    return {key: replace(entry, unverified=why) for key, entry in file.entries.items()}


KEEP_HISTORY = 10
"""Replaced sessions of which a line is kept."""


def _history(stored: Stored, given: str) -> tuple[Replaced, ...]:
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
    reason += f": {given}" if given else ""
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


def is_baseline_folder(folder: Path) -> bool:
    """Whether a folder holds baselines of ours; others keep other things under this name."""
    with suppress(OSError):
        for path in folder.glob("*/*/*.json"):
            with suppress(BaselineError):
                if _is_ours(path, folder):
                    return True
    return False


def _files(folder: Path) -> list[Path]:
    """The JSON files of all machine classes, in order; none where there is no such folder.

    Raises:
        BaselineError: a folder that cannot be listed. `Path.glob` takes one for empty.
    """
    try:
        places = [folder] if folder.is_dir() else []
        for _ in ("machine class", "task"):
            places = [below for place in places for below in place.iterdir() if below.is_dir()]
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


def _is_ours(path: Path, folder: Path) -> bool:
    """Whether a file is a baseline file, as far as its form says, or would be once mended.

    Raises:
        BaselineError: it cannot be read, so that nothing is known of it.
    """
    try:
        text = read_bytes(path, folder).decode("utf-8", errors="replace")
    except RefusedFileError:
        return False
    except OSError as error:
        raise BaselineError(path, error.strerror or str(error)) from error
    return '"schema"' in text and '"entries"' in text


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored entry.

    Args:
        path: its file.
        machine: the class that it is of.
        subject: what was measured, as the entry names it.
    """

    path: Path
    machine: str
    subject: Subject

    @property
    def shown(self) -> str:
        """For people: file and name."""
        return f"{shown_path(self.path)}: {self.subject.key}"


def entries_of(folder: Path) -> list[Entry]:
    """Every entry of every machine class, in order; JSON that is not ours is passed over.

    Raises:
        BaselineError: a file or a folder that cannot be read.
    """
    return [
        Entry(path, path.parent.parent.name, entry.subject)
        for path in _files(folder)
        if _is_ours(path, folder)
        for entry in read_file(path, folder).entries.values()
    ]


def delete(folder: Path, gone: Sequence[Entry]) -> None:
    """Delete entries, and files and folders that are empty then.

    Args:
        folder: `baselines/`.
        gone: from `entries_of`.

    Raises:
        BaselineError: a file cannot be read or written; what was deleted before it stays so.
    """
    for path in dict.fromkeys(entry.path for entry in gone):
        with writing(folder, path):
            file = read_file(path, folder)
            for entry in gone:
                if entry.path == path and entry.subject.key in file.entries:
                    file.drop(entry.subject.key)
            if file.entries:
                replace_file(path, file.text())
                continue
            path.unlink()
            sync_folder(path.parent)
            with suppress(OSError):  # a folder that stays says nothing of what was deleted
                for empty in (path.parent, path.parent.parent):
                    if not any(empty.iterdir()):
                        empty.rmdir()


_IGNORED = (
    "# a lock against two runs writing at once, and what a killed run leaves\n"
    f".lock\n.*{TEMPORARY_SUFFIX}\n"
)


def _ignore(path: Path) -> None:
    """Tell git what is none of its business, in a file of ours; one of others stays as it is."""
    if not os.path.lexists(path):
        replace_file(path, _IGNORED)


def _check_lock(path: Path) -> None:
    """Refuse a lock that others have made a link or a FIFO: opening it could wait for ever."""
    if os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
        raise RefusedFileError(f"{shown_path(path)} is no regular file: delete it")


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
        with portalocker.Lock(lock, timeout=LOCK_SECONDS):
            _ignore(folder / ".gitignore")
            if sweeps:
                sweep(path.parent)
            yield
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
