"""What GitHub's runner shows of a session: annotations on its tests, and the step's summary."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pytest_energy.files import append_file, exists, shown_path
from pytest_energy.report.exports import markdown
from pytest_energy.report.printable import printable, printable_lines
from pytest_energy.types.codec import cut
from pytest_energy.types.result import short_name
from pytest_energy.types.session import SessionReport

MOST_ANNOTATIONS = 10
"""Errors that GitHub shows of one step; of more, the last says how many there are."""

MOST_SUMMARY_BYTES = 1024 * 1024
"""A step's summary, with all that other programs append to it."""

MOST_CHARACTERS = 4000
"""Of an annotation's message."""


def error_commands(report: SessionReport, root: Path, workspace: Path | None) -> Iterator[str]:
    """A workflow command for each metered test that failed, on the test's line.

    Args:
        report: of the session.
        root: pytest's rootdir, which the tests' files are named from.
        workspace: the folder of the checkout, which GitHub names files from; None for `root`.
    """
    failures = list(report.failures.items())
    shown = failures if len(failures) <= MOST_ANNOTATIONS else failures[: MOST_ANNOTATIONS - 1]
    for test, failure in shown:
        properties = {"file": printable(_from_workspace(root / failure.file, workspace or root))}
        if failure.line is not None:
            properties["line"] = str(failure.line)
        properties["title"] = printable(short_name(test))
        yield _error(failure.message, **properties)
    if len(shown) < len(failures):
        more = len(failures) - len(shown)
        yield _error(f"{more:,} more metered tests failed: see the log", title="pytest-energy")


def _from_workspace(path: Path, workspace: Path) -> str:
    """A file as GitHub names it: from the checkout on, where it lies inside."""
    full = os.path.abspath(path)  # noqa: PTH100  # a link's name is the name of the file in git
    for folder in (os.path.abspath(workspace), os.path.realpath(workspace)):  # noqa: PTH100
        if Path(full).is_relative_to(folder):
            return Path(full).relative_to(folder).as_posix()
    return Path(full).as_posix()


def _error(message: str, **properties: str) -> str:
    """A workflow command; its escapes are those of actions/toolkit, `command.ts`."""
    escaped = ",".join(
        f"{name}={_data(value).replace(':', '%3A').replace(',', '%2C')}"
        for name, value in properties.items()
    )
    return f"::error {escaped}::{_data(cut(printable_lines(message), MOST_CHARACTERS))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def append_summary(path: Path, report: SessionReport) -> str:
    """Append the report to a step's summary.

    Args:
        path: as the runner names it.
        report: of the session.

    Returns:
        Why it was not, for people; empty where it was. Nothing hangs on it: it was not asked for.
    """
    try:
        size = path.stat().st_size if exists(path) else 0
        room = MOST_SUMMARY_BYTES - size - 2
        text = markdown.render([report], min(markdown.MOST_BYTES, room))
        if len(text.encode()) > room:
            return f"GITHUB_STEP_SUMMARY: {shown_path(path)} is full: nothing was added to it"
        # Another program's last line may lack its end, and a table needs a blank line before it.
        append_file(path, f"\n{text}" if size else text)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        return f"GITHUB_STEP_SUMMARY: {shown_path(path)}: {why}; nothing was added to it"
    return ""
