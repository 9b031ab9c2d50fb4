"""The metered loop: samples that come round again, a warm-up, blocks, an early stop."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from pytest_energy import verdict
from pytest_energy.window import Window, block_sizes

if TYPE_CHECKING:
    from pytest_energy.report.live import LiveLine


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


def _cycle(samples: Iterable[Any]) -> Iterator[Any]:
    # Not itertools.cycle: it keeps a copy of every sample, and images are large.
    while True:
        nothing = sample = object()
        for sample in samples:
            yield sample
        if sample is nothing:
            return


class Loop:
    """One pass over `n` samples, after a warm-up.

    Args:
        samples: that can be gone through again and again.
        n: inferences to meter.
        window: meters them; None to yield the samples alone.
        warmup: unmetered inferences first; None for the default.
        precision: wanted half-width of the interval, as a fraction; None to perform all.
        unmetered: stands around the warm-up.
        live: shows the progress of `test`; None where nobody watches.
        test: pytest's node id.
    """

    def __init__(
        self,
        samples: Iterable[Any],
        n: int,
        window: Window | None,
        warmup: int | None,
        precision: float | None,
        unmetered: Callable[[], AbstractContextManager[None]],
        live: LiveLine | None,
        test: str,
    ) -> None:
        self.n = n
        self.window = window
        self.count = 0
        """Samples yielded, warm-up included."""
        self.yielded = 0
        """Samples yielded to be metered."""
        self.block = 0
        """Which block is being metered, from 0."""
        self.warming = False
        self.finished = False
        self.reason = ""
        """Why there is no figure, where the samples are to blame."""
        self._samples = samples
        self._warmup = default_warmup(n) if warmup is None else warmup
        self._precision = precision
        self._unmetered = unmetered
        self._live = live
        self._test = test
        self.generator = self._bare() if window is None else self._metered(window)
        """Yields the samples; closing it early ends what it holds open."""

    def why_incomplete(self, interrupted: str) -> str:
        """Why there is no figure; empty when there is one.

        Args:
            interrupted: why the test's body did not run to its end; empty when it did.
        """
        if not self.reason and (interrupted or not self.finished):
            left = interrupted or "the loop was left"
            return f"{left} after {self.yielded:,} of {self.n:,} inferences"
        return self.reason

    def whole(self, n: int) -> int:
        """What `n` inferences inside the loop would have been, had it not ended early."""
        if self.finished and 0 < self.yielded < self.n:
            return round(n * self.n / self.yielded)
        return n

    def _bare(self) -> Generator[Any, None, None]:
        for sample in islice(_cycle(self._samples), self.n):
            self.count += 1
            self.yielded += 1
            yield sample

    def _metered(self, window: Window) -> Generator[Any, None, None]:
        self.warming = True
        with self._unmetered():
            for sample in islice(_cycle(self._samples), self._warmup if self.n else 0):
                self.count += 1
                yield sample
        self.warming = False
        sizes = block_sizes(self.n) if self.n else ()
        if self._live is not None:
            self._live.start(self._test, self.n)
        try:
            yield from self._blocks(sizes, window)
        except GeneratorExit:
            # A consumer that counts for itself may never ask for the sample after the last.
            if self.yielded == self.n:
                window.close(sizes[-1])
                self.finished = True
            raise
        finally:
            if self._live is not None:
                self._live.stop()

    def _blocks(self, sizes: Sequence[int], window: Window) -> Generator[Any, None, None]:
        samples = _cycle(self._samples)
        live = self._live
        window.open()
        end = 0
        for i, size in enumerate(sizes):
            end += size
            self.block = i
            for sample in islice(samples, size):
                self.yielded += 1
                self.count += 1
                yield sample
                if live is not None and live.due():
                    self._show(live, window)
            if self.yielded < end:
                break
            if i == len(sizes) - 1:
                window.close(size)
            elif self._precision is None:
                window.split(size)
            else:
                window.close(size)
                so_far = window.measurement()
                if so_far is not None and verdict.precise_enough(so_far, self._precision):
                    break
                window.open()
        if not self.yielded:
            self.reason = "samples is empty"
        elif self.yielded < end:
            self.reason = f"samples ran out after {self.yielded:,} of {self.n:,} inferences"
        self.finished = True

    def _show(self, live: LiveLine, window: Window) -> None:
        if window.pausable:
            window.pause()
        live.update(self.yielded, window.joules_so_far())
        if window.pausable:
            window.open()
