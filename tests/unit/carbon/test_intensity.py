"""From joules to grams: intensities of grids."""

from __future__ import annotations

import pytest

from pytest_energy.carbon import intensity as carbon


def test_carbon_is_kwh_times_pue_times_intensity():
    grid = carbon.Carbon(400.0, "X", 2024, "a test", pue=1.5)
    assert grid.grams(3.6e6) == pytest.approx(600.0)
    assert grid.joules(600.0) == pytest.approx(3.6e6)


def test_unset_the_intensity_is_the_world_average_and_says_so():
    grid = carbon.resolve(None, None, None, 1.0)
    assert grid.grams_per_kwh == 475.0
    assert grid.label == "475 g/kWh (world average, 2018)"
    assert "IEA" in grid.source


def test_a_country_brings_its_figure_year_and_source():
    grid = carbon.resolve("usa", None, None, 1.2)
    assert grid.place == "United States"
    assert 300 < grid.grams_per_kwh < 450
    assert grid.year >= 2022
    assert "codecarbon" in grid.source
    assert grid.label.endswith(f"(United States, {grid.year}, PUE 1.2)")


@pytest.mark.parametrize(
    ("country", "region", "low", "high"),
    [
        ("USA", "california", 100, 350),
        ("USA", "California", 100, 350),
        ("CAN", "quebec", 0, 60),
        ("SWE", "SE1", 5, 60),
        ("CHN", "beijing", 300, 800),
    ],
)
def test_regions_have_their_own_figures(country, region, low, high):
    grid = carbon.resolve(country, region, None, 1.0)
    assert low < grid.grams_per_kwh < high
    assert country in grid.place


def test_a_figure_of_the_users_own_wins():
    grid = carbon.resolve("USA", None, 12.0, 1.0)
    assert (grid.grams_per_kwh, grid.place) == (12.0, "USA")
    assert carbon.resolve(None, None, 12.0, 1.0).place == "as given"


@pytest.mark.parametrize(
    ("country", "place"),
    [
        ("DEU", "Germany"),
        ("de", "Germany"),
        ("Germany", "Germany"),
        ("UK", "United Kingdom"),
        ("GB", "United Kingdom"),
        ("united states", "United States"),
        ("Türkiye", "Turkey"),
        ("TR", "Turkey"),
        ("Czech Republic", "Czechia"),
    ],
)
def test_a_country_is_named_by_either_code_or_by_its_name(country, place):
    assert carbon.resolve(country, None, None, 1.0).place == place


def test_names_are_told_apart_by_their_letters_not_by_accents_and_capitals():
    with_accents = carbon.resolve("Canada", "Québec", None, 1.0)
    assert with_accents == carbon.resolve("CAN", "quebec", None, 1.0)
    assert carbon.resolve("CIV", None, None, 1.0) == carbon.resolve(
        "cote d'ivoire", None, None, 1.0
    )


@pytest.mark.parametrize(
    ("country", "near"),
    [
        ("Germny", "DEU (Germany)"),
        ("United States of Amerika", "USA (United States)"),
        ("Danmark", "DNK (Denmark)"),
        ("XX", "write an ISO 3166-1 code or a name, as USA, US or United States"),
        ("Narnia", "write an ISO 3166-1 code or a name, as USA, US or United States"),
    ],
)
def test_an_unknown_country_is_refused_with_near_ones(country, near):
    with pytest.raises(ValueError, match="no carbon intensity for") as error:
        carbon.resolve(country, None, None, 1.0)
    assert near in str(error.value)


def test_an_unknown_region_never_becomes_the_country():
    with pytest.raises(ValueError, match="near it: california"):
        carbon.resolve("USA", "californa", None, 1.0)
    with pytest.raises(ValueError, match="leave it out"):
        carbon.resolve("FRA", "bretagne", None, 1.0)
    with pytest.raises(ValueError, match="needs --energy-country"):
        carbon.resolve(None, "california", None, 1.0)


def test_a_carbon_free_grid_emits_nothing_and_no_budget_in_grams_binds():
    grid = carbon.Carbon(0.0, "X", None, "a test")
    assert grid.grams(1e9) == 0.0
    assert grid.joules(1.0) == float("inf")
