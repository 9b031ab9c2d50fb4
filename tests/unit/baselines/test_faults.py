"""Whatever call of the system's fails, and wherever the process dies: a file is old or new.

Every call of every writer fails in every way that `support.faults` knows, one after the other and
several together; then the same is done again without a fault.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_energy.baselines import accepted, migration
from pytest_energy.baselines import store as baselines
from pytest_energy.baselines.file_format import BaselineError
from pytest_energy.files import TEMPORARY_SUFFIX
from support.baselines import CARBON, MACHINE, subject
from support.faults import KILLED, KINDS, FailingFiles, Fault, KilledError, single_faults
from support.writers import (
    WRITERS,
    Writer,
    accept,
    clean,
    meet,
    restore,
    state_of,
    two_old_files,
)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """A lock that cannot be had is not asked for again for a minute."""
    monkeypatch.setattr("pytest_energy.baselines.folder.LOCK_SECONDS", 0)


@pytest.mark.parametrize("name", WRITERS)
def test_after_any_single_fault_a_file_is_old_or_new_and_the_next_run_succeeds(name):
    for fault in single_faults(clean(name).calls):
        meet(name, [fault])


@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_after_several_faults_too(name, data):
    calls = st.integers(0, len(clean(name).calls) + 5)
    faults = st.builds(Fault, calls, st.sampled_from(KINDS))
    meet(name, data.draw(st.lists(faults, min_size=2, max_size=4)))


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_fault_is_met(name):
    found = [meet(name, [Fault(at, KILLED)]).hit for at in range(len(clean(name).calls))]
    assert all(found)
    beyond = Fault(len(clean(name).calls), KILLED)
    assert meet(name, [beyond]).hit == []


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
    return store.find(subject()), store.machines_with(subject()), store.entries()


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
    two_old_files(folder)
    accept(folder, "a")
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
