"""A run's JSON report, as `--energy-json` writes it: what was measured, read with suspicion."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_energy.json_line import line_of
from pytest_energy.measurement import Block, Domain, Measurement, Method, Status, Subject, Work

SCHEMA = 1
"""Version of the report's form that is read."""

_HOW = "write one with: pytest --energy-json=REPORT.json"


class RunError(Exception):
    """A file that is no report; the message names the file, the line where known, the remedy."""

    def __init__(self, path: Path, problem: str, line: int | None = None) -> None:
        place = f"{path}" if line is None else f"{path}, line {line}"
        super().__init__(f"{place}: {problem}; {_HOW}")


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
        kwh: kilowatt-hours, the site's overhead included.
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
        left_out: results that are neither.
    """

    path: Path
    date: str
    machine: str
    gpus: tuple[str, ...]
    measured: tuple[Measured, ...]
    trained: tuple[Trained, ...]
    left_out: int


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
    if record.get("schema") != SCHEMA:
        raise RunError(path, f"schema {record.get('schema')!r}, this version reads {SCHEMA}")
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
            cost = result.get("training_cost")  # older reports have none
            one = _trained(result["subject"]["model"], cost) if cost else _measured(result)
        except (KeyError, TypeError, ValueError, ZeroDivisionError, IndexError) as error:
            why = f"missing {error}" if isinstance(error, KeyError) else str(error)
            line = line_of(text, ("results", index))
            raise RunError(
                path, f"result {index + 1} is not as reports have it: {why}", line
            ) from (error)
        if isinstance(one, Trained):
            trained.append(one)
        elif one is not None:
            measured.append(one)
    left_out = len(record["results"]) - len(measured) - len(trained)
    return Run(path, date, machine, gpus, tuple(measured), tuple(trained), left_out)


def _trained(model: object, cost: Mapping[str, Any]) -> Trained:
    inferences = tuple(float(even["inferences"]) for even in cost["break_even"])
    middle, low, high = (float(cost[name]) for name in ("kwh", "kwh_low", "kwh_high"))
    if not all(math.isfinite(value) and value > 0 for value in (middle, low, high, *inferences)):
        raise ValueError("a training's figures are above 0")
    return Trained(str(model), middle, low, high, inferences)


def _measured(record: Mapping[str, Any]) -> Measured | None:
    """A result with a figure to compare; None for a region, another unit, nothing resolved."""
    subject = Subject(**{name: record["subject"][name] for name in Subject.__slots__})
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
    work = record.get("work")
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
        done=int(record["done"]),
        units=float(record["units"]),
        others_share=None if record.get("others_share") is None else float(record["others_share"]),
        disturbances=tuple(map(str, record.get("disturbances", ()))),
        recorded={str(name): float(value) for name, value in record.get("recorded", {}).items()},
        work=Work(int(work["flops"]), tuple(work["without_formula"])) if work else None,
    )
