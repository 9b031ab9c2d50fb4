"""Which rows of exact counts are worth storing: those that a change could be put down to. Pure."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace

from pytest_energy.types.counts import (
    MOST_OPERATOR_ROWS,
    MOST_ROWS,
    OTHERS,
    SMALLEST_ROW,
    CallRow,
    Coefficients,
    Counts,
    OperatorRow,
)
from pytest_energy.types.layers import any_layer
from pytest_energy.verdict.counted_energy import counted_joules, operator_joules


def trimmed(counts: Counts, by: Coefficients) -> Counts:
    """Counts with the rows that weigh most, and the sum of the other operators by dtype.

    What each sample did stays as it is, to the last digit. What was trimmed is not trimmed further.

    Args:
        counts: of a loop.
        by: what they cost.
    """
    operators = _operators(counts, by)
    room = MOST_ROWS - len(operators)
    return replace(
        counts,
        operators=largest_operators_first(operators),
        python=largest_calls_first(counts.python)[: _calls_to_keep(counts, room)],
    )


MOST_REPORTED = 1000
"""Rows of operators that a report has of one test: a model of ten thousand modules that all do
something else is not read by people."""


def reported(counts: Counts, by: Coefficients) -> Counts:
    """Counts as a result keeps them to the end of a session: all operators, and who calls most.

    Args:
        counts: of a loop.
        by: what they cost.
    """
    operators = counts.operators
    if len(operators) > MOST_REPORTED:
        ordered = sorted(operators, key=lambda row: operator_joules(row, by), reverse=True)
        few, others = ordered[:MOST_REPORTED], ordered[MOST_REPORTED:]
        operators = largest_operators_first([*few, *_summed(others)])
    calls = largest_calls_first(counts.python)[: _calls_to_keep(counts, MOST_ROWS)]
    return replace(
        counts,
        # The same modules and functions, in thousands of tests.
        operators=tuple(
            replace(row, module=sys.intern(row.module), operator=sys.intern(row.operator))
            for row in operators
        ),
        python=tuple(
            replace(row, caller=sys.intern(row.caller), callee=sys.intern(row.callee))
            for row in calls
        ),
    )


def largest_operators_first(rows: Iterable[OperatorRow]) -> tuple[OperatorRow, ...]:
    """Rows of operators in the order of `Counts`."""

    def size(row: OperatorRow) -> tuple[int, int, int, str, str, str]:
        return -row.flops, -row.bytes, -row.calls, row.module, row.operator, row.dtype

    return tuple(sorted(rows, key=size))


def largest_calls_first(rows: Iterable[CallRow]) -> tuple[CallRow, ...]:
    """Rows of Python calls in the order of `Counts`."""
    return tuple(sorted(rows, key=lambda row: (-row.beneath, row.caller, row.callee)))


def _operators(counts: Counts, by: Coefficients) -> list[OperatorRow]:
    """Rows that have enough of anything that is counted, and one for each dtype of all others.

    What is too small, or has no room, is summed up over a model's layers first: of fifty that all
    do something else each may have little, and together they have much.
    """
    whole = counted_joules(counts.operators, counts.total.python_calls, by)
    total = counts.total

    def is_enough(row: OperatorRow) -> bool:
        return operator_joules(row, by) >= SMALLEST_ROW * whole or any(
            count >= max(1, SMALLEST_ROW * of_all)
            for count, of_all in (
                (row.flops, total.flops),
                (row.bytes, total.bytes),
                (row.calls, total.calls),
            )
        )

    named: list[OperatorRow] = []
    rest: list[OperatorRow] = []
    for row in largest_operators_first(counts.operators):
        is_sum = row.operator == OTHERS and not row.module
        (named if is_enough(row) and not is_sum else rest).append(row)
    named.sort(key=lambda row: operator_joules(row, by), reverse=True)
    rest += reversed(named[MOST_OPERATOR_ROWS:])
    del named[MOST_OPERATOR_ROWS:]
    while True:
        together: list[OperatorRow] = []
        small: list[OperatorRow] = []
        for row in over_layers(rest):
            (together if row.operator != OTHERS and is_enough(row) else small).append(row)
        rows = [*named, *together, *_summed(small)]
        if len(rows) <= MOST_OPERATOR_ROWS:
            return rows
        if not named:
            break
        rest.append(named.pop())
    together.sort(key=lambda row: operator_joules(row, by), reverse=True)
    room = max(0, MOST_OPERATOR_ROWS - len({row.dtype for row in rest}))
    return [*together[:room], *_summed([*together[room:], *small])]


def over_layers(rows: Iterable[OperatorRow]) -> list[OperatorRow]:
    """Rows of which those that differ in the numbers of layers alone are one, with their sum.

    Args:
        rows: of which each layer may do something else. What is alone keeps its module.
    """
    groups: dict[tuple[str, str, str], list[OperatorRow]] = {}
    for row in rows:
        groups.setdefault((any_layer(row.module), row.operator, row.dtype), []).append(row)
    return [
        members[0] if len(members) == 1 else _sum(members, module)
        for (module, _, _), members in groups.items()
    ]


def _sum(rows: Sequence[OperatorRow], module: str) -> OperatorRow:
    return replace(
        rows[0],
        module=module,
        flops=sum(row.flops for row in rows),
        bytes=sum(row.bytes for row in rows),
        calls=sum(row.calls for row in rows),
    )


def _calls_to_keep(counts: Counts, room: int) -> int:
    least = SMALLEST_ROW * counts.total.python_calls
    return min(room, sum(row.beneath >= least for row in counts.python))


def _summed(rows: Iterable[OperatorRow]) -> list[OperatorRow]:
    """One row for each dtype."""
    by_dtype: dict[str, list[OperatorRow]] = {}
    for row in rows:
        by_dtype.setdefault(row.dtype, []).append(replace(row, operator=OTHERS))
    return [_sum(members, "") for members in by_dtype.values()]
