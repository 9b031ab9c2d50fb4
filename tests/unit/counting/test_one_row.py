"""Products with a single row stand apart from those of the same module with more."""

from __future__ import annotations

import pytest

from pytest_energy.counting.counter import Counter
from pytest_energy.types.counts import ONE_ROW

torch = pytest.importorskip("torch", reason="needs torch")


def operators(work):
    counter = Counter("operators alone")
    with counter.counting(), torch.inference_mode():
        work()
    return {row.operator: row for row in counter.counts([1]).operators}


def test_a_step_of_a_decoder_and_its_prompt_are_two_rows():
    layer = torch.nn.Linear(8, 4)

    def prompt_and_step():
        layer(torch.ones(1, 5, 8))
        layer(torch.ones(1, 1, 8))

    found = operators(prompt_and_step)
    assert found["aten::addmm"].flops == 2 * 5 * 8 * 4
    assert found[f"aten::addmm{ONE_ROW}"].flops == 2 * 1 * 8 * 4


def test_a_single_column_is_as_good_as_a_row():
    assert f"aten::mm{ONE_ROW}" in operators(lambda: torch.ones(4, 8) @ torch.ones(8, 1))


def test_what_is_no_product_keeps_its_name():
    assert set(operators(lambda: torch.ones(1, 8) + 1)) == {"aten::ones", "aten::add"}
