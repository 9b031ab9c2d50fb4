"""Exact counts of a small model, and additions to a store of them."""

from __future__ import annotations

from pytest_energy.baselines.counts import CountsAddition
from pytest_energy.types.counts import BUILT_IN, CallRow, Coefficients, Counts, OperatorRow, Work
from pytest_energy.verdict.counted_energy import joules_per_inference
from support.baselines import NOW, subject

BY = Coefficients({"": 1e-10, "float64": 2e-10}, 1e-9, 1e-5, 1e-6)

VERSIONS = {"python": "3.11", "torch": "2.13.0", "transformers": "5.24.0"}


def counts(times=1, device="cpu", **versions):
    """Of three samples with lengths of their own; `times` as much of the last module's work."""
    operators = (
        OperatorRow("Bert.encoder.[0-5].dense", "aten::addmm", "float32", 6_000_000, 6_000, 18),
        OperatorRow("Bert.pooler", "aten::addmm", "float32", 1_000_000 * times, 2_000, 3),
        OperatorRow("Bert", "aten::lift", "", 0, 100_000, 3),
        OperatorRow("", "aten::copy_", "int64", 0, 4_000, 6),
    )
    python = (
        CallRow("", "tests/test_x.py:run", 3, 3000),
        CallRow("tests/test_x.py:run", "bert.py:Bert.forward", 3, 2000),
        CallRow("bert.py:Bert.forward", BUILT_IN, 1200, 1200),
    )
    each = [
        Work(2_000_000, 30_000, 9, 900),
        Work(2_000_000, 40_000, 10, 1000),
        Work(2_000_000 + 1_000_000 * times, 42_000, 11, 1100),
    ]
    return Counts(
        device,
        {**VERSIONS, **versions},
        tuple(each),
        (1, 1, 1),
        operators,
        python,
        ("aten::_fancy",),
        ("what torch.compile compiles was counted uncompiled",),
    )


def counts_addition(one=None, of=None, date=NOW, commit="abc1234"):
    one = one or counts()
    joules = joules_per_inference(one, BY)
    return CountsAddition(of or subject(), one, BY, joules, date, commit)
