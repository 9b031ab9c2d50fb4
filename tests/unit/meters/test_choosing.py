"""Which meters a session opens."""

from __future__ import annotations

import pytest

from pytest_energy.meters import builtin_sources, open_meters
from pytest_energy.meters.base import MeterSource, MeterUnavailableError
from pytest_energy.types.energy import Domain, Method
from support.meters import Fixed, source

COUNTER = source("rapl", Method.COUNTER)


ESTIMATE = source("cpu_time", Method.ESTIMATED)


def test_auto_takes_the_counter_and_no_estimate_of_the_same_thing():
    assert open_meters(["auto"], [COUNTER, ESTIMATE]).names == ("rapl",)


def test_auto_estimates_what_has_no_counter_and_says_why():
    closed = MeterUnavailableError("no permission to read /sys/x", "chgrp it")
    meters = open_meters(["auto"], [source("rapl", None, error=closed), ESTIMATE])
    assert meters.names == ("cpu_time",)
    assert meters.note == "estimated, because rapl: no permission to read /sys/x (chgrp it)"


def test_a_gpu_counter_stands_beside_an_estimate_of_the_cpu():
    gpu = source("nvml", Method.COUNTER, kind="gpu")
    assert open_meters(["auto"], [gpu, ESTIMATE]).names == ("nvml", "cpu_time")


def test_auto_sees_everybodys_counters_before_it_estimates():
    theirs = source("esmi", Method.COUNTER)
    assert open_meters(["auto"], [ESTIMATE, theirs]).names == ("esmi",)
    wall = source("wall", Method.COUNTER, kind="system", automatic=False)
    assert open_meters(["auto", "wall"], [COUNTER, ESTIMATE, wall]).names == ("rapl", "wall")


def test_a_meter_whose_library_is_missing_is_unavailable():
    theirs = source("esmi", None, error=ImportError("No module named 'esmi'"))
    with pytest.raises(ValueError, match="'esmi' is unavailable: ImportError: No module named"):
        open_meters(["esmi"], [theirs])
    assert open_meters(["auto"], [theirs, ESTIMATE]).names == ("cpu_time",)


def test_auto_leaves_meters_that_must_be_asked_for():
    wall = source("wall", Method.COUNTER, kind="system", automatic=False)
    assert open_meters(["auto"], [ESTIMATE, wall]).names == ("cpu_time",)
    assert open_meters(["wall"], [ESTIMATE, wall]).names == ("wall",)


def test_an_unknown_meter_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match="no meter named 'watt'; there are: auto; ") as error:
        open_meters(["watt"], builtin_sources())
    assert "cpu_time (available)" in str(error.value)
    closed = MeterUnavailableError("no permission to read /sys/x", "chgrp it")
    with pytest.raises(ValueError, match=r"rapl \(no permission to read /sys/x\)"):
        open_meters(["watt"], [source("rapl", None, error=closed), ESTIMATE])


def test_a_meter_asked_for_by_name_is_never_replaced():
    closed = source("rapl", None, error=MeterUnavailableError("no zones", "run on metal"))
    with pytest.raises(ValueError, match="'rapl' is unavailable: no zones; run on metal"):
        open_meters(["rapl"], [closed, ESTIMATE])


def test_two_meters_of_one_domain_would_count_twice_and_are_refused():
    with pytest.raises(ValueError, match=r"'rapl' and 'cpu_time' both count 'cpu'"):
        open_meters(["rapl", "cpu_time"], [COUNTER, ESTIMATE])


def test_a_meter_that_sees_everything_stands_for_the_estimate_and_for_what_comes_later():
    class Wall(Fixed):
        covers = frozenset({"cpu", "dram", "gpu"})

    wall = MeterSource(
        "wall", lambda: Wall("wall", Domain("wall", "system", Method.COUNTER, "plug", 1.0)), True
    )
    assert open_meters(["auto"], [wall, ESTIMATE]).names == ("wall",)
    meters = open_meters(["auto"], [COUNTER, wall])
    assert meters.names == ("rapl",)
    assert meters.note == "wall is left out, because rapl counts the same"
    with pytest.raises(ValueError, match="'wall' and 'rapl' both count 'cpu'"):
        open_meters(["rapl", "wall"], [COUNTER, wall])
