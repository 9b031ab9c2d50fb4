"""One published figure, in the units in which a project's own results are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Scope = Literal["node", "gpu"]
"""What was metered: `node` the whole computer, its idle GPUs too; `gpu` the GPU alone."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where figures were published, and how they came about.

    Args:
        key: as in `Published.source`: `luccioni2024`.
        short_title: where there is little room.
        title: of the paper or leaderboard, with its authors.
        year: of publication.
        hardware: that the figures are of.
        scope: what was metered.
        protocol: what one inference was and how it was metered, in a sentence or two.
        interval: what `low` and `high` of its figures are; empty where it has none.
        licence: of the data, and how to cite them.
        url: where they were published.
    """

    key: str
    short_title: str
    title: str
    year: int
    hardware: str
    scope: Scope
    protocol: str
    interval: str
    licence: str
    url: str


@dataclass(frozen=True, slots=True)
class Published:
    """The energy of one model on one task, as a source gives it.

    Figures of different scopes are not comparable: a node has idle GPUs, CPU and memory in it.

    Args:
        source: key of its `Source`.
        task: as Hugging Face's pipelines call it: `text-generation`.
        dataset: as the source calls it; empty where it states none.
        role: `task-specific` or `general-purpose`; empty where the source does not say.
        model: as the source calls it.
        parameters: of the model; None where the source does not say.
        joules_per_unit: of the scope.
        low, high: bounds of the source's repeats, as `Source.interval` says; None without repeats.
        seconds_per_unit: None where the source does not say.
        quality: measures by name, as `accuracy`, `f1`, `rouge`, 0 to 1; empty without any.
        scope: what was metered.
        hardware: that it ran on.
        unit: what the joules are divided by: `inference` (a request, an image, a video) or `token`.
        concurrency: requests that the server had at a time at most, or the batch size; None where
            the source does not say.
        note: what else a reader should know, as the precision; may be empty.
    """

    source: str
    task: str
    dataset: str
    role: str
    model: str
    parameters: float | None
    joules_per_unit: float
    low: float | None
    high: float | None
    seconds_per_unit: float | None
    scope: Scope
    hardware: str
    unit: str = "inference"
    concurrency: int | None = None
    note: str = ""
    quality: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PublishedTraining:
    """What training a model took, as a source gives it; for a break-even with inference.

    Args:
        source: key of its `Source`.
        model: as on the hub where the source's inferences are of it, else as printed.
        kind: `training` or `fine-tuning`.
        joules: of the scope.
        scope: what was metered.
        hardware: as printed; empty where it is not.
        note: what else a reader should know; may be empty.
    """

    source: str
    model: str
    kind: Literal["training", "fine-tuning"]
    joules: float
    scope: Scope
    hardware: str = ""
    note: str = ""
