"""A store in a folder of its own."""

from __future__ import annotations

import pytest

from pytest_energy.baselines import store as baselines
from support.baselines import CARBON, MACHINE


@pytest.fixture
def store(tmp_path):
    return baselines.BaselineStore(tmp_path / "baselines", MACHINE, CARBON)
