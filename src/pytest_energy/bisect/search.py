"""The search for the commit: both ends, which change is followed, then commit after commit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from pytest_energy.bisect import words
from pytest_energy.bisect.culprits import culprits
from pytest_energy.bisect.git import BisectError, Commit, GitBisect, Repository
from pytest_energy.bisect.judge import (
    By,
    Counted,
    Estimate,
    Side,
    differences,
    likelier,
    log_change,
    most_changed,
    nearer,
    pooled,
    why_incomparable,
)
from pytest_energy.bisect.runs import Ran, Runner
from pytest_energy.bisect.state import State, Store, Target, Tested
from pytest_energy.paired.worktree import BaseError, BaseTree, Revision, sweep
from pytest_energy.types.units import format_change

FOUND, NOT_FOUND = 0, 1
"""Exit codes: the commit is found; nothing has changed, or it cannot be decided."""


@dataclass(frozen=True, slots=True)
class _Nothing:
    """There is no change to follow.

    Args:
        changes: of each test, in words, the largest first.
        by: what was looked at.
    """

    changes: tuple[tuple[str, str], ...]
    by: By


class Search:
    """One bisection.

    Args:
        repository: the user's.
        store: keeps how far it has come.
        state: where to go on from.
        say: prints a line at once.
    """

    def __init__(
        self, repository: Repository, store: Store, state: State, say: Callable[[str], None]
    ) -> None:
        self._repository = repository
        self._store = store
        self._state = state
        self._say = say
        self._good = repository.described(state.request.good)
        self._bad = repository.described(state.request.bad)
        self._number = 0

    def run(self) -> int:
        """Search, and say what comes of it.

        Returns:
            The exit code.

        Raises:
            BisectError, BaseError: something is in the way; what was found so far is kept.
        """
        count = self._repository.count(self._good, self._bad)
        self._say(words.begin(self._good, self._bad, count))
        tree = BaseTree(
            Revision(self._repository.top, self._good.short, self._good.sha), "the repository"
        )
        try:
            return self._in(tree)
        finally:
            tree.remove()
            with suppress(BaseError):  # of a paired run that had to be killed
                sweep(self._repository.top)

    def _in(self, tree: BaseTree) -> int:
        request = self._state.request
        folder = self._repository.top / request.folder
        runner = Runner(
            self._repository, tree, folder, request.arguments, request.setup, request.timeout
        )
        try:
            target = self._state.target or self._change(runner)
        except BisectError:  # to go on would end in the same way
            self._store.delete()
            raise
        if isinstance(target, _Nothing):
            self._store.delete()
            self._print(words.nothing(target.changes, target.by))
            return NOT_FOUND
        self._keep(replace(self._state, good=None, bad=None, target=target))
        return self._search(runner, GitBisect(tree, self._good.sha, self._bad.sha), target)

    def _keep(self, state: State) -> None:
        self._state = state
        self._store.save(state)

    def _print(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._say(line)

    # Which change is followed

    def _change(self, runner: Runner) -> Target | _Nothing:
        """The change from GOOD to BAD whose commit is sought."""
        by = self._state.request.by
        found: Target | _Nothing | None = None
        if by is not By.JOULES:
            found = self._by_counts(runner)
            if isinstance(found, Target) or by is By.COUNTS:
                return found
            largest = f" (at most {found.changes[0][1]})" if found.changes else ""
            self._say(f"it does not show in exact counts{largest}: going on by paired runs")
        return self._by_joules(runner)

    def _by_counts(self, runner: Runner) -> Target | _Nothing:
        good, bad = self._counted_ends(runner)
        both = {name: (good[name], bad[name]) for name in good if name in bad}
        wanted = self._state.request.test
        # What cannot be counted may be measured all the same.
        if wanted and (self._is_by(By.COUNTS) or any(wanted in name for name in both)):
            name = _named(wanted, both)
            both = {name: both[name]}
        elif wanted:
            both = {}
        reasons = {name: why_incomparable(after, before) for name, (before, after) in both.items()}
        comparable = {name: pair for name, pair in both.items() if not reasons[name]}
        if not comparable and self._is_by(By.COUNTS):
            why = next((f" ({name}: {why})" for name, why in reasons.items()), "")
            raise BisectError(f"no test was counted both at GOOD and at BAD{why}")
        changes = {
            name: log_change(after.joules, before.joules)
            for name, (before, after) in comparable.items()
        }
        allowed = {name: self._allowed(after.tolerance) for name, (_, after) in comparable.items()}
        found = most_changed(changes, allowed)
        if found is None:
            order = sorted(changes, key=lambda each: -abs(changes[each]))
            said = tuple((each, format_change(math.expm1(changes[each]))) for each in order)
            return _Nothing(said, By.COUNTS)
        target = Target(found, By.COUNTS, changes[found], *comparable[found])
        self._say(words.chosen(target, _others(changes, allowed)))
        return target

    def _is_by(self, by: By) -> bool:
        return self._state.request.by is by

    def _allowed(self, tolerance: float) -> float:
        asked = self._state.request.tolerance
        return tolerance if asked is None else asked

    def _counted_ends(self, runner: Runner) -> tuple[Mapping[str, Counted], Mapping[str, Counted]]:
        if self._state.good is None:
            good = self._counted_end(runner, self._good, "GOOD", Side.GOOD)
            self._keep(replace(self._state, good=good))
        if self._state.bad is None:
            bad = self._counted_end(runner, self._bad, "BAD", Side.BAD)
            self._keep(replace(self._state, bad=bad))
        return self._state.good or {}, self._state.bad or {}

    def _counted_end(
        self, runner: Runner, commit: Commit, name: str, side: Side
    ) -> Mapping[str, Counted]:
        ran = runner.count(commit)
        if ran.problem:
            raise _does_not_run(name, commit, ran)
        count = len(ran.counted)
        what = f"counted {count} test{'s' * (count != 1)}"
        missing = next(iter(ran.reasons.items()), None)
        if not count and missing is not None:
            what = f"counted no test ({missing[0]}: {missing[1]})"
        self._number += 1
        self._say(words.line(self._number, commit, side.value, what, ran.seconds))
        return ran.counted

    def _by_joules(self, runner: Runner) -> Target | _Nothing:
        test, most = "", self._state.request.most_runs
        so_far: dict[str, list[Estimate]] = {}
        for number in range(1, most + 1):
            ran = runner.pair(self._bad, self._good, test)
            if ran.problem:
                raise _does_not_run("BAD", self._bad, ran)
            if not ran.estimates and not so_far:
                name, why = next(iter(ran.reasons.items()), ("no test", "nothing was compared"))
                raise BisectError(f"BAD was not compared with GOOD: {name}: {why}")
            if wanted := self._state.request.test:
                test = test or _named(wanted, {**ran.reasons, **ran.estimates})
            for name, one in ran.estimates.items():
                if test in ("", name):
                    so_far.setdefault(name, []).append(one)
            known = {name: pooled(several) for name, several in so_far.items()}
            self._say_measured_end(known, ran.seconds)
            target = self._measured_change(known, last=number == most)
            if target is not None:
                return target
        order = sorted(known, key=lambda each: -abs(known[each].value))
        return _Nothing(tuple((each, words.interval(known[each])) for each in order), By.JOULES)

    def _measured_change(self, known: Mapping[str, Estimate], last: bool) -> Target | None:
        """The change to follow; None where none is sure.

        Args:
            known: of each test, by the runs so far.
            last: whether there will be no more; then a sure sign is enough.
        """
        sure = {
            name: one
            for name, one in known.items()
            if likelier(one, one.value) is not None or (last and one.sign_is_sure)
        }
        changes = {name: one.value for name, one in sure.items()}
        allowed = {name: self._allowed(one.tolerance) for name, one in sure.items()}
        found = most_changed(changes, allowed)
        if found is None:
            return None
        target = Target(found, By.JOULES, changes[found])
        self._say(words.chosen(target, _others(changes, allowed)))
        return target

    def _say_measured_end(self, known: Mapping[str, Estimate], seconds: float) -> None:
        name = max(known, key=lambda each: abs(known[each].value), default="")
        figure = f"{words.interval(known[name])} (measured) in {name}" if name else "no figure"
        self._number += 1
        self._say(words.line(self._number, self._bad, Side.BAD.value, figure, seconds))

    # The commits between

    def _search(self, runner: Runner, bisect: GitBisect, target: Target) -> int:
        if self._state.tested:
            count = len(self._state.tested)
            self._say(f"{target.test}: commits that are known already: {count}")
        for one in self._state.tested:
            bisect.mark(one.commit, one.side)
        while (sha := bisect.next) is not None:
            commit = self._repository.described(sha)
            one = self._tested(runner, commit, target)
            self._keep(replace(self._state, tested=(*self._state.tested, one)))
            bisect.mark(sha, one.side)
            self._number += 1
            self._say(words.tested(self._number, commit, one, target))
        commits = [self._repository.described(sha) for sha in bisect.candidates]
        self._store.delete()
        if len(commits) > 1:
            self._print(words.undecided(commits))
            return NOT_FOUND
        self._print(self._found(commits[0], target))
        return FOUND

    def _tested(self, runner: Runner, commit: Commit, target: Target) -> Tested:
        if target.good is not None and target.bad is not None:
            ran = runner.count(commit, target.test)
            return _judged(commit, ran, target.test, target.good, target.bad)
        return self._tested_by_joules(runner, commit, target)

    def _tested_by_joules(self, runner: Runner, commit: Commit, target: Target) -> Tested:
        estimates: list[Estimate] = []
        seconds, runs, why = 0.0, 0, ""
        while runs < self._state.request.most_runs:
            ran = runner.pair(commit, self._good, target.test)
            seconds, runs = seconds + ran.seconds, runs + 1
            one = ran.estimates.get(target.test)
            if one is None:
                why = ran.why_not(target.test)
                break
            estimates.append(one)
            together = pooled(estimates)
            side = likelier(together, target.change)
            if side is not None:
                return Tested(commit.sha, side, estimate=together, runs=runs, seconds=seconds)
        if not why:
            why = f"not sure after {runs} paired runs: {words.interval(pooled(estimates))}"
        return Tested(commit.sha, Side.SKIP, why, runs=runs, seconds=seconds)

    def _found(self, commit: Commit, target: Target) -> list[str]:
        known: dict[str, Tested] = {one.commit: one for one in self._state.tested}
        known[self._good.sha] = Tested(self._good.sha, Side.GOOD, counted=target.good)
        known.setdefault(self._bad.sha, Tested(self._bad.sha, Side.BAD, counted=target.bad))
        before = known.get(self._repository.parent(commit))
        if before is None or before.side is not Side.GOOD:
            before = known[self._good.sha]
        than = "GOOD" if before.commit == self._good.sha else "its parent"
        now = known[commit.sha]
        who: tuple[tuple[str, str], ...] = ()
        if now.counted is not None and before.counted is not None:
            who = culprits(now.counted, before.counted)
        return words.found(
            commit,
            target,
            now.counted or now.estimate,
            before.counted or before.estimate,
            than,
            who,
        )


def _judged(commit: Commit, ran: Ran, test: str, good: Counted, bad: Counted) -> Tested:
    """A commit judged by exact counts."""
    counted = ran.counted.get(test)
    if counted is None:
        return Tested(commit.sha, Side.SKIP, ran.why_not(test), seconds=ran.seconds)
    if why := why_incomparable(counted, good):
        return Tested(commit.sha, Side.SKIP, why, counted, seconds=ran.seconds)
    side = nearer(counted.joules, good.joules, bad.joules)
    notes = ", ".join(differences(counted, good))
    return Tested(commit.sha, side, notes, counted, seconds=ran.seconds)


def _others(changes: Mapping[str, float], allowed: Mapping[str, float]) -> int:
    """Number of tests that have changed beside the one that is followed."""
    return sum(abs(changes[name]) > math.log1p(allowed[name]) for name in changes) - 1


def _named(wanted: str, tests: Iterable[str]) -> str:
    """The test that a name or a part of one means.

    Raises:
        BisectError: there is none, or several.
    """
    names = sorted(tests)
    found = [name for name in names if wanted == name] or [name for name in names if wanted in name]
    if len(found) == 1:
        return found[0]
    if not found:
        there = f": {', '.join(names[:5])}" if names else ""
        raise BisectError(f"--test: no test of both GOOD and BAD is called {wanted!r}{there}")
    raise BisectError(f"--test: {wanted!r} may be any of {', '.join(found[:5])}")


def _does_not_run(name: str, commit: Commit, ran: Ran) -> BisectError:
    more = f"\n{ran.output}" if ran.output else ""
    return BisectError(f"{name} ({commit.short}) does not run: {ran.problem}{more}")
