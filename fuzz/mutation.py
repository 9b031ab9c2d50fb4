"""Inputs made from valid ones: JSON is changed as a tree, so that what is made is nearly right."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

NUMBERS = (
    0, -0.0, 1, -1, 2, 0.5, 1e-7, 5e-324, 1e-320, 2.2e-308, 1e12, 1e13, 1e15, 1e16, 1e30, 1e31,
    1e154, 1e300, 1.7976931348623157e308, 2**31, 2**63, 2**64, 10**30, 10**400, 10**4000,
    float("nan"), float("inf"), float("-inf"),
)  # fmt: skip
TEXTS = (
    "", " ", "0", "-1", "1e999", "nan", "inf", "NaN", "-Infinity", "1_000", "²", "٣", "0x10",
    "1" * 5000, "1e-400", "1e999999999", "\x00", "\x1b[2J", "\x7f", "\x9b", "\u202e", "\ud800",
    "\U0001f600", "é", "\n", "a\nb", "x" * 300, "x" * 5000, "../../x", "#", "::", "[",
    "t.py::test_x", "2026-03-04T05:06:07Z", "0001-01-01", "9999-12-31T23:59:59Z",
    "package-0", "dram", "psys", "inference", "token", "training", "steady", "counter", "estimated",
    "max", "2 3", "0 0", "1 0", "S 1 " + "9" * 400,
)  # fmt: skip
OTHERS = ("null", "true", "false", "[]", "{}", "[[]]", "[{}]", '{"": ""}')
"""As JSON, so that each is made anew: they are changed in their turn."""

MOST_MEMBERS = 1500
"""Of a tree that is changed once more: lists that are repeated in lists that are repeated grow."""


def changed(data: bytes, seed: int, most: int, raw: Callable[[bytes], bytes]) -> bytes:
    """An input like another one.

    Args:
        data: the other one.
        seed: of what is changed.
        most: bytes at most.
        raw: changes bytes that are no JSON, and now and then others.
    """
    chance = random.Random(seed)
    try:
        tree = json.loads(data)
        scalar = not isinstance(tree, dict | list)
    except (ValueError, RecursionError):
        scalar = True
    if scalar or chance.random() < 0.1:
        return raw(data)
    try:
        for _ in range(chance.choice((1, 1, 1, 2, 3, 5))):
            tree = _changed(tree, chance)
        text = json.dumps(
            tree, ensure_ascii=chance.random() < 0.5, indent=chance.choice((None, 1, 2))
        )
    except (RecursionError, ValueError):  # too deep, or more digits than Python writes
        return raw(data)
    if chance.random() < 0.02:
        text = _rewritten(text, chance)
    made = text.encode("utf-8", "surrogatepass")
    return made if len(made) <= most else data


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """Every container and the name or position of each of its members."""
    found: list[tuple[Any, Any]] = []
    waiting = [tree] if isinstance(tree, dict | list) else []
    while waiting:
        one = waiting.pop()
        names = list(one) if isinstance(one, dict) else range(len(one))
        for name in names:
            found.append((one, name))
            if isinstance(one[name], dict | list):
                waiting.append(one[name])
    return found


def _changed(tree: Any, chance: random.Random) -> Any:
    places = _places(tree)
    if not places:
        return json.loads(chance.choice(OTHERS))
    if len(places) > MOST_MEMBERS:
        return tree
    holder, name = chance.choice(places)
    value = holder[name]
    kind = chance.randrange(12)
    if kind <= 2:
        holder[name] = _scalar(value, chance)
    elif kind == 3:  # figures that must agree are changed together
        new = _scalar(value, chance)
        new = new[:100] if isinstance(new, str) else new
        for other, at in places:
            if isinstance(other[at], type(value)) and other[at] == value:
                other[at] = new
    elif kind == 4:
        del holder[name]
    elif kind == 5 and isinstance(holder, dict):
        new_name = chance.choice((*TEXTS, *(str(at) for _, at in places)))
        holder[new_name] = holder.pop(name)
    elif kind == 6:  # something from elsewhere
        other, at = chance.choice(places)
        holder[name] = json.loads(json.dumps(other[at]))
    elif kind == 7:
        holder[name] = json.loads(chance.choice(OTHERS))
    elif kind == 8 and isinstance(holder, list):
        holder.insert(name, json.loads(json.dumps(value)))
    elif kind == 8 and isinstance(holder, dict):
        holder[chance.choice((*TEXTS, f"{name}#", f"{name}2"))] = json.loads(json.dumps(value))
    elif kind == 9 and isinstance(value, list):
        holder[name] = value * chance.choice((0, 2, 3, 20 if len(places) < 200 else 1))
    elif kind == 10 and chance.random() < 0.2:
        for _ in range(chance.choice((1, 10, 300, 900, 990, 1000))):
            value = [value] if chance.random() < 0.5 else {"a": value}
        holder[name] = value
    elif isinstance(value, str) and value:
        at = chance.randrange(len(value) + 1)
        holder[name] = value[:at] + chance.choice(TEXTS) + value[at + chance.randrange(3) :]
    else:
        holder[name] = _scalar(value, chance)
    return tree


def _scalar(value: Any, chance: random.Random) -> Any:
    if isinstance(value, int | float) and chance.random() < 0.7:
        try:
            near = (value * 2, value / 3, -value, value + 1, value * 1.0001, float(value))
        except OverflowError:  # an int that no float can hold
            near = ()
        return chance.choice((*NUMBERS, *near))
    return chance.choice((*NUMBERS, *TEXTS, None, True, False))


def _rewritten(text: str, chance: random.Random) -> str:
    """JSON that no program writes: numbers and names in other forms, members twice."""
    return chance.choice(
        (
            "\ufeff" + text,
            text.replace("1", "1" * 5000, 1),
            text.replace("{", '{"schema": 2, ', 1),
            text.replace("{", '{"a": 1, "a": 2, ', 1),
            text[: chance.randrange(len(text) + 1)],
            text + "\n" + text,
            text.replace("\n", "\r\n"),
            "<<<<<<< HEAD\n" + text,
            text.replace(".", ".0e0", 1),
        )
    )


def smaller(data: bytes, still: Callable[[bytes], bool], tries: int = 500) -> bytes:
    """An input with less in it that does the same.

    Args:
        data: the input.
        still: whether another one does.
        tries: at most.
    """
    left = iter(range(tries))

    def does(made: bytes) -> bool:
        return next(left, None) is not None and still(made)

    try:
        tree = json.loads(data)
        paths = list(_paths(tree))
        if not does(_dumped(tree)):
            return _fewer_bytes(data, does)
    except (ValueError, RecursionError):
        return _fewer_bytes(data, does)
    for change in (_without, _shorter):
        for path in paths:
            made = change(tree, path)
            if made is not None and does(_dumped(made)):
                tree = made
    return _dumped(tree)


def _dumped(tree: Any) -> bytes:
    return json.dumps(tree).encode()


def _paths(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Places of all members, those at the end of a list first: so no other's position moves."""
    members = (
        list(tree.items())
        if isinstance(tree, dict)
        else list(enumerate(tree))[::-1]
        if isinstance(tree, list)
        else []
    )
    for name, member in members:
        yield (*path, name)
        yield from _paths(member, (*path, name))


def _without(tree: Any, path: tuple[Any, ...]) -> Any | None:
    """A copy without a member; None where it is gone already."""
    copy = json.loads(_dumped(tree))
    try:
        holder = copy
        for step in path[:-1]:
            holder = holder[step]
        del holder[path[-1]]
    except (LookupError, TypeError):
        return None
    return copy


def _shorter(tree: Any, path: tuple[Any, ...]) -> Any | None:
    """A copy with half of a long text."""
    copy = json.loads(_dumped(tree))
    try:
        holder = copy
        for step in path[:-1]:
            holder = holder[step]
        value = holder[path[-1]]
        if not isinstance(value, str) or len(value) < 16:
            return None
        holder[path[-1]] = value[: len(value) // 2]
    except (LookupError, TypeError):
        return None
    return copy


def _fewer_bytes(data: bytes, does: Callable[[bytes], bool]) -> bytes:
    size = len(data) // 2
    while size:
        at = 0
        while at < len(data):
            made = data[:at] + data[at + size :]
            if does(made):
                data = made
            else:
                at += size
        size //= 2
    return data
