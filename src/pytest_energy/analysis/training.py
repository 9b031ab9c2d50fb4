"""What a whole training costs, from a window of its steps; when inference has cost as much. Pure.

A window of real steps gives joules per step and watts. Times all steps, or the hours that they
last, times the runs that search and development took, that is the energy of the training, as far as
steps make it. Not in it: evaluation, checkpoints, restarts, waiting for data where the window had
them at hand, machines that stand idle meanwhile, and whatever the gated meters do not see.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import stdev

from pytest_energy.types.carbon import Carbon
from pytest_energy.types.measurement import Measurement
from pytest_energy.types.result import Result, Subject, TrainingRun
from pytest_energy.types.units import kwh
from pytest_energy.types.verdict import Status
from pytest_energy.verdict.baseline_comparison import MIN_BLOCKS, PRIOR_SPREAD, PRIOR_WEIGHT
from pytest_energy.verdict.estimators import student_quantile

SECONDS_PER_HOUR = 3600.0
"""Exact."""


@dataclass(frozen=True, slots=True)
class TrainingCost:
    """The energy of a whole training, extrapolated from a window of its steps.

    Args:
        joules: of all runs together, at the meter: before the site's overhead (PUE).
        low: lower end of the 95 % interval of `joules`.
        high: upper end of it.
        seconds: that one run lasts.
        scattered: whether the window's own scatter is in the interval. A window without enough
            blocks has none: there it is the spread between sessions alone.
    """

    joules: float
    low: float
    high: float
    seconds: float
    scattered: bool

    def kwh(self, carbon: Carbon) -> float:
        """Kilowatt-hours of all runs, the site's overhead included: joules / 3.6e6 times PUE."""
        return kwh(self.joules) * carbon.pue

    def grams(self, carbon: Carbon) -> float:
        """Grams of CO2e of all runs: kWh times PUE times the grid's intensity."""
        return carbon.grams(self.joules)

    def break_even(self, joules_per_inference: float) -> float:
        """How many inferences take as much energy as the training.

        Args:
            joules_per_inference: at the same meter. Both run at the same site: PUE and the grid's
                intensity hit both sides and cancel, so that as much energy is as much carbon.

        Returns:
            Inferences; the parity of Luccioni et al. 2024 (arXiv 2311.16863, Table 5).

        Raises:
            ValueError: an energy of 0 or less, which never adds up to anything.
        """
        if not joules_per_inference > 0:
            raise ValueError(
                f"break-even needs joules above 0 per inference, found {joules_per_inference!r}"
            )
        return self.joules / joules_per_inference


def training_cost(measurement: Measurement, training: TrainingRun) -> TrainingCost:
    """Extrapolate a window of training steps to the whole training.

    By `total_steps`, joules per step times their number; by `hours`, mean power times duration;
    both times `runs`.

    Args:
        measurement: of `metered_count` steps; its gated domains count, constants do not.
        training: the whole that they are a part of.

    Returns:
        The cost. Its interval combines the scatter of the window's blocks with the spread between
        sessions of the same code (`baseline_comparison.PRIOR_SPREAD`, by the method of the gated
        domains), since a run of days sees more of a machine than one window does. That of estimates
        in units of the reference workload is not taken: the figure is absolute. The interval is
        Student's t, its degrees of freedom those of both parts (Satterthwaite 1946), on a log
        scale. What the method itself is wrong by (watts per core, a board's gain) is not in it.

    Raises:
        ValueError: the window is of no energy, or of no time.
    """
    if measurement.joules <= 0 or measurement.seconds <= 0:
        raise ValueError("a training's cost needs a window of some energy and some time")
    if training.total_steps is not None:
        each = measurement.joules / measurement.metered_count
        joules = each * training.total_steps
        seconds = measurement.seconds / measurement.metered_count * training.total_steps
    else:
        seconds = (training.hours or 0.0) * SECONDS_PER_HOUR
        joules = measurement.watts * seconds
    joules *= training.runs
    prior = max(PRIOR_SPREAD[measurement.domains[i].method] for i in measurement.gated)
    rates = _block_rates(measurement, by_time=training.total_steps is None)
    variance, freedom = prior**2, PRIOR_WEIGHT
    if rates:
        own = stdev(map(math.log, rates)) ** 2 / len(rates)
        variance += own
        parts = own**2 / (len(rates) - 1) + prior**4 / PRIOR_WEIGHT
        freedom = math.floor(variance**2 / parts + 1e-9)
    width = student_quantile(0.975, freedom) * math.sqrt(variance)
    return TrainingCost(
        joules, joules * math.exp(-width), joules * math.exp(width), seconds, bool(rates)
    )


def _block_rates(measurement: Measurement, by_time: bool) -> list[float]:
    """Joules per step, or watts, block by block; empty where they say nothing of their scatter."""
    sizes = [block.seconds if by_time else block.n for block in measurement.blocks]
    joules = [sum(block.joules[i] for i in measurement.gated) for block in measurement.blocks]
    if len(sizes) < MIN_BLOCKS or min(sizes) <= 0 or min(joules) <= 0:
        return []
    return [joules / size for joules, size in zip(joules, sizes, strict=True)]


def cost_of(result: Result) -> TrainingCost | None:
    """The cost of the training that a result is a part of.

    Returns:
        None for inferences, and where there is no figure: unmeasured, or too short for its meter.
    """
    measured = result.measurement
    if result.training_run is None or measured is None or not _counts(result):
        return None
    return training_cost(measured, result.training_run)


@dataclass(frozen=True, slots=True)
class BreakEven:
    """Inferences that take as much energy as a training.

    Args:
        subject: of the inferences.
        joules_per_inference: as measured in the same session.
        inferences: their number.
    """

    subject: Subject
    joules_per_inference: float
    inferences: float


def break_evens(training: Result, results: Iterable[Result]) -> Sequence[BreakEven]:
    """Against what the same session measured of the same model's inference.

    Args:
        training: a result with a training.
        results: of the session.

    Returns:
        One for each measured test of that model whose unit is an inference, in their order; none
        where nothing of the kind was measured, or the training has no figure.
    """
    cost = cost_of(training)
    if cost is None:
        return ()
    return tuple(
        BreakEven(
            result.subject,
            result.measurement.joules_per_unit,
            cost.break_even(result.measurement.joules_per_unit),
        )
        for result in results
        if result.measurement is not None
        and result.subject.model == training.subject.model
        and (result.subject.unit, result.subject.region) == ("inference", "")
        and _counts(result)
    )


def _counts(result: Result) -> bool:
    measured = result.measurement
    resolved = result.verdict.status is not Status.UNRESOLVED
    # A number next to nothing becomes 0 when it is divided.
    return (
        resolved and measured is not None and measured.joules_per_unit > 0 and measured.seconds > 0
    )
