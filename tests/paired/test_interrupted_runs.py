"""A paired run is ended half-way: nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.packages import leftovers

SLOW = """
import os, time
from model import infer

def test_slow(energy):
    for _ in energy.each(range(20)):
        infer()
        with open(os.environ["PIDS"], "a") as file:
            file.write(f"{os.getpid()}\\n")
        time.sleep(0.1)
"""


@pytest.fixture
def running(clean, monkeypatch):
    """A paired run in the middle of its turns: the process, and the ids of both sides."""
    clean.write(test_it=SLOW)
    clean.commit()
    pids = clean.path.with_name("pids.txt")
    pids.write_text("")
    environment = {**os.environ, "PIDS": str(pids)}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--energy-against=main"]
    process = subprocess.Popen(
        command,
        cwd=clean.path,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        # Where the tests run in a shell's background, what they start would not hear of Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while len(set(pids.read_text().split())) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    both = {int(pid) for pid in pids.read_text().split()}
    assert len(both) == 2
    assert leftovers()
    yield clean, process, both
    process.kill()
    process.wait()


def gone(pids, seconds=30.0) -> bool:
    """Whether all these processes have ended, or do within some seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        alive = [pid for pid in pids if Path(f"/proc/{pid}/cmdline").exists()]
        states = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2] for pid in alive]
        if all(state.split()[0] == "Z" for state in states):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_ctrl_c_ends_both_and_leaves_nothing_behind(running):
    repository, process, both = running
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == pytest.ExitCode.INTERRUPTED, said
    assert gone(both)
    assert leftovers() == set()
    assert len(repository.git("worktree", "list").splitlines()) == 1


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_what_a_killed_run_left_is_ended_and_cleaned_by_the_next(running):
    repository, process, both = running
    process.kill()
    process.communicate()
    assert gone(both)  # the base does not outlive the head
    assert len(leftovers()) == 1
    assert len(repository.git("worktree", "list").splitlines()) == 2
    repository.write(test_it="def test_it(energy):\n    for _ in energy.each(range(5)): pass\n")
    repository.against()
    assert leftovers() == set()
    assert len(repository.git("worktree", "list").splitlines()) == 1


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_the_next_run_does_not_touch_one_that_is_alive(running):
    repository, process, _ = running
    environment = {**os.environ, "PIDS": os.devnull}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--energy-against=main"]
    subprocess.run(command, cwd=repository.path, env=environment, check=False, capture_output=True)
    said, _ = process.communicate(timeout=60)
    assert "incomparable" not in said
    assert process.returncode == 0, said
