"""`pytest-energy --print-completion SHELL`: a script that completes the commands and their options.

shtab makes it from the parsers, of the extra `completion`; it is imported only for this.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from pytest_energy.cli.output import ERROR, complain, write_out

SHELLS = ("bash", "zsh", "tcsh")


def add(parser: argparse.ArgumentParser) -> None:
    """Add the option to the console script.

    Args:
        parser: of all commands.
    """
    parser.add_argument(
        "--print-completion",
        action=_Print,
        choices=SHELLS,
        metavar="SHELL",
        help=f"print a script for {', '.join(SHELLS[:-1])} or {SHELLS[-1]} that completes commands"
        " and options (needs the extra completion)",
    )


class _Print(argparse.Action):
    """Prints the script and ends the process, as `--help` does."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        try:
            import shtab
        except ModuleNotFoundError:
            complain(
                "shell completion is made by shtab, which is not installed: pip install"
                " 'pytest-energy[completion]'"
            )
            parser.exit(ERROR)
        script = shtab.complete(parser, shell=str(values))
        parser.exit(write_out(lambda stream: stream.write(script + "\n"), "the script"))
