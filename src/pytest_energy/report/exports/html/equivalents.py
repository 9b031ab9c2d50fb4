"""Things of every day that take as much energy or emit as much, each with its source."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Equivalent:
    """One thing of every day.

    Args:
        name: of one of it, in the singular.
        plural: of several.
        amount: of one, in joules or in gCO2e.
        of: `joules` or `grams`, which says what is compared.
        source: where the amount comes from, for people.
    """

    name: str
    plural: str
    amount: float
    of: str
    source: str

    @property
    def as_json(self) -> dict[str, Any]:
        """As the page reads it."""
        return asdict(self)


EQUIVALENTS = (
    Equivalent(
        "charge of a smartphone",
        "charges of a smartphone",
        0.022 * 3.6e6,
        "joules",
        "0.022 kWh, the figure that Luccioni et al. (2024) take from the US Environmental"
        " Protection Agency",
    ),
    Equivalent(
        "hour of an LED lamp of 10 W",
        "hours of an LED lamp of 10 W",
        10.0 * 3600,
        "joules",
        "10 W for 3,600 s",
    ),
    Equivalent(
        "liter of water brought to the boil",
        "liters of water brought to the boil",
        4186.0 * 80,
        "joules",
        "From 20 to 100 °C at 4,186 J per kg and K, without losses",
    ),
    Equivalent(
        "kilometer in a passenger car",
        "kilometers in a passenger car",
        400 / 1.609344,
        "grams",
        "400 g of CO2 per mile, US Environmental Protection Agency: Greenhouse Gas Emissions from a"
        " Typical Passenger Vehicle (2023)",
    ),
)
"""Few, and of both kinds: what energy does, and what emissions are compared with."""
