"""What `auto` opens where several counters see the same hardware."""

from __future__ import annotations

import pytest

from pytest_energy.meters import builtin_sources, open_meters
from pytest_energy.meters.amd import Amd
from pytest_energy.meters.base import MeterSource, MeterUnavailableError
from pytest_energy.meters.meter_set import MeterSet
from pytest_energy.types.energy import Domain, Method
from support.meters import Fixed, source_of


def test_auto_leaves_out_a_counter_of_what_another_one_counts_already():
    rapl = Fixed("rapl", Domain("cpu", "cpu", Method.COUNTER, "RAPL", 0.0))
    theirs = Fixed("esmi", Domain("cpu", "cpu", Method.COUNTER, "E-SMI", 0.0))
    assert open_meters(["auto"], [source_of(rapl), source_of(theirs)]).names == ("rapl",)
    assert (rapl.closed, theirs.closed) == (False, True)
    with pytest.raises(ValueError, match="'rapl' and 'esmi' both count 'cpu'"):
        open_meters(["rapl", "esmi"], [source_of(rapl), source_of(theirs)])


def test_auto_takes_the_drivers_sockets_only_where_rapl_shows_none(hwmon, tmp_path, monkeypatch):
    hwmon.sensors(0, 5_000_000_000, 9_000_000_000)
    ours = [s for s in builtin_sources() if s.name in ("rapl", "amd_energy", "cpu_time")]
    monkeypatch.setenv("PYTEST_ENERGY_POWERCAP", str(tmp_path / "powercap"))
    with_driver = open_meters(["auto"], ours)
    assert (with_driver.names, with_driver.note) == (("amd_energy",), "")
    with_driver.close()
    # One package with RAPL, though the driver calls it two sockets: still the same CPU.
    zone = tmp_path / "powercap" / "intel-rapl:0"
    zone.mkdir(parents=True)
    for name, text in (
        ("name", "package-0"),
        ("energy_uj", "1000"),
        ("max_energy_range_uj", "262143328850"),
    ):
        (zone / name).write_text(f"{text}\n")
    both = open_meters(["auto"], ours)
    assert both.names == ("rapl",)
    both.close()


def test_an_estimate_is_not_explained_by_hardware_of_other_makers():
    def closed():
        raise MeterUnavailableError("no permission to read /sys/x", "chgrp it")

    def elsewhere():
        raise MeterUnavailableError("only Macs have these counters")

    estimate = Fixed("cpu_time", Domain("cpu", "cpu", Method.ESTIMATED, "CPU time", 0.0))
    rapl = MeterSource("rapl", closed, True, "cpu")
    apple = MeterSource("apple", elsewhere, True, "cpu")
    note = open_meters(["auto"], [rapl, apple, source_of(estimate)]).note
    assert note == "estimated, because rapl: no permission to read /sys/x (chgrp it)"
    note = open_meters(["auto"], [apple, source_of(estimate)]).note
    assert note == "estimated, because apple: only Macs have these counters"


def test_boards_of_two_makers_are_counted_side_by_side(drm, opened):
    drm.board(energy1_input=1)
    nvidia = Fixed("nvml", Domain("gpu:0", "gpu", Method.COUNTER, "NVML", 0.0))
    both = MeterSet([nvidia, opened(Amd())])
    assert [domain.name for domain in both.domains] == ["gpu:0", "amd:0"]
