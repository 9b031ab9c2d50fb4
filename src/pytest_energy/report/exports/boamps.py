"""BoAmps: reports on the energy of AI tasks, for open data (Boavizta, schemas in its `model/`).

One JSON object per line: a result's report, so that a file of a single result is such a report
itself. Energy is at the meter, without the PUE. What a session does not know is left out, and where
the schema wants a word it is `other`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pytest_energy.files import stable
from pytest_energy.report.exports.published import (
    Figure,
    boards_of,
    content_id,
    figures_of,
    moment_of,
)
from pytest_energy.report.printable import printable
from pytest_energy.types.session import SessionReport
from pytest_energy.types.units import kwh

SPECIFICATION = "https://github.com/Boavizta/BoAmps/tree/main/model"
"""Of the schemas; release 1.1.0 of March 2025 is the latest that has a number."""

DATA_TYPES = ("tabular", "audio", "image", "video", "text", "token", "word")
"""Those of the schema's that a unit or a task names."""

TEXT_TASKS = frozenset(
    {"fill-mask", "question-answering", "summarization", "token-classification", "translation"}
)
"""Hugging Face's tasks on texts whose names do not begin with that word."""


def render(reports: Sequence[SessionReport]) -> str:
    """JSON Lines: a report for the latest figure of each test of each machine class.

    Args:
        reports: of one session or of several.

    Raises:
        ReportError: no result has a figure, or the date of a session is none.
    """
    found = map(_report, figures_of(reports))
    return "".join(json.dumps(each, ensure_ascii=False, allow_nan=False) + "\n" for each in found)


def _report(figure: Figure) -> dict[str, Any]:
    report = figure.report
    content = {
        "task": _task(figure),
        "measures": [_measure(figure)],
        "system": {"os": printable(report.machine.system)},
        "software": _software(figure),
        "infrastructure": {"infraType": "other", "components": _components(figure)},
    }
    if report.carbon.is_located:
        content["environment"] = _environment(figure)
    moment = moment_of(report).isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")
    header = {
        "formatVersionSpecificationUri": SPECIFICATION,
        "reportId": str(content_id(moment, content)),
        "reportDatetime": moment,
        "reportStatus": "draft",
    }
    return {"header": header, **content}


def _task(figure: Figure) -> dict[str, Any]:
    subject = figure.subject
    algorithm: dict[str, Any] = {}
    if subject.model.strip():
        algorithm["foundationModelName"] = printable(subject.model)
    torch = figure.measurement.environment.get("torch")
    if torch:
        algorithm |= {"framework": "torch", "frameworkVersion": printable(torch)}
    found: dict[str, Any] = {
        "taskStage": "inference",
        "taskFamily": printable(subject.task),
        "nbRequest": figure.measurement.metered_count,
        "algorithms": [algorithm],
        "dataset": _datasets(figure),
        "taskDescription": _description(figure),
    }
    if figure.training is not None:
        found |= {"taskStage": "training", "nbRequest": 0}
    accuracy = figure.qualities.get("accuracy")
    if accuracy is not None and 0 <= accuracy <= 1:
        found["measuredAccuracy"] = accuracy
    return found


def _description(figure: Figure) -> str:
    dataset = printable(figure.subject.dataset)
    return f"{figure.key}; data set: {dataset}" if dataset else figure.key


def _datasets(figure: Figure) -> list[dict[str, Any]]:
    """What goes in, by the task's name, and what comes out, where it is the unit."""
    found: list[dict[str, Any]] = [{"dataUsage": "input", "dataType": _input(figure.subject.task)}]
    unit = figure.subject.unit
    if figure.training is None and unit in DATA_TYPES:
        each = figure.measurement.unit_count / figure.measurement.metered_count
        found.append({"dataUsage": "output", "dataType": unit, "dataQuantity": stable(each)})
    return found


def _input(task: str) -> str:
    """The type of a task's input, of Hugging Face's names: `image` of `image-classification`."""
    first = task.partition("-")[0]
    if task in TEXT_TASKS or first == "text2text":
        return "text"
    if task == "automatic-speech-recognition":
        return "audio"
    return first if "-" in task and first in DATA_TYPES else "other"


def _measure(figure: Figure) -> dict[str, Any]:
    measurement, training = figure.measurement, figure.training
    joules, seconds = measurement.joules, measurement.seconds
    method = f"pytest-energy: {figure.method}"
    if training is not None and figure.result.training_run is not None:
        joules, seconds = training.joules, training.seconds * figure.result.training_run.runs
        method += f"; {figure.what}"
    found: dict[str, Any] = {
        "measurementMethod": method,
        "powerConsumption": stable(kwh(joules)),
        "measurementDuration": stable(seconds),
    }
    for kind in ("cpu", "gpu"):
        domains = [measurement.domains[i] for i in measurement.gated]
        sources = [printable(domain.source).lower() for domain in domains if domain.kind == kind]
        if sources:
            found[f"{kind}TrackingMode"] = ", ".join(dict.fromkeys(sources))
    return found


def _software(figure: Figure) -> dict[str, Any]:
    python = figure.measurement.environment.get("python")
    return {"language": "python"} | ({"version": printable(python)} if python else {})


def _components(figure: Figure) -> list[dict[str, Any]]:
    """CPUs as codecarbon counts them for this format, by hardware threads; boards by model."""
    machine = figure.report.machine
    cpu = {
        "componentType": "cpu",
        "componentName": printable(machine.cpu),
        "nbComponent": machine.logical_cpus,
    }
    boards = [
        {"componentType": "gpu", "componentName": model, "nbComponent": number}
        for model, number in boards_of(machine).items()
    ]
    return [cpu, *boards]


def _environment(figure: Figure) -> dict[str, Any]:
    """The grid, whose place is a country, or a region and its country behind a comma."""
    carbon = figure.report.carbon
    region, comma, country = printable(carbon.place).rpartition(", ")
    found: dict[str, Any] = {"country": country}
    if comma:
        found["location"] = region
    return found | {"powerSourceCarbonIntensity": carbon.grams_per_kwh}
