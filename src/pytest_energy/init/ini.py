"""Settings added to the file that pytest takes its own from, with every other byte as it was.

Lines are put below the header of pytest's table, or a table at the end where there is none, and
what came about is parsed: it must say what it said before, and the new settings. A file in which
that does not succeed is left alone.
"""

from __future__ import annotations

import configparser
import re
import tomllib
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

NEW_FILE = "pytest.ini"
"""Made where pytest has no file to take settings from."""


@dataclass(frozen=True, slots=True)
class Inserted:
    """What became of settings.

    Args:
        text: of the file with them; the same as before where all stand there, None where they
            could not be added.
        header: of the table that they belong to, to be shown where they could not.
        lines: of the settings that were missing.
    """

    text: str | None
    header: str
    lines: tuple[str, ...]


def insert(name: str, text: str, settings: Mapping[str, str]) -> Inserted:
    """A configuration file with settings of this plugin's.

    Args:
        name: of the file, which says how it is to be read.
        text: of the file; empty for a new one.
        settings: by name, as an ini file has them; what stands there already is kept.
    """
    toml = name.endswith(".toml")
    try:
        document = tomllib.loads(text) if toml else _read_ini(text)
    except (tomllib.TOMLDecodeError, configparser.Error):
        document = {}
    table = _toml_table(name, document) if toml else _ini_table(name)
    here = _at(document, table)
    missing = {key: value for key, value in settings.items() if key not in here}
    lines = tuple(
        f'{key} = "{value}"' if toml else f"{key} = {value}" for key, value in missing.items()
    )
    header = f"[{'.'.join(table)}]"
    if not missing:
        return Inserted(text, header, ())
    added = _added(text, table, lines)
    try:
        found = tomllib.loads(added) if toml else _read_ini(added)
    except (tomllib.TOMLDecodeError, configparser.Error):
        return Inserted(None, header, lines)
    expected = deepcopy(document)
    _at(expected, table, make=True).update(missing)
    return Inserted(added if found == expected else None, header, lines)


def _added(text: str, table: tuple[str, ...], lines: tuple[str, ...]) -> str:
    end = "\r\n" if "\r\n" in text else "\n"
    block = "".join(line + end for line in lines)
    name = r"[ \t]*\.[ \t]*".join(map(re.escape, table))
    header = re.search(rf"(?m)^[ \t]*\[[ \t]*{name}[ \t]*\][ \t]*(?:[#;].*?)?\r?(?:\n|\Z)", text)
    if header is None:
        before = text if not text or text.endswith("\n") else text + end
        blank = end if before and not before.endswith(end * 2) else ""
        return f"{before}{blank}[{'.'.join(table)}]{end}{block}"
    stop = header.end()
    between = "" if header[0].endswith("\n") else end
    return f"{text[:stop]}{between}{block}{text[stop:]}"


def _toml_table(name: str, document: Mapping[str, Any]) -> tuple[str, ...]:
    """Where pytest looks in a TOML file: in its own table of types, or in that of an ini file's."""
    own = _at(document, ("tool", "pytest"))
    if "ini_options" in own:
        return ("tool", "pytest", "ini_options")
    if own:
        return ("tool", "pytest")
    return ("tool", "pytest", "ini_options") if name == "pyproject.toml" else ("pytest",)


def _ini_table(name: str) -> tuple[str, ...]:
    return ("tool:pytest",) if name.endswith(".cfg") else ("pytest",)


def _at(document: Mapping[str, Any], table: tuple[str, ...], make: bool = False) -> dict[str, Any]:
    found: Any = document
    for name in table:
        if make and isinstance(found, dict):
            found.setdefault(name, {})
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, dict) else {}


def _read_ini(text: str) -> dict[str, Any]:
    parser = configparser.RawConfigParser(
        strict=True, allow_no_value=True, default_section="\0", comment_prefixes=("#", ";")
    )
    parser.optionxform = str  # type: ignore[method-assign, assignment]  # as the manual has it
    parser.read_string(text)
    return {name: dict(parser.items(name)) for name in parser.sections()}
