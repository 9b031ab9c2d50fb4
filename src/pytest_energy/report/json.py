"""Every measurement and verdict of a session as one JSON file.

Its form is described by `energy-report.schema.json` beside this module.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pytest_energy.analysis.ratio import role_ratios
from pytest_energy.files import replace_file, shown_path
from pytest_energy.report import training
from pytest_energy.types.carbon import Carbon
from pytest_energy.types.codec import encode
from pytest_energy.types.measurement import Measurement
from pytest_energy.types.result import Result
from pytest_energy.types.session import SessionReport

SCHEMA = 2
"""Version of the report's form."""

SCHEMA_FILE = Path(__file__).with_name("energy-report.schema.json")
"""The JSON Schema (draft 2020-12) that every report fits."""


def record_of(report: SessionReport) -> dict[str, Any]:
    """The report as JSON-able values.

    Args:
        report: of the session.
    """
    return {
        "schema": SCHEMA,
        "plugin": version("pytest-energy"),
        "date": report.date,
        "commit": report.commit,
        "machine": report.machine.describe(),
        "carbon": encode(report.carbon),
        "overhead": encode(report.overhead),
        "base": encode(report.base),
        "notices": list(report.notices),
        "role_ratios": encode(role_ratios(report.results)),
        "results": [_result(result, report) for result in report.results],
    }


def _result(result: Result, report: SessionReport) -> dict[str, Any]:
    record: dict[str, Any] = encode(result)
    for name, measured in (("measurement", result.measurement), ("base", result.base)):
        if measured is not None:
            record[name] |= _derived(record[name], measured, report.carbon)
    record["training_cost"] = training.record(result, report.results, report.carbon)
    record["outcome"] = report.outcomes.get(result.subject.test)
    record["stored"] = report.stored.get(result.subject.key)
    return record


def _derived(record: dict[str, Any], measured: Measurement, carbon: Carbon) -> dict[str, Any]:
    """What a report says of a measurement beyond what travels between processes."""
    return {
        "recorded": dict(measured.recorded or {}),
        "domains": [
            {**domain, "joules": joules}
            for domain, joules in zip(record["domains"], measured.domain_joules, strict=True)
        ],
        "joules_per_unit": measured.joules_per_unit,
        "kwh_per_1000": measured.kwh_per_1000,
        "gco2e_per_1000": carbon.grams(measured.joules_per_unit) * 1000,
        "seconds": measured.seconds,
        "seconds_per_unit": measured.seconds_per_unit,
        "watts": measured.watts,
    }


def write_report(path: Path, report: SessionReport) -> list[str]:
    """Write the report to a file.

    Args:
        path: of the file; its folder is made.
        report: of the session.

    Returns:
        What went wrong, for people; the tests' results stand.
    """
    try:
        text = json.dumps(record_of(report), indent=2, allow_nan=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, f"{text}\n")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        return [f"--energy-json: {shown_path(path)}: {why}; the report was not written"]
    return []
