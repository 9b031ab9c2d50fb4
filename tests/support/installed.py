"""The installed command, run as people run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema

from pytest_energy.report.doctor import SCHEMA_FILE

SCRIPT = Path(sys.executable).with_name("pytest-energy")


LEAN = """
from pytest_energy import MeterSource, MeterUnavailableError

def absent():
    raise MeterUnavailableError("left out")

def pytest_energy_meters():
    return MeterSource("codecarbon", absent)
"""


class Place:
    """A folder, and the doctor called in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.prefix: list[str] = []
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTEST", "COLUMNS", "CI", "FORCE_COLOR"))
        }
        self.environment["PYTEST_ENERGY_POWERCAP"] = str(path / "no-powercap")
        # Neither other plugins nor codecarbon's tables are this file's subject, and both take a
        # second each to load.
        self.environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        self.environment["PYTEST_PLUGINS"] = "lean"
        self.environment["PYTHONPATH"] = str(path / "plugins")
        self.write("plugins/lean.py", LEAN)

    def write(self, name: str, text: str) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.prefix, str(SCRIPT), *arguments],
            cwd=self.path,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def doctor(self, *arguments: str, code: int) -> str:
        done = self.call("doctor", *arguments)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def told(self, *arguments: str, code: int) -> dict:
        """What it says to programs."""
        found = json.loads(self.doctor("--json", *arguments, code=code))
        jsonschema.validate(found, json.loads(SCHEMA_FILE.read_text("utf-8")))
        assert found["exit_code"] == code
        return found

    def row(self, name: str, *arguments: str, code: int = 1) -> dict:
        """What it says of one meter."""
        (row,) = [m for m in self.told(*arguments, code=code)["meters"] if m["name"] == name]
        return row
