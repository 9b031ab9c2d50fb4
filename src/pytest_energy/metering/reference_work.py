"""The reference workload: a fixed piece of work, run between the blocks of a loop.

CPU seconds for the same work drift with what else the machine does. Work of the same kind, run
beside each block in the same library and on the same threads, drifts along; so an estimate is
compared in units of it. A hardware counter needs none.
"""

from __future__ import annotations

import importlib
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from importlib.util import find_spec
from typing import Any

from pytest_energy.metering.conditions import wait_for_rest
from pytest_energy.meters.base import MeterLostError
from pytest_energy.meters.meter_set import MeterSet
from pytest_energy.types.energy import gated_domains
from pytest_energy.types.measurement import ReferenceReadings
from pytest_energy.world import clock

SHARE = 0.1
"""Duration of a reading, as a share of the work between two readings."""

BODY_SHARE = 0.05
"""The same beside a body that is one window: nothing else of a run goes on meanwhile."""

SHORTEST_SECONDS = 0.02
"""One reading takes at least so long."""

LONGEST_SECONDS = 2.0
"""Longest duration of one reading."""

UNKNOWN_SECONDS = 0.5
"""What a test's body is taken to last, before it has run."""

RECENT_SECONDS = 1.0
"""Short tests that follow each other share a reading no older than this."""

ROWS, INNER, COLUMNS, MATRICES = 64, 768, 3072, 8
"""The product: 64 tokens times the widest layer of a base-size transformer (768 x 3,072, as in BERT
and GPT-2), going round eight such layers, 75 MB, so that weights come from memory as a model's do.
"""

FEW_ROWS = 8
"""Rows of the product on a single thread: 3.5 ms, through a matrix that comes from memory."""

LAYERS = 3
"""The layer goes round so many sets of weights, 85 MB, for the same reason."""


class ReferenceWorkload(ABC):
    """A piece of work that is the same at every repetition.

    Args:
        threads: that it runs on.
    """

    library: str
    work: str

    def __init__(self, threads: int) -> None:
        self.threads = threads

    @property
    def kind(self) -> str:
        """Library, work and threads: what must agree with a baseline."""
        return f"{self.library} {self.work}, {self.threads} thread{'s' * (self.threads > 1)}"

    @abstractmethod
    def repeat(self, times: int) -> None:
        """Do the work so many times."""


class TorchWork(ReferenceWorkload):
    """Work in torch, in float32.

    Args:
        torch: the module.
        threads: that it runs on; those that torch uses now if left out.
    """

    library = "torch"

    def __init__(self, torch: Any, threads: int | None = None) -> None:
        super().__init__(threads or torch.get_num_threads())
        self._torch = torch

    @cached_property
    def _generator(self) -> Any:
        return self._torch.Generator().manual_seed(0)  # the global one is the test's

    @contextmanager
    def _plain(self) -> Iterator[None]:
        # What the user's code has switched on around the loop is not to change the reference.
        threads = self._torch.get_num_threads()
        if threads != self.threads:
            self._torch.set_num_threads(self.threads)
        try:
            with self._torch.inference_mode(), self._torch.autocast("cpu", enabled=False):
                yield
        finally:
            if threads != self.threads:
                self._torch.set_num_threads(threads)

    def _normal(self, *shape: int) -> Any:
        torch = self._torch
        return torch.randn(shape, generator=self._generator, dtype=torch.float32, device="cpu")


