"""Repositories with a history in which an inference begins to take more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest_energy
from support import plugins
from support.projects import CONFTEST, LOOP, SCRIPTED_METER

COMMAND = [sys.executable, "-P", "-m", "pytest_energy", "bisect"]

MODEL = """
from scripted import spend

def step(x):
    return x + 1

def infer(x):
    spend({joules})
    for _ in range({calls}):
        x = step(x)
    return x
"""


class History:
    """A repository with one metered loop in test_it.py, and a model whose calls a test sets.

    Args:
        path: of the folder; made.
        temporary: folder for what a run makes outside of it.
    """

    def __init__(self, path: Path, temporary: Path) -> None:
        self.path = path
        path.mkdir()
        temporary.mkdir(exist_ok=True)
        names = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST")}
        self.environment = {
            **names,
            **plugins.only(),
            "PYTHONPATH": str(Path(pytest_energy.__file__).parents[1]),
            "TMPDIR": str(temporary),
            "PYTEST_ENERGY_LOCK_DIR": str(temporary),
            "COLUMNS": "120",
        }
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("config", "user.name", "Ada")
        self.git("config", "user.email", "ada@localhost")
        self.write("conftest.py", CONFTEST.format(own_pid=0))
        self.write("scripted.py", SCRIPTED_METER)
        self.write("pytest.ini", "[pytest]\nenergy_meter = scripted\n")
        self.write("test_it.py", LOOP)

    def write(self, name: str, text: str) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, message: str, calls: int = 40, joules: float = 2.0) -> str:
        """Commit all files, and a model that calls so often and takes so many joules."""
        self.write("model.py", MODEL.format(calls=calls, joules=joules))
        return self.commit_all(message)

    def commit_all(self, message: str) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def commits(self, count: int, planted: int, **taken: float) -> list[str]:
        """So many commits after a good one; from the planted one on they take more."""
        made = [self.commit("good")]
        for number in range(1, count + 1):
            more = taken if number >= planted else {}
            made.append(self.commit(f"number {number}", **more))  # type: ignore[arg-type]
        return made

    def bisect(
        self, *arguments: str, folder: str = ".", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments],
            cwd=self.path / folder,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """The same without waiting for it."""
        return subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=self.path,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Where the tests run in a shell's background, what they start hears of no Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def left(self) -> set[str]:
        """What is left of runs: temporary folders, and worktrees beside the user's own."""
        worktrees = self.git("worktree", "list", "--porcelain").split("\n\n")[1:]
        temporary = Path(self.environment["TMPDIR"])
        return {path.name for path in temporary.glob("pytest-energy-base-*")} | {*worktrees}


def sides(output: str) -> list[str]:
    """What each run was said to be, in order."""
    return [line.split()[2] for line in output.splitlines() if line.startswith("[")]
