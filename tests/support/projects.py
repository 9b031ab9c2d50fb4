"""Projects that pytester runs: their tests are metered by a scripted meter of known joules."""

from __future__ import annotations

import json
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from pytest_energy.machine.load import LoadReader
from pytest_energy.report.json import SCHEMA_FILE
from support import plugins

SCRIPTED_METER = '''
from pytest_energy import Domain, Meter, MeterLostError, MeterSource, Method

SPENT = {"cpu": 0.0, "gpu:0": 0.0}
LOST = []


def spend(joules=0.0, gpu=0.0):
    """So many joules have flown since the last call."""
    SPENT["cpu"] += joules
    SPENT["gpu:0"] += gpu


class Scripted(Meter):
    name = "scripted"
    domains = (
        Domain("gpu:0", "gpu", Method.COUNTER, "NVML", 0.0),
        Domain("cpu", "cpu", Method.COUNTER, "RAPL", 0.0),
    )

    def read(self):
        if LOST:
            raise MeterLostError(LOST[0])
        return tuple(round(SPENT[domain.name] * 1e6) for domain in self.domains)


def sources():
    return [MeterSource("scripted", Scripted)]
'''


CONFTEST = """
import os
import scripted

def pytest_energy_meters(config):
    if os.getpid() != {own_pid}:
        from pytest_energy.machine.load import LoadReader

        LoadReader.other_cpu_share = lambda *_: None
    return scripted.sources()
"""
"""In processes of its own a project sees no neighbours: other tests run beside it."""


@cache
def report_validator() -> Draft202012Validator:
    schema = json.loads(SCHEMA_FILE.read_text("utf-8"))
    return Draft202012Validator(schema, format_checker=FormatChecker())


class Project:
    """A folder with tests that are metered by the scripted meter.

    `run` runs pytest in it; `model.py` holds what an inference takes, so that a test can make the
    model slower without touching the tests.

    Of the plugins that are installed beside this one, pytest loads only what a run asks for, and
    `plugins`: all of them together take half a second to load, in every process.
    """

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pytester = pytester
        self._monkeypatch = monkeypatch
        self.plugins: tuple[str, ...] | None = ()
        """Modules of plugins to load; None for whatever is installed, as users have it."""
        self.own_process = False
        """Whether pytest runs in a process of its own: torch cannot be imported twice in one."""
        pytester.makepyfile(scripted=SCRIPTED_METER)
        pytester.makeconftest(CONFTEST.format(own_pid=os.getpid()))
        monkeypatch.setattr(LoadReader, "other_cpu_share", lambda *_: None)
        # One machine a project: others run beside it.
        monkeypatch.setenv("PYTEST_ENERGY_LOCK_DIR", str(pytester.path.parent))
        self.ini("energy_meter = scripted")
        self.set_cost(2.0)

    @property
    def path(self) -> Path:
        return self.pytester.path

    def set_cost(self, joules: float, gpu: float = 0.0) -> None:
        """What one inference of the model takes from now on, in joules."""
        self.pytester.makepyfile(
            model=f"""
            from scripted import spend

            def infer(sample=None):
                spend({joules}, {gpu})
                return sample
            """
        )

    def ini(self, *lines: str) -> None:
        """Write the ini file."""
        self.pytester.makeini("\n".join(["[pytest]", *lines]))

    def write(self, **files: str) -> None:
        self.pytester.makepyfile(**files)

    def run(self, *arguments: str) -> pytest.RunResult:
        self.load_plugins(*arguments)
        start = self.pytester.runpytest_subprocess if self.own_process else self.pytester.runpytest
        # pytest 8.4 ends a run with five collections of garbage: here of all tests' objects.
        return start("-p", "no:cacheprovider", "-p", "no:unraisableexception", *arguments)

    def load_plugins(self, *arguments: str) -> None:
        """Say in the environment which plugins pytest is to load, here and in child processes."""
        for name, value in plugins.only(
            *self.plugins or (), *plugins.asked_for(*arguments)
        ).items():
            if self.plugins is None:
                self._monkeypatch.delenv(name, raising=False)
            else:
                self._monkeypatch.setenv(name, value)

    def baselines(self) -> list[Path]:
        """The files of what was measured."""
        found = sorted((self.path / "baselines").glob("*/*/*.json"))
        return [path for path in found if path not in self.counts()]

    def counts(self) -> list[Path]:
        """The files of what was counted."""
        return sorted((self.path / "baselines").glob("counts/*/*.json"))

    def baseline(self) -> dict[str, Any]:
        """The only baseline file."""
        (path,) = self.baselines()
        return dict(json.loads(path.read_text("utf-8")))

    def report(self, *arguments: str) -> dict[str, Any]:
        """Run, and the JSON report, which fits its schema whatever was run."""
        path = self.path / "report.json"
        path.unlink(missing_ok=True)
        self.run(f"--energy-json={path}", "--energy-json-blocks", *arguments)
        record = json.loads(path.read_text("utf-8"))
        report_validator().validate(record)
        return dict(record)

    def verdicts(self, *arguments: str) -> dict[str, dict[str, Any]]:
        """Run, and the verdict of each test (and region)."""
        return {
            "#".join(filter(None, (r["subject"]["test"], r["subject"]["region"]))): r["verdict"]
            for r in self.report(*arguments)["results"]
        }


class Repository(Project):
    """The same under git, for `--energy-against`: what is committed is the base."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(pytester, monkeypatch)
        self.load_plugins()
        self.git("init", "--quiet", "--initial-branch=main")
        (self.path / ".gitignore").write_text("__pycache__\n.pytest_cache\nreport.json\n")

    def git(self, *arguments: str) -> str:
        who = ("-c", "user.name=test", "-c", "user.email=test@localhost")
        done = subprocess.run(
            ["git", *who, *arguments], cwd=self.path, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, message: str = "base") -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)

    def against(self, *arguments: str, base: str = "main") -> pytest.RunResult:
        return self.run(f"--energy-against={base}", *arguments)

    def paired(self, *arguments: str) -> dict[str, dict[str, Any]]:
        """Run against main, and the verdict of each test (and region)."""
        return self.verdicts("--energy-against=main", *arguments)


TEST = "test_it.py::test_loop"
"""The test of `LOOP`."""

LOOP = """
import pytest
from model import infer

@pytest.mark.inference(n=100, task="sentiment", model="tiny")
def test_loop(energy):
    for sample in energy.each(range(30)):
        infer(sample)
"""


FAILS_FIRST = """
import pytest
from model import infer
runs = []

@pytest.mark.inference(n=1)
def test_x():
    infer()
    runs.append(1)
    assert len(runs) > 1
"""
"""A test that passes when it is run again in the same process."""


def flowing(result: pytest.RunResult) -> str:
    """What a run printed as one line, however it was wrapped."""
    return " ".join(line.strip() for line in result.outlines)


def store_five(project):
    for _ in range(5):
        project.run("--energy-update")
