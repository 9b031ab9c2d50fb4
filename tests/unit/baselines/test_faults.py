"""Whatever call of the system's fails, and wherever the process dies: a file is old or new.

Every call of every writer fails in every way that `support.faults` knows, one after the other and
several together; then the same is done again without a fault.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_energy.baselines import accepted, migration
from pytest_energy.baselines import store as baselines
from pytest_energy.baselines.file_format import BaselineError
from pytest_energy.files import TEMPORARY_SUFFIX
from pytest_energy.report.json import write_report
from pytest_energy.types.session import Instrumentation, SessionReport
from support.baselines import CARBON, MACHINE, addition, subject
from support.faults import (
    DEAD,
    KILLED,
    KINDS,
    FailingFiles,
    Fault,
    KilledError,
    single_faults,
)
from support.schema_1 import turn_back

OTHER = "t.py::test_other"

NOT_WRITTEN = re.compile("nothing was written|report was not written|left as it is")

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


def _two_old_files(folder):
    for model in ("first", "second"):
        of = subject(model=model)
        _store(folder, addition(2.0, of=of))
        turn_back(baselines.BaselineStore(folder, MACHINE, CARBON).path(of))
    (folder / MACHINE.slug / f".left{TEMPORARY_SUFFIX}").write_text('{"sch')


def _prune(folder):
    gone = [entry for entry in baselines.entries_of(folder) if entry.subject.test != OTHER]
    baselines.delete(folder, gone)
    return []


def _accept(folder, name):
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
    "the first accepted rise": Writer(_nothing, lambda folder: _accept(folder, "a")),
    "another accepted rise": Writer(
        lambda folder: _accept(folder, "a"), lambda folder: _accept(folder, "b")
    ),
    "migrate two files": Writer(_two_old_files, _migrate),
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


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """A lock that cannot be had is not asked for again for a minute."""
    monkeypatch.setattr(baselines, "LOCK_SECONDS", 0)


def run(name: str, faults: list[Fault]) -> FailingFiles:
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


def _temporary(state: State) -> set[str]:
    return {name for name in state if name.endswith(TEMPORARY_SUFFIX)}


def _check_whole(expected: Clean, left: State, files: FailingFiles, killed: bool) -> None:
    for name in (left.keys() | expected.old.keys() | expected.new.keys()) - _temporary(left):
        possible = (expected.old.get(name), expected.new.get(name))
        assert left.get(name) in possible, f"{name} is neither old nor new after {files.hit}"
    cannot_remove = any("unlink" in hit or hit.endswith(DEAD) for hit in files.hit)
    if not killed and not cannot_remove:
        new = _temporary(left) - _temporary(expected.old)
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
    for name in (after.keys() | expected.new.keys()) - _temporary(left):
        assert after.get(name) in (expected.new.get(name), expected.newer.get(name))


@pytest.mark.parametrize("name", WRITERS)
def test_after_any_single_fault_a_file_is_old_or_new_and_the_next_run_succeeds(name):
    for fault in single_faults(clean(name).calls):
        run(name, [fault])


@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_after_several_faults_too(name, data):
    calls = st.integers(0, len(clean(name).calls) + 5)
    faults = st.builds(Fault, calls, st.sampled_from(KINDS))
    run(name, data.draw(st.lists(faults, min_size=2, max_size=4)))


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_fault_is_met(name):
    found = [run(name, [Fault(at, KILLED)]).hit for at in range(len(clean(name).calls))]
    assert all(found)
    beyond = Fault(len(clean(name).calls), KILLED)
    assert run(name, [beyond]).hit == []


@pytest.mark.skipif(sys.platform == "win32", reason="no fork on Windows")
@pytest.mark.parametrize("name", ["another session", "prune the last", "migrate two files"])
def test_a_process_that_really_ends_leaves_what_a_simulated_end_leaves(name, tmp_path):
    writer, expected = WRITERS[name], clean(name)
    for at in range(len(expected.calls)):
        left = []
        for really in (True, False):
            folder = tmp_path / f"{at}-{really}" / "baselines"
            folder.mkdir(parents=True)
            restore(folder, expected.old)
            if really:
                _die_in_child(writer, FailingFiles(folder, [Fault(at, KILLED)], _end))
            else:
                with (
                    FailingFiles(folder, [Fault(at, KILLED)]).installed(),
                    pytest.raises(KilledError),
                ):
                    writer.write(folder)
            whole = state_of(folder)
            left.append([content for name, content in sorted(whole.items(), key=_unnamed)])
        assert left[0] == left[1]


def _unnamed(item: tuple[str, bytes]) -> tuple[str, bytes]:
    """Names of temporary files differ from run to run."""
    name, content = item
    return (str(Path(name).parent) if name.endswith(TEMPORARY_SUFFIX) else name), content


def _end() -> None:
    os._exit(9)


def _die_in_child(writer: Writer, files: FailingFiles) -> None:
    child = os.fork()
    if not child:
        try:
            with files.installed():
                writer.write(files.folder)
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


# Reading


def _find(folder):
    store = baselines.BaselineStore(folder, MACHINE, CARBON)
    store.load(subject())
    return store.find(subject()), store.machines_with(subject()), store.subjects()


READERS = {
    "find": _find,
    "list entries": baselines.entries_of,
    "list accepted rises": accepted.read,
    "list what is outdated": lambda folder: list(migration.migrate(folder, write=False)),
    "is it a folder of baselines": baselines.is_baseline_folder,
}


@pytest.mark.parametrize("name", READERS)
def test_reading_writes_nothing_and_fails_with_a_message_alone(name, tmp_path):
    folder, read = tmp_path / "baselines", READERS[name]
    _two_old_files(folder)
    _accept(folder, "a")
    before = state_of(folder)
    with FailingFiles(folder).installed() as whole:
        read(folder)
    assert whole.calls
    for fault in single_faults(whole.calls):
        files = FailingFiles(folder, [fault])
        said = ""
        with files.installed(), suppress(*[KilledError] * (fault.kind == KILLED)):
            try:
                read(folder)
            except BaselineError as error:
                said = str(error)
        assert not said or str(folder) in said
        assert state_of(folder) == before
        assert files.hit
        assert fault.kind == KILLED or not files.open
