"""Reviews to classify, one by one or in batches: the same for every model and way to run it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from sentiment import TRAINING, reviews

LARGEST = 32
"""Reviews of the largest batch; how many are classified is a multiple of it."""


def up_to(n: int, at_least: int = 1) -> int:
    """`n` inferences, or fewer where the environment's EXAMPLES_N says that fewer will do.

    Args:
        n: of a full run.
        at_least: that a test needs.
    """
    return max(at_least, min(n, int(os.environ.get("EXAMPLES_N", n))))


N = up_to(160, LARGEST) // LARGEST * LARGEST
"""Reviews that each model classifies."""


@dataclass(frozen=True, slots=True)
class Review:
    """One that no head was trained on.

    Args:
        number: among those that are classified.
        text: as its author wrote it.
        label: 1 positive, 0 negative.
        tokens: its length for the model.
    """

    number: int
    text: str
    label: int
    tokens: int


def to_classify(tokenizer: Any, n: int = N) -> list[Review]:
    """The reviews behind those that heads are trained on.

    Args:
        tokenizer: of the model.
        n: how many.

    Returns:
        The one that is nearest to the mean length stands first, since operations are counted for
        the first sample.
    """
    chosen = reviews().select(range(TRAINING, TRAINING + n))
    lengths = [len(ids) for ids in tokenizer(chosen["text"][:]).input_ids]
    found = [
        Review(number, row["text"], row["label"], length)
        for number, (row, length) in enumerate(zip(chosen, lengths, strict=True))
    ]
    return _most_ordinary_first(found, lengths)


def in_batches(samples: Sequence[Review], size: int, by_length: bool = False) -> list[list[Review]]:
    """Cut samples into batches of one size.

    Args:
        samples: a multiple of `size`.
        size: of a batch.
        by_length: put reviews of like length together, so that little is padded.

    Returns:
        The batches; the one whose padded length is nearest to the mean stands first.

    Raises:
        ValueError: the last batch would be smaller, and joules per review not comparable.
    """
    if len(samples) % size:
        raise ValueError(f"{len(samples)} reviews make no whole batches of {size}")
    if by_length:
        samples = sorted(samples, key=lambda review: review.tokens)
    found = [list(samples[i : i + size]) for i in range(0, len(samples), size)]
    return _most_ordinary_first(found, [max(r.tokens for r in batch) for batch in found])


def _most_ordinary_first(items: list[Any], lengths: Sequence[int]) -> list[Any]:
    mean = fmean(lengths)
    first = min(range(len(items)), key=lambda i: abs(lengths[i] - mean))
    return [items[first], *items[:first], *items[first + 1 :]]
