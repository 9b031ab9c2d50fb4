"""A run's JSON report, as `--energy-json` writes it: what was measured, read with suspicion."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_energy.files import line_of
from pytest_energy.types.energy import Domain, Method
from pytest_energy.types.measurement import Block, FlopCount, Measurement
from pytest_energy.types.result import Subject
from pytest_energy.types.units import kwh
from pytest_energy.types.verdict import Status

SCHEMA = 1
"""Version of the report's form that is read."""

MOST_FLOPS = 1e30
"""More than any inference takes, and than any training has taken; such a figure is a slip."""

_HOW = "write one with: pytest --energy-json=REPORT.json"


class RunError(Exception):
    """A file that is no report; the message names the file, the line where known, the remedy."""

    def __init__(self, path: Path, problem: str, line: int | None = None, hint: str = _HOW) -> None:
        place = f"{path}" if line is None else f"{path}, line {line}"
        super().__init__(f"{place}: {problem}; {hint}")


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of one subject, without the verdict on it."""

    subject: Subject
    measurement: Measurement

    @property
    def method(self) -> str:
        """How the figure came about: `counter`, `sampled`, `estimated`, or several of them."""
        gated = {self.measurement.domains[i].method for i in self.measurement.gated}
        return " + ".join(method.value for method in Method if method in gated)

    @property
    def domains(self) -> tuple[tuple[str, str, str], ...]:
        """Name, method and source of each domain that the figure is the sum of."""
        of = [self.measurement.domains[i] for i in self.measurement.gated]
        return tuple((domain.name, domain.method.value, domain.source) for domain in of)


@dataclass(frozen=True, slots=True)
class Trained:
    """What a whole training takes, as the run extrapolated it from a window of its steps.

    Args:
        model: of the training.
        kwh: kilowatt-hours at the meter, as those of inferences: without the site's overhead.
        kwh_low, kwh_high: their 95 % interval.
        inferences: of the same model that take as much, one figure for each of its tests.
    """

    model: str
    kwh: float
    kwh_low: float
    kwh_high: float
    inferences: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """A session's measurements, as its report has them.

    Args:
        path: the file.
        date: when it was written, ISO 8601.
        machine: the machine's class.
        gpus: models of its boards, in the driver's order.
        measured: whole tests (no regions) per inference, measured and resolved, in the run's order.
        trained: what its trainings cost.
        skipped_hardware: results that are neither.
    """

    path: Path
    date: str
    machine: str
    gpus: tuple[str, ...]
    measured: tuple[Measured, ...]
    trained: tuple[Trained, ...]
    skipped_hardware: int


def read_run(path: Path) -> Run:
    """Read a report.

    Args:
        path: of a file that `--energy-json` wrote.

    Raises:
        RunError: not readable, not JSON, or not such a report.
    """
    try:
        text = path.read_bytes().decode("utf-8")
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
    if schema != SCHEMA or isinstance(schema, bool):
        problem = f"schema {schema!r}, this version reads {SCHEMA}"
        if isinstance(schema, int | float) and schema > SCHEMA:
            newer = "written by a newer pytest-energy: upgrade it"
            raise RunError(path, problem, hint=newer)
        raise RunError(path, problem)
    try:
        machine = str(record["machine"]["class"])
        gpus = tuple(str(gpu["model"]) for gpu in record["machine"]["gpus"])
        date = str(record["date"])
    except (KeyError, TypeError) as error:
        raise RunError(path, f"not a report of pytest-energy: no {error} in it") from error
    measured: list[Measured] = []
    trained: list[Trained] = []
    for index, result in enumerate(record["results"]):
        try:
            cost = _object(result).get("training_cost")  # older reports have none
            one = _trained(result["subject"]["model"], cost) if cost else _measured(result)
        except (KeyError, TypeError, ValueError, ArithmeticError, IndexError) as error:
            why = f"missing {error}" if isinstance(error, KeyError) else str(error)
            line = line_of(text, ("results", index))
            problem = f"result {index + 1} is not as reports have it: {why}"
            raise RunError(path, problem, line) from error
        if isinstance(one, Trained):
            trained.append(one)
        elif one is not None:
            measured.append(one)
    skipped_hardware = len(record["results"]) - len(measured) - len(trained)
    return Run(path, date, machine, gpus, tuple(measured), tuple(trained), skipped_hardware)


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"expected an object, found {json.dumps(value)[:40]}")
    return value


def _trained(model: object, cost: Mapping[str, Any]) -> Trained:
    inferences = tuple(float(even["inferences"]) for even in cost["break_even"])
    # From joules: the report's own kWh have the site's overhead in them.
    middle, low, high = (kwh(float(cost[name])) for name in ("joules", "low", "high"))
    if not all(math.isfinite(value) and value > 0 for value in (middle, low, high, *inferences)):
        raise ValueError("a training's figures are above 0")
    return Trained(str(model), middle, low, high, inferences)


def _measured(record: Mapping[str, Any]) -> Measured | None:
    """A result with a figure to compare; None for a region, another unit, nothing resolved."""
    subject = Subject(**{name: record["subject"][name] for name in Subject.__slots__})
    for name in Subject.__slots__:
        if name != "n" and not isinstance(getattr(subject, name), str):
            raise TypeError(f"{name}: expected a text, found {getattr(subject, name)!r}")
    found = record["measurement"]
    status = Status(record["verdict"]["status"])
    if found is None or status in (Status.UNRESOLVED, Status.UNMEASURED):
        return None
    if subject.region or subject.unit != "inference":
        return None
    measurement = _measurement(found)
    if not measurement.gated:
        return None
    joules = measurement.joules_per_unit
    if not math.isfinite(joules) or joules < 0:
        raise ValueError(f"{joules} J per inference")
    return Measured(subject, measurement) if joules > 0 else None


def _measurement(record: Mapping[str, Any]) -> Measurement:
    # By hand and not through `records`: a report that an older version wrote has figures enough.
    work = record.get("flops")
    recorded = _object(record.get("recorded", {}))
    return Measurement(
        meters=tuple(map(str, record["meters"])),
        domains=tuple(
            Domain(
                str(domain["name"]),
                str(domain["kind"]),
                Method(domain["method"]),
                str(domain["source"]),
                0.0,
            )
            for domain in record["domains"]
        ),
        blocks=tuple(
            Block(int(block["n"]), float(block["seconds"]), tuple(map(float, block["joules"])))
            for block in record["blocks"]
        ),
        metered_count=int(record["metered_count"]),
        unit_count=float(record["unit_count"]),
        other_cpu_share=None
        if record.get("other_cpu_share") is None
        else _finite("other_cpu_share", record["other_cpu_share"]),
        interference=tuple(map(str, record.get("interference", ()))),
        recorded={name: _finite(name, value) for name, value in recorded.items()},
        flops=_work(_object(work)) if work else None,
    )


def _work(record: Mapping[str, Any]) -> FlopCount:
    flops = int(record["count"])
    if not 0 <= flops <= MOST_FLOPS:
        raise ValueError(f"count: expected a number from 0 to {MOST_FLOPS:g}")
    return FlopCount(flops, tuple(map(str, record["without_formula"])))


def _finite(name: str, value: Any) -> float:
    try:
        number = float(value)
    except OverflowError:  # an integer of hundreds of digits
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{name}: expected a finite number")
    return number
