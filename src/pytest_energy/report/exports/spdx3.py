"""SPDX 3.0.1: models as AI packages with the energy of their inference and training.

Classes and properties are those of the AI profile (spdx.github.io/spdx-spec/v3.0.1/model/AI). The
document does not claim to conform to that profile, which wants a supplier, a version, a licence and
a place to download from as well: it is a part of your bill of materials, to be merged into it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

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

CONTEXT = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"

_CREATION = "_:creation"


def render(reports: Sequence[SessionReport]) -> str:
    """JSON-LD: a document with a package for each model.

    Args:
        reports: of one session or of several.

    Raises:
        ReportError: no result has a figure, or the date of a session is none.
    """
    date = latest_date(reports)
    packages = [_package(date, name, of) for name, of in by_model(figures_of(reports)).items()]
    tool = _element(date, "SoftwareAgent", "pytest-energy")
    document = _element(
        date,
        "SpdxDocument",
        "energy of models, measured by pytest-energy",
        profileConformance=["core", "software"],
        rootElement=[package["spdxId"] for package in packages] or [tool["spdxId"]],
        element=[tool["spdxId"], *(package["spdxId"] for package in packages)],
    )
    creation = {
        "type": "CreationInfo",
        "@id": _CREATION,
        "specVersion": "3.0.1",
        "created": date,
        "createdBy": [tool["spdxId"]],
    }
    graph = [creation, tool, document, *packages]
    return json.dumps({"@context": CONTEXT, "@graph": graph}, indent=1, ensure_ascii=False) + "\n"


def _element(date: str, kind: str, name: str, **members: Any) -> dict[str, Any]:
    """An element; its identity follows from what is in it, and from when it was created."""
    content = {"type": kind, "name": name, "creationInfo": _CREATION, **members}
    return {"spdxId": f"urn:uuid:{content_id(date, content)}", **content}


def _package(date: str, name: str, figures: Sequence[Figure]) -> dict[str, Any]:
    energy: dict[str, Any] = {"type": "ai_EnergyConsumption"}
    for figure in figures:
        stage = "inference" if figure.training is None else "training"
        energy.setdefault(f"ai_{stage}EnergyConsumption", []).append(
            {
                "type": "ai_EnergyConsumptionDescription",
                "ai_energyQuantity": plain(figure.kwh),
                "ai_energyUnit": "kilowattHour",
            }
        )
    members: dict[str, Any] = {
        "software_primaryPurpose": "model",
        "comment": "\n".join(["Measured by pytest-energy, at the meter:", *map(_line, figures)]),
        "ai_energyConsumption": energy,
    }
    tasks = list(dict.fromkeys(printable(figure.subject.task) for figure in figures))
    if any(tasks):
        members["ai_domain"] = [task for task in tasks if task]
    metrics = [
        {"type": "DictionaryEntry", "key": f"{quality}, {figure.key}", "value": plain(value)}
        for figure in figures
        for quality, value in figure.qualities.items()
    ]
    if metrics:
        members["ai_metric"] = metrics
    return _element(date, "ai_AIPackage", name, **members)


def _line(figure: Figure) -> str:
    """What a quantity is of: a description of energy has no words of its own."""
    of = f"of {figure.what}" if figure.training is not None else f"per {figure.what}"
    return f"{plain(figure.kwh)} kWh {of}: {figure.key}; {figure.method}; {_place(figure)}"


def _place(figure: Figure) -> str:
    commit = figure.report.commit
    at = f"; commit {printable(commit)}" if commit else ""
    return f"{figure.report.machine.slug}; {printable(figure.report.date)}{at}"
