r"""What others wrote, escaped where it would act on what shows it, and written in any encoding."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energy.report.printable import (
    READABLE,
    is_unicode,
    printable,
    printable_lines,
    readable,
    shown,
)

ANY = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("t\x1b[2J", r"t\x1b[2J"),  # clears the screen
        ("\x9b31m", r"\x9b31m"),  # the same introducer in one character
        ("a\r\nb\tc", r"a\r\nb\tc"),
        ("m\u202e", r"m\u202e"),  # the rest of the line from right to left
        ("a\u2066b\u2069", r"a\u2066b\u2069"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("\ufeffm", r"\ufeffm"),
        ("soft\u00adhyphen", r"soft\xadhyphen"),
        ("line\u2028separator", r"line\u2028separator"),
        ("\ud800", r"\ud800"),  # half of a pair
        ("\uffff", r"\uffff"),  # no character, which XML refuses
        ("tag\U000e0041", r"tag\U000e0041"),
        ("filler\u3164", r"filler\u3164"),  # a letter that shows as nothing
        ("m\u200dm", r"m\u200dm"),  # a joiner that joins nothing
        ("m\ufe0fm", r"m\ufe0fm"),
    ],
)
def test_what_acts_or_does_not_show_is_escaped_as_python_writes_it(text, escaped):
    assert printable(text) == escaped


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "é ñ ß",
        "日本語モデル",
        "한국어",
        "עברית",
        "فارسی",
        "4.10 µJ ± 3 ×",
        "a\u00a0b",
        "a\u3000b",
    ],
)
def test_letters_of_any_script_stay_as_they_are(text):
    assert printable(text) == text


@pytest.mark.parametrize("text", ["😀", "❤️", "1️⃣", "👍🏽", "👩‍💻", "🏳️‍🌈", "❤️‍🔥", "\U0001fae9"])
def test_emoji_stay_whole_those_joined_of_several_and_newer_ones_as_well(text):
    assert printable(text) == text


@given(ANY)
def test_no_character_is_left_that_a_terminal_or_xml_takes_for_a_command(text):
    left = {unicodedata.category(c) for c in printable(text) if c not in "\u200d\ufe0f"}
    assert not left & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@given(ANY)
def test_printable_text_stays_as_it_is(text):
    assert printable(printable(text)) == printable(text)


def test_lines_that_are_meant_stay_lines():
    assert printable_lines("a\x1b\n\tb\r") == "a\\x1b\n        b\\r"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("ascii", r"4.10 uJ, 3 x 2 +/- 1 -> >= 2 - 1 ... \u65e5 \xe9 12 deg C"),
        ("cp1252", "4.10 µJ, 3 × 2 ± 1 -> >= 2 - 1 … \\u65e5 é 12 °C"),
        ("utf-8", "4.10 µJ, 3 × 2 ± 1 → ≥ 2 − 1 … 日 é 12 °C"),
    ],
)
def test_what_an_encoding_lacks_is_written_in_what_it_has(encoding, text):
    assert readable("4.10 µJ, 3 × 2 ± 1 → ≥ 2 − 1 … 日 é 12 °C", encoding) == text


@given(ANY, st.sampled_from(["ascii", "cp1252", "cp437", "latin-1", "shift_jis", "utf-8"]))
def test_any_text_can_be_written_in_any_encoding(text, encoding):
    assert shown(text, encoding).encode(encoding).decode(encoding) == shown(text, encoding)


def test_a_file_can_be_opened_to_be_written_readably(tmp_path):
    with open(tmp_path / "out", "w", encoding="ascii", errors=READABLE) as file:
        file.write("≥ 3 µJ of 日")
    assert (tmp_path / "out").read_bytes() == b">= 3 uJ of \\u65e5"


def test_an_encoding_that_python_does_not_know_is_taken_for_utf_8():
    assert readable("µ", "nonsense") == "µ"
    assert is_unicode("nonsense")


@pytest.mark.parametrize(
    ("encoding", "whether"),
    [
        ("utf-8", True),
        ("UTF8", True),
        ("utf_16", True),
        ("cp1252", False),
        ("ANSI_X3.4-1968", False),
    ],
)
def test_rules_are_drawn_where_the_encoding_has_them(encoding, whether):
    assert is_unicode(encoding) is whether


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("::error::x", r":\:error::x"),
        ("a  ::stop-commands::x", r"a  :\:stop-commands::x"),
        ("##[error]x", r"##\[error]x"),
    ],
)
def test_what_github_takes_for_a_command_is_escaped(text, shown):
    assert printable(text) == shown
    assert printable(shown) == shown


@pytest.mark.parametrize("text", ["test_it.py::error", "TestError::warning", "#[x]", "a :: b"])
def test_names_of_tests_are_no_commands(text):
    assert printable(text) == text
