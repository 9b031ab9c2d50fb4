"""How wide the place is that people read at."""

from __future__ import annotations

import os
from typing import TextIO


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
