"""The tables that codecarbon ships: thermal design power of CPUs, carbon intensity of grids.

Importing codecarbon costs 0.2 s and loading its tables, which pulls in pandas, 0.4 s more, so the
plain files among them are read where they lie. What codecarbon computes (a Canadian province from
its mix, say) is asked of codecarbon itself, when somebody names such a region.
"""

from __future__ import annotations

import csv
import json
import re
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any


@lru_cache(maxsize=1)
def edition() -> str:
    """`codecarbon 3.3.2`, for the labels of figures that come from here."""
    try:
        return f"codecarbon {version('codecarbon')}"
    except PackageNotFoundError:
        return "codecarbon"


def _table(name: str) -> Path:
    spec = find_spec("codecarbon")
    folder = spec.submodule_search_locations if spec else None
    if not folder:
        raise FileNotFoundError("codecarbon is not installed: pip install 'codecarbon<4'")
    return Path(folder[0]) / "data" / name


def normal_cpu_name(model: str) -> str:
    """A CPU's brand string without what the table leaves out.

    `Intel(R) Xeon(R) Platinum 8370C CPU @ 2.80GHz` becomes `intel xeon platinum 8370c`,
    `AMD EPYC 7763 64-Core Processor` becomes `amd epyc 7763`.
    """
    name = re.sub(r"\((?:r|tm|c)\)", " ", model.lower())
    name = re.sub(r"@.*|\bwith radeon.*|\bw/ radeon.*|\b\d+th gen\b", " ", name)
    name = re.sub(r"\b(?:\d+|dual|quad|six|eight|twelve|sixteen)-core\b", " ", name)
    name = re.sub(r"\b(?:cpu|processor)\b", " ", name)
    return " ".join(name.split())


@lru_cache(maxsize=1)
def _cpu_watts() -> dict[str, float]:
    watts: dict[str, float] = {}
    with _table("hardware/cpu_power.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            try:
                value = float(row["TDP"])
            except (KeyError, TypeError, ValueError):  # a few rows are malformed
                continue
            if value > 0 and row.get("Name"):
                watts.setdefault(normal_cpu_name(row["Name"]), value)
    return watts


def cpu_tdp_watts(model: str) -> float | None:
    """Thermal design power of one socket of this CPU model, in watts; None if not in the table.

    Source: codecarbon's `cpu_power.csv` (4,918 models, from vendors' data sheets).
    """
    try:
        return _cpu_watts().get(normal_cpu_name(model))
    except OSError:
        return None


@lru_cache(maxsize=1)
def country_mixes() -> dict[str, dict[str, Any]]:
    """Per ISO 3166-1 alpha-3 code: `country_name`, `carbon_intensity` in gCO2e/kWh, `year`.

    Source: codecarbon's `global_energy_mix.json`, from Our World in Data.
    """
    return dict(json.loads(_table("private_infra/global_energy_mix.json").read_text("utf-8")))


def world_grams_per_kwh() -> float:
    """The world's average intensity of electricity, 475 gCO2e/kWh.

    Source: IEA, Global Energy and CO2 Status Report 2019 (figures of 2018), through codecarbon.
    """
    table = json.loads(_table("private_infra/carbon_intensity_per_source.json").read_text("utf-8"))
    return float(table["world_average"])


_NORDIC = {"FIN": ("FI",), "NOR": ("NO",), "SWE": ("SE",)}


def region_names(country: str) -> dict[str, int | None]:
    """Regions of a country with figures of their own, each with the year (None: not stated)."""
    if country == "USA":
        table = json.loads(_table("private_infra/2023/usa_emissions.json").read_text("utf-8"))
        year = table.get("_source", {}).get("year")
        return {name: year for name in table if not name.startswith("_")}
    if country == "CAN":
        table = json.loads(_table("private_infra/2023/canada_energy_mix.json").read_text("utf-8"))
        return {name: None for name in table if not name.startswith("_")}
    if country in _NORDIC:
        table = json.loads(_table("private_infra/nordic_emissions.json").read_text("utf-8"))
        return {
            name: zone.get("year")
            for name, zone in table["data"].items()
            if name.startswith(_NORDIC[country])
        }
    if country == "CHN":
        path = _table("private_infra/2023/china_provincial_emissions.json")
        provinces = json.loads(path.read_text("utf-8"))["data"].values()
        return {name: p.get("year") for p in provinces for name in p["names"]}
    return {}


def region_grams_per_kwh(country: str, region: str) -> float:
    """Intensity of a region that `region_names` lists, in gCO2e/kWh, as codecarbon computes it."""
    from codecarbon.core.emissions import Emissions
    from codecarbon.core.units import Energy
    from codecarbon.external.geography import GeoMetadata
    from codecarbon.input import DataSource

    place = GeoMetadata(country_iso_code=country, region=region)
    tables = DataSource()  # type: ignore[no-untyped-call]
    kilograms = Emissions(tables).get_region_emissions(Energy.from_energy(kWh=1.0), place)
    return float(kilograms) * 1000
