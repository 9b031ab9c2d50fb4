"""Bencher Metric Format: by benchmark and measure, a value with its interval.

`energy` is in joules per unit at the meter, `carbon` in gCO2e per 1,000 units with the PUE. What
was counted is per inference, or per step of a training: `flops`, `bytes`, `operator-calls`,
`python-calls`. Measures of these names have to be made once in Bencher, which has none for energy
(https://bencher.dev/bmf.json).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from pytest_energy.report.exports.selection import (
    METER_OR_COUNT,
    check_not_empty,
    counted_figures,
    interval,
    named_results,
)
from pytest_energy.types.result import Result
from pytest_energy.types.session import SessionReport

MOST_CHARACTERS = 1024
"""Of a benchmark's name."""


def render(reports: Sequence[SessionReport]) -> str:
    """JSON: the latest measurement of each test, and what was counted of it.

    Args:
        reports: of one session or of several; of several machine classes the names say which.

    Raises:
        ReportError: no result of several has a figure.
        ValueError: a figure is not finite.
    """
    found: dict[str, Any] = {}
    for name, report, result in named_results(reports):
        measures = _measures(report, result)
        if measures:
            found[_name(name)] = measures
    check_not_empty(found, reports, "a figure", METER_OR_COUNT)
    return json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _measures(report: SessionReport, result: Result) -> dict[str, dict[str, float]]:
    measurement, bounds = result.measurement, interval(result)
    measures: dict[str, dict[str, float]] = {}
    if measurement is not None:
        for slug, factor in (("energy", 1.0), ("carbon", report.carbon.grams_per_1000(1.0))):
            measures[slug] = {"value": measurement.joules_per_unit * factor}
            if bounds is not None:
                measures[slug] |= {
                    "lower_value": bounds[0] * factor,
                    "upper_value": bounds[1] * factor,
                }
    for name, number in counted_figures(result.counts).items():
        measures[name.replace("_", "-")] = {"value": number}
    return measures


def _name(name: str) -> str:
    """A name that is not too long, and still another one for another test."""
    if len(name) <= MOST_CHARACTERS:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{name[: MOST_CHARACTERS - 13]} {digest}"
