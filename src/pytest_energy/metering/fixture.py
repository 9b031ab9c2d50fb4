"""The `energy` fixture: loops, regions and records of one test. It meters, and judges nothing."""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pytest

from pytest_energy.counting.counter import IN_BODY, IN_EVENT_LOOP, Counter, torch_is_loaded
from pytest_energy.machine.environment import read_environment
from pytest_energy.metering.batches import batch_sizes, untold_batches
from pytest_energy.metering.concurrent import ConcurrentLoop
from pytest_energy.metering.instruments import Instruments
from pytest_energy.metering.lazy import (
    in_event_loop,
    why_generator_function,
    why_lazy_function,
    why_lazy_output,
    why_put_off,
)
from pytest_energy.metering.loop import (
    Interleaving,
    Loop,
    OpenWindow,
    Plan,
    Progress,
    repeatable,
)
from pytest_energy.metering.reference_work import ReferenceRecorder
from pytest_energy.metering.region import Region
from pytest_energy.metering.slots import CURRENT, checked_concurrency
from pytest_energy.metering.threads import run_in_threads
from pytest_energy.metering.window import Window
from pytest_energy.types.baseline import MOST_CHARACTERS
from pytest_energy.types.codec import is_whole
from pytest_energy.types.counts import Counts
from pytest_energy.types.inference import Inference, whole_number
from pytest_energy.types.measurement import Measurement
from pytest_energy.types.obstacle import Obstacle
from pytest_energy.types.result import Metered, Subject
from pytest_energy.world import clock

if TYPE_CHECKING:
    import asyncio

    from pytest_energy.metering.async_samples import Feed

S = TypeVar("S")
T = TypeVar("T")


class Policy(Protocol):
    """What metering asks while a test runs; the answers come from `gate.evaluate`."""

    def reference_kind(self, subject: Subject) -> str:
        """The kind of reference workload that the subject's baseline was measured beside."""

    def early_stop(
        self,
        subject: Subject,
        unit_count: Callable[[int], float | None],
        regions: Callable[[], int],
        base_blocks: Sequence[float] | None,
    ) -> Callable[[Measurement, int], bool] | None:
        """How to ask whether a loop's blocks so far are enough; None to perform all.

        Args:
            subject: what the loop measures.
            unit_count: the divisor after so many inferences; None where it is not known yet.
            regions: number of the test's regions so far.
            base_blocks: joules per inference of another revision's blocks, which grow as the loop
                runs; None where nothing is interleaved.
        """


