"""How energy grows over a family of models."""

from __future__ import annotations

import math

import pytest

from pytest_energy import Domain, Measurement, Method
from pytest_energy.types.measurement import Block, FlopCount


def measurement(joules, flops, blocks=20, metered_count=20, unit_count=None, accuracy=None):
    """Of `metered_count` inferences of so many joules each, in blocks that scatter by a percent."""
    domain = Domain("cpu", "cpu", Method.COUNTER, "RAPL", 0.0)
    each = metered_count // blocks
    return Measurement(
        ("scripted",),
        (domain,),
        tuple(
            Block(each, 1.0, (joules * each * (1.01 if i % 2 else 0.99),)) for i in range(blocks)
        ),
        metered_count,
        metered_count if unit_count is None else unit_count,
        recorded={} if accuracy is None else {"accuracy": accuracy},
        flops=None if flops is None else FlopCount(flops),
    )


def test_energy_in_proportion_to_operations_has_slope_one(examples):
    from trends import point, slope

    points = [point(str(f), measurement(f * 1e-9, f)) for f in (10**9, 3 * 10**9, 10**10)]
    found = slope(points)
    assert found.value == pytest.approx(1)
    assert found.low < 1 < found.high
    assert found.high - found.low < 0.02  # blocks scatter by one percent
    assert [one.joules_per_gflop for one in points] == pytest.approx([1, 1, 1])


def test_energy_that_grows_as_the_root_of_operations_has_slope_one_half(examples):
    from trends import point, slope

    points = [point(str(f), measurement(math.sqrt(f), f)) for f in (10**6, 10**8)]
    assert slope(points).value == pytest.approx(0.5)


def test_a_slope_without_blocks_has_no_interval(examples):
    from trends import point, slope

    points = [point(str(f), measurement(f, f, blocks=4)) for f in (10, 100)]
    assert (slope(points).low, slope(points).high) == (None, None)


@pytest.mark.parametrize("flops", [[], [100], [100, 100]])
def test_a_slope_needs_models_of_different_size(examples, flops):
    from trends import point, slope

    with pytest.raises(ValueError, match="different size"):
        slope([point(str(f), measurement(1.0, f)) for f in flops])


def test_operations_of_a_batch_are_divided_by_what_it_held(examples):
    from trends import point

    # 20 batches of 8 reviews; what was counted is a batch.
    assert point("batch", measurement(1.0, 800, unit_count=160)).flops == 100


def test_a_model_whose_operations_nobody_counted_is_no_point(examples):
    from trends import point

    with pytest.raises(ValueError, match="tiny: no operations were counted"):
        point("tiny", measurement(1.0, None))


def test_the_next_point_of_accuracy_has_a_price_only_where_there_is_one(examples):
    from trends import joules_of_next_point, point

    small = point("small", measurement(1.0, 10, accuracy=0.70))
    large = point("large", measurement(3.0, 30, accuracy=0.74))
    assert small.joules_per_point == pytest.approx(1 / 70)
    assert joules_of_next_point(small, large) == pytest.approx(0.5)
    assert joules_of_next_point(large, small) is None
    assert joules_of_next_point(small, point("unknown", measurement(9.0, 90))) is None
