"""A run's report, read again with suspicion: anybody may have edited it."""

from __future__ import annotations

import gc
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pytest_energy.files import line_of, read_text
from pytest_energy.types.baseline import MOST_N
from pytest_energy.types.carbon import Carbon
from pytest_energy.types.codec import (
    DecodeError,
    check_values,
    count_values,
    cut,
    decode,
    shown,
)
from pytest_energy.types.codec import Path as Place
from pytest_energy.types.counts import MOST_COUNT, Counts, Judge
from pytest_energy.types.history import History
from pytest_energy.types.machine import Machine
from pytest_energy.types.measurement import MOST_FLOPS, Measurement
from pytest_energy.types.ratio import RoleRatio
from pytest_energy.types.renames import as_written, renamed
from pytest_energy.types.result import ROLES, TRAINING_ROLE, Result, Subject, TrainingRun
from pytest_energy.types.session import BaseSummary, Instrumentation, Overhead, SessionReport, Unrun
from pytest_energy.types.units import utc_text
from pytest_energy.types.verdict import Rule, Verdict

SCHEMA = 2
"""Version of the report's form that is current. Version 1, with other names, is read too."""

MOST_BYTES = 192 * 2**20
"""A report of more is none of ours: 10,000 tests with all their blocks and counts take 105 MB."""

MOST_VALUES = 8_000_000
"""Those 10,000 tests have 3 million values; 8 million take 0.6 GB of memory at most."""

DEFAULT_TOLERANCE = 0.05
"""What a test allowed, as a fraction, where a report does not say it."""

_HOW = "write one with: pytest --energy-json=REPORT.json"


class RunError(Exception):
    """A file that is no report; the message names the file, the line where known, the hint."""

    def __init__(self, path: Path, problem: str, line: int | None = None, hint: str = _HOW) -> None:
        place = f"{path}" if line is None else f"{path}, line {line}"
        super().__init__(f"{place}: {cut(problem)}; {hint}")


