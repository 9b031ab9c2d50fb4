"""The fixture without metering is an object like any other."""

from __future__ import annotations

import pytest

from pytest_energy.metering.fixture import Energy, UnmeteredEnergy
from pytest_energy.types.inference import Inference


@pytest.fixture
def energy():
    return UnmeteredEnergy("t.py::test_x", Inference(n=5), "task", "model")


def test_loops_yield_their_samples_and_nothing_is_measured(energy):
    assert isinstance(energy, Energy)
    energy.open_body(marked=True, may_loop=True)
    assert list(energy.each(["a", "b"])) == ["a", "b", "a", "b", "a"]
    with energy.measure("prefill"):
        energy.record(accuracy=0.9)
    energy.close_body()
    assert energy.count == 5
    assert energy.result is None
    assert energy.conclude() == []


def test_a_callable_is_called_for_each_sample(energy):
    assert energy.run(str.upper, ["a", "b"]) == ["A", "B", "A", "B", "A"]


def test_what_is_wrong_is_wrong_without_metering_too(energy):
    with pytest.raises(pytest.UsageError, match="expected a name"):
        energy.measure("")
    with pytest.raises(pytest.UsageError, match="n: expected a whole number"):
        energy.measure("decode", n=0)
    with pytest.raises(pytest.UsageError, match="expected a finite number"):
        energy.record(accuracy=float("nan"))
    list(energy.each(["a", "b"]))
    with pytest.raises(pytest.UsageError, match="used twice"):
        energy.each(["a", "b"])
