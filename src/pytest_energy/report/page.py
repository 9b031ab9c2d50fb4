"""Headings, notes and tables of the console script's output, in one style."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_energy.report.console import folded, head_rule
from pytest_energy.report.printable import printable_lines, readable, shown

if TYPE_CHECKING:
    from rich.console import Console

_LEAST = 20
"""Columns that a word may have before it is folded."""


class Page:
    """Headings, notes and tables, in one style."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._encoding = console.encoding
        self.width = console.width

    def heading(self, text: str) -> None:
        self._show(text, "bold")

    def note(self, text: str) -> None:
        self._show(text, "dim")

    def say(self, text: str) -> None:
        self._show(text, "")

    def end(self) -> None:
        self._console.print()

    def table(self, names: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> None:
        """A table whose first `left` columns are words and the others figures."""
        from rich.table import Table

        rows = [[self._cell(text) for text in row] for row in rows]
        grid = Table(
            box=head_rule(self._encoding),
            show_edge=False,
            padding=(0, 1),
            pad_edge=False,
            collapse_padding=True,
        )
        for position, name in enumerate(names):
            words = position < left
            longest = max(
                (len(line) for row in rows for line in row[position].split("\n")), default=0
            )
            grid.add_column(
                self._cell(name),
                justify="left" if words else "right",
                # The last column is this machine's, where several methods may stand in a cell.
                no_wrap=not words and position < len(names) - 1,
                overflow="fold",
                min_width=min(longest, _LEAST) if words else None,
            )
        for row in rows:
            grid.add_row(*row)
        self._console.print(grid)

    def _show(self, text: str, style: str) -> None:
        from rich.text import Text

        text = folded(shown(text, self._encoding), self.width)
        self._console.print(Text(text, style=style), soft_wrap=True)

    def _cell(self, text: str) -> str:
        return readable(printable_lines(text), self._encoding)
