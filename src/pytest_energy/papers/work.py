"""The paper's energies over the bounds of its board, with operations alone and with memory too.

The energies are those of Luccioni et al. (`luccioni`); the work of an inference of the same models
is counted from their architectures, and stored with how that was done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean

from pytest_energy.papers import luccioni
from pytest_energy.papers.desislavov import Device, device, of_reality
from pytest_energy.published.shipped import rows


@dataclass(frozen=True, slots=True)
class PublishedWork:
    """What one inference of a model of the paper's does, in fp32, batch size 1.

    Args:
        task: as Hugging Face's pipelines call it.
        model: the hub's id, as the paper has it.
        input: for people; of texts the length is assumed, since the paper does not say it.
        passes: forward passes of the model, an encoder's own included.
        flops: floating-point operations; a multiplication and an addition are two.
        weight_bytes: of the weights that the passes read, each pass all that it uses, once; of
            tables of embeddings, the rows looked up. No execution reads less of them, unless its
            caches keep weights from one pass to the next (the A100's 40 MB are at most a quarter
            of what a pass reads here).
        operator_bytes: that operators read and wrote, each operand of a call once, executed one by
            one; fused operators and caches need less.
    """

    task: str
    model: str
    input: str
    passes: int
    flops: int
    weight_bytes: int
    operator_bytes: int


@dataclass(frozen=True, slots=True)
class Span:
    """A figure of a model over its datasets.

    Args:
        least, mean, most: of one figure for each dataset.
    """

    least: float
    mean: float
    most: float


@dataclass(frozen=True, slots=True)
class Distance:
    """How many times their lower bound the paper's energies of a model are.

    Args:
        work: of an inference.
        device: whose bound it is: the paper's board, in fp32, which pipelines use unless told
            otherwise. The energies are the whole node's, seven idle boards included.
        joules: per inference, in the paper's files.
        operations: over the bound of the operations alone.
        with_memory: over the larger of that and of reading the weights once for each pass.
        by_operator: over the larger of that and of moving every operand of every operator.
    """

    work: PublishedWork
    device: Device
    joules: Span
    operations: Span
    with_memory: Span
    by_operator: Span


@cache
def published_work() -> tuple[PublishedWork, ...]:
    """The models whose work was counted, task-specific ones first."""
    return tuple(
        PublishedWork(
            row["task"],
            row["model"],
            row["input"],
            int(row["passes"]),
            int(row["flops"]),
            int(row["weight_bytes"]),
            int(row["operator_bytes"]),
        )
        for row in rows("luccioni2024_work.csv")
    )


@cache
def distances() -> tuple[Distance, ...]:
    """The paper's energies of those models over the bounds of one A100."""
    a100 = device("A100 SXM4 80GB", "fp32")
    return tuple(_distance(work, a100) for work in published_work())


def _distance(work: PublishedWork, board: Device) -> Distance:
    joules = [row.joules_per_inference for row in luccioni.where(work.task, model=work.model)]

    def times(bytes_moved: int) -> Span:
        return _span([of_reality(each, work.flops, board, bytes_moved) for each in joules])

    return Distance(
        work, board, _span(joules), times(0), times(work.weight_bytes), times(work.operator_bytes)
    )


def _span(values: Sequence[float]) -> Span:
    return Span(min(values), fmean(values), max(values))
