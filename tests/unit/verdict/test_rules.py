"""The rules, one by one: when a window is too short to say anything."""

from __future__ import annotations

from dataclasses import replace

from pytest_energy.types.energy import Domain, Method
from pytest_energy.types.measurement import Block, Measurement
from pytest_energy.verdict.rules import is_momentary

MOMENT = Measurement(
    meters=("rapl",),
    domains=(Domain("cpu", "cpu", Method.COUNTER, "RAPL", 0.001),),
    blocks=(Block(1, 0.005, (0.1,)),),
    metered_count=1,
    unit_count=1.0,
    update_aligned=True,
)


def test_a_moment_that_a_counter_resolves_is_still_no_comparison():
    """What else the system does in five milliseconds matters more than what the test does."""
    assert is_momentary(MOMENT)
    assert not is_momentary(replace(MOMENT, blocks=(Block(1, 0.06, (1.0,)),)))
    assert not is_momentary(
        replace(MOMENT, update_aligned=False)
    )  # it needs no waiting, or is unresolved
