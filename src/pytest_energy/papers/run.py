"""A run's JSON report, as `--energy-json` writes it: what was measured, read with suspicion."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pytest_energy.report.read import (
    NAMES_OF_SCHEMA_1,
    SCHEMA,
    check_measurement,
    check_range,
    date_of,
    from_schema_1,
    misread,
    read_report,
    with_one_block,
)
from pytest_energy.types.baseline import MOST_N
from pytest_energy.types.codec import DecodeError, check_finite, decode
from pytest_energy.types.codec import Path as Place
from pytest_energy.types.counts import MOST_COUNT
from pytest_energy.types.energy import Method
from pytest_energy.types.machine import Machine
from pytest_energy.types.measurement import Measurement
from pytest_energy.types.renames import as_written
from pytest_energy.types.result import Subject
from pytest_energy.types.units import kwh
from pytest_energy.types.verdict import Status


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the operators of an inference read and wrote, each operand of a call once.

    Args:
        bytes_per_inference: mean of the samples that were counted.
        bytes_per_number: of the widest floating-point numbers that operators computed.
    """

    bytes_per_inference: float
    bytes_per_number: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of one subject, without the verdict on it.

    Args:
        subject: what was measured.
        measurement: the figures.
        traffic: None where the run has not counted bytes, as older ones have not.
    """

    subject: Subject
    measurement: Measurement
    traffic: Traffic | None = None

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
        per_token: what was measured per token, at whatever concurrency.
        not_compared: number of results that are none of these: regions, other units, no figure, or
            several inferences at a time, which the papers do not have.
        has_blocks: whether measurements stand there with their blocks, which intervals are from.
    """

    path: Path
    date: str
    machine: str
    gpus: tuple[str, ...]
    measured: tuple[Measured, ...]
    trained: tuple[Trained, ...]
    per_token: tuple[Measured, ...]
    not_compared: int
    has_blocks: bool


def read_run(path: Path) -> Run:
    """Read a report.

    Args:
        path: of a file that `--energy-json` wrote.

    Raises:
        RunError: not readable, not JSON, or not such a report.
    """
    text, record = read_report(path)
    schema = record["schema"]
    try:
        head = decode(_Head, {name: record[name] for name in ("date", "machine") if name in record})
        date = date_of(head.date)
    except DecodeError as error:
        raise misread(path, text, record, error) from error
    machine = head.machine.slug  # the name that stands there could be another machine's
    gpus = tuple(gpu.model for gpu in head.machine.gpus)
    measured: list[Measured] = []
    trained: list[Trained] = []
    per_token: list[Measured] = []
    for index, result in enumerate(record["results"]):
        try:
            one = _read(result, schema)
        except DecodeError as error:
            raise misread(path, text, record, error, result=index) from error
        if isinstance(one, Trained):
            trained.append(one)
        elif one is not None:
            (per_token if one.subject.unit == "token" else measured).append(one)
    read = (tuple(measured), tuple(trained), tuple(per_token))
    not_compared = len(record["results"]) - sum(map(len, read))
    has_blocks = all(
        "blocks" in result["measurement"] for result in record["results"] if result["measurement"]
    )
    return Run(path, date, machine, gpus, *read, not_compared, has_blocks)


@dataclass(frozen=True, slots=True)
class _Head:
    date: str
    machine: Machine


# What is read of a result. Whatever else a report says of it is no matter of the papers' tables.


@dataclass(frozen=True, slots=True)
class _Judged:
    status: Status


@dataclass(frozen=True, slots=True)
class _BreakEven:
    inferences: float


@dataclass(frozen=True, slots=True)
class _Cost:
    joules: float
    low: float
    high: float
    break_even: tuple[_BreakEven, ...]


@dataclass(frozen=True, slots=True)
class _Sample:
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class _Operator:
    dtype: str = ""


@dataclass(frozen=True, slots=True)
class _Counts:
    samples: tuple[_Sample, ...] = ()
    sizes: tuple[int, ...] = ()
    operators: tuple[_Operator, ...] = ()


@dataclass(frozen=True, slots=True)
class _Result:
    subject: Subject
    measurement: Measurement | None
    verdict: _Judged
    training_cost: _Cost | None = None
    counts: _Counts | None = None


def _read(result: object, schema: int) -> Measured | Trained | None:
    """A result with a figure to show; None for one that has none beside it: see `Run`.

    Raises:
        DecodeError: something in it is wrong; its path leads through `result`.
    """
    check_finite(result)
    if schema == SCHEMA or not isinstance(result, dict):
        return _figure(decode(_Result, with_one_block(result)))
    try:
        return _figure(decode(_Result, from_schema_1(result)))
    except DecodeError as error:
        raise as_written(error, result, NAMES_OF_SCHEMA_1) from error


def _figure(result: _Result) -> Measured | Trained | None:
    if result.training_cost is not None:
        return _trained(result.subject.model, result.training_cost)
    subject, measurement = result.subject, result.measurement
    if measurement is None or result.verdict.status in (Status.UNRESOLVED, Status.UNMEASURED):
        return None
    one_at_a_time = subject.unit == "inference" and subject.concurrency == 1
    if subject.region or not (one_at_a_time or subject.unit == "token") or not measurement.gated:
        return None
    check_measurement(measurement)
    if measurement.joules_per_unit <= 0:
        return None
    return Measured(subject, measurement, _traffic(result.counts))


_WIDTHS = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
"""Bytes of the floating-point numbers that models are run in."""


def _traffic(counts: _Counts | None) -> Traffic | None:
    """What was counted of bytes; None where a run has none, and the operations are all there is."""
    if counts is None or not counts.samples:
        return None
    place: Place = ("counts",)
    if len(counts.sizes) != len(counts.samples):
        problem = f"expected one figure for each of {len(counts.samples)} samples"
        raise DecodeError((*place, "sizes"), problem)
    for index, (sample, size) in enumerate(zip(counts.samples, counts.sizes, strict=True)):
        check_range(sample.bytes, 0, MOST_COUNT, (*place, "samples", index, "bytes"))
        check_range(size, 1, MOST_N, (*place, "sizes", index))
    moved = sum(sample.bytes for sample in counts.samples)
    widths = [_WIDTHS[one.dtype] for one in counts.operators if one.dtype in _WIDTHS]
    if not moved:
        return None
    # Operators whose numbers are not named are taken for those that models have unless told else.
    return Traffic(moved / sum(counts.sizes), max(widths, default=_WIDTHS["float32"]))


def _trained(model: str, cost: _Cost) -> Trained:
    inferences = tuple(even.inferences for even in cost.break_even)
    # From joules: the report's own kWh have the site's overhead in them.
    middle, low, high = (kwh(joules) for joules in (cost.joules, cost.low, cost.high))
    if not all(value > 0 for value in (middle, low, high, *inferences)):
        raise DecodeError(("training_cost",), "a training's figures are above 0")
    return Trained(model, middle, low, high, inferences)
