"""Exact counts, as they are made and as they are stored."""

from __future__ import annotations

from dataclasses import replace

from pytest_energy.types.counts import (
    CallRow,
    Counts,
    OperatorRow,
    Work,
)
from pytest_energy.verdict.count_rows import trimmed
from pytest_energy.verdict.counts_comparison import as_baseline

VERSIONS = {"python": "3.12", "torch": "2.12.0"}


def operator(module, flops, *, name="aten::addmm", dtype="float32", size=None, calls=1):
    """What one operator did in one module: by default bytes that take less than its arithmetic."""
    return OperatorRow(module, name, dtype, flops, flops // 100 if size is None else size, calls)


def call(caller, callee, calls=1, beneath=None):
    """What one function called of another."""
    return CallRow(caller, callee, calls, calls if beneath is None else beneath)


def counted(*rows, samples=1, device="cpu", versions=VERSIONS, **facts):
    """Counts of so many equal samples, from rows of operators and of Python calls per sample."""
    operators = [row for row in rows if isinstance(row, OperatorRow)]
    calls = [row for row in rows if isinstance(row, CallRow)]
    one = Work(
        sum(row.flops for row in operators),
        sum(row.bytes for row in operators),
        sum(row.calls for row in operators),
        sum(row.calls for row in calls),
    )
    return Counts(
        device,
        versions,
        samples=(one,) * samples,
        sizes=(1,) * samples,
        operators=tuple(
            replace(
                row,
                flops=row.flops * samples,
                bytes=row.bytes * samples,
                calls=row.calls * samples,
            )
            for row in operators
        ),
        python=tuple(
            replace(row, calls=row.calls * samples, beneath=row.beneath * samples) for row in calls
        ),
        **facts,
    )


def stored(counts, n=100, **facts):
    """Counts as a baseline has them: without small rows of their own."""
    whole = as_baseline(counts, n)
    return replace(whole, counts=trimmed(counts, whole.coefficients), **facts)
