"""Names that are too long for their column: shortened in the middle, and still told apart.

What tells two models or two parameters apart stands at the ends of their names as a rule: the
owner, the size, the variant.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from pytest_energy.report.printable import is_unicode

ELLIPSIS, PLAIN_ELLIPSIS = "…", "..."


def ellipsis_of(encoding: str) -> str:
    """What stands for what is left out.

    Args:
        encoding: of what is written to.
    """
    return ELLIPSIS if is_unicode(encoding) else PLAIN_ELLIPSIS


def shortened(names: Iterable[str], width: int, ellipsis: str = ELLIPSIS) -> Mapping[str, str]:
    """Each name in at most so many columns, with both of its ends.

    Names that differ stay different. Where they would be cut to the same text, the place where they
    differ is shown in place of some of the ends; where no cut shows it, the names stay long.

    Args:
        names: that stand in one table, printable.
        width: columns.
        ellipsis: what stands for what is left out.

    Returns:
        The shortened texts by name.
    """
    found = {name: _cut(name, width, ellipsis) for name in names}
    same = defaultdict(list)
    for name, text in found.items():
        same[text].append(name)
    for group in same.values():
        if len(group) > 1:
            found |= _told_apart(group, width, ellipsis)
    return found


def columns(text: str) -> int:
    """Columns of a text on a terminal; letters of some scripts take two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _cut(name: str, width: int, ellipsis: str, head: int | None = None) -> str:
    """A name with its middle left out; `head` columns of its beginning are kept, half when None."""
    if columns(name) <= width:
        return name
    room = max(2, width - len(ellipsis))
    head = room // 2 if head is None else head
    return _first(name, head) + ellipsis + _last(name, room - head)


def _told_apart(group: list[str], width: int, ellipsis: str) -> dict[str, str]:
    """Names that are the same when they are cut in the middle, cut elsewhere."""
    room = max(2, width - len(ellipsis))
    least = max(1, room // 4)
    # Nearest to the middle first: neither end is given up before it has to be.
    for head in sorted(range(least, room - least + 1), key=lambda each: abs(2 * each - room)):
        cut = {name: _cut(name, width, ellipsis, head) for name in group}
        if len(set(cut.values())) == len(group):
            return cut
    end, inner = room // 4, room - len(ellipsis) - 2 * (room // 4)
    places = (place for place, each in enumerate(zip(*group, strict=False)) if len(set(each)) > 1)
    # Where one begins like another, and the rest is its repetition, no place shows the difference.
    begin = next(places, None)
    if end and inner > 0 and begin is not None:
        cut = {
            name: _first(name, end)
            + ellipsis
            + _first(name[max(0, begin - inner // 4) :], inner)
            + ellipsis
            + _last(name, end)
            for name in group
        }
        if len(set(cut.values())) == len(group):
            return cut
    return {name: name for name in group}


def _first(text: str, width: int) -> str:
    """As much of the beginning as fits."""
    if text.isascii():
        return text[:width]
    end = 0
    while end < len(text) and columns(text[: end + 1]) <= width:
        end += 1
    return text[:end]


def _last(text: str, width: int) -> str:
    """As much of the end as fits."""
    if text.isascii():
        return text[len(text) - width :] if width else ""
    begin = len(text)
    while begin > 0 and columns(text[begin - 1 :]) <= width:
        begin -= 1
    return text[begin:]
