"""What the commands share: where they write to, and their exit code for an error."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TextIO

ERROR = 2
"""Exit code of what could not be done; argparse's own, too."""


def write_out(write: Callable[[TextIO], object], what: str) -> int:
    """Write to standard output.

    Args:
        write: writes to the stream that it is given.
        what: is written, for the message where that fails: `the tables`.

    Returns:
        The exit code.
    """
    if sys.stdout is None:
        print("pytest-energy: there is no standard output to write to", file=sys.stderr)
        return ERROR
    try:
        # An encoding that has no "≥" is no reason to say nothing.
        with open(os.dup(1), "w", encoding=sys.stdout.encoding, errors="replace") as stream:
            write(stream)
    except BrokenPipeError:  # `| head` has seen enough
        pass
    except OSError as error:  # nowhere to write to: `>/dev/full`, say
        print(f"pytest-energy: {what} could not be written: {error}", file=sys.stderr)
        return ERROR
    return 0
