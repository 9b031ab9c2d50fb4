"""The tables of grid intensities and CPU powers."""

from __future__ import annotations

import pytest

from pytest_energy.carbon import intensity as carbon
from pytest_energy.carbon import tables as reference


def test_a_country_matches_what_codecarbon_says():
    from codecarbon.core.emissions import Emissions
    from codecarbon.core.units import Energy
    from codecarbon.external.geography import GeoMetadata
    from codecarbon.input import DataSource

    for code in ("USA", "FRA", "DEU", "IND"):
        theirs = Emissions(DataSource()).get_country_emissions(
            Energy.from_energy(kWh=1.0), GeoMetadata(country_iso_code=code)
        )
        assert carbon.resolve(code, None, None, 1.0).grams_per_kwh == pytest.approx(theirs * 1000)


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