class TorchLayer(TorchWork):
    """A layer of a base-size transformer: products, softmax, GELU, norms, weights from memory.

    A virtual CPU whose sibling thread is busy slows arithmetic, memory and small operators each by
    another factor, and a model does all of them. Over this layer, models that it was not chosen on
    keep within 1.2 to 2.0 % between sessions, quiet ones and ones beside a busy process; over the
    product alone within 1.5 to 2.2 %, as they are 1.0 to 2.4 %, in a calm hour
    (`benchmarks/reference_workload.py`).
    """

    work = f"float32 transformer layer {ROWS}x{INNER}"

    def __init__(self, torch: Any, threads: int | None = None) -> None:
        super().__init__(torch, threads)
        self._next = 0

    @cached_property
    def _operands(self) -> tuple[Any, list[tuple[Any, Any, Any, Any]]]:
        shapes = ((INNER, 3 * INNER), (INNER, INNER), (INNER, COLUMNS), (COLUMNS, INNER))
        layers = [tuple(self._normal(*shape) for shape in shapes) for _ in range(LAYERS)]
        return self._normal(ROWS, INNER), layers

    def repeat(self, times: int) -> None:
        functional = self._torch.nn.functional
        with self._plain():
            x, layers = self._operands
            for _ in range(times):
                mixed, projected, up, down = layers[self._next % LAYERS]
                self._next += 1
                query, key, value = (x @ mixed).chunk(3, dim=1)
                weights = functional.softmax(query @ key.T / INNER, dim=-1)
                hidden = functional.layer_norm(x + weights @ value @ projected, (INNER,))
                wide = functional.gelu(hidden @ up)
                functional.layer_norm(hidden + wide @ down, (INNER,))


class TorchProduct(TorchWork):
    """A matrix product, as baselines of the first versions were measured beside."""

    work = f"float32 product {ROWS}x{INNER}x{COLUMNS}"

    @cached_property
    def _operands(self) -> tuple[Any, list[Any], Any]:
        matrices = [self._normal(INNER, COLUMNS) for _ in range(MATRICES)]
        out = self._torch.empty(ROWS, COLUMNS, dtype=self._torch.float32, device="cpu")
        return self._normal(ROWS, INNER), matrices, out

    def repeat(self, times: int) -> None:
        with self._plain():
            x, weights, out = self._operands
            for i in range(times):
                self._torch.mm(x, weights[i % MATRICES], out=out)


class NumpyWork(ReferenceWorkload):
    """A float32 product of some rows and a matrix, in numpy.

    Args:
        numpy: the module.
        threads: that it runs on.
    """

    library = "numpy"
    rows: int

    def __init__(self, numpy: Any, threads: int) -> None:
        super().__init__(threads)
        self._numpy = numpy

    @cached_property
    def _operands(self) -> tuple[Any, list[Any], Any]:
        random = self._numpy.random.default_rng(0)

        def normal(*shape: int) -> Any:
            return random.standard_normal(shape, dtype=self._numpy.float32)

        out = self._numpy.empty((self.rows, COLUMNS), dtype=self._numpy.float32)
        return normal(self.rows, INNER), [normal(INNER, COLUMNS) for _ in range(MATRICES)], out


class NumpyProduct(NumpyWork):
    """A float32 matrix product in numpy, of the shape of torch's, on as many threads as its BLAS.

    For work on several threads alone: on a single CPU those of the BLAS would wait for each other,
    and for a tenth of a second after the product they wait for the next one, at full speed.
    """

    work = TorchProduct.work
    rows = ROWS

    def __init__(self, numpy: Any) -> None:
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        given = [os.environ[name] for name in names if os.environ.get(name, "").isdecimal()]
        super().__init__(numpy, int(given[0]) if given else os.cpu_count() or 1)

    def repeat(self, times: int) -> None:
        x, weights, out = self._operands
        for i in range(times):
            self._numpy.matmul(x, weights[i % MATRICES], out=out)


class NumpyRows(NumpyWork):
    """A float32 product of few rows in numpy's own C, and whole numbers in the interpreter.

    `einsum` never calls the BLAS, so that one thread does all of it, whatever else is set. Programs
    that have numpy and run on one thread do some of both: over the two of them, a loop in Python,
    small products, and JSON each keep within 2 % from process to process.
    """

    work = f"float32 einsum {FEW_ROWS}x{INNER}x{COLUMNS} and integer loop of 50,000"
    rows = FEW_ROWS

    def __init__(self, numpy: Any) -> None:
        super().__init__(numpy, 1)
        self._loop = PythonLoop()
        self._next = 0

    def repeat(self, times: int) -> None:
        x, weights, out = self._operands
        for _ in range(times):
            self._numpy.einsum("ij,jk->ik", x, weights[self._next % MATRICES], out=out)
            self._next += 1
            self._loop.repeat(1)


