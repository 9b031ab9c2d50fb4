"""Files: written whole or not at all, paths as people read them, lines of JSON members."""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path


def line_of(text: str, where: tuple[str | int, ...]) -> int:
    """The line on which a member of a JSON text begins.

    json keeps no positions, and this is needed only for a message: so the text, known to be well
    formed, is walked again, member by member, skipping what is not on the way.
    """
    decoder = json.JSONDecoder()
    blank = re.compile(r"[\s,:]*")

    def skip(position: int) -> int:
        space = blank.match(text, position)
        return space.end() if space else position

    position = begun = skip(0)
    for step in where:
        position = skip(position + 1)
        index = 0
        while text[position] not in "]}":
            begun = position
            if isinstance(step, str):
                name, position = decoder.raw_decode(text, position)
                position = skip(position)
                reached = name == step
            else:
                reached = index == step
            if reached:
                break
            position = skip(decoder.raw_decode(text, position)[1])
            index += 1
    return text.count("\n", 0, begun) + 1


def shown_path(path: Path) -> str:
    """A path for people: relative to the current folder where it lies inside."""
    try:
        here = Path.cwd()
    except OSError:  # the current folder was deleted
        return str(path)
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def stable(value: float) -> float:
    """Six significant digits: more than any meter resolves, and no churn behind them."""
    return float(f"{value:.6g}")


TEMPORARY_SUFFIX = ".pytest-energy.tmp"
"""How the name of a file ends that is being written. One that stays is of a process that was
killed; the name distinguishes it from anything else in a folder that is not ours alone."""


def replace_file(path: Path, text: str) -> None:
    """Write a file whole or not at all, even when the power fails."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=TEMPORARY_SUFFIX)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files private; a repository's files follow the umask or the old file.
        umask = os.umask(0)
        os.umask(umask)
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~umask
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def text_of(path: Path) -> str:
    """What a file says, without white space around it; empty where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
