"""Reference tables of the package: carbon intensity of grids, thermal design power of CPUs.

The files in `carbon/data` were taken from codecarbon by `scripts/update_tables.py`. Each states the
day, the version of codecarbon, who published the figures, and the licence. They ship with the
package because codecarbon brings some thirty distributions, pandas among them, for figures that
fill 130 kB. A file is read when a figure of it is first looked up.
"""

from __future__ import annotations

import csv
import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

DATA = Path(__file__).with_name("data")
"""Folder of the tables."""


class CountryMix(NamedTuple):
    """Electricity of one country.

    Args:
        name: in English.
        grams_per_kwh: carbon intensity in gCO2e/kWh; 0 where the source has no figure.
        year: that the figure is of.
    """

    name: str
    grams_per_kwh: float
    year: int


def _text(name: str) -> str:
    return (DATA / name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _grids() -> dict[str, Any]:
    return dict(json.loads(_text("grid_intensity.json")))


def edition() -> str:
    """Where the tables were taken from, for the labels of their figures: `codecarbon 3.3.2`."""
    return str(_grids()["taken_from"])


def normal_cpu_name(model: str) -> str:
    """A CPU's brand string without what the table leaves out.

    `Intel(R) Xeon(R) Platinum 8370C CPU @ 2.80GHz` becomes `intel xeon platinum 8370c`,
    `AMD EPYC 7763 64-Core Processor` becomes `amd epyc 7763`. The names in `cpu_power.csv` are
    written in this form: a change here takes a run of `scripts/update_tables.py`.
    """
    name = re.sub(r"\((?:r|tm|c)\)", " ", model.lower())
    name = re.sub(r"@.*|\bwith radeon.*|\bw/ radeon.*|\b\d+th gen\b", " ", name)
    name = re.sub(r"\b(?:\d+|dual|quad|six|eight|twelve|sixteen)-core\b", " ", name)
    name = re.sub(r"\b(?:cpu|processor)\b", " ", name)
    return " ".join(name.split())


@lru_cache(maxsize=1)
def cpu_powers() -> dict[str, float]:
    """Thermal design power of one socket in watts, by the CPU's name as `normal_cpu_name` gives it.

    Source: codecarbon's `cpu_power.csv`, from vendors' data sheets.
    """
    lines = (line for line in _text("cpu_power.csv").splitlines() if not line.startswith("#"))
    return {row["name"]: float(row["tdp_watts"]) for row in csv.DictReader(lines)}


def cpu_tdp_watts(model: str) -> float | None:
    """Thermal design power of one socket of this CPU model, in watts; None if not in the table.

    Args:
        model: brand string, as the operating system shows it.
    """
    return cpu_powers().get(normal_cpu_name(model))


@lru_cache(maxsize=1)
def country_mixes() -> dict[str, CountryMix]:
    """Electricity of countries, by ISO 3166-1 alpha-3 code.

    Source: codecarbon's `global_energy_mix.json`, from Our World in Data.
    """
    return {code: CountryMix(*row) for code, row in _grids()["countries"].items()}


@lru_cache(maxsize=1)
def country_codes() -> dict[str, str]:
    """Alpha-3 codes of countries by their alpha-2 codes.

    Source: ISO 3166-1, through pycountry; and `UK`, which it reserves for the United Kingdom.
    """
    return dict(_grids()["alpha_2"])


@lru_cache(maxsize=1)
def country_names() -> dict[str, str]:
    """Alpha-3 codes of countries by their names, in English.

    Source: Our World in Data, and ISO 3166-1's own names through pycountry.
    """
    ours = {mix.name: code for code, mix in country_mixes().items()}
    return {**_grids()["other_names"], **ours}


def world_grams_per_kwh() -> float:
    """The world's average intensity of electricity, 475 gCO2e/kWh.

    Source: IEA, Global Energy and CO2 Status Report 2019 (figures of 2018), through codecarbon.
    """
    return float(_grids()["world_grams_per_kwh"])


def region_names(country: str) -> dict[str, int | None]:
    """Regions of a country with figures of their own, each with the year (None: not stated).

    Args:
        country: ISO 3166-1 alpha-3 code; of most countries there are no regions.
    """
    return {name: year for name, (_, year) in _grids()["regions"].get(country, {}).items()}


def region_grams_per_kwh(country: str, region: str) -> float:
    """Intensity of a region that `region_names` lists, in gCO2e/kWh, as codecarbon computes it."""
    return float(_grids()["regions"][country][region][0])
