"""The comment's text: its marker, its heading, and GitHub's limit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from pytest_energy.comment.body import MOST_CHARACTERS, marker, render
from support.reports import HOSTILE, hostile_session, result, session


def test_the_marker_comes_first_and_does_not_show():
    text = render([session(result(3.0))])
    assert text.startswith("<!-- pytest-energy comment -->\n**Energy: 1 regressed**; 1 compared")
    html = MarkdownIt("commonmark", {"html": True}).render(text)
    assert html.startswith("<!-- pytest-energy comment -->\n<p><strong>Energy")


def test_a_name_is_part_of_the_marker_and_the_heading():
    text = render([session(result())], "gpu (3.12, a--b)")
    assert text.startswith(
        "<!-- pytest-energy comment: gpu (3.12, a%2D%2Db) -->\n#### `gpu (3.12, a--b)`\n\n**Energy"
    )


@given(st.text(min_size=1, max_size=200).filter(str.strip), st.text(max_size=200))
def test_no_name_ends_the_marker_and_none_begins_as_another(name, other):
    text = marker(name)
    inner = text.removeprefix("<!-- ").removesuffix(" -->")
    assert text == f"<!-- {inner} -->"
    assert text.isascii()
    assert text.isprintable()
    assert "--" not in inner
    assert not {"<", ">"} & {*inner}
    if other != name and (not other or other.strip()):
        assert not text.startswith(marker(other))


@pytest.mark.parametrize("name", [" ", "x" * 201])
def test_a_name_that_cannot_be_one_is_refused(name):
    with pytest.raises(ValueError, match="the name has"):
        marker(name)


def test_it_keeps_githubs_limit_and_counts_what_finds_no_room():
    results = [result(3.0, test=f"tests/test_é😀_{i:05}.py::test_{'x' * 100}") for i in range(3000)]
    text = render([session(*results)], "n" * 200)
    assert 60_000 < len(text.encode()) <= MOST_CHARACTERS
    rows = text.count("\n| **regressed** |")
    assert f"{3000 - rows:,} more are left out" in text


def test_nothing_in_a_hostile_report_or_name_ends_the_comments_marker():
    name = HOSTILE[:200]
    text = render([hostile_session()], name)
    first, rest = text.split("\n", 1)
    assert first == marker(name)
    assert "<!--" not in rest
    assert "-->" not in first.removesuffix("-->")
