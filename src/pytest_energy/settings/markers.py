"""The markers, what `pytest --markers` says of them, and which tests carry them."""

from __future__ import annotations

import pytest

MARKER = (
    "inference(n, task, model, dataset, role, unit, warmup, tolerance, budget,"
    " max_flops, precision, quality, quality_tolerance):"
    " meter this test's energy and fail it when it rises over its stored baseline."
    " n: inferences that the body performs (may be left out when the test loops over"
    " energy.each(samples))."
    " task, model: whose baseline it is; by default the module's and the test's name."
    " dataset: part of what must agree with the baseline."
    ' role: "task-specific" or "general-purpose".'
    ' unit: what the energy is divided by, "inference" by default; with "token" the divisor is'
    " energy.record(tokens=...)."
    " warmup: unmetered inferences that energy.each performs first."
    ' tolerance: allowed rise, "5%".'
    ' budget: ceiling, "2 J" per unit, "0.5 Wh/1000", "0.6 gCO2e/1000".'
    ' max_flops: ceiling of one inference\'s floating-point operations, "8.5 GFLOP".'
    ' precision: stop the loop once the figure is settled to "2%", or with "verdict" once more'
    " blocks can hardly change the verdict."
    ' quality: what energy.record is given that must not fall, "accuracy" say; greater is better.'
    ' quality_tolerance: how far it may fall, "1%" of the stored figure by default.'
    " All are keywords; on a class or module they hold for every test in it."
)

TRAINING = (
    "training(steps, total_steps, hours, runs, task, model, dataset, warmup, tolerance, budget,"
    " max_flops, precision, quality, quality_tolerance):"
    " meter a window of real training steps, fail the test when a step's energy rises over its"
    " stored baseline, and say what the whole training costs: kWh, CO2e, and how many inferences"
    " take as much."
    " steps: training steps that the body performs (may be left out when the test loops over"
    " energy.each(batches))."
    " total_steps or hours: of one whole run, one of the two."
    " runs: full trainings that search and development took, 1 by default."
    " The rest is as for inference, with a step in the place of an inference."
)

MARKERS = {"inference": MARKER, "training": TRAINING}
"""What pytest --markers says of each."""


def is_metered(item: pytest.Item) -> bool:
    """Whether a test carries one of the markers or asks for the fixture."""
    if "energy" in getattr(item, "fixturenames", ()):
        # A project may have a fixture of this name of its own.
        info = getattr(item, "_fixtureinfo", None)
        definitions = info.name2fixturedefs.get("energy") if info is not None else None
        if not definitions or definitions[-1].func.__module__ == "pytest_energy.plugin":
            return True
    return is_marked(item)


def is_marked(item: pytest.Item) -> bool:
    """Whether a test carries one of the markers."""
    return any(item.get_closest_marker(name) is not None for name in MARKERS)
