"""`pytest-energy check`: the baseline files that no session could read; a hook for pre-commit."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from pytest_energy.baselines.check import Checked, check, files_below
from pytest_energy.baselines.folder import FOLDER
from pytest_energy.cli.output import ERROR, complain, path_argument, set_run, write_out
from pytest_energy.files import is_folder, shown_path
from pytest_energy.report.printable import printable

BROKEN = 1
"""Exit code where a file could not be read, or with `--strict` where an entry was edited."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the console script.

    Args:
        commands: where argparse keeps them.
    """
    parser = commands.add_parser(
        "check",
        help="name the baseline files that are broken",
        description="Read files of baselines, of counts and of accepted rises as a test session"
        " would, and name each that is broken, with the line. Entries that do not stand as"
        " pytest-energy wrote them, edited by hand for example, are named as well. Other JSON is"
        " passed over. Nothing is written, and no test is collected.",
        epilog=f"Exit code: 0, {BROKEN} where a file is broken or, with --strict, an entry was"
        f" edited, {ERROR} for an error.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "paths",
        nargs="*",
        type=path_argument,
        metavar="PATH",
        help=f"files, and folders with all that lies below them (default: {FOLDER})",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="fail for edited entries as well, as pytest --energy-strict does",
    )

    def run(known: argparse.Namespace) -> int:
        return _check(known.paths or [Path(FOLDER)], strict=known.strict)

    set_run(parser, run)


def _check(paths: Sequence[Path], strict: bool) -> int:
    try:
        files = list(dict.fromkeys(_files(paths)))
    except OSError as error:
        said = error.strerror or error
        complain(f"{error.filename}: {said}; name files or folders: pytest-energy check PATH")
        return ERROR
    found = [one for one in map(check, files) if one is not None]
    lines = [line for one in found for line in _lines(one)]
    broken = sum(bool(one.problem) for one in found)
    edited = sum(len(one.unverified) for one in found)
    lines.append(_summary(len(found), len(files) - len(found), broken, edited))
    code = write_out(
        lambda stream: stream.write("\n".join(map(printable, lines)) + "\n"), "what was found"
    )
    return code or (BROKEN if broken or (strict and edited) else 0)


def _files(paths: Iterable[Path]) -> Iterable[Path]:
    for path in paths:
        if is_folder(path):
            yield from files_below(path)
        else:
            path.lstat()  # one that is not there is an error, whatever it would have held
            yield path


def _lines(one: Checked) -> list[str]:
    if one.problem:
        return [f"broken: {one.problem}"]
    place = shown_path(one.path)
    return [f"unverified: {place}: {name}: {why}" for name, why in one.unverified.items()]


def _summary(files: int, others: int, broken: int, edited: int) -> str:
    parts = [f"{broken} broken"] if broken else ["all can be read"] if files else []
    if edited:
        entries = "entry" if edited == 1 else "entries"
        parts.append(f"{edited} {entries} unverified: --energy-strict refuses them")
    if others:
        parts.append(f"{others} other file{'s' * (others != 1)} passed over")
    found = f"{files} baseline file{'s' * (files != 1)}" if files else "no baseline file"
    return f"{found}: {', '.join(parts)}" if parts else f"{found} was found"
