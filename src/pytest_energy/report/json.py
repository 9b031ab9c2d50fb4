"""Every measurement and verdict of a session as one JSON file.

Its form is described by `energy-report.schema.json` beside this module.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from pytest_energy.analysis.ratio import role_ratios
from pytest_energy.files import shown_path, stable, write_output
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


def _head(report: SessionReport) -> dict[str, Any]:
    """What is of the whole session."""
    return {
        "schema": SCHEMA,
        "plugin": version("pytest-energy"),
        "date": report.date,
        "commit": report.commit,
        "machine": report.machine.describe(),
        "carbon": encode(report.carbon),
        "overhead": encode(report.overhead),
        "base": encode(report.base),
        "judge": report.judge.value,
        "notices": list(report.notices),
        "unrun": encode(report.unrun),
        "role_ratios": encode(role_ratios(report.results)),
    }


def _results(report: SessionReport, blocks: bool) -> Iterator[dict[str, Any]]:
    """One result after the other: thousands of them with their blocks fill a small memory."""
    for result in report.results:
        yield _result(result, report, blocks) if blocks else _short(_result(result, report, blocks))


def _result(result: Result, report: SessionReport, blocks: bool) -> dict[str, Any]:
    record: dict[str, Any] = encode(result if blocks else _without_blocks(result))
    for name, measured in (("measurement", result.measurement), ("base", result.base)):
        if measured is not None:
            record[name] |= _derived(record[name], measured, report.carbon)
    record["training_cost"] = training.record(result, report.results, report.carbon)
    record["outcome"] = report.outcomes.get(result.subject.test)
    record["stored"] = report.stored.get(result.subject.key)
    return record


def _without_blocks(result: Result) -> Result:
    bare = (one and replace(one, blocks=()) for one in (result.measurement, result.base))
    measurement, base = bare
    return replace(result, measurement=measurement, base=base)


_AS_RECORDED = frozenset({"unit_count", "recorded"})
"""Members whose numbers are the test's own."""


def _short(record: dict[str, Any]) -> dict[str, Any]:
    """A result without its blocks, its numbers rounded to what a meter resolves."""
    for measured in (record["measurement"], record["base"]):
        if measured is not None:
            del measured["blocks"]
            reference = measured["reference"]
            if reference is not None and reference["joules"]:
                reference["joules"] = [median(reference["joules"])]
    rounded: dict[str, Any] = _rounded(record)
    return rounded


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return stable(value)
    if isinstance(value, list):
        return [_rounded(member) for member in value]
    if isinstance(value, dict):
        return {
            name: member if name in _AS_RECORDED else _rounded(member)
            for name, member in value.items()
        }
    return value


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
        "gco2e_per_1000": carbon.grams_per_1000(measured.joules_per_unit),
        "seconds": measured.seconds,
        "seconds_per_unit": measured.seconds_per_unit,
        "watts": measured.watts,
    }


def render(report: SessionReport, blocks: bool) -> str:
    """The report as JSON: the session's members one a line, and each result one line.

    Args:
        report: of the session.
        blocks: whether with the blocks of every measurement, and all digits; else without, and
            numbers of results have six significant digits.

    Raises:
        ValueError: a figure is not finite.
    """
    dumps = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
    lines = [f'  "{name}": {dumps(member)}' for name, member in _head(report).items()]
    results = ",\n    ".join(map(dumps, _results(report, blocks)))
    lines.append(f'  "results": [\n    {results}\n  ]' if results else '  "results": []')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def write_report(path: Path, report: SessionReport, blocks: bool = False) -> list[str]:
    """Write the report to a file, or into a device or a FIFO.

    Args:
        path: of the file; its folder is made.
        report: of the session.
        blocks: as in `render`.

    Returns:
        What went wrong, for people; the tests' results stand.
    """
    try:
        text = render(report, blocks)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_output(path, text)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        return [f"--energy-json: {shown_path(path)}: {why}; the report was not written"]
    return []
