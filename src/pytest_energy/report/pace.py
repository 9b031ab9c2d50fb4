"""How long a run still takes, from what its tests have taken so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pytest_energy.world import clock

FEWEST = 2
"""Tests of a kind that must have ended before others of it are foretold: the first one often loads
a model for all of them."""


@dataclass(slots=True)
class _Kind:
    """Tests that are metered, or those that are not.

    Args:
        left: that have not begun.
        ended: whose time is known.
        seconds: that these took in all.
    """

    left: int
    ended: int = 0
    seconds: float = 0.0

    @property
    def is_known(self) -> bool:
        """Whether what is left of it can be foretold: there is nothing, or enough has ended."""
        return not self.left or self.ended >= FEWEST

    @property
    def seconds_left(self) -> float:
        """What the tests that have not begun will take, if they are as those that have ended."""
        return self.left * self.seconds / self.ended if self.left else 0.0


class Pace:
    """Foretells a run's end.

    It knows this run alone: every metered test takes as long as those before it did in the mean,
    with its fixtures, its further passes and processes, and so does every other test. A test that
    was to be metered and was skipped tells nothing.

    Args:
        metered: metered tests of the run.
        others: its other tests.
        now: the clock, in seconds.
    """

    def __init__(self, metered: int, others: int, now: Callable[[], float] = clock) -> None:
        self._metered, self._others = _Kind(metered), _Kind(others)
        self._now = now
        self._began = 0.0
        self._has_run = False
        self._loop_ended: float | None = None
        self._after_loops = 0.0
        self._loops = 0

    def begin(self, metered: bool) -> None:
        """A test begins, with its fixtures."""
        kind = self._metered if metered else self._others
        kind.left = max(0, kind.left - 1)
        self._began, self._has_run, self._loop_ended = self._now(), not metered, None

    def run(self) -> None:
        """The test that is metered runs: it was not skipped."""
        self._has_run = True

    def loop_ended(self) -> None:
        """A loop of the test is done: judging comes after it, further processes, another loop."""
        if self._loop_ended is None:
            self._loop_ended = self._now()

    def end(self, metered: bool) -> None:
        """The test has ended."""
        if not self._has_run:
            return
        now = self._now()
        kind = self._metered if metered else self._others
        kind.ended += 1
        kind.seconds += now - self._began
        if self._loop_ended is not None:
            self._loops += 1
            self._after_loops += now - self._loop_ended

    def seconds_left(self, of_loop: float) -> float | None:
        """Seconds until the run ends; None where that rests on too little, or nothing comes after.

        Args:
            of_loop: seconds that the loop of the present test still takes.
        """
        kinds = (self._metered, self._others)
        if not all(kind.is_known for kind in kinds) or not any(kind.left for kind in kinds):
            return None
        after = self._after_loops / self._loops if self._loops else 0.0
        own = of_loop + after
        if self._loop_ended is not None:  # this loop is a part of what comes after the first
            own = max(of_loop, after - (self._now() - self._loop_ended))
        return own + sum(kind.seconds_left for kind in kinds)


def about(seconds: float) -> str:
    """A time that is not known well: `about 15 s`, `about 4 min`, `about 1.5 h`.

    Args:
        seconds: that are left; of fewer than five, it says five.
    """
    if seconds < 57.5:
        return f"about {max(5, 5 * round(seconds / 5))} s"
    if seconds < 90 * 60:
        return f"about {max(1, round(seconds / 60))} min"
    return f"about {round(seconds / 3600, 1):g} h"
