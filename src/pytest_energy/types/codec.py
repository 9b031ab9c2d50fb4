"""Dataclasses as JSON-able values and back: how they travel between processes and into files.

One codec for all of them, driven by their annotations. cattrs and msgspec do the same; either would
be one more distribution in every installation.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

Path = tuple[str | int, ...]
"""Where a member stands: names of members and positions in lists, from the top."""


class DecodeError(ValueError):
    """A JSON value that is not what the annotations ask for.

    Args:
        path: where it stands.
        problem: what was expected and what was found.
    """

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(cut(f"{'.'.join(map(str, path)) or 'the value'}: {problem}"))
        self.path = path
        self.problem = problem


class MissingMemberError(DecodeError):
    """An object without a member that it must have.

    Args:
        path: where the object stands.
        name: of the member, as the dataclass calls it.
    """

    def __init__(self, path: Path, name: str) -> None:
        super().__init__(path, f"{name!r} is missing")
        self.name = name


_PLAIN = frozenset({str, float, int, bool})
"""What JSON has as well: most of what is encoded."""


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def encode(value: Any) -> Any:
    """A value as JSON holds it.

    Args:
        value: a dataclass, or what its fields hold: None, bool, numbers, text, enumerations,
            tuples, lists and mappings of these.
    """
    if value is None or type(value) in _PLAIN:
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {name: encode(getattr(value, name)) for name in _names(type(value))}
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, Mapping):
        return {str(name): encode(member) for name, member in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [encode(member) for member in value]
    return value


def decode(kind: type[T], record: object, path: Path = ()) -> T:
    """The inverse of `encode`.

    Members that the dataclass does not know are ignored, and members that are missing take the
    field's default.

    Args:
        kind: a dataclass.
        record: what JSON held.
        path: where the record stands, for messages.

    Raises:
        DecodeError: a member is missing or of another type; names it.
    """
    decoded: T = _decode(kind, record, path)
    return decoded


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


@cache
def _shape(kind: Any) -> tuple[bool, Any, tuple[Any, ...]]:
    """Whether it is a dataclass, its origin and its arguments."""
    return is_dataclass(kind), get_origin(kind), get_args(kind)


def _decode(kind: Any, record: object, path: Path) -> Any:
    dataclass, origin, arguments = _shape(kind)
    if dataclass:
        return _decode_dataclass(kind, record, path)
    if origin in (Union, UnionType):
        if record is None and NoneType in arguments:
            return None
        (only,) = (argument for argument in arguments if argument is not NoneType)
        return _decode(only, record, path)
    if origin in (tuple, Sequence):
        return _decode_tuple(arguments, record, path)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(record, dict):
            raise DecodeError(path, f"expected an object, found {shown(record)}")
        return {
            name: _decode(arguments[1], member, (*path, name)) for name, member in record.items()
        }
    if issubclass(kind, StrEnum):
        if not isinstance(record, str) or record not in set(kind):
            raise DecodeError(path, f"expected one of {', '.join(kind)}, found {shown(record)}")
        return kind(record)
    return _decode_scalar(kind, record, path)


def _decode_dataclass(kind: Any, record: object, path: Path) -> Any:
    if not isinstance(record, dict):
        raise DecodeError(path, f"expected an object, found {shown(record)}")
    hints = _hints(kind)
    members = {}
    for field in fields(kind):
        if field.name in record:
            where = (*path, field.name)
            members[field.name] = _decode(hints[field.name], record[field.name], where)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise MissingMemberError(path, field.name)
    return kind(**members)


def _decode_tuple(arguments: tuple[Any, ...], record: object, path: Path) -> Any:
    if not isinstance(record, list):
        raise DecodeError(path, f"expected a list, found {shown(record)}")
    if len(arguments) == 1 or arguments[1:] == (Ellipsis,):
        return tuple(_decode(arguments[0], one, (*path, i)) for i, one in enumerate(record))
    if len(record) != len(arguments):
        raise DecodeError(path, f"expected {len(arguments)} members, found {shown(record)}")
    pairs = zip(arguments, record, strict=True)
    return tuple(_decode(kind, one, (*path, i)) for i, (kind, one) in enumerate(pairs))


_SCALARS: dict[Any, tuple[type | UnionType, str]] = {
    bool: (bool, "true or false"),
    int: (int, "a whole number"),
    float: (int | float, "a number"),
    str: (str, "a text"),
}


def _decode_scalar(kind: Any, record: object, path: Path) -> Any:
    accepted, expected = _SCALARS[kind]
    # A bool is an int to Python, and no number in JSON.
    if not isinstance(record, accepted) or (isinstance(record, bool) and kind is not bool):
        raise DecodeError(path, f"expected {expected}, found {shown(record)}")
    try:
        return float(record) if kind is float else record  # type: ignore[arg-type]
    except OverflowError:
        raise DecodeError(path, f"expected a finite number, found {shown(record)}") from None


def count_values(text: str) -> int:
    """Values of a JSON text, at most: a bound on its size in memory before it is read.

    Three bytes of `[],` become 64.

    Args:
        text: whole; brackets and commas inside of its strings count as well.
    """
    return sum(map(text.count, "[{,"))


MOST_DEPTH = 20
"""Levels of a JSON value that is read; the files of this plugin have eight."""


def check_finite(record: object, path: Path = ()) -> None:
    """Refuse NaN and infinity, which Python's json reads and JSON has not, and what lies too deep.

    Args:
        record: what JSON held.
        path: where the record stands, for messages.

    Raises:
        DecodeError: the first number that is not finite, or value that lies too deep.
    """
    _check_depth(path)
    if isinstance(record, float) and not math.isfinite(record):
        raise DecodeError(path, f"expected a finite number, found {shown(record)}")
    for place, member in _members(record, path):
        check_finite(member, place)


def _members(record: object, path: Path) -> Iterator[tuple[Path, object]]:
    """Where each member of an object or a list stands, and what it is; none of anything else."""
    if isinstance(record, dict):
        for name, member in record.items():
            yield (*path, name), member
    elif isinstance(record, list):
        for index, member in enumerate(record):
            yield (*path, index), member


def _check_depth(path: Path) -> None:
    if len(path) > MOST_DEPTH:
        raise DecodeError(path, f"nested more than {MOST_DEPTH} levels deep")


def check_characters(record: object, path: Path = ()) -> None:
    """Refuse half of a surrogate pair, which JSON can name and no file of UTF-8 can hold.

    Args:
        record: what JSON held.
        path: where the record stands, for messages.

    Raises:
        DecodeError: the first text or name with one, or value that lies too deep.
    """
    _check_depth(path)
    if isinstance(record, str) and not is_whole(record):
        raise DecodeError(path, f"{shown(record)} has half a character, which no file can hold")
    for name in record if isinstance(record, dict) else ():
        check_characters(name, path)
    for place, member in _members(record, path):
        check_characters(member, place)


def unique_members(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, for `json.loads(…, object_pairs_hook=unique_members)`.

    Two branches that each add the same member may be merged so that it stands twice. json takes the
    last one, and the other would be gone with the next writing.

    Args:
        pairs: name and value of each member.

    Raises:
        ValueError: a name stands twice; says which.
    """
    members = dict(pairs)
    if len(members) < len(pairs):
        twice = next(
            name for name, times in Counter(name for name, _ in pairs).items() if times > 1
        )
        raise ValueError(f"{shown(twice)} stands twice in one object: keep one")
    return members


def is_whole(text: str) -> bool:
    """Whether a text has no half of a surrogate pair, so that UTF-8 can hold it."""
    return text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text)


def shown(value: object) -> str:
    """A JSON value in a message, shortened."""
    import json

    try:
        text = json.dumps(value, ensure_ascii=False, default=repr)
    except RecursionError:
        return "a value that is nested too deeply"
    return text if len(text) <= 40 else f"{text[:37]}..."


def cut(text: str, most: int = 600) -> str:
    """A message of moderate length, whatever it quotes; it is cut in the middle.

    Args:
        text: of the message, in which the hint stands at the end.
        most: characters at most.
    """
    if len(text) <= most:
        return text
    return f"{text[: most // 2]} ... {text[len(text) - most // 3 :]}"
