"""Exact counts as JSON files in the repository: the same for every machine class.

One file per task and model: `<folder>/counts/<task>/<model>.json`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pytest_energy.baselines.counts_format import Action, CountsEntry, read_counts
from pytest_energy.baselines.file_format import BaselineError, why_too_large
from pytest_energy.baselines.folder import COUNTS, Entry, Names, file_name, writing
from pytest_energy.baselines.read_files import ReadFiles
from pytest_energy.files import replace_file
from pytest_energy.types.codec import DecodeError
from pytest_energy.types.counts import Coefficients, Counts, CountsBaseline
from pytest_energy.types.result import Subject
from pytest_energy.types.units import utc_text
from pytest_energy.verdict.count_rows import trimmed


@dataclass(frozen=True, slots=True)
class CountsAddition:
    """Counts to be stored.

    Args:
        subject: what was counted.
        counts: of its loop; the rows that weigh most are stored.
        coefficients: by which the counted energy was computed.
        joules: that energy per inference, of all rows.
        date: when, in UTC.
        commit: the revision of the project, if it has one.
        reason: why they may stand in the place of others; empty for no word.
    """

    subject: Subject
    counts: Counts
    coefficients: Coefficients
    joules: float
    date: datetime
    commit: str | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CountsStored:
    """What storing did with one addition.

    Args:
        action: created, added, unchanged or replaced.
        before: what stood there with the same device and versions; None where nothing did.
    """

    action: Action
    before: CountsBaseline | None = None


class CountsStore:
    """The exact counts of a folder of baselines.

    Args:
        folder: `baselines/`.
        names: how its entries name tests; from the folder's own place if left out.
    """

    def __init__(self, folder: Path, names: Names | None = None) -> None:
        self.folder = folder
        self._names = names or Names(folder.parent, folder.parent)
        self._files = ReadFiles(self._read, counts_entry)

    def path(self, subject: Subject) -> Path:
        """The file of a subject's task and model."""
        return self.folder / COUNTS / file_name(subject.task) / f"{file_name(subject.model)}.json"

    def find(self, subject: Subject) -> tuple[CountsBaseline, ...]:
        """The stored counts of this subject, the latest first; none where there are none.

        Raises:
            BaselineError: the file cannot be read; names it, the line and what to do.
        """
        entry = self._files.take(self.path(subject), self._names.named(subject).key)
        variants = entry.variants.values() if entry else ()
        return tuple(sorted(variants, key=lambda each: each.date, reverse=True))

    def load(self, subject: Subject) -> None:
        """Read what there is of a subject's task and model, so that no file is needed later.

        A test may put another file system in the place of this one.
        """
        self._files.of(self.path(subject))

    def entries(self) -> list[Entry]:
        """All entries, or those of the files that were read, where many were not."""
        return self._files.entries(self.folder / COUNTS)

    def _read(self, path: Path) -> Mapping[str, CountsEntry]:
        return read_counts(path, self.folder).entries

    def store(self, additions: Sequence[CountsAddition]) -> list[CountsStored]:
        """Store counts in the place of those with the same device and versions.

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
            file = read_counts(path, self.folder)
            for new in additions:
                subject = self._names.named(new.subject)
                one = CountsBaseline(
                    trimmed(new.counts, new.coefficients),
                    new.coefficients,
                    new.joules,
                    subject.n,
                    subject.unit,
                    subject.dataset,
                    utc_text(new.date),
                    new.commit,
                    reason=new.reason,
                )
                try:
                    action, before = file.put(subject, one)
                except DecodeError as error:
                    problem = f"counts of {subject.key}: {error}; nothing was written"
                    raise BaselineError(path, problem) from error
                done.append(CountsStored(action, before))
            if any(each.action is not Action.UNCHANGED for each in done):
                text = file.text()
                if why := why_too_large(text):
                    raise BaselineError(
                        path,
                        f"it would have {why}, and could not be read; nothing was written. Delete"
                        " what no test claims (--energy-prune), or give tests another task or"
                        " model",
                    )
                path.parent.mkdir(parents=True, exist_ok=True)
                replace_file(path, text)
        self._files.forget(path)
        return done


def counts_entry(path: Path, entry: CountsEntry) -> Entry:
    """What is told of stored counts to who asks whose they are."""
    return Entry(path, entry.machine, entry.subject)
