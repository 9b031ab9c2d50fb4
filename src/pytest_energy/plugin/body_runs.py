"""How often a test's function runs in one window: another plugin may run it in several threads."""

from __future__ import annotations

import functools
import inspect
from itertools import count
from typing import Any

import pytest


class BodyRuns:
    """Counts the runs of one test's function.

    Args:
        function: of the test.
    """

    __slots__ = ("_ran", "counted")

    def __init__(self, function: Any) -> None:
        self._ran = count()

        @functools.wraps(function)
        def counted(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            next(self._ran)  # one step, whichever thread takes it
            return function(*args, **kwargs)

        self.counted = counted

    def take(self) -> int:
        """Runs since this was asked last."""
        times = next(self._ran)
        self._ran = count()
        return times


RUNS = pytest.StashKey[BodyRuns]()


def count_runs(item: pytest.Function) -> None:
    """Count how often a test's function runs, beneath whatever other plugins wrap around it.

    Not of a coroutine function, which its own plugin calls, nor where hypothesis runs it for every
    example: both look at the function itself.

    Args:
        item: a metered test, as it is collected.
    """
    if inspect.iscoroutinefunction(item.obj) or hasattr(item.obj, "hypothesis"):
        return
    runs = item.stash[RUNS] = BodyRuns(item.obj)
    item.obj = runs.counted
