"""The console script's output: its width, its style, how lines are folded."""

from __future__ import annotations

import os
import textwrap
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console


def columns(stream: TextIO) -> int:
    """Columns of a stream: COLUMNS where it is set, the terminal's, else 80.

    Args:
        stream: an open file with a descriptor.
    """
    given = os.environ.get("COLUMNS", "")
    if given.isdigit() and int(given) > 0:
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


def folded(text: str, width: int) -> str:
    """A text in lines; broken between words and not, as rich does it, at their hyphens."""
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)
