"""The text of a workflow for GitHub Actions: those of the manual, made to fit a project."""

from __future__ import annotations

import re
from pathlib import Path

from pytest_energy.init.dependencies import HUB
from pytest_energy.init.gate import Gate
from pytest_energy.init.project import Project

DATA = Path(__file__).with_name("data")

NAME = "energy.yml"


def workflow(project: Project, gate: Gate) -> str:
    """The workflow of a gate.

    The files are those of examples/workflows and docs/ci.md; a test holds them equal.

    Args:
        project: that it is for.
        gate: that it runs.
    """
    text = (DATA / f"{gate}.yml").read_text("utf-8")
    needs = project.dependencies
    if not HUB.intersection(needs.names):
        text = _without_models(text)
    install = needs.install if "pytest-energy" in needs.names else f"{needs.install} pytest-energy"
    # A group of dependencies is known to pip from 25.1 on.
    newer = r'\1 install "pip>=25.1" && ' if "--group" in install else ""
    command = newer + r"\1 install " + install.strip()
    text = re.sub(r'(\S*pip"?) install --editable "\.\[test\]"', command, text)
    text = text.replace("branches: [main]", f"branches: [{_scalar(project.branch)}]")
    # Counts of one Python are not compared with those of another: CI has the one that stores them.
    python = project.python if gate is Gate.COUNTED else needs.python
    if python and (gate is Gate.COUNTED or _version(python) > (3, 12)):
        text = text.replace('python-version: "3.12"', f'python-version: "{python}"')
    return _in_folder(_of_pytest(text, arguments(project, gate)), project)


def arguments(project: Project, gate: Gate) -> str:
    """What pytest has to be told beside the project's own settings, with a blank before it.

    A paired run takes no workers of pytest-xdist. Coverage is paused in metered windows, so that a
    threshold of it would fail the job for the lines that only a metered test runs.

    Args:
        project: whose settings they are.
        gate: that pytest runs.
    """
    workers = " -n 0" if project.spreads and gate is Gate.PAIRED else ""
    return workers + (" --no-cov" if project.covers else "")


def _of_pytest(text: str, more: str) -> str:
    return re.sub(r'(?<!-)\b(pytest"?)(?= --energy)', rf"\1{more}", text) if more else text


def _without_models(text: str) -> str:
    """Without the steps that keep models of a hub in a cache, and the event that fills it."""
    blocks = text.split("\n\n")
    caches = ("uses: actions/cache/", "name: Download the models")
    kept = "\n\n".join(block for block in blocks if not any(each in block for each in caches))
    return re.sub(r"on:\n  pull_request:\n  push:\n.*\n", "on: pull_request\n", kept)


def _in_folder(text: str, project: Project) -> str:
    """The same for a project that is not at its repository's top."""
    tests = project.tests.relative_to(project.root).as_posix()
    files = ["**/*.py" if tests == "." else f"{tests}/**/*.py"]
    files.insert(0, "pyproject.toml")
    folder = ""
    if project.top is not None and project.root.resolve() != project.top.resolve():
        folder = project.root.resolve().relative_to(project.top.resolve()).as_posix()
    if folder:
        defaults = f"defaults:\n  run:\n    working-directory: {_scalar(folder)}\n\n"
        text = text.replace("concurrency:\n", f"{defaults}concurrency:\n", 1)
        text = text.replace("path: energy.json", f"path: {_scalar(f'{folder}/energy.json')}")
        files = [f"{folder}/{name}" for name in files]
    quoted = ", ".join("'" + name.replace("'", "''") + "'" for name in files)
    return text.replace("hashFiles('pyproject.toml', 'tests/**/*.py')", f"hashFiles({quoted})")


def _scalar(text: str) -> str:
    """A name as YAML has it, quoted where it has to be."""
    if re.fullmatch(r"[A-Za-z_][\w./-]*", text):
        return text
    return "'" + text.replace("'", "''") + "'"


def _version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))
