"""One row per result, for spreadsheets and data frames."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytest_energy.report.exports.selection import (
    all_results,
    counted_figures,
    method_of,
)
from pytest_energy.report.printable import printable
from pytest_energy.types.latency import Latency
from pytest_energy.types.result import Result
from pytest_energy.types.session import SessionReport
from pytest_energy.verdict.counted_energy import joules_per_inference

COLUMNS = (
    *("date", "commit", "machine", "test", "region", "task", "model", "dataset", "role"),
    *("unit", "n", "metered_count", "unit_count", "verdict", "reason", "outcome", "method"),
    *("joules_per_unit", "kwh_per_1000", "gco2e_per_1000", "seconds_per_unit", "watts"),
    *("compared_joules_per_unit", "change", "change_low", "change_high", "limit", "detectable"),
    *("sessions", "base", "flops", "counted_change", "grams_per_kwh", "pue", "recorded"),
    *("counted_joules", "bytes", "operator_calls", "python_calls", "concurrency"),
    *("latency_median_seconds", "latency_p95_seconds", "first_token_median_seconds"),
    *("first_token_p95_seconds", "per_token_median_seconds", "per_token_p95_seconds"),
)
"""Units are in the names; changes are fractions, `n` and the counts are of inferences or steps,
`flops` and what stands behind `recorded`, a JSON object, is per inference or step; `method` is that
of `joules_per_unit`, and what was counted is exact."""

_FORMULA = ("=", "+", "-", "@")
"""How a text begins that a spreadsheet would compute."""


def cell(value: object) -> object:
    """A value as a cell: printable, and no formula, which an apostrophe in front prevents.

    Args:
        value: a text, a number or None.
    """
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def render(reports: Sequence[SessionReport]) -> str:
    """The table as RFC 4180 has it, but for line feeds: a heading, and a row per result.

    Args:
        reports: of one session or of several, in the order of their rows.
    """
    pairs = all_results(reports)
    return table_of(COLUMNS, ({**_of_session(one), **_of_result(one, each)} for one, each in pairs))


def table_of(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """CSV text: a heading and the rows, each value as `cell` has it.

    Args:
        columns: names, in their order.
        rows: by column; what is left out is empty.

    Raises:
        ValueError: a row has what is no column.
    """
    out = io.StringIO()
    written = csv.DictWriter(out, columns, restval="", lineterminator="\n")
    written.writeheader()
    for row in rows:
        written.writerow({name: cell(value) for name, value in row.items()})
    return out.getvalue()


def _of_session(report: SessionReport) -> dict[str, Any]:
    return {
        "date": report.date,
        "commit": report.commit,
        "machine": report.machine.slug,
        "grams_per_kwh": report.carbon.grams_per_kwh,
        "pue": report.carbon.pue,
    }


def _of_result(report: SessionReport, result: Result) -> dict[str, Any]:
    subject, verdict, measurement = result.subject, result.verdict, result.measurement
    change, paired, counts = verdict.change, verdict.paired, verdict.counts
    names = ("test", "region", "task", "model", "dataset", "role", "unit", "n", "concurrency")
    row: dict[str, Any] = {name: getattr(subject, name) for name in names}
    row |= {
        "verdict": verdict.status.value,
        "reason": verdict.reason,
        "outcome": report.outcomes.get(subject.test),
        "base": paired.label if paired is not None else None,
        "counted_change": counts.energy if counts is not None else None,
    }
    if result.counts is not None and result.counts.inferences:
        row |= counted_figures(result.counts)
        row["counted_joules"] = joules_per_inference(result.counts)
    if measurement is not None:
        row |= {
            "metered_count": measurement.metered_count,
            "unit_count": measurement.unit_count,
            "method": method_of(measurement),
            "joules_per_unit": measurement.joules_per_unit,
            "kwh_per_1000": measurement.kwh_per_1000,
            "gco2e_per_1000": report.carbon.grams_per_1000(measurement.joules_per_unit),
            "seconds_per_unit": measurement.seconds_per_unit,
            "watts": measurement.watts,
            "recorded": json.dumps(dict(measurement.recorded or {}), sort_keys=True),
        }
        if measurement.latency is not None:
            row |= _of_latency(measurement.latency)
        if measurement.flops is not None:
            row["flops"] = measurement.flops.count
    if change is not None:
        row |= {
            "compared_joules_per_unit": change.joules,
            "change": change.value,
            "change_low": change.low,
            "change_high": change.high,
            "limit": change.limit,
            "detectable": change.detectable,
            "sessions": change.sessions,
        }
    return row


def _of_latency(latency: Latency) -> dict[str, float]:
    parts = (
        ("latency", latency.inference),
        ("first_token", latency.first_token),
        ("per_token", latency.per_token),
    )
    row = {}
    for name, one in parts:
        if one is not None:
            row[f"{name}_median_seconds"] = one.median_seconds
            row[f"{name}_p95_seconds"] = one.p95_seconds
    return row
