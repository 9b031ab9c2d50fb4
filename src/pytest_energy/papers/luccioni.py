"""The figures of "Power Hungry Processing", as printed and as its 312 rows give them.

A. S. Luccioni, Y. Jernite, E. Strubell: "Power Hungry Processing: Watts Driving the Cost of AI
Deployment?", FAccT 2024, arXiv 2311.16863. The rows are the authors' own runs: 88 models on three
datasets a task, 1,000 inferences, ten repeats; one A100 of a node of eight at work and the whole
node metered: its GPUs, and constants for CPU and RAM.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean, geometric_mean, linear_regression

from pytest_energy.published.luccioni import (
    COMPARED_TASKS,
    GENERAL,
    PRINTED_MODELS,
    SPECIFIC,
    TASKS,
    Accuracy,
    Row,
    accuracy,
    models,
    printed_figures,
    where,
)

__all__ = [
    "COMPARED_TASKS",
    "GENERAL",
    "GRAMS_PER_KWH_STATED",
    "GRAMS_PER_KWH_USED",
    "SPECIFIC",
    "TASKS",
    "Accuracy",
    "BaselineComparison",
    "Lifetime",
    "ModelEnergy",
    "Row",
    "TaskEnergy",
    "accuracy",
    "at_equal_size",
    "comparisons",
    "mean_accuracy",
    "models",
    "parity",
    "table2",
    "table3",
    "table5",
    "where",
]

GRAMS_PER_KWH_USED = 138.75
"""gCO2e/kWh that the paper's grams were computed with: codecarbon 2.3.1's figure for Oregon, in the
authors' run files, and Table 3's grams over the energy of its rows, to half a percent."""

GRAMS_PER_KWH_STATED = 297.6
"""gCO2e/kWh that the paper's text states, for the region of the cloud it ran in."""


@dataclass(frozen=True, slots=True)
class TaskEnergy:
    """A row of Table 2: kilowatt-hours per 1,000 inferences of the task-specific models.

    Args:
        name: of the task, as printed.
        task: as Hugging Face's pipelines call it.
        kwh_per_1000: the mean as printed.
        sd_kwh_per_1000: the standard deviation as printed.
        recomputed_kwh_per_1000: the mean of the 24 rows.
        recomputed_sd_kwh_per_1000: over the 240 runs behind them, from the rows' means and
            standard deviations.
    """

    name: str
    task: str
    kwh_per_1000: float
    sd_kwh_per_1000: float
    recomputed_kwh_per_1000: float
    recomputed_sd_kwh_per_1000: float


@dataclass(frozen=True, slots=True)
class ModelEnergy:
    """A row of Table 3: a general-purpose model over its nine datasets, per 1,000 inferences.

    Args:
        name: as printed.
        model: as on the hub.
        kwh_per_1000: as printed.
        grams_per_1000: gCO2e as printed, which is at `GRAMS_PER_KWH_USED`.
        recomputed_kwh_per_1000: the mean of the nine rows.
    """

    name: str
    model: str
    kwh_per_1000: float
    grams_per_1000: float
    recomputed_kwh_per_1000: float

    @property
    def recomputed_grams_per_1000(self) -> float:
        """gCO2e from the rows, at the intensity that the paper used."""
        return self.recomputed_kwh_per_1000 * GRAMS_PER_KWH_USED

    @property
    def grams_per_1000_as_stated(self) -> float:
        """gCO2e from the rows, at the intensity that the paper's text states."""
        return self.recomputed_kwh_per_1000 * GRAMS_PER_KWH_STATED


@dataclass(frozen=True, slots=True)
class Lifetime:
    """A row of Table 5: what training took, and how many queries take as much.

    Args:
        name: as printed.
        model: as on the hub.
        training_kwh, finetuning_kwh: as printed.
        kwh_per_query: as printed.
        printed_parity: queries as printed.
    """

    name: str
    model: str
    training_kwh: float
    finetuning_kwh: float
    kwh_per_query: float
    printed_parity: int

    @property
    def parity(self) -> float:
        """Queries by the formula."""
        return parity(self.training_kwh, self.finetuning_kwh, self.kwh_per_query)

    @property
    def slip(self) -> str:
        """How print and formula disagree, as a clause; empty where they agree (to a query)."""
        if abs(self.parity - self.printed_parity) < 1:
            return ""
        return f"printed as {self.printed_parity:,}; the formula gives {self.parity:,.0f}"


@dataclass(frozen=True, slots=True)
class BaselineComparison:
    """General-purpose and task-specific models on one task; means over the rows.

    Args:
        task: one of `COMPARED_TASKS`.
        general_wh_per_1000, specific_wh_per_1000: watt-hours per 1,000 inferences.
        general_per_million, specific_per_million: the same for each million parameters.
        geometric_ratio: general-purpose over task-specific, of geometric means.
        at_equal_size: how many times the energy a general-purpose model takes beside a
            task-specific one of as many parameters: the distance of two parallel lines of energy
            over parameters, both as logarithms (ordinary least squares over the rows). An
            addition to the paper. Sizes overlap little: from 223 million parameters to 571 at most.
    """

    task: str
    general_wh_per_1000: float
    specific_wh_per_1000: float
    general_per_million: float
    specific_per_million: float
    geometric_ratio: float
    at_equal_size: float

    @property
    def ratio(self) -> float:
        """General-purpose over task-specific."""
        return self.general_wh_per_1000 / self.specific_wh_per_1000

    @property
    def ratio_per_parameter(self) -> float:
        """General-purpose over task-specific, both for each parameter.

        Below 1 for two of the three tasks. That is no saving: part of an inference costs the same
        whatever the size, and the task-specific models, being small, divide it by little.
        """
        return self.general_per_million / self.specific_per_million


