"""Counted energy: one formula from exact counts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energy.types.counts import (
    NEW_LAYOUT,
    ONE_ROW,
    Coefficients,
    Counts,
    OperatorRow,
    Work,
)
from pytest_energy.verdict.counted_energy import (
    CACHE,
    COEFFICIENTS,
    coefficients_of,
    counted_joules,
    joules_per_inference,
    kind_of,
    operator_joules,
)

BY = Coefficients(
    joules_per_flop={"": 2.0, "product float64": 5.0, "vector": 1.0, "bfloat16": 0.5},
    joules_per_byte=0.5,
    joules_per_call=10.0,
    joules_per_python_call=0.25,
    joules_per_byte_of={"move": 0.1, "large move": 0.3, "move float64": 0.2},
)


def row(operator="aten::mm", dtype="float32", flops=0, touched=0, calls=1):
    return OperatorRow("Net.layer", operator, dtype, flops, touched, calls)


@pytest.mark.parametrize(
    ("operator", "flops", "kind"),
    [
        ("aten::addmm", 8, "product"),
        ("aten::bmm", 8, "product"),
        ("quantized::linear_dynamic", 8, "product"),
        (f"aten::addmm{ONE_ROW}", 8, "vector"),
        ("aten::mv", 8, "vector"),
        ("aten::convolution", 8, "convolution"),
        ("aten::mkldnn_convolution", 8, "convolution"),
        ("aten::conv_depthwise3d", 8, "convolution"),
        ("aten::_scaled_dot_product_flash_attention_for_cpu", 8, "attention"),
        ("aten::_softmax", 0, "function"),
        ("aten::silu", 0, "function"),
        ("aten::linalg_vector_norm", 0, "function"),
        ("aten::gelu", 0, "gelu"),
        ("aten::bernoulli_", 0, "random"),
        ("aten::native_dropout", 0, "random"),
        ("aten::native_layer_norm", 0, "norm"),
        ("aten::native_group_norm", 0, "norm"),
        ("aten::_fused_rms_norm", 0, "norm"),
        ("aten::_native_batch_norm_legit_no_training", 0, "norm"),
        ("aten::_batch_norm_no_update", 0, "norm"),
        ("aten::_native_batch_norm_legit", 0, "norm in training"),
        ("aten::cudnn_batch_norm", 0, "norm in training"),
        (f"aten::clone{NEW_LAYOUT}", 0, "layout"),
        ("aten::clone", 0, "move"),
        ("aten::relu", 0, "move"),
        ("aten::logical_and", 0, "move"),
        ("aten::isin", 0, "move"),
        ("aten::_convert_indices_from_coo_to_csr", 0, "move"),
        ("higher_order::flex", 0, "move"),
        ("", 0, "move"),
    ],
)
def test_the_class_of_an_operator_follows_from_its_name_and_whether_it_multiplies(
    operator, flops, kind
):
    assert kind_of(row(operator, flops=flops)) == kind


def test_a_move_is_large_where_the_operands_of_a_call_do_not_fit_into_the_cache():
    assert kind_of(row("aten::add", touched=8 * CACHE, calls=8)) == "move"
    assert kind_of(row("aten::add", touched=8 * CACHE + 1, calls=8)) == "large move"


def test_flops_bytes_and_calls_are_added_by_class_and_dtype():
    assert operator_joules(row(flops=3, touched=4, calls=2), BY) == 3 * 2.0 + 4 * 0.5 + 2 * 10.0
    assert operator_joules(row("aten::add", "float64", touched=4), BY) == 4 * 0.2 + 10.0


def test_a_call_of_a_class_costs_what_all_do_and_what_the_class_adds():
    by = replace(BY, joules_per_call_of={"product": 3.0, "product float64": 4.0})
    assert operator_joules(row("aten::mm", flops=1, calls=2), by) == 2.0 + 2 * (10.0 + 3.0)
    assert operator_joules(row("aten::mm", "float64", flops=1), by) == 5.0 + 10.0 + 4.0
    assert operator_joules(row("aten::add"), by) == 10.0


def test_a_dtype_that_is_not_named_costs_what_its_class_does():
    assert operator_joules(row(f"aten::mm{ONE_ROW}", "float64", flops=3), BY) == 3 * 1.0 + 10.0
    assert operator_joules(row("aten::add", "", touched=10), BY) == 10 * 0.1 + 10.0


def test_a_class_that_is_not_named_costs_what_its_dtype_does():
    attention = row("aten::_scaled_dot_product_attention_math", "bfloat16", flops=4, touched=6)
    assert operator_joules(attention, BY) == 4 * 0.5 + 6 * 0.5 + 10.0


def test_without_classes_one_cost_holds_for_all_operators():
    plain = Coefficients({"": 2.0, "float64": 4.0}, 0.5, 10.0, 0.25)
    for operator in ("aten::mm", f"aten::mm{ONE_ROW}", "aten::convolution", "aten::add"):
        assert operator_joules(row(operator, "float64", 3, 4, 2), plain) == 3 * 4.0 + 4 * 0.5 + 20.0


def test_python_calls_are_added_to_operators():
    assert counted_joules([], 8, BY) == 2.0
    assert counted_joules([row(flops=3)], 8, BY) == 3 * 2.0 + 10.0 + 2.0


def test_an_inference_has_its_share_of_all_that_were_counted():
    counts = Counts(
        device="cpu",
        samples=(Work(3, 0, 1, 4), Work(3, 0, 1, 4)),
        sizes=(1, 3),
        operators=(row(flops=6, calls=2),),
    )
    assert joules_per_inference(counts, BY) == (6 * 2.0 + 2 * 10.0 + 8 * 0.25) / 4


def test_an_unknown_device_costs_what_the_cpu_does():
    assert coefficients_of("xpu") is COEFFICIENTS["cpu"]
    assert coefficients_of("cpu") is COEFFICIENTS["cpu"]


def test_of_several_devices_the_first_that_is_known_counts():
    assert coefficients_of("mps+cuda") is COEFFICIENTS["cuda"]


@pytest.mark.parametrize("device", sorted(COEFFICIENTS))
def test_coefficients_are_costs_of_classes_that_there_are(device):
    by = COEFFICIENTS[device]
    multiply = {"product", "vector", "convolution", "attention"}
    kinds = multiply | {"norm", "norm in training", "function", "gelu", "random"}
    kinds |= {"layout", "move", "large move"}
    dtypes = {"", "float64", "bfloat16", "float16"}
    names = {f"{kind} {dtype}".strip() for kind in kinds for dtype in dtypes}
    assert set(by.joules_per_flop) <= names | dtypes
    assert set(by.joules_per_byte_of) | set(by.joules_per_call_of) <= names
    assert by.joules_per_flop[""] > 0
    assert min(by.joules_per_byte, by.joules_per_call, by.joules_per_python_call) > 0


ROWS = st.builds(
    OperatorRow,
    module=st.just("Net"),
    operator=st.sampled_from(["aten::mm", f"aten::mm{ONE_ROW}", "aten::add", "aten::_softmax"]),
    dtype=st.sampled_from(["float32", "float64", "bfloat16", "int64", ""]),
    flops=st.integers(0, 10**15),
    bytes=st.integers(0, 10**12),
    calls=st.integers(1, 10**6),
)


@given(ROWS, st.sampled_from(sorted(COEFFICIENTS)), st.integers(2, 9))
def test_so_many_times_the_work_costs_so_many_times_as_much(one, device, times):
    by = coefficients_of(device)
    more = replace(one, flops=one.flops * times, bytes=one.bytes * times, calls=one.calls * times)
    assert operator_joules(more, by) == pytest.approx(times * operator_joules(one, by))


@given(ROWS, st.sampled_from(sorted(COEFFICIENTS)))
def test_more_of_anything_never_costs_less_within_a_class(one, device):
    by = coefficients_of(device)
    more = replace(one, flops=one.flops and one.flops + 1, calls=one.calls + 1)
    if kind_of(more) == kind_of(one):
        assert operator_joules(more, by) > operator_joules(one, by)
