"""What the formats have in common that describe a model to others: cards and bills of materials.

Their figures leave the machine and stand for the model, so that a figure has to be one: not that of
a window too short for its meter. Energy is at the meter, before the site's overhead (PUE); carbon
has that in it. Numbers have six significant digits, more than any meter resolves.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from pytest_energy.analysis.training import TrainingCost, cost_of
from pytest_energy.files import stable
from pytest_energy.report.exports.selection import check_not_empty, latest_results
from pytest_energy.report.printable import printable
from pytest_energy.types.machine import Machine
from pytest_energy.types.measurement import Measurement
from pytest_energy.types.reporter import ReportError
from pytest_energy.types.result import Result, Subject
from pytest_energy.types.session import SessionReport
from pytest_energy.types.units import kwh
from pytest_energy.types.verdict import Status

_NAMESPACE = uuid5(NAMESPACE_URL, "pytest-energy")


@dataclass(frozen=True, slots=True)
class Figure:
    """The energy of 1,000 inferences, or of a whole training, that a test has measured.

    Args:
        report: of the session.
        result: with a measurement.
        measurement: of the result.
        training: what the whole training costs; None for inferences.
    """

    report: SessionReport
    result: Result
    measurement: Measurement
    training: TrainingCost | None

    @property
    def subject(self) -> Subject:
        """What was measured."""
        return self.result.subject

    @property
    def joules(self) -> float:
        """Of 1,000 units, or of the whole training: gated domains, at the meter."""
        if self.training is not None:
            return self.training.joules
        return self.measurement.joules_per_unit * 1000

    @property
    def kwh(self) -> float:
        """Kilowatt-hours of 1,000 units, or of the whole training, at the meter."""
        return stable(kwh(self.joules))

    @property
    def grams(self) -> float:
        """Grams of CO2e for that, the site's overhead (PUE) included."""
        return stable(self.report.carbon.grams(self.joules))

    @property
    def what(self) -> str:
        """What the energy is of: `1,000 inferences`, `1,000 tokens`, `the training, …`."""
        subject, training = self.subject, self.result.training_run
        if self.training is not None and training is not None:
            times = f"{training.runs:,} trainings" if training.runs > 1 else "the training"
            steps = f"{self.measurement.metered_count:,} metered steps"
            return f"{times}, extrapolated from {steps}"
        return f"1,000 {printable(subject.unit)}s"

    @property
    def method(self) -> str:
        """How the joules came about, and by which instruments: `counter (NVML, RAPL)`."""
        sources: dict[str, list[str]] = {}
        for i in self.measurement.gated:
            domain = self.measurement.domains[i]
            sources.setdefault(domain.method.value, []).append(printable(domain.source))
        return ", ".join(
            f"{method} ({', '.join(dict.fromkeys(names))})" for method, names in sources.items()
        )

    @property
    def key(self) -> str:
        """The test and its region, printable."""
        return printable(self.subject.key)

    @property
    def qualities(self) -> Mapping[str, float]:
        """How good the answers were: the recorded accuracy, and the marker's `quality`."""
        recorded = self.measurement.recorded or {}
        names = dict.fromkeys(("accuracy", self.result.rule.quality))
        return {
            printable(name): recorded[name]
            for name in names
            if name in recorded and math.isfinite(recorded[name])
        }


def figures_of(reports: Sequence[SessionReport]) -> list[Figure]:
    """The latest figure of each test of each machine class; those that are none are left out.

    A region is a part of an inference: it stands for one only where its test has no figure of the
    whole.

    Args:
        reports: of one session or of several.

    Raises:
        ReportError: no result of several has a figure, or one of them is not finite.
    """
    found = []
    for report, result in latest_results(reports):
        measurement = result.measurement
        if measurement is None or result.verdict.status is Status.UNRESOLVED:
            continue
        if measurement.joules_per_unit <= 0 or measurement.seconds <= 0:
            continue
        figure = Figure(report, result, measurement, cost_of(result))
        if not (math.isfinite(figure.joules) and math.isfinite(figure.grams)):
            raise ReportError(f"the energy of {figure.key} is no finite number; measure it again")
        found.append(figure)
    hint = "run the tests with a meter, and a window that is long enough for it"
    check_not_empty(found, reports, "a figure in joules", hint)
    wholes = {_place(figure) for figure in found if not figure.subject.region}
    return [each for each in found if not each.subject.region or _place(each) not in wholes]


def _place(figure: Figure) -> tuple[str, str]:
    return figure.report.machine.slug, figure.subject.test


def model_name(subject: Subject) -> str:
    """A model's name, printable; that of the test where it has none."""
    return printable(subject.model.strip() or subject.short_name)


def by_model(figures: Sequence[Figure]) -> Mapping[str, Sequence[Figure]]:
    """Figures by the name of their model, in the order in which these come first."""
    found: dict[str, list[Figure]] = {}
    for figure in figures:
        found.setdefault(model_name(figure.subject), []).append(figure)
    return found


def plain(value: float) -> str:
    """A number without an exponent, whatever its size: `0.0000217`.

    Args:
        value: of a figure.

    Raises:
        ReportError: it is not finite.
    """
    if not math.isfinite(value):
        raise ReportError(f"a figure, {value}, is no finite number; measure it again")
    text = format(Decimal(repr(float(value))), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def hardware(machine: Machine) -> str:
    """What did the work, printable: `2 x NVIDIA H100`, or the CPU where there is no board."""
    boards = boards_of(machine)
    if boards:
        return ", ".join(f"{number} x {model}" for model, number in boards.items())
    return f"{printable(machine.cpu)}, {machine.logical_cpus} logical CPUs"


def boards_of(machine: Machine) -> Mapping[str, int]:
    """How many GPU boards there are of each model, by its printable name."""
    found: dict[str, int] = {}
    for gpu in machine.gpus:
        model = printable(gpu.model)
        found[model] = found.get(model, 0) + 1
    return found


def moment_of(report: SessionReport) -> datetime:
    """When a session was, in UTC.

    Args:
        report: whose date anybody may have edited.

    Raises:
        ReportError: that is no date.
    """
    try:
        moment = datetime.fromisoformat(report.date)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ReportError(
            f"the report's date, {report.date!r}, is none; write it as 2026-03-04T05:06:07Z"
        ) from error


def latest_date(reports: Sequence[SessionReport]) -> str:
    """The date of the latest session, as ISO 8601 in UTC.

    Args:
        reports: at least one.

    Raises:
        ReportError: one of the dates is none.
    """
    latest = max(map(moment_of, reports))
    return latest.isoformat(timespec="seconds").replace("+00:00", "Z")


def content_id(*content: Any) -> UUID:
    """An identity that the same content has however often it is written.

    Args:
        content: JSON-able values.
    """
    return uuid5(_NAMESPACE, json.dumps(content, sort_keys=True))
