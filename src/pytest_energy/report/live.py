"""The live line: test, inferences done of n, joules so far, time left of the test and of the run.

On a terminal only. With pytest-xdist there is none: the tests run in workers, which have no
terminal, and their controller knows of no test before it has ended.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TextIO

import pytest

from pytest_energy.report.pace import Pace, about
from pytest_energy.report.printable import encoding_of, shown
from pytest_energy.report.shortening import columns, ellipsis_of, shortened
from pytest_energy.types.result import short_name
from pytest_energy.world import clock

REFRESH_SECONDS = 0.5
"""Between two drawings, so that what is drawn costs next to nothing."""

_BAR, _SHORT_BAR = 16, 8
"""Columns of the bar, and of that beside the time that the whole run takes."""

_LEAST_NAME = 10
"""Columns that the test's name keeps; what the run takes is said where they are left."""


class LiveLine:
    """One line below pytest's own, drawn between inferences and erased when the loop ends.

    Args:
        file: the terminal.
        width: of the terminal now, in columns.
        column: of pytest's own line, where the cursor goes back to at the end.
        uncaptured: lets writing reach the terminal while pytest captures output.
        pace: foretells the run's end.
    """

    def __init__(
        self,
        file: TextIO,
        width: Callable[[], int],
        column: Callable[[], int],
        uncaptured: Callable[[], AbstractContextManager[None]],
        pace: Pace,
    ) -> None:
        self._file = file
        self._width = width
        self._column = column
        self._uncaptured = uncaptured
        self.pace = pace
        self._next = 0.0
        self._began = 0.0
        self._test = ""
        self._n = 0
        self._drawn = False

    def start(self, test: str, n: int) -> None:
        """A loop of `n` inferences begins."""
        self._test, self._n = test, n
        self._began = clock()
        self._next = self._began + REFRESH_SECONDS

    def due(self) -> bool:
        """Whether it is time to draw again."""
        return clock() >= self._next

    def update(self, done: int, joules: float) -> None:
        """Draw.

        Args:
            done: inferences so far.
            joules: of the finished blocks so far.
        """
        from pytest_energy.types.units import format_joules, format_seconds

        now = clock()
        self._next = now + REFRESH_SECONDS
        left = (now - self._began) / done * (self._n - done)
        facts = f"{done:,}/{self._n:,}  {format_joules(joules)}  {format_seconds(left)} left"
        of_run = self.pace.seconds_left(left)
        run = "" if of_run is None else f" (run: {about(of_run)})"
        with self._uncaptured():  # also to ask for the width, which a captured stream has not
            self._write(self._line(facts, done / self._n, run))

    def stop(self) -> None:
        """The loop has ended: erase the line and go back to where pytest was writing."""
        self.pace.loop_ended()
        if self._drawn:
            column = self._column()
            self._drawn = False
            with self._uncaptured():
                self._file.write("\r\x1b[2K\x1b[1A" + (f"\x1b[{column}C" if column else ""))
                self._file.flush()

    def _line(self, facts: str, share: float, run: str) -> str:
        from rich.console import Console
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        # Not rich's Live: it takes over standard output and a thread, both of them pytest's or
        # the test's. Only its renderables are used.
        console = Console(file=self._file, width=max(20, self._width() - 1), force_terminal=True)
        encoding = encoding_of(self._file)
        facts = shown(facts, encoding)
        name = shown(short_name(self._test), encoding)
        width, room = _BAR, max(1, console.width - len(facts) - _BAR - 2)
        with_run = console.width - len(facts) - len(run) - _SHORT_BAR - 2
        if run and with_run >= min(_LEAST_NAME, columns(name)):
            facts, width, room = facts + run, _SHORT_BAR, with_run
        name = shortened([name], room, ellipsis_of(encoding))[name]
        grid = Table.grid(padding=(0, 1), expand=True)
        grid.add_column(ratio=1, no_wrap=True, overflow="crop")
        grid.add_column(width=width)
        grid.add_column(no_wrap=True, justify="right")
        bar = ProgressBar(total=1.0, completed=share, width=width)
        grid.add_row(Text(name, style="bold"), bar, facts)
        with console.capture() as captured:
            console.print(grid, end="")
        return captured.get().rstrip("\n")

    def _write(self, line: str) -> None:
        # The first time on a new line: pytest's own, with its dots, stays as it is.
        self._file.write(("\r\x1b[2K" if self._drawn else "\n") + line)
        self._file.flush()
        self._drawn = True


def live_line(config: pytest.Config, pace: Pace) -> LiveLine | None:
    """A live line for this session; None where no terminal shows it.

    Not under `-q`, in CI, with `-s` (the test's own output would run into it), or when standard
    output is no terminal.

    Args:
        config: pytest's.
        pace: that is told when tests begin and end.
    """
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")
    if reporter is None or capture is None or config.get_verbosity() < 0:
        return None
    if os.environ.get("CI") or os.environ.get("BUILD_NUMBER") or os.environ.get("TERM") == "dumb":
        return None
    if config.getoption("capture") == "no":
        return None
    writer = reporter._tw
    file = writer._file
    if not (hasattr(file, "isatty") and file.isatty()):
        return None
    return LiveLine(
        file,
        width=lambda: int(writer.fullwidth),
        column=lambda: int(writer.width_of_current_line),
        uncaptured=capture.global_and_fixture_disabled,
        pace=pace,
    )
