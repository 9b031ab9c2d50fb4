"""The factors from joules to grams: the current ones of grid and site, or those of a paper."""

from __future__ import annotations

from pytest_energy.carbon import intensity as carbon
from pytest_energy.types.carbon import Carbon

GRAMS_PER_POUND = 453.59237
"""The international avoirdupois pound (exact, 1959)."""

STRUBELL_POUNDS_PER_KWH = 0.954
"""Pounds of CO2e per kWh: the average of the United States, which the paper takes from EPA 2018."""

STRUBELL_PUE = 1.58
"""Power usage effectiveness: the average of the world's data centres in 2018, which the paper
takes from Ascierto 2018 (Uptime Institute's survey)."""

STRUBELL = Carbon(
    grams_per_kwh=STRUBELL_POUNDS_PER_KWH * GRAMS_PER_POUND,
    place="United States",
    year=2018,
    source="factors of Strubell et al. 2019 (arXiv 1906.02243), historical: 0.954 lb/kWh by EPA"
    " 2018, PUE by Ascierto 2018",
    pue=STRUBELL_PUE,
)
"""Factors of E. Strubell, A. Ganesh, A. McCallum: "Energy and Policy Considerations for Deep
Learning in NLP", ACL 2019, arXiv 1906.02243, as published: 432.7 gCO2e/kWh."""

TODAY = "today"
"""The grid and the site that the settings name."""

PUBLISHED = {"strubell2019": STRUBELL}
"""Factors of papers, as they were published: a historical mode, to stand beside their figures."""


def parse(name: str) -> str:
    """A name of factors.

    Raises:
        ValueError: there are none of that name; lists those that there are.
    """
    if name not in (TODAY, *PUBLISHED):
        raise ValueError(f"expected {' or '.join((TODAY, *PUBLISHED))}, found {name!r}")
    return name


def resolve(
    name: str,
    country: str | None,
    region: str | None,
    grams_per_kwh: float | None,
    pue: float,
) -> Carbon:
    """The factors of that name.

    Args:
        name: as `parse` gives it; a paper's factors are its own, and the rest is not asked.
        country: ISO 3166-1 alpha-3 code; None for the world average.
        region: a part of it; None for the whole.
        grams_per_kwh: a figure of the user's own, in gCO2e/kWh; None for the tables'.
        pue: power usage effectiveness.

    Raises:
        ValueError: a country or region that the tables do not know, with near matches.
    """
    published = PUBLISHED.get(name)
    return published or carbon.resolve(country, region, grams_per_kwh, pue)
