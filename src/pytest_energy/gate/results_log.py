"""The results of a session as its tests report them, and what is made of them at the end.

In a session of one process they come from that process; with pytest-xdist from the workers, as
JSON-able payloads on pytest's reports.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_energy.baselines import accepted
from pytest_energy.baselines.accepted import Accepted
from pytest_energy.baselines.file_format import BaselineError
from pytest_energy.baselines.store import Addition, session_of
from pytest_energy.files import shown_path, stable
from pytest_energy.types.baseline import Baseline
from pytest_energy.types.codec import from_record, to_record
from pytest_energy.types.result import Result
from pytest_energy.types.units import format_change, format_joules
from pytest_energy.types.verdict import COMPARED, Status
from pytest_energy.verdict import judge as verdict

if TYPE_CHECKING:
    import pytest

    from pytest_energy.gate.session import EnergySession


@dataclass(slots=True)
class _Test:
    """What one test reported."""

    results: list[Result]
    tolerance: float
    comparisons: int
    outcome: str
    seconds: float
    joules: float


def payload(
    results: Iterable[Result], rule: verdict.Rule, cost: tuple[float, float]
) -> dict[str, Any]:
    """What a test process puts on a test's report.

    Args:
        results: of the test.
        rule: what it allows.
        cost: seconds and joules that the gate has taken since the last payload.
    """
    return {
        "results": [to_record(result) for result in results],
        "tolerance": rule.tolerance,
        "comparisons": rule.comparisons,
        "cost": list(cost),
    }


@dataclass(slots=True)
class ResultsLog:
    """Results by test, in the order in which they came."""

    tests: dict[str, _Test] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    """Tests of which a part has failed: a subtest, before the test itself is reported."""
    stored: dict[str, str] = field(default_factory=dict)
    """What `--energy-update` did, by the subject's key."""
    problems: list[str] = field(default_factory=list)
    """What was asked for and could not be done, for people."""
    seconds: float = 0.0
    """What the gate took beside the tests."""
    joules: float = 0.0
    """The same in joules of the gated domains."""

    def add(self, report: pytest.TestReport) -> None:
        """Take in one of pytest's reports; a rerun replaces what was there."""
        found: dict[str, Any] | None = getattr(report, "energy", None)
        if found is not None:
            outcome = "failed" if report.nodeid in self.failed else _outcome(report)
            results = [from_record(record) for record in found["results"]]
            self.tests[report.nodeid] = _Test(
                results, found["tolerance"], found["comparisons"], outcome, *found["cost"]
            )
        elif report.failed:
            self.failed.add(report.nodeid)
            if report.nodeid in self.tests:
                self.tests[report.nodeid].outcome = (
                    "error" if report.when == "teardown" else "failed"
                )

    @property
    def results(self) -> list[Result]:
        """Of all tests."""
        return [result for test in self.tests.values() for result in test.results]

    @property
    def outcomes(self) -> dict[str, str]:
        """What pytest says of each test."""
        return {name: test.outcome for name, test in self.tests.items()}

    @property
    def gate_cost(self) -> tuple[float, float]:
        """Seconds and joules that the gate itself took."""
        tests = self.tests.values()
        return (
            self.seconds + sum(test.seconds for test in tests),
            self.joules + sum(test.joules for test in tests),
        )

    def spend(self, cost: tuple[float, float]) -> None:
        """Add seconds and joules that the gate took beside the tests."""
        self.seconds += cost[0]
        self.joules += cost[1]

    def store(self, session: EnergySession, root: Path) -> None:
        """Store what may become a baseline: measured, quiet, long enough, of a test that passed.

        Args:
            session: whose baselines.
            root: the project's folder, for the commit.
        """
        now, commit = utc_now(), git_commit(root)
        files: dict[Path, list[tuple[Result, Addition]]] = {}
        for test in self.tests.values():
            for result in test.results:
                why_not = _why_not_stored(result, test.outcome)
                if (
                    result.verdict.status is Status.INCOMPARABLE
                    and not result.verdict.can_be_stored
                ):
                    why_not = "its baseline file is broken"
                    self.problems.append(f"{result.subject.key}: not stored: {why_not}")
                    continue
                if why_not or result.measurement is None:
                    self.stored[result.subject.key] = f"not stored: {why_not}"
                    continue
                measurement, subject = result.measurement, result.subject
                addition = Addition(
                    subject,
                    measurement,
                    session_of(measurement, now, commit, result.verdict.repeat_difference),
                    _Agreement(result, test),
                )
                files.setdefault(session.store.path(subject), []).append((result, addition))
        for pairs in files.values():
            try:
                before = session.store.store([addition for _, addition in pairs])
            except BaselineError as error:
                names = ", ".join(result.subject.key for result, _ in pairs)
                self.problems.append(f"not stored: {names}: {error}")
                continue
            for (result, addition), old in zip(pairs, before, strict=True):
                self.stored[result.subject.key] = _what_happened(result, addition, old)

    def accept(self, session: EnergySession, base: str) -> None:
        """Accept the rises over another revision, of tests that passed.

        Args:
            session: whose folder of baselines.
            base: the revision, for people.
        """
        date = utc_now().strftime("%Y-%m-%dT%H:%M:%SZ")
        rises = {}
        for test in self.tests.values():
            for result in test.results:
                key, decision = result.subject.key, result.verdict
                if (
                    test.outcome != "passed"
                    or not decision.can_be_stored
                    or decision.change is None
                ):
                    compared = decision.status in COMPARED
                    why = "no rise" if compared else decision.status.value.replace("_", " ")
                    why = why if test.outcome == "passed" else f"the test {test.outcome}"
                    self.stored[key] = f"nothing was accepted: {why}"
                    continue
                rises[key] = Accepted(stable(decision.change), base, date)
        if not rises:
            return
        tree = session.against.tree if session.against else None
        folder = session.settings.baselines
        if tree is not None and tree.counterpart(folder) == folder:
            self.problems.append(
                f"not accepted: {folder} lies outside of {tree.revision.head}, so that the base"
                " could never have the entry: name a folder inside with --energy-baselines"
            )
            return
        try:
            accepted.store(session.settings.baselines, rises)
        except BaselineError as error:
            self.problems.append(f"not accepted: {', '.join(rises)}: {error}")
            return
        for key, rise in rises.items():
            file = shown_path(folder / accepted.NAME)
            self.stored[key] = f"accepted: {format_change(rise.change)} over {base} ({file})"


