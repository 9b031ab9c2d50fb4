"""`pytest-energy explain`: what one test's inference does, module by module."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TextIO

from pytest_energy.cli.output import ERROR, complain, path_argument, set_run, write_out


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the console script.

    Args:
        commands: where argparse keeps them.
    """
    parser = commands.add_parser(
        "explain",
        help="what one test's inference does, module by module, from a run's report",
        description="The tree of a model's modules with the operations, bytes and operator calls of"
        " one inference, and the joules that were measured, shared out by counted energy; then"
        " which Python functions call which. Where nothing was metered, the joules are counted"
        " ones.",
        epilog="Exit code: 0, or 2 for an error.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "test", metavar="TEST", help="the test's node id, or a part of it that no other test has"
    )
    parser.add_argument(
        "--run",
        dest="report",
        type=path_argument,
        metavar="REPORT.json",
        required=True,
        help="a report that pytest --energy-json=REPORT.json wrote",
    )

    def run(known: argparse.Namespace) -> int:
        return _explain(known.test, known.report)

    set_run(parser, run)


def _explain(test: str, path: Path) -> int:
    from pytest_energy.report import explain
    from pytest_energy.report.printable import printable
    from pytest_energy.report.read import RunError, read_counted

    try:
        counted = [one for one in read_counted(path) if test in one.subject.key]
    except RunError as error:
        complain(str(error))
        return ERROR
    exact = [one for one in counted if one.subject.key == test]
    found = exact or counted
    if len(found) != 1:
        names = ", ".join(one.subject.key for one in found[:5])
        what = "no test of that name was counted"
        if found:
            what = f"{len(found)} tests have that in their names: {names}"
        complain(f"{path}: {test!r}: {what}")
        return ERROR

    def write(stream: TextIO) -> None:
        for line in explain.page(found[0]):
            stream.write(f"{printable(line)}\n")

    return write_out(write, "the tree")
