"""A commit's tests run by pytest in a process of their own, and what was found."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeVar

from pytest_energy.bisect.git import BisectError, Commit, Repository, check_out
from pytest_energy.bisect.inside import Findings, Spec
from pytest_energy.bisect.judge import Counted, Estimate, estimate
from pytest_energy.files import read_text
from pytest_energy.paired.client import FAREWELL_SECONDS, TAIL_LINES, has_ended, python_of
from pytest_energy.paired.import_redirect import Trees
from pytest_energy.paired.start import worker_environment
from pytest_energy.paired.worktree import BaseTree, plain_environment
from pytest_energy.types.codec import DecodeError, check_finite, decode, encode
from pytest_energy.types.counts import Counts
from pytest_energy.types.result import Subject
from pytest_energy.types.units import format_seconds
from pytest_energy.world import clock, sleep

T = TypeVar("T", Counted, Estimate)

MOST_BYTES = 96 * 2**20
"""Of a report: more is none of ours."""

LEAST_FREE_BYTES = 2**20
"""Where less is left, a commit that did not run is not to blame."""

POLL_SECONDS = 0.02
"""How often a run is asked whether it has ended."""

RULED = (
    "--energy-json",
    "--energy-judge",
    "--energy-against",
    "--energy-against-setup",
    "--energy-update",
    "--energy-prune",
    "--energy-off",
)
"""Options of pytest that a bisection sets itself."""

_PLAIN = (
    # What a project's ini file says for the gate is no matter here.
    *("-o", "energy_off=false"),
    *("-o", "energy_update=false"),
    *("-o", "energy_prune="),
    *("-o", "energy_strict=false"),
    *("-o", "energy_html="),
    *("-o", "energy_markdown="),
    *("-o", "energy_export="),
    # The first failure must not end the run before the test that is asked for, nor a broken file.
    "--maxfail=0",
    "--continue-on-collection-errors",
    # What a test finds in a cache depends on those before it.
    *("-p", "no:randomly"),
)


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run of pytest at a commit found.

    Args:
        counted: by test.
        estimates: by test, of a run against GOOD.
        reasons: why a test has neither, by test.
        problem: why no test has, as a clause; empty where one has.
        seconds: duration, the set-up included.
        output: the end of what the run printed.
    """

    counted: Mapping[str, Counted] = field(default_factory=dict)
    estimates: Mapping[str, Estimate] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    seconds: float = 0.0
    output: str = ""

    def why_not(self, test: str) -> str:
        """Why a test has no figure."""
        return self.reasons.get(test) or self.problem or "the test is not there"


