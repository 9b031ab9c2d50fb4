"""Power samples become energy: one background thread, trapezoids from sample to sample.

For hardware that reports its power and does not count its energy. Nothing is started where every
domain has a counter.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from pytest_energy.meters.base import MeterLostError
from pytest_energy.world import clock

LONGEST_GAP_SECONDS = 1.0
"""Samples that lie further apart tell too little: C code that keeps the interpreter's lock also
keeps the thread from sampling."""


class PowerSampler:
    """Integrates the power of a few domains over time.

    Args:
        watts: reads the power of every domain now, in watts.
        period_seconds: between two samples of the thread.

    Raises:
        Exception: what `watts` raises at the first sample.
    """

    def __init__(self, watts: Callable[[], tuple[float, ...]], period_seconds: float) -> None:
        self._watts = watts
        self._period = period_seconds
        self._lock = threading.Lock()
        self._last_watts = watts()
        self._last_seconds = clock()
        self._joules = [0.0] * len(self._last_watts)
        self._lost: Exception | None = None
        self.missed_samples = 0
        """How often two samples lay too far apart to know what flew between them."""
        self._ended = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="pytest-energy power samples", daemon=True
        )
        self._thread.start()

    def read(self) -> tuple[int, ...]:
        """Microjoules since the sampler began, up to a sample that is taken now.

        Raises:
            MeterLostError: the power could not be read, now or in the background.
        """
        self._sample()
        if self._lost is not None:
            raise MeterLostError(str(self._lost)) from self._lost
        return tuple(round(joules * 1e6) for joules in self._joules)

    def close(self) -> None:
        """End the thread."""
        self._ended.set()
        self._thread.join(timeout=1.0)

    def _run(self) -> None:
        while not self._ended.wait(self._period):
            self._sample()

    def _sample(self) -> None:
        with self._lock:
            if self._lost is not None:
                return
            try:
                watts = self._watts()
            except Exception as error:  # raised at the next read: a thread's own error stays unseen
                self._lost = error
                return
            now = clock()
            passed = now - self._last_seconds
            if passed > LONGEST_GAP_SECONDS:
                self.missed_samples += 1
            for i, (before, after) in enumerate(zip(self._last_watts, watts, strict=True)):
                self._joules[i] += (before + after) / 2 * passed
            self._last_watts, self._last_seconds = watts, now
