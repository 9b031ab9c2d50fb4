"""The results of a session as its tests report them, and what is stored of them at the end.

In a session of one process they come from that process; with pytest-xdist from the workers, as
JSON-able values on pytest's reports.
"""

from __future__ import annotations

import subprocess
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_energy.baselines import accepted
from pytest_energy.baselines.accepted import Accepted
from pytest_energy.baselines.counts import CountsAddition, CountsStore, CountsStored
from pytest_energy.baselines.counts_format import Action as CountsAction
from pytest_energy.baselines.file_format import BaselineError
from pytest_energy.baselines.store import Action, Addition, BaselineStore, Stored, session_of
from pytest_energy.files import shown_path, stable
from pytest_energy.gate.session import GateSession
from pytest_energy.settings.identity import reported_test
from pytest_energy.types.baseline import Agreement, Baseline
from pytest_energy.types.codec import decode
from pytest_energy.types.counts import DIFFER, Counts, Judge
from pytest_energy.types.measurement import Measurement
from pytest_energy.types.obstacle import Obstacle
from pytest_energy.types.result import Result, compact, numbers_of
from pytest_energy.types.session import (
    FAILED_OUTCOMES,
    Failure,
    Instrumentation,
    Overhead,
    SessionReport,
    TestReport,
    Unrun,
)
from pytest_energy.types.units import format_change, format_joules, utc_text
from pytest_energy.types.verdict import COMPARED, Status
from pytest_energy.verdict.counted_energy import coefficients_of, joules_per_inference
from pytest_energy.verdict.judge import agreement
from pytest_energy.verdict.rules import load_clause

if TYPE_CHECKING:
    import pytest

NO_OVERHEAD = Overhead()

RAN_TO_ITS_END = frozenset({0, 1})
"""Exit statuses of a session that ran to its end: all passed, or some failed."""


