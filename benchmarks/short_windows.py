"""How far short windows are off, on updates of their counter and at once.

    python benchmarks/short_windows.py [--windows 20]

Two counters that tick in real time: like RAPL's, every millisecond and read in 1.5 µs, and like an
H100's, every 100 ms and read in 4 ms (both measured). Each shows what had flown at its last tick:
20 W while nothing is done, 100 W while a window's work runs. Truth is the work's own duration times
its watts. "At once" is what peers do: one reading at each end. Stalls of this machine are in it, as
they are in users' windows.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import time
from collections.abc import Callable

from pytest_energy.metering.window import Window
from pytest_energy.meters.base import Meter
from pytest_energy.meters.meter_set import MeterSet
from pytest_energy.meters.updates import CounterUpdates
from pytest_energy.types.energy import Domain, Method
from pytest_energy.types.measurement import ALIGNED_ERROR_UPDATES
from pytest_energy.verdict.rules import BOUNDARY_ERROR

IDLE_WATTS, WORK_WATTS = 20.0, 100.0


class Ticking(Meter):
    """A counter of known truth.

    Args:
        period: seconds between two ticks.
        cost: seconds that a reading takes.
    """

    name = "ticking"

    def __init__(self, period: float, cost: float) -> None:
        self._period, self._cost = period, cost
        self._worked: list[tuple[float, float]] = []
        self._joules_before = 0.0
        self._began = time.perf_counter()
        self.domains = (Domain("ticking", "cpu", Method.COUNTER, "simulated", period),)

    def work(self, seconds: float) -> float:
        """Spend so long at work; the joules that it took."""
        begun = now = time.perf_counter()
        while now - begun < seconds:
            now = time.perf_counter()
        self._worked.append((begun, now))
        return (now - begun) * WORK_WATTS

    def read(self) -> tuple[int, ...]:
        asked = now = time.perf_counter()
        while now - asked < self._cost:
            now = time.perf_counter()
        tick = now // self._period * self._period
        joules = (tick - self._began) * IDLE_WATTS
        for begun, ended in self._worked[-3:]:
            joules += max(0.0, min(tick, ended) - begun) * (WORK_WATTS - IDLE_WATTS)
        # What lies further back is over: it is added once.
        while len(self._worked) > 3:
            begun, ended = self._worked.pop(0)
            self._joules_before += (ended - begun) * (WORK_WATTS - IDLE_WATTS)
        return (round((joules + self._joules_before) * 1e6),)


def errors(
    period: float, cost: float, seconds: float, windows: int, update_aligned: bool
) -> list[float]:
    """Reported over true, less one, of many windows that begin anywhere between two ticks."""
    meter = Ticking(period, cost)
    meters = MeterSet([meter])
    edges = CounterUpdates(meters)
    found = []
    for _ in range(windows):
        time.sleep(random.uniform(0, 2 * period))
        window = Window(meters, edges if update_aligned else None)
        window.open()
        true = meter.work(seconds)
        window.close(1)
        measurement = window.measurement()
        if measurement is None:
            raise SystemExit(window.lost)
        found.append(measurement.joules / true - 1)
    return found


def study(windows: int, show: Callable[[str], None] = print) -> None:
    """Print one table a counter, and what the limits of `unresolved` make of it."""
    show("short windows: reported over true, mean error ± standard deviation")
    for name, period, cost in (
        ("1 ms, like RAPL's", 1e-3, 1.5e-6),
        ("100 ms, an H100's", 0.1, 4e-3),
    ):
        show(f"  counter that ticks every {name}:")
        for seconds in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0):
            if seconds < period / 10:
                continue
            few = max(10, min(windows, round(20 / (seconds + 3 * period))))
            cells = []
            for update_aligned in (True, False):
                figures = errors(period, cost, seconds, few, update_aligned)
                mean, spread = statistics.fmean(figures), statistics.stdev(figures)
                limit = BOUNDARY_ERROR * seconds / period
                known = math.sqrt(2) * ALIGNED_ERROR_UPDATES if update_aligned else math.sqrt(1 / 6)
                said = "" if known <= limit else "  unresolved"
                cells.append(f"{mean:>+8.1%} ±{spread:>6.1%}{said:<12}")
            show(f"    {seconds * 1e3:>6.0f} ms   on updates {cells[0]}   at once {cells[1]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--windows", type=int, default=20, help="of each length, at most")
    study(parser.parse_args().windows)


if __name__ == "__main__":
    main()
