"""Properties of a test and of a session in JUnit XML."""

from __future__ import annotations

import sys
from dataclasses import astuple
from functools import lru_cache

from pytest_energy.analysis.ratio import role_ratios
from pytest_energy.analysis.training import cost_of
from pytest_energy.report.printable import printable
from pytest_energy.types.carbon import Carbon
from pytest_energy.types.result import Result
from pytest_energy.types.session import SessionReport


def properties(result: Result, carbon: Carbon) -> list[tuple[str, object]]:
    """Names and values for pytest's `user_properties`; a region's carry its name.

    Units are in the names: joules per unit, kWh and gCO2e per 1,000 units, seconds per unit; of a
    training, kWh (PUE included) and gCO2e of the whole. Names and texts are printable: pytest
    writes a property's name as it stands, and no parser takes a file with a control character.
    """
    prefix = f"energy.{result.subject.region}." if result.subject.region else "energy."
    pairs: list[tuple[str, object]] = [("verdict", result.verdict.status.value)]
    if result.verdict.reason:
        pairs.append(("reason", result.verdict.reason))
    measurement = result.measurement
    if measurement is not None:
        pairs += [
            ("joules_per_unit", measurement.joules_per_unit),
            ("kwh_per_1000", measurement.kwh_per_1000),
            ("gco2e_per_1000", carbon.grams_per_1000(measurement.joules_per_unit)),
            ("seconds_per_unit", measurement.seconds_per_unit),
            (
                "method",
                "+".join(sorted({measurement.domains[i].method for i in measurement.gated})),
            ),
        ]
        pairs += sorted((measurement.recorded or {}).items())
    cost = cost_of(result)
    if cost is not None:
        pairs += [("training_kwh", cost.kwh(carbon)), ("training_gco2e", cost.grams(carbon))]
    paired = result.verdict.paired
    if paired is not None:
        pairs.append(("base", paired.label))
    if paired is not None and result.base is not None:
        pairs.append(("base_joules_per_unit", result.base.joules_per_unit))
    quality = result.verdict.quality
    if quality is not None and quality.stored is not None:
        before = "base" if result.verdict.paired else "stored"
        pairs.append((f"{quality.name}_{before}", quality.stored))
    if result.verdict.change is not None:
        pairs.append(("change", result.verdict.change.value))
    # pytest keeps them of every test: of what is the same in many there is one.
    return [
        _shared_pair(printable(prefix + name), printable(value))
        if isinstance(value, str)
        else (sys.intern(printable(prefix + name)), value)
        for name, value in pairs
    ]


def suite_properties(report: SessionReport) -> list[tuple[str, object]]:
    """Names and values for the whole session: general-purpose over task-specific, by task.

    Args:
        report: of the session.
    """
    pairs: list[tuple[str, object]] = []
    for roles in role_ratios(report.results):
        figures = zip(("", ".low", ".high"), astuple(roles.ratio), strict=True)
        name = printable(f"energy.role_ratio.{roles.task}")
        pairs += [(name + end, figure) for end, figure in figures if figure is not None]
    return pairs


@lru_cache(maxsize=1000)
def _shared_pair(name: str, value: str) -> tuple[str, object]:
    return sys.intern(name), value
