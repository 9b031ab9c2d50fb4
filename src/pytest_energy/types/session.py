"""What a session hands to its reports: one frozen value with everything that they show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pytest_energy.types.carbon import Carbon
from pytest_energy.types.counts import Judge
from pytest_energy.types.energy import Domain, Method
from pytest_energy.types.machine import Machine
from pytest_energy.types.ratio import RoleRatio
from pytest_energy.types.result import Result
from pytest_energy.types.units import format_joules, format_seconds


@dataclass(frozen=True, slots=True)
class Overhead:
    """What the gate itself took: opening meters, warm-up, readings, re-measurements, storing.

    Args:
        seconds: duration.
        joules: of the gated domains.
    """

    seconds: float = 0.0
    joules: float = 0.0

    def __add__(self, other: Overhead) -> Overhead:
        """The sum of both."""
        return Overhead(self.seconds + other.seconds, self.joules + other.joules)

    def __str__(self) -> str:
        """`3.20 J and 1.40 s`; no joules where nothing was metered."""
        seconds = format_seconds(self.seconds)
        return f"{format_joules(self.joules)} and {seconds}" if self.joules else seconds


@dataclass(frozen=True, slots=True)
class MeterUse:
    """One meter that a session reads.

    Args:
        name: as in `--energy-meter NAME`.
        methods: how its figures come about.
    """

    name: str
    methods: tuple[Method, ...]


@dataclass(frozen=True, slots=True)
class Instrumentation:
    """What a session meters with.

    Args:
        meters: the meters that are read.
        domains: what they count.
        note: why these, where that needs saying: `estimated, because …`.
    """

    meters: tuple[MeterUse, ...] = ()
    domains: tuple[Domain, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class TestReport:
    """What a test process hands over with the report of one test.

    Args:
        results: of the test's loop or body, and of its regions.
        overhead: what the gate has taken since the report before.
        instrumentation: what the process meters with.
        notices: what was done that a reader should know, each a line.
    """

    __test__ = False  # its name looks like a test class to pytest

    results: tuple[Result, ...]
    overhead: Overhead
    instrumentation: Instrumentation
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BaseSummary:
    """The base of a paired session.

    Args:
        label: the revision, as people read it.
        only_base: metered tests that the base has and the head does not.
    """

    label: str
    only_base: tuple[str, ...] = ()


class Unrun(StrEnum):
    """Why a metered test that was selected has no result, or one of a file that was."""

    SKIPPED = "skipped"
    """By a mark, by a fixture, or with its whole file at collection."""
    XFAILED = "xfailed"
    """By a mark that runs nothing, or by a fixture."""
    ERROR = "error"
    """Its set-up failed, or the collection of its file."""
    UNFINISHED = "unfinished"
    """The session ended before it, or while it ran."""

    @property
    def words(self) -> str:
        """As people read it behind a number of tests."""
        return _WORDS[self]


_WORDS = {
    Unrun.SKIPPED: "skipped",
    Unrun.XFAILED: "xfailed",
    Unrun.ERROR: "failed in the set-up or at collection",
    Unrun.UNFINISHED: "did not run to the end",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a metered test failed, and where it stands.

    Args:
        file: of the test, from pytest's rootdir.
        line: in it, counted from 1; None where it is not known.
        message: of the error, of one line or of several.
    """

    file: str
    line: int | None
    message: str


FAILED_OUTCOMES = ("failed", "error")
"""What pytest says of a test that failed, in its body or beside it."""


@dataclass(frozen=True, slots=True)
class SessionReport:
    """All that reports get.

    Args:
        date: ISO 8601, UTC.
        commit: the revision of the project, `+` after it where tracked files have changed; None
            outside of a repository.
        machine: the machine class.
        carbon: carbon intensity of the electricity and PUE.
        instrumentation: what was metered with.
        baselines: the folder of the baselines, as people read it.
        base: the base of a paired session; None where stored baselines are compared with.
        results: one per test and region, in the order in which the tests ran.
        outcomes: pytest's outcome of each test, by node id.
        stored: what `--energy-update` did, by the subject's key.
        problems: what was asked for and could not be done, each a sentence.
        notices: what was switched off, loosened, left out or left over, each a line.
        overhead: what the gate itself took.
        judge: what decided: measured joules, exact counts, or both.
        failures: of metered tests that failed, by node id; the JSON report has none of them.
        unrun: metered tests that were selected and have no result, by node id; with them those that
            have stored entries, of files that were skipped or failed at collection.
        role_ratios: of a session that was read from a report: as it was when there were blocks.
    """

    date: str
    commit: str | None
    machine: Machine
    carbon: Carbon
    instrumentation: Instrumentation
    baselines: str
    base: BaseSummary | None = None
    results: tuple[Result, ...] = ()
    outcomes: Mapping[str, str] = field(default_factory=dict)
    stored: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    overhead: Overhead = Overhead()
    judge: Judge = Judge.BOTH
    failures: Mapping[str, Failure] = field(default_factory=dict)
    unrun: Mapping[str, Unrun] = field(default_factory=dict)
    role_ratios: tuple[RoleRatio, ...] = ()

    def has_failed(self, test: str) -> bool:
        """Whether pytest says that a test failed, for whatever reason.

        Args:
            test: its node id.
        """
        return self.outcomes.get(test) in FAILED_OUTCOMES
