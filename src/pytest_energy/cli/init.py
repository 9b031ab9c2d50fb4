"""`pytest-energy init`: a first metered test, settings and a workflow, shown and then written."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from pytest_energy.cli.output import ERROR, complain, in_pytest, stdout_kept, write_out
from pytest_energy.files import shown_path

if TYPE_CHECKING:
    import pytest

    from pytest_energy.doctor.diagnosis import Diagnosis
    from pytest_energy.init.gate import Gate
    from pytest_energy.init.project import Project
    from pytest_energy.init.steps import Step

LEFT = 1
"""Exit code where something that was shown was not written."""

GATES = ("paired", "stored", "counted")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the console script.

    Args:
        commands: where argparse keeps them.
    """
    parser = commands.add_parser(
        "init",
        help="propose a gate for this project, and write its first metered test",
        description="Look at the project of the current folder (pytest's settings, model"
        " libraries, CI) and at this machine, propose the gate that suits, and offer to write a"
        " first metered test, settings, and a workflow of GitHub's. Each is shown before it is"
        " written. No file is written over, and to settings lines are added at most.",
        epilog="Everything else is taken as pytest takes it: -c FILE, --noconftest, -p PLUGIN. No"
        f" test is collected. Exit code: 0 where nothing is left to do, {LEFT} where something"
        " that was shown was not written (--dry-run, an answer of no, lines to paste, no terminal"
        f" to ask on), {ERROR} for an error.",
        usage="pytest-energy init [-h] [--gate GATE] [--yes | --dry-run] [pytest's options]",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--gate",
        choices=GATES,
        help="compare with the base's revision in the same run, with stored joules, or with stored"
        " counts (default: what suits the project)",
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--yes", action="store_true", help="write all without asking")
    how.add_argument("--dry-run", action="store_true", help="show all, and write nothing")
    parser.set_defaults(run=_init)


def _init(known: argparse.Namespace, rest: list[str]) -> int:
    from pytest_energy.init.dependencies import ProjectError

    try:
        with stdout_kept():
            found = _look(rest)
    except ProjectError as error:
        complain(str(error))
        return ERROR
    except OSError as error:
        complain(f"{error.filename or 'standard output'}: {error.strerror or error}")
        return ERROR
    if found is None:
        complain(
            "nothing was looked at (see above); options that it does not know itself are pytest's"
            " (pytest-energy init --help), and where a conftest file fails, --noconftest leaves it"
            " out"
        )
        return ERROR
    from pytest_energy.init.gate import Gate

    asked = None if known.gate is None else Gate(known.gate)
    try:
        return _propose(*found, asked, _Answers(known.yes, known.dry_run))
    except KeyboardInterrupt:
        complain("interrupted: what was said to be written is; run it again for the rest")
        return ERROR


def _look(arguments: list[str]) -> tuple[Project, Diagnosis] | None:
    """Let pytest read its options and files, and look at the project instead of testing it."""
    from pytest_energy.doctor.diagnosis import examine
    from pytest_energy.init.dependencies import ProjectError
    from pytest_energy.init.project import look_at
    from pytest_energy.plugin import stash
    from pytest_energy.plugin.command import Command

    found: list[tuple[Project, Diagnosis]] = []
    problems: list[ProjectError] = []

    def look(config: pytest.Config) -> int:
        try:
            project = look_at(config)
        except ProjectError as error:
            problems.append(error)
            return ERROR
        settings = stash.settings_of(config)
        found.append((project, examine(settings, stash.meter_sources(config, settings))))
        return 0

    in_pytest(Command(look), arguments)
    if problems:
        raise problems[0]
    return found[0] if found else None


class _Answers:
    """Whether a file that was shown is to be written.

    Args:
        yes: whether all are.
        dry_run: whether none is.
    """

    def __init__(self, yes: bool, dry_run: bool) -> None:
        terminal = all(each is not None and each.isatty() for each in (sys.stdin, sys.stdout))
        self._asks = terminal and not yes and not dry_run
        self.writes = yes or self._asks

    def wants(self) -> bool:
        """Ask, where there is somebody to answer."""
        if not self._asks:
            return self.writes
        try:
            return input("write it? [y/N] ").strip().lower() in ("y", "yes")
        except EOFError:
            print()
            return False


def _propose(project: Project, diagnosis: Diagnosis, asked: Gate | None, answers: _Answers) -> int:
    from pytest_energy.init import page
    from pytest_energy.init.gate import propose
    from pytest_energy.init.steps import steps

    libraries = project.dependencies.libraries
    measures = any(facts.measures for facts in diagnosis.meters)
    proposal = propose(project.ci, measures, libraries, asked)
    code = write_out(
        lambda stream: page.write_findings(project, diagnosis, proposal, stream), "what was found"
    )
    if code:
        return code
    codes = [_offer(step, project, answers) for step in steps(project, proposal)]
    if ERROR in codes:
        return ERROR
    if LEFT not in codes:
        lines = ["", *page.next_steps(project, proposal.gate)]
        return _say("\n".join(lines))
    if not answers.writes:
        _say("\nnothing was written: run it with --yes for that")
    return LEFT


def _offer(step: Step, project: Project, answers: _Answers) -> int:
    """Show a file, and write it if that is wanted; an exit code."""
    from pytest_energy.init import page
    from pytest_energy.init.steps import write

    if write_out(lambda stream: page.write_step(step, stream), "what would be written"):
        return ERROR
    if step.after is None:
        return LEFT if step.is_open else 0
    if not answers.wants():
        return LEFT
    try:
        write(step, project.top or project.root)
    except OSError as error:
        complain(f"{shown_path(step.path)}: {error.strerror or error}; nothing was written there")
        return ERROR
    return _say(f"written: {shown_path(step.path)}")


def _say(text: str) -> int:
    from pytest_energy.report.printable import printable_lines

    return write_out(lambda stream: stream.write(printable_lines(text) + "\n"), "what was done")
