"""What tests say at the end of a run: lines under headings, tables in columns.

A test says it, `say("compute and energy", *columns(rows))`; whoever runs pytest reads it without a
flag, below the tests' outcomes, in the order in which the headings were first used.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO

import pytest

WIDEST = 100
"""Columns that a line takes at most."""


class Closing:
    """Keeps what was said until the run ends."""

    def __init__(self) -> None:
        self.said: dict[str, list[str]] = {}
        """Lines by heading."""

    def say(self, heading: str, *lines: str) -> None:
        """Add lines under a heading, below what already stands there.

        Args:
            heading: one of the run's sections.
            lines: each may be a text of several lines.
        """
        under = self.said.setdefault(heading, [])
        under += [line for text in lines for line in text.split("\n")]

    def take_over(self, said: Mapping[str, Sequence[str]]) -> None:
        """Add what another process's tests have said."""
        for heading, lines in said.items():
            self.say(heading, *lines)

    def write(self, reporter: pytest.TerminalReporter) -> None:
        """Print it all."""
        for heading, lines in self.said.items():
            reporter.write_sep("-", heading)
            for line in lines:
                reporter.write_line(line)


def columns(rows: Sequence[Sequence[str]], left: int = 1) -> Iterator[str]:
    """A table as lines: the first row is the head.

    Args:
        rows: cells, all rows of the same length.
        left: how many columns stand on the left; figures, behind them, on the right.

    Yields:
        One line a row.

    Raises:
        ValueError: a row is longer or shorter than the first, or the table wider than a report.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # For no terminal: without colours, whatever the environment asks for.
    written = StringIO()
    page = Console(width=WIDEST, file=written, color_system=None, force_terminal=False)
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for i in range(len(rows[0])):
        table.add_column(justify="left" if i < left else "right", no_wrap=True)
    for number, row in enumerate(rows):
        if len(row) != len(rows[0]):
            comparison = "shorter" if len(row) < len(rows[0]) else "longer"
            raise ValueError(f"row {number} is {comparison} than the head: {list(row)}")
        table.add_row(*map(Text, row))  # as it is: brackets in a model's name are no markup
    needed = page.measure(table, options=page.options.update_width(sys.maxsize)).maximum
    if needed > WIDEST:
        raise ValueError(f"the table is wider than {WIDEST} columns: {needed}")
    page.print(table)
    for line in written.getvalue().splitlines():
        yield line.rstrip()
