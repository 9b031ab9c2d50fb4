"""Baselines as JSON files in the repository: read, append, replace, prune; atomic and locked.

One file per machine class, task and model: `<folder>/<machine>/<task>/<model>.json`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from statistics import median

from pytest_energy.baselines.counts import CountsStore, counts_entry
from pytest_energy.baselines.counts_format import CountsFile, read_counts
from pytest_energy.baselines.file_format import (
    BaselineError,
    BaselineFile,
    read_file,
    why_too_large,
)
from pytest_energy.baselines.folder import (
    COUNTS,
    Entry,
    Names,
    file_name,
    files_in,
    is_counts_file,
    writing,
)
from pytest_energy.baselines.read_files import ReadFiles
from pytest_energy.files import (
    RefusedFileError,
    is_folder,
    read_bytes,
    replace_file,
    stable,
    sync_folder,
)
from pytest_energy.types.baseline import Agreement, Baseline, Session
from pytest_energy.types.carbon import Carbon
from pytest_energy.types.history import Replaced
from pytest_energy.types.machine import Machine
from pytest_energy.types.measurement import Measurement
from pytest_energy.types.result import Subject
from pytest_energy.types.units import format_change, utc_text

KEEP_SESSIONS = 10
"""Sessions that an entry keeps: the spread between them is what a gate must know."""


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
        root = root or folder.parent
        self.names = Names(root, home or root)
        self.counts = CountsStore(folder, self.names)
        self._files = ReadFiles(self._read, _entry_of)

    def path(self, subject: Subject, machine: str | None = None) -> Path:
        """The file of a subject's task and model, for this machine class or another one."""
        place = self.folder / (machine or self.machine.slug)
        return place / file_name(subject.task) / f"{file_name(subject.model)}.json"

    def find(self, subject: Subject) -> Baseline | None:
        """The stored entry of this subject on this machine class, if any.

        Raises:
            BaselineError: the file cannot be read.
        """
        return self._files.take(self.path(subject), self.names.named(subject).key)

    def machines_with(self, subject: Subject) -> tuple[str, ...]:
        """Other machine classes that have an entry of this subject."""
        return self._machines_with(self.names.named(subject))

    def is_of_others(self, entry: Entry) -> bool:
        """Whether an entry may be of a test that only other machine classes have.

        Args:
            entry: of this folder. Counts are of no machine class: where all were taken on a CPU,
                and no other class has figures beside them, this one is expected to have the test.
        """
        if entry.machine:
            return entry.machine != self.machine.slug
        return bool(self._machines_with(entry.subject))

    def _machines_with(self, named: Subject) -> tuple[str, ...]:
        machines = []
        for name in self._machines:
            if name != self.machine.slug:
                entries = self._files.of(self.path(named, name))
                # A file that cannot be read is not the one that this run depends on.
                if not isinstance(entries, BaselineError) and named.key in entries:
                    machines.append(name)
        return tuple(machines)

    def load(self, subject: Subject) -> None:
        """Read all that there is of a subject's task and model, so that no file is needed later.

        A test may put another file system in the place of this one.
        """
        for name in {self.machine.slug, *self._machines}:
            self._files.of(self.path(subject, name))

    def entries(self) -> list[Entry]:
        """Entries of this machine class, and of counts.

        All of them, unless so many files were not read yet that a session of few tests would read
        more of others than of its own: then those of the files that were.
        """
        measured = self._files.entries(self.folder / self.machine.slug)
        return measured + self.counts.entries()

    @cached_property
    def _machines(self) -> tuple[str, ...]:
        """Machine classes that have a folder."""
        try:
            places = [place.name for place in self.folder.iterdir() if is_folder(place)]
            return tuple(sorted(name for name in places if name != COUNTS))
        except OSError:
            return ()

    def _read(self, path: Path) -> Mapping[str, Baseline]:
        return of_its_folder(path, read_file(path, self.folder))

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
                subject = self.names.named(new.subject)
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
        self._files.forget(path)
        return done


def of_its_folder(path: Path, file: BaselineFile) -> Mapping[str, Baseline]:
    """The entries of a file, and whether they were measured on the machine of its folder.

    Args:
        path: of the file, below the folder of its machine class.
        file: what was read of it.
    """
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


def entries_of(folder: Path) -> list[Entry]:
    """Every entry, counts included, in order; JSON that is not ours is passed over.

    Raises:
        BaselineError: a file or a folder that cannot be read.
    """
    return [
        entry
        for path in files_in(folder)
        if _is_ours(path, folder)
        for entry in _entries_in(path, folder)
    ]


def _entry_of(path: Path, entry: Baseline) -> Entry:
    return Entry(path, path.parent.parent.name, entry.subject)


def _entries_in(path: Path, folder: Path) -> list[Entry]:
    if is_counts_file(path):
        return [counts_entry(path, one) for one in read_counts(path, folder).entries.values()]
    return [_entry_of(path, one) for one in read_file(path, folder).entries.values()]


def _any_file(path: Path, folder: Path) -> BaselineFile | CountsFile:
    return read_counts(path, folder) if is_counts_file(path) else read_file(path, folder)


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
            file = _any_file(path, folder)
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
