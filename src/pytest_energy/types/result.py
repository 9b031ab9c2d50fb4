"""What was to be measured, what was measured of it, and the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from pytest_energy.types.counts import Counts
from pytest_energy.types.history import History
from pytest_energy.types.measurement import Measurement
from pytest_energy.types.verdict import Rule, Status, Verdict

ROLES = ("task-specific", "general-purpose")
"""The roles that a marker may give."""

TRAINING_ROLE = "training"
"""The role of a subject whose n are training steps, not inferences."""


def short_name(key: str) -> str:
    """What stands behind the file and the classes of a test's name or a subject's key."""
    path, bracket, parameters = key.partition("[")
    return path.rpartition("::")[2] + bracket + parameters


MOST_NAMES = 5
"""Names in one line; the others are counted."""


class _Kind(Protocol):
    @property
    def words(self) -> str: ...


K = TypeVar("K", bound=_Kind)


def numbers_of(found: Iterable[K], kinds: Iterable[K]) -> list[str]:
    """How many there are of each kind, as `2 over budget`; of what there is none, nothing.

    Args:
        found: verdicts, or why tests have none.
        kinds: those that are said, in their order.
    """
    numbers = Counter(found)
    return [f"{numbers[kind]:,} {kind.words}" for kind in kinds if numbers[kind]]


def some_names(names: Sequence[str]) -> str:
    """Names in one line, `a, b, c, d, e and 995 more`."""
    first = ", ".join(names[:MOST_NAMES])
    more = len(names) - MOST_NAMES
    return f"{first} and {more:,} more" if more > 0 else first


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
        concurrency: inferences at a time.
    """

    test: str
    region: str
    task: str
    model: str
    dataset: str
    role: str
    unit: str
    n: int
    concurrency: int = 1

    @property
    def key(self) -> str:
        """The entry's name in a baseline file: the test, and `#` before a region."""
        return f"{self.test}#{self.region}" if self.region else self.test

    @property
    def short_name(self) -> str:
        """The test's own name, with its parameters and the region."""
        name = short_name(self.test)
        return f"{name}#{self.region}" if self.region else name

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
        """The marker's argument for `n`: `steps` or `n`."""
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
class Metered:
    """What was metered of one subject, or why there is no figure. No verdict on it.

    Args:
        subject: what was to be measured.
        passes: one measurement per pass over the samples, in order; empty where there is none.
        reason: why there is no figure, as a clause; empty where there is one.
        training_run: the whole training that metered steps are a part of; None for inferences.
        counts: what some of its samples did, exactly; None where that was not counted.
    """

    subject: Subject
    passes: tuple[Measurement, ...] = ()
    reason: str = ""
    training_run: TrainingRun | None = None
    counts: Counts | None = None

    @property
    def interfered(self) -> bool:
        """Whether something made a figure doubtful, other processes' CPU time aside."""
        return any(one.interference for one in self.passes)


@dataclass(frozen=True, slots=True)
class Result:
    """A subject, what was measured of it, what was allowed, and the verdict.

    Args:
        subject: what was to be measured.
        measurement: the figures, the mean of all passes; None where nothing was measured.
        rule: what the test allows.
        verdict: what the figures mean under that rule.
        base: the other revision's figures, in a paired run.
        training_run: the whole training that metered steps are a part of; None for inferences.
        counts: what some of its samples did, exactly; None where that was not counted.
        history: what was stored of it before this session; None where nothing was, or where it was
            not looked for: in a paired run, and by counts alone.
    """

    subject: Subject
    measurement: Measurement | None
    rule: Rule
    verdict: Verdict
    base: Measurement | None = None
    training_run: TrainingRun | None = None
    counts: Counts | None = None
    history: History | None = None

    @property
    def has_counted_energy(self) -> bool:
        """Whether counts stand in for its energy: nothing was metered, and nothing was to be.

        A test that was to be metered and was not has no energy, whatever was counted of it.
        """
        counted = self.counts is not None and self.counts.inferences > 0
        unmeasured = self.verdict.status is Status.UNMEASURED
        return self.measurement is None and counted and not unmeasured

    @property
    def plain_change(self) -> float | None:
        """Joules per unit over those compared with, less one, before anything is accounted for.

        None where nothing was compared.
        """
        measured, change = self.measurement, self.verdict.change
        if measured is None or change is None or not change.joules:
            return None
        return measured.joules_per_unit / change.joules - 1


def compact(result: Result) -> Result:
    """A result as it is kept to the end of a session, beside thousands of others."""
    kept = (one and one.compact() for one in (result.measurement, result.base))
    measurement, base = kept
    return replace(result, measurement=measurement, base=base)


@dataclass(frozen=True, slots=True)
class BaseRun:
    """What the other revision of a paired run metered of a test.

    Args:
        metered: of its loop or body, and of its regions.
        problem: why there is nothing to compare with, as a clause; empty when there is.
        detail: the whole output of a base that failed.
        asked_otherwise: whether the problem is that the test asks the two sides for other work, as
            an edit of the test does; else it lies in the run.
    """

    metered: tuple[Metered, ...] = ()
    problem: str = ""
    detail: str = ""
    asked_otherwise: bool = False

    def of(self, subject: Subject) -> Metered | None:
        """What it metered of a subject's region; None where it has none such."""
        return next((one for one in self.metered if one.subject.region == subject.region), None)
