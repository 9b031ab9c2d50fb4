"""Operators of torch, counted call by call as torch's dispatcher hands them out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import Any, cast

from pytest_energy.counting.formulas import (
    ADDED,
    QUICK,
    UNCOUNTED,
    named_arguments,
    torch_formulas,
)
from pytest_energy.counting.modules import Path
from pytest_energy.counting.operands import makes_views, tensors_in, touched
from pytest_energy.types.counts import NEW_LAYOUT, ONE_ROW

Key = tuple[Path, str, str]
"""Module, operator, dtype."""


@dataclass(slots=True)
class Tally:
    """What operators did so far.

    Args:
        rows: FLOPs, bytes and calls, by module, operator and dtype.
        without_formula: operators that compute and whose operations were not counted.
        devices: kinds of devices of their results.
        problem: why the count is not whole, as a clause; empty where it is.
    """

    rows: dict[Key, list[int]] = field(default_factory=dict)
    without_formula: set[str] = field(default_factory=set)
    devices: set[str] = field(default_factory=set)
    problem: str = ""

    def add(self, key: Key, flops: int, touched: int) -> None:
        """One call."""
        row = self.rows.get(key)
        if row is None:
            row = self.rows[key] = [0, 0, 0]
        row[0] += flops
        row[1] += touched
        row[2] += 1


@dataclass(frozen=True, slots=True)
class _Operator:
    """What is known of an operator before it is called.

    Args:
        name: `aten::addmm`.
        formula: counts its operations, from arguments and result; None without one.
        parts: calls the others that it is defined by, which are counted in its place; None where it
            does its work itself.
        mutates: whether it writes to an operand.
        uncounted: whether it computes much and has no formula.
        views: whether all that it ever does is to look at its operand in another way.
    """

    name: str
    formula: Callable[[Any, Any, Any], int] | None
    parts: Callable[..., Any] | None
    mutates: bool
    uncounted: bool
    views: bool = False


class Operators:
    """Makes the modes that count; each thread has one of its own.

    Args:
        path: of the module that runs in the calling thread.
        suspend, resume: called where the counting's own work begins and ends.
    """

    def __init__(
        self,
        path: Callable[[], Path],
        suspend: Callable[[], None],
        resume: Callable[[], None],
    ) -> None:
        self._path = path
        self._suspend = suspend
        self._resume = resume
        self._known: dict[Any, _Operator] = {}
        self._formulas = torch_formulas()

    def mode(self, tally: Tally) -> Any:
        """A dispatch mode: a context manager in which every operator's call is counted.

        Args:
            tally: to count into.
        """
        base: Any = import_module("torch.utils._python_dispatch").TorchDispatchMode
        tensor = sys.modules["torch"].Tensor

        class Mode(base):  # type: ignore[misc]
            supports_higher_order_operators = True

        def dispatch(mode: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self._suspend()
            try:
                return self._count(tally, mode, tensor, func, types, args, kwargs or {})
            finally:
                self._resume()

        # Not inside the class: there torch wraps it in a way that imports its compiler (1.4 s).
        Mode.__torch_dispatch__ = dispatch
        return Mode()

    def _count(
        self, tally: Tally, mode: Any, tensor: Any, func: Any, types: Any, args: Any, kwargs: Any
    ) -> Any:
        for kind in types:
            if kind.__module__.startswith(TRACING):
                return func(*args, **kwargs)  # nothing is computed, and only its shapes are wanted
            if kind is not tensor and kind.__torch_dispatch__ is not tensor.__torch_dispatch__:
                return NotImplemented  # a subclass's own operators are counted in its place
        operator = self._known.get(func)
        if operator is None:
            operator = self._known[func] = self._describe(func)
        if operator.parts is not None:
            problem = ""
            try:
                with mode:
                    return operator.parts(*args, **kwargs)
            except Exception as error:
                problem = f"{operator.name}: {type(error).__name__}: {error}"
            result = func(*args, **kwargs)  # what is wrong with the model's own call is raised here
            tally.problem = tally.problem or problem
        else:
            result = func(*args, **kwargs)
        try:
            if not operator.views:
                self._note(tally, operator, tensor, args, kwargs, result)
        except Exception as error:  # torch's internals change between versions
            tally.problem = f"{operator.name}: {type(error).__name__}: {error}"
        return result

    def _note(
        self, tally: Tally, operator: _Operator, tensor: Any, args: Any, kwargs: Any, result: Any
    ) -> None:
        given = list(tensors_in((*args, *kwargs.values()), tensor))
        results = list(tensors_in((result,), tensor))
        if makes_views(given, results, operator.mutates) or not (given or results):
            return  # also what only marks a place, for torch's own profiler
        flops = 0
        if operator.formula is not None:
            flops = int(operator.formula(args, kwargs, result))
        elif operator.uncounted:
            tally.without_formula.add(operator.name)
        dtype, device = "", "cpu"
        for each in results or given[:1]:
            dtype, device = str(each.dtype).removeprefix("torch."), each.device.type
            break
        tally.devices.add(device)
        size = touched(operator.name, given, results)
        name = operator.name
        if name in PRODUCTS and _has_one_row(results):
            name += ONE_ROW
        elif name in COPIES and _is_laid_out_anew(given, results):
            name += NEW_LAYOUT
        tally.add((self._path(), name, dtype), flops, size)

    def _describe(self, func: Any) -> _Operator:
        packet = getattr(func, "_overloadpacket", None)
        if packet is None:  # a higher-order operator, which runs others
            return _Operator(f"higher_order::{_name(func)}", None, None, False, True)
        name = str(func._schema.name)
        formula = _formula_of(func, packet, name, self._formulas)
        parts = _parts_of(func) if formula is None else None
        uncounted = formula is None and (
            name.startswith(UNCOUNTED) or name.partition("::")[0] not in OF_TORCH
        )
        views = parts is None and bool(getattr(func, "is_view", False))
        return _Operator(name, formula, parts, bool(func._schema.is_mutable), uncounted, views)


TRACING = "torch._subclasses"
"""Where the tensors are from that torch traces a program with."""

OF_TORCH = frozenset({"aten", "prim", "prims", "rngprims", "profiler", "c10d", "_c10d_functional"})
"""Namespaces of operators that compute little where they have no formula, `UNCOUNTED` aside."""


PRODUCTS = frozenset({"aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm"})
"""Operators of which calls with a single row are counted apart."""


def _has_one_row(results: list[Any]) -> bool:
    return bool(results) and results[0].dim() > 1 and 1 in results[0].shape[-2:]


COPIES = frozenset({"aten::clone", "aten::copy_", "aten::_to_copy"})
"""Operators of which calls that lay numbers out in another way are counted apart."""


def _is_laid_out_anew(given: list[Any], results: list[Any]) -> bool:
    """Whether other numbers are neighbours in what was written than in what was read."""
    if not (given and results) or given[-1].shape != results[0].shape:
        return False  # of `copy_` the second operand is read, and may be one number for all
    before, after = _fastest(given[-1]), _fastest(results[0])
    return None not in (before, after) and before != after


def _fastest(tensor: Any) -> int | None:
    """The dimension along which neighbours lie in memory; None where there is none."""
    if tensor.layout is not sys.modules["torch"].strided:
        return None
    sizes = tensor.shape
    strides = [(step, i) for i, step in enumerate(tensor.stride()) if step and sizes[i] > 1]
    return min(strides)[1] if strides else None


def _formula_of(
    func: Any, packet: Any, name: str, of_torch: Mapping[Any, Callable[..., int]]
) -> Callable[[Any, Any, Any], int] | None:
    """What counts an operator's operations, of arguments and result; None without a formula."""
    if name in QUICK:
        quick = QUICK[name]
        return lambda args, kwargs, result: quick(args, result)
    if packet in of_torch:
        by_shape = of_torch[packet]
        return lambda args, kwargs, result: by_shape(*args, **kwargs, out_val=result)
    if name in ADDED:
        added = ADDED[name]
        return lambda args, kwargs, result: added(named_arguments(func, args, kwargs), result)
    return None


def _parts_of(func: Any) -> Callable[..., Any] | None:
    """What calls the operators that another one is defined by, as torch itself does it.

    Of some there is a definition in Python as well, for compilers, which does something else: its
    dropout copies where nothing is to be dropped.
    """
    torch = sys.modules["torch"]
    key = torch._C.DispatchKey.CompositeImplicitAutograd
    with suppress(Exception):
        if torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), key):
            return partial(func._op_dk, key)
        if key in func.py_kernels:
            return cast("Callable[..., Any]", func.py_kernels[key])
    return None


def _name(func: Any) -> str:
    name = getattr(func, "name", None)
    return str(name()) if callable(name) else str(name or func)
