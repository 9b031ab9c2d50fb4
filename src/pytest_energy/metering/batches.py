"""Loops over batches: how many inferences each batch performs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Sized
from itertools import accumulate, cycle, islice
from typing import Any

import pytest

from pytest_energy.types.inference import whole_number


def batch_sizes(samples: Iterable[Any], n: int | None, batch_size: int) -> Sequence[int]:
    """Inferences of each batch that a pass yields, whose sum is `n`.

    Args:
        samples: batches of `batch_size`; the last one may be smaller where the dataset behind a
            loader says how many samples there are, or where `n` ends with it.
        n: inferences of a pass; None for one round of the batches.
        batch_size: inferences of a whole batch.

    Raises:
        pytest.UsageError: no whole number above 0, or no number of batches makes `n`; says which
            would.
    """
    try:
        whole_number("batch_size", batch_size, 1)
    except ValueError as error:
        raise pytest.UsageError(f"energy.each: {error}") from error
    batches = len(samples) if isinstance(samples, Sized) else None
    known = _dataset_size(samples)
    if known is None and batches is not None and n is not None and -(-n // batch_size) == batches:
        known = n  # the last one is smaller
    if known is None and batches is not None:
        known = batches * batch_size
    wanted = known if n is None else n
    if wanted is None:
        raise pytest.UsageError(
            "energy.each: say n in the marker, since the batches cannot be counted"
        )
    round_sizes = [batch_size]
    if known is not None:
        whole, rest = divmod(known, batch_size)
        round_sizes = [batch_size] * whole + ([rest] if rest else [])
    if wanted == 0:
        return []
    at_most = -(-wanted // min(round_sizes)) if round_sizes else 0
    sizes = list(islice(cycle(round_sizes), at_most))
    sums = list(accumulate(sizes))
    if wanted in sums:
        return sizes[: sums.index(wanted) + 1]
    below = max((total for total in sums if total < wanted), default=0)
    above = min((total for total in sums if total > wanted), default=0)
    would = " or ".join(f"n={each:,}" for each in (below, above) if each)
    raise pytest.UsageError(
        f"energy.each: no number of batches of {batch_size:,} makes n={wanted:,}: {would} would do"
    )


def _dataset_size(loader: Any) -> int | None:
    """Samples in one round of a loader over a dataset; None where it does not tell."""
    dataset, sampler = getattr(loader, "dataset", None), getattr(loader, "sampler", None)
    counted = sampler if isinstance(sampler, Sized) else dataset
    if not isinstance(counted, Sized) or not isinstance(loader, Sized):
        return None
    size: int = len(counted)
    if getattr(loader, "drop_last", False):
        size -= size % (getattr(loader, "batch_size", None) or 1)
    return size


def untold_batches(samples: object) -> str:
    """What to say of a loader whose batches are taken for inferences; empty where it has none.

    Args:
        samples: that are looped over without a `batch_size`.
    """
    size = getattr(samples, "batch_size", None)
    if not isinstance(size, int) or isinstance(size, bool) or size < 2:
        return ""
    return (
        f"energy.each got a loader of batch_size {size:,}, and n counts its batches: with"
        f" energy.each(loader, batch_size={size}) it counts inferences"
    )
