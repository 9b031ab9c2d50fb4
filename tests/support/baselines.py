"""A store of baselines, and sessions to store in it."""

from __future__ import annotations

from datetime import UTC, datetime

from pytest_energy.baselines import store as baselines
from pytest_energy.types.baseline import Agreement
from pytest_energy.types.carbon import Carbon
from pytest_energy.types.machine import Machine
from pytest_energy.types.measurement import Block, Measurement
from pytest_energy.types.result import Subject
from support.measurements import CPU

MACHINE = Machine("AMD EPYC", 2, (), "linux", "x86_64")


CARBON = Carbon(400.0, "Testland", 2024, "a test")


NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def subject(test="t.py::test_x", model="tiny", **fields):
    values = {"region": "", "task": "sentiment", "dataset": "", "role": "", "unit": "inference"}
    return Subject(test=test, model=model, n=100, **{**values, **fields})


def measurement(joules=2.0):
    blocks = tuple(Block(5, 0.5, (joules * 5,)) for _ in range(20))
    return Measurement(("rapl",), (CPU,), blocks, 100, 100.0)


def addition(joules=2.0, agrees=True, of=None, commit="abc1234"):
    measured = measurement(joules)
    session = baselines.session_of(measured, NOW, commit)
    return baselines.Addition(
        of or subject(), measured, session, lambda _: Agreement(agrees, "", None)
    )


def _store_many(folder, name):
    store = baselines.BaselineStore(folder, MACHINE, CARBON)
    for i in range(20):
        store.store([addition(2.0, of=subject(f"t.py::test_{name}_{i}"))])
