"""Ratios of energies, with an interval from the blocks of both."""

from __future__ import annotations

import pytest

from pytest_energy.analysis import ratio as ratios
from support.measurements import measured


def test_a_ratio_has_an_interval_from_the_blocks_of_both():
    ratio = ratios.ratio([measured(6.0, wobble=0.02)], [measured(2.0, wobble=0.02)])
    assert ratio.value == pytest.approx(3.0)
    assert 2.9 < ratio.low < ratio.value < ratio.high < 3.1


def test_a_ratio_of_several_is_that_of_their_geometric_means():
    ratio = ratios.ratio([measured(2.0), measured(8.0)], [measured(2.0)])
    assert ratio.value == pytest.approx(2.0)


def test_a_ratio_of_single_blocks_has_no_interval():
    ratio = ratios.ratio([measured(6.0, blocks=1)], [measured(2.0)])
    assert ratio == ratios.RatioEstimate(pytest.approx(3.0), None, None)


def test_a_ratio_needs_two_sides():
    with pytest.raises(ValueError, match="both sides"):
        ratios.ratio([], [measured(2.0)])
