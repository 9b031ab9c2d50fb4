"""The console script `pytest-energy`: what is asked for outside of a test session."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from pytest_energy.doctor.diagnosis import Diagnosis
    from pytest_energy.meters.base import MeterSource
    from pytest_energy.settings.settings import Settings

ERROR = 2
"""Exit code of what could not be done; argparse's own, too."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: of the command line, without the program's name; the process's own when left out.

    Returns:
        The exit code: 2 for what could not be done, the command's own otherwise.
    """
    parser = argparse.ArgumentParser(
        prog="pytest-energy",
        description="What pytest-energy does outside of a test session.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version", action="version", version=f"pytest-energy {version('pytest-energy')}"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_doctor(commands)
    _add_papers(commands)
    known, rest = parser.parse_known_args(arguments)
    run: Callable[[argparse.Namespace, list[str]], int] = known.run
    return run(known, rest)


def _add_doctor(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "doctor",
        help="what can be metered on this machine, and how well",
        description="What can be metered on this machine, and how well: every meter, what a test"
        " session would choose, the machine, the electricity, and what else runs.",
        epilog="Everything else is taken as pytest takes it: --energy-* options, -c FILE,"
        " -p PLUGIN, folders whose conftest.py counts. Ini files count too. No test is collected."
        " Exit code: 0 where something better than an estimate is available, 1 where only an"
        " estimate is, 2 for an error.",
        usage="pytest-energy doctor [-h] [--json] [pytest's options]",
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="write JSON to standard output")
    parser.set_defaults(run=_doctor)


def _doctor(known: argparse.Namespace, rest: list[str]) -> int:
    try:
        return _report(known, rest)
    except OSError as error:  # nowhere to write to: `>/dev/full`, say
        print(f"pytest-energy: the report could not be written: {error}", file=sys.stderr)
        return ERROR


def _report(known: argparse.Namespace, rest: list[str]) -> int:
    with _only_stderr() as stdout:
        diagnosis = _diagnose(rest)
        if diagnosis is None:
            return ERROR
        from pytest_energy.report import doctor

        try:
            if known.json:
                for problem in diagnosis.problems:  # people read no JSON
                    print(f"pytest-energy: {problem}", file=sys.stderr)
                stdout.write(doctor.as_json(diagnosis))
            else:
                doctor.write(diagnosis, stdout)
            stdout.flush()
        except BrokenPipeError:  # `| head` has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
        return diagnosis.exit_code


def _add_papers(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
        type=Path,
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
    parser.add_argument("--json", action="store_true", help="write JSON to standard output")

    def run(known: argparse.Namespace, rest: list[str]) -> int:
        if rest:
            parser.error(f"unrecognized arguments: {' '.join(rest)}")
        if known.tasks_of and known.report is None:
            parser.error("--tasks-of needs the run whose tests it names: --run REPORT.json")
        return _papers(known)

    parser.set_defaults(run=run)


def _papers(known: argparse.Namespace) -> int:
    from pytest_energy.papers import own
    from pytest_energy.papers import report as papers
    from pytest_energy.papers import report_json as papers_json
    from pytest_energy.papers.run import RunError, read_run

    try:
        run = None if known.report is None else read_run(known.report)
        if run is not None:
            own.of_tests(run, known.tasks_of)
    except RunError as error:
        print(f"pytest-energy: {error}", file=sys.stderr)
        return ERROR
    except LookupError as error:
        print(f"pytest-energy: --tasks-of: {known.report}: {error}", file=sys.stderr)
        return ERROR
    if sys.stdout is None:
        print("pytest-energy: there is no standard output to write to", file=sys.stderr)
        return ERROR
    try:
        # An encoding that has no "≥" is no reason to say nothing.
        with open(os.dup(1), "w", encoding=sys.stdout.encoding, errors="replace") as stream:
            if known.json:
                stream.write(papers_json.as_json(run, known.tasks_of))
            else:
                papers.write(run, stream, known.tasks_of)
    except BrokenPipeError:  # `| head` has seen enough
        pass
    except OSError as error:  # nowhere to write to: `>/dev/full`, say
        print(f"pytest-energy: the tables could not be written: {error}", file=sys.stderr)
        return ERROR
    return 0


def _diagnose(arguments: list[str]) -> Diagnosis | None:
    """Let pytest read its options, ini files and conftests, and have a look instead of testing."""
    from pytest_energy.doctor.diagnosis import examine
    from pytest_energy.plugin.command import Command

    found: list[Diagnosis] = []

    def look(settings: Settings, sources: Sequence[MeterSource]) -> int:
        found.append(examine(settings, sources))
        return 0

    _in_pytest(Command(look), arguments)
    return found[0] if found else None


def _in_pytest(command: object, arguments: list[str]) -> None:
    """Run a command inside pytest's configuration; what goes wrong is said on standard error."""
    import pytest

    try:
        pytest.main(arguments, plugins=[command])
    except KeyboardInterrupt:
        print("pytest-energy: interrupted", file=sys.stderr)
    except (pytest.exit.Exception, pytest.skip.Exception, SystemExit) as error:
        # Of a conftest that ends the session while it is imported.
        print(f"pytest-energy: ended by {type(error).__name__}: {error}", file=sys.stderr)
    except Exception:
        traceback.print_exc()


@contextmanager
def _only_stderr() -> Iterator[TextIO]:
    """Standard output as a stream of its own; what else is written there goes to standard error.

    Plugins, conftests, libraries in C and their child processes write where they like, and a
    report that is to be parsed must stand alone.
    """
    own = os.dup(1)  # fails where it was closed: there is nowhere to write to
    encoding = "utf-8"
    if sys.stdout is not None:
        sys.stdout.flush()
        encoding = sys.stdout.encoding
    os.dup2(2, 1)
    try:
        with open(own, "w", encoding=encoding, errors="replace") as stream:
            yield stream
    finally:
        if sys.stdout is not None:
            sys.stdout.flush()
