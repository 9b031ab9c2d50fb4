"""github-action-benchmark's `customSmallerIsBetter`: a chart of joules over commits.

A list of `name`, `unit`, `value`, `range` and `extra` (the action's README and
`src/extract.ts`); the action alerts where a value rises by its own threshold.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from statistics import stdev
from typing import Any

from pytest_energy.report.exports.selection import method_of, named_measurements
from pytest_energy.report.printable import printable
from pytest_energy.types.measurement import Measurement
from pytest_energy.types.result import Result
from pytest_energy.types.session import SessionReport
from pytest_energy.types.units import format_change, format_grams, significant


def render(reports: Sequence[SessionReport]) -> str:
    """JSON: an entry for the latest measurement of each test.

    Args:
        reports: of one session or of several; of several machine classes the names say which.

    Raises:
        ValueError: a figure is not finite.
    """
    entries = [_entry(*one) for one in named_measurements(reports)]
    return json.dumps(entries, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _entry(
    name: str, report: SessionReport, result: Result, measurement: Measurement
) -> dict[str, Any]:
    subject, change = result.subject, result.verdict.change
    grams = report.carbon.grams_per_1000(measurement.joules_per_unit)
    extra = [
        f"task: {subject.task}",
        f"model: {subject.model}",
        f"method: {method_of(measurement)}",
        f"CO2e: {format_grams(grams)} per 1,000",
        f"verdict: {result.verdict.status.words}",
    ]
    if change is not None:
        extra.append(f"change: {format_change(change.value)}")
    entry: dict[str, Any] = {
        "name": name,
        "unit": f"J/{printable(subject.unit)}",
        "value": measurement.joules_per_unit,
        "extra": "\n".join(map(printable, extra)),
    }
    if len(measurement.blocks) > 1:
        entry["range"] = f"± {significant(stdev(measurement.block_joules_per_unit))}"
    return entry
