"""What the formats have in common: which results, and the figures that they are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_energy.report.printable import printable
from pytest_energy.types.energy import Method
from pytest_energy.types.measurement import Measurement
from pytest_energy.types.result import Result
from pytest_energy.types.session import SessionReport


def all_results(reports: Sequence[SessionReport]) -> Iterator[tuple[SessionReport, Result]]:
    """Every result with the report that it stands in, in the given order."""
    for report in reports:
        for result in report.results:
            yield report, result


def latest_results(reports: Sequence[SessionReport]) -> list[tuple[SessionReport, Result]]:
    """One result per machine class, test and region: that of the latest session.

    Args:
        reports: in any order.

    Returns:
        By the first report that has the test, in its order.
    """
    found: dict[tuple[str, str], tuple[SessionReport, Result]] = {}
    for report in reports:
        machine = report.machine.slug
        for result in report.results:
            place = (machine, result.subject.key)
            if place not in found or found[place][0].date <= report.date:
                found[place] = report, result
    return list(found.values())


def named_measurements(
    reports: Sequence[SessionReport],
) -> Iterator[tuple[str, SessionReport, Result, Measurement]]:
    """The latest measurements by a printable name, for formats that have nothing but a name.

    Args:
        reports: of one session or of several; of several machine classes the names say which.
    """
    several = len({report.machine.slug for report in reports}) > 1
    for report, result in latest_results(reports):
        if result.measurement is not None:
            machine = f" ({report.machine.slug})" if several else ""
            yield printable(result.subject.key) + machine, report, result, result.measurement


def method_of(measurement: Measurement) -> str:
    """How the gated joules came about: `counter`, or several as `counter+sampled`."""
    gated = {measurement.domains[i].method for i in measurement.gated}
    return "+".join(method.value for method in Method if method in gated)


def interval(result: Result) -> tuple[float, float] | None:
    """The 95 % interval of a comparison around the measured figure, in joules per unit.

    Args:
        result: of which something was measured.

    Returns:
        None where nothing was compared.
    """
    measurement, change = result.measurement, result.verdict.change
    if measurement is None or change is None or change.value <= -1:
        return None
    per_one = measurement.joules_per_unit / (1 + change.value)
    low, high = sorted((per_one * max(0.0, 1 + change.low), per_one * max(0.0, 1 + change.high)))
    return low, high