class Energy(ABC):
    """Meters the loop, the regions or the whole body of one test.

    Args:
        test: pytest's node id.
        inference: what the marker says.
        task: name to use where the marker says none.
        model: as for the task.
    """

    def __init__(self, test: str, inference: Inference, task: str, model: str) -> None:
        self._test = test
        self._inference = inference
        self._task = inference.task or task
        self._model = inference.model or model
        self._loop: Loop | None = None
        self._feed: Feed | None = None
        self._concurrency = 1
        self._counts_warmup = True
        self.untold_batches = ""
        """What to say of a loader of batches that was looped over without saying so."""
        self._recorded: dict[str, float] = {}
        self._added: dict[str, float] = {}

    @property
    def count(self) -> int:
        """Samples that `each` has yielded so far, warm-up included."""
        return 0 if self._loop is None else self._loop.count

    @property
    @abstractmethod
    def result(self) -> Measurement | None:
        """The last finished measurement of this test; None before there is one."""

    def each(self, samples: Iterable[S], batch_size: int | None = None) -> Iterator[S]:
        """Yield `n` samples, metered in blocks, after an unmetered warm-up.

        Args:
            samples: any iterable. With fewer than `n` they come round again; a generator is read
                once and kept. Without a marker, `n` is their number.
            batch_size: inferences that each of them performs, where they are batches, a loader's
                for example: then `n`, `count` and the warm-up count inferences, and the last,
                smaller batch of a round counts as what it is.

        Yields:
            The samples: first the warm-up's; a few again, to count what they do; then `n`, from
            the first one on, or fewer when `precision` is set and reached.

        Raises:
            pytest.UsageError: it was used before in this test, or no number of batches makes `n`.
        """
        __tracebackhide__ = True
        return self._each(samples, batch_size)

    def run(
        self,
        fn: Callable[[S], T],
        samples: Iterable[S],
        batch_size: int | None = None,
        concurrency: int = 1,
    ) -> list[T]:
        """The loop of `each` around a plain callable, in several threads where that is asked for.

        With a `concurrency` above 1 a window is a steady state: all slots are filled before it
        opens and kept full until it closes, with samples that are no part of `n` and whose outputs
        are dropped. `n` is rounded up to whole rounds of that many completions.

        Args:
            fn: performs one inference; it is called for the warm-up as well. With several at a
                time each thread calls it, so that what it uses has to be safe for threads.
            samples: as for `each`.
            batch_size: as for `each`; not together with `concurrency`.
            concurrency: inferences at a time, `n` at most. Part of what has to agree with a
                baseline.

        Returns:
            The outputs of the first pass of metered calls, in the samples' order: `n` of them,
            unless `precision` ended it; where nothing is metered and counts alone decide, those of
            the warm-up, which are performed one after the other.

        Raises:
            pytest.UsageError: `fn` puts its work off: a coroutine or generator function, or one
                that returns a future or an iterator; or no such number of slots can be filled.
            BaseException: whatever `fn` raises. With several at a time, what the first one raised
                that did, once all others have ended; a note has the sample's number.
        """
        __tracebackhide__ = True
        slots = checked_concurrency("run", concurrency)
        if lazy := why_lazy_function(fn):
            raise pytest.UsageError(f"energy.run got {lazy}")
        if slots > 1:
            return run_in_threads(self._concurrent("run", samples, batch_size, slots), fn)
        outputs: list[T] = []
        samples = self._each(samples, batch_size)
        self._counts_warmup = False
        for sample in samples:
            output = fn(sample)
            if lazy := why_lazy_output(output):
                raise pytest.UsageError(f"energy.run got {lazy}")
            if self._keeps_output:
                outputs.append(output)
        return outputs

    async def arun(
        self,
        fn: Callable[[S], Awaitable[T]],
        samples: Iterable[S],
        batch_size: int | None = None,
        concurrency: int = 1,
    ) -> list[T]:
        """`run` for an async function: `await energy.arun(fn, samples, concurrency=8)`.

        Each slot is a task of asyncio; under anyio that is its backend of this name.

        Args:
            fn: performs one inference, and awaits whatever takes long.
            samples: as for `run`.
            batch_size: as for `run`.
            concurrency: as for `run`.

        Returns:
            As `run` does.

        Raises:
            pytest.UsageError: `fn` returns nothing to await, no event loop of asyncio runs, or no
                such number of slots can be filled.
            BaseException: whatever `fn` raises. With several at a time, what the first one raised
                that did, once all others have been cancelled and have ended; a note has the
                sample's number.
        """
        __tracebackhide__ = True
        slots = checked_concurrency("arun", concurrency)
        if lazy := why_generator_function(fn):
            raise pytest.UsageError(f"energy.arun got {lazy}")
        _check_event_loop("arun")
        from pytest_energy.metering.tasks import awaited, run_in_tasks  # asyncio takes a while

        if slots > 1:
            return await run_in_tasks(self._concurrent("arun", samples, batch_size, slots), fn)
        outputs: list[T] = []
        loop = self._each(samples, batch_size)
        self._counts_warmup = False
        for sample in loop:
            output = await awaited(fn, sample)
            if self._keeps_output:
                outputs.append(output)
        return outputs

    def aeach(
        self, samples: Iterable[S], batch_size: int | None = None, concurrency: int = 1
    ) -> AsyncIterator[S]:
        """`each` for `async for`; with a concurrency its body hands inferences over.

        A body ends before the next one begins. For several inferences at a time it begins each one
        by `energy.create_task(fn(sample))` and takes the next sample, which comes as soon as a slot
        is vacant. The loop ends when all inferences have.

        Args:
            samples: as for `each`.
            batch_size: as for `each`; not together with `concurrency`.
            concurrency: inferences at a time, as for `run`.

        Raises:
            pytest.UsageError: as for `each`; or, with several at a time, no event loop of asyncio
                runs, no such number of slots can be filled, or a body has handed nothing over.
            BaseException: with several at a time, what the first inference raised that did, once
                all others have been cancelled and have ended; a note has the sample's number.
        """
        __tracebackhide__ = True
        slots = checked_concurrency("aeach", concurrency)
        if slots > 1:
            _check_event_loop("aeach")
        from pytest_energy.metering.async_samples import AsyncSamples, PlainFeed, SlotFeed

        if slots > 1:
            self._feed = SlotFeed(self._concurrent("aeach", samples, batch_size, slots))
        else:
            self._feed = PlainFeed(self._each(samples, batch_size))
        return AsyncSamples(self._feed)

    def create_task(self, inference: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Hand the inference of a sample over, in the body of `async for s in energy.aeach(…)`.

        With a concurrency of 1 its end is waited for before the next sample comes, so that one body
        serves any concurrency.

        Args:
            inference: a coroutine: `energy.create_task(fn(sample))`.

        Returns:
            A task of asyncio, whose result is the inference's output. It need not be kept.

        Raises:
            pytest.UsageError: not a coroutine, or no sample waits for its inference.
        """
        __tracebackhide__ = True
        if not inspect.iscoroutine(inference):
            raise pytest.UsageError(
                "energy.create_task: expected a coroutine, which has not begun:"
                " energy.create_task(fn(sample)), found"
                f" {type(inference).__name__}"
            )
        _check_event_loop("create_task")
        task = None if self._feed is None else self._feed.create_task(inference)
        if task is None:
            inference.close()
            raise pytest.UsageError(
                "energy.create_task: no sample waits for its inference; call it once per sample, in"
                " the body of async for sample in energy.aeach(samples, concurrency=…)"
            )
        return task

    def first_token(self) -> None:
        """Say that the inference that is under way has produced its first token.

        A function that reads a stream calls it once per inference; further calls say nothing. The
        report then has the time to the first token, and seconds per further token where
        `energy.add(tokens=…)` says how many there were. Nothing is gated on these.

        Raises:
            pytest.UsageError: no loop is under way, or it is not known which inference is meant.
        """
        __tracebackhide__ = True
        slot, loop = CURRENT.get(), self._loop
        if slot is None:
            if loop is None:
                raise pytest.UsageError(
                    "energy.first_token(): no inference is under way; call it inside energy.each,"
                    " energy.run, energy.arun or energy.aeach"
                )
            if isinstance(loop, ConcurrentLoop) and loop.segment is not None:
                raise pytest.UsageError(_which_inference("first_token()", loop, "has it"))
            slot = loop.now
        if not slot.first_token:
            slot.first_token = clock()

    def measure(self, name: str, n: int = 1) -> AbstractContextManager[None]:
        """Meter a named region, with a baseline of its own.

        Args:
            name: of the region. Entered several times in one test, its entries add up; inside
                `each` they make blocks where the loop's blocks are, and the warm-up stays out.
            n: inferences that the region performs; the divisor, whatever the marker's unit.

        Raises:
            pytest.UsageError: no name or one that is too long, an `n` below 1, or the region is
                open already.
        """
        if not isinstance(name, str) or not name.strip() or not is_whole(name):
            raise pytest.UsageError(f"energy.measure: expected a name, found {name!r}")
        if len(name) > MOST_CHARACTERS:
            raise pytest.UsageError(
                f"energy.measure: the name has {len(name):,} characters, {MOST_CHARACTERS:,} at"
                " most: a baseline is stored under it"
            )
        try:
            whole_number("n", n, 1)
        except ValueError as error:
            raise pytest.UsageError(f"energy.measure({name!r}): {error}") from error
        if isinstance(self._loop, ConcurrentLoop) and self._loop.segment is not None:
            raise pytest.UsageError(
                f"energy.measure({name!r}): of {self._loop.concurrency:,} inferences at a time the"
                " meter reads the energy of all, and a region of one of them cannot be cut out;"
                " meter regions at concurrency=1"
            )
        if self._loop is not None and self._loop.warming:
            return _UNMETERED
        return self._measure(name, n)

    def record(self, **quantities: float) -> None:
        """Say what the energy bought: `energy.record(accuracy=0.91, tokens=5120)`.

        Args:
            quantities: finite numbers by name; a second record of a name replaces the first.

        Raises:
            pytest.UsageError: not a finite number.
        """
        __tracebackhide__ = True
        for name, value in quantities.items():
            number = _quantity("record", name, value)
            if name in self._added:
                raise pytest.UsageError(f"energy.record({name}=…): {name} was added up already")
            self._recorded[name] = number

    def add(self, **quantities: float) -> None:
        """Add to what the metered inferences have produced: `energy.add(tokens=len(answer))`.

        Inside `each` or `run` only what the metered inferences produce counts: what is added during
        the warm-up is left out. With `unit="token"` the sum of `tokens` is the divisor.

        Args:
            quantities: finite numbers by name.

        Raises:
            pytest.UsageError: not a finite number, a name that was recorded already, or the loop
                has ended.
        """
        __tracebackhide__ = True
        for name, value in quantities.items():
            number = _quantity("add", name, value)
            if name in self._recorded:
                raise pytest.UsageError(f"energy.add({name}=…): {name} was recorded already")
            loop = self._loop
            if isinstance(loop, ConcurrentLoop) and loop.segment is not None:
                self._add_in_slot(loop, name, number)
            elif loop is None or loop.running or loop.bare:
                if loop is not None:
                    loop.now.added[name] = loop.now.added.get(name, 0.0) + number
                self._added[name] = self._added.get(name, 0.0) + number
            elif not loop.warming:
                raise pytest.UsageError(
                    f"energy.add({name}=…): the loop has ended; call it inside, after an inference"
                )
            else:
                self._added.setdefault(name, 0.0)

    def _add_in_slot(self, loop: ConcurrentLoop, name: str, number: float) -> None:
        """Add to what one of several inferences has produced; it counts if the window counts it."""
        __tracebackhide__ = True
        slot = CURRENT.get()
        if slot is None or loop.segment is None:
            raise pytest.UsageError(_which_inference(f"add({name}=…)", loop, "has produced it"))
        self._added.setdefault(name, 0.0)
        if not loop.segment.add(slot, name, number):
            raise pytest.UsageError(
                f"energy.add({name}=…): its inference has ended; call it before its function"
                " returns"
            )

    @property
    def _keeps_output(self) -> bool:
        """Whether the output of the sample that was yielded last is one of the run's."""
        loop = self._loop
        return loop is None or bool(loop.metered or (loop.bare and not loop.counting))

    @property
    def blocked_loop(self) -> str:
        """What to say of an event loop that its inferences blocked; empty where none was."""
        return self._loop.blocked if isinstance(self._loop, ConcurrentLoop) else ""

    # What the plugin calls.

    @abstractmethod
    def open_body(self, marked: bool, may_loop: bool) -> None:
        """The test body begins; with the marker, the whole of it is a window.

        Args:
            marked: whether the test has the marker.
            may_loop: whether the body may use `each` or `run`.
        """

    @abstractmethod
    def close_body(self) -> None:
        """The test body has ended without raising."""

    @abstractmethod
    def conclude(self, interrupted: str = "") -> list[Metered]:
        """What was metered, or why there is no figure: the loop or body, then each region.

        Args:
            interrupted: why the body did not run to its end; empty when it did.
        """

    @abstractmethod
    def _make_loop(
        self, samples: Iterable[object], n: int, sizes: Sequence[int] | None
    ) -> Loop: ...

    @abstractmethod
    def _measure(self, name: str, n: int) -> AbstractContextManager[None]: ...

    def _subject(self, region: str, n: int) -> Subject:
        inference = self._inference
        return Subject(
            test=self._test,
            region=region,
            task=self._task,
            model=self._model,
            dataset=inference.dataset,
            role=inference.role,
            unit="inference" if region and inference.training_run is None else inference.unit,
            n=n,
            concurrency=self._concurrency,
        )

    def _concurrent(
        self, method: str, samples: Iterable[Any], batch_size: int | None, concurrency: int
    ) -> ConcurrentLoop:
        """A loop with several inferences at a time."""
        __tracebackhide__ = True
        self._refuse_second_loop()
        if batch_size is not None:
            raise pytest.UsageError(
                f"energy.{method}: batch_size and concurrency cannot be had together: pass single"
                " samples, or batches at concurrency=1"
            )
        self.untold_batches = untold_batches(samples)
        kept, n = repeatable(samples, self._inference.n)
        if concurrency > n > 0:
            raise pytest.UsageError(
                f"energy.{method}: concurrency={concurrency:,} needs as many inferences to fill its"
                f" slots once, and n is {n:,}; n should be ten times the concurrency or more"
            )
        self._concurrency = concurrency
        self._counts_warmup = False
        loop = self._make_loop(kept, n, None)
        if not isinstance(loop, ConcurrentLoop):
            raise RuntimeError("a loop of several inferences at a time was asked for")
        self._loop = loop
        return loop

    def _new_loop(
        self,
        samples: Iterable[object],
        n: int,
        open_window: OpenWindow | None,
        plan: Plan,
        sizes: Sequence[int] | None,
    ) -> Loop:
        if self._concurrency > 1:
            return ConcurrentLoop(
                samples, n, open_window, plan, self._concurrency, self._add_produced
            )
        return Loop(samples, n, open_window, plan, sizes)

    def _add_produced(self, added: Mapping[str, float]) -> None:
        for name, number in added.items():
            self._added[name] = self._added.get(name, 0.0) + number

    def _refuse_second_loop(self) -> None:
        __tracebackhide__ = True
        if self._loop is not None:
            raise pytest.UsageError(
                "energy.each or energy.run was used twice in one test: give the second loop a name"
                ' of its own, with energy.measure("decode", n=…) around a plain loop'
            )

    def _each(self, samples: Iterable[S], batch_size: int | None) -> Generator[S, None, None]:
        __tracebackhide__ = True
        self._refuse_second_loop()
        if batch_size is None:
            self.untold_batches = untold_batches(samples)
            kept, n = repeatable(samples, self._inference.n)
            self._loop = self._make_loop(kept, n, None)
        else:
            sizes = batch_sizes(samples, self._inference.n, batch_size)
            kept, _ = repeatable(samples, len(sizes))
            self._loop = self._make_loop(kept, sum(sizes), sizes)
        return _Samples(self._loop)


class _Samples(Generator[Any, None, None]):
    """What a loop yields. Once nobody holds it, it has been left, by `break` or an exception.

    The generator itself is kept by the loop, which is over only at the end of the test.

    Args:
        loop: that yields.
    """

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._next = loop.generator.__next__

    def __next__(self) -> Any:
        return self._next()

    def send(self, value: None) -> Any:
        """As for any generator."""
        return self._loop.generator.send(value)

    def throw(self, *error: Any) -> Any:
        """As for any generator."""
        return self._loop.generator.throw(*error)

    def close(self) -> None:
        """As for any generator."""
        self._loop.generator.close()

    def __del__(self) -> None:
        self._loop.left()


class _Unmetered(AbstractContextManager[None]):
    """A region in which nothing is metered. Its own frames alone are not counted as the test's."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


_UNMETERED = _Unmetered()


class UnmeteredEnergy(Energy):
    """The fixture under `--energy-off`: loops yield their samples, and nothing is metered."""

    @property
    def result(self) -> None:
        """None: nothing is measured."""
        return None

    def open_body(self, marked: bool, may_loop: bool) -> None:
        """Nothing to do."""

    def close_body(self) -> None:
        """Nothing to do."""

    def conclude(self, interrupted: str = "") -> list[Metered]:
        """Nothing was metered."""
        return []

    def _make_loop(self, samples: Iterable[object], n: int, sizes: Sequence[int] | None) -> Loop:
        return self._new_loop(samples, n, None, Plan(), sizes)

    def _measure(self, name: str, n: int) -> AbstractContextManager[None]:
        return _UNMETERED


class CountedEnergy(Energy):
    """The fixture where counts alone decide: loops yield what is counted, and nothing is metered.

    A body without a loop is counted as a whole, what it does the first time alone included: of
    that its operators are the same in every run, and its Python calls are not.

    Args:
        test, inference, task, model: as for `Energy`.
        unmetered: stands around what the loop performs, to account for it.
    """

    def __init__(
        self,
        test: str,
        inference: Inference,
        task: str,
        model: str,
        unmetered: Callable[[], AbstractContextManager[None]],
    ) -> None:
        super().__init__(test, inference, task, model)
        self._unmetered = unmetered
        self._body: Counter | None = None
        self._counting: AbstractContextManager[None] | None = None
        self._regions: dict[str, None] = {}
        self.times_run = 1

    @property
    def result(self) -> None:
        """None: nothing is measured."""
        return None

    coverage_paused = left_early = False
    doubtful_divisor = ""
    loop_blocks = 0

    def release(self) -> None:
        """Let go of samples and callables once the test has ended."""
        if self._loop is not None:
            self._loop.release()

    def look_up(self) -> None:
        """Nothing is looked up before the test."""

    def open_body(self, marked: bool, may_loop: bool) -> None:
        """The test body begins; with the marker, and without a loop, the whole of it is counted."""
        if marked and not may_loop and self._inference.n is not None and torch_is_loaded():
            self._body = Counter(IN_BODY)
            self._counting = self._body.counting()
            self._counting.__enter__()

    def close_body(self) -> None:
        """The test body has ended without raising."""
        counting, self._counting = self._counting, None
        if counting is not None:
            counting.__exit__(None, None, None)

    def end_loop(self, interrupted: str = "") -> str:
        """End the loop; why it has no figure, or nothing."""
        counting, self._counting = self._counting, None
        if counting is not None:  # the body raised
            counting.__exit__(RuntimeError, None, None)
        if self._loop is None:
            return interrupted
        self._loop.generator.close()
        return interrupted or self._why_uncounted

    def conclude(self, interrupted: str = "") -> list[Metered]:
        """What was counted, or why nothing was: the loop or body, then each region."""
        reason = self.end_loop(interrupted)
        inference, loop = self._inference, self._loop
        n = loop.n if loop is not None else inference.n or 0
        counts = loop.counts if loop is not None else self._body_counts
        if not reason and (counts is None or (loop is None and not counts.total.calls)):
            reason = self._why_uncounted
        regions = [
            Metered(self._subject(name, 1), reason="regions have no counts of their own")
            for name in self._regions
        ]
        subject = self._subject("", n)
        main = Metered(
            subject,
            reason=reason,
            training_run=inference.training_run,
            counts=None if reason else counts,
        )
        return [main, *regions]

    @property
    def _body_counts(self) -> Counts | None:
        return self._body.counts([self._inference.n or 1]) if self._body is not None else None

    @property
    def _why_uncounted(self) -> str:
        """Why a test that has come to its end has no counts; empty where it has."""
        loop = self._loop
        if loop is None:
            return "nothing was counted: loop over energy.each(samples)"
        if loop.reason:
            return loop.reason
        if loop.counts is None:
            return (
                f"the loop was left after {loop.count:,} of its {loop.n:,}, before any was counted"
            )
        return ""

    def _make_loop(self, samples: Iterable[object], n: int, sizes: Sequence[int] | None) -> Loop:
        counter = Counter(IN_EVENT_LOOP if in_event_loop() else "")
        plan = Plan(self._inference.warmup, counter=counter, unmetered=self._unmetered)
        return self._new_loop(samples, n, None, plan, sizes)

    def _measure(self, name: str, n: int) -> AbstractContextManager[None]:
        self._regions[name] = None
        return _UNMETERED


class MeteredEnergy(Energy):
    """The fixture of a metered test.

    Args:
        test, inference, task, model: as for `Energy`.
        instruments: the opened meters.
        policy: what is asked while the test runs.
        interleaving: with the same test of another revision; None where there is none.
        progress: shows how far the loop has come; None for nothing.
    """

    def __init__(
        self,
        test: str,
        inference: Inference,
        task: str,
        model: str,
        instruments: Instruments,
        policy: Policy,
        interleaving: Interleaving | None = None,
        progress: Progress | None = None,
    ) -> None:
        super().__init__(test, inference, task, model)
        self._instruments = instruments
        self._policy = policy
        self._interleaving = interleaving
        self._progress = progress
        self._body: Window | None = None
        self._body_cpu: int | None = None
        self._body_readings: ReferenceRecorder | None = None
        self._regions: dict[str, Region] = {}
        self._went_on: tuple[float, float] | None = None
        self._in_event_loop = False
        self.times_run = 1
        """How often the test's function ran in this window."""
        self._last: Callable[[], Measurement | None] = lambda: None

    @property
    def result(self) -> Measurement | None:
        """The last finished measurement of this test; None before there is one."""
        return self._last()

    def release(self) -> None:
        """Let go of samples and callables once the test has ended; its result can still be asked.

        They refer to one another in circles, which stay in memory until Python looks for such.
        """
        result = self.result
        self._last = lambda: result
        if self._loop is not None:
            self._loop.release()

    @property
    def left_early(self) -> bool:
        """Whether the loop ended before all its samples."""
        return self._loop is not None and self._loop.metered < self._loop.n

    @property
    def loop_blocks(self) -> int:
        """Blocks of the loop so far; 0 without a loop."""
        current = self._loop.current if self._loop is not None else None
        return current.window.block_count if current is not None else 0

    def look_up(self) -> None:
        """Have all read that is stored of this test, while the file system is the real one."""
        self._policy.reference_kind(self._subject("", self._inference.n or 0))

    def open_body(self, marked: bool, may_loop: bool) -> None:
        """The test body begins; with the marker, the whole of it is a window."""
        instruments = self._instruments
        if not may_loop:  # a loop first tries in its warm-up what a steady allocator saves
            instruments.conditions.make_steady()
        if instruments.reference is not None:
            with instruments.counting_overhead():
                kind = self._policy.reference_kind(self._subject("", self._inference.n or 0))
                workload = instruments.reference.reference(kind)
                self._body_readings = ReferenceRecorder(instruments.reference, workload)
                self._body_readings.before_body()
        if self._interleaving is not None:
            with instruments.counting_overhead():
                self._interleaving.begin()
                self._body_cpu = instruments.conditions.hold(self._interleaving.cpu)
        if marked and self._inference.n is not None:
            self._body = instruments.window()
            self._body.open()

    def close_body(self) -> None:
        """The test body has ended without raising."""
        if self._body is not None and self._inference.n is not None:
            self._body.close(self._inference.n)
        readings = self._body_readings
        if readings is not None and self._loop is None:
            metered = [self._body] if self._body else [r.window for r in self._regions.values()]
            with self._instruments.counting_overhead():
                readings.after_body(sum(window.seconds for window in metered))

    def end_loop(self, interrupted: str = "") -> str:
        """End the loop where a reference has kept it waiting; why it has no figure, or nothing."""
        self._instruments.meters.disarm()
        if self._loop is not None:
            self._loop.generator.close()
            if self._went_on is None:
                after, waited = self._loop.since_end()
                self._went_on = after, after if self._in_event_loop else waited
        for window in self._windows:
            window.coverage.end()  # where the body raised
        if self._loop is None:
            self._instruments.conditions.release()
            return interrupted
        return interrupted or self._loop.why_incomplete("")

    def conclude(self, interrupted: str = "") -> list[Metered]:
        """What was metered, or why there is no figure: the loop or body, then each region."""
        self.end_loop(interrupted)
        with self._instruments.counting_overhead():
            for window in self._windows:
                window.look_around()
        regions = [
            self._region_metered(name, region, interrupted)
            for name, region in self._regions.items()
        ]
        return [*self._body_metered(interrupted), *regions]

    @property
    def _windows(self) -> list[Window]:
        current = self._loop.current if self._loop is not None else None
        main = current.window if current is not None else self._body
        return [*([main] if main else []), *(each.window for each in self._regions.values())]

    @property
    def _repeated(self) -> tuple[str, ...]:
        if self.times_run <= 1:
            return ()
        return (f"another plugin ran the test's function {self.times_run} times in one window",)

    @property
    def coverage_paused(self) -> bool:
        """Whether coverage.py was stopped while something was metered."""
        windows = [*self._windows, *([self._body] if self._body else [])]
        return any(window.coverage.ever for window in windows)

    def missing(self, interrupted: str = "") -> Metered:
        """The reason why a test that metered neither body nor loop has no figure."""
        subject = self._subject("", self._inference.n or 0)
        marker = "training" if subject.is_training else "inference"
        reason = interrupted or (
            "the test asked for energy and metered nothing: loop over energy.each(samples),"
            f" or add @pytest.mark.{marker}({subject.argument}=…)"
            if not self._regions
            else "budget, max_flops and quality are of the whole body: give the marker"
            f" {subject.argument}"
        )
        return Metered(subject, reason=reason, training_run=self._inference.training_run)

    def _body_metered(self, interrupted: str) -> list[Metered]:
        loop, body = self._loop, self._body
        if loop is not None:
            reason = loop.why_incomplete(interrupted) or self._why_put_off(loop)
            measurement = None if reason else loop.measurement(self._measured)
            lost = loop.current.window.lost if loop.current is not None else ""
            return [self._metered("", loop.n, measurement, reason, lost)]
        if body is not None:
            measurement = None if interrupted else self._measured(body)
            if measurement is not None:
                measurement = replace(self._with_reference(measurement), cpu=self._body_cpu)
            return [self._metered("", self._inference.n or 0, measurement, interrupted, body.lost)]
        # Budget, max_flops and quality are of the whole body, and no region can answer for it.
        inference = self._inference
        whole = inference.budget is not None or inference.max_flops is not None or inference.quality
        return [] if self._regions and not whole else [self.missing(interrupted)]

    def _why_put_off(self, loop: Loop) -> str:
        """Why the loop did not do the test's work; empty where nothing says so."""
        if loop.current is None or self._went_on is None or not self._counts_warmup:
            return ""
        return why_put_off(loop.current.window.seconds, loop.current.yielded, *self._went_on)

    def _region_metered(self, name: str, region: Region, interrupted: str) -> Metered:
        reason = region.reason or interrupted
        if region.open and not reason:
            reason = "the region was entered and never left"
        measurement = None if reason else self._region_measurement(region)
        return self._metered(name, region.n(self._loop), measurement, reason, region.window.lost)

    @contextmanager
    def _measure(self, name: str, n: int) -> Iterator[None]:
        loop = self._loop
        self._instruments.conditions.make_steady()
        region = self._regions.setdefault(name, Region(self._instruments.window()))
        if region.open:
            raise pytest.UsageError(
                f"energy.measure({name!r}) is open already: regions cannot nest in themselves"
            )
        inside = loop is not None and loop.running
        others = self._body is not None or any(other.open for other in self._regions.values())
        if inside or others:
            region.window.read_at_once()  # waiting would stand in the window around it
        region.enter(loop.block if loop is not None and loop.running else None)
        region.open = True
        region.window.open()
        try:
            yield
        except BaseException as error:
            region.reason = f"the region raised {type(error).__name__}"
            raise
        finally:
            region.window.pause()
            region.window.read_conditions()
            region.leave(n)
            region.open = False
        self._last = lambda: region.window.measurement(pending=region.pending)

    def _make_loop(self, samples: Iterable[object], n: int, sizes: Sequence[int] | None) -> Loop:
        instruments, inference = self._instruments, self._inference
        subject = self._subject("", n)
        self._in_event_loop = in_event_loop()
        if self._body is not None:  # the loop is metered in its place
            self._body.coverage.end()
        plan = Plan(
            warmup=inference.warmup,
            stop=self._policy.early_stop(
                subject,
                self._units,
                lambda: len(self._regions),
                None if self._interleaving is None else self._interleaving.base_blocks,
            ),
            runner=instruments.reference,
            reference_kind=self._policy.reference_kind(subject),
            counter=self._counter(),
            unmetered=instruments.counting_overhead,
            interleaving=self._interleaving,
            outside=self._outside,
            uncounted=self._paused_regions,
            conditions=instruments.conditions,
            progress=self._progress,
            test=self._test,
            noun=f"{subject.act}s",
        )
        self._last = self._loop_so_far
        return self._new_loop(samples, n, self._loop_window, plan, sizes)

    def _counter(self) -> Counter | None:
        """Counts what some of the samples do; None where that is off, or nothing could be."""
        if not self._instruments.counts or (self._in_event_loop and not torch_is_loaded()):
            return None
        return Counter(IN_EVENT_LOOP if self._in_event_loop else "")

    def _loop_window(self, expected: float | None, block: float | None) -> Window:
        window = self._instruments.window(expected, block)
        if any(region.open for region in self._regions.values()):
            window.read_at_once()  # waiting would stand in the region around it
        return window

    @contextmanager
    def _outside(self) -> Iterator[None]:
        """While the other revision runs a block: nothing of it is this test's."""
        with self._paused_regions(), self._instruments.counting_overhead():
            yield

    @contextmanager
    def _paused_regions(self) -> Iterator[None]:
        """While something is done that no open region holds."""
        windows = [region.window for region in self._regions.values() if region.open]
        for window in windows:
            window.pause()
        yield
        for window in windows:
            window.open()

    def _loop_so_far(self) -> Measurement | None:
        loop = self._loop
        if loop is None or loop.current is None:
            return None
        return loop.measurement(self._measured) or self._measured(loop.current.window)

    def _region_measurement(self, region: Region) -> Measurement | None:
        measurement = region.window.measurement(recorded=self._produced, pending=region.pending)
        return None if measurement is None else self._with_reference(measurement)

    def _with_reference(self, measurement: Measurement) -> Measurement:
        """Add the reference readings of the loop's pass, or of the body, that it stands in."""
        count = len(measurement.blocks)
        readings, blocks = self._body_readings, 1
        if self._loop is not None and self._loop.current is not None:
            one = self._loop.current
            readings, blocks = one.readings, one.window.block_count
        reference = readings.beside(blocks) if readings else None
        if reference is not None and blocks != count:
            reference = replace(reference, joules=(median(reference.joules),) * count)
        return replace(measurement, reference=reference)

    def _units(self, metered_count: int) -> float | None:
        """The divisor after so many inferences; None where nothing recorded gives it yet."""
        unit = self._inference.unit
        if unit == "inference" or self._inference.training_run is not None:
            return float(metered_count)
        produced = self._produced
        divisor = produced.get(f"{unit}s", produced.get(unit))
        return divisor if divisor is not None and divisor > 0 else None

    @property
    def _produced(self) -> dict[str, float]:
        """What was recorded, and what was added up."""
        return self._recorded | self._added

    @property
    def doubtful_divisor(self) -> str:
        """What may be wrong with a divisor that was recorded around a loop; empty where nothing."""
        unit = self._inference.unit
        recorded = {f"{unit}s", unit} & set(self._recorded)
        loops = self._loop is not None and self._counts_warmup
        if unit == "inference" or not (recorded and loops):
            return ""
        (name, *_) = recorded
        return (
            f"energy.record({name}=…) is taken for what the metered inferences produced, and the"
            f" loop has warmed up as well: energy.add({name}=…) inside it counts them by itself"
        )

    def _measured(self, window: Window) -> Measurement | None:
        units = self._units(window.metered_count)
        return window.measurement(units, self._produced) if units else None

    def _metered(
        self,
        region: str,
        n: int,
        measurement: Measurement | None,
        reason: str,
        lost: str,
    ) -> Metered:
        if lost and not reason:
            measurement, reason = None, f"the meter was lost: {lost}"
        if measurement is None and not reason:
            unit = self._inference.unit
            reason = (
                f"unit is {unit!r}, and energy.add({unit}s=…) added none or 0: call it in the test"
            )
        if measurement is not None:
            known = measurement = replace(
                measurement,
                interference=(
                    *measurement.interference,
                    *self._instruments.interference,
                    *self._repeated,
                ),
                obstacles=(
                    *measurement.obstacles,
                    *self._instruments.obstacles,
                    *((Obstacle.REPEATED,) if self._repeated else ()),
                ),
                environment=read_environment(),
            )
            self._last = lambda: known
        return Metered(
            self._subject(region, n),
            () if measurement is None else (measurement,),
            reason,
            None if region else self._inference.training_run,
            None if region or self._loop is None else self._loop.counts,
        )


def _which_inference(call: str, loop: ConcurrentLoop, did: str) -> str:
    return (
        f"energy.{call}: it is not known which of {loop.concurrency:,} inferences {did}; call it in"
        " the function that performs one, in its thread or task"
    )


def _check_event_loop(method: str) -> None:
    __tracebackhide__ = True
    if not in_event_loop():
        raise pytest.UsageError(
            f"energy.{method} needs an event loop of asyncio, and this one is another's (trio's?):"
            " run the test with asyncio, or with anyio's backend of this name"
        )


def _quantity(method: str, name: str, value: object) -> float:
    """A number that was given by a name.

    Raises:
        pytest.UsageError: it is none, or not finite, or no file can hold the name.
    """
    what = f"energy.{method}({name}=…)"
    if not is_whole(name):
        raise pytest.UsageError(f"{what}: the name has half a character, which no file can hold")
    try:
        number = float(value)  # type: ignore[arg-type]
    except (OverflowError, TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise pytest.UsageError(f"{what}: expected a finite number, found {value!r}")
    return number
