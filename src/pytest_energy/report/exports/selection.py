"""What the formats have in common: which results, and the figures that they are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from pytest_energy.analysis.ratio import RoleRatio, role_ratios
from pytest_energy.report.printable import printable
from pytest_energy.types.counts import Counts
from pytest_energy.types.energy import Method
from pytest_energy.types.measurement import Measurement
from pytest_energy.types.reporter import ReportError
from pytest_energy.types.result import Result
from pytest_energy.types.session import SessionReport, Unrun
from pytest_energy.types.verdict import FAILED

T = TypeVar("T")


def all_results(reports: Sequence[SessionReport]) -> Iterator[tuple[SessionReport, Result]]:
    """Every result with the report that it stands in, in the given order."""
    for report in reports:
        for result in report.results:
            yield report, result


def latest_results(reports: Sequence[SessionReport]) -> list[tuple[SessionReport, Result]]:
    """One result per machine class, test and region: what the latest commit says of it.

    Several sessions may have had that commit, with changed files or without, such as the jobs of a
    matrix on alike machines: a regression outweighs a test that failed for another reason, this one
    that passed, and else the later one counts.

    Args:
        reports: in any order.

    Returns:
        By the first report that has the test, in its order.
    """
    found: dict[tuple[str, str], list[tuple[SessionReport, Result]]] = {}
    for report in reports:
        machine = report.machine.slug
        for result in report.results:
            found.setdefault((machine, result.subject.key), []).append((report, result))
    return list(map(_weightiest, found.values()))


def _weightiest(runs: Sequence[tuple[SessionReport, Result]]) -> tuple[SessionReport, Result]:
    if len(runs) == 1:
        return runs[0]
    return max(reversed(_of_latest_commit(runs)), key=_weight)


def _of_latest_commit(runs: Sequence[tuple[SessionReport, T]]) -> list[tuple[SessionReport, T]]:
    """Those of the sessions that had the commit of the latest one."""
    latest, _ = max(reversed(runs), key=lambda run: run[0].date)
    return [run for run in runs if _commit(run[0]) == _commit(latest)]


def _commit(report: SessionReport) -> str:
    """Without the sign of changed files: a step that builds something changes some."""
    return (report.commit or "").removesuffix("+")


def _weight(run: tuple[SessionReport, Result]) -> tuple[bool, bool, str]:
    report, result = run
    failed = report.has_failed(result.subject.test)
    return result.verdict.status in FAILED, failed, report.date


def unrun_tests(reports: Sequence[SessionReport]) -> list[Unrun]:
    """Why each metered test without a result has none, of every machine class.

    Of several sessions on a machine class, what the latest commit says of a test counts: one that
    was skipped in one session and ran in another has a result; one that a session could not run to
    the end has none there, whatever the others have.

    Args:
        reports: in any order.
    """
    runs: dict[tuple[str, str], list[tuple[SessionReport, Unrun | None]]] = {}
    for report in reports:
        machine = report.machine.slug
        ran = dict.fromkeys(result.subject.test for result in report.results)
        for test, why in (*ran.items(), *report.unrun.items()):
            runs.setdefault((machine, test), []).append((report, why))
    found = []
    for of_test in runs.values():
        said = {why for _, why in _of_latest_commit(of_test)}
        broken = said & {Unrun.ERROR, Unrun.UNFINISHED}
        reasons = broken or (set[Unrun | None]() if None in said else said)
        found += [why for why in Unrun if why in reasons][-1:]
    return found


def role_ratios_of(pairs: Sequence[tuple[SessionReport, Result]]) -> tuple[RoleRatio, ...]:
    """General-purpose over task-specific, by task, of results of one machine class.

    Args:
        pairs: of several sessions; what their reports say of the intervals is kept where the
            results have no blocks.
    """
    sessions = {id(report): report for report, _ in pairs}.values()
    stored = [ratio for report in sessions for ratio in report.role_ratios]
    return role_ratios([result for _, result in pairs], stored)


def ratios_by_machine(
    found: Sequence[tuple[SessionReport, Result]],
) -> Iterator[tuple[str, RoleRatio]]:
    """General-purpose over task-specific, by task, of the results of each machine class.

    Args:
        found: of several sessions, as `latest_results` gives them.
    """
    by_machine: dict[str, list[tuple[SessionReport, Result]]] = {}
    for report, result in found:
        by_machine.setdefault(report.machine.slug, []).append((report, result))
    for machine, pairs in by_machine.items():
        for ratio in role_ratios_of(pairs):
            yield machine, ratio


def named_results(
    reports: Sequence[SessionReport],
) -> Iterator[tuple[str, SessionReport, Result]]:
    """The latest results by a printable name, for formats that have nothing but a name.

    Args:
        reports: of one session or of several; of several machine classes the names say which.
    """
    several = len({report.machine.slug for report in reports}) > 1
    for report, result in latest_results(reports):
        machine = f" ({report.machine.slug})" if several else ""
        yield printable(result.subject.key) + machine, report, result


def counted_figures(counts: Counts | None) -> Mapping[str, float]:
    """What was counted of one inference, by name; nothing of what could not be counted.

    Args:
        counts: of a result; None where nothing was counted.
    """
    if counts is None or not counts.inferences:
        return {}
    total, found = counts.total, dict[str, float]()
    if not counts.operators_unavailable:
        found = {"flops": total.flops, "bytes": total.bytes, "operator_calls": total.calls}
    if not counts.python_unavailable:
        found["python_calls"] = total.python_calls
    return {name: number / counts.inferences for name, number in found.items()}


METER_OR_COUNT = "run the tests with a meter, or count what they do: --energy-judge=counted"
"""What to do where a format has room for both, and there is neither."""


def check_not_empty(
    written: object, reports: Sequence[SessionReport], wanted: str, hint: str
) -> None:
    """Refuse to write a file of nothing where there are results: it would look like one of none.

    Args:
        written: what the file would have; false where that is nothing.
        reports: that it was to be made of.
        wanted: what results need for the format: `a figure in joules`.
        hint: what to do, as a clause.

    Raises:
        ReportError: nothing would be written of one result or more; says what they are.
    """
    results = [result for _, result in all_results(reports)]
    if written or not results:
        return
    found = Counter(_lacking(result) for result in results)
    said = ", ".join(f"{number:,} {what}" for what, number in found.most_common())
    none = "the only result has none" if len(results) == 1 else f"none of {len(results):,} has one"
    raise ReportError(f"results need {wanted} for this format, and {none} ({said}); {hint}")


def _lacking(result: Result) -> str:
    if result.measurement is None and counted_figures(result.counts):
        return "only counted"
    return result.verdict.status.words


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
