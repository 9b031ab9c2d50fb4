"""Orders of figures, and how far two of them agree. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from statistics import correlation

FEWEST = 3
"""Fewer ranks than this have no correlation worth a figure: two are in order or are not."""


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """Rank correlation: Pearson's correlation of ranks, ties at the mean of their ranks.

    C. Spearman, "The proof and measurement of association between two things", American Journal
    of Psychology 15 (1904).

    Args:
        one: figures.
        other: as many, in the same order.

    Returns:
        -1 to 1.

    Raises:
        ValueError: fewer than two pairs, or a side without any order (all alike).
    """
    if len(one) != len(other) or len(one) < 2:
        raise ValueError("a rank correlation needs two or more pairs")
    if len(set(one)) == 1 or len(set(other)) == 1:
        raise ValueError("a rank correlation needs figures that differ")
    return correlation(ranks(one), ranks(other))


def ranks(values: Sequence[float]) -> list[float]:
    """Ranks from 1, ties at the mean of the ranks that they share.

    Args:
        values: figures; the smallest has the first rank.
    """
    order = sorted(values)
    # A value's first and last place, so that ties meet in the middle.
    return [(bisect_left(order, each) + bisect_right(order, each) + 1) / 2 for each in values]
