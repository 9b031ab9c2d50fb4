"""Floating-point operations of one call of an operator, by formula.

torch has a table of its own (`torch.utils.flop_counter`), by which a multiplication and an addition
are two operations. What is added here are matrix-vector products, recurrent layers, fused
transformer layers and quantised products, each counted as torch counts a matrix product: two
operations per weight and row.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

UNCOUNTED = (
    "quantized::",
    "_quantized::",
    "onednn::",
    "mkldnn::",
    "mkl::",
    "fbgemm::",
    "torchao::",
    "aten::_fft",
    "aten::linalg_",
    "aten::_linalg_",
    "aten::_cdist_forward",
    "aten::_cudnn_rnn",
    "aten::miopen_rnn",
    "aten::_thnn_fused",
    "aten::_trilinear",
    "aten::grid_sampler",
    "aten::_weight_int4pack_mm",
    "aten::_scaled_grouped_mm",
    "aten::_grouped_mm",
    "higher_order::",
)
"""How the names begin of operators that compute much and may have no formula."""

Formula = Callable[[Mapping[str, Any], Any], int]
"""Takes the call's arguments by their names in the schema, and its result."""


def _rows_times(*weights: str) -> Formula:
    """Each row of the input is multiplied by every one of these weights."""

    def count(arguments: Mapping[str, Any], _: Any) -> int:
        source = next(iter(arguments.values()))
        rows = math.prod(source.shape[:-1])
        return int(2 * rows * sum(arguments[weight].numel() for weight in weights))

    return count


def _matrix_vector(arguments: Mapping[str, Any], _: Any) -> int:
    matrix = arguments["mat"] if "mat" in arguments else arguments["self"]
    return 2 * int(matrix.numel())


def _dot(arguments: Mapping[str, Any], _: Any) -> int:
    return 2 * int(arguments["self"].numel())


def _product(left: str) -> Formula:
    """A matrix product: two operations per element of the result and of the left one's row."""

    def count(arguments: Mapping[str, Any], result: Any) -> int:
        return 2 * int(result.numel()) * int(arguments[left].shape[-1])

    return count


def _encoder_layer(arguments: Mapping[str, Any], _: Any) -> int:
    source = arguments["src"]
    rows = math.prod(source.shape[:-1])
    names = ("qkv_weight", "proj_weight", "ffn_weight_1", "ffn_weight_2")
    weights = sum(arguments[name].numel() for name in names)
    return int(2 * rows * weights + 4 * rows * source.shape[-2] * source.shape[-1])


def _attention(arguments: Mapping[str, Any], _: Any) -> int:
    query = arguments["query"]
    rows = math.prod(query.shape[:-1])
    weights = arguments["qkv_weight"].numel() + arguments["proj_weight"].numel()
    return int(2 * rows * weights + 4 * rows * query.shape[-2] * query.shape[-1])


ADDED: Mapping[str, Formula] = {
    "aten::mv": _matrix_vector,
    "aten::addmv": _matrix_vector,
    "aten::addmv_": _matrix_vector,
    "aten::dot": _dot,
    "aten::vdot": _dot,
    "aten::_int_mm": _product("self"),
    "aten::_addmm_activation": _product("mat1"),
    "aten::_weight_int8pack_mm": _product("self"),
    "aten::mkldnn_rnn_layer": _rows_times("weight0", "weight1"),
    "aten::_transformer_encoder_layer_fwd": _encoder_layer,
    "aten::_native_multi_head_attention": _attention,
    "mkldnn::_linear_pointwise": _product("X"),
    "quantized::linear": _product("X"),
    "quantized::linear_relu": _product("X"),
    "quantized::linear_dynamic": _product("X"),
    "quantized::linear_relu_dynamic": _product("X"),
    "quantized::linear_dynamic_fp16": _product("X"),
}
"""By the operator's name. The names of arguments are those of torch's schemas
(aten/src/ATen/native/native_functions.yaml, quantized/library.cpp)."""


Quick = Callable[[Any, Any], int]
"""Takes the call's positional arguments, and its result."""


def _matrix_product(left: int) -> Quick:
    """A product of matrices, of which the left one stands at this place.

    Two operations per element of the result and of the left one's row; with a sparse operand per
    entry and column.
    """

    def count(args: Any, result: Any) -> int:
        torch = sys.modules["torch"]
        first, second = args[left], args[left + 1]
        if first.layout is not torch.strided:
            return 2 * int(first._nnz()) * int(second.shape[-1])
        if second.layout is not torch.strided:
            return 2 * int(second._nnz()) * int(first.shape[0])
        return 2 * int(result.numel()) * int(first.shape[-1])

    return count


def _fused_attention(args: Any, _: Any) -> int:
    """Of query, key and value: two products, softmax left out as in torch's table."""
    query, key, value = args[:3]
    rows = math.prod(query.shape[:-1]) * key.shape[-2]
    return int(2 * rows * (query.shape[-1] + value.shape[-1]))


QUICK: Mapping[str, Quick] = {
    "aten::mm": _matrix_product(0),
    "aten::addmm": _matrix_product(1),
    "aten::bmm": _matrix_product(0),
    "aten::baddbmm": _matrix_product(1),
    "aten::_sparse_addmm": _matrix_product(1),
    "aten::_scaled_dot_product_flash_attention_for_cpu": _fused_attention,
}
"""By the operator's name: what torch's table says too, without its detour over shapes, which takes
longer than a small product. Of fused attention on CPUs it has nothing (torch 2.13)."""


def torch_formulas() -> Mapping[Any, Callable[..., int]]:
    """The table of torch, by the operator's packet."""
    table: Any = import_module("torch.utils.flop_counter")  # partly untyped
    formulas: Mapping[Any, Callable[..., int]] = table.flop_registry
    return formulas


def named_arguments(func: Any, args: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """A call's arguments by their names in the operator's schema."""
    names = [argument.name for argument in func._schema.arguments]
    return {**dict(zip(names, args, strict=False)), **kwargs}