@dataclass(slots=True)
class ResultsLog:
    """Results by test, in the order in which they came.

    Args:
        tests: what each test reported, by its name.
        outcomes: what pytest says of each of them.
        failed: tests of which a part has failed: a subtest, before the test itself is reported.
        stored: what `--energy-update` did, by the subject's key.
        refused: whether a figure that was to be stored was not, of a test that passed.
        problems: what was asked for and could not be done, each a sentence.
        unrun: metered tests that were skipped or xfailed, with results or without, or whose set-up
            or collection failed; by name.
        selected: the metered tests that were to run, by name.
        notices: what makes the gate weaker, each a line.
        overhead: what the gate took, of runs that were repeated as well.
        failures: why tests failed, by name.
        workers: of pytest-xdist, which each test's results are of, by name.
    """

    tests: dict[str, TestReport] = field(default_factory=dict)
    outcomes: dict[str, str] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    stored: dict[str, str] = field(default_factory=dict)
    refused: bool = False
    problems: list[str] = field(default_factory=list)
    unrun: dict[str, Unrun] = field(default_factory=dict)
    selected: Collection[str] = ()
    notices: tuple[str, ...] = ()
    overhead: Overhead = field(default_factory=Overhead)
    failures: dict[str, Failure] = field(default_factory=dict)
    workers: dict[str, str] = field(default_factory=dict)

    def add(self, report: pytest.TestReport, made: TestReport | None = None) -> tuple[Result, ...]:
        """Take in one of pytest's reports; a rerun replaces what was there.

        Where several workers of pytest-xdist run the same test (`--dist=each`), one that failed
        stands, whatever the others say.

        Args:
            report: of any test.
            made: what this process has put on it; None where another one did, or nothing is there.

        Returns:
            The results on it.
        """
        name = reported_test(report)
        record: object = getattr(report, "energy", None)
        unrun: str = getattr(report, "energy_unrun", "")
        if unrun:
            self.unrun[name] = Unrun(unrun)
        elif record is not None:  # a rerun got further
            self.unrun.pop(name, None)
        if record is not None:
            tested = made or _decoded(record)
            self.overhead += tested.overhead
            worker: str = getattr(report, "worker_id", "")
            others = self.workers.setdefault(name, worker) != worker
            if others and self.outcomes.get(name) in FAILED_OUTCOMES and not report.failed:
                return tested.results
            self.workers[name] = worker
            self.tests[name] = replace(tested, overhead=NO_OVERHEAD)
            failed = bool({name, report.nodeid} & self.failed)
            self.outcomes[name] = "failed" if failed else _outcome(report)
        elif report.failed:
            self.failed.add(name)
            if name in self.tests:
                self.outcomes[name] = "error" if report.when == "teardown" else "failed"
        if name in self.tests:
            if report.failed:
                self.failures[name] = _failure(report)
            elif record is not None:  # a rerun passed
                self.failures.pop(name, None)
        return self.tests[name].results if record is not None else ()

    @property
    def results(self) -> tuple[Result, ...]:
        """Every result, in the order in which the tests ran."""
        return tuple(result for test in self.tests.values() for result in test.results)

    def report(self, session: GateSession, root: Path) -> SessionReport:
        """Everything that reports show.

        Args:
            session: machine, grid, baselines and base.
            root: the project's folder, for the commit.
        """
        tests = self.tests.values()
        used = [test.instrumentation for test in tests]
        return SessionReport(
            date=utc_text(datetime.now(UTC)),
            commit=git_commit(root),
            machine=session.machine,
            carbon=session.carbon,
            instrumentation=used[-1] if used else Instrumentation(),
            baselines=shown_path(session.settings.baselines),
            base=session.base_summary,
            results=self.results,
            outcomes={
                result.subject.test: self.outcomes[name]
                for name, test in self.tests.items()
                for result in test.results
            },
            stored=dict(self.stored),
            problems=tuple(self.problems),
            notices=self.notices,
            overhead=self.overhead,
            judge=session.settings.judge,
            failures=dict(self.failures),
            unrun=self.without_result(),
        )

    def without_result(self) -> dict[str, Unrun]:
        """Tests that were to be metered and have no result, in the order of the selection."""
        names = dict.fromkeys((*self.selected, *self.unrun))
        missing = (name for name in names if name not in self.tests)
        return {name: self.unrun.get(name, Unrun.UNFINISHED) for name in missing}

    def not_compared(self) -> str:
        """What a session whose tests passed has left uncompared; empty where nothing is.

        It may have been ended from inside, with exit status 0, or have compared nothing. A test
        that was skipped says that it is not for this machine: one is no reason to fail, nothing but
        such tests is.
        """
        missing = self.without_result()
        unfinished = list(missing.values()).count(Unrun.UNFINISHED)
        if unfinished:
            return f"{unfinished:,} metered test{'s' * (unfinished > 1)} {Unrun.UNFINISHED.words}"
        if any(result.verdict.status in COMPARED for result in self.results):
            return ""
        if any(outcome in ("passed", "xpassed") for outcome in self.outcomes.values()):
            return ""  # stored, or held against a budget: else it would have failed
        if not self.selected and not self.tests:
            return (
                "nothing was compared: no metered test was selected: one asks for the fixture"
                " `energy`, or is marked with @pytest.mark.inference"
            )
        why = ", ".join(numbers_of((self.unrun | missing).values(), Unrun))
        return f"nothing was compared: {why}"

    def settle(self, session: GateSession, exitstatus: int, root: Path) -> None:
        """At the end of the session: store what `--energy-update` asks for.

        Args:
            session: whose settings and baselines.
            exitstatus: pytest's; a session that did not run to its end stores nothing.
            root: the project's folder.
        """
        if not session.settings.update:
            return
        if exitstatus not in RAN_TO_ITS_END:
            self.problems.append("the session was interrupted: nothing was stored")
        elif session.paired is not None:
            self._accept(session)
        else:
            now, commit = datetime.now(UTC), git_commit(root)
            if session.settings.judge is not Judge.COUNTED:
                self._store(session, now, commit)
            if session.settings.judge is not Judge.MEASURED:
                self._store_counts(session, now, commit)

    def _store_counts(self, session: GateSession, now: datetime, commit: str | None) -> None:
        """Store the counts of tests that passed: they are exact, whatever ran beside."""
        files: dict[Path, list[CountsAddition]] = {}
        stores: dict[Path, CountsStore] = {}
        for name, test in self.tests.items():
            for result in test.results:
                counts, key = result.counts, result.subject.key
                if counts is None or self.outcomes[name] != "passed":
                    if session.settings.judge is Judge.COUNTED:
                        self._not_counted(result, self.outcomes[name])
                    continue
                if (
                    result.verdict.obstacle is Obstacle.BASELINE
                    and not result.verdict.can_be_stored
                ):
                    self.problems.append(f"{key}: counts not stored: their file is broken")
                    continue
                store = session.stores.of(result.subject).counts
                path = store.path(result.subject)
                stores[path] = store
                by = coefficients_of(counts.device)
                joules = joules_per_inference(counts, by)
                addition = CountsAddition(
                    result.subject, counts, by, joules, now, commit, session.settings.reason
                )
                files.setdefault(path, []).append(addition)
        for path, additions in files.items():
            try:
                done = stores[path].store(additions)
            except BaselineError as error:
                names = ", ".join(one.subject.key for one in additions)
                self.problems.append(f"counts not stored: {names}: {error}")
                continue
            for addition, stored in zip(additions, done, strict=True):
                words = _words_of_counts(addition, stored)
                exact = not addition.counts.differing
                silent = exact and stored.action in (CountsAction.CREATED, CountsAction.UNCHANGED)
                if not silent or session.settings.judge is Judge.COUNTED:
                    self._say_stored(addition.subject.key, words)

    def _not_counted(self, result: Result, outcome: str) -> None:
        passed = outcome == "passed"
        why = result.verdict.reason or "nothing was counted" if passed else f"the test {outcome}"
        self.stored[result.subject.key] = f"not stored: {why}"
        self.refused |= passed and not result.subject.region

    def _say_stored(self, key: str, words: str) -> None:
        """Add to what is said of a test's storing."""
        self.stored[key] = f"{self.stored[key]}; {words}" if key in self.stored else words

    def _store(self, session: GateSession, now: datetime, commit: str | None) -> None:
        """Store what may become a baseline: measured, quiet, long enough, of a test that passed."""
        files: dict[Path, list[tuple[Result, Addition]]] = {}
        stores: dict[Path, BaselineStore] = {}
        for name, test in self.tests.items():
            for result in test.results:
                key, verdict = result.subject.key, result.verdict
                why_not = _why_not_stored(result, self.outcomes[name])
                if verdict.status is Status.INCOMPARABLE and not verdict.can_be_stored:
                    self.problems.append(f"{key}: not stored: its baseline file is broken")
                    continue
                if why_not or result.measurement is None:
                    self.stored[key] = f"not stored: {why_not}"
                    self.refused |= self.outcomes[name] == "passed"
                    continue
                addition = Addition(
                    result.subject,
                    result.measurement,
                    session_of(result.measurement, now, commit, verdict.repeat_difference),
                    # By the moment that the verdict goes by.
                    partial(_agreement, result, result.measurement, session.now),
                    session.settings.reason,
                )
                store = session.stores.of(result.subject)
                path = store.path(result.subject)
                stores[path] = store
                files.setdefault(path, []).append((result, addition))
        for path, pairs in files.items():
            try:
                done = stores[path].store([addition for _, addition in pairs])
            except BaselineError as error:
                names = ", ".join(result.subject.key for result, _ in pairs)
                self.problems.append(f"not stored: {names}: {error}")
                continue
            for (result, _), stored in zip(pairs, done, strict=True):
                self.stored[result.subject.key] = _words(result, stored)

    def _accept(self, session: GateSession) -> None:
        """Accept the rises over the base, of tests that passed."""
        paired = session.paired
        if paired is None:
            return
        rises = {}
        for name, test in self.tests.items():
            outcome = self.outcomes[name]
            for result in test.results:
                key, verdict = result.subject.key, result.verdict
                if outcome != "passed" or not verdict.can_be_stored or verdict.change is None:
                    compared = verdict.status in COMPARED
                    why = "no rise" if compared else verdict.status.words
                    why = why if outcome == "passed" else f"the test {outcome}"
                    self.stored[key] = f"nothing was accepted: {why}"
                    continue
                by = stable(verdict.change.value)
                if by > accepted.MOST_RISE:
                    self.problems.append(
                        f"not accepted: {key}: {format_change(by)} is more than"
                        f" {format_change(accepted.MOST_RISE)}: a slip?"
                    )
                    continue
                date = utc_text(datetime.now(UTC))
                rises[key] = Accepted(by, paired.label, date, session.settings.reason)
        if not rises:
            return
        folder, tree = session.settings.baselines, paired.tree
        if tree.counterpart(folder) == folder:
            self.problems.append(
                f"not accepted: {folder} lies outside of {tree.revision.head}, so that the base"
                " could never have the entry: name a folder inside with --energy-baselines"
            )
            return
        try:
            accepted.store(folder, rises)
        except BaselineError as error:
            self.problems.append(f"not accepted: {', '.join(rises)}: {error}")
            return
        file = shown_path(folder / accepted.NAME)
        for key, rise in rises.items():
            change = format_change(rise.change)
            self.stored[key] = f"accepted: {change} over {paired.label} ({file})"


