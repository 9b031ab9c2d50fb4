"""Task-specific and general-purpose models at equal size."""

from __future__ import annotations

import pytest

from pytest_energy import Domain, Measurement, Method
from pytest_energy.types.measurement import Block


def measured(joules: float, noise: float = 0.0) -> Measurement:
    """Ten blocks of one inference each, every second one dearer by the noise."""
    domain = Domain("cpu", "cpu", Method.COUNTER, "scripted", 0.0)
    blocks = (joules * (1 + noise * (number % 2)) for number in range(10))
    return Measurement(
        ("scripted",), (domain,), tuple(Block(1, 1.0, (each,)) for each in blocks), 10, 10.0
    )


def test_kinds_that_differ_by_size_alone_take_the_same_at_equal_size(examples):
    from equal_size import at_equal_size

    ratio = at_equal_size(
        [(200, measured(2.0)), (800, measured(8.0))], [(50, measured(0.5)), (400, measured(4.0))]
    )
    assert ratio.value == pytest.approx(1)


def test_what_differs_beside_the_size_remains_with_an_interval_that_grows_with_the_noise(examples):
    from equal_size import at_equal_size

    def threefold(noise: float):
        return at_equal_size(
            [(200, measured(6.0, noise)), (800, measured(24.0, noise))],
            [(50, measured(0.5, noise)), (400, measured(4.0, noise))],
        )

    calm, noisy = threefold(0.02), threefold(0.2)
    assert calm.value == pytest.approx(3)
    assert calm.low < 3 < calm.high
    assert noisy.low < calm.low
    assert calm.high < noisy.high


def test_the_interval_is_that_of_the_ratio_when_the_sizes_are_the_same(examples):
    from equal_size import at_equal_size

    from pytest_energy.analysis.ratio import ratio

    general = [measured(6.0, 0.1), measured(24.0, 0.3)]
    specific = [measured(0.5, 0.2), measured(4.0, 0.1)]
    found = at_equal_size(
        list(zip((100, 400), general, strict=True)), list(zip((100, 400), specific, strict=True))
    )
    plain = ratio(general, specific)
    assert (found.value, found.low, found.high) == pytest.approx(
        (plain.value, plain.low, plain.high)
    )
