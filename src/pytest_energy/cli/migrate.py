"""`pytest-energy migrate`: baseline files of an older schema, rewritten in the current one."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pytest_energy.baselines.folder import FOLDER
from pytest_energy.baselines.migration import Migrated, Step, migrate
from pytest_energy.cli.output import ERROR, complain, path_argument, set_run, write_out
from pytest_energy.files import exists, is_folder, shown_path
from pytest_energy.report.printable import printable

OUTDATED = 1
"""Exit code of `--check` where something would be rewritten."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the console script.

    Args:
        commands: where argparse keeps them.
    """
    parser = commands.add_parser(
        "migrate",
        help="rewrite baseline files of an older schema",
        description="Rewrite the baseline files of a folder that are of an older schema, which has"
        " other names for the same figures. Each file is replaced as a whole; what is interrupted"
        " can be run again, and does the rest. Files that cannot be read are named and left.",
        epilog="Exit code: 0 where all files are of the current schema afterwards, 2 where a file"
        " could not be read or written; with --check 1 where a file would be rewritten.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=path_argument,
        default=Path(FOLDER),
        metavar="FOLDER",
        help=f"as --energy-baselines names it (default: {FOLDER})",
    )
    parser.add_argument("--check", action="store_true", help="only say what would be rewritten")

    def run(known: argparse.Namespace) -> int:
        return _migrate(known.folder, check=known.check)

    set_run(parser, run)


def _migrate(folder: Path, check: bool) -> int:
    try:
        found, listed = exists(folder), is_folder(folder)
    except OSError as error:  # a name that no file can have
        complain(f"{folder}: {error.strerror}")
        return ERROR
    if not listed:
        why = "is not a folder" if found else "does not exist"
        complain(f"{folder} {why}; name the folder of the baselines: pytest-energy migrate FOLDER")
        return ERROR
    done: list[Migrated] = []
    interrupted = False
    try:
        for file in migrate(folder, write=not check):
            done.append(file)
    except KeyboardInterrupt:
        interrupted = True
    # Printed at the end: a reader that goes away in the middle must not stop the work.
    lines = map(printable, [*map(_line, done), _summary(folder, done, interrupted)])
    code = write_out(lambda stream: stream.write("\n".join(lines) + "\n"), "what was done")
    steps = {file.step for file in done}
    if code or interrupted or Step.LEFT in steps:
        return ERROR
    return OUTDATED if Step.OUTDATED in steps else 0


def _line(file: Migrated) -> str:
    return f"{file.step}: {file.problem or shown_path(file.path)}"


def _summary(folder: Path, done: Sequence[Migrated], interrupted: bool) -> str:
    counts = Counter(file.step for file in done)
    files = len(done) - counts[Step.REMOVED]
    parts = [f"{counts[step]} {step}" for step in Step if counts[step]]
    if interrupted:
        parts.append("interrupted: run it again for the rest")
    elif set(counts) <= {Step.CURRENT}:
        parts.append("nothing to do")
    counted = f"{files} baseline file{'s' * (files != 1)} in {shown_path(folder)}"
    return f"{counted}: {', '.join(parts)}"
