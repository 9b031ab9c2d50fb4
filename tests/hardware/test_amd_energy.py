"""AMD's sockets, through the amd_energy driver."""

from __future__ import annotations

import errno

import pytest

from pytest_energy.meters import sysfs
from pytest_energy.meters.amd_energy import AmdEnergy
from pytest_energy.meters.base import MeterLostError, MeterUnavailableError
from pytest_energy.types.energy import Method
from support.boards import write


def test_a_socket_is_counted_and_the_cores_inside_it_are_not(hwmon, opened):
    hwmon.sensors(2, 5000)
    meter = opened(AmdEnergy())
    assert [(d.name, d.kind, d.method) for d in meter.domains] == [("cpu", "cpu", Method.COUNTER)]
    write(hwmon.folder / "energy3_input", 8000)
    assert meter.read() == (8000,)


def test_two_sockets_are_named_as_rapl_names_them(hwmon, opened):
    hwmon.sensors(2, 5_000_000_000, 9_000_000_000)
    meter = opened(AmdEnergy())
    assert [domain.name for domain in meter.domains] == ["cpu:0", "cpu:1"]
    assert meter.read() == (5_000_000_000, 9_000_000_000)


def test_numa_nodes_of_one_socket_show_its_register_and_are_counted_once(hwmon, opened):
    hwmon.sensors(1, 5_000_000_000, 5_000_000_700, 9_000_000_000, 9_000_000_900)
    meter = opened(AmdEnergy())
    assert [domain.name for domain in meter.domains] == ["cpu:0", "cpu:1"]


def test_a_kernel_without_the_driver_says_where_it_looked(tmp_path):
    with pytest.raises(MeterUnavailableError, match=r"amd_energy driver under .*nowhere"):
        AmdEnergy(tmp_path / "nowhere")


@pytest.mark.parametrize("garbage", ["oops", "", "-5", "nan", "1_0", "9" * 10_000, "100"])
def test_a_socket_that_turns_to_garbage_or_goes_back_is_a_lost_meter(hwmon, opened, garbage):
    hwmon.sensors(0, 5000)
    meter = opened(AmdEnergy())
    write(hwmon.folder / "energy1_input", garbage)
    with pytest.raises(MeterLostError, match="energy1_input"):
        meter.read()


def test_sockets_closed_to_us_come_with_the_remedy(hwmon, monkeypatch):
    hwmon.sensors(0, 5000)

    def refuse(path, flags):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(sysfs.os, "open", refuse)
    with pytest.raises(MeterUnavailableError, match=r"no permission to read .*energy1_input") as e:
        AmdEnergy()
    assert "chgrp" in e.value.hint
