"""The metadata of a Hugging Face model card: `co2_eq_emissions` of a training, `model-index`.

Fields are those of the Hub's documentation (docs/hub/model-cards-co2.md, modelcard.md) and of
`EvalResult` (huggingface_hub 2.4, `repocard_data.py`). The Hub has no field for the energy of
inference: it is a metric of a result. What the sessions do not know, as whether a training is
pre-training or fine-tuning, is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_energy.files import stable
from pytest_energy.report.exports.published import (
    Figure,
    by_model,
    figures_of,
    hardware,
    plain,
)
from pytest_energy.report.printable import printable
from pytest_energy.types.reporter import ReportError
from pytest_energy.types.result import some_names
from pytest_energy.types.session import SessionReport
from pytest_energy.types.units import kwh

PLAIN_IN_PYTHON = (1e-4, 1e16)
"""From the first on and below the second Python writes a number without an exponent."""


def render(reports: Sequence[SessionReport]) -> str:
    """The head of a model's README.md: YAML between two lines of `---`.

    Args:
        reports: of one session or of several, all of the same model.

    Raises:
        ReportError: there are results of several models, or none that has a figure.
    """
    models = by_model(figures_of(reports))
    if len(models) > 1:
        raise ReportError(
            f"a model card is of one model, and there are {len(models):,} here"
            f" ({some_names(list(models))}); write one after the other: pytest-energy report"
            " RUN.json --model NAME --to model-card=PATH"
        )
    lines: list[str] = []
    for name, figures in models.items():
        lines += _emissions([each for each in figures if each.training is not None])
        inferences = [each for each in figures if each.training is None]
        if inferences:
            index = [{"name": name, "results": list(map(_result, inferences))}]
            lines += _yaml({"model-index": index})
    return "\n".join(["---", *(lines or ["{}"]), "---"]) + "\n"


def _emissions(trainings: Sequence[Figure]) -> Iterator[str]:
    """Of the one training that there is: a card has room for one, and their sum may be wrong."""
    if len(trainings) == 1:
        yield from _yaml({"co2_eq_emissions": _of_training(trainings[0])})
    elif trainings:
        number = f"{len(trainings):,}"
        yield f"# co2_eq_emissions is left out: there are {number} trainings of this model."
        yield "# Write the one that made it, or their sum; in grams of CO2e:"
        for each in trainings:
            yield f"#   {plain(each.grams)} {each.key} ({hardware(each.report.machine)})"


def _of_training(figure: Figure) -> dict[str, Any]:
    carbon = figure.report.carbon
    found: dict[str, Any] = {
        "emissions": _readable_number(figure.grams),
        "source": f"pytest-energy: {figure.what}; {figure.method}; {printable(carbon.label)}",
    }
    if carbon.is_located:
        found["geographical_location"] = printable(carbon.place)
    return found | {"hardware_used": hardware(figure.report.machine)}


def _readable_number(value: float) -> float | str:
    """A number that huggingface_hub's filter by emissions reads as it is.

    That looks for digits in what Python makes of the number (`utils/endpoint_helpers.py`): of 2e-05
    it finds 2, whatever way it was written. As a text it stays as it was written.
    """
    least, limit = PLAIN_IN_PYTHON
    return value if least <= value < limit or value == 0 else plain(value)


def _result(figure: Figure) -> dict[str, Any]:
    subject = figure.subject
    # A metric is told from others of the same task and data set by its name alone.
    of = f"{figure.key}; {figure.report.machine.slug}"
    watt_hours = stable(kwh(figure.joules) * 1000)
    names = {
        "energy": (watt_hours, f"Wh per {figure.what}: {of}; {figure.method}"),
        "co2_eq_emissions": (
            figure.grams,
            f"gCO2e per {figure.what}: {of}; {printable(figure.report.carbon.label)}",
        ),
    }
    over = f"over {figure.measurement.metered_count:,} inferences: {of}"
    names |= {name: (value, f"{name} {over}") for name, value in figure.qualities.items()}
    samples = f"samples of {printable(subject.test)}"
    dataset = printable(subject.dataset.strip())
    return {
        "task": {"type": printable(subject.task.strip()) or "other"},
        # Both are required: without a name the data set is what the test feeds the model.
        "dataset": {"type": dataset or "test-samples", "name": dataset or samples},
        "metrics": [
            {"type": kind, "value": value, "name": name} for kind, (value, name) in names.items()
        ],
    }


def _yaml(value: Mapping[str, Any] | Sequence[Mapping[str, Any]], depth: int = 0) -> Iterator[str]:
    """Lines of YAML: texts in double quotes, where what JSON escapes means the same."""
    indent = "  " * depth
    if isinstance(value, Mapping):
        for name, member in value.items():
            if isinstance(member, Mapping | list):
                yield f"{indent}{name}:"
                yield from _yaml(member, depth + 1)
            else:
                yield f"{indent}{name}: {_scalar(member)}"
        return
    for member in value:
        first, *others = _yaml(member, depth + 1)
        yield f"{indent}- {first.strip()}"
        yield from others


def _scalar(value: float | str) -> str:
    # What is printable has no character that YAML cannot have, and none that must be escaped.
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else plain(value)
