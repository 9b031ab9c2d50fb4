"""Every measurement and verdict of a session as one JSON file.

Its form is described by `energy-report.schema.json` beside this module.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pytest_energy.baseline_file import shown_path
from pytest_energy.baselines import replace_file
from pytest_energy.carbon import Carbon
from pytest_energy.ledger import Ledger, git_commit, utc_now
from pytest_energy.measurement import Result
from pytest_energy.records import to_record
from pytest_energy.session import EnergySession

SCHEMA = 1
"""Version of the report's form."""

SCHEMA_FILE = Path(__file__).with_name("energy-report.schema.json")
"""The JSON Schema (draft 2020-12) that every report fits."""


def report(ledger: Ledger, session: EnergySession, root: Path) -> dict[str, Any]:
    """The report as JSON-able values.

    Args:
        ledger: the results, pytest's outcomes and what was stored.
        session: machine class and carbon intensity.
        root: the project's folder, for the commit.
    """
    carbon = session.carbon
    seconds, joules = ledger.gate_cost
    return {
        "schema": SCHEMA,
        "plugin": version("pytest-energy"),
        "date": utc_now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        "commit": git_commit(root),
        "machine": session.machine.describe(),
        "carbon": asdict(carbon),
        "gate": {"seconds": seconds, "joules": joules},
        "results": [
            _result(result, ledger.outcomes.get(result.subject.test), ledger.stored, carbon)
            for result in ledger.results
        ],
    }


def _result(
    result: Result, outcome: str | None, stored: Mapping[str, str], carbon: Carbon
) -> dict[str, Any]:
    record = to_record(result)
    record["outcome"] = outcome
    record["stored"] = stored.get(result.subject.key)
    measurement = result.measurement
    if measurement is not None:
        measured = record["measurement"]
        measured["blocks"] = [
            {"n": n, "seconds": seconds, "joules": joules}
            for n, seconds, joules in measured["blocks"]
        ]
        for domain, joules in zip(measured["domains"], measurement.domain_joules, strict=True):
            domain["joules"] = joules
        measured |= {
            "joules_per_unit": measurement.joules_per_unit,
            "kwh_per_1000": measurement.kwh_per_1000,
            "gco2e_per_1000": carbon.grams(measurement.joules_per_unit) * 1000,
            "seconds": measurement.seconds,
            "seconds_per_unit": measurement.seconds_per_unit,
            "watts": measurement.watts,
        }
    verdict = record["verdict"]
    verdict["domain_changes"] = dict(result.verdict.domain_changes)
    return record


def write_report(path: Path, ledger: Ledger, session: EnergySession, root: Path) -> list[str]:
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
