"""Published figures as the page reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from pytest_energy.published.figure import Published, PublishedTraining, Source
from pytest_energy.published.figures import figures, trainings
from pytest_energy.published.sources import sources
from pytest_energy.types.units import kwh


@cache
def published() -> Mapping[str, Any]:
    """Sources by their keys, and their figures and trainings in joules."""
    return {
        "sources": {one.key: _source(one) for one in sources()},
        "figures": [_figure(one) for one in figures()],
        "trainings": [
            *(_training(one, "training and fine-tuning") for one in _with_fine_tuning()),
            *map(_training, trainings()),
        ],
    }


def _source(source: Source) -> dict[str, Any]:
    scope = {"node": "the whole node", "gpu": "the GPU alone"}[source.scope]
    return {
        "name": f"{source.short_title} ({source.year})",
        "words": (
            f"{source.title} ({source.year}). {_sentence(source.hardware)}; metered: {scope}."
            f" {_sentence(source.protocol)}. {_sentence(source.licence)}. {source.url}"
        ),
        "interval": source.interval,
    }


def _sentence(text: str) -> str:
    """A clause as a sentence of its own: with a capital."""
    return text[:1].upper() + text[1:]


def _figure(one: Published) -> dict[str, Any]:
    return {
        "source": one.source,
        "task": one.task,
        "dataset": one.dataset,
        "role": one.role,
        "model": one.model,
        "parameters": one.parameters,
        "joules": one.joules_per_unit,
        "interval": None if one.low is None else (one.low, one.high),
        "quality": dict(one.quality),
        "scope": one.scope,
        "unit": one.unit,
        "concurrency": one.concurrency,
        "note": one.note,
    }


def _with_fine_tuning() -> Iterator[PublishedTraining]:
    """Training and fine-tuning of a model together: what Table 5 of Luccioni et al. divides."""
    by_model: dict[tuple[str, str], dict[str, PublishedTraining]] = {}
    for one in trainings():
        by_model.setdefault((one.source, one.model), {})[one.kind] = one
    for kinds in by_model.values():
        if {"training", "fine-tuning"} <= kinds.keys():
            training = kinds["training"]
            yield replace(training, joules=training.joules + kinds["fine-tuning"].joules)


def _training(one: PublishedTraining, what: str = "") -> dict[str, Any]:
    return {
        "name": one.model,
        "model": one.model,
        "source": one.source,
        "what": what or one.kind,
        "joules": one.joules,
        "kwh": kwh(one.joules),
        "pue": None,  # as printed: what is in it is said by the note
        "scope": one.scope,
        "note": one.note,
    }
