"""Which rows of exact counts are worth keeping: those that a change could be put down to. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pytest_energy.types.counts import CallRow, Coefficients, Counts, OperatorRow
from pytest_energy.verdict.counted_energy import counted_joules, operator_joules

MOST_ROWS = 64
"""Rows of one test that are kept: a file of 100 tests is still read by people, and in reviews."""

LEAST_PYTHON_ROWS = 16
"""Of these, rows of Python calls that are kept however many operators there are. Operators come
first for all others: they take most of the energy."""

LEAST_SHARE = 0.01
"""Of the counted energy, or of the Python calls: what has less is not kept by itself."""

OTHERS = "(others)"
"""The operator of a row, outside of modules, that has the sum of those that were not kept."""


def trimmed(counts: Counts, by: Coefficients) -> Counts:
    """Counts with the rows that weigh most, and the sum of the other operators by dtype.

    What each sample did stays as it is, to the last digit. What was trimmed is not trimmed further.

    Args:
        counts: of a loop.
        by: what they cost.
    """
    named, others = _operators(counts, by)
    python = _python_rows(counts)
    dtypes = {row.dtype for row in counts.operators}
    # Of each dtype there may be a row of others.
    most = MOST_ROWS - len(dtypes) - min(len(python), LEAST_PYTHON_ROWS)
    kept = named[: max(0, most)]
    others += named[len(kept) :]
    operators = [*kept, *_summed(others)]
    room = max(LEAST_PYTHON_ROWS, MOST_ROWS - len(dtypes) - len(kept))
    return replace(
        counts,
        operators=largest_operators_first(operators),
        python=largest_calls_first(python)[:room],
    )


def largest_operators_first(rows: Iterable[OperatorRow]) -> tuple[OperatorRow, ...]:
    """Rows of operators in the order of `Counts`."""

    def size(row: OperatorRow) -> tuple[int, int, int, str, str, str]:
        return -row.flops, -row.bytes, -row.calls, row.module, row.operator, row.dtype

    return tuple(sorted(rows, key=size))


def largest_calls_first(rows: Iterable[CallRow]) -> tuple[CallRow, ...]:
    """Rows of Python calls in the order of `Counts`."""
    return tuple(sorted(rows, key=lambda row: (-row.beneath, row.caller, row.callee)))


def _operators(counts: Counts, by: Coefficients) -> tuple[list[OperatorRow], list[OperatorRow]]:
    """Rows that have enough of the counted energy, the most first, and the others."""
    total = counted_joules(counts.operators, counts.total.python_calls, by)
    named: list[OperatorRow] = []
    others: list[OperatorRow] = []
    for row in largest_operators_first(counts.operators):
        is_sum = row.operator == OTHERS and not row.module
        enough = not is_sum and operator_joules(row, by) >= LEAST_SHARE * total
        (named if enough else others).append(row)
    return sorted(named, key=lambda row: -operator_joules(row, by)), others


def _python_rows(counts: Counts) -> list[CallRow]:
    least = LEAST_SHARE * counts.total.python_calls
    return [row for row in counts.python if row.beneath >= least]


def _summed(rows: Iterable[OperatorRow]) -> list[OperatorRow]:
    """One row for each dtype."""
    sums: dict[str, OperatorRow] = {}
    for row in rows:
        one = sums.get(row.dtype, OperatorRow("", OTHERS, row.dtype, 0, 0, 0))
        sums[row.dtype] = replace(
            one,
            flops=one.flops + row.flops,
            bytes=one.bytes + row.bytes,
            calls=one.calls + row.calls,
        )
    return list(sums.values())
