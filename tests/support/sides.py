"""The two sides of a paired comparison."""

from __future__ import annotations

from pytest_energy.types.measurement import Block, Measurement
from support.measurements import CPU


def side(joules, *, domain=CPU, seconds=10.0, n=1, **facts):
    """One side's figures: joules per inference of each block."""
    blocks = tuple(Block(n, seconds / len(joules), (value * n,)) for value in joules)
    done = n * len(joules)
    return Measurement(("rapl",), (domain,), blocks, done, float(done), **facts)
