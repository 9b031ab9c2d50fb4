"""Fragments of the changelog, as towncrier puts them together, and a release's notes."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from support.examples import ROOT

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["towncrier"]
TYPES = [each["directory"] for each in SETTINGS["type"]]
FRAGMENTS = sorted(
    path
    for path in (ROOT / "changelog.d").iterdir()
    if path.name not in ("README.md", ".gitignore")
)


def towncrier(*arguments: str, root: Path) -> str:
    pytest.importorskip("towncrier", reason="needs towncrier")
    command = [sys.executable, "-m", "towncrier", *arguments, "--dir", str(root)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def release_notes(tag: str, root: Path) -> subprocess.CompletedProcess[str]:
    script = root / "scripts" / "release_notes.py"
    script.parent.mkdir(exist_ok=True)
    shutil.copy(ROOT / "scripts" / "release_notes.py", script)
    command = [sys.executable, str(script), tag]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The settings of this project and a changelog with one version, without fragments."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "changelog.d").mkdir()
    head = (ROOT / "CHANGELOG.md").read_text("utf-8").split("\n## ")[0]
    old = "\n## [0.0.1] - 2020-01-02\n\n### Fixed\n\n- An old one.\n"
    (tmp_path / "CHANGELOG.md").write_text(head + old, encoding="utf-8")
    return tmp_path


def add(project: Path, name: str, text: str) -> None:
    (project / "changelog.d" / name).write_text(text + "\n", encoding="utf-8")


VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda path: path.name)
def test_each_fragment_is_named_as_towncrier_reads_it(path):
    assert re.fullmatch(rf"(?:\d+|\+[\w-]+)\.(?:{'|'.join(TYPES)})(?:\.\d+)?\.md", path.name)
    assert path.read_text("utf-8").strip()


def test_the_draft_of_what_is_unreleased_is_built():
    draft = towncrier("build", "--draft", "--version", "9.9.9", root=ROOT)
    assert "## [9.9.9] - " in draft
    for path in FRAGMENTS:
        assert path.read_text("utf-8").split("\n")[0] in draft


def test_the_types_are_those_of_keep_a_changelog_and_of_the_page_about_them():
    assert TYPES == ["added", "changed", "deprecated", "removed", "fixed", "security"]
    page = (ROOT / "changelog.d" / "README.md").read_text("utf-8")
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == TYPES


def test_a_release_gathers_the_fragments_above_the_version_before(project):
    add(project, "12.fixed.md", "A hang is gone.")
    add(project, "+doctor.added.md", "`pytest-energy doctor` says more.")
    towncrier("build", "--yes", "--version", VERSION, "--date", "2030-01-02", root=project)
    text = (project / "CHANGELOG.md").read_text("utf-8")
    new, old = text.index(f"## [{VERSION}] - 2030-01-02"), text.index("## [0.0.1] - 2020-01-02")
    added, fixed = text.index("### Added"), text.index("### Fixed")
    assert text.index("<!-- towncrier") < new < added < fixed < old
    link = "[#12](https://github.com/pytest-energy/pytest-energy/issues/12)"
    assert f"- A hang is gone. ({link})" in text
    assert "- `pytest-energy doctor` says more.\n" in text
    assert not list((project / "changelog.d").iterdir())


def test_the_notes_of_a_release_are_its_section_of_the_changelog(project):
    add(project, "12.fixed.md", "A hang is gone.")
    towncrier("build", "--yes", "--version", VERSION, root=project)
    done = release_notes(f"v{VERSION}", project)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("### Fixed\n\n- A hang is gone.")
    assert "An old one" not in done.stdout


def test_no_release_of_another_tag_without_notes_or_with_notes_left(project):
    done = release_notes("v9.9.9", project)
    assert done.returncode == 1
    assert f"the tag is 'v9.9.9', and pyproject.toml has version '{VERSION}'" in done.stderr

    done = release_notes(f"v{VERSION}", project)
    assert done.returncode == 1
    assert f"CHANGELOG.md has no notes of {VERSION}: towncrier build" in done.stderr

    add(project, "12.fixed.md", "A hang is gone.")
    towncrier("build", "--yes", "--version", VERSION, root=project)
    add(project, "13.fixed.md", "Another is gone.")
    done = release_notes(f"v{VERSION}", project)
    assert done.returncode == 1
    assert "notes are still fragments: 13.fixed.md in changelog.d" in done.stderr
