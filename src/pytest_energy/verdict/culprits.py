"""Which modules and operators account for a change of counted energy. Pure.

Rows of both sides are compared layer by layer, and layers that changed alike are folded again. The
tree of the modules that changed is then descended from its roots, as long as few places account for
most of the change.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from pytest_energy.types.counts import (
    MOST_OPERATOR_ROWS,
    OTHERS,
    SMALLEST_ROW,
    Coefficients,
    Culprit,
    OperatorRow,
    Work,
)
from pytest_energy.types.layers import any_layer, fold, layers_of, unfolded
from pytest_energy.verdict.count_rows import over_layers
from pytest_energy.verdict.counted_energy import operator_joules

MOST_CULPRITS = 3

MOST_OF_IT = 0.8
"""Share of a change that its culprits account for together, where so few can."""

NOTICED = 0.05
"""Share of a change under which a module is not followed further."""

NAMED = 0.01
"""Share of a change under which nothing is named."""

ALIKE = 1.5
"""Parts changed alike where the shares by which they rose or fell differ by this factor at most."""

NEARLY_ALL = 0.9
"""Share of a module's counted energy that has to have changed alike, for the module to be named in
place of its parts."""

REPLACED = 0.25
"""Share of what changed in a module that has to vanish, and to appear, for its parts to have been
replaced by others: then the module is named."""

Path = tuple[str, ...]
Rows = tuple[OperatorRow, ...]


def culprits(
    before: Sequence[OperatorRow],
    now: Sequence[OperatorRow],
    inferences: int,
    by: Coefficients,
    joules_before: float,
    joules: float,
) -> tuple[Culprit, ...]:
    """Modules and operators that account for most of a change, at most three, largest first.

    Args:
        before: rows as they were stored, the small ones in one.
        now: all rows.
        inferences: that each side is of.
        by: what counts cost.
        joules_before: counted energy per inference before, with that of Python.
        joules: and now.
    """
    largest = max(joules, joules_before) * inferences
    entries, small = _compared(before, now, largest, by)
    model = _Model(entries, by)
    moved = sum(map(model.weight, model.roots))
    change = (joules - joules_before) * inferences
    # Where rises and falls cancel, shares of what is left would say nothing.
    whole = change if abs(change) > moved / 10 else moved
    found = [_culprit(model, place, inferences, whole) for place in _search(model)]
    found = [one for one in found if abs(one.share) >= NAMED]
    if not found:
        pooled = _culprit_of(*small, "", OTHERS, inferences, by, whole)
        found = [pooled] if abs(pooled.share) >= NAMED else []
    return tuple(sorted(found, key=lambda one: -one.share))


def is_same_work(
    before: Sequence[OperatorRow], now: Sequence[OperatorRow], joules: float, by: Coefficients
) -> bool:
    """Whether every operator that has a row of its own did in each module what it did before.

    The sums alone do not tell: another activation reads and writes the same bytes.

    Args:
        before: rows as they were stored, the small ones in one.
        now: all rows.
        joules: counted energy of all inferences before.
        by: what counts cost.
    """
    entries, _ = _compared(before, now, joules, by)
    return all(entry.before == entry.after for entry in entries)


def _compared(
    before: Sequence[OperatorRow], now: Sequence[OperatorRow], joules: float, by: Coefficients
) -> tuple[list[_Entry], tuple[Rows, Rows]]:
    """Both sides by module and operator, and what is small on both.

    Args:
        before: rows as they were stored, the small ones in one.
        now: all rows.
        joules: counted energy of all inferences, of the larger side.
        by: what counts cost.
    """
    stored = list(unfolded(_renamed(before, now)))
    named, small = _split(stored, now, _limit(before, joules, by), by)
    return _entries(stored, named), _pool(stored, small)


# Both sides, row by row


@dataclass(frozen=True, slots=True)
class _Entry:
    """What an operator did in a module, on both sides: a row for each dtype, without the module."""

    path: Path
    operator: str
    before: Rows
    after: Rows


@dataclass(frozen=True, slots=True)
class _Limit:
    """Under what a row of now may be among the stored sum of small ones.

    Args:
        joules: of counted energy.
        calls: of its operator.
    """

    joules: float
    calls: float

    def covers(self, row: OperatorRow, by: Coefficients) -> bool:
        """Whether a row is under it."""
        return operator_joules(row, by) < self.joules and row.calls <= self.calls


def _limit(before: Sequence[OperatorRow], whole: float, by: Coefficients) -> _Limit:
    """Under what a row of now may be among the stored sum of small ones.

    Twice what was stored at least: such a row is no news, it may have grown a little.

    Args:
        before: rows as they were stored.
        whole: counted energy of the larger side.
        by: what counts cost.
    """
    rows = [row for row in before if row.operator != OTHERS]
    if len(rows) == len(before):
        return _Limit(0.0, 0.0)
    if len(before) >= MOST_OPERATOR_ROWS:  # larger ones may be among them, of many calls
        smallest = min(operator_joules(row, by) for row in rows)
        return _Limit(2 * max(smallest, SMALLEST_ROW * whole), math.inf)
    calls = sum(row.calls for row in before)
    return _Limit(2 * SMALLEST_ROW * whole, 2 * SMALLEST_ROW * calls)


def _renamed(before: Sequence[OperatorRow], now: Sequence[OperatorRow]) -> list[OperatorRow]:
    """The rows before, with the name that the model's class has now, where that alone is another.

    Args:
        before: rows as they were stored.
        now: rows now.
    """
    old, new = ({row.module.partition(".")[0] for row in rows} - {""} for rows in (before, now))
    if len(old - new) != 1 or len(new - old) != 1:
        return list(before)
    gone, come = (old - new).pop(), (new - old).pop()
    return [
        replace(row, module=come + row.module.removeprefix(gone))
        if row.module.partition(".")[0] == gone
        else row
        for row in before
    ]


def _split(
    before: Sequence[OperatorRow], now: Sequence[OperatorRow], limit: _Limit, by: Coefficients
) -> tuple[list[OperatorRow], list[OperatorRow]]:
    """Rows of now, layer by layer, and apart those that may be in the stored sum of small ones.

    Layers without a stored row of their own are summed up where those before were, or where
    together they are too much for that sum. What is new in a module that has lost an operator is in
    its place, however small.

    Args:
        before: layer by layer, with sums over layers.
        now: folded, as they would be stored.
        limit: under what a row may be one of those.
        by: what counts cost.
    """
    stored, there = _dtypes_at(before), _dtypes_at(unfolded(now))
    for (module, operator), dtypes in list(there.items()):
        there[any_layer(module), operator] |= dtypes
    lost = {module for module, operator in stored if (module, operator) not in there} - {""}

    def is_known(row: OperatorRow, module: str) -> bool:
        place = module, row.operator
        before = stored.get(place, set())
        return row.dtype in before or bool(before - there.get(place, set())) or module in lost

    named: list[OperatorRow] = []
    rest: list[OperatorRow] = []
    small: list[OperatorRow] = []
    for row in now:
        little = limit.covers(row, by)
        for one in unfolded([row]):
            was_summed = is_known(one, any_layer(one.module))
            is_own = is_known(one, one.module)
            (rest if not is_own and (little or was_summed) else named).append(one)
    for row in over_layers(rest):
        module = any_layer(row.module)
        if is_known(row, module):
            named.append(replace(row, module=module))
        else:
            (small if limit.covers(row, by) else named).append(row)
    return named, small


def _dtypes_at(rows: Iterable[OperatorRow]) -> dict[tuple[str, str], set[str]]:
    """Dtypes of the results of each operator in each module."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        found[row.module, row.operator].add(row.dtype)
    return found


