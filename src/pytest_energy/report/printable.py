"""Text that others chose, as it may be shown: nothing in it acts on what shows it.

The name of a task, a model, a region or a recorded quantity comes from a test, what is stored from
a file, a label from a repository. On a terminal an escape sequence in it moves the cursor and
paints over a verdict, a bidirectional mark reorders a line; a file of XML with a control character
in it can be read by no parser. Every report passes what it shows through `printable`, where the
text leaves the plugin. The values themselves, and reports as JSON, keep the text as it was given.
"""

from __future__ import annotations

import codecs
import re
import unicodedata

READABLE = "pytest_energy.readable"
"""An error handler of codecs, for `open(…, errors=READABLE)`: of what an encoding lacks, `µ` is
written as `u`, and what has no such stand-in is escaped, `日` as `\\u65e5`."""

_STAND_INS = str.maketrans(
    {
        "µ": "u",  # U+00B5, the sign
        "\u03bc": "u",  # the Greek letter
        "×": "x",
        "±": "+/-",
        "−": "-",
        "‐": "-",
        "‑": "-",
        "–": "-",
        "—": "-",
        "…": "...",
        "→": "->",
        "←": "<-",
        "≥": ">=",
        "≤": "<=",
        "≠": "!=",
        "≈": "~",
        "°": "deg ",
        "‘": "'",
        "’": "'",
        "“": '"',
        "”": '"',
    }
    # Blanks that are not to be broken at, or of another width.
    | dict.fromkeys("\u00a0\u2002\u2003\u2007\u2009\u202f\u3000", " ")
)

_EMOJI = range(0x1F000, 0x1FB00)
"""Blocks of pictographs, which every version of Unicode adds to: none of them is a control."""

_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0000-\U000e0fff]"
)
"""What shows as nothing though its category is that of letters or marks (Unicode 16,
DerivedCoreProperties.txt: Default_Ignorable_Code_Point)."""

_COMMANDS = re.compile(
    r"(?:^|(?<=\s)):(?=:(?:error|warning|notice|debug|group|endgroup|add-mask|add-matcher"
    r"|remove-matcher|echo|stop-commands|set-output|save-state|set-env|add-path)\b)|##(?=\[)"
)
"""What GitHub's runner takes for a command in a log: at a line's start, behind blanks, or anywhere
(actions/runner, ActionCommand.cs)."""

_JOINER, _SELECTOR = "\u200d", "\ufe0f"
"""Zero-width joiner, and the selector of a character's form as an emoji."""

_KEYS = "0123456789#*"
"""What the selector makes an emoji of beside symbols: the keys of a telephone."""

_SYMBOLS = ("So", "Sm", "Po", "Pd")
"""Categories of the symbols that were characters before they were emoji: ❤, ↔, ‼, 〰."""


def printable(text: str) -> str:
    r"""A text on one line, of characters that all show: an escape as `\x1b`, a mark as `\u202e`.

    Escaped, as Python writes them, are control characters (line feeds and tabs among them), format
    characters such as bidirectional marks, other invisible characters, line and paragraph
    separators, lone surrogates and what is no character; and what GitHub takes for a command in a
    log, `::error::` behind a blank as `:\:error::`. Letters of any script stay, and so do emoji. A
    text that is printable stays as it is, so that a second call changes nothing.
    The result is for a terminal and for XML; Markdown and HTML have to be escaped after it.

    Args:
        text: of one line.
    """
    text = _COMMANDS.sub(r"\g<0>\\", text)
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character if _is_seen(text, position) else _escaped(character)
        for position, character in enumerate(text)
    )


def printable_lines(text: str) -> str:
    """A text of several lines, each of them printable; tabs become blanks.

    Args:
        text: whose line feeds are meant.
    """
    return "\n".join(printable(line.expandtabs()) for line in text.split("\n"))


def readable(text: str, encoding: str) -> str:
    """A text in which an encoding lacks nothing; without loss where it lacks nothing.

    Args:
        text: printable.
        encoding: of what is written to; one that Python does not know is taken for UTF-8.
    """
    try:
        return text.encode(encoding, READABLE).decode(encoding)
    except LookupError:
        return text.encode("utf-8", READABLE).decode("utf-8")


def shown(text: str, encoding: str) -> str:
    """A line as it may be written: printable, and with what the encoding has.

    Args:
        text: of one line.
        encoding: of what is written to.
    """
    return readable(printable(text), encoding)


def encoding_of(stream: object) -> str:
    """The encoding of a stream; UTF-8 of one that has none.

    Args:
        stream: that text is written to.
    """
    return getattr(stream, "encoding", None) or "utf-8"


def is_unicode(encoding: str) -> bool:
    """Whether an encoding has every character: rules, ellipses and bars can be drawn.

    Args:
        encoding: of what is written to.
    """
    try:
        return codecs.lookup(encoding).name.startswith("utf")
    except LookupError:
        return True


def _is_seen(text: str, position: int) -> bool:
    """Whether a character shows, be it as a blank or as what holds an emoji together."""
    character = text[position]
    if character in (_JOINER, _SELECTOR):
        return _is_in_emoji(text, position)
    if _INVISIBLE.match(character):
        return False
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return True
    return ord(character) in _EMOJI


def _is_in_emoji(text: str, position: int) -> bool:
    """Whether a joiner or a selector belongs to an emoji, and is not there to tell two names apart.

    The selector stands behind a symbol or a key's character; the joiner between two symbols, with
    a selector or a skin's colour perhaps.
    """
    before, after = text[position - 1 : position], text[position + 1 : position + 2]
    if text[position] == _SELECTOR:
        return before in _KEYS if before.isascii() else _is_symbol(before)
    return (before == _SELECTOR or _is_symbol(before)) and _is_symbol(after)


def _is_symbol(character: str) -> bool:
    if not character or character.isascii():
        return False
    return ord(character) in _EMOJI or unicodedata.category(character) in _SYMBOLS


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    plain = lacking.translate(_STAND_INS)
    return "".join(c if c.isascii() else _escaped(c) for c in plain), error.end


codecs.register_error(READABLE, _replace)
