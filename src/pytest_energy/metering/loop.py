"""The metered loop: samples that come round again, warm-up, blocks, early stop."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Protocol

import pytest

from pytest_energy.counting.counter import Counter, counted_positions, same_random_numbers
from pytest_energy.metering.conditions import (
    MANY_FAULTS,
    Mark,
    RunConditions,
    faults_between,
    trial,
)
from pytest_energy.metering.gpu_sync import synchronise
from pytest_energy.metering.latency import LatencyRecorder
from pytest_energy.metering.reference_work import (
    ReferenceRecorder,
    ReferenceRunner,
    ReferenceWorkload,
)
from pytest_energy.metering.slots import Slot
from pytest_energy.metering.window import Window, block_sizes
from pytest_energy.types.counts import Counts
from pytest_energy.types.measurement import AllocatorTrial, Measurement, flop_count
from pytest_energy.world import clock, thread_time


class Interleaving(Protocol):
    """What a loop asks when it is one of two that alternate, block by block."""

    base_blocks: list[float]
    """Joules per inference of the base's blocks so far."""

    def begin(self) -> None:
        """A test's body is about to begin."""
        return

    cpu: int | None = None
    """The CPU that both sides are to be held on; None for none, and for a loop before `sizes` is
    asked."""

    def sizes(self, n: int, each_seconds: float, parallel: bool) -> tuple[int, ...]:
        """Sizes of the blocks of `n` samples, each of which takes about `each_seconds`.

        Args:
            n: samples of this side.
            each_seconds: what one takes, about.
            parallel: whether this side's work uses several CPUs at once.
        """

    def before(self, block: int) -> bool:
        """Wait until this side may run a block; whether there is one at all."""

    def after(self, block: int, joules: float) -> None:
        """A block has ended, with so many joules per inference."""


class Progress(Protocol):
    """What shows how far a loop has come."""

    def start(self, test: str, n: int) -> None:
        """A loop of `n` inferences begins."""

    def due(self) -> bool:
        """Whether it is time to show something."""

    def update(self, done: int, joules: float) -> None:
        """Show that so many inferences are done, with so many joules in the finished blocks."""

    def stop(self) -> None:
        """The loop has ended."""


TIMED_SECONDS = 1e-3
"""Inferences that take less have no latency: to note one takes a share of what it measures."""


