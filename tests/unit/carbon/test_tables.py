"""The tables of grid intensities and CPU powers."""

from __future__ import annotations

import pytest

from pytest_energy.carbon import tables as reference


@pytest.mark.parametrize(
    ("brand", "watts"),
    [
        ("AMD EPYC 7763 64-Core Processor", 280.0),
        ("Intel(R) Xeon(R) Platinum 8370C CPU @ 2.80GHz", 205.0),
        ("Intel(R) Core(TM) i7-2620M CPU @ 2.70GHz", 35.0),
        ("AMD EPYC", None),
        ("Intel(R) Xeon(R) CPU @ 2.20GHz", None),
        ("", None),
    ],
)
def test_a_brand_string_is_found_in_the_table_or_not_at_all(brand, watts):
    assert reference.cpu_tdp_watts(brand) == watts