def table2() -> tuple[TaskEnergy, ...]:
    """Energy of the ten tasks, in the paper's order."""
    printed = printed_figures()
    return tuple(
        TaskEnergy(
            name,
            task,
            printed["2", name, "mean"],
            printed["2", name, "std"],
            fmean(row.kwh_per_1000 for row in where(task, SPECIFIC)),
            _sd_of_runs(where(task, SPECIFIC)) / 1000,
        )
        for name, task in TASKS.items()
    )


def _sd_of_runs(of: Sequence[Row]) -> float:
    """Wh per 1,000; the paper's spread is over runs and not over models."""
    mean = fmean(row.wh_per_1000 for row in of)
    runs = sum(row.repeats for row in of)
    squares = sum(
        (row.repeats - 1) * row.sd_wh_per_1000**2 + row.repeats * (row.wh_per_1000 - mean) ** 2
        for row in of
    )
    return math.sqrt(squares / (runs - 1))


def table3() -> tuple[ModelEnergy, ...]:
    """Energy and grams of the eight general-purpose models."""
    printed = printed_figures()
    return tuple(
        ModelEnergy(
            name,
            model,
            printed["3", name, "energy"],
            printed["3", name, "emissions"],
            fmean(row.kwh_per_1000 for row in where(role=GENERAL, model=model)),
        )
        for name, model in PRINTED_MODELS.items()
    )


def table5() -> tuple[Lifetime, ...]:
    """Training, fine-tuning, and the queries that take as much, for the four BLOOMz models."""
    printed = printed_figures()
    names = [name for table, name, key in printed if (table, key) == ("5", "parity")]
    return tuple(
        Lifetime(
            name,
            PRINTED_MODELS[name],
            printed["5", name, "training"],
            printed["5", name, "finetuning"],
            printed["5", name, "inference"],
            round(printed["5", name, "parity"]),
        )
        for name in names
    )


def parity(training_kwh: float, finetuning_kwh: float, kwh_per_query: float) -> float:
    """Queries after which inference has taken as much as training: the paper's cost parity.

    (training + fine-tuning) / energy per query, as in its Table 5: 592.57 million for BLOOMz-7B.

    Args:
        training_kwh: kilowatt-hours, 0 or more.
        finetuning_kwh: likewise.
        kwh_per_query: kilowatt-hours per query, above 0.

    Raises:
        ValueError: a figure that no training or query can have.
    """
    if not (training_kwh >= 0 and finetuning_kwh >= 0 and kwh_per_query > 0):
        raise ValueError(
            "cost parity needs training and fine-tuning of 0 kWh or more and a query above 0 kWh,"
            f" found {training_kwh!r}, {finetuning_kwh!r} and {kwh_per_query!r}"
        )
    return (training_kwh + finetuning_kwh) / kwh_per_query


@cache
def comparisons() -> tuple[BaselineComparison, ...]:
    """Both kinds of model on the three tasks that both can do."""
    compared = []
    for task in COMPARED_TASKS:
        general, specific = where(task, GENERAL), where(task, SPECIFIC)
        compared.append(
            BaselineComparison(
                task,
                fmean(row.wh_per_1000 for row in general),
                fmean(row.wh_per_1000 for row in specific),
                fmean(row.wh_per_1000_per_million_parameters for row in general),
                fmean(row.wh_per_1000_per_million_parameters for row in specific),
                geometric_mean(row.wh_per_1000 for row in general)
                / geometric_mean(row.wh_per_1000 for row in specific),
                at_equal_size(
                    [(row.parameters, row.wh_per_1000) for row in general],
                    [(row.parameters, row.wh_per_1000) for row in specific],
                ),
            )
        )
    return tuple(compared)


def at_equal_size(
    general: Sequence[tuple[float, float]], specific: Sequence[tuple[float, float]]
) -> float:
    """The ratio of two groups' energies for models of one size.

    Two parallel lines through the logarithms of energy over the logarithms of size: the common
    slope is the pooled one within the groups (ordinary least squares with a dummy variable).

    Args:
        general: parameters and energy, in any units that both groups share.
        specific: likewise.

    Returns:
        The energy of `general` over that of `specific`, as a plain ratio.

    Raises:
        ValueError: a group is empty, or all of its models are of one size in both.
    """
    if not general or not specific:
        raise ValueError("a ratio at equal size needs models on both sides")
    middles, sizes, energies = [], [], []
    for group in (general, specific):
        size = fmean(math.log(parameters) for parameters, _ in group)
        energy = fmean(math.log(used) for _, used in group)
        middles.append((size, energy))
        sizes += [math.log(parameters) - size for parameters, _ in group]
        energies += [math.log(used) - energy for _, used in group]
    if not any(sizes):
        raise ValueError("a ratio at equal size needs models of several sizes")
    slope = linear_regression(sizes, energies, proportional=True).slope
    (general_size, general_energy), (specific_size, specific_energy) = middles
    return math.exp((general_energy - specific_energy) - slope * (general_size - specific_size))


def mean_accuracy(task: str, dataset: str, role: str) -> float | None:
    """The mean of Table 7's figures for one dataset and kind of model; None where it has none."""
    return _mean_or_none(
        one.value
        for one in accuracy()
        if (one.task, one.dataset, one.role) == (task, dataset, role)
    )


def _mean_or_none(values: Iterable[float]) -> float | None:
    numbers = list(values)
    return fmean(numbers) if numbers else None
