"""The `energy` fixture: loops, regions and records of one test."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import pytest

from pytest_energy import verdict
from pytest_energy.loop import Loop, repeatable
from pytest_energy.measurement import Measurement, Result, Subject
from pytest_energy.options import Inference, whole_number
from pytest_energy.window import Window

if TYPE_CHECKING:
    from pytest_energy.report.live import LiveLine
    from pytest_energy.session import EnergySession

S = TypeVar("S")
T = TypeVar("T")


@dataclass(slots=True)
class _Region:
    """A named region; entered several times, its entries add up."""

    window: Window
    n: int = 0
    pending: int = 0
    block: int = 0
    reason: str = ""
    open: bool = False


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
        self._body: Window | None = None
        self._loop: Loop | None = None
        self._counts_warmup = True
        self._regions: dict[str, _Region] = {}
        self._recorded: dict[str, float] = {}
        self._last: Callable[[], Measurement | None] = lambda: None

    @property
    def count(self) -> int:
        """Samples that `each` has yielded so far, warm-up included: `hits / energy.count`."""
        return 0 if self._loop is None else self._loop.count

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
        samples = self._each(samples)
        self._counts_warmup = False
        for sample in samples:
            output = fn(sample)
            if inspect.isawaitable(output):
                if inspect.iscoroutine(output):
                    output.close()
                raise _async_error()
            if self._loop is None or self._loop.yielded > 0:
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
        try:
            whole_number("n", n, 1)
        except ValueError as error:
            raise pytest.UsageError(f"energy.measure({name!r}): {error}") from error
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
            loop.generator.close()  # a reference may have kept it waiting
            reason = loop.why_incomplete(interrupted)
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
            n = region.n if loop is None else loop.whole(region.n)
            results.append(self._judge(name, n, region.window, reason, rule))
        return results

    def _each(self, samples: Iterable[S]) -> Generator[S, None, None]:
        __tracebackhide__ = True
        if self._loop is not None:
            raise pytest.UsageError(
                "energy.each or energy.run was used twice in one test: give the second loop a name"
                ' of its own, with energy.measure("decode", n=…) around a plain loop'
            )
        kept, n = repeatable(samples, self._inference.n)
        session, inference = self._session, self._inference
        window, precision = None, inference.precision
        if session is not None:
            window = Window(session.meters)
            precision = session.settings.precision if precision is None else precision
        self._loop = Loop(
            kept,
            n,
            window,
            inference.warmup,
            precision,
            nullcontext if session is None else partial(session.cost.counting, session.meters),
            self._live,
            self._test,
        )
        self._last = partial(self._measured, window)
        return self._loop.generator

    def _units(self, window: Window) -> float | None:
        unit = self._inference.unit
        if unit == "inference":
            return float(window.done)
        recorded = self._recorded.get(f"{unit}s", self._recorded.get(unit))
        if recorded is None or recorded <= 0:
            return None
        if self._loop is not None and self._counts_warmup and self.count:
            # The test counted over all samples that it saw; the energy is of the metered ones.
            return recorded * window.done / self.count
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
