"""Counts what a loop's samples do, a sample at a time, and changes nothing of what they return."""

from __future__ import annotations

import gc
import math
import platform
import random
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from statistics import stdev
from typing import Any

from pytest_energy.counting.modules import ModulePaths
from pytest_energy.counting.operators import Operators, Tally
from pytest_energy.counting.python_calls import PythonCalls
from pytest_energy.types.counts import CallRow, Counts, OperatorRow, Work
from pytest_energy.types.layers import folded

MOST_SHARE, FEWEST = 0.03, 3
"""Share of a loop's samples that are counted at most, and how many are in any case, where the loop
has three times as many."""

MOST_SAMPLES = 64
"""More say little new: with lengths whose standard deviation is half of their mean, that is known
to 6 %."""

ALIKE = 3
"""Samples, the first ones, that agree: then all are taken to be alike."""

CLOSE_ENOUGH = 0.05
"""A mean that is known to so much (95 %) of that of all samples needs no more of them."""

GOLDEN = (math.sqrt(5) - 1) / 2
"""Steps of this share of a line fall evenly on it, however many there are (H. Weyl, 1916)."""

VERSIONS = ("torch", "transformers", "diffusers")
"""Libraries whose version decides which operators run."""


def counted_positions(n: int) -> tuple[int, ...]:
    """Positions of the samples to be counted at most, in order, by n alone.

    The first, the middle and the last one, then more, evenly spread.

    Args:
        n: samples of the loop, at least one.
    """
    count = max(1, min(FEWEST, n // 3), min(MOST_SAMPLES, int(n * MOST_SHARE)))
    spread = (int(i * GOLDEN % 1 * n) for i in range(1, 4 * count))
    return tuple(dict.fromkeys((0, n // 2, n - 1, *spread)))[:count]


IN_EVENT_LOOP = "in an event loop other tasks' calls stand between a test's own"
IN_BODY = "a body does some things the first time alone, and runs once"
"""Why Python calls are not counted."""


def torch_is_loaded() -> bool:
    """Whether the program uses torch; it is never imported for this."""
    return "torch" in sys.modules and hasattr(sys.modules["torch"], "Tensor")


class Counter:
    """Counts what runs inside `counting`.

    Args:
        no_python: why Python calls are not counted, as a clause; empty where they are.
    """

    def __init__(self, no_python: str = "") -> None:
        self._calls = PythonCalls()
        self._calls.problem = no_python
        self._tallies: dict[int, Tally] = {}
        self._modes: dict[int, Any] = {}
        self._operators: Operators | None = None
        self._paths: ModulePaths | None = None
        self.problem = ""
        """Why no operators were counted."""
        self.samples: list[Work] = []
        """What each sample did so far."""

    def counting(self) -> AbstractContextManager[None]:
        """Count what happens inside. What goes wrong with the counting is kept, never raised."""
        return _Counting(self._begin, self._calls.stop, self._end)

    def _end(self, before: Work) -> None:
        after = self._so_far()
        self.samples.append(
            Work(
                after.flops - before.flops,
                after.bytes - before.bytes,
                after.calls - before.calls,
                after.python_calls - before.python_calls,
            )
        )

    def _begin(self, stack: ExitStack) -> Work:
        """Begin to count; what was counted so far."""
        stack.enter_context(same_random_numbers())
        stack.enter_context(_without_collection())
        self._begin_operators(stack)
        before = self._so_far()
        if not self._calls.problem:
            self._calls.start()
        return before

    def _begin_operators(self, stack: ExitStack) -> None:
        """Have torch's operators counted, where it is loaded."""
        if not torch_is_loaded() or self.problem:
            return
        operators = stack.enter_context(ExitStack())
        try:
            if self._operators is None or self._paths is None:
                self._paths = ModulePaths(self._enter_here, self._leave_here)
                paths = self._paths
                self._operators = Operators(
                    lambda: paths.current, self._calls.suspend, self._calls.resume
                )
            operators.enter_context(_eagerly())
            operators.callback(self._paths.remove)
            self._paths.install()
            operators.callback(self._leave_here)
            self._enter_here()
        except Exception as error:  # torch's internals change between versions
            self.problem = f"{type(error).__name__}: {error}"
            operators.close()

    def _enter_here(self) -> None:
        """Count the operators of the calling thread."""
        if self._operators is None:
            return
        thread = threading.get_ident()
        tally = self._tallies.setdefault(thread, Tally())
        mode = self._operators.mode(tally)
        mode.__enter__()
        self._modes[thread] = mode

    def _leave_here(self) -> None:
        mode = self._modes.pop(threading.get_ident(), None)
        if mode is not None:
            mode.__exit__(None, None, None)

    def _so_far(self) -> Work:
        rows = [row for tally in list(self._tallies.values()) for row in tally.rows.values()]
        flops, touched, calls = (sum(row[i] for row in rows) for i in range(3))
        return Work(flops, touched, calls, self._calls.total)

    def enough(self, n: int) -> bool:
        """Whether more samples would say nothing new: they agree, or their mean is known well.

        Args:
            n: samples of the loop.
        """
        count = len(self.samples)
        if count < ALIKE:
            return False
        return all(
            known_to(figures, n) <= CLOSE_ENOUGH
            for figures in (
                [one.flops for one in self.samples],
                [one.bytes for one in self.samples],
                [one.calls for one in self.samples],
                [one.python_calls for one in self.samples],
            )
        )

    @property
    def counted_no_operator(self) -> bool:
        """Whether samples were counted, and torch did none of their work."""
        if not self.samples or self.problem:
            return False
        named = any(tally.without_formula for tally in self._tallies.values())
        return not (any(one.flops for one in self.samples) or named)

    def counts(self, sizes: Sequence[int]) -> Counts | None:
        """What was counted; None where no sample was.

        Args:
            sizes: inferences that each of the counted samples performed.
        """
        if not self.samples:
            return None
        tallies = list(self._tallies.values())
        problem = self.problem or next((one.problem for one in tallies if one.problem), "")
        rows: dict[tuple[str, str, str], list[int]] = {}
        for tally in tallies:
            for (path, operator, dtype), counts in tally.rows.items():
                row = rows.setdefault((".".join(path), operator, dtype), [0, 0, 0])
                for i, count in enumerate(counts):
                    row[i] += count
        operators = folded([OperatorRow(*key, *counts) for key, counts in rows.items()])
        calls = self._calls.rows()
        devices = {device for tally in tallies for device in tally.devices}
        return Counts(
            device=_main_device(devices),
            versions=versions(),
            samples=tuple(self.samples),
            sizes=tuple(sizes)[: len(self.samples)],
            operators=tuple(sorted(operators, key=_size_of_operator)),
            python=tuple(sorted(calls, key=_size_of_call)),
            without_formula=tuple(
                sorted({name for tally in tallies for name in tally.without_formula})
            ),
            notes=_notes(calls),
            operators_unavailable=problem if torch_is_loaded() else "torch was not loaded",
            python_unavailable=self._calls.problem,
        )


COMPILED = ("torch/_dynamo/eval_frame.py:OptimizedModule", ".compile_wrapper")
"""Functions that torch.compile puts around what it compiles."""

OTHERS = ("numpy", "tensorflow", "jax", "onnxruntime", "openvino")
"""Libraries whose operators are not counted, only the calls of them."""


def _notes(calls: Sequence[CallRow]) -> tuple[str, ...]:
    notes = []
    if any(name in row.callee for row in calls for name in COMPILED):
        notes.append("what torch.compile compiles was counted uncompiled")
    if not torch_is_loaded():
        loaded = [name for name in OTHERS if name in sys.modules]
        inside = f" ({', '.join(loaded)})" if loaded else ""
        notes.append(f"of compiled libraries{inside} the calls were counted, not what they do")
    return tuple(notes)


def known_to(figures: Sequence[int], n: int) -> float:
    """How well the mean of some samples is known as that of all, as a fraction (95 %).

    With the correction for a finite number (W. G. Cochran, "Sampling Techniques", 1977, 2.6).

    Args:
        figures: of the samples that were counted.
        n: samples that there are.
    """
    count, total = len(figures), sum(figures)
    if not total or count >= n:
        return 0.0
    if count < 2:
        return math.inf
    return 1.96 * stdev(figures) * math.sqrt((1 - count / n) / count) / (total / count)


def versions() -> dict[str, str]:
    """Versions of what decides which operators and functions run, of what is loaded."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name in VERSIONS:
        version = getattr(sys.modules.get(name), "__version__", None)
        if version:
            found[name] = str(version).partition("+")[0]
    return found


def _main_device(devices: set[str]) -> str:
    """The accelerator, where there is one: there is always something left for the CPU."""
    others = sorted(devices - {"cpu", "meta"})
    return "+".join(others) or "cpu"


def _size_of_operator(row: OperatorRow) -> tuple[int, int, int, str, str, str]:
    return -row.flops, -row.bytes, -row.calls, row.module, row.operator, row.dtype


def _size_of_call(row: CallRow) -> tuple[int, str, str]:
    return -row.beneath, row.caller, row.callee


class _Counting(AbstractContextManager[None]):
    """The time in which is counted. Not made of a generator: its frames would be counted.

    Args:
        begin: prepares what the stack ends, and returns what was counted so far.
        stop: ends the counting of Python calls, before anything else is called.
        end: takes what was counted before.
    """

    def __init__(
        self,
        begin: Callable[[ExitStack], Work],
        stop: Callable[[], None],
        end: Callable[[Work], None],
    ) -> None:
        self._begin = begin
        self._stop = stop
        self._end = end
        self._stack = ExitStack()
        self._before = Work()

    def __enter__(self) -> None:
        self._before = self._begin(self._stack)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._stop()
        self._stack.close()
        if kind is None:
            self._end(self._before)


@contextmanager
def _eagerly() -> Iterator[None]:
    """Run compiled models operator by operator: what a compiler has fused cannot be counted."""
    torch = sys.modules["torch"]
    dynamo = sys.modules.get("torch._dynamo")  # a program that compiles has imported it
    set_stance = getattr(torch.compiler, "set_stance", None)
    if dynamo is None or set_stance is None:
        yield
        return
    with set_stance("force_eager"), warnings.catch_warnings():
        # A compiled module warns of hooks that are there for all modules, as ours are.
        warnings.filterwarnings("ignore", "Using `torch.compile\\(module\\)` when there are global")
        yield


@contextmanager
def _without_collection() -> Iterator[None]:
    """No cyclic garbage is collected meanwhile: when that happens depends on what ran before."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def same_random_numbers() -> Iterator[None]:
    """What comes after gets the random numbers that it would have had."""
    states: list[tuple[Callable[[Any], Any], Any]] = [(random.setstate, random.getstate())]
    with suppress(Exception):
        numpy = sys.modules["numpy.random"]
        states.append((numpy.set_state, numpy.get_state()))
    with suppress(Exception):
        torch = sys.modules["torch"]
        states.append((torch.set_rng_state, torch.get_rng_state()))
        if torch.cuda.is_initialized():
            states.append((torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all()))
    try:
        yield
    finally:
        for restore, state in states:
            with suppress(Exception):
                restore(state)
