"""Meters that are read together."""

from __future__ import annotations

import pytest

from pytest_energy.meters.base import MeterLostError
from pytest_energy.meters.meter_set import MeterSet
from pytest_energy.types.energy import Domain, Method
from support.meters import Fixed


def test_a_defect_in_somebody_elses_meter_is_a_lost_meter_that_names_it():
    class Broken(Fixed):
        def read(self):
            return 1 / 0

    class Float(Fixed):
        def read(self):
            return (float("nan"),)

    class Short(Fixed):
        def read(self):
            return ()

    domain = Domain("x", "x", Method.COUNTER, "x", 0.0)
    with pytest.raises(MeterLostError, match="theirs: ZeroDivisionError"):
        MeterSet([Broken("theirs", domain)]).read()
    with pytest.raises(MeterLostError, match="theirs: TypeError: 'float'"):
        MeterSet([Float("theirs", domain)]).read()
    with pytest.raises(MeterLostError, match="0 counts for 1 domains"):
        MeterSet([Short("theirs", domain)]).read()
