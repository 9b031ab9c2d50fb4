"""Layers that do the same are one row, and become rows of their own again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_energy.types.counts import OperatorRow
from pytest_energy.types.layers import any_layer, fold, folded, layers_of, unfolded


def test_layers_that_do_the_same_share_a_row_with_their_sum():
    rows = [OperatorRow(f"Bert.layer.{i}.up", "aten::addmm", "float32", 7, 5, 1) for i in range(3)]
    assert folded(rows) == [OperatorRow("Bert.layer.[0-2].up", "aten::addmm", "float32", 21, 15, 3)]


def test_a_layer_that_does_something_else_stands_alone():
    things = [(f"layer.{i}", "more" if i == 2 else "same") for i in range(5)]
    assert fold(things) == [("layer.[0-1,3-4]", "same", 4), ("layer.2", "more", 1)]


def test_layers_in_layers_fold_as_well():
    things = [(f"stage.{i}.block.{j}", "same") for i in range(2) for j in range(3)]
    assert fold(things) == [("stage.[0-1].block.[0-2]", "same", 6)]
    assert layers_of("stage.[0-1].block.[0,2]") == [
        "stage.0.block.0",
        "stage.0.block.2",
        "stage.1.block.0",
        "stage.1.block.2",
    ]


ROWS = st.lists(
    st.builds(
        OperatorRow,
        st.lists(st.sampled_from(["m", "x", "0", "1", "2", "3"]), min_size=1, max_size=5).map(
            ".".join
        ),
        st.sampled_from(["aten::mm", "aten::add"]),
        st.sampled_from(["float32", ""]),
        st.integers(0, 2),
        st.integers(0, 1),
        st.integers(0, 1),
    ),
    unique_by=lambda row: (row.module, row.operator, row.dtype),
)


@given(ROWS)
def test_nothing_is_lost_by_folding(rows):
    assert sorted(unfolded(folded(rows)), key=repr) == sorted(rows, key=repr)


def test_a_path_without_the_numbers_of_its_layers():
    for module in ("stage.0.block.12.norm", "stage.[0-1,3].block.[0-5].norm"):
        assert any_layer(module) == "stage.[*].block.[*].norm"
    assert any_layer("Bert.pooler") == "Bert.pooler"


def test_all_layers_together_stay_together():
    row = OperatorRow("Net.block.[*].norm", "aten::add", "float32", 7, 5, 3)
    assert list(unfolded([row])) == [row]
