"""What one test's inference does, as a tree of its model's modules: `pytest-energy explain`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pytest_energy.report.read import Counted
from pytest_energy.types.counts import BUILT_IN, CallRow, Counts, OperatorRow, Work
from pytest_energy.types.units import format_bytes, format_flops, format_joules
from pytest_energy.verdict.counted_energy import (
    coefficients_of,
    counted_joules,
    joules_per_inference,
    operator_joules,
)

LEAST_SHARE = 0.001
"""Of an inference's counted energy: what takes less is summed up in one line."""

MOST_CALLS = 20
"""Lines about Python functions."""


@dataclass(slots=True)
class Node:
    """A module, or an operator in it.

    Args:
        name: in its parent.
        joules: counted energy of all below, over all counted samples.
        work: the same in counts, without Python calls.
        children: by name.
    """

    name: str
    joules: float = 0.0
    work: Work = field(default_factory=Work)
    children: dict[str, Node] = field(default_factory=dict)

    def add(self, row: OperatorRow, joules: float) -> None:
        """Add what a row did to this node's own sum."""
        self.joules += joules
        self.work = self.work + Work(row.flops, row.bytes, row.calls)

    def child(self, name: str) -> Node:
        """The child of a name; a new one where there is none."""
        return self.children.setdefault(name, Node(name))


def tree_of(counts: Counts) -> Node:
    """All operators by module: the root stands for everything that torch did.

    Args:
        counts: of at least one sample.
    """
    by = coefficients_of(counts.device)
    root = Node("")
    for row in counts.operators:
        joules = operator_joules(row, by)
        root.add(row, joules)
        node = root
        dtype = f" {row.dtype}" if row.dtype else ""
        for name in (
            (*row.module.split("."), f"{row.operator}{dtype}")
            if row.module
            else (
                "(outside of modules)",
                f"{row.operator}{dtype}",
            )
        ):
            node = node.child(name)
            node.add(row, joules)
    return root


def page(counted: Counted) -> Iterator[str]:
    """All that there is to say of a test.

    Args:
        counted: with or without joules.
    """
    counts, joules = counted.counts, counted.joules_per_inference
    samples = len(counts.samples)
    whole = joules
    if joules is None:
        whole = joules_per_inference(counts)
    how = "counted" if joules is None else "as the run metered it"
    yield f"{counted.subject.key}: {format_joules(whole or 0.0)} per {counted.subject.act}, {how}"
    versions = ", ".join(f"{name} {version}" for name, version in sorted(counts.versions.items()))
    yield f"{samples} sample{'s' * (samples != 1)} counted on {counts.device} ({versions})"
    if joules is not None:
        yield "the joules are shared out by counted energy, which is a model and no measurement"
    for name, why in (
        ("operators", counts.operators_unavailable),
        ("Python calls", counts.python_unavailable),
    ):
        if why:
            yield f"{name} were not counted: {why}"
    if counts.without_formula:
        yield f"without a formula for their operations: {', '.join(counts.without_formula)}"
    yield from counts.notes
    yield ""
    yield from lines(counts, joules)


def lines(counts: Counts, measured: float | None) -> Iterator[str]:
    """The tree, a line for each module and operator, largest first; then Python's calls.

    Args:
        counts: of at least one sample.
        measured: joules per inference, to be shared out; None where nothing was metered, so that
            the counted energy stands in their place.
    """
    by = coefficients_of(counts.device)
    inferences, python_calls = counts.inferences, counts.total.python_calls
    total = counted_joules(counts.operators, python_calls, by)
    if not total:
        yield "nothing was counted that takes energy"
        return
    whole = total / inferences if measured is None else measured
    yield f"{'share':>7}  {'energy':>8}  {'FLOPs':>11}  {'bytes':>8}  {'calls':>7}"

    def line(joules: float, work: Work, depth: int, name: str) -> str:
        share = joules / total
        energy = format_joules(share * whole)
        flops = format_flops(work.flops / inferences) if work.flops else "-"
        size = format_bytes(work.bytes / inferences) if work.bytes else "-"
        calls = f"{work.calls / inferences:,.4g}" if work.calls else "-"
        indent = "  " * depth
        return (
            f"{100 * share:5.1f} %  {energy:>8}  {flops:>11}  {size:>8}  {calls:>7}  {indent}{name}"
        )

    def below(node: Node, depth: int) -> Iterator[str]:
        ordered = sorted(node.children.values(), key=lambda one: (-one.joules, one.name))
        small = [one for one in ordered if one.joules < LEAST_SHARE * total]
        for one in ordered[: len(ordered) - len(small)]:
            name, shown = one.name, one
            while len(shown.children) == 1 and not shown.name.startswith("("):
                (shown,) = shown.children.values()
                name += f" · {shown.name}" if "::" in shown.name else f".{shown.name}"
            yield line(one.joules, one.work, depth, name)
            yield from below(shown, depth + 1)
        if small:
            work = sum((one.work for one in small), Work())
            yield line(sum(one.joules for one in small), work, depth, f"({len(small)} smaller)")

    yield from below(tree_of(counts), 0)
    if python_calls:
        of_python = python_calls * by.joules_per_python_call
        calls = f"Python: {python_calls / inferences:,.6g} calls"
        yield line(of_python, Work(), 0, calls)
        yield from _python_lines(counts.python, inferences)


def _python_lines(rows: Sequence[CallRow], inferences: int) -> Iterator[str]:
    """Who calls whom, with the most calls beneath first."""
    yield ""
    yield f"{'calls':>9}  {'beneath':>9}"
    for row in rows[:MOST_CALLS]:
        callee = "built-in functions" if row.callee == BUILT_IN else row.callee
        caller = row.caller or "(the loop)"
        counts = f"{row.calls / inferences:>9,.6g}  {row.beneath / inferences:>9,.6g}"
        yield f"{counts}  {caller} -> {callee}"
    if len(rows) > MOST_CALLS:
        yield f"{'':>20}  ({len(rows) - MOST_CALLS} more)"
