"""How joules become grams: CO2e = kWh x PUE x grid intensity. No network, no guessed country."""

from __future__ import annotations

import difflib
import unicodedata

from pytest_energy.carbon import tables as reference
from pytest_energy.types.carbon import AS_GIVEN, WORLD_AVERAGE, Carbon


def resolve(
    country: str | None, region: str | None, grams_per_kwh: float | None, pue: float
) -> Carbon:
    """Find the intensity that the settings name.

    Args:
        country: ISO 3166-1 alpha-3 code, as `USA`; None for the world average.
        region: a US state, Canadian province, Nordic bidding zone or Chinese province.
        grams_per_kwh: a figure of the user's own, in gCO2e/kWh; it wins over the tables.
        pue: power usage effectiveness.

    Raises:
        ValueError: a country or region that the tables do not know, with near matches.
    """
    if grams_per_kwh is not None:
        place = ", ".join(part for part in (region, country) if part) or AS_GIVEN
        return Carbon(grams_per_kwh, place, None, "given with --energy-carbon-intensity", pue)
    if country is None:
        if region is not None:
            raise ValueError(
                "--energy-region (or ini energy_region) needs --energy-country, such as USA"
            )
        source = f"IEA, Global Energy and CO2 Status Report 2019, through {reference.edition()}"
        return Carbon(reference.world_grams_per_kwh(), WORLD_AVERAGE, 2018, source, pue)

    mixes = reference.country_mixes()
    code = _code_of(country)
    if code not in mixes or not mixes[code].grams_per_kwh:
        hint = ", ".join(f"{each} ({mixes[each].name})" for each in _near(country))
        raise ValueError(
            f"--energy-country (or ini energy_country): no carbon intensity for {country!r}; write"
            f" an ISO 3166-1 code or a name, {f'near it: {hint}' if hint else _EXAMPLES}"
        )
    if region is None:
        mix = mixes[code]
        source = f"Our World in Data, through {reference.edition()}"
        return Carbon(mix.grams_per_kwh, mix.name, mix.year, source, pue)

    regions = reference.region_names(code)
    chosen = {plain(name): name for name in regions}.get(plain(region))
    if chosen is None:
        near = difflib.get_close_matches(plain(region), list(map(plain, regions)), 3, 0.4)
        raise ValueError(
            f"--energy-region (or ini energy_region): no carbon intensity for {region!r} in {code}"
            + (f"; near it: {', '.join(near)}" if near else "; leave it out to use the country's")
        )
    grams = reference.region_grams_per_kwh(code, chosen)
    return Carbon(grams, f"{chosen}, {code}", regions[chosen], reference.edition(), pue)


def plain(name: str) -> str:
    """A name without capitals, accents and what is no letter: `Québec` and `quebec` are one."""
    parts = unicodedata.normalize("NFKD", name).casefold()
    return "".join(letter for letter in parts if letter.isalnum())


_EXAMPLES = "as USA, US or United States"

_ALIKE = 0.8
"""How much of a name has to be the same for a hint: Danmark is Denmark, Narnia is not Armenia."""


def _near(country: str) -> list[str]:
    """Codes of countries with figures that a name or a code may be a slip of.

    Args:
        country: as the user wrote it.
    """
    written, code = plain(country), country.strip().upper()
    mixes = reference.country_mixes()
    names = {plain(name): each for name, each in reference.country_names().items()}
    found = [names[name] for name in difflib.get_close_matches(written, names, 3, _ALIKE)]
    if len(code) <= 3:  # a longer word is a name, of which three letters say nothing
        found += difflib.get_close_matches(code, mixes, 3, 0.6)
    return [each for each in dict.fromkeys(found) if mixes[each].grams_per_kwh]


def _code_of(country: str) -> str:
    """The alpha-3 code of a country, from that code, its alpha-2 code or its name.

    Args:
        country: as the user wrote it.
    """
    code = country.strip().upper()
    if code in reference.country_mixes():
        return code
    names = {plain(name): each for name, each in reference.country_names().items()}
    return reference.country_codes().get(code) or names.get(plain(country)) or code
