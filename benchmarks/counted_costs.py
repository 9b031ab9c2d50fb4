"""Microbenchmarks from which the coefficients of counted energy come. None is a part of a model.

Those of a class and dtype take turns, in random order, as operators do in a program: what one needs
has left the nearest cache meanwhile. What it works on has just been written by another operator, as
activations are; weights have not. A benchmark that repeats one operator over and over finds its
bytes five times as cheap as they are in a model.
"""

from __future__ import annotations

import argparse
import ast
import configparser
import copy
import csv
import dataclasses
import difflib
import email
import fractions
import html.parser
import inspect
import io
import json
import math
import pprint
import random
import shlex
import statistics
import string
import textwrap
import time
import tokenize
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import cycle, product
from operator import mul
from statistics import median
from typing import Any

from pytest_energy.counting.counter import Counter
from pytest_energy.types.counts import Counts
from pytest_energy.verdict.counted_energy import kind_of

DTYPES = ("float32", "float64", "bfloat16", "float16")
PRODUCTS = (
    (2, 32, 32),
    (12, 64, 48),
    (6, 128, 256),
    *((rows, 512, 512) for rows in (4, 16, 64, 256)),
    *((rows, 768, 2048) for rows in (8, 24, 96)),
    (37, 640, 320),
    (512, 768, 768),
    (700, 512, 1024),
)
"""Rows of the left matrix, its columns, and rows of the transposed right one."""

VECTORS = (
    (1, 32, 48),
    (1, 128, 128),
    (1, 512, 512),
    (1, 768, 2048),
    (1, 1024, 4096),
    (1, 2048, 640),
)
"""The same, of products with a single row."""

LAYERS = 8
"""Weights of a shape, which take turns: all shapes' are 250 MB of each dtype."""

CONVOLUTIONS = (
    (8, 8, 16, 1, 1),
    (16, 10, 16, 3, 1),
    (24, 8, 24, 3, 24),
    (64, 56, 64, 3, 1),
    (128, 28, 128, 3, 1),
    (256, 14, 256, 3, 1),
    (32, 112, 64, 1, 1),
    (128, 28, 512, 1, 1),
    (256, 14, 256, 1, 1),
    (512, 7, 1024, 1, 1),
    (3, 160, 64, 7, 1),
    (64, 112, 64, 3, 64),
    (128, 56, 128, 3, 128),
    (256, 28, 256, 5, 256),
    (512, 14, 512, 3, 512),
)
"""Channels, side, channels of the result, side of the kernel, groups."""

ATTENTIONS = (
    (2, 4, 32),
    (4, 12, 16),
    (4, 16, 64),
    (8, 64, 64),
    (8, 64, 32),
    (4, 256, 64),
    (8, 200, 32),
    (8, 512, 64),
    (16, 400, 32),
)
"""Heads, positions, features of a head."""

TINY = (200, 4_000)
SMALL, LARGE = (20_000, 40_000, 60_000, 80_000), (600_000, 1_000_000, 2_000_000)
"""Elements of the operands of operators without multiplications: so few that the call is all that
costs, within `CACHE`, and beyond."""

IMAGES = ((3, 6), (24, 20), (150, 10), (320, 8), (40, 44), (90, 60), (20, 120))
"""Channels and side of what is normalised, or laid out in another way."""

TOKENS = ((3, 300), (20, 500), (50, 640), (150, 500), (300, 1_000))
"""Positions and features of the same."""


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """A microbenchmark.

    Args:
        kind: class of operators and dtype, `product float32`; `call` or `python`.
        name: of what it does.
        run: does it once.
        operands: tensors that are written again before, untimed.
        between: what else is done before, untimed.
    """

    kind: str
    name: str
    run: Callable[[], object]
    operands: tuple[Any, ...] = ()
    between: Callable[[], object] | None = None

    def prepare(self) -> None:
        """Write the operands again."""
        if self.between is not None:
            self.between()
        for operand in self.operands:
            operand.mul_(1)


def torch_cases() -> Iterator[Case]:
    """Operators by class and dtype."""
    import torch

    for name in DTYPES:
        dtype = getattr(torch, name)
        yield from products("product", PRODUCTS, name, dtype)
        yield from products("vector", VECTORS, name, dtype)
        yield from convolutions(name, dtype)
        yield from attentions(name, dtype)
        for size in (*TINY, *SMALL, *LARGE):
            yield from functions(name, dtype, size)
        yield from norms(name, dtype)
        yield from layouts(name, dtype)
        for kind, sizes in (("move", (*TINY, *SMALL)), ("large move", LARGE)):
            for size in sizes:
                yield from moves(kind, name, dtype, size)