class PythonLoop(ReferenceWorkload):
    """Whole-number arithmetic in the interpreter, for programs without a numeric library."""

    library = "python"
    work = "integer loop of 50,000"

    def __init__(self) -> None:
        super().__init__(1)

    def repeat(self, times: int) -> None:
        value = 1
        for _ in range(times):
            for i in range(50_000):
                value = (value * 31 + i) & 0xFFFFFFFF


def references(
    parallel: bool | None = None, torch_works: bool = True, library: str = ""
) -> list[ReferenceWorkload]:
    """What there is in this process, the best first.

    Nothing is imported for it, but for a library that is asked for.

    Args:
        parallel: whether the work that it is for runs on several CPUs at once; None where that is
            not known. Beside work on one thread a reference on several tells nothing: held on the
            same CPU, its threads wait for each other.
        torch_works: whether torch may do some of the work: a program can have it and use it
            elsewhere. Of no account where a library is asked for.
        library: whose alone, one of `REFERENCE_LIBRARIES`; any that is loaded if empty.
    """
    if library == "python":
        return [PythonLoop()]
    if library:
        importlib.import_module(library)
        at_hand = references(parallel)
        return [reference for reference in at_hand if reference.library == library]
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    best: list[ReferenceWorkload] = []
    others: list[ReferenceWorkload] = []
    if torch is not None and hasattr(torch, "get_num_threads"):
        several = torch.get_num_threads()
        suitable = _of_torch(torch, 1 if parallel is False else several)
        best += suitable if torch_works else []
        others += [] if torch_works else suitable
        others += _of_torch(torch, several if parallel is False else 1)
    if numpy is not None and hasattr(numpy, "matmul"):
        product, rows = NumpyProduct(numpy), NumpyRows(numpy)
        suits = parallel or product.threads == 1
        best += [product, rows] if suits else [rows]
        others += [] if suits else [product]
    return [*best, PythonLoop(), *others]


def _of_torch(torch: Any, threads: int) -> list[ReferenceWorkload]:
    return [TorchLayer(torch, threads), TorchProduct(torch, threads)]


