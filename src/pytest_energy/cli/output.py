"""What the commands share: where they write to, what went wrong, pytest around them."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from pytest_energy.report.printable import READABLE, encoding_of, printable_lines, readable


def path_argument(text: str) -> Path:
    """A file or folder that was named on the command line.

    Args:
        text: as it was given. Empty, as a variable that was not set is, it would be the current
            folder.

    Raises:
        argparse.ArgumentTypeError: it is empty.
    """
    if not text:
        raise argparse.ArgumentTypeError(
            "it is empty, and a path is wanted (a variable that is not set?)"
        )
    return Path(text)


def set_run(
    parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int], hint: str = ""
) -> None:
    """Have a command run which takes no arguments of pytest's: others than its own are an error.

    Args:
        parser: of the command.
        run: what it does with the arguments; returns the exit code.
        hint: behind the message on arguments that are not its own.
    """

    def checked(known: argparse.Namespace, rest: list[str]) -> int:
        if rest:
            parser.error(f"unrecognized arguments: {' '.join(rest)}{hint}")
        return run(known)

    parser.set_defaults(run=checked)


ERROR = 2
"""Exit code of what could not be done; argparse's own, too."""


def complain(text: str) -> None:
    """Say on standard error what went wrong.

    Args:
        text: in words for people.
    """
    said = readable(printable_lines(f"pytest-energy: {text}"), encoding_of(sys.stderr))
    print(said, file=sys.stderr)


def write_out(write: Callable[[TextIO], object], what: str) -> int:
    """Write to standard output.

    Args:
        write: writes to the stream that it is given.
        what: is written, for the message where that fails: `the tables`.

    Returns:
        The exit code.
    """
    if sys.stdout is None:
        complain("there is no standard output to write to")
        return ERROR
    try:
        # An encoding that has no "≥" is no reason to say nothing.
        with open(os.dup(1), "w", encoding=sys.stdout.encoding, errors=READABLE) as stream:
            write(stream)
    except BrokenPipeError:  # `| head` has seen enough
        pass
    except OSError as error:  # nowhere to write to: `>/dev/full`, say
        complain(f"{what} could not be written: {error}")
        return ERROR
    return 0


def in_pytest(command: object, arguments: list[str]) -> None:
    """Run a command inside pytest's configuration; problems are printed on standard error.

    Args:
        command: a plugin that runs in place of the tests.
        arguments: pytest's.
    """
    import pytest

    try:
        pytest.main(arguments, plugins=[command])
    except KeyboardInterrupt:
        complain("interrupted")
    except (pytest.exit.Exception, pytest.skip.Exception, SystemExit) as error:
        # Of a conftest that ends the session while it is imported.
        complain(f"ended by {type(error).__name__}: {error}")
    except Exception:
        traceback.print_exc()


@contextmanager
def stdout_kept() -> Iterator[None]:
    """What conftests print meanwhile goes to standard error: standard output may be a report."""
    own = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        if sys.stdout is not None:
            sys.stdout.flush()
        os.dup2(own, 1)
        os.close(own)