def _entries(before: Sequence[OperatorRow], now: Sequence[OperatorRow]) -> list[_Entry]:
    """Both sides by module and operator."""
    found: dict[tuple[str, str], tuple[list[OperatorRow], list[OperatorRow]]] = {}
    for side, rows in enumerate((before, now)):
        for row in rows:
            if row.operator != OTHERS:
                sides = found.setdefault((row.module, row.operator), ([], []))
                sides[side].append(replace(row, module=""))
    return [
        _Entry(tuple(module.split(".")), operator, _by_dtype(old), _by_dtype(new))
        for (module, operator), (old, new) in found.items()
    ]


def _by_dtype(rows: Iterable[OperatorRow]) -> Rows:
    return tuple(sorted(rows, key=lambda row: row.dtype))


def _pool(before: Sequence[OperatorRow], small: Sequence[OperatorRow]) -> tuple[Rows, Rows]:
    """The small rows of both sides, by dtype."""
    sums: dict[str, OperatorRow] = {}
    for row in small:
        one = sums.setdefault(row.dtype, OperatorRow("", OTHERS, row.dtype, 0, 0, 0))
        sums[row.dtype] = replace(
            one,
            flops=one.flops + row.flops,
            bytes=one.bytes + row.bytes,
            calls=one.calls + row.calls,
        )
    return _by_dtype(row for row in before if row.operator == OTHERS), _by_dtype(sums.values())


def _joules(rows: Iterable[OperatorRow], by: Coefficients) -> float:
    return sum(operator_joules(row, by) for row in rows)


