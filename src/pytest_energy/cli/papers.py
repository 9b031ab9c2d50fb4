"""`pytest-energy papers`: the papers' figures, and a run's beside them."""

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
        "papers",
        help="the papers' figures, and a run's beside them",
        description="The tables of the papers that this plugin follows, as printed and as their"
        " data give them: energy by task, general-purpose models, break-even with training, and"
        " a table of devices. With --run, this machine's figures stand in the next column, with"
        " the rank correlation of the tasks, the ratios, and estimates for other hardware.",
        epilog="Exit code: 0, or 2 for an error.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--run",
        dest="report",
        type=path_argument,
        metavar="REPORT.json",
        help="a report that pytest --energy-json=REPORT.json wrote",
    )
    parser.add_argument(
        "--tasks-of",
        default="",
        metavar="TEXT",
        help="with --run: Table 2's column and the rank correlation take only tests whose id"
        " contains TEXT, as test_ten_tasks.py; models of other comparisons would move the tasks'"
        " order (default: all tests)",
    )
    parser.add_argument(
        "--html",
        type=path_argument,
        metavar="PATH",
        help="write a page of all published figures to this file, and no tables: charts in any"
        " unit, at any country's intensity (needs the extra html); pytest --energy-html has them"
        " as well",
    )
    parser.add_argument("--json", action="store_true", help="write JSON to standard output")

    def run(known: argparse.Namespace) -> int:
        if known.tasks_of and known.report is None:
            parser.error("--tasks-of needs the run whose tests it names: --run REPORT.json")
        if known.html is not None:
            if known.json or known.report is not None:
                parser.error(
                    "--html is of the published figures alone: pytest-energy report RUN.json --to"
                    " html=PATH sets a run beside them"
                )
            return _write_page(known.html)
        return _papers(known)

    set_run(parser, run)


def _write_page(path: Path) -> int:
    from pytest_energy.report.exports import BUILT_IN
    from pytest_energy.report.exports.targets import Target, available, checked_path

    (page,) = (one for one in BUILT_IN if one.name == "html")
    try:
        target = Target(available(page), checked_path(path), "--html")
    except ValueError as error:
        complain(f"--html: {error}")
        return ERROR
    problems = target.write([])
    for problem in problems:
        complain(problem)
    return ERROR if problems else 0


def _papers(known: argparse.Namespace) -> int:
    from pytest_energy.papers import own, report_json
    from pytest_energy.papers import report as papers
    from pytest_energy.papers.run import read_run
    from pytest_energy.report.read import RunError

    try:
        run = None if known.report is None else read_run(known.report)
        if run is not None:
            own.of_tests(run, known.tasks_of)
    except RunError as error:
        complain(str(error))
        return ERROR
    except LookupError as error:
        complain(f"--tasks-of: {known.report}: {error}")
        return ERROR

    def write(stream: TextIO) -> None:
        if known.json:
            stream.write(report_json.as_json(run, known.tasks_of))
        else:
            papers.write(run, stream, known.tasks_of)

    return write_out(write, "the tables")
