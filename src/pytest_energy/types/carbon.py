"""Carbon intensity of electricity, with its provenance."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_energy.types.units import kwh, significant

WORLD_AVERAGE, AS_GIVEN = "world average", "as given"
"""What stands in the place of a place: no country was named, or an intensity without one."""


@dataclass(frozen=True, slots=True)
class Carbon:
    """The factors from energy to carbon, with their provenance.

    Args:
        grams_per_kwh: carbon intensity of the electricity, in gCO2e/kWh.
        place: a country, a region, `world average`, or `as given`.
        year: of the figure; None when the source states none.
        source: its publisher.
        pue: power usage effectiveness of the site, 1 or more (Green Grid; 1.0 is a laptop).
    """

    grams_per_kwh: float
    place: str
    year: int | None
    source: str
    pue: float = 1.0

    def grams(self, joules: float) -> float:
        """Grams of CO2e for so many joules at the meter."""
        return kwh(joules) * self.pue * self.grams_per_kwh

    def grams_per_1000(self, joules_per_unit: float) -> float:
        """Grams of CO2e for 1,000 units of so many joules each."""
        return self.grams(joules_per_unit) * 1000

    def joules(self, grams: float) -> float:
        """Joules at the meter that emit so many grams of CO2e; infinite on a carbon-free grid."""
        per_joule = self.grams(1.0)
        return grams / per_joule if per_joule else float("inf")

    @property
    def is_located(self) -> bool:
        """Whether `place` is a country or a part of one."""
        return self.place not in ("", WORLD_AVERAGE, AS_GIVEN)

    @property
    def label(self) -> str:
        """`369 g/kWh (United States, 2023)`, with the PUE where it is not 1."""
        where = f"{self.place}, {self.year}" if self.year else self.place
        pue = f", PUE {self.pue:g}" if self.pue != 1 else ""
        return f"{significant(self.grams_per_kwh)} g/kWh ({where}{pue})"
