"""The two runs: their results by test, and which tests both have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pytest_energy.files import shown_path
from pytest_energy.report.read import RunError, read_session
from pytest_energy.types.result import Result, Subject
from pytest_energy.types.session import SessionReport

FIRST = "first run"
"""What A is called in clauses."""

Identity = tuple[str, str, str, str, str]
"""What makes two results those of one test: test, region, task, model and role."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run, as its report has it.

    Args:
        path: of the report.
        session: what stands in it.
        moment: when it ended, in UTC.
        results: by test, in its order.
    """

    path: Path
    session: SessionReport
    moment: datetime
    results: Mapping[Identity, Result]

    @property
    def machine(self) -> str:
        """Its machine class."""
        return self.session.machine.slug

    def others_of(self, subject: Subject) -> list[Subject]:
        """Subjects of the same test and region that have another task, model or role."""
        return [one.subject for one in self.results.values() if one.subject.key == subject.key]


@dataclass(frozen=True, slots=True)
class Runs:
    """Two runs, and which tests both have.

    Args:
        a: what is compared with.
        b: what is compared.
        pairs: A's and B's result of each test that both have, in B's order.
        gone: tests of A that B lacks.
        new: tests of B that A lacks.
    """

    a: Run
    b: Run
    pairs: tuple[tuple[Result, Result], ...]
    gone: tuple[Subject, ...]
    new: tuple[Subject, ...]


def read_run(path: Path) -> Run:
    """Read one run's report.

    Args:
        path: of a file that `--energy-json` wrote.

    Raises:
        RunError: not readable, not such a report, or it says two things of one test.
    """
    session = read_session(path)
    moment = datetime.fromisoformat(session.date).astimezone(UTC)
    return Run(path, session, moment, _by_test(path, session.results))


def _by_test(path: Path, results: Sequence[Result]) -> Mapping[Identity, Result]:
    """Results by test. One that stands twice with the same figures counts once.

    Raises:
        RunError: one stands there twice with other figures.
    """
    found: dict[Identity, Result] = {}
    places: dict[Identity, int] = {}
    for number, result in enumerate(results, 1):
        identity = identity_of(result.subject)
        known = found.setdefault(identity, result)
        if known != result:
            problem = (
                f"results {places[identity]} and {number} are of the same test, and differ:"
                f" {result.subject.key} (model {result.subject.model})"
            )
            raise RunError(path, problem, hint="keep the one that is meant")
        places.setdefault(identity, number)
    return found


def identity_of(subject: Subject) -> Identity:
    """What a test is known by, beside its machine class.

    Args:
        subject: as its run measured it.
    """
    return subject.test, subject.region, subject.task, subject.model, subject.role


def read_runs(a: Path, b: Path) -> Runs:
    """Read two reports, and find the tests that both have.

    Args:
        a: of what is compared with.
        b: of what is compared.

    Raises:
        RunError: one of them is no report, both are the same, or they have no test in common.
    """
    first, second = read_run(a), read_run(b)
    if first.session == second.session:
        problem = f"the same run as {shown_path(a)}: there is nothing to compare"
        raise RunError(b, problem, hint="name the reports of two runs")
    pairs = [
        (first.results[identity], result)
        for identity, result in second.results.items()
        if identity in first.results
    ]
    if not pairs:
        raise RunError(b, f"no test in common with {shown_path(a)}", hint=_why_none(first, second))
    return Runs(
        first,
        second,
        tuple(pairs),
        tuple(r.subject for each, r in first.results.items() if each not in second.results),
        tuple(r.subject for each, r in second.results.items() if each not in first.results),
    )


def _why_none(a: Run, b: Run) -> str:
    """What may have kept two runs from having a test in common, as a hint."""
    for name, run in (("A", a), ("B", b)):
        if not run.results:
            return f"{name} has no results at all: no metered test ran"
    ours, others = (next(iter(run.results.values())).subject for run in (a, b))
    same = [one for one in b.results.values() if a.others_of(one.subject)]
    if same:
        (was, *_), now = a.others_of(same[0].subject), same[0].subject
        return f"{now.key} has {differences(was, now)}"
    return (
        "tests are known by their names from pytest's rootdir, task, model and role: A has"
        f" {ours.key}, B has {others.key}"
    )


def differences(before: Subject, now: Subject) -> str:
    """In what two subjects of one name are not the same test, in words.

    Args:
        before: in the first run.
        now: in the second.
    """
    told = [
        f"another {what} ({old or 'none'}, now {new or 'none'})"
        for what, old, new in (
            ("task", before.task, now.task),
            ("model", before.model, now.model),
            ("role", before.role, now.role),
        )
        if old != new
    ]
    return " and ".join(told)