class Runner:
    """Runs the tests of one commit after the other in a worktree.

    Args:
        repository: the user's.
        tree: the worktree.
        folder: of the user's tree, in whose counterpart pytest runs.
        arguments: pytest's.
        setup: shell command to run at each commit first; empty for none.
        seconds: how long a run may take.
    """

    def __init__(
        self,
        repository: Repository,
        tree: BaseTree,
        folder: Path,
        arguments: Sequence[str],
        setup: str,
        seconds: float,
    ) -> None:
        self._tree = tree
        self._trees = Trees(repository.top, tree.root)
        self._folder = folder
        self._arguments = tuple(arguments)
        self._setup = setup
        self._seconds = seconds
        self._beside = tree.root.parent
        self._ready = ""

    def count(self, commit: Commit, test: str = "") -> Ran:
        """Run by exact counts.

        Args:
            commit: to run.
            test: the only one that is wanted; empty for all.

        Raises:
            BisectError, BaseError: it is not the commit's fault.
        """
        options = ("-o", "energy_against=", "--energy-judge=counted")
        return self._run(commit, test, options, paired=False)

    def pair(self, commit: Commit, good: Commit, test: str = "") -> Ran:
        """Run interleaved with GOOD.

        Args:
            commit: to run.
            good: what it is compared with.
            test: the only one that is wanted; empty for all.

        Raises:
            BisectError, BaseError: it is not the commit's fault.
        """
        options = [f"--energy-against={good.sha}", "--energy-judge=measured"]
        if self._setup:
            options.append(f"--energy-against-setup={self._setup}")
        return self._run(commit, test, options, paired=True)

    def _run(self, commit: Commit, test: str, options: Sequence[str], paired: bool) -> Ran:
        began = clock()
        problem, output = self._prepare(commit)
        if not problem:
            problem, output = self._pytest(test, options)
        seconds = clock() - began
        if problem:
            self._check_room()
            return Ran(problem=problem, seconds=seconds, output=output)
        return self._found(test, paired, seconds, output)

    def _prepare(self, commit: Commit) -> tuple[str, str]:
        """Check a commit out and set it up; why that failed, and what it printed."""
        if self._ready == commit.sha:
            return "", ""
        self._ready = ""
        check_out(self._tree, commit.sha)
        if not self._place.is_dir():
            return f"there is no folder {self._place.relative_to(self._tree.root)}", ""
        problem, output = self._set_up() if self._setup else ("", "")
        if not problem:
            self._ready = commit.sha
        return problem, output

    def _set_up(self) -> tuple[str, str]:
        """Run the user's command; why it failed, and what it printed."""
        environment = plain_environment()
        environment["PYTEST_ENERGY_HEAD"] = str(self._trees.head)
        status, output = self._wait(["/bin/sh", "-c", self._setup], environment)
        if status is None:
            return f"the set-up took longer than {self._limit}", output
        if status:
            last = output.splitlines()[-1:]
            return f"the set-up ended with exit status {status}{': '.join(['', *last])}", output
        return "", output

    @property
    def _limit(self) -> str:
        return f"{format_seconds(self._seconds)} (--timeout)"

    @property
    def _place(self) -> Path:
        return self._tree.counterpart(self._folder)

    @property
    def _report(self) -> Path:
        return self._beside / "report.json"

    @property
    def _findings(self) -> Path:
        return self._beside / "findings.json"

    def _pytest(self, test: str, options: Sequence[str]) -> tuple[str, str]:
        """Run pytest; why there is no report, and what it printed."""
        for path in (self._report, self._findings):
            path.unlink(missing_ok=True)
        spec = Spec(
            str(self._trees.head), str(self._trees.base), test, findings=str(self._findings)
        )
        python = python_of(self._place, bool(self._setup))
        # -P: what lies in the folder where it starts is no part of its path, until it is led there.
        command = [str(python), "-P", "-m", "pytest_energy.bisect.inside"]
        command += [json.dumps(encode(spec)), *map(self._redirected, self._arguments), *_PLAIN]
        command += ["-o", f"cache_dir={self._beside / 'cache'}"]
        command += [f"--energy-baselines={self._beside / 'no-baselines'}", *options]
        command += [f"--energy-json={self._report}"]
        status, output = self._wait(command, self._environment)
        if status is None:
            return f"it took longer than {self._limit}", output
        if status < 0:
            return f"pytest was ended by {signal.Signals(-status).name}", output
        if not self._report.exists() or not self._findings.exists():
            return _why_no_report(status, output), output
        return "", output

    def _redirected(self, argument: str) -> str:
        """An argument of pytest's whose path leads to the commit's tree, not to the user's."""
        option, equals, value = argument.partition("=")
        if not (equals and option.startswith("-")):
            option, equals, value = "", "", argument
        path, colons, rest = value.partition("::")
        if not Path(path).is_absolute():
            return argument
        return f"{option}{equals}{self._tree.counterpart(Path(path))}{colons}{rest}"

    @property
    def _environment(self) -> dict[str, str]:
        environment = worker_environment(self._trees)
        if (options := os.environ.get("PYTEST_ADDOPTS")) is not None:
            environment["PYTEST_ADDOPTS"] = options
        # The order of a set of texts decides how often a function is called in some programs.
        environment.setdefault("PYTHONHASHSEED", "0")
        environment.pop("GITHUB_STEP_SUMMARY", None)  # every run would add to it
        return environment

    def _wait(self, command: Sequence[str], environment: dict[str, str]) -> tuple[int | None, str]:
        """Run a process; its exit status, None where it took too long, and what it printed."""
        with tempfile.TemporaryFile(dir=self._beside) as log:
            process = subprocess.Popen(
                command,
                cwd=self._place,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C on the terminal is ours, who end it.
                process_group=0,
            )
            deadline = clock() + self._seconds
            try:
                while not (ended := has_ended(process)) and clock() < deadline:
                    sleep(POLL_SECONDS)
            finally:
                _end(process)
            return process.returncode if ended else None, _tail(log)

    def _found(self, test: str, paired: bool, seconds: float, output: str) -> Ran:
        findings = _read(Findings, self._findings)
        if findings.outside:
            return Ran(problem=findings.outside, seconds=seconds, output=output)
        counted: dict[str, Counted] = {}
        estimates: dict[str, Estimate] = {}
        reasons = dict(findings.unfinished)
        for one in _results(self._report):
            name = one.subject.test
            if one.subject.region:
                continue
            if paired and (estimated := _estimate(one)) is not None:
                estimates[name] = estimated
            elif not paired and one.counts is not None and one.counts.inferences > 0:
                counted[name] = _counted(one.subject, one.counts, one.rule.tolerance)
            else:
                reasons.setdefault(name, one.verdict.reason or "it has no figure")
        found_any = counted or estimates or test in reasons
        problem = "" if found_any else _why_nothing_ran(findings, test)
        return Ran(counted, estimates, reasons, problem, seconds)

    def _check_room(self) -> None:
        if shutil.disk_usage(self._beside).free < LEAST_FREE_BYTES:
            raise BisectError(
                f"there is no room left in {self._beside}: set TMPDIR to another folder"
            )


