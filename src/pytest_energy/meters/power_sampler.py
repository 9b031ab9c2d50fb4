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
        most_watts: more than any of the domains can draw: a larger sample is a faulty one.

    Raises:
        MeterLostError: the first sample is faulty.
        Exception: what `watts` raises at the first sample.
    """

    def __init__(
        self, watts: Callable[[], tuple[float, ...]], period_seconds: float, most_watts: float
    ) -> None:
        self._watts = watts
        self._period = period_seconds
        self._most_watts = most_watts
        self._lock = threading.Lock()
        self._last_watts = watts()
        self._faulty = self._why_faulty(self._last_watts)
        if self._faulty:
            raise MeterLostError(self._faulty)
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
            MeterLostError: the power could not be read, now or in the background; or a sample since
                the last reading was faulty.
        """
        self._sample()
        if self._lost is not None:
            raise MeterLostError(str(self._lost)) from self._lost
        with self._lock:
            reason, self._faulty = self._faulty, ""
        if reason:
            raise MeterLostError(reason)
        return tuple(round(joules * 1e6) for joules in self._joules)

    def _why_faulty(self, watts: tuple[float, ...]) -> str:
        for power in watts:
            if not 0 <= power <= self._most_watts:  # not a number is neither
                return (
                    f"a power of {power:.3g} W was reported, and anything takes from 0 to"
                    f" {self._most_watts:.3g} W: a faulty reading"
                )
        return ""

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
                faulty = self._why_faulty(watts)
            except Exception as error:  # raised at the next read: a thread's own error stays unseen
                self._lost = error
                return
            if faulty:  # it is left out, and the window in which it was has no figure
                self._faulty = faulty
                return
            now = clock()
            passed = now - self._last_seconds
            if passed > LONGEST_GAP_SECONDS:
                self.missed_samples += 1
            for i, (before, after) in enumerate(zip(self._last_watts, watts, strict=True)):
                self._joules[i] += (before + after) / 2 * passed
            self._last_watts, self._last_seconds = watts, now
