"""Async functions through slots: a task of asyncio for each."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Any

import pytest

from pytest_energy.metering.concurrent import ConcurrentLoop
from pytest_energy.metering.slots import CURRENT, Alone, Segment, Slot
from pytest_energy.types.units import format_percent, format_seconds
from pytest_energy.world import clock

HEARTBEAT_SECONDS, SLOW_HEARTBEAT_SECONDS = 0.02, 0.2
"""How often it is seen whether the event loop still comes round: at first and where it was late,
and where it has long been on time. Each time takes as much as half a request to a server does."""

SLOWING = 1.5
"""Each beat that is on time lengthens the pause by this factor."""

BLOCKED_SECONDS, BLOCKED_SHARE = 0.05, 0.5
"""An event loop that does not come round for so long at a time, and for such a share of all, is
blocked by what runs in it."""


async def run_in_tasks(loop: ConcurrentLoop, fn: Callable[[Any], Awaitable[Any]]) -> list[Any]:
    """Perform a loop's inferences in a task per slot.

    Args:
        loop: of samples.
        fn: performs one inference.

    Returns:
        The outputs, in the samples' order.

    Raises:
        BaseException: what the first inference raised that did; the others were cancelled, and have
            ended then.
        pytest.UsageError: `fn` returns nothing to await.
    """
    __tracebackhide__ = True
    outputs: list[Any] = []
    try:
        for step in loop.generator:
            if isinstance(step, Alone):
                try:
                    output = await awaited(fn, step.sample)
                except BaseException as error:
                    loop.name_sample("arun", error)
                    raise
                if step.kept:
                    outputs.append(output)
                continue
            heartbeat = Heartbeat("arun")
            try:
                await _Tasks(fn, step).perform(loop.concurrency)
            finally:
                loop.blocked = heartbeat.end() or loop.blocked
            step.raise_error("arun", loop.round_size)
    finally:
        loop.generator.close()
    return outputs or loop.outputs


def awaited(fn: Callable[[Any], Awaitable[Any]], sample: Any) -> Awaitable[Any]:
    """What a function returns to be awaited.

    Args:
        fn: performs one inference.
        sample: that it is performed on.

    Raises:
        pytest.UsageError: it is nothing to await.
    """
    __tracebackhide__ = True
    result = fn(sample)
    if not hasattr(result, "__await__"):
        raise pytest.UsageError(why_not_async(result))
    return result


def why_not_async(result: object) -> str:
    """What to say of a function for `arun` that returns nothing to await.

    Args:
        result: that it returned.
    """
    if inspect.isasyncgen(result):
        hint = "an async function that consumes it: async for part in fn(sample): …"
    else:
        hint = "energy.run(fn, samples, concurrency=…), which calls it in threads"
    return f"energy.arun got a function that returns nothing to await, but {_kind(result)}: {hint}"


def _kind(result: object) -> str:
    name = type(result).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


class _Tasks:
    """A task per slot, for one segment.

    Args:
        fn: performs one inference.
        segment: what is performed.
    """

    def __init__(self, fn: Callable[[Any], Awaitable[Any]], segment: Segment) -> None:
        self._fn = fn
        self._segment = segment
        self._tasks: list[asyncio.Task[None]] = []
        self._cancelled = False

    async def perform(self, concurrency: int) -> None:
        slots = self._segment.begin(concurrency)
        self._tasks = [asyncio.create_task(self._work(slot)) for slot in slots]
        if not self._tasks:
            return
        try:
            await asyncio.wait(self._tasks)
        except BaseException:  # the test is cancelled, or its time is up
            self._segment.stop()
            self._cancel()
            await all_ended(self._tasks)
            raise

    async def _work(self, first: Slot) -> None:
        slot: Slot | None = first
        segment, fn = self._segment, self._fn
        try:
            while slot is not None:
                CURRENT.set(slot)
                slot.began = clock()
                slot = segment.advance(slot, await awaited(fn, slot.sample))
        except BaseException as error:  # raised again by who awaits the run
            ours = self._cancelled and isinstance(error, asyncio.CancelledError)
            if slot is None or ours:
                return
            segment.fail(slot, error)
            if not self._cancelled:
                self._cancel()

    def _cancel(self) -> None:
        """Cancel the other tasks, once: what they do to clean up is not cancelled as well."""
        self._cancelled = True
        cancel(self._tasks)


def cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks, but for the one that this is called in.

    Args:
        tasks: to cancel.
    """
    own = running_task()
    for task in tasks:
        if task is not own:
            task.cancel()


def running_task() -> asyncio.Task[Any] | None:
    """The task that runs; None outside of an event loop."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


async def all_ended(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Wait for cancelled tasks; a scope of anyio cancels what waits again and again.

    Args:
        tasks: that were cancelled; those that have ended may be taken out meanwhile.
    """
    while under_way := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(under_way)
        except asyncio.CancelledError:
            continue


class Heartbeat:
    """Sees for how long an event loop does not come round, from its making on.

    Args:
        method: of the fixture that runs the inferences.
    """

    def __init__(self, method: str) -> None:
        self._method = method
        self._loop = asyncio.get_running_loop()
        self._late: list[float] = []
        self._began = clock()
        self._pause = HEARTBEAT_SECONDS
        self._plan()

    def end(self) -> str:
        """Stop; what to say of an event loop that was blocked, empty where it came round."""
        self._timer.cancel()
        self._see()
        return why_blocked(self._late, clock() - self._began, self._method)

    def _plan(self) -> None:
        self._due = clock() + self._pause
        self._timer = self._loop.call_later(self._pause, self._beat)

    def _beat(self) -> None:
        self._see()
        self._plan()

    def _see(self) -> None:
        late = clock() - self._due
        if late > BLOCKED_SECONDS:
            self._late.append(late)
            self._pause = HEARTBEAT_SECONDS
        else:
            self._pause = min(SLOWING * self._pause, SLOW_HEARTBEAT_SECONDS)


def why_blocked(late: list[float], seconds: float, method: str) -> str:
    """What to say of an event loop that was blocked; empty where it came round.

    Args:
        late: seconds by which it was late, each time that this was long.
        seconds: of the whole run.
        method: of the fixture that ran the inferences.
    """
    if not late or sum(late) < BLOCKED_SHARE * seconds:
        return ""
    return (
        f"the event loop was blocked for {format_percent(sum(late) / seconds)} of a run of"
        f" energy.{method}, up to {format_seconds(max(late))} at a time: an inference calls what"
        " does not await, so that inferences were performed one after the other; await them, or use"
        " energy.run(fn, samples, concurrency=…), which calls a plain function in threads"
    )
