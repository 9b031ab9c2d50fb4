"""`pytest-energy report`: reports in any format, made later of one run or of many."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_energy.cli.output import ERROR, complain, in_pytest, path_argument, set_run, stdout_kept
from pytest_energy.types.codec import cut

if TYPE_CHECKING:
    import pytest

    from pytest_energy.report.exports.targets import Target
    from pytest_energy.types.reporter import Reporter
    from pytest_energy.types.session import SessionReport


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the console script.

    Args:
        commands: where argparse keeps them.
    """
    parser = commands.add_parser(
        "report",
        help="write the results of one run or of many in other formats",
        description="Write the results of runs in other formats: those of --energy-export, and"
        " those that a conftest.py of the current folder or a plugin adds. Runs may be of several"
        " machine classes, and of the same tests: a format with one figure per test has the latest"
        " one of each machine class.",
        epilog="Exit code: 0, or 2 for an error; what could be written is.",
        allow_abbrev=False,
    )
    add_runs(parser)
    parser.add_argument(
        "--to",
        action="append",
        required=True,
        metavar="FORMAT=PATH",
        help="format and file, as for pytest --energy-export; given several times, each is a file",
    )
    parser.add_argument(
        "--model",
        metavar="NAME",
        help="only the results of this model: model-card has room for one",
    )

    def run(known: argparse.Namespace) -> int:
        return _report(known.runs, known.to, known.model)

    set_run(parser, run)


def _report(paths: Sequence[Path], wanted: Sequence[str], model: str | None) -> int:
    from pytest_energy.report.read import RunError

    try:
        targets = _targets(wanted, paths)
        reports = read_reports(paths)
    except RunError as error:
        complain(str(error))
        return ERROR
    except (OSError, ValueError) as error:
        complain(f"--to: {error}")
        return ERROR
    if model is not None:
        of_model = _of_model(model, reports)
        if not of_model:
            complain(f"--model: {_no_such_model(model, reports)}")
            return ERROR
        reports = of_model
    problems = [problem for target in targets for problem in target.write(reports)]
    for problem in problems:
        complain(problem)
    return ERROR if problems else 0


def add_runs(parser: argparse.ArgumentParser) -> None:
    """Add the reports that a command takes, one or more, as `runs`.

    Args:
        parser: of the command.
    """
    parser.add_argument(
        "runs",
        nargs="+",
        type=path_argument,
        metavar="RUN.json",
        help="reports that pytest --energy-json=RUN.json wrote",
    )


def read_reports(paths: Iterable[Path]) -> list[SessionReport]:
    """The reports as several sessions would have come: by machine class, the oldest first.

    Args:
        paths: of the files; each is read once, however often it is named: a pattern may match it
            twice. Of copies one counts, and that is said on standard error.

    Raises:
        RunError: one of them is no report.
    """
    from pytest_energy.files import shown_path
    from pytest_energy.report.read import read_session

    distinct = {path.absolute(): path for path in paths}.values()
    reports: list[SessionReport] = []
    named: list[Path] = []
    for path in distinct:
        report = read_session(path)
        if report in reports:
            first = shown_path(named[reports.index(report)])
            complain(f"{shown_path(path)}: the same run as {first}: it counts once")
            continue
        reports.append(report)
        named.append(path)
    return sorted(reports, key=lambda report: (report.machine.slug, report.date))


def _of_model(name: str, reports: Iterable[SessionReport]) -> list[SessionReport]:
    """The reports with what they have of one model; those that have nothing of it are left out."""
    from pytest_energy.report.exports.published import model_name

    found = []
    for report in reports:
        results = tuple(each for each in report.results if model_name(each.subject) == name)
        if results:
            found.append(replace(report, results=results))
    return found


def _no_such_model(name: str, reports: Iterable[SessionReport]) -> str:
    from pytest_energy.report.exports.published import model_name
    from pytest_energy.types.result import some_names

    names = {model_name(each.subject): None for report in reports for each in report.results}
    there = some_names(list(names)) or "none"
    return f"there is no result of {cut(name, 100)!r}; models: {there}"


def _targets(wanted: Sequence[str], runs: Sequence[Path]) -> list[Target]:
    """Formats and files.

    Raises:
        ValueError: there is no such format, or no such file can be written, or it is one of the
            runs.
    """
    from pytest_energy.report.exports import reporters_by_name
    from pytest_energy.report.exports.targets import check_distinct, read_target

    reporters = reporters_by_name()
    if any(text.partition("=")[0].strip() not in reporters for text in wanted):
        reporters = _all_reporters() or reporters
    targets = [read_target(text, Path.cwd(), reporters, "--to") for text in wanted]
    check_distinct(
        ((target.option, target.path) for target in targets),
        (("RUN.json (which is read)", path) for path in runs),
    )
    return targets


def _all_reporters() -> Mapping[str, Reporter]:
    """Those of plugins and conftests as well; none where pytest cannot be configured."""
    from pytest_energy.plugin import stash
    from pytest_energy.plugin.command import Command

    found: dict[str, Reporter] = {}

    def ask(config: pytest.Config) -> int:
        found.update(stash.reporters_of(config))
        return 0

    with stdout_kept():
        in_pytest(Command(ask), [])
    return found
