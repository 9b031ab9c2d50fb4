"""CycloneDX 1.6: models as components whose model card has energy and CO2e.

Fields are those of `modelCard.considerations.environmentalConsiderations` (bom-1.6.schema.json; 1.7
has the same). The schema's only units are kWh and tCO2eq. Energy is at the meter; CO2e has the PUE.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytest_energy.files import stable
from pytest_energy.report.exports.published import (
    Figure,
    by_model,
    content_id,
    figures_of,
    latest_date,
    plain,
)
from pytest_energy.report.printable import printable
from pytest_energy.types.session import SessionReport

SPECIFICATION = "1.6"
"""Version that is written; readers of 1.7 read it."""

GRAMS_PER_TONNE = 1e6
"""Exact."""


def render(reports: Sequence[SessionReport]) -> str:
    """A bill of materials with a component for each model.

    Args:
        reports: of one session or of several.

    Raises:
        ReportError: no result has a figure, or the date of a session is none.
    """
    models = by_model(figures_of(reports))
    content = {
        "metadata": {
            "timestamp": latest_date(reports),
            "tools": {"components": [{"type": "application", "name": "pytest-energy"}]},
        },
        "components": [_component(name, figures) for name, figures in models.items()],
    }
    head = {
        "bomFormat": "CycloneDX",
        "specVersion": SPECIFICATION,
        "serialNumber": f"urn:uuid:{content_id(content)}",
        "version": 1,
    }
    return json.dumps(head | content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _component(name: str, figures: Sequence[Figure]) -> dict[str, Any]:
    card: dict[str, Any] = {}
    parameters = _parameters(figures)
    if parameters:
        card["modelParameters"] = parameters
    metrics = [
        {"type": quality, "value": plain(value), "slice": figure.key}
        for figure in figures
        for quality, value in figure.qualities.items()
    ]
    if metrics:
        card["quantitativeAnalysis"] = {"performanceMetrics": metrics}
    consumptions = list(map(_consumption, figures))
    card["considerations"] = {"environmentalConsiderations": {"energyConsumptions": consumptions}}
    return {
        "type": "machine-learning-model",
        "bom-ref": str(content_id(name)),
        "name": name,
        "modelCard": card,
    }


def _parameters(figures: Sequence[Figure]) -> dict[str, Any]:
    """The task, where there is one: the schema has room for one; and the data sets."""
    tasks = _distinct(figure.subject.task for figure in figures)
    datasets = _distinct(figure.subject.dataset for figure in figures)
    found: dict[str, Any] = {"task": tasks[0]} if len(tasks) == 1 else {}
    if datasets:
        found["datasets"] = [{"type": "dataset", "name": name} for name in datasets]
    return found


def _distinct(names: Iterable[str]) -> list[str]:
    return [name for name in dict.fromkeys(map(printable, names)) if name]


def _consumption(figure: Figure) -> dict[str, Any]:
    return {
        "activity": "inference" if figure.training is None else "training",
        # Required, and not known: who provides the energy.
        "energyProviders": [],
        "activityEnergyCost": {"value": figure.kwh, "unit": "kWh"},
        "co2CostEquivalent": {"value": stable(figure.grams / GRAMS_PER_TONNE), "unit": "tCO2eq"},
        "properties": [
            {"name": f"pytest-energy:{name}", "value": value}
            for name, value in _properties(figure).items()
        ],
    }


def _properties(figure: Figure) -> Mapping[str, str]:
    report, subject = figure.report, figure.subject
    found = {
        "of": figure.what,
        "test": figure.key,
        "task": printable(subject.task),
        "method": figure.method,
        "machine": report.machine.slug,
        "date": printable(report.date),
        "commit": printable(report.commit or ""),
        "grid": printable(report.carbon.label),
        "pue": plain(report.carbon.pue),
    }
    return {name: value for name, value in found.items() if value}
