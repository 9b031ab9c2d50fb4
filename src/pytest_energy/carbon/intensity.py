"""How joules become grams: CO2e = kWh x PUE x grid intensity. No network, no guessed country."""

from __future__ import annotations

import difflib

from pytest_energy.carbon import tables as reference
from pytest_energy.types.carbon import Carbon


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
        place = ", ".join(part for part in (region, country) if part) or "as given"
        return Carbon(grams_per_kwh, place, None, "given with energy_carbon_intensity", pue)
    if country is None:
        if region is not None:
            raise ValueError("energy_region needs energy_country, such as USA")
        source = f"IEA, Global Energy and CO2 Status Report 2019, through {reference.edition()}"
        return Carbon(reference.world_grams_per_kwh(), "world average", 2018, source, pue)

    mixes = reference.country_mixes()
    code = country.upper()
    if code not in mixes or not mixes[code].grams_per_kwh:
        known = {name: mix.name for name, mix in mixes.items()}
        near = difflib.get_close_matches(code, known, 3, 0.4)
        near += [c for c, name in known.items() if name.lower() == country.lower()]
        hint = ", ".join(f"{c} ({known[c]})" for c in dict.fromkeys(near))
        raise ValueError(
            f"energy_country: no carbon intensity for {country!r}; use an ISO 3166-1 alpha-3 code"
            + (f"; near it: {hint}" if hint else "")
        )
    if region is None:
        mix = mixes[code]
        source = f"Our World in Data, through {reference.edition()}"
        return Carbon(mix.grams_per_kwh, mix.name, mix.year, source, pue)

    names = reference.region_names(code)
    chosen = {name.lower(): name for name in names}.get(region.lower())
    if chosen is None:
        near = difflib.get_close_matches(region.lower(), [name.lower() for name in names], 3, 0.4)
        raise ValueError(
            f"energy_region: no carbon intensity for {region!r} in {code}"
            + (f"; near it: {', '.join(near)}" if near else "; leave it out to use the country's")
        )
    grams = reference.region_grams_per_kwh(code, chosen)
    return Carbon(grams, f"{chosen}, {code}", names[chosen], reference.edition(), pue)
