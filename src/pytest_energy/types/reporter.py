"""A format that the results of sessions can be written in."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pytest_energy.types.session import SessionReport

_NAME = re.compile("[a-z0-9]+(?:-[a-z0-9]+)*")


class ReportError(ValueError):
    """Why results cannot be written in a format; the message is for people, with the remedy."""


@dataclass(frozen=True, slots=True)
class Reporter:
    """A format that the results of sessions can be written in.

    Args:
        name: as in `--energy-export NAME=PATH`: lower-case letters, digits and hyphens.
        file: name of the file where PATH is a folder or is left out.
        render: gets the reports of one session or of several, and returns what the file holds. A
            test session has exactly one; `pytest-energy report` has as many as it is given. What it
            raises is shown, of a `ReportError` the message alone, and the file is not written.
        about: what it is for, in a few words.
        why_unavailable: asked before anything runs: what it lacks here, with the remedy, or an
            empty text; None where it needs nothing.

    Raises:
        ValueError: a name that could not be written on a command line, or a file with a folder.
    """

    name: str
    file: str
    render: Callable[[Sequence[SessionReport]], str | bytes]
    about: str = ""
    why_unavailable: Callable[[], str] | None = None

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            raise ValueError(
                f"a reporter's name has lower-case letters, digits and hyphens, not {self.name!r}"
            )
        if not self.file or {"/", "\\", "\0"} & {*self.file} or self.file in (".", ".."):
            raise ValueError(f"reporter {self.name}: expected a file's name, found {self.file!r}")
