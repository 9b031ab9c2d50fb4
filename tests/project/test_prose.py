"""Prose: its spelling (codespell), and the glossary's words instead of others (textlint)."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = ROOT / ".textlintrc.json"
TEXTLINT = ROOT / ".cache" / "prose" / "node_modules" / ".bin" / "textlint"

NOT_OF_THE_GLOSSARY = {"pytest-xdist", "floating-point operation"}
"""Names, and how a word is written: no terms of this project."""


def terms():
    """What is replaced, and by what."""
    return json.loads(SETTINGS.read_text("utf-8"))["rules"]["terminology"]["terms"]


def textlint(path):
    if not TEXTLINT.exists():
        pytest.skip("needs textlint (make prose)")
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    return subprocess.run(
        [node, str(TEXTLINT), "--config", str(SETTINGS), "--format", "unix", str(path)],
        cwd=TEXTLINT.parents[2],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_words_that_the_linter_asks_for_are_those_of_the_glossary():
    glossary = (ROOT / "docs" / "glossary.md").read_text("utf-8").lower()
    asked = {re.sub(r"\$1", "", right) for _, right in terms()} - NOT_OF_THE_GLOSSARY
    assert [word for word in sorted(asked) if word.lower() not in glossary] == []


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("Two false positives were seen.", "false alarms"),
        ("It takes 3 g CO2eq.", "CO2e"),
        ("Beside the reference work it is slow.", "reference workload"),
        ("With xdist it waits.", "pytest-xdist"),
        ("Three floating point operations.", "floating-point operations"),
    ],
)
def test_another_word_for_a_term_is_found_with_its_place_and_the_right_one(
    tmp_path, written, asked
):
    page = tmp_path / "page.md"
    page.write_text(f"# A page\n\n{written}\n\n`{written}` is code.\n")
    done = textlint(page)
    assert done.returncode == 1
    (found,) = [line for line in done.stdout.splitlines() if "Incorrect" in line]
    assert ":3:" in found
    assert f"use “{asked}” instead" in found


def test_a_misspelt_word_is_found_and_a_library_s_name_is_not(tmp_path):
    if find_spec("codespell_lib") is None:
        pytest.skip("needs codespell")
    page = tmp_path / "page.md"
    page.write_text("The ANE is read.\n\nIt is recieved.\n")  # codespell:ignore recieved
    command = [sys.executable, "-m", "codespell_lib", f"--toml={ROOT / 'pyproject.toml'}"]
    done = subprocess.run([*command, str(page)], capture_output=True, text=True, check=False)
    assert "page.md:3: recieved ==> received" in done.stdout  # codespell:ignore recieved
    assert "ANE" not in done.stdout
