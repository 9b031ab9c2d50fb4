"""`async for` over samples; its body may hand an inference over and take the next sample."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from pytest_energy.metering.concurrent import ConcurrentLoop
from pytest_energy.metering.slots import CURRENT, Segment, Slot
from pytest_energy.metering.tasks import Heartbeat, all_ended, cancel
from pytest_energy.types.units import format_seconds
from pytest_energy.world import clock

VACANT_SECONDS, VACANT_SHARE = 1e-3, 0.2
"""Slots that are vacant for so long between two inferences, and for such a share of all, are not
kept full by the body of the loop."""


class AsyncSamples:
    """What a loop yields, for `async for`.

    Once nothing refers to it, it has been left, by `break` or an exception.

    Args:
        feed: gives the samples.
    """

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def __aiter__(self) -> AsyncSamples:
        return self

    async def __anext__(self) -> Any:
        __tracebackhide__ = True
        return await self._feed.next()

    def __del__(self) -> None:
        self._feed.leave()


class Feed(ABC):
    """Gives samples one after the other, and takes the inferences that are handed over."""

    @abstractmethod
    async def next(self) -> Any:
        """The next sample, as soon as one may begin.

        Raises:
            StopAsyncIteration: all inferences have ended, and no other one is to be performed.
            BaseException: what an inference raised.
        """

    @abstractmethod
    def create_task(self, inference: Coroutine[Any, Any, Any]) -> asyncio.Task[Any] | None:
        """Perform what the last sample was given for; None where it was handed over already."""

    @abstractmethod
    def leave(self) -> None:
        """Give no other sample, and cancel what is under way."""


class PlainFeed(Feed):
    """One inference at a time: the loop's body performs it, or hands it over.

    Args:
        samples: of the loop.
    """

    def __init__(self, samples: Iterator[Any]) -> None:
        self._samples = samples
        self._given = False
        self._task: asyncio.Task[Any] | None = None

    async def next(self) -> Any:
        """The next sample, once the last one's inference has ended."""
        __tracebackhide__ = True
        task, self._task = self._task, None
        self._given = False
        if task is not None:
            await task
        try:
            sample = next(self._samples)
        except StopIteration:
            raise StopAsyncIteration from None
        self._given = True
        return sample

    def create_task(self, inference: Coroutine[Any, Any, Any]) -> asyncio.Task[Any] | None:
        """A task that performs the inference."""
        if not self._given:
            return None
        self._given = False
        self._task = asyncio.create_task(inference)
        return self._task

    def leave(self) -> None:
        """Cancel the inference that is under way, and let go of the loop."""
        self._given = False
        self._samples = iter(())
        if self._task is not None:
            self._task.cancel()


