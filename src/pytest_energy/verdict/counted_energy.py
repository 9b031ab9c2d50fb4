"""Counted energy: what exact counts say of joules, by one formula. Pure.

Of an operator in a module it is what its arithmetic, its memory and its calls take; of Python what
each call takes:

    sum over operators of FLOPs * a + bytes * b + calls * c, and Python calls * d

where a, b and c depend on the operator's class and dtype. It is no measurement and never a part of
one: what it is good for is the ratio of two figures of the same test.

That a and b are added, where a roofline (S. Williams, A. Waterman, D. Patterson, "Roofline: an
insightful visual performance model", CACM 52 (4), 2009) takes the larger, is what predicts better:
a matrix product of few rows takes the time of its arithmetic *and* that of reading its weights
(`benchmarks/counted_energy.py changes` prints both).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pytest_energy.types.counts import NEW_LAYOUT, ONE_ROW, Coefficients, Counts, OperatorRow

FUNCTIONS = frozenset(
    {
        "cos",
        "cosine",
        "cumsum",
        "elu",
        "erf",
        "exp",
        "log",
        "log10",
        "log1p",
        "log2",
        "logsumexp",
        "mish",
        "norm",
        "pow",
        "sigmoid",
        "silu",
        "sin",
        "softmax",
        "softplus",
        "sort",
        "tan",
        "tanh",
        "topk",
    }
)
"""Words in the names of operators that do much for each element: exponentials and what is made of
them, order."""

RANDOM = frozenset(
    {
        "bernoulli",
        "dropout",
        "exponential",
        "multinomial",
        "normal",
        "rand",
        "randint",
        "randn",
        "uniform",
    }
)
"""The same of operators that draw random numbers."""

NORMS = frozenset({"batch", "fused", "group", "instance", "layer"})
"""What stands beside `norm` in the names of those that are a layer of a model."""

CONVOLUTIONS = frozenset({"conv", "conv1d", "conv2d", "conv3d", "convolution"})
"""Words in the names of convolutions."""

CACHE = 2**20
"""Bytes of a call's operands that are still in the nearest large cache when the next operator takes
them up: half of the second level's 2 MiB on the machine of `COEFFICIENTS["cpu"]`."""

VECTORS = frozenset({"mv", "addmv", "dot", "vdot"})
"""Products of vectors by their names."""


def kind_of(row: OperatorRow) -> str:
    """The class of an operator, by which its FLOPs and bytes cost.

    Args:
        row: what its calls did.

    Returns:
        `product`; `vector`, a product with a single row, which uses each weight once; `attention`;
        `convolution`; `norm`, a layer's, and `norm in training`, which reads its operand twice;
        `gelu`; `function` (exponentials, other activations); `random`; `layout`, a copy that lays
        its operand out in another way; or `move` (all that reads, adds up and writes), `large move`
        where the operands of a call are too large for the cache.
    """
    name = row.operator.partition("::")[2]
    words = frozenset(name.strip("_").split("_"))
    if CONVOLUTIONS & words:
        return "convolution"
    if "attention" in words:
        return "attention"
    if row.flops:
        return "vector" if row.operator.endswith(ONE_ROW) or name in VECTORS else "product"
    if row.operator.endswith(NEW_LAYOUT):
        return "layout"
    if "norm" in words and NORMS & words:
        learns = "batch" in words and "no" not in words  # not in `…_no_training`, `…_no_update`
        return "norm in training" if learns else "norm"
    if "gelu" in words:
        return "gelu"
    if RANDOM & words:
        return "random"
    if FUNCTIONS & words:
        return "function"
    return "large move" if row.bytes > CACHE * row.calls else "move"