@dataclass(frozen=True, slots=True)
class _Agreement:
    """Whether a result belongs to a stored entry."""

    result: Result
    test: _Test

    def __call__(self, baseline: Baseline) -> bool:
        measurement, decision = self.result.measurement, self.result.verdict
        rule = verdict.Rule(self.test.tolerance, comparisons=self.test.comparisons)
        if decision.quality is not None:
            name, tolerance = decision.quality.name, decision.quality.tolerance
            rule = replace(rule, quality=name, quality_tolerance=tolerance)
        return measurement is not None and verdict.agrees(
            measurement,
            self.result.subject,
            baseline,
            rule,
            confirmed=decision.repeat_difference is not None,
        )


def _outcome(report: pytest.TestReport) -> str:
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed"
    return report.outcome


def _why_not_stored(result: Result, outcome: str) -> str:
    if outcome != "passed":
        return f"the test {outcome}" if outcome != "error" else "its teardown failed"
    if not result.verdict.can_be_stored:
        return result.verdict.reason or result.verdict.status.value
    return ""


def _what_happened(result: Result, addition: Addition, old: Baseline | None) -> str:
    if old is None:
        return "stored"
    if addition.agrees(old):
        return f"added to {len(old.sessions)} session{'s' * (len(old.sessions) > 1)}"
    compared = verdict.judge(result.subject, [addition.measurement], old, verdict.Rule(0.0))
    if compared.change is None or compared.baseline_joules is None:
        return f"replaced ({compared.reason})"
    was = f"{format_joules(compared.baseline_joules)}, {format_change(compared.change)}"
    quality = result.verdict.quality
    if quality is not None and quality.change:
        was += f"; {quality.name} {format_change(quality.change)}"
    return f"replaced (was {was})"


WHOLE = frozenset({0, 1})
"""Exit statuses of a session that ran to its end: all passed, or some failed."""


def settle(ledger: ResultsLog, session: EnergySession, exitstatus: int, root: Path) -> None:
    """At the end of the session: store what `--energy-update` asks for.

    Args:
        ledger: what the tests reported; problems go there.
        session: whose settings and baselines.
        exitstatus: pytest's; a session that did not run to its end stores nothing.
        root: the project's folder.
    """
    with session.cost.counting(session.meters):
        if session.settings.update and exitstatus not in WHOLE:
            ledger.problems.append("the session was interrupted: nothing was stored")
        elif session.settings.update and session.against is not None:
            ledger.accept(session, session.against.label)
        elif session.settings.update:
            ledger.store(session, root)
    ledger.spend(session.cost.take())


def utc_now() -> datetime:
    """The date of a stored session."""
    return datetime.now(UTC)


def git_commit(folder: Path) -> str | None:
    """The short hash of the revision in a folder, `+` behind it when tracked files have changed."""
    answers = []
    for arguments in (("rev-parse", "--short", "HEAD"), ("status", "--porcelain", "-uno")):
        command = ["git", "-C", str(folder), *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
        answers.append(done.stdout.strip())
    return f"{answers[0]}+" if answers[1] else answers[0]
