"""Every measurement and verdict of a session as one JSON file.

Its form is described by `energy-report.schema.json` beside this module.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pytest_energy.files import replace_file, shown_path
from pytest_energy.gate.results_log import ResultsLog, git_commit, utc_now
from pytest_energy.gate.session import EnergySession
from pytest_energy.report import training
from pytest_energy.types.carbon import Carbon
from pytest_energy.types.codec import to_record
from pytest_energy.types.measurement import Measurement
from pytest_energy.types.result import Result

SCHEMA = 1
"""Version of the report's form."""

SCHEMA_FILE = Path(__file__).with_name("energy-report.schema.json")
"""The JSON Schema (draft 2020-12) that every report fits."""


def report(ledger: ResultsLog, session: EnergySession, root: Path) -> dict[str, Any]:
    """The report as JSON-able values.

    Args:
        ledger: the results, pytest's outcomes and what was stored.
        session: machine class and carbon intensity.
        root: the project's folder, for the commit.
    """
    carbon, results = session.carbon, ledger.results
    seconds, joules = ledger.gate_cost
    return {
        "schema": SCHEMA,
        "plugin": version("pytest-energy"),
        "date": utc_now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        "commit": git_commit(root),
        "machine": session.machine.describe(),
        "carbon": asdict(carbon),
        "gate": {"seconds": seconds, "joules": joules},
        "against": session.against
        and {"base": session.against.label, "only_base": session.against.only_base},
        "results": [
            _result(
                result, results, ledger.outcomes.get(result.subject.test), ledger.stored, carbon
            )
            for result in results
        ],
    }


def _result(
    result: Result,
    results: Sequence[Result],
    outcome: str | None,
    stored: Mapping[str, str],
    carbon: Carbon,
) -> dict[str, Any]:
    record = to_record(result)
    for name, measured in (("measurement", result.measurement), ("base", result.base)):
        if measured is not None:
            record[name] |= _filled(record[name], measured, carbon)
    record["training_cost"] = training.record(result, results, carbon)
    record["outcome"] = outcome
    record["stored"] = stored.get(result.subject.key)
    verdict = record["verdict"]
    verdict["domain_changes"] = dict(result.verdict.domain_changes)
    return record


def _filled(record: dict[str, Any], measured: Measurement, carbon: Carbon) -> dict[str, Any]:
    """What a report says of a measurement beyond what travels between processes."""
    joules = measured.domain_joules
    return {
        "blocks": [{"n": n, "seconds": s, "joules": each} for n, s, each in record["blocks"]],
        "domains": [
            {**domain, "joules": of_it}
            for domain, of_it in zip(record["domains"], joules, strict=True)
        ],
        "joules_per_unit": measured.joules_per_unit,
        "kwh_per_1000": measured.kwh_per_1000,
        "gco2e_per_1000": carbon.grams(measured.joules_per_unit) * 1000,
        "seconds": measured.seconds,
        "seconds_per_unit": measured.seconds_per_unit,
        "watts": measured.watts,
    }


def write_report(path: Path, ledger: ResultsLog, session: EnergySession, root: Path) -> list[str]:
    """Write the report to a file.

    Returns:
        What went wrong, for people; the tests' results stand.
    """
    try:
        text = json.dumps(report(ledger, session, root), indent=2, allow_nan=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, f"{text}\n")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        return [f"--energy-json: {shown_path(path)}: {why}; the report was not written"]
    return []
