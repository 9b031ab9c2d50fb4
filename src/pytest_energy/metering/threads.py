"""Plain functions through slots: a thread for each."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

import pytest

from pytest_energy.metering.concurrent import ConcurrentLoop
from pytest_energy.metering.lazy import why_lazy_output
from pytest_energy.metering.slots import CURRENT, Alone, Segment, Slot
from pytest_energy.world import clock

PATIENCE_SECONDS = 5.0
"""After a Ctrl-C or a time-out in the test's own thread: how long the inferences that are under way
are waited for. A thread cannot be ended from outside."""


def run_in_threads(loop: ConcurrentLoop, fn: Callable[[Any], Any]) -> list[Any]:
    """Perform a loop's inferences in a thread per slot.

    Args:
        loop: of samples.
        fn: performs one inference.

    Returns:
        The outputs, in the samples' order.

    Raises:
        BaseException: what the first inference raised that did; the others have ended then.
        pytest.UsageError: `fn` puts its work off, or the system begins too few threads.
    """
    __tracebackhide__ = True
    threads: _Threads | None = None
    outputs: list[Any] = []
    try:
        for step in loop.generator:
            if isinstance(step, Alone):
                try:
                    output = _checked(fn(step.sample))
                except BaseException as error:
                    loop.name_sample("run", error)
                    raise
                if step.kept:
                    outputs.append(output)
                continue
            threads = threads or _Threads(fn, loop.concurrency)
            threads.perform(step)
            step.raise_error("run", loop.round_size)
    finally:
        loop.generator.close()
        if threads is not None:
            threads.end()
    return outputs or loop.outputs


def _checked(output: Any) -> Any:
    __tracebackhide__ = True
    if lazy := why_lazy_output(output):
        raise pytest.UsageError(f"energy.run got {lazy}")
    return output


class _Threads:
    """A thread per slot, from the first segment to the last: clients that are a thread's own stay.

    They are daemons, so that one which never returns does not hold up the end of the process.

    Args:
        fn: performs one inference.
        concurrency: slots.
    """

    def __init__(self, fn: Callable[[Any], Any], concurrency: int) -> None:
        self._fn = fn
        self._concurrency = concurrency
        self._done: SimpleQueue[None] = SimpleQueue()
        self._orders: list[SimpleQueue[tuple[Segment, Slot] | None]] = []

    def perform(self, segment: Segment) -> None:
        slots = segment.begin(self._concurrency)
        while len(self._orders) < len(slots):
            self._start()
        for orders, slot in zip(self._orders, slots, strict=False):
            orders.put((segment, slot))
        waiting = len(slots)
        try:
            while waiting:
                self._done.get()
                waiting -= 1
        except BaseException:  # Ctrl-C, or a time-out that is raised in the test's thread
            segment.stop()
            self._wait(waiting)
            raise

    def end(self) -> None:
        """Have the threads end that have nothing to do."""
        for orders in self._orders:
            orders.put(None)

    def _start(self) -> None:
        orders: SimpleQueue[tuple[Segment, Slot] | None] = SimpleQueue()
        context = contextvars.copy_context()
        name = f"pytest-energy-slot-{len(self._orders)}"
        thread = threading.Thread(
            target=context.run, args=(self._work, orders), name=name, daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:  # of memory, or of what a user or a container may have
            raise pytest.UsageError(
                f"energy.run: concurrency={self._concurrency:,} needs as many threads, and the"
                f" system began {len(self._orders):,} ({error}): take a smaller concurrency, or an"
                " async function and energy.arun"
            ) from error
        self._orders.append(orders)

    def _wait(self, waiting: int) -> None:
        until = clock() + PATIENCE_SECONDS
        try:
            for _ in range(waiting):
                self._done.get(timeout=max(0.0, until - clock()))
        except Empty:
            return

    def _work(self, orders: SimpleQueue[tuple[Segment, Slot] | None]) -> None:
        while (order := orders.get()) is not None:
            segment, first = order
            slot: Slot | None = first
            while slot is not None:
                slot = self._perform_one(segment, slot)
            CURRENT.set(None)
            del order, segment, first
            self._done.put(None)

    def _perform_one(self, segment: Segment, slot: Slot) -> Slot | None:
        CURRENT.set(slot)
        slot.began = clock()
        try:
            return segment.advance(slot, _checked(self._fn(slot.sample)))
        except BaseException as error:  # raised again in the test's thread
            segment.fail(slot, error)
            return None
