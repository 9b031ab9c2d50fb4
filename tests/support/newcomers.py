"""Projects that have no metered test yet, for `pytest-energy init`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest_energy
from support.installed import LEAN

SOURCES = Path(pytest_energy.__file__).parents[1]

CI = """\
on: push
jobs:
  test:
    runs-on: {}
    steps:
      - run: pytest
"""


class Newcomer:
    """A folder, and the command called in it.

    pytest loads no plugin there but this one and those that are named in `plugins`: others take
    time to load, and codecarbon's tables a second.
    """

    def __init__(self, place: Path) -> None:
        self.path = place / "project"
        self.path.mkdir()
        beside = place / "beside"
        beside.mkdir()
        (beside / "lean.py").write_text(LEAN)
        self.plugins = ["lean"]
        self.powercap = place / "no-powercap"
        self._paths = os.pathsep.join([str(SOURCES), str(beside)])

    @property
    def environment(self) -> dict[str, str]:
        plain = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTEST", "COLUMNS", "CI", "FORCE_COLOR", "GIT_"))
        }
        return plain | {
            "PYTEST_ENERGY_POWERCAP": str(self.powercap),
            "PYTEST_ENERGY_LOCK_DIR": str(self.path.parent),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTEST_PLUGINS": ",".join(self.plugins),
            "PYTHONPATH": self._paths,
            "COLUMNS": "100",
            "OMP_NUM_THREADS": "1",
        }

    def write(self, name: str, text: str | bytes = "") -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def read(self, name: str) -> str:
        return (self.path / name).read_bytes().decode("utf-8")

    def files(self) -> dict[str, bytes]:
        """What every file holds, by its path; without git's own."""
        found = sorted(self.path.rglob("*"))
        parts = {path: path.relative_to(self.path) for path in found if path.is_file()}
        return {
            str(name): path.read_bytes()
            for path, name in parts.items()
            if not {".git", "__pycache__", ".pytest_cache"} & set(name.parts)
        }

    def git(self, *arguments: str) -> None:
        who = ("-c", "user.name=test", "-c", "user.email=test@localhost")
        command = ["git", *who, *arguments]
        subprocess.run(command, cwd=self.path, env=self.environment, check=True)

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "pytest_energy", "init"]

    def init(
        self, *arguments: str, code: int, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*self.command, *arguments],
            cwd=cwd or self.path,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def pytest(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        loaded = self.environment["PYTEST_PLUGINS"] + ",pytest_energy.plugin"
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
            cwd=self.path,
            env=self.environment | {"PYTEST_PLUGINS": loaded},
            capture_output=True,
            text=True,
            check=False,
        )
