"""`docs/tutorial.md`: its blocks run in order, in an empty folder, and print what stands there.

A block with a title is a file that is written, a `shell` block is run, and the `text` block behind
it has lines of what is printed, in order; figures may be others, and a line of its own `…` stands
for any number of them. Blocks without a language are figures of one machine.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support import plugins
from support.examples import ROOT

TUTORIAL = ROOT / "docs" / "tutorial.md"
BLOCK = re.compile(r'^```(\w+)(?: title="([\w./]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)

pytestmark = [
    pytest.mark.skipif(not TUTORIAL.is_file(), reason="not in a source distribution"),
    pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash"),
]


def masked(text):
    """The lines of an output without what differs from run to run: figures, rules, blanks."""
    text = re.sub(r"\d[\d.,]*(?:e-\d+)?(?: (?:ms|s|µs)\b)?", "#", text)
    lines = [re.sub(r"[=_]{3,}", "=", " ".join(line.split())) for line in text.splitlines()]
    return [line for line in lines if line]


def missing(expected, printed):
    """The first expected line that is not printed behind those before it, or None."""
    rest = iter(masked(printed))
    for line in masked(expected):
        if line != "…" and line not in rest:
            return line
    return None


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder, and the environment of somebody who has installed nothing else."""
    for name in list(os.environ):
        if name.startswith(("PYTEST_ADDOPTS", "COLUMNS", "CI", "GITHUB_", "FORCE_COLOR")):
            monkeypatch.delenv(name)
    for name, value in plugins.only().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "120")  # of 80 a longer duration would break a line
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def test_the_tutorials_blocks_run_in_order_and_print_what_stands_there(place):
    blocks = BLOCK.findall(TUTORIAL.read_text("utf-8"))
    assert {language for language, _, _ in blocks} == {"python", "shell", "text"}
    printed = ""
    reds = 0
    for (language, title, body), behind in zip(blocks, [*blocks[1:], ("", "", "")], strict=True):
        if language == "python":
            assert title, body
            (place / title).write_text(body, "utf-8")
        elif language == "shell":
            done = subprocess.run(
                ["bash", "-e", "-c", body],
                cwd=place,
                capture_output=True,
                text=True,
                encoding="utf-8",
                timeout=300,
            )
            printed = done.stdout + done.stderr
            red = behind[0] == "text" and " failed in " in behind[2]
            reds += red
            assert done.returncode == (1 if red else 0), f"{body}\n{printed}"
        else:
            assert missing(body, printed) is None, f"{missing(body, printed)}\n\n{printed}"
    assert reds == 2  # the mistake, and the change that is meant
    assert (place / "baselines/counts/sentiment/word-list.json").is_file()


def test_an_output_that_lacks_a_line_of_the_manual_is_noticed():
    manual = "energy regressed: 48.1 µJ\n…\nenergy: 1 compared (1 regressed); took 774 ms\n"
    printed = "x\nenergy regressed: 9 µJ\n\ny\nenergy: 1 compared (1 regressed); took 2.1 s\n"
    assert missing(manual, printed) is None
    assert missing(manual, printed.replace("(1 regressed)", "(1 ok)")) is not None
    assert missing(manual, "\n".join(reversed(printed.splitlines()))) is not None
