"""The text of a file of exact counts: each row on a line of its own, read with suspicion.

A test's entry has a variant for each kind of device and set of versions that its counts were taken
with, so that the jobs of a CI matrix each find their own.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from pytest_energy.baselines.file_format import (
    MOST_JOULES,
    ROUNDING,
    EntriesFile,
    check_count,
    check_date,
    check_filled,
    check_text,
    digest,
    read_as,
    why_unverified,
    with_schema,
)
from pytest_energy.baselines.folder import COUNTS
from pytest_energy.types.baseline import MOST_N
from pytest_energy.types.codec import DecodeError, decode, encode, shown
from pytest_energy.types.codec import Path as Place
from pytest_energy.types.counts import (
    MOST_COUNT,
    CallRow,
    Coefficients,
    Counts,
    CountsBaseline,
    OperatorRow,
    Work,
)
from pytest_energy.types.layers import layer_count
from pytest_energy.types.result import Subject
from pytest_energy.verdict.count_rows import largest_calls_first, largest_operators_first

SCHEMA = 1
"""Version of the file's form."""

SCHEMA_FILE = Path(__file__).with_name("counts.schema.json")
"""The JSON Schema (draft 2020-12) that every file of this version fits."""

KEEP_VARIANTS = 12
"""Variants that an entry keeps: three versions of Python with four of a library, say."""

MOST_VARIANTS = 100
"""Variants of one entry: a merge of two branches may leave the sum of both."""

MOST_SAMPLES = 1000
"""Samples of one variant: a loop counts 64."""

MOST_ROWS = 1000
"""Rows of one variant: 64 are kept."""

MOST_LAYERS = 1_000_000
"""Modules that the rows of one variant stand for: 64 rows of 61 layers with 256 experts each."""


class Action(StrEnum):
    """What storing did with counts."""

    CREATED = "created"
    """The first of the test."""
    ADDED = "added"
    """The first of the test with this device and these versions."""
    UNCHANGED = "unchanged"
    """The same stand there already, and nothing was written."""
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class CountsEntry:
    """Stored counts of one test.

    Args:
        subject: what was counted, as the latest variant has it; without a role.
        variants: by device and versions.
    """

    subject: Subject
    variants: Mapping[str, CountsBaseline]

    @property
    def machine(self) -> str:
        """As in `Entry`."""
        on_cpu = all(each.counts.device == "cpu" for each in self.variants.values())
        return "" if on_cpu else COUNTS


def variant_name(counts: Counts) -> str:
    """What tells the variants of an entry apart, `cpu, python 3.11, torch 2.13.0`.

    Args:
        counts: of the variant.
    """
    versions = (f"{name} {version}" for name, version in sorted(counts.versions.items()))
    return ", ".join([counts.device, *versions])


@dataclass(slots=True)
class CountsFile(EntriesFile[CountsEntry]):
    """A file of counts."""

    def put(self, subject: Subject, new: CountsBaseline) -> tuple[Action, CountsBaseline | None]:
        """Store counts, unless the same stand there.

        Args:
            subject: of the file's task and model, as its entry is named.
            new: its counts.

        Returns:
            What was done, and what stood there before with this device and these versions.

        Raises:
            DecodeError: counts that no file can have; nothing was changed.
        """
        key, name = subject.key, variant_name(new.counts)
        entry = self.entries.get(key)
        before = entry.variants.get(name) if entry else None
        record = _variant_record(new if before else replace(new, reason=""))
        costs = encode(new.coefficients)
        where = [COUNTS, subject.task, subject.model, key, name]
        record["digest"] = digest(where, record)
        by = {_id_of(costs): new.coefficients}
        variant = _variant(decode(_Variant, record), (), name, "", by)
        if before and not before.unverified and _same(before, variant):
            return Action.UNCHANGED, before
        variants = {**(entry.variants if entry else {}), name: variant}
        older = sorted(variants.keys() - {name}, key=lambda each: (variants[each].date, each))
        dropped = older[: max(0, len(variants) - KEEP_VARIANTS)]
        for each in dropped:
            del variants[each]
        self.entries[key] = CountsEntry(replace(subject, role=""), variants)
        self.record |= {"schema": SCHEMA, "task": subject.task, "model": subject.model}
        entries = self.record.setdefault("entries", {})
        record_of = entries.setdefault(key, {"variants": {}})
        record_of |= {"test": subject.test, "region": subject.region}
        record_of["variants"][name] = record
        for each in dropped:
            del record_of["variants"][each]
        self._put_coefficients(costs)
        if entry is None:
            return Action.CREATED, None
        return (Action.ADDED if before is None else Action.REPLACED), before

    def _put_coefficients(self, costs: dict[str, Any]) -> None:
        """Add a table of coefficients to the file, which has each once, and drop unused ones."""
        tables = {**self.record.get("coefficients", {}), _id_of(costs): costs}
        entries = self.record["entries"].values()
        used = {each["coefficients"] for one in entries for each in one["variants"].values()}
        self.record["coefficients"] = {name: tables[name] for name in tables if name in used}


