"""The messages of failing tests that the pages show: their labels are those that are printed."""

from __future__ import annotations

import inspect
import re

import pytest

from pytest_energy.report import failure
from support.examples import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LABEL = re.compile(rf"  (?=.{{{failure.LABEL_WIDTH}}} )(\S+) +\S")
DOMAIN = re.compile(r"cpu|memory|gpu:\d+")

pytestmark = pytest.mark.skipif(len(PAGES) == 1, reason="not in a source distribution")


def labels(text):
    """Of the lines below a headline, up to the first that is not indented."""
    for block in re.findall(r"^```.*?\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        inside = False
        for line in block.splitlines():
            if not line.startswith("  "):
                inside = bool(re.match(r"energy [a-z]", line))
            elif inside and (found := LABEL.match(line)):
                yield found[1]


def test_every_label_in_a_message_is_one_that_is_printed():
    printed = {*re.findall(r"[\"'](\w+)[\"']", inspect.getsource(failure))}
    shown = {
        f"{page.relative_to(ROOT)}: {label}"
        for page in PAGES
        for label in labels(page.read_text("utf-8"))
        if not DOMAIN.fullmatch(label) and label not in printed
    }
    assert not shown


def test_the_pages_show_messages():
    assert sum(len([*labels(page.read_text("utf-8"))]) for page in PAGES) > 30
