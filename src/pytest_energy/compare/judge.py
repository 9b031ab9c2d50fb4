"""Verdicts on a second run: the gate's own, with the first run as the only stored session."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime

from pytest_energy.baselines.store import session_of
from pytest_energy.compare.runs import FIRST, Run, Runs
from pytest_energy.types.baseline import Baseline
from pytest_energy.types.counts import CountsChange, Judge
from pytest_energy.types.result import Result, Subject, some_names
from pytest_energy.types.units import format_seconds
from pytest_energy.types.verdict import COMPARED, FAILED, Rule, Status, Verdict
from pytest_energy.verdict import judge as judges
from pytest_energy.verdict.case import Case
from pytest_energy.verdict.count_rules import CountedCase, judge_counts, with_counts
from pytest_energy.verdict.counts_comparison import as_baseline, compare
from pytest_energy.verdict.rules import is_momentary

NOT_WHOLE = ("failed", "xfailed")
"""Outcomes of pytest's after which a figure may not be of the whole work."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A test of both runs.

    Args:
        before: what the first run has of it.
        after: what the second has, with the rule and the verdict of this comparison.
    """

    before: Result
    after: Result

    @property
    def status(self) -> Status:
        """The verdict in a word."""
        return self.after.verdict.status

    @property
    def counts(self) -> CountsChange | None:
        """What has changed of exact counts; None where they were not set side by side."""
        return self.after.verdict.counts


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs, test by test.

    Args:
        runs: both.
        judge: what decided.
        pairs: the tests that both have, in the second run's order.
        notes: what a reader should know of the whole, each a clause.
    """

    runs: Runs
    judge: Judge
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...] = ()

    @property
    def statuses(self) -> Counter[Status]:
        """How many tests have each verdict."""
        return Counter(pair.status for pair in self.pairs)

    @property
    def compared(self) -> int:
        """Tests that have a verdict which rests on a comparison."""
        return sum(pair.status in COMPARED for pair in self.pairs)

    @property
    def with_counts(self) -> int:
        """Tests whose exact counts were set side by side."""
        found = (pair.counts for pair in self.pairs)
        return sum(change is not None and change.energy is not None for change in found)

    @property
    def regressed(self) -> tuple[Pair, ...]:
        """Tests that take more than is allowed."""
        return tuple(pair for pair in self.pairs if pair.status is Status.REGRESSED)

    @property
    def missing(self) -> tuple[Subject, ...]:
        """Tests of the first run that the second lacks, or has no figure of."""
        lost = (pair.after.subject for pair in self.pairs if pair.status is Status.UNMEASURED)
        return (*self.runs.gone, *lost)


def judge_of(runs: Runs) -> Judge:
    """What decides unless told otherwise: counts alone where a run has no other figures.

    Args:
        runs: both.
    """
    judges = {run.session.judge for run in (runs.a, runs.b)}
    return Judge.COUNTED if Judge.COUNTED in judges else Judge.BOTH


def compare_runs(
    runs: Runs, tolerance: float | None = None, judge: Judge | None = None
) -> Comparison:
    """Judge the second run against the first.

    Args:
        runs: both.
        tolerance: allowed change of every test, as a fraction; what each test of the second run
            allows when left out.
        judge: what decides; `judge_of` when left out.
    """
    decides = judge_of(runs) if judge is None else judge
    now = _moment(runs)
    rules = [_rule(after, tolerance, len(runs.pairs)) for _, after in runs.pairs]
    pairs = []
    for (before, after), rule in zip(runs.pairs, rules, strict=True):
        try:
            verdict = _checked(_verdict(runs, before, after, rule, decides, now))
        except (ArithmeticError, ValueError) as error:  # a report may have been edited
            reason = f"nothing can be computed with its figures ({error})"
            verdict = Verdict(Status.INCOMPARABLE, reason)
        # What the gate of a session could do about it, this command cannot.
        verdict = replace(verdict, hint="", can_be_stored=False, obstacle=None)
        after = replace(after, rule=rule, verdict=verdict, base=None)
        if decides is Judge.COUNTED:  # whatever was metered, nothing rests on it
            before, after = (replace(one, measurement=None) for one in (before, after))
        pairs.append(Pair(before, after))
    return Comparison(runs, decides, tuple(pairs), tuple(_notes(runs, decides)))


def _checked(verdict: Verdict) -> Verdict:
    """A verdict with figures that are finite.

    Raises:
        ValueError: one is not.
    """
    change = verdict.change
    if change is not None:
        figures = (change.value, change.low, change.high, change.limit, change.detectable)
        others = (change.reference_change or 0.0, change.flops or 0.0, *change.domains.values())
        if not all(map(math.isfinite, (*figures, *others))):
            raise ValueError("the change is infinite")
    return verdict


def _moment(runs: Runs) -> datetime:
    """When the second run ended, as far from the first as it was, before or after."""
    return runs.a.moment + abs(runs.b.moment - runs.a.moment)


