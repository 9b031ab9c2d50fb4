"""What a window yields: blocks of inferences, their joules, and what happened meanwhile.

Nothing here measures, decides, reads or writes. Units are in the names or in the docstrings.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import chain
from statistics import fmean, median, stdev
from typing import overload

from pytest_energy.types.counts import Counts
from pytest_energy.types.energy import Domain, gated_domains
from pytest_energy.types.latency import Latency
from pytest_energy.types.obstacle import Obstacle
from pytest_energy.types.units import kwh

ALIGNED_ERROR_UPDATES = 0.04
"""Uncertainty of a window's end that waited for its counter's update, in updates (standard
deviation). Measured, with room to spare: windows of one update repeat within 2.3 to 3.4 % on an
H100, which is 0.016 to 0.024 updates per end (scripts/gpu_check.py)."""

BUSY_SHARE = 0.10
"""Share of the machine's CPU time used by other processes from which on the machine counts as busy.
A choice, above what an idle system does by itself."""


STEADY, AS_IS = "steady", "as-is"
"""How the memory allocator was in a metered run."""

STEADY_VARIABLES = "MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=4294967296"
"""A steady allocator from outside, for any program with glibc (`machine.allocator`). It takes both:
the second alone also ends the adjusting of M_MMAP_THRESHOLD, and page faults become eight times as
many on EfficientNet-Lite0."""

MOST_FLOPS = 1e30
"""More than any inference takes, and than any training has taken; such a figure is a slip."""


@dataclass(frozen=True, slots=True)
class Block:
    """A run of consecutive inferences, metered together.

    Args:
        n: inferences in it.
        seconds: duration.
        joules: one figure per domain.
        page_faults: of this process, those for which no disk was read; None where the system does
            not tell.
    """

    n: int
    seconds: float
    joules: tuple[float, ...]
    page_faults: int | None = None


class CompactBlocks(Sequence[Block]):
    """Blocks as plain numbers: 20 of them take 4 kB as objects, and 0.7 kB so.

    Args:
        blocks: of one measurement, each of the same domains.
    """

    __slots__ = ("_figures", "_stride")

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._stride = 3 + (len(blocks[0].joules) if blocks else 0)
        # Counts are exact as floating-point numbers up to 2**53; one of page faults is never below
        # 0. An array that is made of a list has no room to spare.
        self._figures = array("d", list(chain.from_iterable(map(_figures_of, blocks))))

    def __len__(self) -> int:
        return len(self._figures) // self._stride

    @overload
    def __getitem__(self, index: int) -> Block: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Block, ...]: ...

    def __getitem__(self, index: int | slice) -> Block | tuple[Block, ...]:
        numbers = range(len(self))[index]
        if isinstance(numbers, range):
            return tuple(map(self._block, numbers))
        return self._block(numbers)

    def __iter__(self) -> Iterator[Block]:
        return map(self._block, range(len(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def _block(self, number: int) -> Block:
        start = number * self._stride
        n, faults, seconds, *joules = self._figures[start : start + self._stride]
        return Block(int(n), seconds, tuple(joules), None if faults < 0 else int(faults))


def _figures_of(block: Block) -> Iterator[float]:
    yield block.n
    yield -1 if block.page_faults is None else block.page_faults
    yield block.seconds
    yield from block.joules


@dataclass(frozen=True, slots=True)
class FlopCount:
    """Floating-point operations of one inference: the same on every machine, at every load.

    Args:
        count: of the samples that were counted, their mean; a multiplication and an addition are
            two.
        without_formula: names of operators without a formula, quantised ones for example.
        samples: of each of them, the first one first.
    """

    count: int
    without_formula: tuple[str, ...] = ()
    samples: tuple[int, ...] = ()

    @property
    def standard_error(self) -> float:
        """Of the mean as that of all samples, as a fraction; 0 where those counted agree."""
        if len(self.samples) < 2 or not self.count:
            return 0.0
        return stdev(self.samples) / math.sqrt(len(self.samples)) / self.count


def flop_count(counts: Counts) -> FlopCount | None:
    """The floating-point operations among what was counted; None where operators were not.

    Args:
        counts: of at least one sample.
    """
    if counts.operators_unavailable or not counts.samples:
        return None
    done = list(zip(counts.samples, counts.sizes, strict=True))
    each = tuple(round(one.flops / size) for one, size in done)
    return FlopCount(round(counts.total.flops / counts.inferences), counts.without_formula, each)


REFERENCE_LIBRARIES = ("torch", "numpy", "python")
"""Whose work the reference workload can be."""


@dataclass(frozen=True, slots=True)
class ReferenceReadings:
    """What a fixed reference workload took, run between the blocks.

    An estimate from CPU seconds drifts with what else the machine does; the reference drifts with
    it, and figures are compared in units of it.

    Args:
        kind: library, piece of work and its size, threads; compared literally with a baseline's.
        threads: that it ran on.
        joules: of one repetition (gated domains), beside each block.
    """

    kind: str
    threads: int
    joules: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class AllocatorTrial:
    """One sample with the memory allocator as it is and, right after, with a steady one.

    Args:
        page_faults: of the inference with the allocator as it is.
        seconds: CPU seconds of that inference.
        steady_seconds: CPU seconds of the same inference with a steady allocator.
    """

    page_faults: int
    seconds: float
    steady_seconds: float

    @property
    def saving(self) -> float:
        """Share of the CPU time that a steady allocator saves; below 0 where it costs."""
        return 1 - self.steady_seconds / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Measurement:
    """The energy of one window.

    Args:
        meters: names of the meters that were read.
        domains: what they count.
        blocks: the window in pieces, in order; joules per domain.
        metered_count: metered inferences (less than `Subject.n` after an early stop).
        unit_count: the divisor: `metered_count`, or what was recorded for another unit, tokens say.
        other_cpu_share: share of the machine's CPU time that other processes used meanwhile, 0 to
            1; None when the window was too short to tell.
        interference: what else makes the figure doubtful, each a clause in words.
        obstacles: what of that lies in the run itself, as `--energy-allow` names it.
        recorded: what the energy bought, from `energy.record`.
        reference: what the reference workload took between the blocks; None where energy is
            counted.
        flops: floating-point operations of one inference; None where they were not counted.
        flops_unavailable: why they were not, as a clause; empty where they were counted, or
            counting is off.
        cpus: CPU seconds that the process and its children used per second; None when the window
            was too short to tell.
        segments: how often metering began: one for a body or an unbroken loop, one an entry for a
            region, one a block where blocks are metered apart.
        update_aligned: whether every segment began and ended on an update of each gated counter (or
            turned out so long that its end makes no difference).
        idle_watts: power of each domain right before the window, with nothing to do; empty where
            that was not asked for.
        allocator: `steady` where freed memory was kept for the next inference, else `as-is`.
        allocator_trial: what keeping it saves, where that was tried; None where it was not.
        cpu: the one CPU that the process was held on; None where it was not held.
        environment: versions of what ran, and thread counts, by name.
        latency: how long the inferences of a loop took; None for a body, a region and batches.
    """

    meters: tuple[str, ...]
    domains: tuple[Domain, ...]
    blocks: Sequence[Block]
    metered_count: int
    unit_count: float
    other_cpu_share: float | None = None
    interference: tuple[str, ...] = ()
    recorded: Mapping[str, float] | None = None
    reference: ReferenceReadings | None = None
    flops: FlopCount | None = None
    flops_unavailable: str = ""
    cpus: float | None = None
    segments: int = 1
    update_aligned: bool = False
    idle_watts: tuple[float, ...] = ()
    allocator: str = AS_IS
    allocator_trial: AllocatorTrial | None = None
    cpu: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    obstacles: tuple[Obstacle, ...] = ()
    latency: Latency | None = None

    def compact(self) -> Measurement:
        """The same figures in less memory."""
        return replace(
            self,
            blocks=CompactBlocks(self.blocks),
            recorded=self.recorded or None,
            environment=_shared_mapping(tuple(self.environment.items())),
        )

    @cached_property
    def seconds(self) -> float:
        """Metered duration, in seconds."""
        return sum(block.seconds for block in self.blocks)

    @property
    def busy(self) -> bool:
        """Whether other processes used so much of the machine that the figure is in doubt."""
        return self.other_cpu_share is not None and self.other_cpu_share >= BUSY_SHARE

    @cached_property
    def gated(self) -> tuple[int, ...]:
        """Positions of the domains that a verdict rests on."""
        return gated_domains(self.domains)

    @cached_property
    def domain_joules(self) -> tuple[float, ...]:
        """Joules of the whole window, one figure per domain."""
        blocks = tuple(self.blocks)
        return tuple(sum(block.joules[i] for block in blocks) for i in range(len(self.domains)))

    @cached_property
    def joules(self) -> float:
        """Gated joules of the whole window."""
        return sum(self.domain_joules[i] for i in self.gated)

    @property
    def boundary_error_updates(self) -> float:
        """What is not known of the window's ends, in updates of its counter (standard deviation).

        An end that falls anywhere between two updates is off by up to one, evenly: 1/√12.
        """
        each = ALIGNED_ERROR_UPDATES if self.update_aligned else math.sqrt(1 / 12)
        return math.sqrt(2 * self.segments) * each

    @property
    def joules_per_unit(self) -> float:
        """Gated joules per inference (or per token, …)."""
        return self.joules / self.unit_count

    @property
    def kwh_per_1000(self) -> float:
        """Gated kilowatt-hours per 1,000 units."""
        return kwh(self.joules_per_unit) * 1000

    @property
    def seconds_per_unit(self) -> float:
        """Metered seconds per unit."""
        return self.seconds / self.unit_count

    @property
    def page_faults_per_inference(self) -> float | None:
        """Page faults of the typical block per inference; None where the system does not tell."""
        faults = [each.page_faults / each.n for each in self.blocks if each.page_faults is not None]
        return median(faults) if faults else None

    @property
    def watts(self) -> float:
        """Mean power of the gated domains over the window, in watts."""
        return self.joules / self.seconds if self.seconds else 0.0

    @cached_property
    def block_joules_per_unit(self) -> tuple[float, ...]:
        """Gated joules per unit, block by block."""
        per_inference = self.metered_count / self.unit_count
        return tuple(
            sum(block.joules[i] for i in self.gated) / block.n * per_inference
            for block in self.blocks
        )


@lru_cache(maxsize=100)
def _shared_mapping(items: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    """One mapping for all that say the same: the versions of a session."""
    return dict(items)


def joined(processes: Sequence[Measurement]) -> Measurement:
    """What several processes measured of the same test, one after the other, as one measurement.

    Args:
        processes: at least one; each may be cut into blocks of its own.

    Returns:
        All their blocks in order; the largest share of other processes and every interference.
    """
    shares = [one.other_cpu_share for one in processes if one.other_cpu_share is not None]
    trials = [one.allocator_trial for one in processes if one.allocator_trial is not None]
    return replace(
        processes[0],
        blocks=tuple(block for one in processes for block in one.blocks),
        metered_count=sum(one.metered_count for one in processes),
        unit_count=sum(one.unit_count for one in processes),
        other_cpu_share=max(shares, default=None),
        interference=tuple(
            dict.fromkeys(clause for one in processes for clause in one.interference)
        ),
        obstacles=tuple(dict.fromkeys(each for one in processes for each in one.obstacles)),
        segments=sum(one.segments for one in processes),
        update_aligned=all(one.update_aligned for one in processes),
        allocator_trial=trials[0] if trials else None,
    )


def mean_of_passes(passes: Sequence[Measurement]) -> Measurement:
    """Several passes over the same samples as one measurement.

    Args:
        passes: at least one, all of as many blocks.

    Returns:
        The last pass with each block the mean of its passes; the largest share of other processes
        and every interference of any pass.
    """
    first = passes[0]
    blocks = tuple(
        Block(
            same[0].n,
            fmean(block.seconds for block in same),
            tuple(map(fmean, zip(*(block.joules for block in same), strict=True))),
            same[-1].page_faults,
        )
        for same in zip(*(one.blocks for one in passes), strict=True)
    )
    references = [one.reference for one in passes if one.reference]
    shares = [one.other_cpu_share for one in passes if one.other_cpu_share is not None]
    reference = first.reference
    if reference is not None:
        joules = tuple(map(fmean, zip(*(r.joules for r in references), strict=True)))
        reference = ReferenceReadings(reference.kind, reference.threads, joules)
    return replace(
        passes[-1],
        blocks=blocks,
        reference=reference,
        other_cpu_share=max(shares, default=None),
        interference=tuple(dict.fromkeys(clause for one in passes for clause in one.interference)),
        obstacles=tuple(dict.fromkeys(each for one in passes for each in one.obstacles)),
    )
