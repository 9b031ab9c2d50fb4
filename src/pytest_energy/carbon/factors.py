"""What turns joules into grams: today's figures of the grid and the site, or those of a paper."""

from __future__ import annotations

from pytest_energy.carbon import intensity as carbon
from pytest_energy.papers import strubell
from pytest_energy.types.carbon import Carbon

TODAY = "today"
"""The grid and the site that the settings name."""

PUBLISHED = {"strubell2019": strubell.CARBON}
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
