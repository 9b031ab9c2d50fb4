"""`FORMAT=PATH`, as options and commands take it: checked before anything runs, and written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_energy.files import (
    exists,
    is_folder,
    is_stream,
    shown_path,
    write_output,
)
from pytest_energy.types.codec import cut
from pytest_energy.types.reporter import Reporter, ReportError
from pytest_energy.types.session import SessionReport


@dataclass(frozen=True, slots=True)
class Target:
    """A format, and the file that it is written to.

    Args:
        reporter: renders it.
        path: of the file, or of a device or a FIFO.
        option: that asked for it, for messages: `--energy-export csv`.
    """

    reporter: Reporter
    path: Path
    option: str

    def write(self, reports: Sequence[SessionReport]) -> list[str]:
        """Render the report, and write it whole or not at all; its folder is made.

        Args:
            reports: of one session or of several.

        Returns:
            What went wrong, for people, whatever the reporter raised; the tests' results stand.
        """
        place = f"{self.option}: {shown_path(self.path)}"
        try:
            content = self.reporter.render(reports)
            if not isinstance(content, str | bytes):
                raise TypeError(
                    f"the reporter returned {type(content).__name__}, not text or bytes"
                )
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_output(self.path, content)
        except OSError as error:
            return [f"{place}: {error.strerror or error}; the report was not written"]
        except ReportError as error:
            return [f"{place}: {cut(str(error))}; the report was not written"]
        except Exception as error:  # a reporter's defect takes no other output away
            why = cut(f"{type(error).__name__}: {error}")
            return [f"{place}: {why}; the report was not written"]
        return []


def read_target(
    text: str, folder: Path, reporters: Mapping[str, Reporter], option: str = "--energy-export"
) -> Target:
    """Read `FORMAT=PATH`, or `FORMAT` alone for a file of the format's own name.

    Args:
        text: as it was written.
        folder: that relative paths start from.
        reporters: that there are, by name.
        option: that it was written behind.

    Raises:
        ValueError: there is no such format, or no such file can be written; says what to write.
    """
    name, equals, written = (part.strip() for part in text.partition("="))
    if name not in reporters:
        known = ", ".join(sorted(reporters))
        raise ValueError(f"expected FORMAT=PATH, found {cut(text, 100)!r}; formats: {known}")
    reporter = available(reporters[name])
    if equals and not written:
        raise ValueError(f"no path behind {name}=; write {name}={reporter.file}, for example")
    path = folder / (written or reporter.file)
    if written.endswith(("/", os.sep)) or _is_folder(path):
        path /= reporter.file
    return Target(reporter, checked_path(path), f"{option} {name}")


def available(reporter: Reporter) -> Reporter:
    """A reporter that can be used here.

    Raises:
        ValueError: something that it needs is missing; says what, and how to get it.
    """
    why = reporter.why_unavailable() if reporter.why_unavailable is not None else ""
    if why:
        raise ValueError(f"{reporter.name}: {why}")
    return reporter


def checked_path(path: Path) -> Path:
    """A path that a file can be written to, as far as it can be told beforehand.

    Args:
        path: of a file that need not exist.

    Raises:
        ValueError: it cannot; says why.
    """
    try:
        if is_stream(path):
            return path
        if is_folder(path):
            raise ValueError(f"{shown_path(path)} is a folder; name a file in it")
        above = next(parent for parent in path.parents if exists(parent, follow_symlinks=False))
        if not is_folder(above):
            raise ValueError(f"{shown_path(path)}: {shown_path(above)} is not a folder")
        if not os.access(above, os.W_OK | os.X_OK):
            raise ValueError(f"{shown_path(path)}: the folder {shown_path(above)} is read-only")
        exists(path)
    except OSError as error:
        raise ValueError(f"{cut(str(path), 200)}: {error.strerror or error}") from error
    return path


def _is_folder(path: Path) -> bool:
    try:
        return is_folder(path)
    except (OSError, ValueError):
        return False


Named = tuple[str, Path]
"""A file, and the option or argument that names it."""


def check_distinct(written: Iterable[Named], others: Iterable[Named] = ()) -> None:
    """Refuse two reports in one file: only the last would be left.

    Paths are compared by where they lead. A device or a FIFO takes as many as are written to it.

    Args:
        written: the reports of one session or command.
        others: files that others write, or that the command reads; not compared among themselves.

    Raises:
        ValueError: names the file, and who names it.
    """
    seen = {os.path.realpath(path): (name, path) for name, path in others if not is_stream(path)}
    for name, path in written:
        if is_stream(path):
            continue
        other, first = seen.setdefault(os.path.realpath(path), (name, path))
        if first is path:
            continue
        one, two = shown_path(first), shown_path(path)
        if one == two:
            raise ValueError(f"{two} is named twice, by {other} and by {name}: name two files")
        raise ValueError(
            f"{one}, named by {other}, and {two}, named by {name}, are one file: name two"
        )
