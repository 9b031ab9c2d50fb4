"""A clock that a test moves, and counters that tick by it."""

from __future__ import annotations

from pytest_energy.meters.base import Meter
from pytest_energy.types.energy import Domain, Method

WAITING, WORKING = 100.0, 700.0


class Clock:
    """Time that passes when a meter is read or work is done, and the power that flows meanwhile."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.phases = [(0.0, 0.0, WAITING)]  # since when, joules until then, watts

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def work(self, seconds: float) -> float:
        """Joules that so long a piece of work takes."""
        for watts, passed in ((WORKING, seconds), (WAITING, 0.0)):
            self.phases.append((self.now, self.joules(self.now), watts))
            self.now += passed
        return WORKING * seconds

    def joules(self, at: float) -> float:
        since, before, watts = next(phase for phase in reversed(self.phases) if phase[0] <= at)
        return before + watts * (at - since)


class Ticking(Meter):
    """A counter that moves every `period` seconds, and takes `cost` seconds to read."""

    name = "ticking"
    stopped = None

    def __init__(self, clock, period, cost=1e-6, stated=None, **about) -> None:
        self.clock, self.period, self.cost = clock, period, cost
        about = {"name": "gpu:0", "kind": "gpu", "method": Method.COUNTER, **about}
        self.domains = (Domain(source="NVML", resolution_seconds=stated or period, **about),)

    def read(self):
        self.clock.now += self.cost
        if self.stopped is not None:
            return self.stopped
        tick = self.clock.now // self.period * self.period if self.period else 0.0
        return (round(self.clock.joules(tick) * 1e6),)

    def stop(self):
        self.stopped = self.read()


class Still(Ticking):
    """A counter that stands still."""

    def read(self):
        self.clock.now += self.cost
        return (5,)
