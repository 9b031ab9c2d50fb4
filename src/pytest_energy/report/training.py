"""What whole trainings cost, for people and for machines: kWh, CO2e, break-even with inference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytest_energy.analysis.training import BreakEven, TrainingCost, break_evens, cost_of
from pytest_energy.types.carbon import Carbon
from pytest_energy.types.measurement import Measurement
from pytest_energy.types.result import Result, TrainingRun
from pytest_energy.types.units import (
    format_count,
    format_grams,
    format_joules,
    format_seconds,
    kwh,
    significant,
)


def lines(
    results: Sequence[Result],
    carbon: Carbon,
    models: Mapping[str, str],
    tests: Mapping[str, str],
) -> list[str]:
    """One sentence for each training that was measured.

    Args:
        results: of the session, inferences included: those of the same model give the break-even.
        carbon: PUE and grid.
        models: what each model is shown as, by name.
        tests: what each test is shown as, by its short name.
    """
    rows = []
    for result in results:
        cost = cost_of(result)
        if cost is not None and result.training_run is not None and result.measurement is not None:
            whole = _whole(result.training_run, result.measurement, cost)
            line = f"training of {models[result.subject.model]}: {whole}: {_energy(cost, carbon)}"
            if not cost.scattered:
                line += ", an interval from the spread between sessions alone"
            for even in break_evens(result, results):
                line += f"; {_even(even, models, tests)}"
            rows.append(line)
    return rows


def _whole(training: TrainingRun, measurement: Measurement, cost: TrainingCost) -> str:
    each = " each" if training.runs > 1 else ""
    lasts = f"{_duration(cost.seconds)}{each}"
    if training.total_steps is None:
        whole = f"{lasts} at {significant(measurement.watts)} W"
    else:
        whole = f"{training.total_steps:,} steps, {lasts}"
    return f"{training.runs:,} runs of {whole}" if training.runs > 1 else whole


def _duration(seconds: float) -> str:
    """`11160` as `3.10 h`; format_seconds' `3:06:00` would read as a moment of the day."""
    if seconds >= 3600:
        return f"{significant(seconds / 3600)} h"
    return f"{significant(seconds / 60)} min" if seconds >= 60 else format_seconds(seconds)


def _energy(cost: TrainingCost, carbon: Carbon) -> str:
    low, high = (significant(bound) for bound in _bounds(cost, carbon))
    return (
        f"{significant(cost.kwh(carbon))} kWh (95 %: {low} to {high}),"
        f" {format_grams(cost.grams(carbon))} CO2e (PUE {carbon.pue})"
    )


def _bounds(cost: TrainingCost, carbon: Carbon) -> tuple[float, float]:
    """The interval in kWh, the site's overhead included."""
    return kwh(cost.low) * carbon.pue, kwh(cost.high) * carbon.pue


def _even(even: BreakEven, models: Mapping[str, str], tests: Mapping[str, str]) -> str:
    subject = even.subject
    return (
        f"as much as {format_count(even.inferences)} inferences of {models[subject.model]}"
        f" ({format_joules(even.joules_per_inference)}, {tests[subject.short_name]})"
    )


def record(result: Result, results: Iterable[Result], carbon: Carbon) -> dict[str, Any] | None:
    """A training's cost as JSON-able values; None for inferences, and without a figure."""
    cost = cost_of(result)
    if cost is None:
        return None
    low, high = _bounds(cost, carbon)
    return {
        "joules": cost.joules,
        "low": cost.low,
        "high": cost.high,
        "scattered": cost.scattered,
        "seconds": cost.seconds,
        "kwh": cost.kwh(carbon),
        "kwh_low": low,
        "kwh_high": high,
        "gco2e": cost.grams(carbon),
        "break_even": [
            {
                "test": even.subject.test,
                "task": even.subject.task,
                "model": even.subject.model,
                "dataset": even.subject.dataset,
                "joules_per_inference": even.joules_per_inference,
                "inferences": even.inferences,
            }
            for even in break_evens(result, results)
        ],
    }