class SlotFeed(Feed):
    """A sample for each slot that becomes vacant; what the loop's body hands over takes it.

    Args:
        loop: of samples.
    """

    def __init__(self, loop: ConcurrentLoop) -> None:
        self._loop = loop
        self._segment: Segment | None = None
        self._heartbeat: Heartbeat | None = None
        self._ready: deque[Slot] = deque()
        self._given: Slot | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._alone: asyncio.Task[Any] | None = None
        self._changed = asyncio.Event()
        self._cancelled = False
        self._vacant = self._taken = 0.0
        self._count = 0

    async def next(self) -> Any:
        """The sample of the next slot; all others' inferences go on meanwhile."""
        __tracebackhide__ = True
        try:
            self._check_handed_over()
            slot = await self._next_slot()
        except BaseException:  # the test is cancelled, its time is up, or an inference raised
            self.leave()
            await all_ended(self._tasks)
            raise
        if slot is None:
            self._loop.blocked = self._loop.blocked or self._why_vacant()
            raise StopAsyncIteration
        self._given = slot
        return slot.sample

    def create_task(self, inference: Coroutine[Any, Any, Any]) -> asyncio.Task[Any] | None:
        """A task that performs the inference in the slot that the last sample was given for."""
        slot, self._given = self._given, None
        if slot is None:
            return None
        task = asyncio.create_task(self._perform(slot, inference))
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._end(done, slot, inference))
        if self._segment is None:
            self._alone = task
        if self._cancelled:  # while the body went on
            task.cancel()
        return task

    def leave(self) -> None:
        """Begin no other inference and cancel those that are under way."""
        if self._segment is not None:
            self._segment.stop()
        self._given = None
        self._cancel()
        self._end_heartbeat()
        self._loop.generator.close()

    def _check_handed_over(self) -> None:
        __tracebackhide__ = True
        if self._given is None or self._cancelled:
            return
        raise pytest.UsageError(
            f"energy.aeach(samples, concurrency={self._loop.concurrency}): the body of an async for"
            " ends before the next one begins; for several inferences at a time it hands each one"
            " over, and does not await it: energy.create_task(fn(sample))"
        )

    async def _next_slot(self) -> Slot | None:
        __tracebackhide__ = True
        while not self._ready:
            if self._tasks:
                self._changed.clear()
                await self._changed.wait()
                continue
            self._end_step()
            step = next(self._loop.generator, None)
            if step is None:
                return None
            if isinstance(step, Segment):
                self._segment, self._heartbeat = step, Heartbeat("aeach")
                self._make_ready(step.begin(self._loop.concurrency))
            else:
                self._make_ready([Slot(step.sample)])
        return self._ready.popleft()

    def _make_ready(self, slots: list[Slot]) -> None:
        now = clock()
        for slot in slots:
            slot.began = now  # until it is handed over
        self._ready.extend(slots)
        self._changed.set()

    async def _perform(self, slot: Slot, inference: Coroutine[Any, Any, Any]) -> Any:
        segment, now = self._segment, clock()
        if segment is not None:
            CURRENT.set(slot)
            self._vacant += now - slot.began
        slot.began = now
        try:
            output = await inference
        except BaseException as error:
            if not (self._cancelled and isinstance(error, asyncio.CancelledError)):
                self._fail(slot, error)
            if isinstance(error, KeyboardInterrupt | SystemExit):  # would end the event loop
                raise asyncio.CancelledError from error
            raise
        if segment is not None:
            following = segment.advance(slot, None)  # its output is the task's
            self._taken += slot.ended - now
            self._count += 1
            if following is not None:
                self._make_ready([following])
        return output

    def _end(
        self, task: asyncio.Task[Any], slot: Slot, inference: Coroutine[Any, Any, Any]
    ) -> None:
        """A task has ended."""
        inference.close()  # where it was cancelled before it began
        self._tasks.discard(task)
        self._changed.set()
        if not task.cancelled():
            task.exception()  # is raised by the loop, and need not be asked for again
        elif not slot.over and not self._cancelled:
            self._fail(slot, asyncio.CancelledError())

    def _fail(self, slot: Slot, error: BaseException) -> None:
        if self._segment is not None:
            self._segment.fail(slot, error)
        self._cancel()

    def _cancel(self) -> None:
        """Cancel the other tasks, once: what they do to clean up is not cancelled as well."""
        self._ready.clear()
        if not self._cancelled:
            self._cancelled = True
            cancel(self._tasks)

    def _end_step(self) -> None:
        """All that was begun has ended: raise what it raised."""
        __tracebackhide__ = True
        segment, self._segment = self._segment, None
        alone, self._alone = self._alone, None
        self._end_heartbeat()
        if alone is not None:
            alone.result()
        if segment is not None:
            segment.raise_error("aeach", self._loop.round_size)

    def _end_heartbeat(self) -> None:
        heartbeat, self._heartbeat = self._heartbeat, None
        if heartbeat is not None:
            self._loop.blocked = heartbeat.end() or self._loop.blocked

    def _why_vacant(self) -> str:
        """What to say of a loop's body that did not keep its slots full; empty where it did."""
        total = self._vacant + self._taken
        if not total or self._vacant < max(VACANT_SECONDS * self._count, VACANT_SHARE * total):
            return ""
        slots = self._loop.concurrency
        return (
            f"of {slots:,} slots {slots * self._taken / total:.1f} were taken on average: a sample"
            f" of energy.aeach waited {format_seconds(self._vacant / self._count)} for the body of"
            " the async for to hand its inference over; let the body do and await nothing else, and"
            " await no task in it"
        )
