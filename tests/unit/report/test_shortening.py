"""Names that are longer than their column."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from pytest_energy.report.shortening import PLAIN_ELLIPSIS, columns, shortened

HUB = "mistralai-community/Mixtral-8x22B-v0.1-AWQ-GEMM-4bit-{}-Instruct-v0.1"


def short(names, width, *ellipsis):
    return [shortened(names, width, *ellipsis)[name] for name in names]


def test_a_long_name_keeps_both_of_its_ends():
    assert short(["mistralai/Mixtral-8x7B-Instruct-v0.1"], 28) == ["mistralai/Mix…-Instruct-v0.1"]
    assert short(["mistralai/Mixtral-8x7B-Instruct-v0.1"], 28, PLAIN_ELLIPSIS) == [
        "mistralai/Mi...Instruct-v0.1"
    ]


def test_what_fits_stays():
    assert short(["distilbert", "é" * 10, "日" * 5], 10) == ["distilbert", "é" * 10, "日" * 5]


def test_names_that_differ_in_the_middle_are_cut_elsewhere():
    one, other = short([HUB.format("a"), HUB.format("b")], 40)
    assert "a-Instruct-v0.1" in one
    assert "b-Instruct-v0.1" in other
    assert one.startswith("mistralai")
    assert max(len(one), len(other)) <= 40


def test_a_place_that_neither_end_reaches_is_shown_between_them():
    one, other = short(["x" * 40 + "-fp16-" + "y" * 40, "x" * 40 + "-int8-" + "y" * 40], 22)
    assert "fp16" in one
    assert "int8" in other
    assert one.startswith("x")
    assert one.endswith("y")
    assert max(len(one), len(other)) <= 22


def test_names_that_no_cut_tells_apart_stay_long():
    names = ["".join("ab"[each == at] * 30 for each in range(9)) for at in range(1, 8)]
    assert short(names, 8) == names


def test_letters_that_take_two_columns_are_counted_as_two():
    (text,) = short(["東京大学の日本語モデル-7b"], 15)
    assert columns(text) <= 15
    assert (text[0], text[-3:]) == ("東", "-7b")


@example(["a" * 50, "a" * 60], 12)
@example(["ab" * 40, "ab" * 50, "ab" * 50 + "a"], 20)
@given(st.lists(st.text(max_size=60), unique=True, max_size=8), st.integers(1, 30))
def test_names_that_differ_never_look_the_same(names, width):
    names = [name for name in names if "…" not in name]
    assert len(set(short(names, width))) == len(names)


@given(st.text(min_size=1, max_size=60), st.integers(3, 30))
def test_one_name_fits_its_column(name, width):
    assert columns(short([name], width)[0]) <= width
