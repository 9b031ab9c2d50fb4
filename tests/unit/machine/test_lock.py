"""The machine to oneself: real processes that wait for real files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from pytest_energy.machine.lock import (
    HELD_BY,
    NAME,
    QUEUE,
    MachineBusyError,
    MachineLock,
    lock_folder,
)

HOLDER = """
import os, sys, time
from pathlib import Path
from pytest_energy.machine.lock import MachineLock

folder, mode, name, seconds = Path(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4])
lock = MachineLock(folder)
print("asks", flush=True)
lock.acquire(mode == "exclusive", name, 60)
with (folder / "log").open("a") as log:
    log.write(f"{name} {time.monotonic()} ")
if name == "with a child":
    child = os.fork()
    if not child:
        time.sleep(60)
        os._exit(0)
    (folder / "child").write_text(str(child))
print("has it", flush=True)
time.sleep(seconds)
with (folder / "log").open("a") as log:
    log.write(f"{time.monotonic()}\\n")
lock.release()
"""


@pytest.fixture
def start(tmp_path):
    """Starts processes that take the lock, and ends them."""
    started = []

    def begin(mode, name="test_x", seconds=60.0, has_it=True):
        command = [sys.executable, "-c", HOLDER, str(tmp_path), mode, name, str(seconds)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "asks\n"
        if has_it:
            assert process.stdout.readline() == "has it\n"
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def lock(tmp_path):
    lock = MachineLock(tmp_path)
    yield lock
    lock.close()


def test_one_test_has_the_machine_and_others_learn_which(lock, start):
    process = start("exclusive", "tests/test_x.py::test_y")
    for exclusive in (True, False):
        with pytest.raises(MachineBusyError) as caught:
            lock.acquire(exclusive, "mine", 0.2)
        assert str(caught.value) == (
            "the machine was not free within 0.2 s:"
            f" process {process.pid} (tests/test_x.py::test_y) holds it"
        )


def test_unmetered_tests_share_it_and_a_metered_one_waits_for_them(lock, start):
    start("shared")
    lock.acquire(False, "mine", 0.2)
    lock.release()
    with pytest.raises(MachineBusyError):
        lock.acquire(True, "mine", 0.2)


def test_who_waits_gets_it_once_it_is_free(lock, start):
    start("exclusive", seconds=0.3)
    lock.acquire(True, "mine", 30)
    assert os.environ[HELD_BY] == str(os.getpid())
    lock.release()
    assert HELD_BY not in os.environ


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps no order")
def test_it_is_had_in_the_order_in_which_it_was_asked_for(start, tmp_path):
    start("exclusive", "first", 0.8)
    names = [f"{mode}-{i}" for i, mode in enumerate(("exclusive", "shared", "exclusive", "shared"))]
    waiting = []
    for name in names:
        waiting.append(start(name.partition("-")[0], name, 0.05, has_it=False))
        time.sleep(0.1)  # it has said that it asks, and asks then
    for process in waiting:
        process.wait(timeout=30)
    lines = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    assert [name for name, *_ in lines] == ["first", *names]
    assert all(float(a[2]) <= float(b[1]) for a, b in pairwise(lines))


def test_what_a_killed_process_held_is_free(lock, start):
    process = start("exclusive")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    lock.acquire(True, "mine", 2)
    lock.release()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")
def test_what_a_killed_process_held_is_free_though_its_children_live_on(lock, start, tmp_path):
    process = start("exclusive", "with a child")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    child = int((tmp_path / "child").read_text())
    try:
        lock.acquire(True, "mine", 2)
        lock.release()
        os.kill(child, 0)  # it lives
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_wait_that_was_given_up_takes_nothing_later(lock, start, tmp_path):
    process = start("exclusive", seconds=0.4)
    with pytest.raises(MachineBusyError):
        lock.acquire(True, "mine", 0.1)
    process.wait(timeout=30)
    other = MachineLock(tmp_path)
    other.acquire(True, "another", 10)
    other.release()
    other.close()


def test_a_pytest_that_a_test_starts_runs_inside_of_its_lock(lock, start, tmp_path):
    lock.acquire(True, "mine", 1)
    started = time.monotonic()
    start("exclusive", "inside", 0.0).wait(timeout=30)
    inner = MachineLock(tmp_path)
    inner.acquire(True, "in the same process", 60)
    inner.release()
    assert time.monotonic() - started < 30
    with pytest.raises(MachineBusyError):  # it is held still
        _outside(tmp_path)
    lock.release()


def _outside(folder):
    """Take it as a process that no test has started."""
    held = os.environ.pop(HELD_BY)
    try:
        MachineLock(folder).acquire(True, "outside", 0.1)
    finally:
        os.environ[HELD_BY] = held


def test_a_stale_word_in_the_environment_means_nothing(lock, start, monkeypatch):
    start("exclusive")
    monkeypatch.setenv(HELD_BY, "999999999")
    with pytest.raises(MachineBusyError):
        lock.acquire(True, "mine", 0.1)


def test_without_a_place_for_it_there_is_none_and_it_says_why(tmp_path):
    lock = MachineLock(tmp_path / "nowhere")
    assert lock.problem.startswith(f"no lock in {tmp_path / 'nowhere'}: ")
    lock.acquire(True, "mine", 1)
    lock.release()


def open_to_all(folder):
    """Let other users into a folder of root's, and into those above."""
    for place in (folder, *folder.parents):
        if place.stat().st_uid == 0 and place != Path("/"):
            place.chmod(place.stat().st_mode | 0o055)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no FIFOs")
@pytest.mark.parametrize("name", [NAME, QUEUE])
def test_what_is_no_regular_file_is_no_lock(tmp_path, name):
    os.mkfifo(tmp_path / name)
    assert "is no regular file" in MachineLock(tmp_path).problem


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0, reason="only root can become another user"
)
def test_another_users_fifo_that_can_only_be_read_is_not_waited_for(tmp_path, no_hang):
    open_to_all(tmp_path)
    os.mkfifo(tmp_path / QUEUE)
    (tmp_path / QUEUE).chmod(0o444)
    child = os.fork()
    if not child:
        os.setuid(65534)
        signal.alarm(20)
        os._exit(0 if "is no regular file" in MachineLock(tmp_path).problem else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0, reason="only root can become another user"
)
@pytest.mark.parametrize("mode", [0o666, 0o644])
def test_another_users_file_can_be_locked(tmp_path, mode):
    folder = tmp_path / "common"
    folder.mkdir()
    folder.chmod(0o1777)
    open_to_all(tmp_path)
    MachineLock(folder).close()
    (folder / NAME).chmod(mode)
    child = os.fork()
    if not child:
        os.setuid(65534)
        lock = MachineLock(folder)
        lock.acquire(True, "theirs", 1)
        os._exit(1 if lock.problem else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits a process of its own")
def test_a_full_disk_takes_the_holders_name_and_not_the_lock(tmp_path):
    import resource

    MachineLock(tmp_path).close()
    child = os.fork()
    if not child:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        lock = MachineLock(tmp_path)
        lock.acquire(True, "theirs", 1)
        os._exit(1 if lock.problem else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_folder_is_the_machines_own_and_can_be_named(monkeypatch, tmp_path):
    monkeypatch.delenv("PYTEST_ENERGY_LOCK_DIR", raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    if os.name == "posix":
        assert lock_folder() == Path("/tmp")
    monkeypatch.setenv("PYTEST_ENERGY_LOCK_DIR", str(tmp_path))
    assert lock_folder() == tmp_path
