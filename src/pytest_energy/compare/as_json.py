"""A comparison for programs. Its form is described by `compare.schema.json` beside this module."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pytest_energy.analysis.ratio import role_ratios
from pytest_energy.compare.across import Across, Row
from pytest_energy.compare.judge import Comparison, Pair
from pytest_energy.compare.runs import Run, Runs
from pytest_energy.files import shown_path
from pytest_energy.report import counts as count_words
from pytest_energy.types.codec import encode
from pytest_energy.types.counts import CountsChange
from pytest_energy.types.result import Result, Subject
from pytest_energy.types.verdict import Change
from pytest_energy.verdict.counted_energy import joules_per_inference

SCHEMA = 1
"""Version of the JSON's form."""

SCHEMA_FILE = Path(__file__).with_name("compare.schema.json")
"""The JSON Schema (draft 2020-12) of it."""


def as_json(comparison: Comparison, summary: str, exit_code: int) -> str:
    """A comparison as one JSON text.

    Args:
        comparison: of two runs.
        summary: in words.
        exit_code: of the command.
    """
    return _text(
        {
            **_head(comparison.runs),
            "judge": comparison.judge.value,
            "summary": summary,
            "exit_code": exit_code,
            "compared": comparison.compared,
            "notes": list(comparison.notes),
            "results": [_pair(pair) for pair in comparison.pairs],
            "only_in_a": _subjects(comparison.runs.gone),
            "only_in_b": _subjects(comparison.runs.new),
        }
    )


def across_as_json(found: Across, summary: str, exit_code: int) -> str:
    """Ratios and ranks as one JSON text.

    Args:
        found: of two runs.
        summary: in words.
        exit_code: of the command.
    """
    return _text(
        {
            **_head(found.runs),
            "warning": found.warning,
            "summary": summary,
            "exit_code": exit_code,
            "tables": [
                {
                    "unit": table.unit,
                    "rank_correlation": table.correlation,
                    "problem": table.problem,
                    "rows": [_row(row) for row in table.rows],
                }
                for table in found.tables
            ],
            "only_in_a": _subjects(found.runs.gone),
            "only_in_b": _subjects(found.runs.new),
        }
    )


def _text(record: dict[str, Any]) -> str:
    return json.dumps(record, indent=2, allow_nan=False) + "\n"


def _head(runs: Runs) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "plugin": version("pytest-energy"),
        "a": _run(runs.a),
        "b": _run(runs.b),
    }


def _run(run: Run) -> dict[str, Any]:
    return {
        "path": shown_path(run.path),
        "date": run.session.date,
        "commit": run.session.commit,
        "machine": run.machine,
        "judge": run.session.judge.value,
        "role_ratios": encode(role_ratios(run.session.results)),
    }


def _subjects(subjects: Sequence[Subject]) -> list[Any]:
    return [encode(subject) for subject in subjects]


def _pair(pair: Pair) -> dict[str, Any]:
    verdict = pair.after.verdict
    return {
        "subject": encode(pair.after.subject),
        "a": _figures(pair.before),
        "b": _figures(pair.after),
        "verdict": verdict.status.value,
        "reason": verdict.reason,
        "tolerance": pair.after.rule.tolerance,
        "change": _change(verdict.change),
        "quality": None if verdict.quality is None else encode(verdict.quality),
        "counts": _counts(verdict.counts),
    }


def _figures(result: Result) -> dict[str, Any]:
    measurement, counts = result.measurement, result.counts
    counted = None
    if counts is not None and counts.inferences:
        counted = joules_per_inference(counts)
    return {
        "joules_per_unit": None if measurement is None else measurement.joules_per_unit,
        "counted_joules_per_inference": counted,
    }


def _change(change: Change | None) -> dict[str, Any] | None:
    if change is None:
        return None
    names = ("value", "low", "high", "limit", "detectable", "reference_change", "flops")
    found = {name: getattr(change, name) for name in names}
    environment = list(change.environment)
    return {**found, "domains": dict(change.domains), "environment": environment}


def _counts(change: CountsChange | None) -> dict[str, Any] | None:
    if change is None:
        return None
    names = ("energy", "flops", "bytes", "calls", "python_calls", "unchanged", "samples", "problem")
    found = {name: getattr(change, name) for name in names}
    culprits = [
        {
            "module": one.module,
            "operator": one.operator,
            "share": one.share,
            "change": count_words.what_changed(one),
        }
        for one in change.culprits
    ]
    functions = [asdict(one) for one in change.functions]
    return {**found, "notes": list(change.notes), "culprits": culprits, "functions": functions}


def _row(row: Row) -> dict[str, Any]:
    was, now = row.ranks or (None, None)
    return {
        "subject": encode(row.subject),
        "a": {**_figures(row.before), "rank": was},
        "b": {**_figures(row.after), "rank": now},
        "ratio": None if row.ratio is None else encode(row.ratio),
        "reason": row.problem,
        "counts": _counts(row.counts),
    }
