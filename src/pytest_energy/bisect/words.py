"""What a bisection says: a line for each run, and what it ends with."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pytest_energy.bisect.git import Commit
from pytest_energy.bisect.judge import By, Counted, Estimate, Side, log_change
from pytest_energy.bisect.state import Target, Tested
from pytest_energy.types.units import format_change, format_joules, format_seconds


def begin(good: Commit, bad: Commit, count: int) -> str:
    """What is bisected.

    Args:
        good: the older end of the range.
        bad: the newer end.
        count: commits after GOOD, up to BAD.
    """
    steps = math.ceil(math.log2(count)) if count > 1 else 0
    commits = f"{count:,} commit{'s' * (count != 1)}"
    runs = f"about {steps} runs" if steps != 1 else "1 run"
    return f"bisecting {good.short}..{bad.short}: {commits}, {runs} beside these two"


def line(number: int, commit: Commit, said: str, rest: str, seconds: float) -> str:
    """The line of a run.

    Args:
        number: of the run, from 1.
        commit: that was run.
        said: what it is: good, bad or skip.
        rest: its figure.
        seconds: that it took.
    """
    figure = f"{rest}, {format_seconds(seconds)}" if rest else format_seconds(seconds)
    return f"[{number}] {commit.short} {said:<4} {figure}  {commit.subject}"


def tested(number: int, commit: Commit, one: Tested, target: Target) -> str:
    """The line of a commit that was judged.

    Args:
        number: of the run, from 1.
        commit: that was run.
        one: what was found.
        target: the change that is followed.
    """
    return line(number, commit, one.side.value, figure_of(one, target), one.seconds)


def figure_of(one: Tested, target: Target) -> str:
    """A commit's change from GOOD, or why there is none."""
    if one.side is Side.SKIP:
        return one.reason
    notes = f" ({one.reason})" if one.reason else ""
    if one.counted is not None and target.good is not None:
        change = log_change(one.counted.joules, target.good.joules)
        return f"{format_change(math.expm1(change))} (counted){notes}"
    if one.estimate is not None:
        return f"{interval(one.estimate)} ({measured(one.runs)}){notes}"
    return one.reason


def measured(runs: int) -> str:
    """How a figure came about: `measured`, `measured, 3 runs`."""
    return "measured" if runs == 1 else f"measured, {runs} runs"


def interval(one: Estimate) -> str:
    """A measured change with its 95 % interval, `+14.2 % [+11.0 %, +17.5 %] (95 %)`."""
    value, low, high = (format_change(math.expm1(x)) for x in (one.value, one.low, one.high))
    return f"{value} [{low}, {high}] (95 %)"


def chosen(target: Target, others: int) -> str:
    """Which change is followed.

    Args:
        target: the change.
        others: tests that have changed as well.
    """
    change = format_change(math.expm1(target.change))
    middle = format_change(math.expm1(target.change / 2))
    if target.good is not None and target.bad is not None:
        what = (
            f"{steps(target.good, target.bad)} of counted energy per {target.good.unit}, {change}"
        )
    else:
        what = f"{change} of measured energy"
    more = f"; {others} more changed, --test names another" if others else ""
    return f"{target.test}: {what}; good and bad part at {middle}{more}"


def steps(before: Counted, now: Counted) -> str:
    """Two figures, `41.0 µJ -> 81.0 µJ`."""
    return f"{format_joules(before.joules)} -> {format_joules(now.joules)}"


def found(
    commit: Commit,
    target: Target,
    now: Counted | Estimate | None,
    before: Counted | Estimate | None,
    than: str,
    culprits: Sequence[tuple[str, str]],
) -> list[str]:
    """What a bisection ends with that has found the commit.

    Args:
        commit: the first bad one.
        target: the change that was followed.
        now: its figures; None where there are none.
        before: those of the commit before.
        than: what the commit before is called.
        culprits: what accounts for the change, each with what it is.
    """
    lines = [f"first bad commit: {commit.sha} {commit.subject} ({commit.author}, {commit.date})"]
    lines.append(f"  test     {target.test}")
    if isinstance(now, Counted) and isinstance(before, Counted):
        change = format_change(math.expm1(log_change(now.joules, before.joules)))
        lines.append(f"  counted  {steps(before, now)} per {now.unit}, {change} over {than}")
    if isinstance(now, Estimate):
        lines.append(f"  measured {interval(now)} over GOOD")
    if isinstance(before, Estimate):
        lines.append(f"  before   {interval(before)} over GOOD, at {than}")
    lines += [f"  {what:<8} {culprit}" for what, culprit in culprits]
    return [*lines, f"see it: git show {commit.short}"]


def undecided(commits: Sequence[Commit]) -> list[str]:
    """What a bisection ends with that skipped commits keep from deciding.

    Args:
        commits: that may be the first bad one, the newest first.
    """
    head = f"not decided: each of these {len(commits)} commits may be the first bad one"
    return [head, *(f"  {one.short} {one.subject}" for one in commits)]


def nothing(changes: Sequence[tuple[str, str]], by: By) -> list[str]:
    """What a bisection ends with that has nothing to look for.

    Args:
        changes: of each test from GOOD to BAD, in words, the largest first.
        by: what it was judged by.
    """
    how = "counted" if by is By.COUNTS else "measured"
    head = f"GOOD and BAD take the same: no {how} change is sure to be larger than what is allowed"
    more = [f"  {name}: {change}" for name, change in changes[:MOST_NAMED]]
    return [head, *more, "a smaller change is looked for with --tolerance, as in --tolerance=1%"]


MOST_NAMED = 5
"""Tests whose change is named where none is large enough."""
