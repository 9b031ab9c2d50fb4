"""All published figures in one form, ready to stand beside a project's own."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache

from pytest_energy.published import luccioni
from pytest_energy.published.figure import Published, PublishedTraining
from pytest_energy.published.shipped import rows
from pytest_energy.published.sources import (
    AI_ENERGY_SCORE,
    LUCCIONI,
    ML_ENERGY,
    STRUBELL,
    STUDENT_T,
)
from pytest_energy.types.units import JOULES_PER_KWH

_MEASURES = {"acc": "accuracy"}
"""Table 7's abbreviations, and the names under which tests record."""

_PRINTED_WITHOUT_OWNER = "twitter-roberta-base-sentiment-latest"
"""A model of Table 7 that stands there without its owner, cardiffnlp."""

_ML_ENERGY_TASKS = {
    "gpqa": "text-generation",
    "lm-arena-chat": "text-generation",
    "sourcegraph-fim": "text-generation",
    "image-chat": "image-text-to-text",
    "video-chat": "video-text-to-text",
}
"""ML.ENERGY's tasks as Hugging Face's pipelines call them; its own names are kept as data sets."""


@cache
def figures() -> tuple[Published, ...]:
    """Every published figure: 312 of Luccioni et al., 24 of AI Energy Score, 346 of ML.ENERGY."""
    return (*_luccioni(), *_ai_energy_score(), *_ml_energy())


@cache
def trainings() -> tuple[PublishedTraining, ...]:
    """What trainings took: Luccioni et al., Table 5; Strubell et al., Table 3 without its TPUs."""
    return (*_luccioni_trainings(), *_strubell_trainings())


def _luccioni() -> Iterator[Published]:
    qualities = _qualities()
    for row in luccioni.models():
        joules = row.joules_per_inference
        half = STUDENT_T[row.repeats] * row.sd_wh_per_1000 / math.sqrt(row.repeats)
        half *= joules / row.wh_per_1000
        quality = qualities.get((row.task, row.dataset, row.model), {})
        partly = "f1" in quality and row.dataset == "squadv2"
        yield Published(
            source=LUCCIONI.key,
            task=row.task,
            dataset=row.dataset,
            role=row.role,
            model=row.model,
            parameters=float(row.parameters),
            joules_per_unit=joules,
            low=joules - half,
            high=joules + half,
            seconds_per_unit=row.seconds_per_1000 / 1000,
            scope=LUCCIONI.scope,
            hardware=LUCCIONI.hardware,
            concurrency=1,
            note="F1 over the questions that have an answer" if partly else "",
            quality=quality,
        )


def _qualities() -> dict[tuple[str, str, str], dict[str, float]]:
    """Table 7 by task, data set and model as in the rows."""
    found: dict[tuple[str, str, str], dict[str, float]] = {}
    for one in luccioni.accuracy():
        model = f"cardiffnlp/{one.model}" if one.model == _PRINTED_WITHOUT_OWNER else one.model
        measures = found.setdefault((one.task, one.dataset, model), {})
        measures[_MEASURES.get(one.measure, one.measure)] = one.value
    return found


def _ai_energy_score() -> Iterator[Published]:
    for row in rows("aienergyscore2025_h100.csv"):
        yield Published(
            source=AI_ENERGY_SCORE.key,
            task="text-generation",
            dataset="",
            role="",
            model=row["model"],
            parameters=None,
            joules_per_unit=float(row["kwh_gpu_per_1000"]) * JOULES_PER_KWH / 1000,
            low=None,
            high=None,
            seconds_per_unit=None,
            scope=AI_ENERGY_SCORE.scope,
            hardware=AI_ENERGY_SCORE.hardware,
            concurrency=1,
            note=f"{row['stars']} of 5 stars in February 2025",
        )


def _ml_energy() -> Iterator[Published]:
    """Two figures of a row that has tokens: per request, and per token of output."""
    for row in rows("mlenergy2025_h100.csv"):
        for unit, column in (
            ("inference", "joules_per_request_or_image"),
            ("token", "joules_per_token"),
        ):
            if row[column]:
                yield _of_ml_energy(row, unit, float(row[column]))


def _of_ml_energy(row: dict[str, str], unit: str, joules: float) -> Published:
    own = row["task"]
    words = [row["precision"], f"{float(row['avg_watts']):.0f} W on average"]
    words += [f"{row['steps']} steps"] if row["steps"] else []
    words += [f"{row['size']} x {row['size']} pixels"] if row["size"] else []
    return Published(
        source=ML_ENERGY.key,
        task=_ML_ENERGY_TASKS.get(own, own),
        dataset=own if own in _ML_ENERGY_TASKS else "",
        role="",
        model=row["model"],
        parameters=float(row["params_b"]) * 1e9,
        joules_per_unit=joules,
        low=None,
        high=None,
        seconds_per_unit=None,
        scope=ML_ENERGY.scope,
        hardware=ML_ENERGY.hardware,
        unit=unit,
        concurrency=int(row["max_num_seqs_or_batch"]),
        note=", ".join(words),
    )


def _luccioni_trainings() -> Iterator[PublishedTraining]:
    printed = luccioni.printed_figures()
    for table, name, key in printed:
        if table == "5" and key in ("training", "finetuning"):
            yield PublishedTraining(
                source=LUCCIONI.key,
                model=luccioni.PRINTED_MODELS[name],
                kind="training" if key == "training" else "fine-tuning",
                joules=printed[table, name, key] * JOULES_PER_KWH,
                scope="node",
                note="Table 5 as printed",
            )


def _strubell_trainings() -> Iterator[PublishedTraining]:
    for row in rows("strubell2019_training.csv"):
        if row["kwh_pue"]:
            yield PublishedTraining(
                source=STRUBELL.key,
                model=row["model"],
                kind="training",
                joules=float(row["kwh_pue"]) * JOULES_PER_KWH,
                scope="node",
                hardware=row["hardware"],
                note="Table 3 as printed, with the data center's overhead (PUE 1.58)",
            )
