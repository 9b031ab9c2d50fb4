"""Take the package's tables of grids and CPUs from the codecarbon that is installed.

    pip install 'pytest-energy[codecarbon]'
    python scripts/update_tables.py [FOLDER]

FOLDER is where the files go: `src/pytest_energy/carbon/data` of this clone when left out. Three
files are written: `grid_intensity.json` (gCO2e/kWh of the world, of countries and of regions, and
countries' other codes and names, these from pycountry), `cpu_power.csv` (thermal design power in
watts by CPU model) and codecarbon's licence. What codecarbon computes, as a Canadian province from
its mix, is asked of codecarbon. Run it when `tests/unit/carbon` reports that codecarbon has other
figures, and look at the difference.
"""

from __future__ import annotations

import csv
import datetime
import json
import sys
from collections.abc import Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

try:
    import codecarbon
    import pycountry
    from codecarbon.core.emissions import Emissions
    from codecarbon.core.units import Energy
    from codecarbon.external.geography import GeoMetadata
    from codecarbon.input import DataSource
except ImportError as error:
    sys.exit(
        f"codecarbon cannot be imported: {error}; the extra codecarbon brings it:"
        " pip install 'pytest-energy[codecarbon]' (in a clone: pip install '.[codecarbon]')"
    )

from pytest_energy.carbon.tables import normal_cpu_name

OURS = Path(__file__).parents[1] / "src" / "pytest_energy" / "carbon" / "data"

THEIRS = Path(codecarbon.__file__).parent / "data"

REPOSITORY = "https://github.com/mlco2/codecarbon"

NORDIC = {"FIN": "FI", "NOR": "NO", "SWE": "SE"}
"""Countries with bidding zones, and what the names of these begin with."""

DECIMALS = 6
"""Of gCO2e/kWh: far beyond what the sources know, and short of the noise of floating point."""


def _json(path: str) -> Any:
    return json.loads((THEIRS / path).read_text(encoding="utf-8"))


def taken_from() -> str:
    """The installed codecarbon with its version, as it stands in labels."""
    return f"codecarbon {distribution('codecarbon').version}"


def countries() -> dict[str, list[Any]]:
    """Name, gCO2e/kWh and year by ISO 3166-1 alpha-3 code; 0 g/kWh where there is no figure."""
    return {
        code: [mix["country_name"], mix.get("carbon_intensity") or 0.0, mix["year"]]
        for code, mix in sorted(_json("private_infra/global_energy_mix.json").items())
    }


def alpha_2() -> dict[str, str]:
    """Alpha-3 codes by ISO 3166-1 alpha-2 code, of the countries that have a figure.

    `UK` is there too: ISO 3166-1 reserves it for the United Kingdom, whose code is `GB`.
    """
    known = countries()
    codes = {one.alpha_2: one.alpha_3 for one in pycountry.countries if one.alpha_3 in known}
    return dict(sorted({**codes, "UK": "GBR"}.items()))


def other_names() -> dict[str, str]:
    """Alpha-3 codes by ISO 3166-1's names of the countries, where `countries` has another one."""
    known = countries()
    names = {
        name: one.alpha_3
        for one in pycountry.countries
        for name in (getattr(one, what, "") for what in ("name", "common_name", "official_name"))
        if name and one.alpha_3 in known and name != known[one.alpha_3][0]
    }
    return dict(sorted(names.items()))


def _region_years() -> dict[str, dict[str, int | None]]:
    """The regions that codecarbon has figures of, each with the year; None where none is stated."""
    states = _json("private_infra/2023/usa_emissions.json")
    provinces = _json("private_infra/2023/canada_energy_mix.json")
    chinese = _json("private_infra/2023/china_provincial_emissions.json")["data"].values()
    zones = _json("private_infra/nordic_emissions.json")["data"]
    years: dict[str, dict[str, int | None]] = {
        "CAN": {name: None for name in provinces if not name.startswith("_")},
        "CHN": {name: province["year"] for province in chinese for name in province["names"]},
        "USA": {name: states["_source"]["year"] for name in states if not name.startswith("_")},
    }
    for country, prefix in NORDIC.items():
        years[country] = {
            name: zone["year"] for name, zone in zones.items() if name.startswith(prefix)
        }
    return years


def regions() -> dict[str, dict[str, list[Any]]]:
    """gCO2e/kWh as codecarbon computes it, and the year, by country and region."""
    emissions = Emissions(DataSource())

    def grams_per_kwh(country: str, region: str) -> float:
        place = GeoMetadata(country_iso_code=country, region=region)
        kilograms = emissions.get_region_emissions(Energy.from_energy(kWh=1.0), place)
        return round(kilograms * 1000, DECIMALS)

    return {
        country: {
            name: [grams_per_kwh(country, name), year] for name, year in sorted(years.items())
        }
        for country, years in sorted(_region_years().items())
    }


