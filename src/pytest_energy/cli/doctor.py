"""`pytest-energy doctor`: what can be metered on this machine, and how well."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from pytest_energy.cli.output import ERROR, complain, in_pytest
from pytest_energy.report.printable import READABLE

if TYPE_CHECKING:
    import pytest

    from pytest_energy.doctor.diagnosis import Diagnosis


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
    from pytest_energy.plugin import stash
    from pytest_energy.plugin.command import Command

    diagnoses: list[Diagnosis] = []

    def diagnose(config: pytest.Config) -> int:
        settings = stash.settings_of(config)
        diagnoses.append(examine(settings, stash.meter_sources(config, settings)))
        return 0

    in_pytest(Command(diagnose), arguments)
    return diagnoses[0] if diagnoses else None


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
