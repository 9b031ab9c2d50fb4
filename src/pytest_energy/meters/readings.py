"""What meters, files and libraries answer, checked before anything is computed from it."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping, Sequence, Set
from itertools import islice
from math import log10
from operator import index

from pytest_energy.meters.base import MeterLostError
from pytest_energy.types.energy import Domain

MOST_MICROJOULES = 10**21
"""A megawatt for thirty years: a larger count is no count of joules."""

MOST_FIGURES = 20
"""Digits of a number in the kernel's files, which are of 64 bits."""

MOST_BYTES = 32
"""Of such a file: its number, and the white space around it."""


def one_line(text: str, most: int = 200) -> str:
    """A text from elsewhere, for a message.

    Args:
        text: of any length, with any characters.
        most: characters that are left of it.
    """
    # What is longer is cut before it is looked at: white space within makes it shorter still.
    plain = "".join(c if c.isprintable() else " " for c in text[: 10 * most])
    line = " ".join(plain.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def error_text(error: BaseException, most: int = 1000) -> str:
    """An error's own text in one line; empty where it has none.

    Args:
        error: of somebody else's code.
        most: characters that are left of it.
    """
    try:
        return one_line(str(error), most)
    except Exception:  # its __str__ has a defect, too
        return ""


def shown(value: object) -> str:
    """A value that was not expected, in one short line."""
    try:
        return one_line(reprlib.repr(value), 60)
    except Exception:  # Python refuses to write integers of thousands of digits
        return f"a value of type {type(value).__name__}"


def joules_text(microjoules: int) -> str:
    """A count of any size in joules, three digits of it."""
    try:
        return f"{microjoules / 1e6:.3g} J"
    except OverflowError:
        sign = "-" if microjoules < 0 else ""
        return f"{sign}1e+{microjoules.bit_length() * log10(2) - 6:.0f} J"


def counter_of(domain: Domain) -> str:
    """How a message names a domain's counter."""
    return f"the counter of {domain.name} ({domain.source})"


def checked_counts(answer: object, domains: Sequence[Domain]) -> tuple[int, ...]:
    """What a meter's `read` returned, as plain integers.

    Args:
        answer: a tuple of whole microjoules, one a domain, if the meter keeps to its contract.
        domains: of the meter.

    Raises:
        MeterLostError: it is something else, or a count that no counter can have.
    """
    lettered = isinstance(answer, str | bytes | bytearray | memoryview | Mapping | Set)
    if lettered or not isinstance(answer, Iterable):
        raise MeterLostError(
            f"read() returned {shown(answer)}, and should return a tuple of one count per domain"
        )
    given = tuple(islice(answer, len(domains) + 1))  # which may have no end
    if len(given) != len(domains):
        many = f"more than {len(domains)}" if len(given) > len(domains) else f"{len(given)}"
        raise MeterLostError(
            f"read() returned {many}, and should return one count per domain: {len(domains)}"
        )
    counts = []
    for domain, count in zip(domains, given, strict=True):
        try:
            if isinstance(count, bool):
                raise TypeError
            number = int(index(count))  # a numpy integer is one too, a float is none
        except TypeError:
            raise MeterLostError(
                f"read() returned {shown(count)} for {domain.name}, and should return whole"
                " microjoules, an int"
            ) from None
        if not 0 <= number <= MOST_MICROJOULES:
            raise MeterLostError(
                f"{counter_of(domain)} reads {joules_text(number)}, which is"
                f" {'less than nothing' if number < 0 else 'more than anything has counted'}:"
                " a faulty reading"
            )
        counts.append(number)
    return tuple(counts)


def whole(value: object, name: str) -> int:
    """A figure of a library that is to be a count.

    Args:
        value: an integer, or a float that is one.
        name: of the figure, for messages.

    Raises:
        ValueError: it is something else, or below zero.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} is {shown(value)}, no count")
    return value


def parse_digits(text: bytes | str) -> int:
    """A number as the kernel's files show it: ASCII digits and white space around them.

    Args:
        text: all of the file.

    Raises:
        ValueError: it is no such number, or one that does not fit into 64 bits; shows the text.
    """
    # int() would take signs, underscores, digits of every alphabet, and any number of them.
    digits = text.strip()
    if not digits.isdigit() or not digits.isascii() or len(digits) > MOST_FIGURES:
        found = digits if isinstance(digits, str) else digits.decode(errors="replace")
        raise ValueError(f"expected a number, found {shown(found)}")
    return int(digits)