def _failure(report: pytest.TestReport) -> Failure:
    """Why a test failed, as pytest says it, and where it stands."""
    file, line, _ = report.location
    crash = getattr(report.longrepr, "reprcrash", None)
    message = str(getattr(crash, "message", report.longrepr))
    # What `pytest.fail` raises is named like this.
    return Failure(file, None if line is None else line + 1, message.removeprefix("Failed: "))


def _decoded(record: object) -> TestReport:
    report = decode(TestReport, record)
    return replace(report, results=tuple(map(compact, report.results)))


def _agreement(
    result: Result, measurement: Measurement, now: datetime, baseline: Baseline
) -> Agreement:
    """Whether a result belongs to a stored entry."""
    return agreement(
        result.subject,
        [measurement],
        baseline,
        result.rule,
        remeasured=result.verdict.repeat_difference is not None,
        now=now,
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


def _words(result: Result, stored: Stored) -> str:
    """What storing did, for people."""
    measurement = result.measurement
    busy = f"; {load_clause(measurement)}" if measurement and measurement.busy else ""
    if stored.before is None or stored.agreement is None:
        return f"stored{busy}"
    if stored.action is Action.APPENDED:
        count = len(stored.before.sessions)
        return f"added to {count} session{'s' * (count > 1)}{busy}"
    change = stored.agreement.change
    if change is None:
        return f"replaced ({stored.agreement.reason}){busy}"
    was = f"{format_joules(change.joules)}, {format_change(change.value)}"
    quality = result.verdict.quality
    if quality is not None and quality.change:
        was += f"; {quality.name} {format_change(quality.change)}"
    return f"replaced (was {was}){busy}"


def _words_of_counts(addition: CountsAddition, stored: CountsStored) -> str:
    """What storing did with counts, for people."""
    counts, before = addition.counts, stored.before
    left_out = " and ".join(counts.differing)
    if left_out and not _has_any(counts):
        which = counts.python_unavailable.removeprefix(DIFFER)
        return (
            f"none of its counts can be compared: {left_out} {DIFFER.removeprefix('they ')}{which}"
        )
    why = ""
    if left_out:
        reasons = (counts.python_unavailable, counts.operators_unavailable)
        why = next(reason for reason in reasons if reason.startswith(DIFFER))
        why = f", without {left_out}: {why}"
    if stored.action is not CountsAction.REPLACED or before is None or not before.joules:
        what = {CountsAction.CREATED: "stored", CountsAction.ADDED: "stored for these versions"}
        return f"counts {what.get(stored.action, stored.action.value)}{why}"
    change = format_change(addition.joules / before.joules - 1)
    return f"counts replaced ({change} of counted energy){why}"


def _has_any(counts: Counts) -> bool:
    """Whether anything was counted that later sessions can be compared with."""
    operators = counts.operators and not counts.operators_unavailable
    return bool(operators or not counts.python_unavailable)


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
