"""Desislavov et al.: devices, their peaks, and bounds on energy."""

from __future__ import annotations

import re
from dataclasses import replace
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energy.papers import desislavov, luccioni


def test_every_device_has_a_rate_a_power_and_a_source():
    devices = desislavov.devices()
    assert len({device.name for device in devices}) >= 20
    assert len({(device.name, device.precision) for device in devices}) == len(devices)
    for device in devices:
        assert device.kind in {"gpu", "cpu", "edge"}
        assert device.precision in {"fp32", "tf32", "fp16"}
        assert 2010 <= device.year <= 2030
        assert device.source
        # Nothing of these years gives less than a GFLOP for a joule, or more than 5 TFLOP.
        assert 1e9 < device.flops_per_joule < 5e12


@pytest.mark.parametrize(
    "device",
    [device for device in desislavov.devices() if " x " in device.source],
    ids=lambda device: device.name,
)
def test_a_peak_that_is_a_product_is_the_product_that_its_source_names(device):
    cores, ghz, flop = re.search(
        r"(\d+) cores x ([\d.]+) GHz.* x (\d+) FLOP", device.source
    ).groups()
    assert device.peak_flops == pytest.approx(int(cores) * float(ghz) * 1e9 * int(flop), rel=0.001)


def test_every_cpu_says_what_its_peak_is_the_product_of():
    assert all(" x " in one.source for one in desislavov.devices() if one.kind == "cpu")


def test_every_bandwidth_has_a_source_and_is_the_same_in_every_precision():
    by_name = {}
    for device in desislavov.devices():
        assert bool(device.memory_source) == (device.bytes_per_second is not None)
        found = (device.bytes_per_second, device.memory_source)
        assert by_name.setdefault(device.name, found) == found
        # From the slowest module to the fastest board, and a joule buys fewer bytes than FLOP.
        assert 20e9 < device.bytes_per_second < 6e12
        assert device.bytes_per_second < device.peak_flops


@pytest.mark.parametrize(
    "device",
    [device for device in desislavov.devices() if " bit x " in device.memory_source],
    ids=lambda device: f"{device.name}-{device.precision}",
)
def test_a_bandwidth_that_is_a_product_is_the_product_that_its_source_names(device):
    factors = re.search(
        r"(?:(\d+) channels x )?(\d+) bit x ([\d.]+) Gbit/s", device.memory_source
    ).groups("1")
    bits_per_second = prod(map(float, factors)) * 1e9
    assert device.bytes_per_second == pytest.approx(bits_per_second / 8, rel=0.001)


def test_every_cpu_has_the_channels_of_one_socket():
    cpus = [one for one in desislavov.devices() if one.kind == "cpu"]
    assert all(" channels x 64 bit x " in one.memory_source for one in cpus)


def test_boards_of_different_memory_are_told_apart():
    a100 = desislavov.device("A100 SXM4 80GB")
    assert a100.bytes_per_second == 2039e9
    assert "the 40 GB boards 1555" in a100.memory_source


def test_the_bound_is_that_of_what_takes_longer():
    a100 = desislavov.device("A100 SXM4 80GB")
    flops, moved = 19.5e12, 2039e9  # a second each
    assert desislavov.lower_bound_joules(flops, a100, moved / 2) == pytest.approx(400)
    assert not desislavov.is_memory_bound(flops, a100, moved / 2)
    assert desislavov.lower_bound_joules(flops, a100, moved * 2) == pytest.approx(800)
    assert desislavov.is_memory_bound(flops, a100, moved * 2)
    assert desislavov.of_reality(1600, flops, a100, moved * 2) == pytest.approx(2)
    assert desislavov.lower_bound_joules(0, a100, moved) == pytest.approx(400)


@given(st.floats(0, 1e18), st.floats(0, 1e15), st.sampled_from(desislavov.devices()))
def test_memory_never_lowers_a_bound(flops, moved, device):
    alone = desislavov.lower_bound_joules(flops, device)
    assert desislavov.lower_bound_joules(flops, device, moved) >= alone


def test_a_device_without_a_known_bandwidth_has_the_bound_of_the_operations_alone():
    unknown = replace(desislavov.device("T4"), bytes_per_second=None, memory_source="")
    alone = desislavov.lower_bound_joules(1e9, unknown)
    assert desislavov.lower_bound_joules(1e9, unknown, 1e15) == alone
    assert not desislavov.is_memory_bound(1e9, unknown, 1e15)


def test_the_bound_is_operations_times_watts_over_the_peak():
    a100 = desislavov.device("a100 sxm4 80gb")
    assert (a100.precision, a100.peak_flops, a100.watts) == ("fp32", 19.5e12, 400)
    assert desislavov.lower_bound_joules(19.5e12, a100) == pytest.approx(400)
    assert desislavov.of_reality(800, 19.5e12, a100) == pytest.approx(2)
    assert desislavov.device("A100 SXM4 80GB", "fp16").peak_flops == 312e12


def test_the_papers_own_energy_is_far_above_the_bound():
    # DistilBERT on 64 tokens: 5.51 GFLOP; the row is of the whole node.
    (row,) = [
        row
        for row in luccioni.where("text-classification", model="lvwerra/distilbert-imdb")
        if row.dataset == "sst2"
    ]
    a100 = desislavov.device("A100 SXM4 80GB")
    assert desislavov.of_reality(row.joules_per_inference, 5.51e9, a100) > 10


def test_a_device_that_is_not_there_is_answered_with_what_is_near():
    with pytest.raises(LookupError, match=r"'A100'.*; near it: .*A100 SXM4 80GB"):
        desislavov.device("A100")
    with pytest.raises(LookupError, match="no 'fp64' rate of T4; there is fp32, fp16"):
        desislavov.device("T4", "fp64")


def test_a_bound_needs_operations():
    with pytest.raises(ValueError, match="cannot be -1"):
        desislavov.lower_bound_joules(-1, desislavov.device("T4"))
    with pytest.raises(ValueError, match="bytes cannot be -1"):
        desislavov.lower_bound_joules(1, desislavov.device("T4"), -1)
    with pytest.raises(ValueError, match="no bound"):
        desislavov.of_reality(1, 0, desislavov.device("T4"))


@pytest.mark.parametrize(
    ("board", "name"),
    [
        ("NVIDIA A100-SXM4-80GB", "A100 SXM4 80GB"),
        ("Tesla V100-SXM2-16GB", "Tesla V100 SXM2"),
        ("NVIDIA A10", "A10"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA A100-PCIE-40GB", None),
        ("NVIDIA H100 80GB HBM3", "H100 SXM5"),
        ("NVIDIA GeForce RTX 3090", "GeForce RTX 3090"),
        ("NVIDIA A10G", None),
        ("NVIDIA A10-24Q", None),
        ("NVIDIA GeForce RTX 3090 Ti", None),
        ("NVIDIA GeForce RTX 4090 D", None),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
        ("NVIDIA A100-SXM4-80GB MIG 1g.10gb", None),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", None),
    ],
)
def test_a_board_is_known_by_the_name_that_its_driver_gives_it(board, name):
    found = desislavov.device_of_board(board)
    assert (found and found.name) == name


def test_ten_inferences_a_day_of_a_million_users_make_a_years_energy():
    # 3.6 J are 1e-6 kWh.
    assert desislavov.yearly_kwh(3.6, 10) == pytest.approx(0.00365)
    assert desislavov.yearly_kwh(3.6, 10, users=1e6) == pytest.approx(3650)
