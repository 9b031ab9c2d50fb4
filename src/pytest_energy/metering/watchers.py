"""What watches the program while it is metered, and makes it run differently."""

from __future__ import annotations

import sys
from typing import Any


def watched_by() -> str:
    """What watches this program; empty when nothing does."""
    if sys.gettrace() is not None or sys.getprofile() is not None:
        return "a tracer (a profiler or a debugger) was running"
    if sys.version_info >= (3, 12):
        for tool in range(6):
            name = sys.monitoring.get_tool(tool)
            if name is not None:
                return f"sys.monitoring was in use by {name}"
    return ""


class CoveragePause:
    """Stops coverage.py for the length of a metered segment: it takes up to several times as long.

    By its public `stop` and `start`, as pytest-cov does for tests marked `no_cover`. What runs in
    metered segments alone does not count as covered.
    """

    __slots__ = ("_stopped", "ever")

    def __init__(self) -> None:
        self._stopped: Any = None
        self.ever = False
        """Whether there was anything to stop."""

    def begin(self) -> None:
        """Stop it, where it runs in this thread."""
        coverage = sys.modules.get("coverage")
        if coverage is None or not _runs():
            return
        self._stopped = coverage.Coverage.current()
        if self._stopped is not None:
            self.ever = True
            self._stopped.stop()

    def end(self) -> None:
        """Have it go on, where it was stopped."""
        stopped, self._stopped = self._stopped, None
        if stopped is not None:
            stopped.start()


def _runs() -> bool:
    """Whether coverage.py traces this thread, by a trace function or by sys.monitoring."""
    tracer = sys.gettrace()
    if tracer is not None:
        owner = type(getattr(tracer, "__self__", tracer))
        return owner.__module__.partition(".")[0] == "coverage"
    if sys.version_info >= (3, 12):
        return sys.monitoring.get_tool(sys.monitoring.COVERAGE_ID) == "coverage.py"
    return False
