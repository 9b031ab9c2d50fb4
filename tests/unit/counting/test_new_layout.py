"""Copies that lay numbers out in another way stand apart from those that do not."""

from __future__ import annotations

import pytest

from pytest_energy.counting.counter import Counter
from pytest_energy.types.counts import NEW_LAYOUT

torch = pytest.importorskip("torch", reason="needs torch")

IMAGE = torch.ones(1, 4, 6, 6)
LAST = IMAGE.contiguous(memory_format=torch.channels_last)
MATRIX = torch.ones(4, 6)


def operators(work):
    counter = Counter("operators alone")
    with counter.counting(), torch.inference_mode():
        work()
    counts = counter.counts([1])
    assert not counts.notes
    return {row.operator for row in counts.operators}


@pytest.mark.parametrize(
    "copy",
    [
        lambda: IMAGE.contiguous(memory_format=torch.channels_last),
        lambda: LAST.contiguous(),
        lambda: MATRIX.t().contiguous(),
        lambda: IMAGE.permute(0, 2, 3, 1).contiguous(),
    ],
    ids=["channels last", "channels first", "transposed", "permuted"],
)
def test_a_copy_that_puts_other_numbers_beside_each_other(copy):
    assert operators(copy) == {f"aten::clone{NEW_LAYOUT}"}


def test_a_transposed_copy_into_memory_that_is_there():
    target = torch.empty(6, 4)
    assert operators(lambda: target.copy_(MATRIX.t())) == {f"aten::copy_{NEW_LAYOUT}"}


def test_another_dtype_and_another_layout():
    def convert():
        return MATRIX.t().to(torch.float64, memory_format=torch.contiguous_format)

    assert operators(convert) == {f"aten::_to_copy{NEW_LAYOUT}"}


@pytest.mark.parametrize(
    "copy",
    [
        lambda: MATRIX.clone(),
        lambda: LAST.clone(),
        lambda: torch.ones(4, 12)[:, ::2].contiguous(),
        lambda: torch.ones(2, 3, 4, 5).transpose(1, 2).contiguous(),
        lambda: torch.ones(4, 1).t().contiguous(),
        lambda: torch.ones(1, 6).expand(4, 6).contiguous(),
        lambda: MATRIX.double(),
        lambda: torch.empty(4, 6).copy_(torch.tensor(1.0)),
    ],
    ids=[
        "contiguous",
        "channels last to channels last",
        "every second",
        "heads beside tokens",
        "one column",
        "one row for all",
        "another dtype",
        "one number for all",
    ],
)
def test_a_copy_that_keeps_neighbours_together_keeps_its_name(copy):
    assert not {name for name in operators(copy) if name.endswith(NEW_LAYOUT)}


@pytest.mark.parametrize("layout", ["sparse_coo", "sparse_csr"])
@pytest.mark.filterwarnings("ignore:Sparse")
def test_what_has_no_strides_keeps_its_name(layout):
    sparse = torch.eye(4).to_sparse(layout=getattr(torch, layout))
    assert not {name for name in operators(sparse.clone) if name.endswith(NEW_LAYOUT)}


def test_a_copy_that_shares_its_module_with_others_is_a_row_of_its_own():
    class Two(torch.nn.Module):
        def forward(self, x):
            return x.clone() + x.t().contiguous().t()

    model = Two()
    assert {"aten::clone", f"aten::clone{NEW_LAYOUT}"} <= operators(lambda: model(MATRIX))