def read_report(path: Path) -> tuple[str, dict[str, Any]]:
    """The text of a report, and what JSON holds in it: of a known schema, with a list of results.

    Args:
        path: of a file that `--energy-json` wrote.

    Raises:
        RunError: not readable, not JSON, or not such a report.
    """
    try:
        text = read_text(path, most_bytes=MOST_BYTES)
        if count_values(text) > MOST_VALUES:
            raise RunError(path, f"more than {MOST_VALUES:,} values, which no report has")
        record = json.loads(text)
    except OSError as error:
        raise RunError(path, error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise RunError(path, "not UTF-8 text") from error
    except json.JSONDecodeError as error:
        raise RunError(path, f"not JSON ({error.msg})", error.lineno) from error
    except (ValueError, RecursionError) as error:
        raise RunError(path, f"not JSON ({error})") from error
    if not isinstance(record, dict) or not isinstance(record.get("results"), list):
        raise RunError(path, "not a report of pytest-energy: it has no list of results")
    schema = record.get("schema")
    if schema not in (1, SCHEMA) or isinstance(schema, bool):
        problem = f"schema {schema!r}, this version reads 1 and {SCHEMA}"
        if isinstance(schema, int | float) and schema > SCHEMA:
            newer = "written by a newer pytest-energy: upgrade it"
            raise RunError(path, problem, hint=newer)
        raise RunError(path, problem)
    return text, record


_MEASUREMENT_NAMES = {
    "metered_count": "done",
    "unit_count": "units",
    "other_cpu_share": "others_share",
    "interference": "disturbances",
    "reference": "yardstick",
    "flops": "work",
    "flops_unavailable": "uncounted",
    "segments": "stretches",
    "update_aligned": "on_edges",
}
_FLOPS_NAMES = {"count": "flops"}
NAMES_OF_SCHEMA_1 = _MEASUREMENT_NAMES | _FLOPS_NAMES
"""The old name of each member of a result that is read of reports of schema 1, by its name now."""


def from_schema_1(result: Mapping[str, Any]) -> dict[str, Any]:
    """A result of a report of schema 1 as one of schema 2, as far as it is read here.

    Args:
        result: one of the report's list, as JSON holds it.

    Raises:
        DecodeError: a member stands there under its old and its new name.
    """
    measurement = result.get("measurement")
    if isinstance(measurement, dict):
        measurement = renamed(measurement, _MEASUREMENT_NAMES, ("measurement",))
        flops = measurement.get("flops")
        if isinstance(flops, dict):
            measurement["flops"] = renamed(flops, _FLOPS_NAMES, ("measurement", "flops"))
        return {**result, "measurement": measurement}
    return dict(result)


def with_one_block(result: object) -> object:
    """A result that was written without its blocks with one that is all of them together.

    Whatever is not as it should be is kept as it is, for the decoder to find.

    Args:
        result: one of the report's list, as JSON holds it.
    """
    if not isinstance(result, dict):
        return result
    measurement = result.get("measurement")
    if not isinstance(measurement, dict) or "blocks" in measurement:
        return result
    domains = measurement.get("domains")
    if not isinstance(domains, list) or not all(isinstance(each, dict) for each in domains):
        return result
    block = {
        "n": measurement.get("metered_count"),
        "seconds": measurement.get("seconds"),
        "joules": [domain.get("joules") for domain in domains],
    }
    blocks = {"blocks": [block], "reference": _with_one_reading(measurement.get("reference"))}
    return {**result, "measurement": {**measurement, **blocks}}


def _with_one_reading(reference: object) -> object:
    """What the reference work took beside all blocks together; None where a report lacks that."""
    return reference if isinstance(reference, dict) and "joules" in reference else None


def check_measurement(measurement: Measurement, place: Place = ("measurement",)) -> None:
    """Refuse figures that no measurement has, and with which nothing can be computed.

    Args:
        measurement: as decoded.
        place: where it stands in its result.

    Raises:
        DecodeError: names the member.
    """
    check_range(measurement.metered_count, 1, MOST_N, (*place, "metered_count"))
    if measurement.unit_count <= 0:
        problem = f"expected a number above 0, found {measurement.unit_count:g}"
        raise DecodeError((*place, "unit_count"), problem)
    if measurement.flops is not None:
        check_range(measurement.flops.count, 0, MOST_FLOPS, (*place, "flops", "count"))
        for index, count in enumerate(measurement.flops.samples):
            check_range(count, 0, MOST_FLOPS, (*place, "flops", "samples", index))
    domains = len(measurement.domains)
    if len(measurement.idle_watts) not in (0, domains):
        problem = f"expected one figure for each of {domains} domains, or none"
        raise DecodeError((*place, "idle_watts"), problem)
    for index, block in enumerate(measurement.blocks):
        of_block = (*place, "blocks", index)
        check_range(block.n, 1, MOST_N, (*of_block, "n"))
        check_range(block.page_faults or 0, 0, MOST_COUNT, (*of_block, "page_faults"))
        if len(block.joules) != domains:
            problem = f"expected one figure for each of {domains} domains"
            raise DecodeError((*of_block, "joules"), problem)
    if measurement.reference is not None:
        readings, of_reference = measurement.reference.joules, (*place, "reference", "joules")
        if len(readings) != len(measurement.blocks):
            problem = f"expected one figure for each of {len(measurement.blocks)} blocks"
            raise DecodeError(of_reference, problem)
        for index, reading in enumerate(readings):
            if reading <= 0:
                problem = f"expected a number above 0, found {reading:g}"
                raise DecodeError((*of_reference, index), problem)
    joules = measurement.joules_per_unit
    if not 0 <= joules < math.inf:
        raise DecodeError((*place, "blocks"), f"they add up to {joules} J per inference")


def date_of(text: str) -> str:
    """A session's date in UTC: sessions are sorted by it, and named by it.

    Args:
        text: as the report has it.

    Raises:
        DecodeError: it is not ISO 8601, or has no zone.
    """
    moment = _moment(text)
    if moment is None or moment.tzinfo is None or "T" not in text:
        problem = "expected a date and time of ISO 8601 with its zone, such as 2026-03-04T05:06:07Z"
        raise DecodeError(("date",), f"{problem}, found {shown(text)}")
    return text if text.endswith("Z") else utc_text(moment.astimezone(UTC))


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment


def _check_history(history: History) -> None:
    """Refuse a stored session's date that is none; one without a zone is in UTC."""
    dates = {
        "sessions": [session.date for session in history.sessions],
        "replaced": [level.date for level in history.replaced],
    }
    for name, of_name in dates.items():
        for index, date in enumerate(of_name):
            if _moment(date) is None:
                problem = f"expected a date of ISO 8601, found {shown(date)}"
                raise DecodeError(("history", name, index, "date"), problem)


_OUTCOMES = ("passed", "failed", "error", "skipped", "xfailed", "xpassed", "rerun", None)


def _check_words(one: _Judged) -> None:
    """Refuse a word that says something else than it seems to.

    Raises:
        DecodeError: names the member.
    """
    words: tuple[tuple[Place, str | None, tuple[str | None, ...]], ...] = (
        (("subject", "role"), one.subject.role, ("", *ROLES, TRAINING_ROLE)),
        (("outcome",), one.outcome, _OUTCOMES),
    )
    for place, word, known in words:
        if word not in known:
            expected = ", ".join("null" if each is None else f'"{each}"' for each in known)
            raise DecodeError(place, f"expected one of {expected}, found {shown(word)}")
    if not one.subject.test:
        raise DecodeError(("subject", "test"), "expected a test's node id, found nothing")


def check_range(value: int, least: int, most: float, place: Place) -> None:
    """Refuse a number outside of its range.

    Args:
        value: as decoded.
        least: that it may be.
        most: that it may be.
        place: where it stands in its result.

    Raises:
        DecodeError: names the member.
    """
    if not least <= value <= most:
        raise DecodeError(place, f"expected a number from {least} to {most:g}")


@dataclass(frozen=True, slots=True)
class _PerUnit:
    joules_per_unit: float
    metered_count: int
    unit_count: float


@dataclass(frozen=True, slots=True)
class _Record:
    subject: Subject
    measurement: _PerUnit | None = None
    counts: Counts | None = None


def _check_counts(counts: Counts) -> None:
    """Refuse what nothing can have done.

    Raises:
        DecodeError: names the member.
    """
    figures = [
        *((("sizes", i), size) for i, size in enumerate(counts.sizes)),
        *(
            (("samples", i, name), getattr(sample, name))
            for i, sample in enumerate(counts.samples)
            for name in ("flops", "bytes", "calls", "python_calls")
        ),
        *(
            (("operators", i, name), getattr(row, name))
            for i, row in enumerate(counts.operators)
            for name in ("flops", "bytes", "calls")
        ),
        *(
            (("python", i, name), getattr(row, name))
            for i, row in enumerate(counts.python)
            for name in ("calls", "beneath")
        ),
    ]
    for place, figure in figures:
        if not 0 <= figure <= MOST_COUNT:
            problem = f"expected a whole number from 0 to {MOST_COUNT:g}, found {shown(figure)}"
            raise DecodeError(("counts", *place), problem)


@dataclass(frozen=True, slots=True)
class Counted:
    """What a run has counted of a test.

    Args:
        subject: the test.
        counts: of at least one inference.
        joules_per_inference: as measured; None where nothing was metered.
    """

    subject: Subject
    counts: Counts
    joules_per_inference: float | None = None


def read_counted(path: Path) -> list[Counted]:
    """The tests of a report whose inferences were counted, in its order.

    Args:
        path: of a file that `--energy-json` wrote.

    Raises:
        RunError: not readable, not JSON, or not such a report.
    """
    text, record = read_report(path)
    found = []
    for index, result in enumerate(record["results"]):
        if not isinstance(result, dict) or not result.get("counts"):
            continue
        place = ("results", index)
        try:
            check_values(result)
            one = decode(_Record, result)
            counts, measured = one.counts, one.measurement
            if counts is not None:
                _check_counts(counts)
            if counts is None or counts.inferences < 1 or len(counts.sizes) != len(counts.samples):
                raise DecodeError(("counts",), "expected samples, and the inferences of each")
        except DecodeError as error:
            names = ".".join(map(str, error.path))
            problem = f"result {index + 1} is not as reports have it: {names}: {error.problem}"
            raise RunError(path, problem, line_of(text, (*place, *error.path))) from error
        joules = None
        if measured is not None and measured.metered_count > 0:
            joules = measured.joules_per_unit * measured.unit_count / measured.metered_count
        found.append(Counted(one.subject, counts, joules))
    return found


@dataclass(frozen=True, slots=True)
class _Head:
    """What a report says of the whole session; older ones say less."""

    date: str
    machine: Machine
    carbon: Carbon
    commit: str | None = None
    overhead: Overhead = field(default_factory=Overhead)
    base: BaseSummary | None = None
    judge: Judge = Judge.BOTH
    notices: tuple[str, ...] = ()
    unrun: Mapping[str, Unrun] = field(default_factory=dict)
    role_ratios: tuple[RoleRatio, ...] = ()


@dataclass(frozen=True, slots=True)
class _Judged:
    """A result of the list, and what stands beside it; older ones have less."""

    subject: Subject
    measurement: Measurement | None
    verdict: Verdict
    rule: Rule = field(default_factory=lambda: Rule(DEFAULT_TOLERANCE))
    base: Measurement | None = None
    training_run: TrainingRun | None = None
    counts: Counts | None = None
    history: History | None = None
    outcome: str | None = None
    stored: str | None = None

    @property
    def result(self) -> Result:
        return Result(
            self.subject,
            self.measurement,
            self.rule,
            self.verdict,
            self.base,
            self.training_run,
            self.counts,
            self.history,
        )


_HEAD_NAMES = {"overhead": "gate", "base": "against"}
_CHANGE_NAMES = {
    "value": "change",
    "detectable": "notice",
    "joules": "baseline_joules",
    "joules_low": "baseline_low",
    "joules_high": "baseline_high",
    "passes": "looks",
    "reference_change": "speed",
    "domains": "domain_changes",
    "flops": "work",
}
_VERDICT_NAMES = {
    "hint": "remedy",
    "repeat_difference": "apart",
    "interpretation": "cause",
    "can_be_stored": "storable",
}


def read_session(path: Path) -> SessionReport:
    """A session's report as the session had it, as far as the file has kept it.

    What a report without `--energy-json-blocks` leaves out is missing: a measurement is one block.

    Args:
        path: of a file that `--energy-json` wrote.

    Raises:
        RunError: not readable, not JSON, or not such a report; names the place.
    """
    with _no_collections():
        return _read_session(path)


@contextmanager
def _no_collections() -> Iterator[None]:
    """Millions of values come and none has a cycle: to look for cycles takes half of the time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _read_session(path: Path) -> SessionReport:
    text, record = read_report(path)
    old = record["schema"] != SCHEMA
    head = {name: member for name, member in record.items() if name != "results"}
    try:
        check_values(head)
        session = decode(_Head, renamed(head, _HEAD_NAMES) if old else head)
        date = date_of(session.date)
    except DecodeError as error:
        where = as_written(error, head, _HEAD_NAMES) if old else error
        raise misread(path, text, record, where) from error
    judged = []
    for index, result in enumerate(record["results"]):
        try:
            judged.append(_compact(_judged(result, old)))
        except DecodeError as error:
            raise misread(path, text, record, error, result=index) from error
        record["results"][index] = None  # thousands of them twice would take twice the memory
    domains = (d for one in judged if one.measurement for d in one.measurement.domains)
    return SessionReport(
        date=date,
        commit=session.commit,
        machine=session.machine,
        carbon=session.carbon,
        instrumentation=Instrumentation(domains=tuple(dict.fromkeys(domains))),
        baselines="",
        base=session.base,
        results=tuple(one.result for one in judged),
        outcomes={one.subject.test: one.outcome for one in judged if one.outcome},
        stored={one.subject.key: one.stored for one in judged if one.stored},
        notices=session.notices,
        unrun=session.unrun,
        role_ratios=session.role_ratios,
        overhead=session.overhead,
        judge=session.judge,
    )


def _compact(one: _Judged) -> _Judged:
    measured, base = (each and each.compact() for each in (one.measurement, one.base))
    return replace(one, measurement=measured, base=base)


def misread(
    path: Path, text: str, record: object, error: DecodeError, result: int | None = None
) -> RunError:
    """The error of a report that is one, and of which something is not as it should be.

    Args:
        path: of the report.
        text: of the file.
        record: what JSON held in it.
        error: its path leads through the result, or through the report.
        result: the result's number in the list, from 0; None for what is in none.
    """
    names = ".".join(map(str, error.path))
    said = f"{names}: {error.problem}" if names else error.problem
    what = "the report" if result is None else f"result {result + 1}"
    place = error.path if result is None else ("results", result, *error.path)
    line = line_of(text, _place_in(record, place))
    return RunError(path, f"{what} is not as reports have it: {said}", line)


def _place_in(record: Any, place: Place) -> Place:
    """As much of a place as the file has: what is missing is made up before it is decoded."""
    for depth, step in enumerate(place):
        try:
            record = record[step]
        except (KeyError, IndexError, TypeError):
            return place[:depth]
    return place


def _judged(result: object, old: bool) -> _Judged:
    """A result with its verdict.

    Raises:
        DecodeError: something in it is wrong; its path leads through `result`.
    """
    check_values(result)
    if not old or not isinstance(result, dict):
        one = decode(_Judged, _with_blocks(result))
    else:
        try:
            one = decode(_Judged, _with_blocks(_judged_of_schema_1(result)))
        except DecodeError as error:
            raise as_written(error, result, NAMES_OF_SCHEMA_1) from error
    for name, measurement in (("measurement", one.measurement), ("base", one.base)):
        if measurement is not None:
            check_measurement(measurement, (name,))
    if one.counts is not None:
        _check_counts(one.counts)
    if one.history is not None:
        _check_history(one.history)
    _check_words(one)
    return one


def _with_blocks(result: object) -> object:
    """A result whose two measurements have a block each where they were written without."""
    if not isinstance(result, dict):
        return result
    base = with_one_block({"measurement": result.get("base")})
    found = with_one_block(result)
    if not isinstance(base, dict) or not isinstance(found, dict):
        return result
    return {**found, "base": base["measurement"]}


def _judged_of_schema_1(result: Mapping[str, Any]) -> dict[str, Any]:
    """A result of schema 1, its verdict included: that had the comparison's figures in it.

    Paired runs of that schema keep their figures, and lose what was said of the base.

    Raises:
        DecodeError: a member stands there under its old and its new name.
    """
    found = from_schema_1(result)
    verdict = found.get("verdict")
    if isinstance(verdict, dict):
        tolerance, budget = verdict.get("tolerance"), verdict.get("budget_joules")
        if isinstance(tolerance, int | float):
            found["rule"] = {"tolerance": tolerance, "budget_joules": budget}
        change = renamed(verdict, _CHANGE_NAMES)
        kept = ("status", "reason", *_VERDICT_NAMES.values())
        found["verdict"] = renamed({n: verdict[n] for n in kept if n in verdict}, _VERDICT_NAMES)
        if verdict.get("change") is not None:
            wanted = {*_CHANGE_NAMES, "low", "high", "limit", "sessions", "outliers"}
            figures = {name: member for name, member in change.items() if name in wanted}
            found["verdict"]["change"] = figures
    found["base"] = None
    return found
