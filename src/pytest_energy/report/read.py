"""A run's report, read again with suspicion: anybody may have edited it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_energy.files import line_of, read_text
from pytest_energy.types.codec import (
    DecodeError,
    check_characters,
    check_finite,
    count_values,
    cut,
    decode,
    shown,
)
from pytest_energy.types.counts import MOST_COUNT, Counts
from pytest_energy.types.result import Subject

SCHEMA = 2
"""Version of the report's form that is current. Version 1, with other names, is read too."""

MOST_BYTES = 96 * 2**20
"""A report of more is none of ours: 10,000 tests with all their blocks take 60 MB."""

MOST_VALUES = 8_000_000
"""Those 10,000 tests have 3 million values; 8 million take 0.6 GB of memory at most."""

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
            check_finite(result)
            check_characters(result)
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
