"""Orders, and how far two of them agree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energy.analysis.ranks import ranks, spearman


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([1, 2, 3], [10, 20, 30], 1),
        ([1, 2, 3], [30, 20, 10], -1),
        ([1, 2, 3, 4, 5], [5, 6, 7, 8, 7], 0.8207826816681233),  # scipy.stats.spearmanr
        ([1, 1, 2], [1, 2, 3], 0.8660254037844386),
        ([106, 100, 86, 101, 99, 103, 97, 113, 112, 110], [7, 27, 2, 50, 28, 29, 20, 12, 6, 17],
         -29 / 165),
    ],
)  # fmt: skip
def test_rank_correlation_of_known_cases(one, other, expected):
    assert spearman(one, other) == pytest.approx(expected)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12))
def test_ranks_add_up_whatever_ties_there_are(values):
    found = ranks(values)
    assert sum(found) == pytest.approx(len(values) * (len(values) + 1) / 2)
    assert [found[i] < found[j] for i in range(len(values)) for j in range(len(values))] == [
        values[i] < values[j] for i in range(len(values)) for j in range(len(values))
    ]


@pytest.mark.parametrize("pair", [([1], [1]), ([1, 2], [1, 2, 3]), ([1, 1], [1, 2])])
def test_a_rank_correlation_needs_pairs_that_differ(pair):
    with pytest.raises(ValueError, match="a rank correlation needs"):
        spearman(*pair)