def _id_of(costs: Mapping[str, Any]) -> str:
    """What a table of coefficients is called in a file: by what is in it."""
    text = json.dumps(costs, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _same(one: CountsBaseline, other: CountsBaseline) -> bool:
    """Whether two are of the same counts, whenever they were taken."""
    here, there = (replace(each, date="", commit=None, reason="") for each in (one, other))
    return here == there


def _variant_record(one: CountsBaseline) -> dict[str, Any]:
    """Counts as JSON holds them, without their digest."""
    counts = one.counts
    return {
        "device": counts.device,
        "versions": dict(counts.versions),
        "n": one.n,
        "unit": one.unit,
        "dataset": one.dataset,
        "date": one.date,
        "commit": one.commit,
        **({"reason": one.reason} if one.reason else {}),
        "per_inference": {
            **_per_inference(counts),
            # Of a sum of floats the last digits depend on the order.
            "counted_joules": float(f"{one.joules:.12g}"),
        },
        "samples": [list(_figures(sample)) for sample in counts.samples],
        "sizes": list(counts.sizes),
        "operators": {
            _operator_key(row): [row.flops, row.bytes, row.calls] for row in counts.operators
        },
        "python": {_call_key(row): [row.calls, row.beneath] for row in counts.python},
        "without_formula": list(counts.without_formula),
        "notes": list(counts.notes),
        "operators_unavailable": counts.operators_unavailable,
        "python_unavailable": counts.python_unavailable,
        "coefficients": _id_of(encode(one.coefficients)),
    }


def _figures(work: Work) -> tuple[int, int, int, int]:
    return work.flops, work.bytes, work.calls, work.python_calls


def _per_inference(counts: Counts) -> dict[str, float]:
    """For readers: whole where it is, else to a tenth."""
    count = counts.inferences or 1
    return {
        name: figure // count if figure % count == 0 else round(figure / count, 1)
        for name, figure in zip(_FIGURES, _figures(counts.total), strict=True)
    }


_FIGURES = ("flops", "bytes", "calls", "python_calls")

NO_DTYPE = "-"
"""Stands where an operator's result has no dtype."""


def _operator_key(row: OperatorRow) -> str:
    """`BertModel.pooler.dense aten::addmm float32`; only the module's name may have blanks."""
    operator = "_".join(row.operator.split(" "))
    return f"{row.module} {operator} {row.dtype or NO_DTYPE}".removeprefix(
        " " if not row.module else ""
    )


def _operator_row(key: str, counts: tuple[int, int, int], place: Place) -> OperatorRow:
    parts = key.rsplit(" ", 2)
    if len(parts) == 2:
        parts = ["", *parts]
    if len(parts) == 3:
        module, operator, dtype = parts
        row = OperatorRow(module, operator, "" if dtype == NO_DTYPE else dtype, *counts)
        if _operator_key(row) == key:
            return row
    problem = f"expected module, operator and dtype, found {shown(key)}"
    raise DecodeError(place, problem)


_BETWEEN = " > "


def _call_key(row: CallRow) -> str:
    """`tests/test_x.py:run > model.py:Model.forward`; the callee alone where no caller is known.

    A name that has such a sign itself has one more of it here.
    """
    names = [row.caller, row.callee] if row.caller else [row.callee]
    return _BETWEEN.join(re.sub(r"(?<![^ ])>+(?![^ ])", r"\g<0>>", name) for name in names)


def _call_row(key: str, counts: tuple[int, int], place: Place) -> CallRow:
    caller, between, callee = key.partition(_BETWEEN)
    names = [caller, callee] if between else ["", caller]
    caller, callee = (re.sub(r"(?<![^ ])>(>+)(?![^ ])", r"\1", name) for name in names)
    row = CallRow(caller, callee, *counts)
    if _call_key(row) != key:
        raise DecodeError(place, f"expected `caller{_BETWEEN}callee`, found {shown(key)}")
    return row


def read_counts(path: Path, within: Path | None = None) -> CountsFile:
    """One file of counts; empty when there is none.

    Args:
        path: of the file. Nothing is written to it.
        within: the folder that links must not lead out of; None for no such bound.

    Raises:
        BaselineError: not readable, not JSON, an unknown schema, or a figure that cannot be true;
            with the line.
    """
    return read_as(path, within, _parsed) or CountsFile({}, {})


@dataclass(frozen=True, slots=True)
class _PerInference:
    flops: float
    bytes: float
    calls: float
    python_calls: float
    counted_joules: float


@dataclass(frozen=True, slots=True)
class _Variant:
    """What is read of a variant."""

    device: str
    versions: Mapping[str, str]
    n: int
    unit: str
    dataset: str
    date: str
    commit: str | None
    per_inference: _PerInference
    samples: tuple[tuple[int, int, int, int], ...]
    sizes: tuple[int, ...]
    operators: Mapping[str, tuple[int, int, int]]
    python: Mapping[str, tuple[int, int]]
    without_formula: tuple[str, ...]
    notes: tuple[str, ...]
    operators_unavailable: str
    python_unavailable: str
    coefficients: str
    reason: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class _Entry:
    """What is read of an entry."""

    test: str
    region: str
    variants: Mapping[str, _Variant]


@dataclass(frozen=True, slots=True)
class _File:
    """What is read of a file."""

    task: str
    model: str
    entries: Mapping[str, _Entry]
    coefficients: Mapping[str, Coefficients]


def _parsed(record: object) -> CountsFile:
    """A file from its JSON.

    Raises:
        DecodeError: something in it is wrong; its path leads through `record`.
    """
    found, _ = with_schema(record, (SCHEMA,))
    file = decode(_File, found)
    for name, table in file.coefficients.items():
        _check_coefficients(table, ("coefficients", name))
        if name != _id_of(encode(table)):
            problem = "these are not the coefficients that the counts were stored with"
            raise DecodeError(("coefficients", name), problem)
    return CountsFile(found, {key: _entry(found, file, key) for key in file.entries})


def _entry(record: dict[str, Any], file: _File, key: str) -> CountsEntry:
    """An entry, once its figures have been found to be possible."""
    entry, place = file.entries[key], ("entries", key)
    test, region, task, model = map(sys.intern, (entry.test, entry.region, file.task, file.model))
    subject = Subject(test, region, task, model, dataset="", role="", unit="", n=0)
    if subject.key != key:
        raise DecodeError(place, f"entry {key!r} is of test {subject.key!r}")
    for name in ("test", "region"):
        check_text(getattr(entry, name), (*place, name))
    check_filled(tuple(entry.variants), (*place, "variants"), MOST_VARIANTS)
    variants = {}
    for name, variant in entry.variants.items():
        expected = digest(
            [COUNTS, file.task, file.model, key, name], record["entries"][key]["variants"][name]
        )
        unverified = why_unverified(variant.digest, expected)
        where = (*place, "variants", name)
        variants[name] = _variant(variant, where, name, unverified, file.coefficients)
    latest = max(variants.values(), key=lambda each: each.date)
    subject = replace(subject, dataset=latest.dataset, unit=latest.unit, n=latest.n)
    return CountsEntry(subject, variants)


def _variant(
    found: _Variant,
    place: Place,
    name: str,
    unverified: str,
    tables: Mapping[str, Coefficients],
) -> CountsBaseline:
    counts = Counts(
        device=sys.intern(found.device),
        versions=found.versions,
        samples=tuple(Work(*figures) for figures in found.samples),
        sizes=found.sizes,
        operators=largest_operators_first(
            _operator_row(key, figures, (*place, "operators", key))
            for key, figures in found.operators.items()
        ),
        python=largest_calls_first(
            _call_row(key, figures, (*place, "python", key))
            for key, figures in found.python.items()
        ),
        without_formula=found.without_formula,
        notes=found.notes,
        operators_unavailable=found.operators_unavailable,
        python_unavailable=found.python_unavailable,
    )
    if variant_name(counts) != name:
        raise DecodeError(place, f"variant {name!r} is of {variant_name(counts)!r}")
    _check_texts(found, place)
    _check_samples(found, counts, place)
    _check_rows(found, counts, place)
    by = tables.get(found.coefficients)
    if by is None:
        problem = f"there is no table {shown(found.coefficients)} of coefficients in the file"
        raise DecodeError((*place, "coefficients"), problem)
    return CountsBaseline(
        counts,
        by,
        found.per_inference.counted_joules,
        found.n,
        found.unit,
        found.dataset,
        found.date,
        found.commit,
        unverified,
        found.reason,
    )


def _check_texts(found: _Variant, place: Place) -> None:
    for name in ("device", "unit", "dataset", "operators_unavailable", "python_unavailable"):
        check_text(getattr(found, name), (*place, name))
    check_text(found.reason, (*place, "reason"))
    check_text(found.commit or "", (*place, "commit"))
    for name, texts in (
        ("versions", [text for pair in found.versions.items() for text in pair]),
        ("without_formula", found.without_formula),
        ("notes", found.notes),
    ):
        _check_length(texts, (*place, name))
        for text in texts:
            check_text(text, (*place, name))
    check_date(found.date, (*place, "date"))
    check_count(found.n, (*place, "n"))


def _check_length(values: Sequence[object], place: Place, most: int = MOST_ROWS) -> None:
    """As `check_filled`, for what may be empty."""
    if values:
        check_filled(tuple(values), place, most)


def _check_samples(found: _Variant, counts: Counts, place: Place) -> None:
    """Refuse figures of samples that cannot be, or that are not those per inference."""
    check_filled(found.samples, (*place, "samples"), MOST_SAMPLES)
    for i, figures in enumerate(found.samples):
        for j, figure in enumerate(figures):
            check_count(figure, (*place, "samples", i, j), least=0, most=MOST_COUNT)
    if len(found.sizes) != len(found.samples):
        raise DecodeError(
            (*place, "sizes"),
            f"expected one size for each of {len(found.samples)} samples, found"
            f" {shown(found.sizes)}",
        )
    for i, size in enumerate(found.sizes):
        check_count(size, (*place, "sizes", i), most=MOST_N)
    for name, mean in _per_inference(counts).items():
        said = getattr(found.per_inference, name)
        if not math.isclose(said, mean, rel_tol=ROUNDING, abs_tol=0.1):
            raise DecodeError(
                (*place, "per_inference", name),
                f"{said:g} is not the mean of the samples ({mean:g})",
            )
    joules = found.per_inference.counted_joules
    if not 0 <= joules <= MOST_JOULES:
        problem = f"expected a number from 0 to {MOST_JOULES:g}, found {shown(joules)}"
        raise DecodeError((*place, "per_inference", "counted_joules"), problem)


def _check_rows(found: _Variant, counts: Counts, place: Place) -> None:
    """Refuse rows that do more than the samples did, or that layers cannot share."""
    total = counts.total
    parts: tuple[tuple[str, Mapping[str, tuple[int, ...]], tuple[int, ...]], ...] = (
        ("operators", found.operators, (total.flops, total.bytes, total.calls)),
        ("python", found.python, (total.python_calls,)),
    )
    for name, rows, most in parts:
        _check_length(tuple(rows), (*place, name))
        for key, figures in rows.items():
            check_text(key, (*place, name, key))
            for i, figure in enumerate(figures):
                check_count(figure, (*place, name, key, i), least=0, most=MOST_COUNT)
        for i, bound in enumerate(most):
            if (made := sum(figures[i] for figures in rows.values())) > bound:
                problem = f"these rows make {made}, and the samples {bound}: rows are a part"
                raise DecodeError((*place, name), problem)
    for key, (_, beneath) in found.python.items():
        check_count(beneath, (*place, "python", key, 1), least=0, most=total.python_calls)
    layers = 0
    for row in counts.operators:
        at = (*place, "operators", _operator_key(row))
        try:
            count = layer_count(row.module)
        except ValueError as error:
            raise DecodeError(at, str(error)) from None
        layers += count
        if layers > MOST_LAYERS:
            raise DecodeError(at, f"more than {MOST_LAYERS:,} modules, which no model has")
        if any(figure % count for figure in (row.flops, row.bytes, row.calls)):
            raise DecodeError(at, f"{count} layers that do the same cannot make these figures")


def _check_coefficients(by: Coefficients, place: Place) -> None:
    """Refuse what no operation costs."""
    costs: dict[Place, float] = {
        (member, name): cost
        for member in ("joules_per_flop", "joules_per_byte_of", "joules_per_call_of")
        for name, cost in getattr(by, member).items()
    }
    if "" not in by.joules_per_flop:
        problem = 'expected a member "", for all dtypes that are not named'
        raise DecodeError((*place, "joules_per_flop"), problem)
    rest = ("joules_per_byte", "joules_per_call", "joules_per_python_call")
    costs |= {(name,): getattr(by, name) for name in rest}
    for path, cost in costs.items():
        if not 0 <= cost <= MOST_JOULES:
            problem = f"expected a number from 0 to {MOST_JOULES:g}, found {shown(cost)}"
            raise DecodeError((*place, *path), problem)