def default_warmup(n: int) -> int:
    """Unmetered inferences before `n` metered ones: 2 %, at least 2 and no more than n.

    In the data behind Luccioni et al. (2024) the first of ten repeats of the same run is up to
    29 % high.
    """
    return min(n, max(2, n // 50))


def repeatable(samples: Iterable[Any], n: int | None) -> tuple[Iterable[Any], int]:
    """Samples that can be gone through again and again, and how many inferences to perform.

    Args:
        samples: any iterable; a generator gives its samples once, so those needed are kept.
        n: as the marker says; their number when it says nothing.

    Raises:
        pytest.UsageError: nothing that can be looped over.
    """
    if strange := _no_samples(samples):
        raise pytest.UsageError(f"energy.each: {strange}")
    if not hasattr(samples, "__iter__") and not hasattr(samples, "__getitem__"):
        raise pytest.UsageError(f"energy.each: expected samples to loop over, found {samples!r}")
    if isinstance(samples, Iterator):
        samples = list(islice(samples, n))
    if n is None:
        try:
            n = len(samples)  # type: ignore[arg-type]
        except TypeError:
            samples = list(samples)
            n = len(samples)
    return samples, n


def _no_samples(samples: object) -> str:
    """Why something that can be looped over holds no samples, as a clause; empty where it does."""
    if isinstance(samples, str | bytes | bytearray):
        return "a text would be gone through letter by letter: pass [text], or a list of texts"
    if isinstance(samples, Mapping):
        return "a mapping would give its keys alone: pass list(samples.values()), or .items()"
    if hasattr(samples, "itertuples"):
        return "a DataFrame would give its columns' names: pass list(samples.itertuples())"
    return ""


def endless(samples: Iterable[Any]) -> Iterator[Any]:
    """The samples, again and again; none where there are none."""
    # Not itertools.cycle: it keeps a copy of every sample, and images are large.
    while True:
        nothing = sample = object()
        for sample in samples:
            yield sample
        if sample is nothing:
            return


OpenWindow = Callable[[float | None, float | None], Window]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a loop does beside yielding samples; everything that is left out is not done.

    Args:
        warmup: unmetered inferences first; None for the default.
        stop: whether the blocks so far are enough, of so many planned; None to perform all.
        runner: runs the reference workload between blocks.
        reference_kind: the kind of reference workload that the baseline was measured beside.
        counter: counts what some of the samples do, exactly; None for not at all.
        unmetered: stands around what is not metered, to account for it.
        interleaving: with another revision's loop; None where there is none.
        outside: stands around the other revision's block.
        uncounted: stands around each sample that is counted: no open region holds it.
        conditions: holds CPU and allocator; None to leave them as they are.
        progress: shows the progress of `test`; None for nothing.
        test: pytest's node id.
        noun: what is performed, in the plural.
    """

    warmup: int | None = None
    stop: Callable[[Measurement, int], bool] | None = None
    runner: ReferenceRunner | None = None
    reference_kind: str = ""
    counter: Counter | None = None
    unmetered: Callable[[], AbstractContextManager[None]] = nullcontext
    interleaving: Interleaving | None = None
    outside: Callable[[], AbstractContextManager[None]] = nullcontext
    uncounted: Callable[[], AbstractContextManager[None]] = nullcontext
    conditions: RunConditions | None = None
    progress: Progress | None = None
    test: str = ""
    noun: str = "inferences"


@dataclass(slots=True)
class Pass:
    """One pass over the samples.

    Args:
        window: that meters it.
        readings: of the reference workload beside its blocks; None without one.
        yielded: samples so far.
        finished: whether it came to its end.
    """

    window: Window
    readings: ReferenceRecorder | None = None
    yielded: int = 0
    finished: bool = False


class Loop:
    """One pass over `n` samples, after a warm-up.

    Args:
        samples: that can be gone through again and again.
        n: inferences to meter in a pass.
        open_window: makes the window of a pass, for a segment and for blocks of so many seconds
            as expected (None: unknown); None to meter nothing: then the samples alone are yielded
            or, with a counter, those that it counts.
        plan: what is done beside.
        sizes: inferences of each sample that a pass yields, where these are batches; None for one
            each.
    """

    def __init__(
        self,
        samples: Iterable[Any],
        n: int,
        open_window: OpenWindow | None,
        plan: Plan,
        sizes: Sequence[int] | None = None,
    ) -> None:
        self.n = n
        self._sizes = sizes
        self._yields = n if sizes is None else len(sizes)
        self.count = 0
        """Inferences yielded: warm-up and counted inference included."""
        self.metered = 0
        """Inferences yielded to be metered."""
        self.current: Pass | None = None
        """The pass over the samples; None before it begins."""
        self.warming = False
        self.bare = open_window is None
        """Whether samples are yielded and nothing is metered."""
        self.running = False
        """Whether the pass is being metered: not before it, and not after."""
        self.now = Slot(None)
        """The inference that is under way, where one is at a time."""
        self._latency = LatencyRecorder()
        self._timed = True
        """Whether the durations of single inferences are noted."""
        self.block = 0
        """Which block is being metered, from 0."""
        self._end()
        self.reason = ""
        """Why there is no figure, where the samples are to blame."""
        self.counting = False
        """Whether what the current sample does is being counted."""
        self.over = False
        """Whether all that was to be counted was, where nothing is metered."""
        self._cpu: int | None = None
        self._counted: list[int] = []
        self._counts: Counts | None = None
        self._allocator_trial: AllocatorTrial | None = None
        self._samples = samples
        self._plan = plan
        if open_window is not None:
            self.generator = self._metered(open_window)
        else:
            self.generator = self._bare() if plan.counter is None else self._counted_alone()
        """Yields the samples; closing it early ends what it holds open."""

    def left(self) -> None:
        """The loop is over for its consumer: what only stands around a sample ends now."""
        if self.counting:
            self.generator.close()

    def release(self) -> None:
        """Let go of the samples and of what was done beside them; the loop has ended."""
        self.generator.close()
        self._counts = self.counts
        self._samples = ()
        self._plan = Plan(noun=self._plan.noun)

    @property
    def finished(self) -> bool:
        """Whether the pass came to its end."""
        return self.current is not None and self.current.finished

    def why_incomplete(self, interrupted: str) -> str:
        """Why there is no figure; empty when there is one.

        Args:
            interrupted: why the test's body did not run to its end; empty when it did.
        """
        if not self.reason and (interrupted or not self.finished):
            left = interrupted or "the loop was left"
            return f"{left} after {self.metered:,} of {self.n:,} {self._plan.noun}"
        return self.reason

    def planned(self, n: int) -> int:
        """What `n` inferences inside the pass would have been, had it not ended early."""
        if self.finished and 0 < self.metered < self.n:
            return round(n * self.n / self.metered)
        return n

    def _inferences(self, first: int, count: int) -> int:
        """Inferences of so many yielded samples, from one on; after the last the first comes."""
        if self._sizes is None:
            return count
        return sum(self._sizes[i % self._yields] for i in range(first, first + count))

    def measurement(self, measured: Callable[[Window], Measurement | None]) -> Measurement | None:
        """The finished pass, with the reference readings and the operation count; None without.

        Args:
            measured: makes a measurement of a window.
        """
        one = self.current
        measurement = measured(one.window) if one is not None and one.finished else None
        return None if one is None or measurement is None else self._complete(one, measurement)

    def _complete(self, one: Pass, measurement: Measurement) -> Measurement:
        reference = one.readings.beside(len(measurement.blocks)) if one.readings else None
        measurement = replace(
            measurement,
            reference=reference,
            cpu=self._cpu,
            allocator_trial=self._allocator_trial,
            latency=self._latency.latency,
        )
        counts = self.counts
        if counts is None:
            return measurement
        flops = flop_count(counts)
        return replace(measurement, flops=flops, flops_unavailable=counts.operators_unavailable)

    @property
    def counts(self) -> Counts | None:
        """What some of the samples did; None where none was counted."""
        counter = self._plan.counter
        if counter is None:
            return self._counts
        if self._counts is None:
            self._counts = counter.counts([self._inferences(i, 1) for i in self._counted])
        return self._counts

    def _bare(self) -> Generator[Any, None, None]:
        for i, sample in enumerate(islice(endless(self._samples), self._yields)):
            self.count += self._inferences(i, 1)
            self.metered += self._inferences(i, 1)
            yield sample

    def _counted_alone(self) -> Generator[Any, None, None]:
        """The warm-up and the samples that are counted, as they are before a metered pass.

        What they do may depend on what was done before: a cache is as full as it is there.
        """
        self.warming = True
        with self._plan.unmetered():
            for i, sample in enumerate(islice(endless(self._samples), self._warmup)):
                self.count += self._inferences(i, 1)
                yield sample
            if self._plan.counter is not None and self.n:
                yield from self._count(self._plan.counter)
        self.warming = False
        self._end()
        if not self.count:
            self.reason = "samples is empty"
        self.over = True

    @property
    def _warmup(self) -> int:
        """Samples of the warm-up."""
        warmup = self._plan.warmup
        if not self.n:
            return 0
        if warmup is None:
            return default_warmup(self._yields)
        return -(-warmup // max(self._sizes)) if self._sizes else warmup  # said in inferences

    def _metered(self, open_window: OpenWindow) -> Generator[Any, None, None]:
        plan, conditions = self._plan, self._plan.conditions
        self.warming = True
        warmup = self._warmup
        each_seconds, parallel = 0.0, True  # without a warm-up nothing is known
        with plan.unmetered():
            usage = conditions.usage() if conditions and warmup else None
            last: Any = None
            as_is, slow = None, 0
            for i, sample in enumerate(islice(endless(self._samples), warmup)):
                self.count += self._inferences(i, 1)
                began = clock()
                before = conditions.mark() if conditions else None
                yield sample
                synchronise()
                each_seconds = clock() - began  # the last one's: the first is slow
                slow += each_seconds >= TIMED_SECONDS
                last = sample
                as_is = (before, conditions.mark()) if conditions and before else None
            self._timed = self._is_timed(warmup, slow)
            if usage is not None:
                parallel = usage.parallel
            if conditions is not None and conditions.make_steady() and as_is:
                yield from self._try_steady(conditions, last, as_is)
            if plan.counter is not None and self.n:
                yield from self._count(plan.counter)
        self.warming = False
        sizes = block_sizes(self._yields) if self.n else ()
        if plan.interleaving is not None and self.n:
            with plan.outside():
                sizes = plan.interleaving.sizes(self._yields, each_seconds, parallel)
        if plan.progress is not None:
            plan.progress.start(plan.test, self.n)
        try:
            reference = self._choose_reference(parallel) if sizes else None
            self._hold_cpu(parallel, reference)
            window = open_window(*self._expected(sizes, each_seconds))
            yield from self._pass(window, sizes, each_seconds, reference)
        except GeneratorExit:
            # A consumer that counts for itself may never ask for the sample after the last.
            one = self.current
            if one is None:
                raise
            if one.yielded == self._yields and not one.finished:
                last = sizes[-1]
                one.window.close(self._inferences(self._yields - last, last))
                if one.readings is not None:
                    one.readings.after(len(sizes))
                self._hand_over(one.window, len(sizes) - 1)
                one.finished = True
                self._end()
            raise
        finally:
            if conditions is not None:
                conditions.release()
            if plan.progress is not None:
                plan.progress.stop()

    def _is_timed(self, warmup: int, slow: int) -> bool:
        """Whether each inference's duration is noted: it takes long, or tells its first token.

        Where nothing was warmed up, nothing is known. Another process being busy makes some of the
        warm-up slow, and hardly ever most of it.

        Args:
            warmup: inferences that were performed to warm up.
            slow: how many of these took `TIMED_SECONDS` or more.
        """
        if self._sizes is not None:
            return False
        return not warmup or 2 * slow > warmup or bool(self.now.first_token)

    def _end(self) -> None:
        self.ended, self._cpu_at_end = clock(), thread_time()

    def since_end(self) -> tuple[float, float]:
        """Seconds since the last sample was done with, and those in which this thread waited."""
        after = clock() - self.ended
        return after, max(0.0, after - (thread_time() - self._cpu_at_end))

    def _choose_reference(self, parallel: bool) -> ReferenceWorkload | None:
        """What runs beside the blocks; None where nothing has to."""
        plan = self._plan
        if plan.runner is None:
            return None
        torch_works = plan.counter is None or not plan.counter.counted_no_operator
        with plan.unmetered():
            return plan.runner.reference(plan.reference_kind, parallel, torch_works)

    def _hold_cpu(self, parallel: bool, reference: ReferenceWorkload | None) -> None:
        """Hold work on a single thread, and what is compared with it, on one CPU."""
        plan, conditions = self._plan, self._plan.conditions
        if conditions is None:
            return
        shared = plan.interleaving.cpu if plan.interleaving is not None else None
        single = not parallel and (reference is None or reference.threads == 1)
        alone = plan.interleaving is None and single
        self._cpu = conditions.hold(conditions.choose_cpu() if alone else shared)

    def _count(self, counter: Counter) -> Generator[Any, None, None]:
        """Perform some samples once more, to count what they do: as few as say enough.

        Each is performed once before it is counted: then caches are as full as they ever will be,
        whatever ran before in this process.
        """
        wanted = counted_positions(self._yields)
        samples = self._samples
        if not isinstance(samples, Sequence):  # the first ones: others may be slow to come by
            samples = list(islice(endless(samples), len(wanted)))
            wanted = tuple(range(len(samples)))
        for position in wanted if samples else ():
            if counter.enough(self._yields):
                return
            self._counted.append(position)
            self.count += 2 * self._inferences(position, 1)
            sample = samples[position % len(samples)]
            self.counting = True
            with self._plan.uncounted(), same_random_numbers():
                yield sample
                with counter.counting():
                    yield sample
            synchronise()  # not among what is counted
            self.counting = False

    def _try_steady(
        self, conditions: RunConditions, sample: Any, as_is: tuple[Mark, Mark]
    ) -> Generator[Any, None, None]:
        """Perform the last sample of the warm-up again, where many page faults may be saved.

        Twice: the first time the memory that is kept from now on is taken from the system.
        """
        if faults_between(*as_is) < MANY_FAULTS:
            return
        for _ in range(2):
            self.count += self._inferences(0, 1)
            before = conditions.mark()
            yield sample
            synchronise()
            self._allocator_trial = trial(as_is, (before, conditions.mark()))

    def _expected(
        self, sizes: Sequence[int], each_seconds: float
    ) -> tuple[float | None, float | None]:
        """Seconds of a segment that is metered in one, and of a block; None for unknown."""
        plan = self._plan
        if not (each_seconds and sizes):
            return None, None
        block = each_seconds * sizes[0]
        by_block = plan.stop is not None or plan.runner is not None or plan.interleaving is not None
        return (block if by_block else each_seconds * self._yields), block

    def _pass(
        self,
        window: Window,
        sizes: Sequence[int],
        each_seconds: float,
        reference: ReferenceWorkload | None,
    ) -> Generator[Any, None, None]:
        samples, timed = endless(self._samples), self._timed
        plan, progress = self._plan, self._plan.progress
        one = self._begin_pass(window, each_seconds * sizes[0] if sizes else 0.0, reference)
        end, running = 0, False
        for i, size in enumerate(sizes):
            if not self._await_block(i):
                break
            if not running:
                window.open()
            running = True
            end += size
            self.block = i
            performed = self._inferences(end - size, size)
            batches = self._sizes
            # What was told before, of samples that were not metered, is none of this one's.
            self.now.forget()
            began = clock()
            for sample in islice(samples, size):
                inferences = 1 if batches is None else batches[one.yielded]
                one.yielded += 1
                self.metered += inferences
                self.count += inferences
                yield sample
                if timed:
                    began = self._note_latency(began)
                if progress is not None and progress.due():
                    self._show(progress, one)
                    began = clock()
            if one.yielded < end:
                break
            last = i == len(sizes) - 1
            if self._uninterrupted(one) and not last:
                window.split(performed)
                continue
            window.close(performed)
            running = False
            self._hand_over(window, i)
            stop = last or self._stops(one, len(sizes))
            if one.readings is not None and one.readings.is_due(window.last_seconds, stop):
                with plan.unmetered():
                    one.readings.after(i + 1)
            if stop:
                break
        self.running = False
        self._end()
        if not one.yielded:
            self.reason = "samples is empty"
        elif one.yielded < end:
            self.reason = f"samples ran out after {self.metered:,} of {self.n:,} {plan.noun}"
        one.finished = True

    def _note_latency(self, began: float) -> float:
        """Note how long the sample took that was yielded last; the clock when it was done with.

        Args:
            began: clock when it was yielded.
        """
        ended, now = clock(), self.now
        self._latency.add(began, now.first_token, ended, now.added)
        now.forget()
        return ended

    def _begin_pass(
        self, window: Window, block_seconds: float, reference: ReferenceWorkload | None
    ) -> Pass:
        plan = self._plan
        self.current = one = Pass(window)
        self.running = True
        if plan.runner is not None and reference is not None:
            with plan.unmetered():
                one.readings = ReferenceRecorder(plan.runner, reference)
                one.readings.begin(block_seconds)
        return one

    def _uninterrupted(self, one: Pass) -> bool:
        """Whether nothing is done between blocks."""
        plan = self._plan
        return plan.stop is None and one.readings is None and plan.interleaving is None

    def _stops(self, one: Pass, planned: int) -> bool:
        """Whether the blocks so far are enough, of so many planned."""
        stop_early = self._plan.stop
        so_far = one.window.measurement() if stop_early is not None else None
        if stop_early is None or so_far is None:
            return False
        return stop_early(self._complete(one, so_far), planned)

    def _await_block(self, block: int) -> bool:
        """Wait until this side may run a block; whether there is one."""
        interleaving = self._plan.interleaving
        if interleaving is None:
            return True
        with self._plan.outside():
            return interleaving.before(block)

    def _hand_over(self, window: Window, block: int) -> None:
        """A block has ended: the other side may run its own."""
        if self._plan.interleaving is not None:
            with self._plan.outside():
                self._plan.interleaving.after(block, window.last_joules_per_inference)

    def _show(self, progress: Progress, one: Pass) -> None:
        if one.window.pausable:
            one.window.pause()
        progress.update(self.metered, one.window.joules_so_far())
        if one.window.pausable:
            one.window.open()
