"""Layers of a model that do the same, told in one row: `encoder.layer.[0-5].attention`. Pure."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import TypeVar

from pytest_energy.types.counts import OperatorRow

_RANGE = re.compile(r"\[([0-9]+(?:-[0-9]+)?(?:,[0-9]+(?:-[0-9]+)?)*)\]")

ANY_LAYER = "[*]"
"""In the place of a layer's number: of the layers that have no row of their own, all together."""

Alike = TypeVar("Alike", bound=Hashable)


def fold(items: Iterable[tuple[str, Alike]]) -> list[tuple[str, Alike, int]]:
    """Things in modules, of which those that are equal and differ in a layer's number are one.

    Args:
        items: module and thing; no two of them are the same.

    Returns:
        The folded module, the thing, and for how many it stands.
    """
    current = [(tuple(module.split(".")), thing, 1) for module, thing in items]
    deepest = max((len(path) for path, _, _ in current), default=0)
    for place in reversed(range(deepest)):
        groups: dict[Hashable, list[tuple[tuple[str, ...], Alike, int]]] = {}
        for position, (path, thing, times) in enumerate(current):
            alike: Hashable = position
            if place < len(path) and path[place].isdecimal():
                alike = (path[:place], path[place + 1 :], thing, times)
            groups.setdefault(alike, []).append((path, thing, times))
        current = [_as_one(members, place) for members in groups.values()]
    return [(".".join(path), thing, times) for path, thing, times in current]


def _as_one(
    members: Sequence[tuple[tuple[str, ...], Alike, int]], place: int
) -> tuple[tuple[str, ...], Alike, int]:
    path, thing, times = members[0]
    if len(members) == 1:
        return members[0]
    numbers = sorted(int(each[place]) for each, _, _ in members)
    folded_path = (*path[:place], f"[{_ranges(numbers)}]", *path[place + 1 :])
    return folded_path, thing, times * len(members)


def folded(rows: Sequence[OperatorRow]) -> list[OperatorRow]:
    """Rows of which those that differ in a layer's number alone are one, with the sum of them.

    Args:
        rows: one for each module, operator and dtype.
    """
    return [
        replace(
            row,
            module=module,
            flops=row.flops * times,
            bytes=row.bytes * times,
            calls=row.calls * times,
        )
        for module, row, times in fold((row.module, replace(row, module="")) for row in rows)
    ]


def unfolded(rows: Iterable[OperatorRow]) -> Iterator[OperatorRow]:
    """One row for each layer again.

    Args:
        rows: as `folded` returns them.
    """
    for row in rows:
        names = layers_of(row.module)
        count = len(names)
        for name in names:
            yield replace(
                row,
                module=name,
                flops=row.flops // count,
                bytes=row.bytes // count,
                calls=row.calls // count,
            )


def layers_of(module: str) -> list[str]:
    """The modules that a folded path stands for; itself where nothing is folded."""
    parts = []
    for part in module.split("."):
        match = _RANGE.fullmatch(part)
        parts.append(_numbers(match[1]) if match else [part])
    return [".".join(path) for path in product(*parts)]


def any_layer(module: str) -> str:
    """The path of a module without the numbers of its layers: `encoder.layer.[*].attention`.

    Args:
        module: a path, folded or not; one without numbers is returned as it is.
    """
    return ".".join(
        ANY_LAYER if part.isdecimal() or _RANGE.fullmatch(part) else part
        for part in module.split(".")
    )


def layer_count(module: str) -> int:
    """How many modules a folded path stands for, found without naming them.

    Args:
        module: as a file has it, which may have been edited.

    Raises:
        ValueError: a range that ends before it begins, or with a number of thousands of digits.
    """
    count = 1
    for part in module.split("."):
        if match := _RANGE.fullmatch(part):
            runs = [run.partition("-") for run in match[1].split(",")]
            sizes = [int(last or first) - int(first) + 1 for first, _, last in runs]
            if min(sizes) < 1:
                raise ValueError(f"{part} has a range that ends before it begins")
            count *= sum(sizes)
    return count


def _ranges(numbers: Sequence[int]) -> str:
    """`0-2,4` for 0, 1, 2 and 4."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def _numbers(ranges: str) -> list[str]:
    """The inverse of `_ranges`."""
    found: list[str] = []
    for run in ranges.split(","):
        first, _, last = run.partition("-")
        found += map(str, range(int(first), int(last or first) + 1))
    return found
