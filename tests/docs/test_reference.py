"""`docs/reference`: what is made from the code is current, and what is written by hand is whole."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from pytest_energy.cli.main import command_line
from pytest_energy.metering.fixture import Energy
from pytest_energy.settings import MARKERS, OPTIONS
from pytest_energy.types.obstacle import Obstacle
from pytest_energy.types.verdict import Status
from support.examples import ROOT

FOLDER = ROOT / "docs" / "reference"
SCRIPT = ROOT / "scripts" / "write_reference.py"


def rows(page):
    """First cells of all tables of a page."""
    text = (FOLDER / page).read_text("utf-8")
    return re.findall(r"^\| (.+?) \|", text, re.MULTILINE)


def test_the_pages_are_what_the_code_gives():
    done = subprocess.run(
        [sys.executable, SCRIPT, "--check"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, ""), (
        "rewrite them: python scripts/write_reference.py"
    )


def test_a_page_that_is_not_current_is_named_with_the_command(tmp_path):
    for folder in ("docs/reference", "scripts"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "src").symlink_to(ROOT / "src")
    for page in (ROOT / "docs").glob("*.md"):
        (tmp_path / "docs" / page.name).write_text(page.read_text("utf-8"), "utf-8")
    script = tmp_path / "scripts" / SCRIPT.name
    script.write_text(SCRIPT.read_text("utf-8"), "utf-8")
    (tmp_path / "docs/reference/options.md").write_text("# Options\n", "utf-8")

    def run(*arguments):
        command = [sys.executable, script, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    checked = run("--check")
    assert checked.returncode == 1
    assert (
        "docs/reference/options.md is not what the code gives: python scripts/write_reference.py"
        in checked.stderr
    )
    assert (tmp_path / "docs/reference/options.md").read_text("utf-8") == "# Options\n"
    assert run().returncode == 0
    assert run("--check").returncode == 0


def test_every_option_stands_in_the_help_and_in_the_reference_with_its_ini_twin(project):
    help_text = project.run("--help").stdout.str()
    page = (FOLDER / "options.md").read_text("utf-8")
    first = rows("options.md")
    for name, _, metavar, _, _ in OPTIONS:
        ini = f"energy_{name.replace('-', '_')}"
        assert f"--energy-{name}" in help_text
        assert f"{ini} (" in help_text
        shown = [each for each in first if re.match(rf"`--energy-{name}[` ]", each)]
        assert len(shown) == 1, name
        assert metavar is None or metavar in shown[0]
        assert f"`{ini}`, " in page


def test_every_argument_of_a_marker_has_a_row():
    first = " ".join(rows("markers.md"))
    for text in MARKERS.values():
        own = text.partition("(")[2].partition(")")[0].split(", ")
        for argument in own:
            assert f"`{argument}`" in first


@pytest.mark.parametrize("verdict", list(Status))
def test_every_verdict_is_explained(verdict):
    assert f"`{verdict}`" in rows("verdicts.md")


@pytest.mark.parametrize("reason", list(Obstacle))
def test_every_reason_that_may_be_allowed_is_explained(reason):
    assert f"`{reason.value}`" in rows("verdicts.md")


PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", ROOT / "SECURITY.md"]
EXAMPLES = ("svg",)  # docs/architecture.md adds an option of this name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_page_names_what_there_is_not(page):
    text = page.read_text("utf-8")
    options = {name for name, *_ in OPTIONS}
    for name in re.findall(r"--energy-([a-z][a-z-]*[a-z])", text):
        assert name in options or name in EXAMPLES
    known = command_line().format_help()
    for command in re.findall(r"`(?:\.venv/bin/)?pytest-energy ([a-z]+)", text):
        assert re.search(rf"^ +{command} ", known, re.MULTILINE), command
    for call in re.findall(r"\benergy\.([a-z_]+)\(", text):
        assert hasattr(Energy, call), call
