"""What terminals have in common: width, style, rules of tables, how lines are folded."""

from __future__ import annotations

import os
import textwrap
from typing import TYPE_CHECKING, TextIO

from pytest_energy.report.printable import is_unicode

if TYPE_CHECKING:
    from rich.box import Box
    from rich.console import Console

_ASCII_HEAD = "\n".join(["    ", "    ", " -- ", *5 * ["    "]])
"""rich's SIMPLE_HEAD, of characters that every encoding has. rich itself would draw a grid."""


def columns(stream: TextIO) -> int:
    """Columns of a stream: COLUMNS where it is set, the terminal's, else 80.

    Args:
        stream: an open file with a descriptor.
    """
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except OSError:
        return 80


def console(stream: TextIO, clip_width: int) -> Console:
    """A console that writes what it is given: no markup, no emoji, colours only on a terminal.

    Args:
        stream: an open file with a descriptor.
        clip_width: columns that are used at most.
    """
    from rich.console import Console

    return Console(
        file=stream,
        width=min(clip_width, columns(stream)),
        highlight=False,
        emoji=False,
        markup=False,
    )


def head_rule(encoding: str) -> Box:
    """The lines of a table: one below its heading.

    Args:
        encoding: of what is written to.
    """
    from rich.box import SIMPLE_HEAD, Box

    return SIMPLE_HEAD if is_unicode(encoding) else Box(_ASCII_HEAD, ascii=True)


def folded(text: str, width: int) -> str:
    """A text in lines; broken between words and not, as rich does it, at their hyphens."""
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)
