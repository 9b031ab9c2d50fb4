"""When the power goes, a file is old or new; what was said to be stored is there afterwards."""

from __future__ import annotations

import os
import subprocess

import pytest

from support import power
from support.faults import KILLED, FailingFiles, Fault
from support.power import Disk
from support.writers import WRITERS, clean, restore, state_of, temporary

CHANGES = ("create", "write", "fsync", "replace", "unlink", "mkdir", "rmdir", "chmod")
"""Calls that change what the disk will hold; between others the power cut is the same."""


def moments(name):
    """Numbers of the calls before which the power goes."""
    calls = enumerate(clean(name).calls)
    return [0, *(at + 1 for at, call in calls if call.startswith(CHANGES))]


@pytest.fixture
def disk(tmp_path):
    if reason := power.why_not():
        pytest.skip(f"no power can be cut here: {reason}")
    try:
        disk = Disk(tmp_path)
        with disk.mounted():
            yield disk
    except subprocess.CalledProcessError as error:  # root in a container may not mount either
        pytest.skip(f"no power can be cut here: {error.stderr.decode(errors='replace').strip()}")


def write_until(disk, name, at, sync=True):
    """Let a writer work until one of its calls, and where on the disk."""
    folder = disk.top / f"{name}-{at}".replace(" ", "-") / "baselines"
    folder.mkdir(parents=True)
    restore(folder, clean(name).old)
    os.sync()
    child = os.fork()
    if not child:
        try:
            files = FailingFiles(folder, [Fault(at, KILLED)], lambda: os._exit(0), sync)
            with files.installed():
                WRITERS[name].write(folder)
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return folder.relative_to(disk.top)


def left_after(disk, folder):
    with disk.after_power_cut() as top:
        return state_of(top / folder)


@pytest.mark.parametrize("committed", [False, True], ids=["at-once", "after-another-sync"])
@pytest.mark.parametrize("name", WRITERS)
def test_after_a_power_cut_a_file_is_old_or_new(disk, name, committed):
    expected = clean(name)
    for at in moments(name):
        folder = write_until(disk, name, at)
        if committed:
            disk.commit()
        left = left_after(disk, folder)
        for file in (left.keys() | expected.old.keys() | expected.new.keys()) - temporary(left):
            assert left.get(file) in (expected.old.get(file), expected.new.get(file)), file


@pytest.mark.parametrize(
    "name", ["the first session", "another session", "the first accepted rise", "another report"]
)
def test_what_was_said_to_be_stored_is_there_after_a_power_cut(disk, name):
    folder = write_until(disk, name, len(clean(name).calls))
    left = left_after(disk, folder)
    assert {file: left.get(file) for file in clean(name).new} == clean(name).new


def test_without_the_syncs_of_a_file_this_disk_would_lose_it(disk):
    folder = write_until(disk, "another session", len(clean("another session").calls), sync=False)
    disk.commit()
    assert b"" in left_after(disk, folder).values()
