"""Everything that writes files of ours, and what must hold of it whatever fails."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from pytest_energy.baselines import accepted, migration
from pytest_energy.baselines import store as baselines
from pytest_energy.baselines.counts import CountsStore
from pytest_energy.baselines.file_format import BaselineError
from pytest_energy.files import TEMPORARY_SUFFIX
from pytest_energy.report.json import write_report
from pytest_energy.types.session import Instrumentation, SessionReport
from support.baselines import CARBON, MACHINE, addition, subject
from support.counts import counts, counts_addition
from support.faults import DEAD, FailingFiles, Fault, KilledError
from support.schema_1 import turn_back

OTHER = "t.py::test_other"

State = dict[str, bytes]
"""Every file of a folder by its path there, the lock aside."""


@dataclass(frozen=True)
class Writer:
    """Something that writes files of ours.

    Args:
        prepare: makes what is there before.
        write: the writing; returns what went wrong, each a sentence that names a file.
    """

    prepare: Callable[[Path], None]
    write: Callable[[Path], list[str]]


def _store(folder, *additions):
    baselines.BaselineStore(folder, MACHINE, CARBON).store(additions)
    return []


def _one_entry(folder):
    _store(folder, addition(2.0))


def _two_entries(folder):
    _store(folder, addition(2.0), addition(3.0, of=subject(OTHER)))


def two_old_files(folder):
    for model in ("first", "second"):
        of = subject(model=model)
        _store(folder, addition(2.0, of=of))
        turn_back(baselines.BaselineStore(folder, MACHINE, CARBON).path(of))
    (folder / MACHINE.slug / f".left{TEMPORARY_SUFFIX}").write_text('{"sch')


def _store_counts(folder, *additions):
    CountsStore(folder).store(additions)
    return []


def _counts_of_one(folder):
    _store_counts(folder, counts_addition())


def _one_of_each(folder):
    _one_entry(folder)
    _counts_of_one(folder)


def _prune(folder):
    gone = [entry for entry in baselines.entries_of(folder) if entry.subject.test != OTHER]
    baselines.delete(folder, gone)
    return []


def accept(folder, name):
    accepted.store(folder, {name: accepted.Accepted(0.1, "main", "2026-03-04T05:06:07Z")})
    return []


def _migrate(folder):
    return [done.problem for done in migration.migrate(folder) if done.problem]


def _report(folder):
    date = datetime(2026, 3, 4, tzinfo=UTC).isoformat()
    report = SessionReport(date, None, MACHINE, CARBON, Instrumentation(), "baselines")
    return write_report(folder / "build" / "report.json", report)


def _old_report(folder):
    (folder / "build").mkdir(parents=True)
    (folder / "build" / "report.json").write_text("{}")


def _nothing(_):
    pass


WRITERS = {
    "the first session": Writer(_nothing, lambda folder: _store(folder, addition(2.0))),
    "another session": Writer(_one_entry, lambda folder: _store(folder, addition(2.1))),
    "two sessions": Writer(
        _one_entry, lambda f: _store(f, addition(2.1), addition(3.0, of=subject(OTHER)))
    ),
    "prune one of two": Writer(_two_entries, _prune),
    "prune the last": Writer(_one_entry, _prune),
    "the first counts": Writer(_nothing, lambda folder: _store_counts(folder, counts_addition())),
    "other counts": Writer(
        _counts_of_one, lambda folder: _store_counts(folder, counts_addition(counts(2)))
    ),
    "prune the last of both": Writer(_one_of_each, _prune),
    "the first accepted rise": Writer(_nothing, lambda folder: accept(folder, "a")),
    "another accepted rise": Writer(
        lambda folder: accept(folder, "a"), lambda folder: accept(folder, "b")
    ),
    "migrate two files": Writer(two_old_files, _migrate),
    "the first report": Writer(_nothing, _report),
    "another report": Writer(_old_report, _report),
}


def state_of(folder: Path) -> State:
    """What lies in a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def restore(folder: Path, state: State) -> None:
    for name, content in state.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@dataclass(frozen=True)
class Clean:
    """What a writer does where nothing fails.

    Args:
        old: what is there before.
        new: what is there afterwards.
        newer: what is there once it has been done twice.
        calls: of the first time.
    """

    old: State
    new: State
    newer: State
    calls: tuple[str, ...]


@cache
def clean(name: str) -> Clean:
    writer = WRITERS[name]
    with TemporaryDirectory() as place:
        folder = Path(place).resolve() / "baselines"
        folder.mkdir()
        writer.prepare(folder)
        (folder / ".lock").unlink(missing_ok=True)  # as `restore` leaves it out
        old = state_of(folder)
        with FailingFiles(folder).installed() as files:
            assert writer.write(folder) == []
        assert not files.open
        new = state_of(folder)
        assert writer.write(folder) == []
        return Clean(old, new, state_of(folder), tuple(files.calls))


NOT_WRITTEN = re.compile("nothing was written|report was not written|left as it is")


def meet(name: str, faults: list[Fault]) -> FailingFiles:
    """Let a writer meet faults, check what is left, and let it do its work then."""
    writer, expected = WRITERS[name], clean(name)
    with TemporaryDirectory() as place:
        folder = Path(place).resolve() / "baselines"
        folder.mkdir()
        restore(folder, expected.old)
        files = FailingFiles(folder, faults)
        problems, killed = [], False
        try:
            with files.installed():
                problems = writer.write(folder)
        except BaselineError as error:
            problems = [str(error)]
        except KilledError:
            killed = True
        left = state_of(folder)
        _check_whole(expected, left, files, killed)
        if not killed:
            assert not files.open, f"left open after {files.hit}"
            _check_said(expected, left, files, problems)
        _check_next_run(writer, folder, expected, left)
    return files


def temporary(state: State) -> set[str]:
    """Files of a folder that a killed writer left."""
    return {name for name in state if name.endswith(TEMPORARY_SUFFIX)}


def _check_whole(expected: Clean, left: State, files: FailingFiles, killed: bool) -> None:
    for name in (left.keys() | expected.old.keys() | expected.new.keys()) - temporary(left):
        possible = (expected.old.get(name), expected.new.get(name))
        assert left.get(name) in possible, f"{name} is neither old nor new after {files.hit}"
    cannot_remove = any("unlink" in hit or hit.endswith(DEAD) for hit in files.hit)
    if not killed and not cannot_remove:
        new = temporary(left) - temporary(expected.old)
        assert not new, f"a temporary file is left after {files.hit}"


def _check_said(expected: Clean, left: State, files: FailingFiles, problems: list[str]) -> None:
    if not problems:
        assert left == expected.new, f"{files.hit} went by, and not all is stored"
    for problem in problems:
        assert str(files.folder) in problem
        for name in expected.old.keys() | expected.new.keys():
            if f"{files.folder / name}: " in problem and NOT_WRITTEN.search(problem):
                assert left.get(name) == expected.old.get(name), f"{problem} after {files.hit}"


def _check_next_run(writer: Writer, folder: Path, expected: Clean, left: State) -> None:
    assert writer.write(folder) == []
    after = state_of(folder)
    for name in (after.keys() | expected.new.keys()) - temporary(left):
        assert after.get(name) in (expected.new.get(name), expected.newer.get(name))
