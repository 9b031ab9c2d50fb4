"""Bencher Metric Format: by benchmark and measure, a value with its interval.

`energy` is in joules per unit, `carbon` in gCO2e per 1,000 units: measures of these names have to
be made once in Bencher, which has none for energy of its own (https://bencher.dev/bmf.json).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from pytest_energy.report.exports.selection import interval, named_measurements
from pytest_energy.types.session import SessionReport

MOST_CHARACTERS = 1024
"""Of a benchmark's name."""


def render(reports: Sequence[SessionReport]) -> str:
    """JSON: the latest measurement of each test.

    Args:
        reports: of one session or of several; of several machine classes the names say which.

    Raises:
        ValueError: a figure is not finite.
    """
    found: dict[str, Any] = {}
    for name, report, result, measurement in named_measurements(reports):
        bounds = interval(result)
        measures = {}
        for slug, factor in (("energy", 1.0), ("carbon", report.carbon.grams_per_1000(1.0))):
            measures[slug] = {"value": measurement.joules_per_unit * factor}
            if bounds is not None:
                measures[slug] |= {
                    "lower_value": bounds[0] * factor,
                    "upper_value": bounds[1] * factor,
                }
        found[_name(name)] = measures
    return json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _name(name: str) -> str:
    """A name that is not too long, and still another one for another test."""
    if len(name) <= MOST_CHARACTERS:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{name[: MOST_CHARACTERS - 13]} {digest}"
