"""The shipped tables of grids and CPUs: complete, labelled, and what codecarbon itself says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import pytest

from pytest_energy.carbon import tables

UPDATE = Path(__file__).parents[3] / "scripts" / "update_tables.py"

HINT = (
    "codecarbon's tables have changed: run scripts/update_tables.py, look at the difference and"
    " say in the changelog which figures move"
)

needs_codecarbon = pytest.mark.skipif(
    find_spec("codecarbon") is None,
    reason="needs the extra codecarbon: pip install 'pytest-energy[codecarbon]'",
)


@pytest.fixture(scope="module")
def codecarbon_data():
    import codecarbon

    return Path(codecarbon.__file__).parent / "data"


@pytest.fixture(scope="module")
def kilograms_per_kwh():
    """What codecarbon computes for a country, or for a region of it."""
    from codecarbon.core.emissions import Emissions
    from codecarbon.core.units import Energy
    from codecarbon.external.geography import GeoMetadata
    from codecarbon.input import DataSource

    emissions, energy = Emissions(DataSource()), Energy.from_energy(kWh=1.0)

    def ask(country, region=None):
        place = GeoMetadata(country_iso_code=country, region=region)
        if region is None:
            return emissions.get_country_emissions(energy, place)
        return emissions.get_region_emissions(energy, place)

    return ask


# What the files say about themselves


def test_the_grid_table_states_day_version_licence_and_who_published_its_figures():
    table = json.loads((tables.DATA / "grid_intensity.json").read_text("utf-8"))
    assert date.fromisoformat(table["taken_on"]) <= date.today()
    assert re.fullmatch(r"codecarbon 3\.\d+\.\d+", table["taken_from"])
    assert table["licence"].startswith("MIT")
    assert set(table["sources"]) >= {"world", "countries", *table["regions"]} - {
        "FIN",
        "NOR",
        "SWE",
    }
    assert "FIN, NOR, SWE" in table["sources"]
    assert tables.edition() == table["taken_from"]


def test_the_cpu_table_states_day_version_and_licence():
    lines = (tables.DATA / "cpu_power.csv").read_text("utf-8").splitlines()
    head = " ".join(line for line in lines if line.startswith("#"))
    assert tables.edition() in head
    assert "Licence: MIT" in head
    assert re.search(r"on \d{4}-\d\d-\d\d\.", head)
    assert "in watts" in head


def test_the_licence_of_codecarbon_goes_along_with_its_tables():
    text = (tables.DATA / "LICENSE-codecarbon.txt").read_text("utf-8")
    assert text.startswith("MIT License")
    assert "Code Carbon" in text


def test_the_tables_are_small():
    assert sum(path.stat().st_size for path in tables.DATA.iterdir()) < 200_000


def test_every_cpu_is_found_under_the_name_that_it_stands_under():
    powers = tables.cpu_powers()
    assert len(powers) > 4000
    assert [name for name in powers if tables.normal_cpu_name(name) != name] == []
    assert min(powers.values()) > 0


def test_reading_them_loads_neither_codecarbon_nor_pandas():
    code = (
        "import sys; from pytest_energy.carbon import intensity, tables;"
        "intensity.resolve('USA', 'california', None, 1.0);"
        "intensity.resolve('CAN', 'quebec', None, 1.0); tables.cpu_tdp_watts('AMD EPYC 7763');"
        "print(sorted({'codecarbon', 'pandas', 'requests', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Entry by entry, beside codecarbon's own


@needs_codecarbon
def test_every_country_has_codecarbons_figure_name_and_year(codecarbon_data, kilograms_per_kwh):
    path = codecarbon_data / "private_infra" / "global_energy_mix.json"
    theirs = json.loads(path.read_text("utf-8"))
    ours = tables.country_mixes()
    assert set(ours) == set(theirs), HINT
    for code, mix in ours.items():
        assert (mix.name, mix.year) == (theirs[code]["country_name"], theirs[code]["year"]), HINT
        assert mix.grams_per_kwh == pytest.approx(kilograms_per_kwh(code) * 1000), (code, HINT)


@needs_codecarbon
def test_the_worlds_average_is_what_codecarbon_takes_where_it_knows_no_country(kilograms_per_kwh):
    theirs = kilograms_per_kwh("ZZZ") * 1000
    assert tables.world_grams_per_kwh() == pytest.approx(theirs), HINT


@needs_codecarbon
def test_every_region_has_the_figure_that_codecarbon_computes(codecarbon_data, kilograms_per_kwh):
    folder = codecarbon_data / "private_infra"
    states, provinces, zones, chinese = (
        json.loads((folder / name).read_text("utf-8"))
        for name in (
            "2023/usa_emissions.json",
            "2023/canada_energy_mix.json",
            "nordic_emissions.json",
            "2023/china_provincial_emissions.json",
        )
    )
    zone_names = {country: set(tables.region_names(country)) for country in ("FIN", "NOR", "SWE")}
    theirs = {
        "USA": {name for name in states if not name.startswith("_")},
        "CAN": {name for name in provinces if not name.startswith("_")},
        "CHN": {name for province in chinese["data"].values() for name in province["names"]},
    }
    assert {country: set(tables.region_names(country)) for country in theirs} == theirs, HINT
    assert set.union(*zone_names.values()) == set(zones["data"]), HINT
    for country in (*theirs, *zone_names):
        for region in tables.region_names(country):
            ours = tables.region_grams_per_kwh(country, region)
            computed = kilograms_per_kwh(country, region) * 1000
            assert ours == pytest.approx(computed, abs=1e-6), (country, region, HINT)


@needs_codecarbon
def test_every_year_of_a_region_is_the_one_that_codecarbon_states(codecarbon_data):
    folder = codecarbon_data / "private_infra"
    zones = json.loads((folder / "nordic_emissions.json").read_text("utf-8"))["data"]
    states = json.loads((folder / "2023/usa_emissions.json").read_text("utf-8"))
    for country in ("FIN", "NOR", "SWE"):
        for zone, year in tables.region_names(country).items():
            assert year == zones[zone]["year"], HINT
    assert set(tables.region_names("USA").values()) == {states["_source"]["year"]}, HINT
    assert set(tables.region_names("CAN").values()) == {None}


@needs_codecarbon
def test_every_cpu_has_codecarbons_watts_and_of_one_name_the_first_counts():
    import pandas
    from codecarbon.input import DataSource

    theirs = DataSource().get_cpu_power_data()
    watts = pandas.to_numeric(theirs["TDP"], errors="coerce")  # a few rows hold no number
    first: dict[str, float] = {}
    for name, value in zip(theirs["Name"], watts, strict=True):
        if value > 0:
            first.setdefault(tables.normal_cpu_name(name), value)
    assert tables.cpu_powers() == first, HINT


@needs_codecarbon
def test_the_script_writes_the_shipped_files_but_for_day_and_version(tmp_path):
    env = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    done = subprocess.run(
        [sys.executable, str(UPDATE), str(tmp_path / "new")],
        capture_output=True,
        text=True,
        check=False,
        env=env,
    )
    assert done.returncode == 0, done.stderr
    assert "tables written to" in done.stdout
    written = {path.name: _undated(path) for path in (tmp_path / "new").iterdir()}
    shipped = {path.name: _undated(path) for path in tables.DATA.iterdir()}
    assert written == shipped, HINT


def _undated(path: Path) -> str:
    text = path.read_text("utf-8")
    text = re.sub(r"codecarbon \d+\.\d+\.\d+", "codecarbon VERSION", text)
    return re.sub(r'"taken_on": "[-\d]+"|on [-\d]{10}\.', "DAY", text)
