"""What was to be measured, what was measured of it, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_energy.types.measurement import Measurement
from pytest_energy.types.verdict import Verdict

TRAINING_ROLE = "training"
"""The role of a subject whose n are training steps, not inferences."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What was measured, as far as it is known before anything runs.

    Args:
        test: pytest's node id.
        region: the name given to `energy.measure`, or `""` for the loop or the whole body.
        task, model, dataset: free names.
        role: `"task-specific"`, `"general-purpose"` or `""`; of training steps, `TRAINING_ROLE`.
        unit: what the energy is divided by: `"inference"`, `"token"`, …
        n: inferences, or training steps, that the test performs.
    """

    test: str
    region: str
    task: str
    model: str
    dataset: str
    role: str
    unit: str
    n: int

    @property
    def key(self) -> str:
        """The entry's name in a baseline file: the test, and `#` before a region."""
        return f"{self.test}#{self.region}" if self.region else self.test

    @property
    def short_name(self) -> str:
        """The test's own name, with its parameters and the region."""
        path, bracket, parameters = self.key.partition("[")
        return path.rpartition("::")[2] + bracket + parameters

    @property
    def is_training(self) -> bool:
        """Whether training steps are metered, not inferences."""
        return self.role == TRAINING_ROLE

    @property
    def act(self) -> str:
        """What the test performs `n` of: `step` or `inference`, whatever the unit."""
        return "step" if self.is_training else "inference"

    @property
    def argument(self) -> str:
        """How the marker calls `n`."""
        return "steps" if self.is_training else "n"


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """The whole training that the metered steps are a part of.

    Args:
        total_steps: of one run; None where its duration is known instead.
        hours: of one run; None where its steps are known instead. One of the two is given.
        runs: full trainings that search and development took, the final one included.
    """

    total_steps: int | None = None
    hours: float | None = None
    runs: int = 1


@dataclass(frozen=True, slots=True)
class Result:
    """A subject, what was measured of it (None if nothing was), and the verdict.

    Args:
        subject: what was to be measured.
        measurement: the figures.
        verdict: what they mean.
        base: the other revision's figures, where head and base took turns.
        training_run: the whole of it, where training steps were metered; None for inferences.
    """

    subject: Subject
    measurement: Measurement | None
    verdict: Verdict
    base: Measurement | None = None
    training_run: TrainingRun | None = None


@dataclass(frozen=True, slots=True)
class BaseRun:
    """What the other revision made of a test.

    Args:
        results: of its loop, body and regions, not judged.
        problem: why there is nothing to compare with, as a clause; empty when there is.
        detail: what it said when it failed, whole.
    """

    results: tuple[Result, ...]
    problem: str = ""
    detail: str = ""
