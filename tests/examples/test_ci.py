"""The example of examples/ci: the workflow's own commands, with a local git remote."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support import plugins
from support.examples import ROOT
from support.github import REPOSITORY, TOKEN, FakeGitHub

EXAMPLE = ROOT / "examples" / "ci"

COUNTED = '''
"""Joules that are no matter of noise: one for every million multiplications of a dense layer."""

from pytest_energy.metering import window
from pytest_energy import Domain, Meter, MeterSource, Method

window.LEAST_SHARE_SECONDS = 1e9  # what else runs here is no matter of this test


class Counted(Meter):
    name = "counted"
    domains = (Domain("layers", "cpu", Method.COUNTER, "multiplications", 0.0),)
    multiplications = 0

    def read(self):
        return (Counted.multiplications,)


def pytest_energy_meters(config):
    from sentiment.model import Dense

    plain = Dense.__call__

    def counting(layer, x):
        Counted.multiplications += x.shape[0] * layer.weights.size
        return plain(layer, x)

    Dense.__call__ = counting
    return [MeterSource("counted", Counted)]
'''


def script(workflow: str, step: str) -> str:
    """The commands of a step, by the workflow's and the step's names."""
    yaml = pytest.importorskip("yaml")
    loaded = yaml.safe_load((EXAMPLE / ".github" / "workflows" / f"{workflow}.yml").read_text())
    (job,) = loaded["jobs"].values()
    (found,) = [each["run"] for each in job["steps"] if each.get("name") == step]
    return found


class Clone:
    """A clone of the example's repository, and what its workflow says of the working tree."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "clone"
        self._folder = folder
        origin = folder / "origin.git"
        shutil.copytree(EXAMPLE, folder / "seed", ignore=shutil.ignore_patterns("__pycache__"))
        test = folder / "seed" / "tests" / "test_energy.py"
        fewer = test.read_text().replace("n=2000", "n=200")  # what is counted has no scatter
        test.write_text(fewer)
        (folder / "seed" / ".gitignore").write_text("__pycache__\n.pytest_cache\nenergy.*\n")
        for command in (
            ["init", "--quiet", "--initial-branch=main"],
            ["add", "--all"],
            ["commit", "--quiet", "--message", "first"],
        ):
            self.git(*command, cwd=folder / "seed")
        self.git("clone", "--quiet", "--bare", "seed", str(origin), cwd=folder)
        self.git("clone", "--quiet", str(origin), str(self.path), cwd=folder)
        (folder / "counted.py").write_text(COUNTED)

    def git(self, *arguments: str, cwd: Path | None = None) -> None:
        who = ("-c", "user.name=test", "-c", "user.email=test@localhost")
        subprocess.run(["git", *who, *arguments], cwd=cwd or self.path, check=True)

    def check(self) -> tuple[int, str, str]:
        """Run the workflow's commands: exit status, summary, and the verdict."""
        summary = self._folder / "summary.md"
        summary.unlink(missing_ok=True)
        environment = self.environment | {
            "BASE": "origin/main",
            "GITHUB_STEP_SUMMARY": str(summary),
        }
        commands = script("energy", "Energy against the base")
        done = subprocess.run(
            ["bash", "-e", "-c", commands], cwd=self.path, env=environment, check=False
        )
        report = json.loads((self.path / "energy.json").read_text())
        return done.returncode, summary.read_text(), report["results"][0]["verdict"]["status"]

    def comment(self, github: FakeGitHub, sha: str) -> None:
        """Run the commands of the workflow that comments, for a fork's commit."""
        run = {"head_repository": {"owner": {"login": "fork"}}, "head_branch": "fix"}
        event = self._folder / "event.json"
        event.write_text(json.dumps({"workflow_run": run | {"head_sha": sha}}))
        (self._folder / "energy").mkdir(exist_ok=True)
        shutil.copy(self.path / "energy.json", self._folder / "energy")
        install, comment = script("comment", "Comment").splitlines()
        assert install.startswith("pip install ")
        environment = self.environment | {
            "NO_PROXY": "127.0.0.1",
            "RUNNER_TEMP": str(self._folder),
            "GITHUB_API_URL": github.url,
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_TOKEN": TOKEN,
        }
        subprocess.run(["bash", "-e", "-c", comment], cwd=self._folder, env=environment, check=True)

    @property
    def environment(self) -> dict[str, str]:
        """Where `pytest` is the one that runs this test, and meters what can be counted."""
        return (
            os.environ
            | plugins.only()
            | {
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": os.pathsep.join(
                    filter(None, (str(self._folder), os.environ.get("PYTHONPATH")))
                ),
                "PYTEST_ADDOPTS": "-p counted -p no:cacheprovider --energy-meter=counted",
                "COLUMNS": "100",
            }
        )

    def edit(self, before: str, after: str) -> None:
        path = self.path / "src" / "sentiment" / "model.py"
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))


@pytest.fixture
def github():
    found = FakeGitHub()
    yield found
    found.close()


@pytest.mark.skipif(not shutil.which("git") or not shutil.which("bash"), reason="needs git, bash")
def test_green_red_and_accepted(tmp_path, github):
    clone = Clone(tmp_path)

    clone.git("switch", "--quiet", "--create", "refactoring")
    clone.edit("for layer in self.encoder:", "for layer in tuple(self.encoder):")
    status, summary, verdict = clone.check()
    assert (status, verdict) == (0, "ok")
    assert summary.startswith("**Energy: no regression**; 1 compared (1 ok)\n")
    assert "compared with the base `" in summary

    clone.git("switch", "--quiet", "--create", "padding")
    clone.edit("PAD_TO: int | None = None", "PAD_TO: int | None = 64")
    status, summary, verdict = clone.check()
    assert (status, verdict) == (1, "regressed")
    assert summary.startswith("**Energy: 1 regressed**; 1 compared (1 regressed)\n")
    github.pulls = [{"number": 7, "head": {"label": "fork:fix", "sha": "a" * 40}}]
    clone.comment(github, "a" * 40)
    assert "**Energy: 1 regressed**" in github.bodies()[0]

    accept = [sys.executable, "-m", "pytest", "-q", "--energy-against=origin/main"]
    subprocess.run([*accept, "--energy-update"], cwd=clone.path, env=clone.environment, check=True)
    status, summary, verdict = clone.check()
    assert (status, verdict) == (0, "ok")
    assert summary.startswith("**Energy: no regression**")
    clone.comment(github, "a" * 40)
    assert ["**Energy: no regression**" in body for body in github.bodies()] == [True]

    # Merged: the base takes as much, and has the entry, which therefore allows nothing more.
    clone.git("add", "--all")
    clone.git("commit", "--quiet", "--message", "padding, accepted")
    clone.git("push", "--quiet", "origin", "HEAD:main")
    assert clone.check()[::2] == (0, "ok")
    clone.edit("PAD_TO: int | None = 64", "PAD_TO: int | None = 128")
    assert clone.check()[::2] == (1, "regressed")