def _rule(after: Result, tolerance: float | None, comparisons: int) -> Rule:
    """What is allowed: a change. Ceilings are each run's own matter."""
    rule = after.rule if tolerance is None else replace(after.rule, tolerance=tolerance)
    rule = replace(rule, comparisons=comparisons)
    return replace(rule, budget_joules=None, budget_text="", max_flops=None)


def _verdict(
    runs: Runs, before: Result, after: Result, rule: Rule, decides: Judge, now: datetime
) -> Verdict:
    change = None if decides is Judge.MEASURED else counts_change(runs.a, before, after)
    if decides is Judge.COUNTED:
        return _counted(before, after, change, rule)
    measured = _measured(runs, before, after, rule, now)
    return with_counts(measured, change, rule, after.subject.act)


def _measured(runs: Runs, before: Result, after: Result, rule: Rule, now: datetime) -> Verdict:
    if after.measurement is None:
        return judges.unmeasured(after.verdict.reason or "no energy was metered in the second run")
    other = runs.a.machine if runs.a.machine != runs.b.machine else ""
    baseline = None
    if not other:
        why = why_no_figure(before)
        if why:
            return Verdict(Status.INCOMPARABLE, f"the {FIRST} has no figure to compare with: {why}")
        baseline = _baseline(runs.a, before)
    return judges.judge(
        Case(
            after.subject,
            [after.measurement],
            rule,
            baseline,
            (other,) if other else (),
            now=now,
            name=FIRST,
        )
    )


def why_no_figure(result: Result) -> str:
    """Why a result is none that anything could be compared with, as a clause; empty where it is.

    A figure that `--energy-update` would not store is none.

    Args:
        result: of a run.
    """
    measurement = result.measurement
    if measurement is None:
        return result.verdict.reason or "no energy was metered"
    verdict = judges.judge(Case(result.subject, [measurement], Rule(result.rule.tolerance)))
    if not verdict.can_be_stored:
        return verdict.reason
    if is_momentary(measurement):
        return f"its window of {format_seconds(measurement.seconds)} is too short for a comparison"
    return ""


def _baseline(run: Run, result: Result) -> Baseline | None:
    """A result as the gate would have stored it."""
    measurement = result.measurement
    if measurement is None:
        return None
    apart = result.verdict.repeat_difference
    session = session_of(measurement, run.moment, run.session.commit, apart)
    return Baseline(
        result.subject,
        measurement.meters,
        measurement.domains,
        (session,),
        measurement.reference.kind if measurement.reference else "",
        measurement.allocator,
    )


def counts_change(run: Run, before: Result, after: Result) -> CountsChange | None:
    """What has changed of exact counts; None where they are not in both runs.

    Args:
        run: the first.
        before: its result.
        after: the second run's.
    """
    stored, now, subject = before.counts, after.counts, before.subject
    if stored is None or now is None or not (stored.inferences and now.inferences):
        return None
    session, present = run.session, after.subject
    baseline = as_baseline(
        stored, subject.n, subject.unit, subject.dataset, session.date, session.commit
    )
    return compare(now, present.n, present.unit, present.dataset, baseline, FIRST)


def _counted(before: Result, after: Result, change: CountsChange | None, rule: Rule) -> Verdict:
    if after.subject.region:
        return Verdict(Status.INCOMPARABLE, "regions are not counted")
    if after.counts is None or not after.counts.inferences:
        return judges.unmeasured("nothing was counted in the second run")
    if change is None:
        return Verdict(Status.INCOMPARABLE, f"nothing was counted in the {FIRST}")
    return judge_counts(CountedCase(after.counts, change=change, act=after.subject.act), rule)


def _notes(runs: Runs, decides: Judge) -> list[str]:
    """What a reader should know of the whole comparison."""
    notes = []
    sides = (("A", runs.a), ("B", runs.b))
    if decides is Judge.COUNTED:
        notes.append("judged by exact counts alone: energies stand here as counted, not measured")
    elif bare := [name for name, run in sides if not _has_blocks(run)]:
        notes.append(
            f"{' and '.join(bare)} without blocks: --energy-json-blocks keeps them, and with them"
            " what each test's own noise is"
        )
    for position, (name, run) in enumerate(sides):
        own = [pair[position] for pair in runs.pairs]
        failed = [one.subject.short_name for one in own if _failed(run, one)]
        if failed:
            notes.append(f"failed in {name}, and not for energy: {some_names(failed)}")
    return notes


def _has_blocks(run: Run) -> bool:
    """Whether a report has blocks, or nothing to have them of."""
    found = [one.measurement for one in run.results.values() if one.measurement is not None]
    blocks = (block for one in found for block in one.blocks)
    several = any(len(one.blocks) > 1 for one in found)
    # Of a whole body there is one block; where a report leaves it out, its page faults are gone.
    return not found or several or any(block.page_faults is not None for block in blocks)


def _failed(run: Run, result: Result) -> bool:
    """Whether a test failed for another reason than its energy: it may not have done all."""
    of_energy = result.verdict.status in FAILED
    return run.session.outcomes.get(result.subject.test) in NOT_WHOLE and not of_energy
