"""Which Python functions account for a change of the Python calls. Pure.

A function that is called more often calls others more often as well. It was not edited for that:
the cause is where one *entry* of a function makes other calls than it made before.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from pytest_energy.types.counts import MOST_ROWS, SMALLEST_ROW, CallChange, CallRow

MOST_FUNCTIONS = 3

NAMED = 0.01
"""Share of the change of all Python calls under which nothing is named."""

NAMED_UNSURE = 1 / 3
"""The same for what may have another cause; such is named only where nothing else is."""

ACCOUNTED = 0.05
"""Share of the change that may be left: then no more is named."""

Edge = tuple[str, str]
"""Caller and callee."""


def call_changes(
    before: Sequence[CallRow],
    now: Sequence[CallRow],
    inferences: int,
    total_before: int,
    total: int,
) -> tuple[CallChange, ...]:
    """Functions that call others more or less often per entry, at most three, largest first.

    Args:
        before: rows as they were stored, without the small ones.
        now: all rows.
        inferences: that each side is of.
        total_before: all Python calls before.
        total: and now.
    """
    causes = _Causes(before, now, _limit(before, total_before, total))
    change = total - total_before
    own = {edge: causes.own_change(edge) for edge in causes.edges}
    named = [
        edge for edge in own if abs(own[edge]) >= NAMED * abs(change) and causes.is_sure(edge)
    ] or [edge for edge in own if abs(own[edge]) >= NAMED_UNSURE * abs(change)]
    named.sort(key=lambda edge: -abs(own[edge]))
    enough = _accounting(named, own, change)
    return tuple(
        causes.told(edge, inferences) for edge in _of_different_callers(enough)[:MOST_FUNCTIONS]
    )


def _limit(before: Sequence[CallRow], total_before: int, total: int) -> float:
    """Python calls in a row under which it may have been too small to be stored."""
    if sum(row.calls for row in before) == total_before:
        return 0.0
    smallest = min(row.beneath for row in before) if len(before) >= MOST_ROWS else 0
    return max(smallest, SMALLEST_ROW * max(total_before, total))


class _Causes:
    """Both sides of each caller and callee.

    Args:
        before: rows as they were stored.
        now: all rows.
        limit: Python calls in a row under which it may have been too small to be stored.
    """

    def __init__(self, before: Sequence[CallRow], now: Sequence[CallRow], limit: float) -> None:
        self._limit = limit
        self._before = {(row.caller, row.callee): row for row in before}
        self._now: dict[Edge, CallRow] = {}
        self._unknown: set[str] = set()
        ran = {name for edge in self._before for name in edge}
        entered = {callee for _, callee in self._before}
        for row in now:
            edge = row.caller, row.callee
            # Of one that ran already, and whose entries were all too small, these are the ones.
            is_old = row.callee in ran and row.callee not in entered
            if edge in self._before or (row.beneath > limit and not is_old):
                self._now[edge] = row
            else:
                self._unknown.add(row.callee)
        self.edges = list(dict.fromkeys((*self._now, *self._before)))
        self._entries_before = _entries(self._before)
        self._entries = _entries(self._now)
        self._on_both = {edge[0] for edge in self._before} & {edge[0] for edge in self._now}

    def own_change(self, edge: Edge) -> float:
        """Python calls that come of what the caller does in one entry; 0 where it does the same.

        Args:
            edge: of a caller that may be entered more or less often than before.
        """
        caller = edge[0]
        was, is_ = (sum(each[caller].values()) for each in (self._entries_before, self._entries))
        if bool(was) != bool(is_) and caller not in self._on_both:
            return 0.0  # it is new or gone, and so is all that it calls: somebody else's change
        if not (was and is_):
            was = is_ = 1  # nobody calls it: an inference begins with it
        old, new = _figures(self._before.get(edge)), _figures(self._now.get(edge))
        if old[0] == new[0] or old[0] * is_ == new[0] * was:
            return 0.0
        if edge not in self._before and new[1] * was / is_ <= self._limit:
            return 0.0  # with fewer entries it was too small to be stored
        return new[1] - old[1] * is_ / was

    def is_sure(self, edge: Edge) -> bool:
        """Whether the caller's entries are known, and of the same kinds as before.

        Of a function that several others call, each makes it do something else: where their shares
        have changed, so has what it does on average.

        Args:
            edge: of that caller.
        """
        caller = edge[0]
        before, now = self._entries_before[caller], self._entries[caller]
        was, is_ = sum(before.values()), sum(now.values())
        same = all(before[name] * is_ == now[name] * was for name in {*before, *now})
        return caller not in self._unknown and same

    def told(self, edge: Edge, inferences: int) -> CallChange:
        """Both sides of one caller and callee, per inference.

        Args:
            edge: which.
            inferences: that each side is of.
        """
        old, new = _figures(self._before.get(edge)), _figures(self._now.get(edge))
        return CallChange(
            caller=edge[0],
            callee=edge[1],
            before=old[0] / inferences,
            after=new[0] / inferences,
            beneath_before=old[1] / inferences,
            beneath_after=new[1] / inferences,
        )


def _entries(rows: Mapping[Edge, CallRow]) -> dict[str, Counter[str]]:
    """How often each function was called, by caller."""
    entries: dict[str, Counter[str]] = defaultdict(Counter)
    for (caller, callee), row in rows.items():
        entries[callee][caller] += row.calls
    return entries


def _accounting(edges: Iterable[Edge], own: Mapping[Edge, float], change: float) -> list[Edge]:
    """As many of the first edges as account for the change."""
    found: list[Edge] = []
    for edge in edges:
        left = change - sum(own[each] for each in found)
        if abs(left) <= ACCOUNTED * abs(change):
            break
        found.append(edge)
    return found


def _figures(row: CallRow | None) -> tuple[int, int]:
    """Calls, and all Python calls in them."""
    return (row.calls, row.beneath) if row is not None else (0, 0)


def _of_different_callers(edges: Iterable[Edge]) -> list[Edge]:
    """The first edge of each caller, then the others."""
    first: dict[str, Edge] = {}
    others = []
    for edge in edges:
        if first.setdefault(edge[0], edge) != edge:
            others.append(edge)
    return [*first.values(), *others]
