"""Counted energy: what exact counts say of joules, by one formula. Pure.

Of an operator in a module it is the larger of what its arithmetic and its memory take, and what
each call takes beside; of Python what each call takes:

    sum over operators of max(FLOPs * a, bytes * b) + calls * c, and Python calls * d

That is the roofline (S. Williams, A. Waterman, D. Patterson, "Roofline: an insightful visual
performance model", CACM 52 (4), 2009) with energy in the place of time. It is no measurement and
never a part of one: what it is good for is the ratio of two figures of the same test.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pytest_energy.types.counts import Coefficients, Counts, OperatorRow

COEFFICIENTS: Mapping[str, Coefficients] = {
    "cpu": Coefficients(
        joules_per_flop={"": 1.5e-10, "float64": 3.0e-10},
        joules_per_byte=1.0e-9,
        joules_per_call=3.0e-5,
        joules_per_python_call=1.0e-6,
    ),
}
"""By kind of device; of any other, the CPU's."""


def coefficients_of(device: str) -> Coefficients:
    """The coefficients of a kind of device.

    Args:
        device: as in `Counts`.
    """
    return COEFFICIENTS.get(device, COEFFICIENTS["cpu"])


def operator_joules(row: OperatorRow, by: Coefficients) -> float:
    """Counted energy of an operator in a module, in joules, by the roofline.

    Args:
        row: what its calls did.
        by: what that costs.
    """
    per_flop = by.joules_per_flop.get(row.dtype, by.joules_per_flop[""])
    return (
        max(row.flops * per_flop, row.bytes * by.joules_per_byte) + row.calls * by.joules_per_call
    )


def counted_joules(operators: Iterable[OperatorRow], python_calls: int, by: Coefficients) -> float:
    """Counted energy of some operators and Python calls, in joules.

    Args:
        operators: what they did.
        python_calls: how many there were.
        by: what that costs.
    """
    of_operators = sum(operator_joules(row, by) for row in operators)
    return of_operators + python_calls * by.joules_per_python_call


def joules_per_inference(counts: Counts, by: Coefficients) -> float:
    """Counted energy of one inference, in joules.

    Args:
        counts: of at least one.
        by: what they cost.
    """
    total = counted_joules(counts.operators, counts.total.python_calls, by)
    return total / counts.inferences
