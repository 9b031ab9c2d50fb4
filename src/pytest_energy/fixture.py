"""The `energy` fixture: loops, regions and records of one test."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from pytest_energy import verdict
from pytest_energy.measurement import Measurement, Result, Subject
from pytest_energy.options import Inference
from pytest_energy.window import Window, block_sizes

if TYPE_CHECKING:
    from pytest_energy.report.live import LiveLine
    from pytest_energy.session import EnergySession

S = TypeVar("S")
T = TypeVar("T")


def default_warmup(n: int) -> int:
    """Unmetered inferences before `n` metered ones: 2 %, at least 2 and no more than n.

    In the data behind Luccioni et al. (2024) the first of ten repeats of the same run is up to
    29 % high.
    """
    return min(n, max(2, n // 50))


@dataclass(slots=True)
class _Loop:
    """One pass of `energy.each`."""

    n: int
    window: Window | None
    yielded: int = 0
    finished: bool = False
    reason: str = ""
    counts_warmup: bool = True
    warming: bool = False
    block: int = 0
    generator: Generator[Any, None, None] | None = None


@dataclass(slots=True)
class _Region:
    """A named region; entered several times, its entries add up."""

    window: Window
    n: int = 0
    pending: int = 0
    block: int = 0
    reason: str = ""
    open: bool = False


@dataclass(slots=True)
class _Samples:
    """Samples that can be gone through again and again."""

    items: Iterable[Any]

    @classmethod
    def of(cls, samples: Iterable[Any], n: int | None) -> tuple[_Samples, int]:
        """The samples, and how many inferences to perform."""
        if not hasattr(samples, "__iter__") and not hasattr(samples, "__getitem__"):
            raise pytest.UsageError(
                f"energy.each: expected samples to loop over, found {samples!r}"
            )
        if isinstance(samples, Iterator):  # it gives its samples once: keep those needed
            samples = list(islice(samples, n))
        if n is None:
            try:
                n = len(samples)  # type: ignore[arg-type]
            except TypeError:
                samples = list(samples)
                n = len(samples)
        return cls(samples), n

    def cycle(self) -> Iterator[Any]:
        while True:
            sample = self
            for sample in self.items:
                yield sample
            if sample is self:  # nothing in them
                return


class Energy:
    """Meters the loop, the regions or the whole body of one test.

    Args:
        session: the session's meters and stores; None under `--energy-off`.
        test: pytest's node id.
        inference: what the marker says.
        task, model: names to use where the marker says none.
        live: shows the loop's progress on a terminal; None elsewhere.
    """

    def __init__(
        self,
        session: EnergySession | None,
        test: str,
        inference: Inference,
        task: str,
        model: str,
        live: LiveLine | None = None,
    ) -> None:
        self._session = session
        self._test = test
        self._inference = inference
        self._task = inference.task or task
        self._model = inference.model or model
        self._live = live
        self._count = 0
        self._body: Window | None = None
        self._loop: _Loop | None = None
        self._regions: dict[str, _Region] = {}
        self._recorded: dict[str, float] = {}
        self._last: Callable[[], Measurement | None] = lambda: None

    @property
    def count(self) -> int:
        """Samples that `each` has yielded so far, warm-up included: `hits / energy.count`."""
        return self._count

    @property
    def result(self) -> Measurement | None:
        """The last finished measurement of this test; None before there is one."""
        return self._last()

    def each(self, samples: Iterable[S]) -> Iterator[S]:
        """Yield exactly `n` samples, metered in blocks, after an unmetered warm-up.

        Args:
            samples: any iterable. With fewer than `n` they come round again; a generator is read
                once and kept. Without a marker, `n` is their number.

        Yields:
            The samples: first the warm-up's, then `n`, from the first one on. Fewer when
            `precision` is set and reached.

        Raises:
            pytest.UsageError: it was used before in this test.
        """
        __tracebackhide__ = True
        return self._each(samples)

    def run(self, fn: Callable[[S], T], samples: Iterable[S]) -> list[T]:
        """The loop of `each` around a plain callable.

        Args:
            fn: performs one inference; it is called for the warm-up as well.
            samples: as for `each`.

        Returns:
            The outputs of the `n` metered calls, in order.

        Raises:
            pytest.UsageError: `fn` is a coroutine function; its calls would only create coroutines.
        """
        __tracebackhide__ = True
        if inspect.iscoroutinefunction(fn):
            raise _async_error()
        outputs: list[T] = []
        loop = self._each(samples)
        current = self._loop
        if current is not None:
            current.counts_warmup = False
        for sample in loop:
            output = fn(sample)
            if inspect.isawaitable(output):
                if inspect.iscoroutine(output):
                    output.close()
                loop.close()
                raise _async_error()
            if current is None or current.yielded > 0:
                outputs.append(output)
        return outputs

    @contextmanager
    def measure(self, name: str, n: int = 1) -> Iterator[None]:
        """Meter a named region, with a baseline of its own.

        Args:
            name: of the region. Entered several times in one test, its entries add up; inside
                `each` they make blocks where the loop's blocks are, and the warm-up stays out.
            n: inferences that the region performs; the divisor, whatever the marker's unit.

        Raises:
            pytest.UsageError: no name, an `n` below 1, or the region is open already.
        """
        if not isinstance(name, str) or not name.strip():
            raise pytest.UsageError(f"energy.measure: expected a name, found {name!r}")
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise pytest.UsageError(
                f"energy.measure({name!r}): n: expected a whole number of 1 or more, found {n!r}"
            )
        loop = self._loop
        if self._session is None or (loop is not None and loop.warming):
            yield
            return
        region = self._regions.setdefault(name, _Region(Window(self._session.meters)))
        if region.open:
            raise pytest.UsageError(
                f"energy.measure({name!r}) is open already: regions cannot nest in themselves"
            )
        if loop is not None and region.block != loop.block:
            region.window.end_block(region.pending)
            region.pending, region.block = 0, loop.block
        region.open = True
        region.window.open()
        try:
            yield
        except BaseException as error:
            region.reason = f"the region raised {type(error).__name__}"
            raise
        finally:
            region.window.pause()
            region.window.look_around()
            region.pending += n
            region.n += n
            region.open = False
        self._last = lambda: region.window.measurement(pending=region.pending)

    def record(self, **quantities: float) -> None:
        """Say what the energy bought: `energy.record(accuracy=0.91, tokens=5120)`.

        Args:
            quantities: finite numbers by name; a second record of a name replaces the first.

        Raises:
            pytest.UsageError: not a finite number.
        """
        __tracebackhide__ = True
        for name, value in quantities.items():
            try:
                number = float(value)
            except (OverflowError, TypeError, ValueError):
                number = math.nan
            if not math.isfinite(number):
                raise pytest.UsageError(
                    f"energy.record({name}=…): expected a finite number, found {value!r}"
                )
            self._recorded[name] = number

    # What the plugin calls.

    def open_body(self, marked: bool) -> None:
        """The test body begins; with the marker, the whole of it is a window."""
        if marked and self._session is not None and self._inference.n is not None:
            self._body = Window(self._session.meters)
            self._body.open()

    def close_body(self) -> None:
        """The test body has ended without raising."""
        if self._body is not None and self._inference.n is not None:
            self._body.close(self._inference.n)

    def conclude(self, interrupted: str = "") -> list[Result]:
        """Judge what was metered.

        Args:
            interrupted: why the body did not run to its end; empty when it did.
        """
        if self._session is None:
            return []
        rule = self._session.rule(self._inference)
        results = []
        n = self._inference.n or 0
        loop = self._loop
        if loop is not None:
            if loop.generator is not None:
                loop.generator.close()  # a reference may have kept it waiting
            reason = loop.reason or self._left(loop, interrupted)
            results.append(self._judge("", loop.n, loop.window, reason, rule))
        elif self._body is not None:
            results.append(self._judge("", n, self._body, interrupted, rule))
        elif not self._regions or rule.budget_joules is not None:
            reason = interrupted or (
                "the test asked for energy and metered nothing: loop over energy.each(samples),"
                " or add @pytest.mark.inference(n=…)"
                if not self._regions
                else "the budget is for the whole body: give the marker n"
            )
            results.append(self._judge("", n, None, reason, rule))
        # A budget is per unit of the whole; a region's divisor is its own.
        rule = replace(rule, budget_joules=None, budget_text="")
        for name, region in self._regions.items():
            reason = region.reason or interrupted
            if region.open and not reason:
                reason = "the region was entered and never left"
            results.append(self._judge(name, self._whole(region), region.window, reason, rule))
        return results

    def _whole(self, region: _Region) -> int:
        """What the region would have performed if the loop around it had not ended early."""
        loop = self._loop
        if loop is None or not loop.finished or not 0 < loop.yielded < loop.n:
            return region.n
        return round(region.n * loop.n / loop.yielded)

    def _each(self, samples: Iterable[S]) -> Generator[S, None, None]:
        __tracebackhide__ = True
        if self._loop is not None:
            raise pytest.UsageError(
                "energy.each or energy.run was used twice in one test: give the second loop a name"
                ' of its own, with energy.measure("decode", n=…) around a plain loop'
            )
        kept, n = _Samples.of(samples, self._inference.n)
        window = None if self._session is None else Window(self._session.meters)
        self._loop = _Loop(n, window)
        self._loop.generator = self._yield(kept, self._loop)
        return self._loop.generator

    def _yield(self, samples: _Samples, loop: _Loop) -> Generator[Any, None, None]:
        if loop.window is None or self._session is None:  # --energy-off
            for sample in islice(samples.cycle(), loop.n):
                self._count += 1
                loop.yielded += 1
                yield sample
            return
        warmup = self._inference.warmup
        warmup = default_warmup(loop.n) if warmup is None else warmup
        loop.warming = True
        with self._session.cost.counting(self._session.meters):
            for sample in islice(samples.cycle(), warmup if loop.n else 0):
                self._count += 1
                yield sample
        loop.warming = False
        sizes = block_sizes(loop.n) if loop.n else ()
        self._last = lambda: self._measured(loop.window)
        if self._live is not None:
            self._live.start(self._test, loop.n)
        try:
            yield from self._yield_blocks(samples.cycle(), sizes, loop, loop.window)
        except GeneratorExit:
            # A consumer that counts for itself may never ask for the sample after the last.
            if loop.yielded == loop.n:
                loop.window.close(sizes[-1])
                loop.finished = True
            raise
        finally:
            if self._live is not None:
                self._live.stop()

    def _yield_blocks(
        self, samples: Iterator[Any], sizes: Sequence[int], loop: _Loop, window: Window
    ) -> Generator[Any, None, None]:
        live = self._live
        precision = self._precision
        window.open()
        end = 0
        for i, size in enumerate(sizes):
            end += size
            loop.block = i
            for sample in islice(samples, size):
                loop.yielded += 1
                self._count += 1
                yield sample
                if live is not None and live.due():
                    self._show(loop, window)
            if loop.yielded < end:
                break
            if i == len(sizes) - 1:
                window.close(size)
            elif precision is None:
                window.split(size)
            else:
                window.close(size)
                so_far = window.measurement()
                if so_far is not None and verdict.precise_enough(so_far, precision):
                    break
                window.open()
        if not sizes or not loop.yielded:
            loop.reason = "samples is empty"
        elif loop.yielded < end:
            loop.reason = f"samples ran out after {loop.yielded:,} of {loop.n:,} inferences"
        loop.finished = True

    @property
    def _precision(self) -> float | None:
        if self._inference.precision is not None or self._session is None:
            return self._inference.precision
        return self._session.settings.precision

    def _show(self, loop: _Loop, window: Window) -> None:
        if self._live is None:
            return
        if window.pausable:
            window.pause()
        self._live.update(loop.yielded, window.joules_so_far())
        if window.pausable:
            window.open()

    def _left(self, loop: _Loop, interrupted: str) -> str:
        if interrupted:
            return f"{interrupted} after {loop.yielded:,} of {loop.n:,} inferences"
        if not loop.finished:
            return f"the loop was left after {loop.yielded:,} of {loop.n:,} inferences"
        return ""

    def _units(self, window: Window) -> float | None:
        unit = self._inference.unit
        if unit == "inference":
            return float(window.done)
        recorded = self._recorded.get(f"{unit}s", self._recorded.get(unit))
        if recorded is None or recorded <= 0:
            return None
        if self._loop is not None and self._loop.counts_warmup and self._count:
            # The test counted over all samples that it saw; the energy is of the metered ones.
            return recorded * window.done / self._count
        return recorded

    def _measured(self, window: Window | None) -> Measurement | None:
        if window is None:
            return None
        units = self._units(window)
        return window.measurement(units, self._recorded) if units else None

    def _judge(
        self, region: str, n: int, window: Window | None, reason: str, rule: verdict.Rule
    ) -> Result:
        if self._session is None:
            raise RuntimeError("nothing is judged under --energy-off")
        inference = self._inference
        subject = Subject(
            test=self._test,
            region=region,
            task=self._task,
            model=self._model,
            dataset=inference.dataset,
            role=inference.role,
            unit="inference" if region else inference.unit,
            n=n,
        )
        measurement = None
        if window is not None and not reason:
            if window.lost:
                reason = f"the meter was lost: {window.lost}"
            elif region:
                pending = self._regions[region].pending
                measurement = window.measurement(recorded=self._recorded, pending=pending)
            else:
                measurement = self._measured(window)
                if measurement is None:
                    unit = inference.unit
                    reason = (
                        f"unit is {unit!r}, and energy.record({unit}s=…) recorded none or 0:"
                        " call it in the test"
                    )
        if measurement is not None:
            self._last = lambda: measurement
        return self._session.judge(subject, measurement, reason, rule)


def _async_error() -> pytest.UsageError:
    return pytest.UsageError(
        "energy.run got a coroutine function, whose calls only create coroutines; in an async test"
        " write: for sample in energy.each(samples): await fn(sample)"
    )
