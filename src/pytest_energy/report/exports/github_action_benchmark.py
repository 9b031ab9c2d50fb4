"""github-action-benchmark's `customSmallerIsBetter`: a chart of joules over commits.

Of a test that only counted, a chart of each count. A list of `name`, `unit`, `value`, `range` and
`extra` (the action's README and `src/extract.ts`); the action alerts where a value rises by its own
threshold.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from statistics import stdev
from typing import Any

from pytest_energy.report.exports.selection import (
    METER_OR_COUNT,
    check_not_empty,
    counted_figures,
    method_of,
    named_results,
)
from pytest_energy.report.printable import printable
from pytest_energy.types.measurement import Measurement
from pytest_energy.types.result import Result
from pytest_energy.types.session import SessionReport
from pytest_energy.types.units import format_change, format_grams, significant


def render(reports: Sequence[SessionReport]) -> str:
    """JSON: an entry for the latest measurement of each test, or entries for what it counted.

    Args:
        reports: of one session or of several; of several machine classes the names say which.

    Raises:
        ReportError: no result of several has a figure.
        ValueError: a figure is not finite.
    """
    entries: list[dict[str, Any]] = []
    for name, report, result in named_results(reports):
        if result.measurement is not None:
            entries.append(_entry(name, report, result, result.measurement))
        else:
            entries += _counted(name, result)
    check_not_empty(entries, reports, "a figure", METER_OR_COUNT)
    return json.dumps(entries, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _counted(name: str, result: Result) -> Iterator[dict[str, Any]]:
    act = result.subject.act
    for what, number in counted_figures(result.counts).items():
        words = what.replace("_", " ")
        yield {"name": f"{name} ({words})", "unit": f"{words}/{act}", "value": number}


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
