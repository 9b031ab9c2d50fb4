"""The frozen dataclasses that travel from meter to window to verdict to report.

Nothing here measures, decides, reads or writes. Units are in the names or in the docstrings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from pytest_energy.units import kwh


class Method(StrEnum):
    """How a figure came about; shown wherever the figure is shown."""

    COUNTER = "counter"
    """A hardware energy counter."""
    SAMPLED = "sampled"
    """Power samples, integrated over time."""
    ESTIMATED = "estimated"
    """A model of something else, such as CPU seconds times watts per core."""
    CONSTANT = "constant"
    """A fixed power times the duration; reported, never gated."""


class Status(StrEnum):
    """The nine verdicts. The first five rest on a measurement."""

    OK = "ok"
    IMPROVED = "improved"
    REGRESSED = "regressed"
    OVER_BUDGET = "over_budget"
    NEW = "new"
    INCONCLUSIVE = "inconclusive"
    INCOMPARABLE = "incomparable"
    UNRESOLVED = "unresolved"
    UNMEASURED = "unmeasured"


ON_EDGE = 0.04
"""What is not known of a window's end that waited for its counter's update, in updates (standard
deviation). Measured, with room to spare: an H100's windows of one update repeat within 2.3 to
3.4 %, which is 0.016 to 0.024 updates an end (scripts/gpu_check.py)."""

COMPARED = frozenset({Status.OK, Status.IMPROVED, Status.REGRESSED})
"""Verdicts that set a measurement against a baseline."""


@dataclass(frozen=True, slots=True)
class Domain:
    """One thing whose energy is counted: a CPU package, a GPU board, memory.

    Args:
        name: unique among the meters of a session: `cpu`, `cpu:1`, `dram:0`, `gpu:0`.
        kind: `cpu`, `dram`, `gpu`, `ane` (Apple's neural engine) or `system`.
        method: how its joules come about.
        source: the instrument, for people: `RAPL`, `NVML`, `CPU time`.
        resolution_seconds: how often the counter moves.
        basis: the factors that an estimate rests on, the query that was asked, the power that is
            sampled; compared literally with a baseline's, since with another one it is another
            figure. Empty for most counters.
    """

    name: str
    kind: str
    method: Method
    source: str
    resolution_seconds: float
    basis: str = ""


def gated_domains(domains: Sequence[Domain]) -> tuple[int, ...]:
    """Positions of the domains whose sum a gate may compare.

    What was counted or sampled when there is any, else what was estimated; constants never: a
    constant power makes a gate on energy a gate on duration.
    """
    for methods in ((Method.COUNTER, Method.SAMPLED), (Method.ESTIMATED,)):
        chosen = tuple(i for i, domain in enumerate(domains) if domain.method in methods)
        if chosen:
            return chosen
    return ()


def is_estimated(domains: Sequence[Domain]) -> bool:
    """Whether what a gate compares rests on a model of something else."""
    return any(domains[i].method is Method.ESTIMATED for i in gated_domains(domains))


@dataclass(frozen=True, slots=True)
class Reading:
    """The cumulative counters at one moment.

    Args:
        seconds: a monotonic clock, in seconds.
        microjoules: one cumulative count per domain.
    """

    seconds: float
    microjoules: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """A run of consecutive inferences, metered together.

    Args:
        n: inferences in it.
        seconds: duration.
        joules: one figure per domain.
    """

    n: int
    seconds: float
    joules: tuple[float, ...]


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
class Work:
    """Floating-point operations of one inference: the same on every machine, at every load.

    Args:
        flops: of the first sample; a multiplication and an addition are two.
        without_formula: operators whose operations nobody counts, quantised ones say, by name.
    """

    flops: int
    without_formula: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Yardstick:
    """What a fixed piece of reference work took, run in turns with the blocks.

    An estimate from CPU seconds drifts with the machine's neighbours; the reference drifts with
    it, and the two are compared in units of each other.

    Args:
        kind: library, piece of work and its size, threads; compared literally with a baseline's.
        threads: that it ran on.
        joules: of one repetition (gated domains), beside each block.
    """

    kind: str
    threads: int
    joules: tuple[float, ...]


@dataclass(frozen=True)
class Measurement:
    """The energy of one window.

    Args:
        meters: names of the meters that were read.
        domains: what they count.
        blocks: the window in pieces, in order; joules per domain.
        done: metered inferences (less than `Subject.n` after an early stop).
        units: the divisor: `done`, or what was recorded for another unit, tokens say.
        others_share: share of the machine's CPU time that other processes used meanwhile, 0 to 1;
            None when the window was too short to tell.
        disturbances: what else makes the figure doubtful, each a clause in words.
        recorded: what the energy bought, from `energy.record`.
        yardstick: what reference work took beside the blocks; None where energy is counted.
        work: floating-point operations of one inference; None where they were not counted.
        uncounted: why they were not, as a clause; empty where they were, or nobody tried.
        cpus: CPU seconds that the process and its children used per second; None when the window
            was too short to tell.
        stretches: how often metering began: one for a body or an unbroken loop, one an entry for a
            region, one a block where blocks are metered apart.
        on_edges: whether every stretch began and ended on an update of each gated counter (or
            turned out so long that its end makes no difference).
        idle_watts: power of each domain right before the window, with nothing to do; empty where
            nobody asked.
    """

    meters: tuple[str, ...]
    domains: tuple[Domain, ...]
    blocks: tuple[Block, ...]
    done: int
    units: float
    others_share: float | None = None
    disturbances: tuple[str, ...] = ()
    recorded: Mapping[str, float] | None = None
    yardstick: Yardstick | None = None
    work: Work | None = None
    uncounted: str = ""
    cpus: float | None = None
    stretches: int = 1
    on_edges: bool = False
    idle_watts: tuple[float, ...] = ()

    @cached_property
    def seconds(self) -> float:
        """Metered duration, in seconds."""
        return sum(block.seconds for block in self.blocks)

    @cached_property
    def gated(self) -> tuple[int, ...]:
        """Positions of the domains that a verdict rests on."""
        return gated_domains(self.domains)

    @cached_property
    def domain_joules(self) -> tuple[float, ...]:
        """Joules of the whole window, one figure per domain."""
        return tuple(
            sum(block.joules[i] for block in self.blocks) for i in range(len(self.domains))
        )

    @cached_property
    def joules(self) -> float:
        """Gated joules of the whole window."""
        return sum(self.domain_joules[i] for i in self.gated)

    @property
    def edge_updates(self) -> float:
        """What is not known of the window's ends, in updates of its counter (standard deviation).

        An end that falls anywhere between two updates is off by up to one, evenly: 1/√12.
        """
        each = ON_EDGE if self.on_edges else math.sqrt(1 / 12)
        return math.sqrt(2 * self.stretches) * each

    @property
    def joules_per_unit(self) -> float:
        """Gated joules per inference (or per token, …)."""
        return self.joules / self.units

    @property
    def kwh_per_1000(self) -> float:
        """Gated kilowatt-hours per 1,000 units."""
        return kwh(self.joules_per_unit) * 1000

    @property
    def seconds_per_unit(self) -> float:
        """Metered seconds per unit."""
        return self.seconds / self.units

    @property
    def watts(self) -> float:
        """Mean power of the gated domains over the window, in watts."""
        return self.joules / self.seconds if self.seconds else 0.0

    @cached_property
    def block_joules_per_unit(self) -> tuple[float, ...]:
        """Gated joules per unit, block by block."""
        per_inference = self.done / self.units
        return tuple(
            sum(block.joules[i] for i in self.gated) / block.n * per_inference
            for block in self.blocks
        )


@dataclass(frozen=True, slots=True)
class Session:
    """One stored measurement of a baseline entry.

    Args:
        date: ISO 8601, UTC.
        done: metered inferences: fewer than the entry's n after an early stop.
        commit: the revision it was measured at, `+` after it when files had changed; or None.
        joules_per_unit: gated joules per unit.
        domains: joules per unit by domain name.
        blocks: gated joules per unit, block by block.
        seconds_per_unit: duration per unit.
        others_share: as in `Measurement`.
        yardstick: joules of one repetition of the reference work beside each block; empty
            without one.
        flops: floating-point operations of one inference; None where not counted.
        looks: how far the passes differed that the figures are the mean of, as a fraction; None
            when one pass was all there was.
        recorded: what the energy bought, by name.
    """

    date: str
    done: int
    commit: str | None
    joules_per_unit: float
    domains: Mapping[str, float]
    blocks: tuple[float, ...]
    seconds_per_unit: float
    others_share: float | None
    yardstick: tuple[float, ...] = ()
    flops: int | None = None
    looks: float | None = None
    recorded: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Baseline:
    """The stored sessions of one test (and region), and what they may be compared with.

    Args:
        subject: what was measured.
        meters: the meters that were read.
        domains: what they counted, and how.
        sessions: oldest first, at least one.
        yardstick: the kind of reference work, or `""`.
    """

    subject: Subject
    meters: tuple[str, ...]
    domains: tuple[Domain, ...]
    sessions: tuple[Session, ...]
    yardstick: str = ""

    @property
    def flops(self) -> int | None:
        """Operations of one inference as last stored; None where they never were."""
        counted = [session.flops for session in self.sessions if session.flops is not None]
        return counted[-1] if counted else None


@dataclass(frozen=True, slots=True)
class Rule:
    """What a test allows.

    Args:
        tolerance: allowed rise over the baseline, as a fraction.
        budget_joules: ceiling per unit, in joules; None for no ceiling.
        budget_text: the ceiling as the user wrote it.
        max_flops: ceiling of floating-point operations per inference; None for none.
        comparisons: verdicts of the whole session, over which false alarms are held.
        quality: name of the recorded quantity that must not fall; empty for none.
        quality_tolerance: how far it may, as a fraction of the stored figure.
    """

    tolerance: float
    budget_joules: float | None = None
    budget_text: str = ""
    max_flops: int | None = None
    comparisons: int = 1
    quality: str = ""
    quality_tolerance: float = 0.0


@dataclass(frozen=True, slots=True)
class Quality:
    """How good the answers are that the energy bought, beside what they were.

    Args:
        name: of the recorded quantity, `accuracy` say; greater is better.
        now: as recorded by this run.
        stored: as recorded by the baseline's sessions; None where they have none.
        tolerance: how far it may fall, as a fraction of the stored figure.
        decisive: whether its fall is why the test fails, and not the energy.
    """

    name: str
    now: float
    stored: float | None
    tolerance: float
    decisive: bool = False

    @property
    def change(self) -> float | None:
        """Now over stored, less one, by the stored figure's magnitude; None without one."""
        if self.stored is None:
            return None
        gap = self.now - self.stored
        if not self.stored:
            return math.copysign(math.inf, gap) if gap else 0.0
        return gap / abs(self.stored)


@dataclass(frozen=True, slots=True)
class Pairing:
    """What a figure was set against, where that was another revision in the same run.

    Args:
        base: the revision, for people: `1a2b3c4 (origin/main)`.
        pairs: turns that both took, one after the other.
        body_differs: whether the base's test is written otherwise; None where nobody looked.
        accepted: a rise that was accepted before, as a fraction, and is allowed; None without.
        error: what the base said when it failed, whole.
    """

    base: str
    pairs: int = 0
    body_differs: bool | None = None
    accepted: float | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the comparison says. Fractions: 0.148 is +14.8 %.

    Args:
        status: one of the nine.
        reason: why, in words; empty where the figures say it.
        remedy: what to do about it, in words.
        change: measured over baseline, less one; with a yardstick, in units of it.
        low, high: its 95 % interval, for what the next session of the same code would say.
        limit: the change that was allowed: the tolerance, or more where sessions differ by more.
        tolerance: what the test asked for.
        notice: the smallest rise that this test would have found, in four of five sessions.
        looks: the change that each pass over the samples saw; empty for a single one.
        apart: how far the second pass lay from the first, as a fraction; None for a single one.
        outliers: blocks, from 1, that differ from the stored ones as no other block does.
        speed: change of the yardstick since the stored sessions, counted out of `change`; None
            without a yardstick.
        baseline_joules: the median of the stored sessions, joules per unit.
        baseline_low, baseline_high: their smallest and largest.
        sessions: how many were stored.
        domain_changes: the change of each domain, by name.
        budget_joules: the ceiling per unit, if one was set.
        max_flops: the ceiling of operations per inference, if one was set.
        work: change of the floating-point operations per inference; None where not counted twice.
        cause: what work and energy together say about the change, in words.
        storable: whether the figure may become a baseline.
        pairing: the base, where it is another revision that took turns; None for stored sessions.
        quality: of the answers, where the test says that it must not fall.
    """

    status: Status
    reason: str = ""
    remedy: str = ""
    change: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    tolerance: float | None = None
    notice: float | None = None
    looks: tuple[float, ...] = ()
    apart: float | None = None
    outliers: tuple[int, ...] = ()
    speed: float | None = None
    baseline_joules: float | None = None
    baseline_low: float | None = None
    baseline_high: float | None = None
    sessions: int = 0
    domain_changes: tuple[tuple[str, float], ...] = ()
    budget_joules: float | None = None
    max_flops: int | None = None
    work: float | None = None
    cause: str = ""
    storable: bool = False
    pairing: Pairing | None = None
    quality: Quality | None = None


@dataclass(frozen=True, slots=True)
class Training:
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
        training: the whole of it, where training steps were metered; None for inferences.
    """

    subject: Subject
    measurement: Measurement | None
    verdict: Verdict
    base: Measurement | None = None
    training: Training | None = None


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
