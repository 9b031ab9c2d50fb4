"""Power samples that no hardware can have reported."""

from __future__ import annotations

import pytest

from pytest_energy.meters.base import MeterLostError
from pytest_energy.meters.power_sampler import PowerSampler


@pytest.fixture
def power():
    return [100.0]


@pytest.fixture
def sampler(power):
    made = PowerSampler(lambda: tuple(power), period_seconds=60.0, most_watts=5000.0)
    yield made
    made.close()


@pytest.mark.parametrize("watts", [float("nan"), float("inf"), -1.0, 4.29e6])
def test_a_faulty_sample_is_said_at_the_next_reading_and_left_out(power, sampler, watts):
    (before,) = sampler.read()
    power[0] = watts
    with pytest.raises(MeterLostError, match="W was reported, and anything takes from 0 to 5e"):
        sampler.read()
    power[0] = 100.0
    (after,) = sampler.read()
    assert 0 < after - before < 100e6 * 60


def test_a_faulty_sample_at_the_start_is_said_there():
    with pytest.raises(MeterLostError, match=r"^a power of nan W was reported"):
        PowerSampler(lambda: (float("nan"),), period_seconds=60.0, most_watts=5000.0)
