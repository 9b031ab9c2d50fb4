"""`pytest-energy doctor`: what can be metered on this machine, and how well."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from pytest_energy.cli.output import ERROR, complain
from pytest_energy.report.printable import READABLE

if TYPE_CHECKING:
    from pytest_energy.doctor.diagnosis import Diagnosis
    from pytest_energy.meters.base import MeterSource
    from pytest_energy.settings.settings import Settings


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the console script.

    Args:
        commands: where argparse keeps them.
    """
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
        complain(f"the report could not be written: {error}")
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
                    complain(problem)
                stdout.write(doctor.as_json(diagnosis))
            else:
                doctor.write(diagnosis, stdout)
            stdout.flush()
        except BrokenPipeError:  # `| head` has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
        return diagnosis.exit_code


def _diagnose(arguments: list[str]) -> Diagnosis | None:
    """Let pytest read its options, ini files and conftests, and diagnose instead of testing."""
    from pytest_energy.doctor.diagnosis import examine
    from pytest_energy.plugin.command import Command

    diagnoses: list[Diagnosis] = []

    def diagnose(settings: Settings, sources: Sequence[MeterSource]) -> int:
        diagnoses.append(examine(settings, sources))
        return 0

    _in_pytest(Command(diagnose), arguments)
    return diagnoses[0] if diagnoses else None


def _in_pytest(command: object, arguments: list[str]) -> None:
    """Run a command inside pytest's configuration; problems are printed on standard error."""
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
        with open(own, "w", encoding=encoding, errors=READABLE) as stream:
            yield stream
    finally:
        if sys.stdout is not None:
            sys.stdout.flush()
