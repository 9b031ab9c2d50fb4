"""What has changed of exact counts since they were stored, at zero tolerance. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_energy.types.counts import (
    DIFFER,
    Coefficients,
    Counts,
    CountsBaseline,
    CountsChange,
    Work,
)
from pytest_energy.types.layers import folded, unfolded
from pytest_energy.verdict.call_changes import call_changes
from pytest_energy.verdict.counted_energy import (
    coefficients_of,
    joules_per_inference,
    operator_joules,
)
from pytest_energy.verdict.culprits import culprits, is_same_work

PYTHON = "python"
"""The version that decides over Python calls alone."""


def best_variant(now: Counts, variants: Sequence[CountsBaseline]) -> CountsBaseline | None:
    """The stored counts that say most of these; None where there are none.

    Those of the same device and versions; else of another Python, whose calls are not compared;
    else the nearest ones, which `compare` refuses with the reason.

    Args:
        now: what was counted.
        variants: stored counts of the same test.
    """

    def nearness(variant: CountsBaseline) -> tuple[bool, int, bool, str]:
        other = _other_versions(variant.counts, now)
        libraries = [name for name in other if name != PYTHON]
        same_device = variant.counts.device == now.device
        return same_device, -len(libraries), PYTHON not in other, variant.date

    return max(variants, key=nearness, default=None)


def as_baseline(
    counts: Counts,
    n: int,
    unit: str = "inference",
    dataset: str = "",
    date: str = "",
    commit: str | None = None,
) -> CountsBaseline:
    """Counts of another run as what is compared with, though nobody has stored them.

    Args:
        counts: of at least one inference.
        n: inferences that the test performed.
        unit: of its figures.
        dataset: as its marker named it.
        date: of the run, ISO 8601; empty where that is not told.
        commit: that it was of.
    """
    by = coefficients_of(counts.device)
    joules = joules_per_inference(counts, by)
    return CountsBaseline(counts, by, joules, n, unit, dataset, date, commit)


def compare(
    now: Counts,
    n: int,
    unit: str,
    dataset: str,
    before: CountsBaseline,
    name: str = "baseline",
) -> CountsChange:
    """What has changed, and where.

    Args:
        now: what was counted.
        n: inferences that the test performs.
        unit: of its figures.
        dataset: as its marker names it.
        before: what it is compared with.
        name: of what it is compared with, in clauses: `baseline` or `base`.
    """
    problem = _why_not(now, n, unit, dataset, before, name)
    kinds, notes = _compared_kinds(now, before.counts, name)
    if not problem and not (kinds.operators or kinds.python):
        problem = "; ".join(notes) or "neither operators nor Python calls were counted"
    if problem:
        return CountsChange(problem=problem)
    return _change(now, before, kinds, (*notes, *_other_notes(now, before.counts)))


@dataclass(frozen=True, slots=True)
class _Kinds:
    """What was counted on both sides, in the same way."""

    operators: bool
    python: bool

    def of(self, work: Work) -> Work:
        """What is compared of it."""
        if not self.operators:
            work = Work(python_calls=work.python_calls)
        return work if self.python else replace(work, python_calls=0)


def _change(
    now: Counts, before: CountsBaseline, kinds: _Kinds, notes: tuple[str, ...]
) -> CountsChange:
    by, stored = before.coefficients, before.counts
    samples = min(len(now.samples), len(stored.samples))
    now_part, stored_part = _first(now, samples), _first(stored, samples)
    inferences = _inferences(now_part)
    joules_before = _joules_before(before, stored_part, kinds)
    joules = _joules(now_part, by, kinds) / inferences
    after, was = kinds.of(now_part.total), kinds.of(stored_part.total)
    rows = stored_part.operators, now_part.operators
    unchanged = list(map(kinds.of, now_part.samples)) == list(map(kinds.of, stored_part.samples))
    if unchanged and kinds.operators and len(now.samples) == len(stored.samples):
        unchanged = is_same_work(*rows, joules_before * inferences, by)
    if unchanged:
        joules = joules_before
    more_python = (after.python_calls - was.python_calls) / inferences * by.joules_per_python_call
    ran = kinds.operators and bool(now_part.operators or stored_part.operators)
    change = CountsChange(
        energy=_fraction(joules, joules_before),
        of_operators=_fraction(joules - more_python, joules_before) if ran else None,
        joules=joules,
        joules_before=joules_before,
        flops=_fraction(after.flops, was.flops),
        bytes=_fraction(after.bytes, was.bytes),
        calls=_fraction(after.calls, was.calls),
        python_calls=_fraction(after.python_calls, was.python_calls),
        unchanged=unchanged,
        samples=samples,
        notes=notes,
    )
    if unchanged:
        return change
    if kinds.operators:
        change = replace(change, culprits=culprits(*rows, inferences, by, joules_before, joules))
    if kinds.python and after.python_calls != was.python_calls:
        calls = stored_part.python, now_part.python
        totals = was.python_calls, after.python_calls
        change = replace(change, functions=call_changes(*calls, inferences, *totals))
    return change


# Whether they can be compared


def _why_not(
    now: Counts, n: int, unit: str, dataset: str, before: CountsBaseline, name: str
) -> str:
    """Why counts cannot be compared at zero tolerance, as a clause; empty where they can."""
    stored = before.counts
    for what, old, new in (
        ("unit", before.unit, unit),
        ("n", f"{before.n:,}", f"{n:,}"),
        ("dataset", before.dataset or "none", dataset or "none"),
    ):
        if old != new:
            return f"the {name}'s {what} was {old}, now {new}"
    if stored.device != now.device:
        return f"the {name}'s counts are of {stored.device}, now of {now.device}"
    other = _other_versions(stored, now)
    libraries = {key: versions for key, versions in other.items() if key != PYTHON}
    if libraries:
        return f"the {name}'s counts are of {_in_words(libraries)}"
    if not now.samples or not stored.samples:
        return "no sample was counted"
    for size, old_size in zip(now.sizes, stored.sizes, strict=False):
        if size != old_size:
            return f"the {name} counted samples of {old_size:,} inferences, now of {size:,}"
    return ""


def _other_versions(before: Counts, now: Counts) -> dict[str, tuple[str, str]]:
    """Versions that differ, by name; what only one side had loaded may have done nothing."""
    return {
        name: (version, now.versions[name])
        for name, version in before.versions.items()
        if name in now.versions and now.versions[name] != version
    }


def _in_words(versions: Mapping[str, tuple[str, str]]) -> str:
    return ", ".join(f"{name} {old}, now {new}" for name, (old, new) in versions.items())


NO_TORCH = "torch was not loaded"
"""Why no operators were counted where none ran."""


def _compared_kinds(now: Counts, before: Counts, name: str) -> tuple[_Kinds, tuple[str, ...]]:
    """What is compared, and why the rest is not, each a clause."""
    notes = []
    operators = not (before.operators_unavailable or now.operators_unavailable)
    if not operators and not (_ran_none(before) and _ran_none(now)):
        notes += _unavailable(
            "operators", before.operators_unavailable, now.operators_unavailable, name
        )
    python = not (before.python_unavailable or now.python_unavailable)
    if not python:
        notes += _unavailable(
            "Python calls", before.python_unavailable, now.python_unavailable, name
        )
    versions = _other_versions(before, now)
    if python and PYTHON in versions:
        python = False
        of = _in_words({"Python": versions[PYTHON]})
        notes.append(f"Python calls do not compare across versions: the {name}'s are of {of}")
    return _Kinds(operators, python), tuple(notes)


def _ran_none(counts: Counts) -> bool:
    """Whether there was no operator to count, torch loaded or not: another test may have."""
    return counts.operators_unavailable in ("", NO_TORCH) and not counts.operators


def _unavailable(what: str, before: str, now: str, name: str) -> list[str]:
    """Why something was not counted on one side or both, or not in the same way by processes."""
    if now.startswith(DIFFER):
        return [f"{what} are not compared: {now}"]
    if before.startswith(DIFFER) and not now:
        return [f"{what} are not compared: the {name}'s{before.removeprefix('they')}"]
    if before and now:
        return [f"{what} were not counted: {now}"]
    if before:
        return [f"the {name} has no {what}: {before}"]
    return [f"{what} were not counted now: {now}"]


def of_no_code(problem: str) -> bool:
    """Whether nothing was compared for no other reason than that processes of one code differ.

    What was not counted on either side (Python calls in an event loop) is no other reason.

    Args:
        problem: of a comparison.
    """
    clauses = problem.split("; ")
    differ = [DIFFER.removeprefix("they ") in clause for clause in clauses]
    on_neither = [" were not counted: " in clause for clause in clauses]
    return any(differ) and all(map(max, differ, on_neither))


def _other_notes(now: Counts, before: Counts) -> list[str]:
    """What else the reader has to know of the comparison, each a clause."""
    notes = []
    many, old_many = len(now.samples), len(before.samples)
    if many != old_many:
        notes.append(
            f"{min(many, old_many):,} samples were compared: {old_many:,} were counted then,"
            f" {many:,} now"
        )
    new = sorted({*now.without_formula} - {*before.without_formula})
    if new:
        notes.append(f"the operations of {', '.join(new)} were not counted, for want of a formula")
    return notes


# Energy


def _fraction(now: float, before: float) -> float | None:
    """The change as a fraction; None of what was 0."""
    return now / before - 1 if before else None


def _inferences(counts: Counts) -> int:
    return counts.inferences or len(counts.samples)


def _joules(counts: Counts, by: Coefficients, kinds: _Kinds) -> float:
    """Counted energy of all samples, of the rows that there are."""
    joules = kinds.of(counts.total).python_calls * by.joules_per_python_call
    if kinds.operators:
        joules += sum(operator_joules(row, by) for row in counts.operators)
    return joules


def _joules_before(before: CountsBaseline, part: Counts, kinds: _Kinds) -> float:
    """Counted energy per inference as it was stored, of all rows.

    Args:
        before: with the figure of all that was counted.
        part: its samples that are compared.
        kinds: what is compared.
    """
    by, stored = before.coefficients, before.counts
    of_python = stored.total.python_calls * by.joules_per_python_call / _inferences(stored)
    of_operators = max(0.0, before.joules - of_python) if kinds.operators else 0.0
    operators = _Kinds(operators=True, python=False)
    of_rows = _joules(stored, by, operators) / _inferences(stored)
    if of_rows:
        of_operators *= _joules(part, by, operators) / _inferences(part) / of_rows
    python_calls = kinds.of(part.total).python_calls
    return of_operators + python_calls * by.joules_per_python_call / _inferences(part)


def _first(counts: Counts, samples: int) -> Counts:
    """The counts of the first samples alone, with rows scaled so that their sums are those."""
    if samples == len(counts.samples):
        return counts
    part = replace(counts, samples=counts.samples[:samples], sizes=counts.sizes[:samples])
    few, whole = part.total, counts.total
    layers = [
        replace(
            row,
            flops=_scaled(row.flops, few.flops, whole.flops),
            bytes=_scaled(row.bytes, few.bytes, whole.bytes),
            calls=_scaled(row.calls, few.calls, whole.calls),
        )
        for row in unfolded(counts.operators)
    ]
    return replace(
        part,
        operators=tuple(folded(layers)),
        python=tuple(
            replace(
                row,
                calls=_scaled(row.calls, few.python_calls, whole.python_calls),
                beneath=_scaled(row.beneath, few.python_calls, whole.python_calls),
            )
            for row in counts.python
        ),
    )


def _scaled(count: int, part: int, whole: int) -> int:
    return count * part // whole if whole else 0