def random_numbers(dtype: Any, *shape: int) -> Any:
    """Normal numbers."""
    import torch

    return torch.randn(*shape).to(dtype)


def products(
    kind: str, shapes: Iterable[tuple[int, int, int]], name: str, dtype: Any
) -> Iterator[Case]:
    """Linear layers, with weights that have left the caches as in a model of many layers."""
    from torch.nn.functional import linear

    for m, k, n in shapes:
        x, w, b = (random_numbers(dtype, *shape) for shape in ((1, m, k), (n, k), (n,)))
        weights = cycle([w, *(w.clone() for _ in range(LAYERS - 1))])
        for bias in (b, None):
            run = partial(_linear, linear, x, weights, bias)
            what = f"{m} x {k} x {n}" + ("" if bias is None else " and a bias")
            yield Case(f"{kind} {name}", what, run, (x,))


def _linear(linear: Callable[..., Any], x: Any, weights: Iterator[Any], b: Any) -> Any:
    return linear(x, next(weights), b)


def convolutions(name: str, dtype: Any) -> Iterator[Case]:
    """Dense and depthwise ones."""
    from torch.nn.functional import conv2d

    for c, side, o, kernel, groups in CONVOLUTIONS:
        x = random_numbers(dtype, 1, c, side, side)
        w = random_numbers(dtype, o, c // groups, kernel, kernel)
        yield Case(
            f"convolution {name}",
            f"{c} x {side}, {o} of {kernel}, {groups} groups",
            partial(conv2d, x, w, padding=kernel // 2, groups=groups),
            (x,),
        )


def attentions(name: str, dtype: Any) -> Iterator[Case]:
    """Fused attention."""
    from torch.nn.functional import scaled_dot_product_attention

    for shape in ATTENTIONS:
        q, k, v = (random_numbers(dtype, 1, *shape) for _ in range(3))
        yield Case(
            f"attention {name}",
            " x ".join(map(str, shape)),
            partial(scaled_dot_product_attention, q, k, v),
            (q, k, v),
        )


def functions(name: str, dtype: Any, size: int) -> Iterator[Case]:
    """Operators that do much for each element."""
    import torch
    from torch.nn import functional

    x = random_numbers(dtype, size // 100, 100)
    calls = {
        "exp": ("function", partial(torch.exp, x)),
        "tanh": ("function", partial(torch.tanh, x)),
        "sigmoid": ("function", partial(torch.sigmoid, x)),
        "silu": ("function", partial(functional.silu, x)),
        "softmax": ("function", partial(torch.softmax, x, 1)),
        "gelu": ("gelu", partial(functional.gelu, x)),
        "bernoulli": ("random", partial(x.bernoulli_, 0.9)),
        "normal": ("random", x.normal_),
        "uniform": ("random", x.uniform_),
    }
    for what, (kind, call) in calls.items():
        yield Case(f"{kind} {name}", f"{what} of {size}", call, (x,))


def norms(name: str, dtype: Any) -> Iterator[Case]:
    """Layers' and batches' norms."""
    from torch.nn import functional

    for rows, features in TOKENS:
        x, w = random_numbers(dtype, 1, rows, features), random_numbers(dtype, features)
        call = partial(functional.layer_norm, x, (features,), w, w)
        yield Case(f"norm {name}", f"layer norm of {rows} x {features}", call, (x,))
    for channels, side in IMAGES:
        x, w = random_numbers(dtype, 1, channels, side, side), random_numbers(dtype, channels)
        mean, variance = w.clone(), w.abs()
        size = f"{channels} x {side}"
        call = partial(functional.batch_norm, x, mean, variance, w, w)
        yield Case(f"norm {name}", f"batch norm of {size}", call, (x,))
        call = partial(functional.batch_norm, x, mean, variance, w, w, training=True)
        yield Case(f"norm in training {name}", f"batch norm of {size}", call, (x,))


def layouts(name: str, dtype: Any) -> Iterator[Case]:
    """Copies that lay numbers out in another way."""
    import torch

    for channels, side in IMAGES:
        x = random_numbers(dtype, 1, channels, side, side)
        last = x.contiguous(memory_format=torch.channels_last)
        size = f"{channels} x {side}"
        call = partial(x.contiguous, memory_format=torch.channels_last)
        yield Case(f"layout {name}", f"{size}, channels last", call, (x,))
        yield Case(f"layout {name}", f"{size}, channels first", last.contiguous, (last,))
    for rows, features in TOKENS:
        x = random_numbers(dtype, rows, features)
        yield Case(f"layout {name}", f"{rows} x {features}, transposed", x.t().contiguous, (x,))


def moves(kind: str, name: str, dtype: Any, size: int) -> Iterator[Case]:
    """Operators that read, add up and write."""
    import torch

    x, y = (random_numbers(dtype, size // 100, 100) for _ in range(2))
    calls = {
        "add": partial(torch.add, x, y),
        "multiply": partial(torch.mul, x, y),
        "scale": partial(torch.mul, x, 0.5),
        "relu": partial(torch.relu, x),
        "copy": partial(torch.clone, x),
        "concatenate": partial(torch.cat, [x, y]),
        "mean": partial(torch.mean, x, 1),
    }
    for what, call in calls.items():
        yield Case(f"{kind} {name}", f"{what} of {size}", call, (x, y))


def small_modules() -> Iterator[Case]:
    """Modules so small that what they compute takes no time: what is left is the calling."""
    import torch
    from torch import nn

    def infer(module: Any, *shape: int) -> Callable[[], object]:
        module = module.eval().requires_grad_(False)
        x = torch.randn(*shape)
        return lambda: module(x)

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.up, self.down = nn.LayerNorm(8), nn.Linear(8, 16), nn.Linear(16, 8)
            self.act = nn.GELU()

        def forward(self, x: Any) -> Any:
            return x + self.down(self.act(self.up(self.norm(x))))

    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.all = nn.Linear(8, 24)

        def forward(self, x: Any) -> Any:
            b, n, _ = x.shape
            q, k, v = self.all(x).view(b, n, 3, 2, 4).permute(2, 0, 3, 1, 4)
            y = torch.softmax(q @ k.transpose(2, 3) * 0.5, -1) @ v
            return y.transpose(1, 2).reshape(b, n, 8)

    def convolution(c: int) -> Any:
        return nn.Sequential(nn.Conv2d(c, c, 1), nn.BatchNorm2d(c), nn.ReLU())

    x = torch.randn(4, 4)
    calls = {
        "linear layers": infer(nn.Sequential(*(nn.Linear(8, 8) for _ in range(8))), 1, 4, 8),
        "four blocks": infer(nn.Sequential(*(Block() for _ in range(4))), 1, 4, 8),
        "heads and blocks": infer(nn.Sequential(Heads(), Block(), Heads(), Block()), 1, 4, 8),
        "convolutions": infer(nn.Sequential(*(convolution(4) for _ in range(3))), 1, 4, 3, 3),
        "recurrent cells": infer(nn.GRU(8, 8), 3, 8),
        "additions": lambda: x + x + x + x + x,
        "slices": lambda: [x[i : i + 2].t() * 2 for i in range(3)],
        "reductions": lambda: (x.sum(), x.mean(0), x.max(), x.argmax(), x.norm()),
    }
    yield from (Case("call", name, call) for name, call in calls.items())


@dataclasses.dataclass
class _Point:
    x: float
    y: list[int]


def python_cases() -> Iterator[Case]:
    """Functions of the standard library that are written in Python."""
    text = " ".join(string.ascii_lowercase[i % 20 : i % 20 + 3 + i % 5] for i in range(80))
    lines = textwrap.wrap(text, 30)
    source = inspect.getsource(textwrap.dedent)
    tree = ast.parse(source)
    record = {"name": "x", "values": [1, 2.5, None, True] * 5, "inner": {"a": [{}, {"b": "c"}]}}
    written = json.dumps(record)
    point = _Point(1.0, [1, 2, 3])
    letter = "From: a@example.org\nTo: b@example.org\nSubject: c\n\nText of it\n" * 2
    settings = "[a]\nx = 1\ny = %(x)s\n[b]\nz = 3\n"

    class Tags(html.parser.HTMLParser):
        pass

    def options() -> object:
        parser = argparse.ArgumentParser(prog="p")
        parser.add_argument("--a", type=int)
        parser.add_argument("b")
        return parser.parse_args(["--a", "1", "c"])

    def configuration() -> object:
        parser = configparser.ConfigParser()
        parser.read_string(settings)
        return parser["a"]["y"]

    def table() -> object:
        out = io.StringIO()
        writer = csv.DictWriter(out, ["a", "b"])
        for i in range(20):
            writer.writerow({"a": i, "b": str(i)})
        return list(csv.DictReader(io.StringIO(out.getvalue()), ["a", "b"]))

    def words() -> object:
        counts: dict[str, int] = {}
        for word in text.split():
            for part in (word.lower().strip(), word.upper()):
                counts[part] = counts.get(part, 0) + len(part)
        return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))

    def characters() -> object:
        return "".join(chr(ord(c) + 1) if c.isalpha() else c for c in text)

    cases: dict[str, Callable[[], object]] = {
        "textwrap.fill": lambda: textwrap.fill(text, 40),
        "difflib.ndiff": lambda: list(difflib.ndiff(lines[:6], lines[1:7])),
        "string.Template": lambda: string.Template("$a and $b " * 10).substitute(a=1, b=2),
        "fractions": lambda: sum(fractions.Fraction(1, i) for i in range(1, 12)),
        "pprint.pformat": lambda: pprint.pformat(record),
        "tokenize": lambda: list(tokenize.generate_tokens(io.StringIO(source).readline)),
        "ast.unparse": lambda: ast.unparse(tree),
        "ast.walk": lambda: sum(1 for _ in ast.walk(tree)),
        "json.dumps, indented": lambda: json.dumps(record, indent=1),
        "json.loads": lambda: [json.loads(written) for _ in range(10)],
        "copy.deepcopy": lambda: copy.deepcopy(record),
        "dataclasses.asdict": lambda: [dataclasses.asdict(point) for _ in range(5)],
        "email": lambda: email.message_from_string(letter).items(),
        "configparser": configuration,
        "argparse": options,
        "csv": table,
        "html.parser": lambda: Tags().feed("<p class='a'>b<br/>c</p>" * 10),
        "inspect.signature": lambda: inspect.signature(textwrap.wrap),
        "shlex.split": lambda: shlex.split(text[:120]),
        "statistics": lambda: statistics.stdev([1.5, 2.5, 3.0, 4.5] * 5),
        "urllib.parse": lambda: urllib.parse.urlencode({"a": text, "b": ["c", "d"]}, doseq=True),
        "words": words,
        "characters": characters,
    }
    yield from (Case("python", name, call) for name, call in cases.items())


def after_products(cases: Iterable[Case]) -> Iterator[Case]:
    """Each after a product that fills the nearest cache: it takes up to twice as long then.

    So do operators in a model, which follow others; the rest of a program is in both situations.
    """
    import torch

    x, w = torch.randn(8, 2048), torch.randn(2048, 2048)
    for case in cases:
        yield dataclasses.replace(
            case, name=f"{case.name}, after a product", between=partial(torch.matmul, x, w)
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Timed:
    """A microbenchmark, counted and timed.

    Args:
        kind: `product float32`, `call`, `python`.
        name: of what it does.
        counts: of one run.
        seconds: CPU seconds of a run, the median.
        spread: the quartiles' distance, as a fraction of that.
    """

    kind: str
    name: str
    counts: Counts
    seconds: float
    spread: float


TURNS = 3
"""Of the microbenchmarks of a class and dtype, in a round; the first does not count."""


def run(rounds: int) -> list[Timed]:
    """Count every microbenchmark and time it.

    Args:
        rounds: over all classes.
    """
    import torch

    python = list(python_cases())
    cases = [*torch_cases(), *after_products([*small_modules(), *python]), *python]
    kinds = dict.fromkeys(case.kind for case in cases)
    groups = [[i for i, case in enumerate(cases) if case.kind == kind] for kind in kinds]
    times: list[list[float]] = [[] for _ in cases]
    clock = time.process_time_ns
    with torch.inference_mode():
        counts = [counted(case) for case in cases]
        for _ in range(rounds):
            for group in random.sample(groups, len(groups)):
                for turn in range(TURNS):
                    for i in random.sample(group, len(group)):
                        cases[i].prepare()
                        began = clock()
                        cases[i].run()
                        took = clock() - began
                        if turn:
                            times[i].append(took / 1e9)
    found = []
    for case, count, took in zip(cases, counts, times, strict=True):
        first, middle, third = statistics.quantiles(took, n=4)
        found.append(Timed(case.kind, case.name, count, middle, (third - first) / middle))
    return found


def counted(case: Case) -> Counts:
    """What it does."""
    case.run()
    case.run()
    counter = Counter()
    with counter.counting():
        case.run()
    counts = counter.counts([1])
    assert counts is not None
    return counts


def costs(timed: list[Timed]) -> tuple[dict[str, float], dict[str, float]]:
    """What counts cost in seconds, and how well that explains the microbenchmarks.

    Returns:
        Seconds by `python call`, `call`, `flop product float32`, `byte product float32`, …; and by
        `python call`, `call`, `product float32`, … the factor by which a row is off. Those by
        `call product float32` are what a call of the class takes longer than one of `move`.
    """
    seconds, off = {}, {}
    rows = [
        (one.seconds, (float(one.counts.total.python_calls),))
        for one in timed
        if one.kind == "python"
    ]
    (python,), off["python call"] = fitted(rows)
    kinds = dict.fromkeys(one.kind for one in timed if " " in one.kind)
    groups = {kind: [one for one in timed if one.kind == kind] for kind in kinds}
    for kind, members in groups.items():
        works = [(one.seconds, one.counts.total) for one in members]
        # Of a product with one row, FLOPs and bytes are the same up to a factor.
        counts_flops = not kind.startswith("vector")
        rows = [
            (took, (float(work.calls), float(work.flops * counts_flops), float(work.bytes)))
            for took, work in works
        ]
        found, off[kind] = fitted(rows)
        for what, cost in zip(("call", "flop", "byte"), found, strict=True):
            seconds[f"{what} {kind}"] = cost
    for dtype in DTYPES:
        shortest = seconds[f"call move {dtype}"]
        for kind in kinds:
            if kind.endswith(f" {dtype}"):
                seconds[f"call {kind}"] = max(0.0, seconds[f"call {kind}"] - shortest)
        # Of a large operand nobody sees what the call takes.
        seconds[f"call large move {dtype}"] = 0.0
    found = []
    for one in timed:
        if one.kind == "call":
            total = one.counts.total
            more = sum(
                seconds.get(f"call {kind_of(row)} {row.dtype}", 0.0) * row.calls
                for row in one.counts.operators
            )
            found.append((one.seconds - python * total.python_calls - more) / total.calls)
    call = median(found)
    off["call"] = math.exp(statistics.pstdev(math.log(max(each, call / 10)) for each in found))
    for dtype in DTYPES:
        kind = f"all {dtype}"
        rows = [
            (one.seconds - call * work.calls, (float(work.flops), float(work.bytes)))
            for one, work in ((one, one.counts.total) for one in timed)
            if one.kind.endswith(f" {dtype}")
        ]
        (seconds[f"flop {kind}"], seconds[f"byte {kind}"]), off[kind] = fitted(rows)
    return {"python call": python, "call": call, **seconds}, off


def fitted(rows: list[tuple[float, tuple[float, ...]]]) -> tuple[tuple[float, ...], float]:
    """Costs that explain seconds best: the squares of how far their logs are off are least.

    Args:
        rows: seconds, and how much there was of each thing. Those whose seconds are not positive
            are left out: nothing is left of them beside the call.

    Returns:
        Seconds per one of each, and the factor by which a row is off (root mean square).
    """
    rows = [row for row in rows if row[0] > 0]
    things = range(len(rows[0][1]))

    def off(costs: tuple[float, ...]) -> float:
        return sum(
            math.log(max(sum(map(mul, costs, amounts)), 1e-15) / seconds) ** 2
            for seconds, amounts in rows
        ) / len(rows)

    # What each costs if it is all that does.
    alone = [median([took / of[i] for took, of in rows if of[i]] or [0.0]) for i in things]
    shares = (0.0, *(4.0**i for i in range(-5, 2)))
    best = min((tuple(map(mul, alone, by)) for by in product(shares, repeat=len(alone))), key=off)
    step = 1.5
    while step > 1.002:
        steps = product((1, step, 1 / step), repeat=len(alone))
        better = min((tuple(map(mul, best, by)) for by in steps), key=off)
        if better == best:
            step = step**0.5
        best = better
    return best, math.exp(math.sqrt(off(best)))
