"""The metered loop with many inferences at a time: a window is a steady state.

What is metered is what a server does under load. Slots are filled before a window opens, kept full
until it closes, and drained after that; energy is divided by the inferences that end inside of the
window. Those that were under way when it opened and those that are when it closes balance each
other, as long as both ends are alike. Where all inferences take equally long they end in step, all
slots at once, so that blocks are whole rounds: as many completions as there are slots, or a
multiple of that.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence, Sized
from typing import Any

from pytest_energy.metering.gpu_sync import synchronise
from pytest_energy.metering.loop import Loop, OpenWindow, Pass, Plan, default_warmup, endless
from pytest_energy.metering.reference_work import ReferenceWorkload
from pytest_energy.metering.slots import (
    FILL_ROUNDS,
    SEGMENT_ROUNDS,
    Alone,
    Segment,
    Slot,
    Stream,
    raised_by,
)
from pytest_energy.metering.window import BLOCKS, Window, block_sizes
from pytest_energy.world import clock

FEWEST_BLOCKS = 5
"""Blocks below which a verdict does not know their noise, where there are so many rounds."""


def rounds_of_blocks(rounds: int, most: int = BLOCKS) -> tuple[int, ...]:
    """How so many rounds are cut into blocks, alike whether or not slots are filled for each.

    Args:
        rounds: at least one.
        most: blocks at most.
    """
    return block_sizes(rounds, max(1, min(most, max(FEWEST_BLOCKS, rounds // SEGMENT_ROUNDS))))


class ConcurrentLoop(Loop):
    """A pass over `n` samples, several at a time, after a warm-up.

    Its generator yields what is to be performed next, to threads or tasks: a `Segment` through all
    slots, or a sample by itself (`Alone`), to count its operations. Where something is done
    between blocks (reference work, another revision's block, an early stop) each block is a
    segment of its own; else all of them are one.

    Args:
        samples, n, open_window, plan: as for `Loop`.
        concurrency: slots.
        produced: told what an inference that the window counts has produced, by name.
    """

    def __init__(
        self,
        samples: Iterable[Any],
        n: int,
        open_window: OpenWindow | None,
        plan: Plan,
        concurrency: int,
        produced: Callable[[dict[str, float]], None],
    ) -> None:
        self.concurrency = concurrency
        self.segment: Segment | None = None
        """What is being performed through all slots; None in between."""
        self.blocked = ""
        """What to say of an event loop that inferences blocked; empty where none was."""
        self.round_size = len(samples) if isinstance(samples, Sized) else None
        """Samples before they come round again; None where that is not known."""
        self._produced = produced
        self._outputs: dict[int, Any] = {}
        self._stream = Stream(endless(samples))
        self._filling = endless(samples)
        super().__init__(samples, n, open_window, plan)

    @property
    def outputs(self) -> list[Any]:
        """Outputs of the metered samples, in the samples' order."""
        return [self._outputs[number] for number in sorted(self._outputs) if number < self.n]

    @property
    def _warmup(self) -> int:
        """Samples of the warm-up: unless the marker says how many, each slot has some."""
        if self._plan.warmup is not None or not self.n:
            return self._plan.warmup or 0
        return max(default_warmup(self.n), self.concurrency)

    def release(self) -> None:
        """Let go of the samples and of what was done beside them; the loop has ended."""
        super().release()
        self._outputs = {}
        self._stream = Stream(iter(()))
        self._filling = iter(())

    def name_sample(self, method: str, error: BaseException) -> None:
        """Say which sample raised an error while it was performed by itself.

        No context manager: what that calls would be counted as the test's.

        Args:
            method: of the fixture that runs it.
            error: what was raised; gets a note.
        """
        number = self._counted[-1] if self.counting else self.count - 1
        when = "performed alone to be counted" if self.counting else "in the warm-up"
        error.add_note(f"{raised_by(method, number, self.round_size)}, {when}")

    def _bare(self) -> Generator[Any, None, None]:
        yield from self._perform(self._segment(0, keep=self.n, limit=self.n))

    def _counted_alone(self) -> Generator[Any, None, None]:
        for sample in super()._counted_alone():
            yield Alone(sample, kept=not self.counting)

    def _metered(self, open_window: OpenWindow) -> Generator[Any, None, None]:
        plan, conditions = self._plan, self._plan.conditions
        self.warming = True
        each_seconds, parallel = 0.0, True  # without a warm-up nothing is known
        with plan.unmetered():
            warmup = self._warmup
            usage = conditions.usage() if conditions and warmup else None
            if warmup:
                began = clock()
                yield from self._perform(self._segment(warmup, limit=0))
                synchronise()
                each_seconds = (clock() - began) / warmup
            if usage is not None:
                parallel = usage.parallel
            if conditions is not None:
                conditions.make_steady()
            if plan.counter is not None and self.n:
                for sample in self._count(plan.counter):
                    yield Alone(sample, kept=False)
        self.warming = False
        sizes = self._sizes_of_blocks(each_seconds, parallel) if self.n else ()
        if plan.progress is not None:
            plan.progress.start(plan.test, self.n)
        try:
            reference = self._choose_reference(parallel) if sizes else None
            self._hold_cpu(parallel, reference)
            yield from self._blocks(open_window(None, None), sizes, each_seconds, reference)
        finally:
            if conditions is not None:
                conditions.release()
            if plan.progress is not None:
                plan.progress.stop()

    def _sizes_of_blocks(self, each_seconds: float, parallel: bool) -> tuple[int, ...]:
        """Completions of each block: whole rounds, of all samples and those that end the last."""
        plan, most = self._plan, BLOCKS
        if plan.interleaving is not None:
            with plan.outside():
                most = len(plan.interleaving.sizes(self.n, each_seconds, parallel))
        rounds = rounds_of_blocks(-(-self.n // self.concurrency), most)
        return tuple(size * self.concurrency for size in rounds)

    def _blocks(
        self,
        window: Window,
        sizes: Sequence[int],
        each_seconds: float,
        reference: ReferenceWorkload | None,
    ) -> Generator[Any, None, None]:
        one = self._begin_pass(window, each_seconds * sizes[0] if sizes else 0.0, reference)
        window.begin_concurrent()
        block = 0
        for group in _groups(sizes, self._uninterrupted(one)):
            if not self._await_block(block):
                break
            self.block = block
            yield from self._metered_segment(one, group)
            if self.metered < sum(sizes[: block + len(group)]):
                self.reason = (
                    f"samples ran out after {self.metered:,} of {self.n:,} {self._plan.noun}"
                )
                break
            block += len(group)
            window.look_after()
            self._hand_over(window, block - 1)
            stop = block == len(sizes) or self._stops(one, len(sizes))
            if one.readings is not None and one.readings.is_due(window.last_seconds, stop):
                with self._plan.unmetered():
                    one.readings.after(block)
            if stop:
                break
        self.running = False
        self._end()
        if not one.yielded:
            self.reason = "samples is empty"
        one.finished = True

    def _metered_segment(self, one: Pass, sizes: Sequence[int]) -> Generator[Any, None, None]:
        """Some blocks, between a filling of the slots and their draining, which are not metered."""
        fill = FILL_ROUNDS * self.concurrency
        segment = self._segment(fill, sizes, one.window, self._stream.position + sum(sizes))
        one.window.coverage.begin()
        try:
            yield from self._perform(segment)
        finally:
            one.window.coverage.end()
            one.yielded = self.metered

    def _segment(
        self,
        fill: int,
        sizes: Sequence[int] = (),
        window: Window | None = None,
        keep: int = 0,
        limit: int | None = None,
    ) -> Segment:
        return Segment(
            self._stream,
            self._filling,
            fill,
            limit,
            sizes,
            window,
            self._count_begun,
            self._collect,
            self._cut,
            keep,
        )

    def _perform(self, segment: Segment) -> Generator[Any, None, None]:
        self.segment = segment
        try:
            yield segment
        finally:
            self.segment = None
            segment.end()
            self._outputs |= segment.outputs

    def _count_begun(self) -> None:
        self.count += 1

    def _collect(self, slot: Slot) -> None:
        """An inference has ended inside of the window."""
        self.metered += 1
        self._latency.add(slot.began, slot.first_token, slot.ended, slot.added)
        if slot.added:
            self._produced(slot.added)

    def _cut(self, block: int) -> None:
        progress, one = self._plan.progress, self.current
        if progress is not None and one is not None and progress.due():
            progress.update(min(self.metered, self.n), one.window.joules_so_far())


def _groups(sizes: Sequence[int], uninterrupted: bool) -> Sequence[Sequence[int]]:
    """The blocks of each segment."""
    if uninterrupted:
        return [sizes] if sizes else []
    return [(size,) for size in sizes]
