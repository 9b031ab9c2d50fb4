"""What is counted and how: methods, domains, readings of cumulative counters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


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