# What is read of a report. Whatever else it says is no matter of a bisection.


@dataclass(frozen=True, slots=True)
class _Rule:
    tolerance: float


@dataclass(frozen=True, slots=True)
class _Change:
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class _Verdict:
    reason: str = ""
    change: _Change | None = None


@dataclass(frozen=True, slots=True)
class _Result:
    subject: Subject
    rule: _Rule
    verdict: _Verdict
    counts: Counts | None = None


def _results(path: Path) -> tuple[_Result, ...]:
    """The results of a report that a project's own code may have had its hands on.

    Raises:
        BisectError: it is no report.
    """
    record = _json(path)
    listed = record.get("results") if isinstance(record, dict) else None
    try:
        check_finite(listed)
        return tuple(decode(_Result, one) for one in listed or ())
    except (DecodeError, TypeError) as error:
        raise BisectError(f"pytest's report is not as reports are: {error}") from error


R = TypeVar("R")


def _read(kind: type[R], path: Path) -> R:
    try:
        return decode(kind, _json(path))
    except DecodeError as error:
        raise BisectError(f"{path.name} is not as it was written: {error}") from error


def _json(path: Path) -> Any:
    try:
        return json.loads(read_text(path, most_bytes=MOST_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise BisectError(f"what pytest has written cannot be read: {error}") from error


def _counted(subject: Subject, counts: Counts, tolerance: float) -> Counted:
    return Counted(counts, subject.n, subject.unit, subject.dataset, tolerance)


def _estimate(one: _Result) -> Estimate | None:
    change = one.verdict.change
    if change is None:
        return None
    return estimate(change.value, change.low, change.high, one.rule.tolerance)


def _why_nothing_ran(findings: Findings, test: str) -> str:
    """Why a session had no metered test to run, as a clause; empty where it had one."""
    if findings.selected:
        return ""
    for place, words in findings.uncollected.items():
        if test.startswith(place) or not test:
            return f"{place or 'the session'} could not be collected: {words}"
    if test:
        return "the test is not there"
    if findings.collected and not findings.metered:
        return "none of the tests is metered"
    return "pytest selected no test"


_LAST_WORDS = re.compile(r"E  |INTERNALERROR|ERROR: (?!usage)|.*\berror: ")
"""Lines of pytest's output that say why it gave up."""


def _why_no_report(status: int, output: str) -> str:
    """The last words of pytest itself, or else the last line of all."""
    lines = [line for line in output.splitlines() if line.strip()] or ["it printed nothing"]
    said = [line for line in lines if _LAST_WORDS.match(line)] or lines
    words = said[-1].removeprefix("E  ").removeprefix("ERROR:").strip()
    return f"pytest ended with exit status {status}: {words}"


def _tail(log: IO[bytes]) -> str:
    log.seek(0, os.SEEK_END)
    log.seek(max(0, log.tell() - 2**16))
    lines = log.read().decode(errors="replace").rstrip().splitlines()
    return "\n".join(lines[-TAIL_LINES:])


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a run and what it has started; a paired run may remove its own worktree first."""
    try:
        if not has_ended(process):
            _signal(process, signal.SIGINT)
            deadline = clock() + FAREWELL_SECONDS
            while not has_ended(process) and clock() < deadline:
                sleep(POLL_SECONDS)
    finally:
        _signal(process, signal.SIGKILL)
        process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    # A process that was waited for has given its id away; one that has only ended has not.
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
