"""The workflows that are written: those of the manual, made to fit, and as clean as they are."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_energy.init.ci import GITHUB, Ci
from pytest_energy.init.dependencies import Dependencies
from pytest_energy.init.gate import Gate
from pytest_energy.init.project import Project
from pytest_energy.init.workflow import DATA, workflow
from support import actionlint
from support.examples import ROOT

OF_THE_MANUAL = {
    Gate.PAIRED: ROOT / "examples/ci/.github/workflows/energy.yml",
    Gate.STORED: ROOT / "examples/workflows/own-machine.yml",
    Gate.COUNTED: ROOT / "examples/workflows/counted.yml",
}

BIN = Path(sys.executable).parent


@pytest.fixture
def project(tmp_path):
    """A project with all that the manual's workflows expect."""
    return Project(
        root=tmp_path,
        top=tmp_path,
        branch="main",
        base="origin/main",
        config=tmp_path / "pyproject.toml",
        tests=tmp_path / "tests",
        test_file="test_energy.py",
        test_function="test_inference",
        metered=None,
        dependencies=Dependencies(
            frozenset({"pytest-energy", "transformers"}), '--editable ".[test]"', "3.11"
        ),
        asyncio=False,
        spreads=False,
        covers=False,
        ci=Ci((GITHUB,), hosted=True),
        python="3.12",
    )


@pytest.fixture
def odd(project):
    """The same in a folder of its repository, with other names, without models of a hub."""
    root = project.root / "services" / "it's odd"
    return replace(
        project,
        root=root,
        tests=root / "src" / "tests",
        branch="trunk/1.x",
        dependencies=Dependencies(frozenset({"torch"}), "--editable . --group dev", "3.14"),
        spreads=True,
        covers=True,
    )


@pytest.mark.parametrize("gate", Gate)
@pytest.mark.skipif(not OF_THE_MANUAL[Gate.STORED].exists(), reason="not in a source distribution")
def test_they_are_those_of_the_manual(project, gate):
    text = OF_THE_MANUAL[gate].read_text("utf-8")
    assert (DATA / f"{gate}.yml").read_text("utf-8") == text
    assert workflow(project, gate) == text


@pytest.mark.parametrize("gate", Gate)
def test_without_models_of_a_hub_nothing_is_cached_and_no_push_fills_a_cache(odd, gate):
    text = workflow(odd, gate)
    assert "cache/" not in text
    assert "push:" not in text
    assert "on: pull_request\n" in text


@pytest.mark.parametrize("gate", Gate)
def test_options_are_those_that_the_projects_settings_ask_for(odd, gate):
    (command,) = re.findall(
        r"pytest\"?((?: -n 0)? --no-cov) --energy-(?!off)", workflow(odd, gate)
    )[:1]
    assert command == (" -n 0 --no-cov" if gate is Gate.PAIRED else " --no-cov")


@pytest.mark.parametrize("gate", Gate)
def test_groups_of_dependencies_are_installed_by_a_pip_that_knows_them(odd, gate):
    (line,) = re.findall(r".*pip\"? install .*", workflow(odd, gate))
    pip = '"$RUNNER_TEMP/energy/bin/pip"' if gate is Gate.STORED else "- run: pip"
    bare = pip.removeprefix("- run: ")
    expected = f'{pip} install "pip>=25.1" && {bare} install --editable . --group dev pytest-energy'
    assert line.strip() == expected


def test_python_is_new_enough_for_the_project(project, odd):
    assert 'python-version: "3.12"' in workflow(project, Gate.PAIRED)
    assert 'python-version: "3.14"' in workflow(odd, Gate.PAIRED)


def test_counts_are_compared_with_the_python_that_has_stored_them(project):
    text = workflow(replace(project, python="3.11"), Gate.COUNTED)
    assert 'python-version: "3.11"' in text


@pytest.mark.parametrize("gate", Gate)
def test_each_is_as_githubs_schema_has_it_and_the_linters_find_nothing(
    project, odd, gate, tmp_path
):
    yaml = pytest.importorskip("yaml")
    hub = replace(odd, dependencies=replace(odd.dependencies, names=frozenset({"transformers"})))
    paths = []
    for i, each in enumerate((project, odd, hub)):
        path = tmp_path / f"{i}" / ".github" / "workflows" / "energy.yml"
        path.parent.mkdir(parents=True)
        path.write_text(workflow(each, gate), "utf-8")
        paths.append(path)
        loaded = yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)
        folder = loaded.get("defaults", {}).get("run", {}).get("working-directory")
        assert folder == (None if each is project else "services/it's odd")
        (upload,) = [
            step["with"]["path"]
            for step in loaded["jobs"]["energy"]["steps"]
            if "upload-artifact" in step.get("uses", "")
        ]
        assert upload == ("energy.json" if each is project else "services/it's odd/energy.json")
    for tool, options in {
        "check-jsonschema": ["--builtin-schema=vendor.github-workflows"],
        "zizmor": ["--offline", "--format=plain"],
    }.items():
        found = shutil.which(tool, path=BIN)
        if found is None:
            pytest.skip(f"needs {tool}")
        command = [found, *options, *map(str, paths)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert actionlint.problems(*paths) == []