COEFFICIENTS: Mapping[str, Coefficients] = {
    "cpu": Coefficients(
        joules_per_flop={
            "": 1.8e-11,
            "vector": 0.0,
            "convolution": 1.9e-11,
            "attention": 3.5e-11,
            "product float64": 3.8e-11,
            "convolution float64": 2.6e-11,
            "attention float64": 7.2e-11,
            "product bfloat16": 0.0,
            "convolution bfloat16": 0.0,
            "attention bfloat16": 1.2e-11,
            "product float16": 1.8e-11,
            "convolution float16": 3.9e-11,
            "attention float16": 3.7e-11,
        },
        joules_per_byte=7.0e-11,
        joules_per_call=2.8e-05,
        joules_per_python_call=1.0e-06,
        joules_per_byte_of={
            "product": 5.2e-10,
            "vector": 2.8e-10,
            "convolution": 4.6e-10,
            "attention": 2.2e-10,
            "function": 2.1e-10,
            "gelu": 2.5e-10,
            "random": 3.0e-09,
            "norm": 1.8e-10,
            "norm in training": 7.4e-10,
            "layout": 3.0e-10,
            "move": 7.0e-11,
            "large move": 1.5e-10,
            "product float64": 3.8e-10,
            "vector float64": 2.5e-10,
            "convolution float64": 1.4e-09,
            "attention float64": 4.6e-10,
            "function float64": 3.3e-10,
            "gelu float64": 6.4e-10,
            "random float64": 3.1e-09,
            "norm float64": 1.9e-10,
            "norm in training float64": 4.5e-10,
            "layout float64": 2.4e-10,
            "move float64": 8.2e-11,
            "large move float64": 1.8e-10,
            "product bfloat16": 7.7e-10,
            "vector bfloat16": 5.2e-10,
            "convolution bfloat16": 1.8e-09,
            "attention bfloat16": 5.3e-10,
            "function bfloat16": 6.8e-10,
            "gelu bfloat16": 4.3e-10,
            "random bfloat16": 8.0e-09,
            "norm bfloat16": 3.1e-10,
            "norm in training bfloat16": 4.0e-10,
            "layout bfloat16": 4.2e-10,
            "move bfloat16": 1.1e-10,
            "large move bfloat16": 9.8e-11,
            "product float16": 7.4e-10,
            "vector float16": 4.7e-10,
            "convolution float16": 1.5e-09,
            "attention float16": 5.8e-10,
            "function float16": 6.2e-10,
            "gelu float16": 4.0e-10,
            "random float16": 7.6e-09,
            "norm float16": 2.4e-10,
            "norm in training float16": 3.8e-10,
            "layout float16": 4.1e-10,
            "move float16": 8.9e-11,
            "large move float16": 9.2e-11,
        },
        joules_per_call_of={
            "product": 5.5e-05,
            "vector": 4.3e-05,
            "convolution": 2.0e-04,
            "attention": 4.9e-05,
            "function": 1.6e-05,
            "gelu": 6.7e-05,
            "random": 3.0e-06,
            "norm": 6.6e-06,
            "norm in training": 5.0e-06,
            "product float64": 6.4e-05,
            "vector float64": 4.5e-05,
            "convolution float64": 1.8e-04,
            "attention float64": 5.2e-05,
            "function float64": 2.1e-05,
            "gelu float64": 1.4e-05,
            "random float64": 7.4e-06,
            "norm float64": 4.8e-06,
            "norm in training float64": 3.6e-06,
            "product bfloat16": 1.1e-04,
            "vector bfloat16": 9.0e-05,
            "convolution bfloat16": 3.9e-04,
            "attention bfloat16": 7.5e-05,
            "function bfloat16": 1.5e-05,
            "gelu bfloat16": 5.6e-05,
            "random bfloat16": 1.4e-06,
            "norm bfloat16": 4.4e-06,
            "norm in training bfloat16": 1.5e-05,
            "product float16": 1.1e-04,
            "vector float16": 3.5e-05,
            "convolution float16": 3.9e-04,
            "attention float16": 5.7e-05,
            "function float16": 1.7e-05,
            "gelu float16": 5.4e-05,
            "random float16": 8.0e-07,
            "norm float16": 2.9e-06,
            "norm in training float16": 1.5e-05,
        },
    ),
    "cuda": Coefficients(
        joules_per_flop={
            "": 2.1e-11,
            "bfloat16": 1.3e-12,
            "float16": 1.3e-12,
            "convolution": 2.6e-12,
            "convolution float64": 2.1e-11,
            "convolution bfloat16": 1.3e-12,
            "convolution float16": 1.3e-12,
        },
        joules_per_byte=2.6e-10,
        joules_per_call=5.0e-4,
        joules_per_python_call=1.3e-6,
    ),
}
"""By kind of device; of any other, the CPU's.

`cpu`: measured by `benchmarks/counted_energy.py coefficients` on 27 November 2026, torch 2.13 and
Python 3.11 on one thread of a virtual machine's Intel Xeon (Sapphire Rapids, with AVX-512 and AMX),
CPU seconds times 4 W. With AMX the fit finds no cost per FLOP of bfloat16's products and
convolutions, and their times in bytes and calls alone (a cost that the search begins with at 0
stays there). A CPU without AMX multiplies bfloat16 more slowly than float32: there, a baseline's
coefficients should be its own.

`cuda`: not measured. From the data sheet of the NVIDIA A100 (40 GB, SXM): 400 W over 19.5 TFLOPS
(float32, and float64 by tensor cores), 156 (convolutions in TF32, torch's default for them), 312
(bfloat16, float16) and 1,555 GB/s. A call is assumed to keep it waiting for 5 us at 100 W; Python
runs on the CPU."""


def coefficients_of(device: str) -> Coefficients:
    """The coefficients of a kind of device.

    Args:
        device: as in `Counts`; of several, joined by `+`, the first that is known.
    """
    known = [COEFFICIENTS[one] for one in device.split("+") if one in COEFFICIENTS]
    return known[0] if known else COEFFICIENTS["cpu"]


def operator_joules(row: OperatorRow, by: Coefficients) -> float:
    """Counted energy of an operator in a module, in joules.

    Args:
        row: what its calls did.
        by: what that costs.
    """
    kind = kind_of(row)
    named = (f"{kind} {row.dtype}", kind)
    per_flop = _first(by.joules_per_flop, *named, row.dtype, "")
    per_byte = _first(by.joules_per_byte_of, *named)
    if per_byte is None:
        per_byte = by.joules_per_byte
    per_call = by.joules_per_call + (_first(by.joules_per_call_of, *named) or 0.0)
    return row.flops * (per_flop or 0.0) + row.bytes * per_byte + row.calls * per_call


def _first(table: Mapping[str, float], *names: str) -> float | None:
    return next((table[name] for name in names if name in table), None)


def counted_joules(operators: Iterable[OperatorRow], python_calls: int, by: Coefficients) -> float:
    """Counted energy of some operators and Python calls, in joules.

    Args:
        operators: what they did.
        python_calls: how many there were.
        by: what that costs.
    """
    of_operators = sum(operator_joules(row, by) for row in operators)
    return of_operators + python_calls * by.joules_per_python_call


def joules_per_inference(counts: Counts, by: Coefficients | None = None) -> float:
    """Counted energy of one inference, in joules.

    Args:
        counts: of at least one.
        by: what they cost; by default what they do on their kind of device.
    """
    if by is None:
        by = coefficients_of(counts.device)
    total = counted_joules(counts.operators, counts.total.python_calls, by)
    return total / counts.inferences
