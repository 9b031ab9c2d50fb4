"""What has changed of exact counts, in words: the figures, the places and the functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pytest_energy.report.shortening import ELLIPSIS, columns, shortened
from pytest_energy.types.counts import OTHERS, CallChange, CountsChange, Culprit, Work
from pytest_energy.types.units import (
    format_bytes,
    format_change,
    format_count,
    format_flops,
    format_percent,
    significant,
)

WIDTH = 87
"""Columns of a line at most: with the labels at its left it has 100."""

INDICES = frozenset({"bool", "int32", "int64", "uint8"})
"""Dtypes of masks, indices and raw bytes, which say nothing of how a model computes."""

AS_MUCH = 0.5
"""Operations are shown unless something else has changed more than twice as much."""


def figures(change: CountsChange) -> str:
    """What has changed of each kind: `FLOPs +1,308 %, bytes +105 %, operator calls +29 %`.

    Args:
        change: of a comparison, or the reason why there was none.
    """
    if change.problem:
        return f"not compared: {change.problem}"
    if change.unchanged:
        count = change.samples
        return f"counts unchanged ({count} sample{'s' * (count != 1)})"
    kinds = (
        ("FLOPs", change.flops),
        ("bytes", change.bytes),
        ("operator calls", change.calls),
        ("Python calls", change.python_calls),
    )
    told = [f"{name} {exact_change(fraction)}" for name, fraction in kinds if fraction]
    return ", ".join(told) or "the same sums, of other operators or other samples"


def exact_change(fraction: float) -> str:
    """A change without noise, however small: `+1,308 %`, `+105 %`, `+1.1 %`, `+0.0012 %`.

    Args:
        fraction: 0.148 is +14.8 %.
    """
    percent = abs(fraction) * 100
    if percent >= 99.95:
        return f"{fraction * 100:+,.0f} %"
    if percent >= 0.095:
        return format_change(fraction)
    return f"{'-' if fraction < 0 else '+'}{significant(percent, 2)} %"


def culprit_lines(change: CountsChange) -> list[str]:
    """A line for each module or operator: `61 %  BertModel.encoder.layer.[0-5]: 1 -> 2 GFLOP`.

    Args:
        change: of a comparison.
    """
    shares = [format_percent(float(f"{one.share:.2g}")) for one in change.culprits]
    width = max(map(len, shares), default=0)
    return [
        _culprit(f"{share:>{width}}  ", one)
        for share, one in zip(shares, change.culprits, strict=True)
    ]


def _culprit(share: str, culprit: Culprit) -> str:
    told = f": {what_changed(culprit)}"
    if culprit.operator == OTHERS:
        return f"{share}many small operators{told}"
    operator = f" ({culprit.operator})" if culprit.operator else ""
    module = culprit.module or "outside of modules"
    room = WIDTH - columns(share + operator + told)
    return f"{share}{short_module(module, room)}{operator}{told}"


def what_changed(culprit: Culprit) -> str:
    """What there is to say of a module or operator: `141 MFLOP -> 2.00 GFLOP`.

    Its dtypes where they are others, and of operations, bytes and calls what has changed most;
    where all that is as it was, its operators.

    Args:
        culprit: with both sides.
    """
    dtypes = _dtypes(culprit)
    kinds: tuple[tuple[Callable[[Work], int], Callable[[int, int], str]], ...] = (
        (lambda work: work.flops, lambda old, new: f"{format_flops(old)} -> {format_flops(new)}"),
        (lambda work: work.bytes, lambda old, new: f"{format_bytes(old)} -> {format_bytes(new)}"),
        (lambda work: work.calls, lambda old, new: f"{_number(old)} -> {_number(new)} calls"),
    )
    moved = [_moved(count(culprit.before), count(culprit.after)) for count, _ in kinds]
    if dtypes:
        moved[1] = 0.0  # the bytes follow from them
    first = next((i for i in range(3) if moved[i] and moved[i] >= AS_MUCH * max(moved)), None)
    if first is None:
        return dtypes or _operators(culprit) or "the same counts"
    count, words = kinds[first]
    told = words(count(culprit.before), count(culprit.after))
    return f"{dtypes}, {told}" if dtypes else told


def _moved(before: int, after: int) -> float:
    """By how much something rose or fell, as a share of the larger figure."""
    return abs(after - before) / max(before, after, 1)


def _dtypes(culprit: Culprit) -> str:
    """Which dtypes have changed; empty where none, or all of it is new or gone."""
    before, after = ({*each} - INDICES for each in (culprit.dtypes_before, culprit.dtypes_after))
    if before == after or not before or not after:
        return ""
    gone, come = " and ".join(sorted(before - after)), " and ".join(sorted(after - before))
    if gone and come:
        return f"{gone} -> {come}"
    return f"in {come} too" if come else f"no longer in {gone}"


def _operators(culprit: Culprit) -> str:
    """Which operator has taken the place of another; empty where none, or it is of several."""
    gone, come = culprit.operators_gone, culprit.operators_new
    return f"{gone[0]} -> {come[0]}" if len(gone) == len(come) == 1 else ""


def function_lines(change: CountsChange) -> list[str]:
    """A line for each function: `model.py:run calls tokens.py:split 1 -> 2 times (+9 calls)`.

    Args:
        change: of a comparison.
    """
    return [_function(one) for one in change.functions]


def _function(one: CallChange) -> str:
    caller = one.caller or "the test"
    more = one.beneath_after - one.beneath_before
    sign = "-" if more < 0 else "+"
    told = (
        f" {_number(one.before)} -> {_number(one.after)} times"
        f" ({sign}{_number(abs(more))} Python calls)"
    )
    room = WIDTH - columns(f" calls {told}")
    caller, callee = _in_columns(caller, one.callee, room)
    return f"{caller} calls {callee}{told}"


def _in_columns(caller: str, callee: str, room: int) -> tuple[str, str]:
    """Two functions in so many columns, with less and less of what tells little."""
    for left, right in _shorter(caller, callee):
        if columns(left) + columns(right) <= room:
            return left, right
    half = max(room // 2, 8)
    wide = max(room - min(columns(left), columns(right)), half)
    left = shortened([left], wide if columns(left) > half else half)[left]
    right = shortened([right], max(room - columns(left), 8))[right]
    return left, right


def _shorter(caller: str, callee: str) -> Iterator[tuple[str, str]]:
    """Two functions without their folders, then without outer functions, then without files."""
    yield caller, callee
    same_file = caller.partition(":")[0] == callee.partition(":")[0]
    callee = _without_folders(callee)
    yield caller, callee
    caller = _without_folders(caller)
    yield caller, callee
    for shorter in (_inner, _without_file) if not same_file else (_without_file, _inner):
        callee = shorter(callee)
        yield caller, callee
    caller = _inner(caller)
    yield caller, callee
    yield _without_file(caller), callee


def _without_folders(function: str) -> str:
    """`base.py:Tokenizer.split` for `transformers/base.py:Tokenizer.split`."""
    file, colon, name = function.partition(":")
    return file.rpartition("/")[2] + colon + name


def _without_file(function: str) -> str:
    """`Tokenizer.split` for `base.py:Tokenizer.split`."""
    return function.partition(":")[2] or function


def _inner(function: str) -> str:
    """`base.py:…split` for `base.py:tokenize.<locals>.split`."""
    file, colon, name = function.rpartition(":")
    outer, inside, kept = name.rpartition(".<locals>.")
    return f"{file}{colon}{ELLIPSIS}{kept}" if inside and outer else function


def short_module(module: str, width: int) -> str:
    """A path in so many columns: its first name and as many of the last ones as there is room for.

    Args:
        module: its path.
        width: columns.
    """
    if columns(module) <= width:
        return module
    first, *names = module.split(".")
    for begin in range(1, len(names)):
        text = ".".join((first, ELLIPSIS, *names[begin:]))
        if columns(text) <= width:
            return text
    last = f"{ELLIPSIS}.{names[-1]}" if names else first
    return last if columns(last) <= width else shortened([last], max(width, 8))[last]


def _number(count: float) -> str:
    """A count per inference: whole ones as they are, others with three digits."""
    if abs(count - round(count)) < 5e-7 * max(1.0, count):
        return f"{count:,.0f}" if count < 999_950 else format_count(count)
    return significant(count) if count < 1000 else format_count(count)
