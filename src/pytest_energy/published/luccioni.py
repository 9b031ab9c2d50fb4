"""The rows, printed figures and accuracies of "Power Hungry Processing", as they ship.

A. S. Luccioni, Y. Jernite, E. Strubell: "Power Hungry Processing: Watts Driving the Cost of AI
Deployment?", FAccT 2024, arXiv 2311.16863. The rows are the authors' own runs: 88 models on three
datasets a task, 1,000 inferences, ten repeats; one A100 of a node of eight at work and the whole
node metered: its GPUs, and constants for CPU and RAM.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from pytest_energy.published.shipped import rows
from pytest_energy.types.units import JOULES_PER_KWH

TASKS = {
    "text classification": "text-classification",
    "extractive QA": "question-answering",
    "masked language modeling": "fill-mask",
    "token classification": "token-classification",
    "image classification": "image-classification",
    "object detection": "object-detection",
    "text generation": "text-generation",
    "summarization": "summarization",
    "image captioning": "image-to-text",
    "image generation": "text-to-image",
}
"""The ten tasks of Table 2 in its order: as printed, and as Hugging Face's pipelines call them."""

COMPARED_TASKS = ("text-classification", "question-answering", "summarization")
"""The tasks that the paper runs both kinds of model on."""

SPECIFIC, GENERAL = "task-specific", "general-purpose"

PRINTED_MODELS = {
    "Flan-T5-base": "google/flan-t5-base",
    "Flan-T5-large": "google/flan-t5-large",
    "Flan-T5-xl": "google/flan-t5-xl",
    "Flan-T5-xxl": "google/flan-t5-xxl",
    "BLOOMz-560M": "bigscience/bloomz-560m",
    "BLOOMz-1B": "bigscience/bloomz-1b7",
    "BLOOMz-3B": "bigscience/bloomz-3b",
    "BLOOMz-7B": "bigscience/bloomz-7b1",
}
"""Table 3's and 5's names, and the models on the hub."""


@dataclass(frozen=True, slots=True)
class Row:
    """One model on one dataset: the mean over ten repeats of 1,000 inferences.

    Args:
        role: `task-specific` or `general-purpose`.
        task: as Hugging Face's pipelines call it.
        dataset, model: as in the authors' files.
        parameters: of the model.
        repeats: runs that the mean is of.
        wh_per_1000: watt-hours per 1,000 inferences, of the whole node.
        sd_wh_per_1000: their standard deviation over the repeats.
        seconds_per_1000: duration of 1,000 inferences.
    """

    role: str
    task: str
    dataset: str
    model: str
    parameters: int
    repeats: int
    wh_per_1000: float
    sd_wh_per_1000: float
    seconds_per_1000: float

    @property
    def kwh_per_1000(self) -> float:
        """Kilowatt-hours per 1,000 inferences."""
        return self.wh_per_1000 / 1000

    @property
    def joules_per_inference(self) -> float:
        """Joules per inference, of the whole node."""
        return self.kwh_per_1000 * JOULES_PER_KWH / 1000

    @property
    def wh_per_1000_per_million_parameters(self) -> float:
        """Watt-hours per 1,000 inferences, for each million parameters."""
        return self.wh_per_1000 / (self.parameters / 1e6)


@dataclass(frozen=True, slots=True)
class Accuracy:
    """One figure of Table 7.

    Args:
        model: as printed.
        task: as Hugging Face's pipelines call it.
        role: `task-specific` or `general-purpose`.
        dataset: as in `Row`.
        measure: `acc`, `f1` or `rouge` (f1 of SQuAD v2 over questions that have an answer).
        value: 0 to 1.
    """

    model: str
    task: str
    role: str
    dataset: str
    measure: str
    value: float


@cache
def models() -> tuple[Row, ...]:
    """The 312 rows: 88 models, three datasets for each of their tasks."""
    return tuple(
        Row(
            row["role"],
            row["task"],
            row["dataset"],
            row["model"],
            int(row["parameters"]),
            int(row["repeats"]),
            float(row["wh_per_1000"]),
            float(row["sd_wh_per_1000"]),
            float(row["seconds_per_1000"]),
        )
        for row in rows("luccioni2024_models.csv")
    )


def where(task: str | None = None, role: str | None = None, model: str | None = None) -> list[Row]:
    """The rows of a task, of a role, of a model.

    Args:
        task: as Hugging Face's pipelines call it; None for any.
        role: `task-specific` or `general-purpose`; None for either.
        model: as in the rows; None for any.
    """
    return [
        row
        for row in models()
        if task in (None, row.task) and role in (None, row.role) and model in (None, row.model)
    ]


@cache
def printed_figures() -> dict[tuple[str, str, str], float]:
    """Figures of Tables 2, 3 and 5 as printed, by table, row and column."""
    return {
        (row["table"], row["row"], row["key"]): float(row["value"])
        for row in rows("luccioni2024_tables.csv")
    }


@cache
def accuracy() -> tuple[Accuracy, ...]:
    """What the energy buys: Table 7, one figure for each model and dataset that it has."""
    tasks = {
        "sentiment": COMPARED_TASKS[0],
        "qa": COMPARED_TASKS[1],
        "summarization": "summarization",
    }
    accuracies = []
    for row in rows("luccioni2024_accuracy.csv"):
        role = SPECIFIC if row["type"].endswith("finetuned") else GENERAL
        for column, value in row.items():
            dataset, _, measure = column.partition(" (")
            if not measure or not value:
                continue
            accuracies.append(
                Accuracy(
                    row["model"],
                    tasks[row["task"]],
                    role,
                    dataset.replace("_", ""),
                    measure.rstrip(")").partition(",")[0],
                    float(value),
                )
            )
    return tuple(accuracies)
