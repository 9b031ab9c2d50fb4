"""What files and libraries answer, checked before anything is computed from it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energy.meters.readings import one_line, parse_digits, whole


@pytest.mark.parametrize("text", [b"5\n", b" 5 ", "5", "5\n"])
def test_a_number_in_a_file_is_digits_and_white_space(text):
    assert parse_digits(text) == 5


@given(st.integers(min_value=0, max_value=2**64 - 1))
def test_every_number_of_64_bits_is_read(number):
    assert parse_digits(f"{number}\n".encode()) == number


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"\n", b"-5", b"+5", b"1_000", b"1.5e9", b"nan", b"0x10", b"12 34", b"\0" * 21),
        *(b"9" * 32, b"\xff\xfe\x00", "\u0665".encode(), "\u0665", "\u00b2", "9" * 10_000, "inf"),
    ],
    ids=lambda text: repr(text)[:20],
)
def test_anything_else_is_none_and_shown(text):
    with pytest.raises(ValueError, match=r"^expected a number, found .{0,70}$"):
        parse_digits(text)


@pytest.mark.parametrize("value", [5, 5.0])
def test_a_figure_of_a_library_that_is_whole_is_a_count(value):
    assert whole(value, "energy") == 5


@pytest.mark.parametrize(
    "value",
    [-1, 0.5, float("nan"), float("inf"), "N/A", None, True, -(10**10_000)],
    ids=range(8),
)
def test_one_that_is_not_is_named(value):
    with pytest.raises(ValueError, match=r"^energy is .*, no count$"):
        whole(value, "energy")


def test_a_text_from_elsewhere_is_one_short_line():
    assert one_line("a\n\tb\x1b[0m") == "a b [0m"
    assert one_line("x" * 1_000_000, 10) == "xxxxxxxxx…"
