"""A window over a meter that reads what the test sets."""

from __future__ import annotations

import pytest

from pytest_energy.metering.window import Window
from pytest_energy.meters.meter_set import MeterSet
from support.meters import Scripted


@pytest.fixture
def meter():
    return Scripted()


@pytest.fixture
def window(meter):
    return Window(MeterSet([meter]))