class ReferenceRunner:
    """Runs the reference beside blocks, and says what it took.

    Args:
        meters: of the session.
        library: whose work alone is run, one of `REFERENCE_LIBRARIES`; if empty, that of the best
            one that the process has loaded. Work in another process, as a server's, is nothing
            that this one can look at: there it has to be said.

    Raises:
        ValueError: the library is not installed.
    """

    def __init__(self, meters: MeterSet, library: str = "") -> None:
        self._meters = meters
        self._library = library
        self._gated = gated_domains(meters.domains)
        self._references: dict[str, ReferenceWorkload] = {}
        self._repetition_seconds: dict[str, float] = {}
        self._latest: dict[str, tuple[float, float]] = {}
        if library not in ("", "python") and find_spec(library) is None:
            raise ValueError(
                f"--energy-yardstick={library} (or ini energy_yardstick) runs work of {library},"
                " which is not installed here: install it, or leave the option out"
            )

    def reference(
        self, preferred: str = "", parallel: bool | None = None, torch_works: bool = True
    ) -> ReferenceWorkload:
        """The reference to use now, warmed up.

        Args:
            preferred: the kind that the baseline was measured beside: it is used where it is at
                hand, whatever else other tests have imported.
            parallel: whether the work runs on several CPUs at once; None where that is not known.
            torch_works: whether torch may do some of the work.
        """
        at_hand = references(parallel, torch_works, self._library)
        chosen = next((r for r in at_hand if r.kind == preferred), at_hand[0])
        known = self._references.setdefault(chosen.kind, chosen)
        if known is chosen:
            known.repeat(MATRICES)
            began = clock()
            known.repeat(MATRICES)
            self._repetition_seconds[known.kind] = (clock() - began) / MATRICES
        return known

    def due(self, reference: ReferenceWorkload, seconds: float) -> bool:
        """Whether so much work has gone by that a reading is within the share."""
        shortest = max(SHORTEST_SECONDS, self._repetition_seconds[reference.kind])
        return seconds * SHARE >= shortest * 0.9

    def read(self, reference: ReferenceWorkload, seconds: float) -> float | None:
        """Joules of one repetition now; None when a meter was lost.

        Args:
            reference: to run.
            seconds: of work that the reading stands beside.
        """
        seconds_to_run = min(LONGEST_SECONDS, max(SHORTEST_SECONDS, SHARE * seconds))
        times = max(1, round(seconds_to_run / max(1e-6, self._repetition_seconds[reference.kind])))
        try:
            before = self._meters.read()
            reference.repeat(times)
            after = self._meters.read()
        except MeterLostError:
            return None
        self._repetition_seconds[reference.kind] = (after.seconds - before.seconds) / times
        joules = sum(after.microjoules[i] - before.microjoules[i] for i in self._gated) / 1e6
        if joules <= 0:
            return None
        self._latest[reference.kind] = after.seconds, joules / times
        return joules / times

    def recent(self, reference: ReferenceWorkload) -> float | None:
        """The last reading, if it is no older than `RECENT_SECONDS`."""
        when, joules = self._latest.get(reference.kind, (-RECENT_SECONDS, 0.0))
        return joules if joules and clock() - when <= RECENT_SECONDS else None


class ReferenceRecorder:
    """Readings of the reference workload during one window, and the blocks that they belong to.

    Args:
        runner: takes them.
        reference: the work.
    """

    def __init__(self, runner: ReferenceRunner, reference: ReferenceWorkload) -> None:
        self._runner = runner
        self._reference = reference
        self._taken: list[tuple[int, float]] = []
        self._since = 0.0

    def begin(self, seconds: float) -> None:
        """Before the first block, which will take about so long."""
        self._take(0, seconds)

    def before_body(self) -> None:
        """Before a body that is one block of unknown length."""
        self._share(0, UNKNOWN_SECONDS)
        if self._reference.threads > 1:
            wait_for_rest()

    def after_body(self, seconds: float) -> None:
        """After a body of so many seconds; short ones that follow each other share a reading."""
        if self._runner.due(self._reference, seconds):
            self._take(1, seconds * BODY_SHARE / SHARE)
        else:
            self._share(1, seconds)

    def is_due(self, seconds: float, last: bool) -> bool:
        """Whether to read after a block of so many seconds.

        Args:
            seconds: that the block took.
            last: whether it was the last one, after which a reading always stands.
        """
        self._since += seconds
        return last or self._runner.due(self._reference, self._since)

    def after(self, blocks: int) -> None:
        """Read, after so many blocks."""
        self._take(blocks, self._since)
        self._since = 0.0

    def _share(self, blocks: int, seconds: float) -> None:
        recent = self._runner.recent(self._reference)
        if recent is None:
            self._take(blocks, seconds)
        else:
            self._taken.append((blocks, recent))

    def _take(self, blocks: int, seconds: float) -> None:
        joules = self._runner.read(self._reference, seconds)
        if joules is not None:
            self._taken.append((blocks, joules))

    def beside(self, blocks: int) -> ReferenceReadings | None:
        """The readings for each of so many blocks: the mean of those around it."""
        if not self._taken:
            return None
        joules = tuple(_around(self._taken, i) for i in range(blocks))
        return ReferenceReadings(self._reference.kind, self._reference.threads, joules)


def _around(taken: Sequence[tuple[int, float]], block: int) -> float:
    before = [joules for position, joules in taken if position <= block]
    after = [joules for position, joules in taken if position > block]
    sides = [*before[-1:], *after[:1]]
    return sum(sides) / len(sides)
