"""Bytes that one call of an operator touches: each operand once, as far as its strides reach."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

ROWS_ALONE = frozenset(
    {
        "aten::embedding",
        "aten::index",
        "aten::index_select",
        "aten::gather",
        "aten::take",
        "aten::take_along_dim",
        "aten::_embedding_bag",
        "aten::_embedding_bag_forward_only",
    }
)
"""Operators that read of their first operand only what they return (or as many rows as they are
given indices)."""

UNTOUCHED = frozenset(
    {
        "aten::empty",
        "aten::empty_like",
        "aten::empty_strided",
        "aten::empty_permuted",
        "aten::new_empty",
        "aten::new_empty_strided",
        "aten::resize_",
    }
)
"""Operators that reserve memory and touch none of it."""


def tensors_in(values: Iterable[Any], kind: type) -> Iterator[Any]:
    """Tensors among the arguments or results of an operator, those in lists included.

    Args:
        values: as the operator takes or returns them.
        kind: `torch.Tensor`.
    """
    for value in values:
        if isinstance(value, kind):
            yield value
        elif isinstance(value, list | tuple):
            yield from tensors_in(value, kind)


def bytes_of(tensor: Any) -> int:
    """Bytes of memory that a tensor's strides reach: an expanded dimension counts once.

    Args:
        tensor: of any layout; of a sparse one its indices and values.
    """
    torch = sys.modules["torch"]
    if tensor.layout is not torch.strided:
        return sum(map(bytes_of, _parts(tensor)))
    try:
        strides = tensor.stride()
    except RuntimeError:  # a nested tensor has none
        return int(tensor.numel()) * int(tensor.element_size())
    count = 1
    for size, stride in zip(tensor.shape, strides, strict=True):
        if stride or not size:
            count *= size
    return int(count) * int(tensor.element_size())


def _parts(tensor: Any) -> list[Any]:
    """The dense tensors that a sparse one consists of."""
    torch = sys.modules["torch"]
    if tensor.layout is torch.sparse_coo:
        return [tensor._indices(), tensor._values()]
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        return [tensor.crow_indices(), tensor.col_indices(), tensor.values()]
    if tensor.layout in (torch.sparse_csc, torch.sparse_bsc):
        return [tensor.ccol_indices(), tensor.row_indices(), tensor.values()]
    return []  # opaque, mkldnn for example: its memory is the library's own


def place_of(tensor: Any) -> object:
    """What two operands share that are the same memory."""
    try:
        return tensor.data_ptr(), tensor.numel(), tensor.dtype
    except (RuntimeError, NotImplementedError):  # one without memory of its own
        return id(tensor)


def touched(name: str, arguments: list[Any], results: list[Any]) -> int:
    """Bytes that one call reads and writes.

    Args:
        name: of the operator, `aten::addmm`.
        arguments: tensors that it was given.
        results: tensors that it returned.
    """
    if name in UNTOUCHED:
        return 0
    written = sum(map(bytes_of, results))
    first: dict[object, int] = {}
    if name in ROWS_ALONE and arguments:
        read = min(bytes_of(arguments[0]), _rows_read(name, arguments, written))
        first = {place_of(arguments[0]): read}
        arguments = arguments[1:]
    seen = {place_of(tensor): bytes_of(tensor) for tensor in (*arguments, *results)}
    return sum((seen | first).values())


def _rows_read(name: str, arguments: list[Any], written: int) -> int:
    """Bytes of the first operand that an operator of `ROWS_ALONE` reads."""
    if "embedding_bag" in name and len(arguments) > 1:
        rows, indices = arguments[0], arguments[1].numel()
        return int(indices * rows.shape[-1] * rows.element_size())
    return written


def makes_views(arguments: list[Any], results: list[Any], mutates: bool) -> bool:
    """Whether a call only looked at its operands in another way: it moved and computed nothing.

    Args:
        arguments: tensors that it was given.
        results: tensors that it returned.
        mutates: whether its schema says that it writes to an operand.
    """
    if mutates or not results or not arguments:
        return False
    try:
        storages = {tensor.untyped_storage()._cdata for tensor in arguments}
        return all(tensor.untyped_storage()._cdata in storages for tensor in results)
    except (RuntimeError, NotImplementedError):  # sparse, or a subclass without storage
        return False
