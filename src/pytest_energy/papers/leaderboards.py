"""What leaderboards have published, in the papers' tables: by task, by model, by concurrency.

Their figures are of the GPU alone; Luccioni et al.'s are of a whole node, and of older hardware.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from pytest_energy.published.figure import Published
from pytest_energy.published.figures import figures
from pytest_energy.published.sources import AI_ENERGY_SCORE, ML_ENERGY
from pytest_energy.types.units import kwh


@dataclass(frozen=True, slots=True)
class TaskFigures:
    """What a source has of a task, at its lowest concurrency.

    Args:
        task: as Hugging Face's pipelines call it.
        source: key of its `Source`.
        dataset: as the source calls it, where its data sets ask for answers of other lengths; else
            empty, and a model stands for the mean of its data sets.
        models: how many.
        concurrency: requests at a time, or the batch size, of these figures.
        median_kwh_per_1000, least_kwh_per_1000, most_kwh_per_1000: over the models, in
            kilowatt-hours per 1,000 inferences.
    """

    task: str
    source: str
    dataset: str
    models: int
    concurrency: int
    median_kwh_per_1000: float
    least_kwh_per_1000: float
    most_kwh_per_1000: float


def by_task() -> list[TaskFigures]:
    """Energy per inference of each task, source by source."""
    found: dict[tuple[str, str, str], dict[int, dict[str, list[float]]]] = {}
    for one in figures():
        if one.unit == "inference" and one.concurrency is not None:
            dataset = one.dataset if one.source == ML_ENERGY.key else ""
            of_task = found.setdefault((one.task, one.source, dataset), {})
            of_model = of_task.setdefault(one.concurrency, {})
            of_model.setdefault(one.model, []).append(kwh(1000 * one.joules_per_unit))
    rows = []
    for (task, source, dataset), of_task in sorted(found.items()):
        concurrency = min(of_task)
        means = [fmean(each) for each in of_task[concurrency].values()]
        spread = (median(means), min(means), max(means))
        rows.append(TaskFigures(task, source, dataset, len(means), concurrency, *spread))
    return rows


@dataclass(frozen=True, slots=True)
class PerToken:
    """Joules per token of output, by concurrency, of one model on one data set.

    Args:
        task: as Hugging Face's pipelines call it.
        dataset: as the source calls it.
        model: as the source calls it.
        note: precision of the weights.
        joules: per token, by the most requests at a time that the server had; the mean where that
            was measured several times.
    """

    task: str
    dataset: str
    model: str
    note: str
    joules: dict[int, float]

    @property
    def least(self) -> float:
        """Joules per token at the concurrency where they are least."""
        return min(self.joules.values())

    @property
    def times(self) -> float:
        """How many times the least the lowest concurrency takes."""
        return self.joules[min(self.joules)] / self.least


def per_token() -> list[PerToken]:
    """ML.ENERGY's figures per token, model by model."""
    found: dict[tuple[str, str, str, str], dict[int, list[float]]] = {}
    for one in figures():
        if one.source != ML_ENERGY.key or one.unit != "token" or one.concurrency is None:
            continue
        precision = one.note.partition(",")[0]
        joules = found.setdefault((one.dataset, one.task, one.model, precision), {})
        joules.setdefault(one.concurrency, []).append(one.joules_per_unit)
    return [
        PerToken(task, dataset, model, precision, {n: fmean(of[n]) for n in sorted(of)})
        for (dataset, task, model, precision), of in sorted(found.items())
    ]


def ai_energy_score() -> list[Published]:
    """AI Energy Score's models, the least energy first."""
    ours = (one for one in figures() if one.source == AI_ENERGY_SCORE.key)
    return sorted(ours, key=lambda one: one.joules_per_unit)


def wh_per_1000(one: Published) -> float:
    """Watt-hours per 1,000 units of a figure."""
    return 1000 * kwh(1000 * one.joules_per_unit)


def concurrencies(rows: Sequence[PerToken], most: int) -> list[int]:
    """At most so many of the concurrencies that the rows have, the commonest first, then in order.

    Args:
        rows: of a table.
        most: columns that there is room for.
    """
    number = {each: sum(each in row.joules for row in rows) for row in rows for each in row.joules}
    return sorted(sorted(number, key=lambda each: (-number[each], each))[:most])
