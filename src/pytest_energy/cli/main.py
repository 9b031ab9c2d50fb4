"""The console script `pytest-energy`: what is asked for outside of a test session."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from pytest_energy.cli import (
    bisect,
    check,
    comment,
    compare,
    completion,
    doctor,
    explain,
    init,
    migrate,
    papers,
    report,
)
from pytest_energy.cli.output import ERROR, complain

COMMANDS = (init, doctor, explain, compare, report, comment, papers, check, migrate, bisect)
"""In the order of `--help`."""


def command_line() -> argparse.ArgumentParser:
    """The parser of the console script, with one below it for each command.

    Returns:
        The parser; `--print-completion` makes its scripts from it.
    """
    parser = argparse.ArgumentParser(
        prog="pytest-energy",
        description="What pytest-energy does outside of a test session.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version", action="version", version=f"pytest-energy {version('pytest-energy')}"
    )
    completion.add(parser)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: of the command line, without the program's name; the process's own when left out.

    Returns:
        The exit code: 2 for what could not be done, the command's own otherwise.
    """
    own, behind = bisect.split(sys.argv[1:] if arguments is None else arguments)
    known, rest = command_line().parse_known_args(own)
    known.behind = behind
    try:
        Path.cwd()
    except OSError as error:
        complain(f"the current folder cannot be used ({error.strerror}): change to another one")
        return ERROR
    run: Callable[[argparse.Namespace, list[str]], int] = known.run
    return run(known, rest)
