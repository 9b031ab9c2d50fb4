"""Slots: inferences that are performed side by side, and which of them a window counts."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import pytest

from pytest_energy.metering.window import Window
from pytest_energy.types.inference import whole_number
from pytest_energy.world import clock

FILL_ROUNDS = 2
"""Unmetered rounds that fill the slots before a window opens. All slots begin at once, which they
never do again: after one round inferences of differing lengths are still half in step."""

SEGMENT_ROUNDS = 4
"""Rounds of a block that the slots are filled anew for, where there are enough: filling and
draining takes three more."""


def checked_concurrency(method: str, concurrency: object) -> int:
    """The number of slots, if it is one.

    Raises:
        pytest.UsageError: no whole number of 1 or more.
    """
    try:
        return whole_number("concurrency", concurrency, 1)
    except ValueError as error:
        raise pytest.UsageError(f"energy.{method}: {error}") from error


@dataclass(slots=True, eq=False)
class Slot:
    """One inference on its way through a slot.

    Args:
        sample: what it is performed on.
        number: of the sample, in the order in which samples are given.
        fills: whether it only fills a slot, and has no output.
        began: clock when it was called, in seconds.
        first_token: clock at its first token; 0 before that.
        ended: clock when it had returned.
        added: what it has produced, by name.
        over: whether it has ended, so that nothing can be added to it.
    """

    sample: Any
    number: int = 0
    fills: bool = False
    began: float = 0.0
    first_token: float = 0.0
    ended: float = 0.0
    added: dict[str, float] = field(default_factory=dict)
    over: bool = False

    def forget(self) -> None:
        """Drop what was told of an inference: another one begins in its place."""
        self.first_token = 0.0
        self.added.clear()


CURRENT: ContextVar[Slot | None] = ContextVar("pytest_energy_slot", default=None)
"""The slot that this thread or task works for; tasks that it creates inherit it."""


class Stream:
    """Samples in order, each with its number; those that were only filling come again.

    Args:
        samples: without an end, unless there are none.
    """

    def __init__(self, samples: Iterator[Any]) -> None:
        self._samples = samples
        self._again: deque[Any] = deque()
        self.position = 0
        """Number of the next sample."""

    def next(self) -> Any:
        """The next sample.

        Raises:
            StopIteration: there is none.
        """
        sample = self._again.popleft() if self._again else next(self._samples)
        self.position += 1
        return sample

    def give_back(self, samples: Sequence[Any]) -> None:
        """Have the last samples come again, in their order."""
        self._again.extendleft(reversed(samples))
        self.position -= len(samples)


class Segment:
    """A run of inferences through all slots: they are filled, a window is metered, they drain.

    The window opens at the completion that ends the filling and closes at the last one that it
    counts; meanwhile each completion at once begins another inference, so that all slots are
    always taken. Threads and tasks alike take their inferences here.

    Args:
        stream: the samples that are metered, and their numbers.
        filling: samples to fill the slots with, without an end.
        fill: inferences before the window opens.
        limit: how many samples of the stream are taken at most; None for as many as it needs.
        sizes: completions of each block; none where nothing is metered.
        window: that meters; None for nothing.
        begun: told each inference that begins.
        count: told each inference that the window counts.
        cut: told each block that has ended, by its number among these, after its reading.
        keep: outputs are kept of samples with lower numbers.
    """

    def __init__(
        self,
        stream: Stream,
        filling: Iterator[Any],
        fill: int,
        limit: int | None = None,
        sizes: Sequence[int] = (),
        window: Window | None = None,
        begun: Callable[[], None] = lambda: None,
        count: Callable[[Slot], None] = lambda slot: None,
        cut: Callable[[int], None] = lambda block: None,
        keep: int = 0,
    ) -> None:
        self._stream, self._filling = stream, filling
        self._to_fill, self._limit = fill, limit
        self._fill = fill
        self._sizes, self._window = sizes, window
        self._begun, self._count, self._cut = begun, count, cut
        self._keep = keep
        self._lock = threading.RLock()  # samples are made under it, by code that may add as well
        self._taken = 0
        self._too_early: list[Any] = []
        self._completed = self._block = self._in_block = 0
        self._open = False
        self.closed = False
        """Whether all blocks were metered."""
        self.stopped = False
        """Whether nothing is begun any more."""
        self.ran_out = False
        self.outputs: dict[int, Any] = {}
        """Outputs by the number of their sample."""
        self.errors: list[tuple[BaseException, Slot]] = []
        """What inferences raised, in that order."""

    def begin(self, concurrency: int) -> list[Slot]:
        """Fill the slots: the first inference of each; fewer where there are not so many."""
        with self._lock:
            slots = [self._next() for _ in range(concurrency)]
        return [slot for slot in slots if slot is not None]

    def advance(self, slot: Slot, output: Any) -> Slot | None:
        """An inference has returned; the next one for its slot, or None.

        Args:
            slot: of the inference.
            output: that it returned.
        """
        slot.ended = clock()
        with self._lock:
            slot.over = True
            if self.stopped and not self.closed:
                return None
            if not slot.fills and slot.number < self._keep:
                self.outputs[slot.number] = output
            self._complete(slot)
            return self._next()

    def fail(self, slot: Slot, error: BaseException) -> None:
        """An inference has raised: no other one is begun."""
        with self._lock:
            slot.over = True
            self.errors.append((error, slot))
            self.stopped = True

    def stop(self) -> None:
        """Begin no other inference, and meter nothing any more."""
        with self._lock:
            self.stopped = True

    def add(self, slot: Slot, name: str, number: float) -> bool:
        """Add to what an inference has produced; whether it was still under way."""
        with self._lock:
            if not slot.over:
                slot.added[name] = slot.added.get(name, 0.0) + number
            return not slot.over

    def end(self) -> None:
        """After the last inference: samples that came too early will come again."""
        self._stream.give_back(self._too_early)

    def raise_error(self, method: str, count: int | None) -> None:
        """Raise what the first inference raised that did, with the number of its sample.

        Args:
            method: of the fixture that ran it.
            count: samples in one round; None where that is not known.
        """
        __tracebackhide__ = True
        if not self.errors:
            return
        (error, slot), *others = self.errors
        text = raised_by(method, slot.number, count)
        text += ", while the slots were filled" if slot.fills else ""
        error.add_note(text + _others(others))
        raise error

    def _next(self) -> Slot | None:
        if self.stopped:
            return None
        try:
            if self._to_fill:
                self._to_fill -= 1
                slot = Slot(next(self._filling), self._fill - self._to_fill - 1, fills=True)
            elif self._limit is not None and self._limit <= self._taken:
                return None
            else:
                number = self._stream.position
                slot = Slot(self._stream.next(), number)
                self._taken += 1
                if number >= self._keep and self._limit is None:
                    self._too_early.append(slot.sample)
        except StopIteration:
            self.ran_out = self.stopped = True
            return None
        self._begun()
        return slot

    def _complete(self, slot: Slot) -> None:
        self._completed += 1
        if self._window is None:
            if not slot.fills:
                self._count(slot)
            return
        if self._open:
            self._count(slot)
            self._in_block += 1
            if self._in_block == self._sizes[self._block]:
                self._end_block(self._window)
        elif not self.closed and self._completed >= self._fill:
            self._open = True
            self._window.open()

    def _end_block(self, window: Window) -> None:
        if self._block + 1 < len(self._sizes):
            window.split(self._in_block)
        else:
            window.pause()
            window.end_block(self._in_block)
            self.closed = self.stopped = True
            self._open = False
        self._cut(self._block)
        self._block += 1
        self._in_block = 0


def raised_by(method: str, number: int, count: int | None) -> str:
    """Which sample an error is of.

    Args:
        method: of the fixture that ran it.
        number: of the sample, over all rounds.
        count: samples in one round; None where that is not known.
    """
    number = number % count if count else number
    return f"energy.{method}: raised by sample {number} (the first one is 0)"


MOST_OTHERS, MOST_CHARACTERS = 3, 200
"""Further errors that are told beside the first, and characters of each."""


def _others(errors: Sequence[tuple[BaseException, Slot]]) -> str:
    """What further inferences raised, for a note on what the first one raised."""
    if not errors:
        return ""
    texts = dict.fromkeys(f"{type(e).__name__}: {e}"[:MOST_CHARACTERS] for e, _ in errors)
    shown = "; ".join(list(texts)[:MOST_OTHERS])
    more = f"; {len(texts) - MOST_OTHERS:,} more" if len(texts) > MOST_OTHERS else ""
    return f"\n{len(errors):,} more that were under way raised as well: {shown}{more}"


class Alone:
    """A sample that is performed by itself, with all slots empty.

    No dataclass: the code of its `__init__` would be in no file, and be counted as the test's.

    Args:
        sample: what it is performed on.
        kept: whether its output is one of the run's.
    """

    __slots__ = ("kept", "sample")

    def __init__(self, sample: Any, kept: bool) -> None:
        self.sample = sample
        self.kept = kept