# The tree of modules


@dataclass(slots=True)
class _Node:
    """A module in which something changed, or layers that changed alike.

    Args:
        path: its names, with `[0-5]` for layers.
        operators: change of the counted energy of each of its own operators that changed.
        children: modules in it in which something changed, by name.
    """

    path: Path
    operators: dict[str, float] = field(default_factory=dict)
    children: dict[str, _Node] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Place:
    """What may be named: a module with all that is in it, or some operators of its own.

    Args:
        node: the module.
        operators: None for the whole module.
    """

    node: _Node
    operators: tuple[str, ...] | None = None


@dataclass(slots=True)
class _Module:
    """One module, where nothing is folded.

    Args:
        figures: counted energy before and after, with all that is in it.
        own: that of each of its own operators.
        names: of the modules in it.
    """

    figures: tuple[float, float] = (0.0, 0.0)
    own: dict[str, tuple[float, float]] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)


class _Model:
    """All modules, and the tree of those that changed.

    Args:
        entries: both sides.
        by: what counts cost.
    """

    def __init__(self, entries: Sequence[_Entry], by: Coefficients) -> None:
        self.entries = entries
        self.by = by
        self._weights: dict[tuple[Path, tuple[str, ...] | None], float] = {}
        self._modules: dict[Path, _Module] = defaultdict(_Module)
        for entry in entries:
            self._add(entry)
        top = _Node(())
        changed = (
            (".".join(entry.path), (entry.operator, entry.before, entry.after))
            for entry in entries
            if entry.before != entry.after
        )
        for module, (operator, before, after), times in fold(changed):
            node = top
            for name in module.split("."):
                node = node.children.setdefault(name, _Node((*node.path, name)))
            node.operators[operator] = times * (_joules(after, by) - _joules(before, by))
        self.roots = [_Place(node) for node in top.children.values()]

    def _add(self, entry: _Entry) -> None:
        figures = _joules(entry.before, self.by), _joules(entry.after, self.by)
        self._modules[entry.path].own[entry.operator] = figures
        for depth in range(1, len(entry.path) + 1):
            module = self._modules[entry.path[:depth]]
            module.figures = _plus(module.figures, figures)
            if depth < len(entry.path):
                module.names.add(entry.path[depth])

    def weight(self, place: _Place) -> float:
        """How much changed there, rises and falls alike; what is done in another way counts once.

        Args:
            place: in the tree.
        """
        key = place.node.path, place.operators
        if key not in self._weights:
            self._weights[key] = self._weigh(place.node, place.operators)
        return self._weights[key]

    def _weigh(self, node: _Node, operators: tuple[str, ...] | None) -> float:
        own = node.operators if operators is None else operators
        weight = abs(sum(node.operators[operator] for operator in own))
        if operators is not None:
            return weight
        if self._was_replaced(node):
            before, after = self._figures(node)
            return abs(after - before)
        return weight + sum(self.weight(_Place(child)) for child in node.children.values())

    def parts(self, place: _Place) -> list[_Place]:
        """What can be named in its stead; empty where the place says it best."""
        node = place.node
        if place.operators is None and node.children:
            if self._was_replaced(node) or self._changed_alike(node):
                return []
            own = [_Place(node, tuple(node.operators))] if node.operators else []
            return [*map(_Place, node.children.values()), *own]
        # Of several operators one is named if it alone accounts for most, else the module.
        changes = {operator: abs(node.operators[operator]) for operator in node.operators}
        if place.operators is not None and len(place.operators) == 1:
            return []
        first = max(changes, key=lambda operator: changes[operator])
        alone = changes[first] >= MOST_OF_IT * sum(changes.values())
        return [_Place(node, (first,))] if alone else []

    def _was_replaced(self, node: _Node) -> bool:
        """Whether parts of a module vanished and others appeared."""
        figures = self._inside(node).values()
        vanished = sum(before for before, after in figures if not after)
        appeared = sum(after for before, after in figures if not before)
        changed = sum(abs(after - before) for before, after in figures)
        return changed > 0 and min(vanished, appeared) >= REPLACED * changed

    def _changed_alike(self, node: _Node) -> bool:
        """Whether nearly all of a module changed by the same share, in more than one part."""
        by_part: dict[str, tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
        for (name, _), figures in self._inside(node).items():
            by_part[name] = _plus(by_part[name], figures)
        share = _share(self._figures(node))
        alike = [
            max(figures)
            for figures in by_part.values()
            if 1 / ALIKE <= _quotient(_share(figures), share) <= ALIKE
        ]
        return len(alike) > 1 and sum(alike) >= NEARLY_ALL * sum(map(max, by_part.values()))

    def _figures(self, node: _Node) -> tuple[float, float]:
        """Counted energy of a module before and after."""
        return _plus(*(self._modules[path].figures for path in _paths(node.path)))

    def _inside(self, node: _Node) -> dict[tuple[str, str], tuple[float, float]]:
        """Counted energy of the modules in one, `(name, "")`, and of its own operators."""
        folded_in = {layer: name for name in node.children for layer in layers_of(name)}
        found: dict[tuple[str, str], tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
        for path in _paths(node.path):
            module = self._modules[path]
            for operator, figures in module.own.items():
                found["", operator] = _plus(found["", operator], figures)
            for name in module.names:
                part = folded_in.get(name, name), ""
                found[part] = _plus(found[part], self._modules[*path, name].figures)
        return found

    def rows(self, place: _Place) -> tuple[Rows, Rows]:
        """What was done there, before and after.

        Args:
            place: in the tree.
        """
        paths, depth = set(_paths(place.node.path)), len(place.node.path)
        entries = [
            entry
            for entry in self.entries
            if (entry.path[:depth] in paths if place.operators is None else entry.path in paths)
            and (place.operators is None or entry.operator in place.operators)
        ]
        before = tuple(row for entry in entries for row in entry.before)
        return before, tuple(row for entry in entries for row in entry.after)


def _paths(folded_path: Path) -> list[Path]:
    """The modules that a path stands for."""
    return [tuple(name.split(".")) for name in layers_of(".".join(folded_path))]


def _plus(*figures: tuple[float, float]) -> tuple[float, float]:
    return sum(before for before, _ in figures), sum(after for _, after in figures)


def _share(figures: tuple[float, float]) -> float:
    """By how much it rose or fell, from -1, vanished, to 1, new."""
    before, after = figures
    return (after - before) / max(before, after) if max(before, after) else 0.0


def _quotient(one: float, other: float) -> float:
    return one / other if other else 0.0


# The search


def _search(model: _Model) -> list[_Place]:
    """At most three places that account for most of the change, as deep in the tree as there are.

    Args:
        model: with what changed in it.
    """
    places = sorted(model.roots, key=model.weight, reverse=True)[:MOST_CULPRITS]
    enough = MOST_OF_IT * sum(map(model.weight, model.roots))
    deeper: list[_Place] | None = places
    while deeper is not None:
        places = deeper
        deeper = _descended(model, places, enough)
    return places


def _descended(model: _Model, places: Sequence[_Place], enough: float) -> list[_Place] | None:
    """The places with one of them replaced by its parts; None where they are named as they are."""
    covered = sum(map(model.weight, places))
    noticed = NOTICED * enough / MOST_OF_IT
    options = []
    for place in places:
        others = [each for each in places if each is not place]
        parts = sorted(model.parts(place), key=model.weight, reverse=True)
        parts = [part for part in parts if model.weight(part) >= noticed]
        parts = parts[: MOST_CULPRITS - len(others)]
        left = sum(map(model.weight, (*others, *parts)))
        if parts and left >= min(enough, MOST_OF_IT * covered):
            options.append((len(parts), -model.weight(place), [*others, *parts]))
    # One part in the place of another costs nothing; then the largest first.
    return min(options, key=lambda option: option[:2])[2] if options else None


# What is told of a place


def _culprit(model: _Model, place: _Place, inferences: int, whole: float) -> Culprit:
    operators = place.operators or ()
    operator = operators[0] if len(operators) == 1 else ""
    before, after = model.rows(place)
    module = ".".join(place.node.path)
    return _culprit_of(before, after, module, operator, inferences, model.by, whole)


def _culprit_of(
    before: Rows,
    after: Rows,
    module: str,
    operator: str,
    inferences: int,
    by: Coefficients,
    whole: float,
) -> Culprit:
    change = _joules(after, by) - _joules(before, by)
    old, new = ({row.operator for row in rows} for rows in (before, after))
    return Culprit(
        module,
        operator,
        change / whole if whole else 0.0,
        _per_inference(before, inferences),
        _per_inference(after, inferences),
        _dtypes(before),
        _dtypes(after),
        tuple(sorted(old - new)),
        tuple(sorted(new - old)),
    )


def _per_inference(rows: Rows, inferences: int) -> Work:
    return Work(
        round(sum(row.flops for row in rows) / inferences),
        round(sum(row.bytes for row in rows) / inferences),
        round(sum(row.calls for row in rows) / inferences),
    )


def _dtypes(rows: Rows) -> tuple[str, ...]:
    return tuple(sorted({row.dtype for row in rows} - {""}))