def sources() -> dict[str, str]:
    """Who published the figures, as far as codecarbon says."""
    world = _json("private_infra/carbon_intensity_per_source.json")["world_average_source"]
    states = _json("private_infra/2023/usa_emissions.json")["_source"]
    nordic = _json("private_infra/nordic_emissions.json")["metadata"]
    chinese = _json("private_infra/2023/china_provincial_emissions.json")["metadata"]
    return {
        "world": f"IEA, Global Energy and CO2 Status Report 2019, figures of 2018: {world}",
        "countries": "Our World in Data, energy data (CC BY 4.0):"
        " https://github.com/owid/energy-data",
        "USA": f"{states['name']}: {states['url']}",
        "CAN": "codecarbon's mix of each province times its factors of coal, petroleum and natural"
        " gas; it states neither year nor publisher of the mixes",
        "FIN, NOR, SWE": nordic["source"],
        "CHN": f"{chinese['source']} CO2 only, not CO2e: {chinese['source_url']}",
    }


def grid_intensity(today: str) -> str:
    """The text of `grid_intensity.json`, an entry a line.

    Args:
        today: ISO 8601 date.
    """
    head = {
        "about": "Carbon intensity of electricity in gCO2e/kWh."
        " Countries: name, intensity, year. Regions: intensity, year.",
        "taken_from": taken_from(),
        "taken_on": today,
        "licence": f"MIT, as {REPOSITORY}; see LICENSE-codecarbon.txt",
        "sources": sources(),
        "world_grams_per_kwh": _json("private_infra/carbon_intensity_per_source.json")[
            "world_average"
        ],
    }
    lines = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in head.items()]
    lines.append(f'  "countries": {_entries(countries(), 2)}')
    lines.append(f'  "alpha_2": {_entries(alpha_2(), 2)}')
    lines.append(f'  "other_names": {_entries(other_names(), 2)}')
    inner = {country: _entries(found, 4) for country, found in regions().items()}
    joined = ",\n".join(f"    {json.dumps(country)}: {text}" for country, text in inner.items())
    lines.append(f'  "regions": {{\n{joined}\n  }}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _entries(entries: Mapping[str, Any], indent: int) -> str:
    blanks = " " * indent
    lines = [
        f"{blanks}  {json.dumps(name)}: {json.dumps(row, ensure_ascii=False)}"
        for name, row in entries.items()
    ]
    return "{\n" + ",\n".join(lines) + f"\n{blanks}}}"


def cpu_powers() -> dict[str, float]:
    """Watts by the name that `normal_cpu_name` gives; of models of one name the first counts."""
    watts: dict[str, float] = {}
    with (THEIRS / "hardware/cpu_power.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            try:
                value = float(row["TDP"])
            except (TypeError, ValueError):  # a row without a figure, or with more than a figure
                continue
            if value > 0 and row["Name"]:
                watts.setdefault(normal_cpu_name(row["Name"]), value)
    return dict(sorted(watts.items()))


def write_cpu_power(path: Path, today: str) -> None:
    """Write `cpu_power.csv`.

    Args:
        path: of the file.
        today: ISO 8601 date.
    """
    with path.open("w", encoding="utf-8", newline="") as out:
        out.write(
            "# Thermal design power of one socket in watts, by the CPU's name as"
            " pytest_energy.carbon.tables.normal_cpu_name gives it.\n"
            f"# Taken from {taken_from()} ({REPOSITORY}), codecarbon/data/hardware/cpu_power.csv,"
            f" on {today}.\n"
            "# Its sources: Intel's and AMD's product specifications. Licence: MIT; see"
            " LICENSE-codecarbon.txt.\n"
        )
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["name", "tdp_watts"])
        writer.writerows([name, f"{watts:g}"] for name, watts in cpu_powers().items())


def licence() -> str:
    """The licence of codecarbon, whose notice has to go along with its tables.

    Raises:
        LookupError: the distribution has none.
    """
    for path in distribution("codecarbon").files or ():
        if path.name == "LICENSE":
            return path.read_text(encoding="utf-8")
    raise LookupError(
        f"{taken_from()} ships no LICENSE, without which its tables may not be copied"
    )


def main(arguments: list[str]) -> None:
    folder = Path(arguments[0]) if arguments else OURS
    folder.mkdir(parents=True, exist_ok=True)
    today = datetime.date.today().isoformat()
    (folder / "LICENSE-codecarbon.txt").write_text(licence(), encoding="utf-8")
    (folder / "grid_intensity.json").write_text(grid_intensity(today), encoding="utf-8")
    write_cpu_power(folder / "cpu_power.csv", today)
    print(f"{taken_from()}: tables written to {folder}")


if __name__ == "__main__":
    main(sys.argv[1:])
