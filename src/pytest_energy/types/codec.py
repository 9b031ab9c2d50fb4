"""Dataclasses as JSON-able values and back: how they travel between processes and into files.

One codec for all of them, driven by their annotations. cattrs and msgspec do the same; either would
be one more distribution in every installation.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
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
        super().__init__(problem)
        self.path = path
        self.problem = problem

    def __str__(self) -> str:
        return cut(f"{'.'.join(map(str, self.path)) or 'the value'}: {self.problem}")

    def lies_in(self, *path: str | int) -> None:
        """Put what holds it before the place: it is built on the way up, and only of an error."""
        self.path = (*path, *self.path)


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
    decoder: _Decoder = _decoder(kind)  # type: ignore[arg-type]  # a class can be hashed
    try:
        decoded: T = decoder(record)
    except DecodeError as error:
        error.lies_in(*path)
        raise
    return decoded


_Decoder = Callable[[Any], Any]


@cache
def _decoder(kind: Any) -> _Decoder:
    """What turns a JSON value into one of a kind; each kind's annotations are read once."""
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        return _of_dataclass(kind)
    if origin in (Union, UnionType):
        (only,) = (argument for argument in arguments if argument is not NoneType)
        decode_only = _decoder(only)
        if NoneType not in arguments:
            return decode_only
        return lambda record: None if record is None else decode_only(record)
    if origin in (tuple, Sequence):
        if len(arguments) == 1 or arguments[1:] == (Ellipsis,):
            return _of_list(_decoder(arguments[0]))
        return _of_row(tuple(map(_decoder, arguments)))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _of_mapping(_decoder(arguments[1]))
    if issubclass(kind, StrEnum):
        return _of_enumeration(kind)
    return _of_scalar(kind)


def _of_dataclass(kind: Any) -> _Decoder:
    required = [
        field.name
        for field in fields(kind)
        if field.default is MISSING and field.default_factory is MISSING
    ]
    hints = get_type_hints(kind)
    # A class may hold itself: its decoder is asked for when the first record comes.
    decoders: dict[str, _Decoder] = {}

    def decode_members(record: Any) -> Any:
        if not isinstance(record, dict):
            raise DecodeError((), f"expected an object, found {shown(record)}")
        if not decoders:
            decoders.update((field.name, _decoder(hints[field.name])) for field in fields(kind))
        members = {}
        name = ""
        try:
            for name, decode_member in decoders.items():
                if name in record:
                    members[name] = decode_member(record[name])
        except DecodeError as error:
            error.lies_in(name)
            raise
        for name in required:
            if name not in members:
                raise MissingMemberError((), name)
        return kind(**members)

    return decode_members


def _of_list(decode_one: _Decoder) -> _Decoder:
    def decode_all(record: Any) -> Any:
        if not isinstance(record, list):
            raise DecodeError((), f"expected a list, found {shown(record)}")
        members: list[Any] = []
        try:
            for one in record:
                members.append(decode_one(one))
        except DecodeError as error:
            error.lies_in(len(members))
            raise
        return tuple(members)

    return decode_all


def _of_row(decoders: tuple[_Decoder, ...]) -> _Decoder:
    """A list that has one member of each kind."""

    def decode_row(record: Any) -> Any:
        if not isinstance(record, list):
            raise DecodeError((), f"expected a list, found {shown(record)}")
        if len(record) != len(decoders):
            raise DecodeError((), f"expected {len(decoders)} members, found {shown(record)}")
        members: list[Any] = []
        try:
            for decode_one, one in zip(decoders, record, strict=True):
                members.append(decode_one(one))
        except DecodeError as error:
            error.lies_in(len(members))
            raise
        return tuple(members)

    return decode_row


def _of_mapping(decode_one: _Decoder) -> _Decoder:
    def decode_all(record: Any) -> Any:
        if not isinstance(record, dict):
            raise DecodeError((), f"expected an object, found {shown(record)}")
        members = {}
        name = ""
        try:
            for name, one in record.items():
                members[name] = decode_one(one)
        except DecodeError as error:
            error.lies_in(name)
            raise
        return members

    return decode_all


def _of_enumeration(kind: type[StrEnum]) -> _Decoder:
    known = {member.value: member for member in kind}

    def decode_member(record: Any) -> Any:
        if not isinstance(record, str) or record not in known:
            raise DecodeError((), f"expected one of {', '.join(kind)}, found {shown(record)}")
        return known[record]

    return decode_member


_SCALARS: dict[Any, tuple[type | UnionType, str]] = {
    bool: (bool, "true or false"),
    int: (int, "a whole number"),
    float: (int | float, "a number"),
    str: (str, "a text"),
}


def _of_scalar(kind: Any) -> _Decoder:
    accepted, expected = _SCALARS[kind]

    def decode_scalar(record: Any) -> Any:
        if type(record) is kind:
            return record
        # A bool is an int to Python, and no number in JSON.
        if not isinstance(record, accepted) or isinstance(record, bool):
            raise DecodeError((), f"expected {expected}, found {shown(record)}")
        try:
            return float(record) if kind is float else record  # type: ignore[arg-type]
        except OverflowError:
            problem = f"expected a finite number, found {shown(record)}"
            raise DecodeError((), problem) from None

    return decode_scalar


def count_values(text: str) -> int:
    """Values of a JSON text, at most: a bound on its size in memory before it is read.

    Three bytes of `[],` become 64.

    Args:
        text: whole; brackets and commas inside of its strings count as well.
    """
    return sum(map(text.count, "[{,"))


MOST_DEPTH = 20
"""Levels of a JSON value that is read; the files of this plugin have eight."""


def check_values(record: object, path: Path = ()) -> None:
    """`check_finite` and `check_characters`, of a record that is most probably as it should be.

    Args:
        record: what JSON held.
        path: where the record stands, for messages.

    Raises:
        DecodeError: the first number that is not finite, else the first text or name with half a
            character, or value that lies too deep.
    """
    if not _is_sound(record, MOST_DEPTH - len(path)):
        check_finite(record, path)
        check_characters(record, path)


def _is_sound(record: object, depth: int) -> bool:
    """Whether nothing is to be refused; level by level: no place is needed."""
    level: list[object] = [record]
    for _ in range(depth + 1):
        below: list[object] = []
        for one in level:
            if isinstance(one, str):
                if not is_whole(one):
                    return False
            elif isinstance(one, float):
                if not math.isfinite(one):
                    return False
            elif isinstance(one, dict):
                if not all(map(is_whole, one)):
                    return False
                below.extend(one.values())
            elif isinstance(one, list):
                below.extend(one)
        if not below:
            return True
        level = below
    return False


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
