"""Floating-point operations of one inference: exact, and the same on every machine.

Counted by a dispatch mode over torch's own table of formulas. `torch.utils.flop_counter` has the
table and misses fused attention on CPUs (torch 2.13); counts here equal the analytic ones.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any

from pytest_energy.types.measurement import FlopCount

UNCOUNTED = (
    "quantized::",
    "_quantized::",
    "onednn::",
    "mkldnn::",
    "mkl::",
    "fbgemm::",
    "torchao::",
)
"""Namespaces whose operators compute much and have no formula."""


def can_count() -> bool:
    """Whether the program uses torch; it is never imported for this."""
    return "torch" in sys.modules and hasattr(sys.modules["torch"], "Tensor")


MOST_SAMPLES = 16
"""Samples that are counted at most: a mean of so many lengths that differ by a half of themselves
(standard deviation) is known to an eighth."""

SHARE_OF_SAMPLES = 0.05
"""Share of the samples that are counted, at least one: what counting may add to a loop."""

ALIKE = 3
"""Samples, the first, the middle and the last one, that agree: then all are taken to be alike."""


def counted_samples(n: int) -> tuple[int, ...]:
    """Positions of the samples to be counted, in order, by n alone: so they are always the same.

    The first, the middle and the last one, then more, evenly spread.

    Args:
        n: samples of the loop, at least one.
    """
    count = max(1, min(MOST_SAMPLES, int(n * SHARE_OF_SAMPLES)))
    spread = (i * (n - 1) // max(1, count - 1) for i in range(count))
    first = (0, n // 2, n - 1)[: min(count, ALIKE)]
    return tuple(dict.fromkeys((*first, *spread)))[:count]


class FlopCounter:
    """Counts the operations of what runs inside `counting`, a sample at a time."""

    def __init__(self) -> None:
        self._without_formula: set[str] = set()
        self.samples: list[int] = []
        """Operations of each sample so far."""
        self.problem = ""
        """Why nothing was counted."""

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count what happens inside. A failure to count is kept in `problem`, never raised."""
        with ExitStack() as stack:
            mode = None
            try:
                mode = _make_mode()
                stack.enter_context(_eagerly())
                stack.enter_context(mode)
            except Exception as error:  # torch's internals change between versions
                self.problem = f"{type(error).__name__}: {error}"
                stack.close()
            yield
        if mode is not None and not self.problem:
            self.problem = mode.problem
            if not self.problem:
                self.samples.append(mode.flops)
                self._without_formula |= mode.without_formula

    def enough(self) -> bool:
        """Whether more samples would say nothing new: it failed, or the first ones agree."""
        alike = len(self.samples) >= ALIKE and len(set(self.samples)) == 1
        return bool(self.problem) or alike

    @property
    def counted_none(self) -> bool:
        """Whether samples were counted, and torch did none of their work."""
        return bool(self.samples) and not (any(self.samples) or self._without_formula)

    def flops(self, sizes: Sequence[int]) -> FlopCount | None:
        """What was counted; None before, and where counting failed.

        Args:
            sizes: inferences that each of the counted samples performed.
        """
        if self.problem or not self.samples:
            return None
        done = list(zip(self.samples, sizes, strict=False))
        mean = sum(count for count, _ in done) / sum(size for _, size in done)
        each = tuple(round(count / size) for count, size in done)
        return FlopCount(round(mean), tuple(sorted(self._without_formula)), each)


@contextmanager
def _eagerly() -> Iterator[None]:
    """Run compiled models operator by operator: what a compiler has fused cannot be counted."""
    torch = sys.modules["torch"]
    dynamo = sys.modules.get("torch._dynamo")  # a program that compiles has imported it
    set_stance = getattr(torch.compiler, "set_stance", None)
    if dynamo is None or set_stance is None:
        yield
        return
    with set_stance("force_eager"):
        yield


def _formulas() -> dict[Any, Callable[..., int]]:
    import torch

    table: Any = import_module("torch.utils.flop_counter")  # partly untyped

    def attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
        return int(table.sdpa_flop_count(query, key, value))

    formulas = dict(table.flop_registry)
    fused = getattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu", None)
    if fused is not None:
        # Its operands' shapes are what the table's other attention formulas take.
        formulas.setdefault(fused, table.shape_wrapper(attention))
    return formulas


def _make_mode() -> Any:
    base: Any = import_module("torch.utils._python_dispatch").TorchDispatchMode

    class Mode(base):  # type: ignore[misc]
        supports_higher_order_operators = True

        def __init__(self) -> None:
            super().__init__()
            # All state is made here: `decompose` below enters the mode a second time.
            self.flops = 0
            self.without_formula: set[str] = set()
            self.problem = ""
            self.formulas = _formulas()

    def dispatch(mode: Mode, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        packet = getattr(func, "_overloadpacket", None)
        formula = mode.formulas.get(packet)
        if formula is None and packet is not None:
            # Only operators that are defined by others come apart; the rest say so.
            try:
                with mode:
                    parts = func.decompose(*args, **kwargs)
            except Exception as error:  # if it is the model's own, it comes again below
                mode.problem = f"{func}: {type(error).__name__}: {error}"
                parts = NotImplemented
            if parts is not NotImplemented:
                return parts
        result = func(*args, **kwargs)
        if formula is not None:
            try:
                mode.flops += int(formula(*args, **kwargs, out_val=result))
            except Exception as error:
                mode.problem = f"{func}: {type(error).__name__}: {error}"
        elif packet is None or _name(func).startswith(UNCOUNTED):
            mode.without_formula.add(_name(func))
        return result

    # Not inside the class: there torch wraps it in a way that imports its compiler (1.4 s).
    Mode.__torch_dispatch__ = dispatch
    return Mode()


def _name(func: Any) -> str:
    name = getattr(func, "name", None)
    return str(name()) if callable(name) else str(name or func)
