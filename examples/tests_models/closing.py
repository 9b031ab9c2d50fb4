"""What tests say at the end of a run: lines under headings, tables in columns.

A test says it, `say("compute and energy", *columns(rows))`; whoever runs pytest reads it without a
flag, below the tests' outcomes, in the order in which the headings were first used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

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
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    if sum(widths) + 2 * (len(widths) - 1) > WIDEST:
        raise ValueError(f"the table is wider than {WIDEST} columns: {widths}")
    for row in rows:
        cells = [
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
