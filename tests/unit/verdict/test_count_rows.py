"""Which rows of exact counts are kept: those that weigh, and the sum of the others."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pytest_energy.types.counts import (
    MOST_CALL_ROWS,
    MOST_OPERATOR_ROWS,
    MOST_ROWS,
    OTHERS,
    CallRow,
    Coefficients,
    Counts,
    OperatorRow,
    Work,
)
from pytest_energy.verdict.count_rows import trimmed

BY = Coefficients({"": 1.0}, 1.0, 0.0, 0.0)


def counts_of(operators=(), python=(), python_calls=0):
    flops, touched, calls = (
        sum(getattr(row, name) for row in operators) for name in ("flops", "bytes", "calls")
    )
    sample = Work(flops, touched, calls, python_calls)
    return Counts("cpu", samples=(sample,), sizes=(1,), operators=operators, python=python)


def operator(name, flops, dtype="float32", calls=0):
    return OperatorRow("M", name, dtype, flops, 0, calls)


FIGURE = st.integers(0, 10**6)
OPERATORS = st.lists(
    st.builds(
        OperatorRow,
        st.sampled_from(["", "M", "M.a", "M.[0-3].b"]),
        st.sampled_from([*(f"aten::{i}" for i in range(30)), OTHERS]),
        st.sampled_from(["float32", "int64", ""]),
        FIGURE,
        FIGURE,
        FIGURE,
    ),
    max_size=120,
    unique_by=lambda row: (row.module, row.operator, row.dtype),
)
CALLS = st.lists(
    st.builds(
        CallRow,
        st.sampled_from("abcdefghij"),
        st.sampled_from("abcdefghij"),
        FIGURE,
        FIGURE,
    ),
    max_size=80,
    unique_by=lambda row: (row.caller, row.callee),
)
COUNTS = st.builds(counts_of, OPERATORS.map(tuple), CALLS.map(tuple), FIGURE)


def test_what_has_less_than_a_hundredth_of_the_energy_is_summed_by_dtype():
    rows = (operator("a", 9_900), operator("b", 40), operator("c", 59), operator("d", 1, "int64"))
    assert trimmed(counts_of(rows), BY).operators == (
        operator("a", 9_900),
        OperatorRow("", OTHERS, "float32", 99, 0, 0),
        OperatorRow("", OTHERS, "int64", 1, 0, 0),
    )


def test_layers_that_each_have_little_are_summed_up_over_the_model():
    small = [OperatorRow(f"M.{i}.norm", "aten::norm", "float32", 40 + i, 0, 0) for i in range(5)]
    rows = (operator("a", 9_800), *small, operator("b", 9))
    assert trimmed(counts_of(rows), BY).operators == (
        operator("a", 9_800),
        OperatorRow("M.[*].norm", "aten::norm", "float32", 210, 0, 0),
        OperatorRow("", OTHERS, "float32", 9, 0, 0),
    )


def test_layers_that_are_large_keep_their_rows_beside_the_sum_of_the_small_ones():
    large = OperatorRow("M.0.norm", "aten::norm", "float32", 500, 0, 0)
    small = [OperatorRow(f"M.{i}.norm", "aten::norm", "float32", 60, 0, 0) for i in range(1, 3)]
    together = OperatorRow("M.[*].norm", "aten::norm", "float32", 120, 0, 0)
    rows = trimmed(counts_of((operator("a", 9_300), large, *small)), BY).operators
    assert rows == (operator("a", 9_300), large, together)


def test_of_more_layers_than_there_is_room_for_the_smallest_are_summed_up():
    rows = [OperatorRow(f"M.{i}", "aten::mm", "float32", 100 + i, 0, 0) for i in range(90)]
    kept = trimmed(counts_of(tuple(rows)), BY).operators
    assert len(kept) == MOST_OPERATOR_ROWS
    assert kept[0].module == "M.[*]"
    assert {row.module for row in kept[1:]} == {f"M.{i}" for i in range(51, 90)}
    assert sum(row.flops for row in kept) == sum(row.flops for row in rows)


def test_what_has_a_hundredth_of_the_calls_is_kept_however_little_they_take():
    rows = (operator("a", 9_999, calls=99), operator("b", 1, calls=1))
    assert trimmed(counts_of(rows), BY).operators == rows


def test_what_has_a_hundredth_is_kept():
    rows = (operator("a", 99), operator("b", 1))
    assert trimmed(counts_of(rows), BY).operators == rows


def test_python_calls_are_kept_by_what_is_beneath_them():
    rows = (CallRow("", "f", 1, 1000), CallRow("f", "g", 1, 10), CallRow("f", "h", 9, 9))
    assert trimmed(counts_of((), rows, 1000), BY).python == rows[:2]


def test_of_many_rows_the_largest_are_kept():
    operators = tuple(operator(f"aten::{i:02}", 100 - i, calls=1) for i in range(60))
    python = tuple(CallRow("f", f"g{i:02}", 1, 100 - i) for i in range(60))
    kept = trimmed(counts_of(operators, python, 1000), BY)
    assert kept.python == python[:MOST_CALL_ROWS]
    assert len(kept.operators) == MOST_OPERATOR_ROWS
    assert kept.operators[1:] == operators[: MOST_OPERATOR_ROWS - 1]
    assert (kept.operators[0].operator, kept.operators[0].calls) == (OTHERS, 21)


def test_as_many_rows_as_are_kept_are_kept_as_they_are():
    operators = tuple(
        operator(f"aten::{i:02}", 100 - i, calls=1) for i in range(MOST_OPERATOR_ROWS)
    )
    python = tuple(CallRow("f", f"g{i:02}", 1, 100 - i) for i in range(MOST_CALL_ROWS))
    counts = counts_of(operators, python, 1000)
    assert trimmed(counts, BY) == counts


@given(COUNTS)
def test_nothing_is_lost_of_operators_and_samples_stay(counts):
    kept = trimmed(counts, BY)
    assert replace(kept, operators=(), python=()) == replace(counts, operators=(), python=())
    for name in ("flops", "bytes", "calls"):
        before, after = Counter(), Counter()
        for rows, sums in ((counts.operators, before), (kept.operators, after)):
            for row in rows:
                sums[row.dtype] += getattr(row, name)
        assert before == after
    assert set(kept.python) <= set(counts.python)


@given(COUNTS)
def test_there_are_never_more_rows_and_a_second_time_changes_nothing(counts):
    kept = trimmed(counts, BY)
    assert len(kept.operators) <= MOST_OPERATOR_ROWS
    assert len(kept.operators) + len(kept.python) <= MOST_ROWS
    assert trimmed(kept, BY) == kept
