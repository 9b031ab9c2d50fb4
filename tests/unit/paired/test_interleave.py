"""How a loop is cut into blocks of both sides."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energy.metering.window import block_sizes
from pytest_energy.paired.interleave import MAX_BLOCKS, block_count


@pytest.mark.parametrize(
    ("n", "each_seconds", "shortest", "blocks"),
    [
        (100, 0.1, 1e-6, 100),  # one inference a block
        (1000, 0.005, 1e-6, 100),  # blocks of 0.05 s
        (1000, 1e-4, 1e-6, 20),  # a short loop: as many as stored blocks
        (10, 0.1, 1e-6, 10),
        (10_000, 1.0, 1e-6, MAX_BLOCKS),
        (1000, 0.05, 2.0, 25),  # a slow counter
        (10, 0.05, 2.0, 1),
        (100, 0.0, 0.0, 20),  # nobody knows how long: no warm-up
        (1, 5.0, 1e-6, 1),
    ],
)
def test_how_many_blocks_a_loop_takes(n, each_seconds, shortest, blocks):
    assert block_count(n, each_seconds, shortest) == blocks


@given(
    st.integers(1, 10**6),
    st.floats(0, 100, allow_nan=False),
    st.sampled_from([0.0, 1e-6, 1e-3, 0.1, 2.0]),
)
def test_every_loop_is_cut_into_blocks_that_make_it_up(n, each_seconds, shortest):
    sizes = block_sizes(n, block_count(n, each_seconds, shortest))
    assert sum(sizes) == n
    assert min(sizes) >= 1
    assert len(sizes) <= MAX_BLOCKS
