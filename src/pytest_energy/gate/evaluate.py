"""From what was metered to results: rule and baseline, resolved once per test, then the judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pytest_energy.gate.session import GateSession, Lookup
from pytest_energy.paired.fresh_pair import LONGEST_BODY_SECONDS, FreshPair
from pytest_energy.types.counts import Counts, CountsBaseline, CountsChange, Judge
from pytest_energy.types.inference import SETTLED, Inference
from pytest_energy.types.measurement import Measurement, joined, mean_of_passes
from pytest_energy.types.obstacle import Obstacle
from pytest_energy.types.result import BaseRun, Metered, Result, Subject
from pytest_energy.types.verdict import PairedBase, Rule, Status, Verdict
from pytest_energy.verdict import early_stop
from pytest_energy.verdict.baseline_comparison import MIN_BLOCKS
from pytest_energy.verdict.case import Base, Case
from pytest_energy.verdict.count_rows import reported
from pytest_energy.verdict.count_rules import (
    CountedCase,
    agreeing,
    judge_counts,
    with_counts,
)
from pytest_energy.verdict.counted_energy import coefficients_of
from pytest_energy.verdict.counts_comparison import as_baseline, best_variant, compare
from pytest_energy.verdict.judge import judge, unmeasured
from pytest_energy.verdict.paired_comparison import count_over
from pytest_energy.verdict.rules import why_flops_unchecked


@dataclass(frozen=True, slots=True)
class FreshPairs:
    """What further pairs of processes have measured of a test, one for each tree.

    Args:
        pairs: in their order.
        instead: whether they stand for the first pair, in which the body ran once.
    """

    pairs: tuple[FreshPair, ...] = ()
    instead: bool = False

    @property
    def confirms(self) -> bool:
        """Whether any of them was made of new processes, which stand for nothing but themselves."""
        return len(self.pairs) > self.instead


class Evaluation:
    """One test's rule and baselines, and the verdicts that follow from them.

    While the test runs it answers what metering asks (`metering.fixture.Policy`).

    Args:
        session: settings, baselines and the base.
        test: pytest's node id.
        inference: what the marker says.
        workers: test processes that run side by side.
    """

    def __init__(
        self, session: GateSession, test: str, inference: Inference, workers: int = 1
    ) -> None:
        self._session = session
        self._test = test
        self._inference = inference
        self._workers = workers
        self._rule = session.rule(inference)
        self._found: dict[str, Lookup] = {}

    def reference_kind(self, subject: Subject) -> str:
        """The kind of reference workload that the subject's baseline was measured beside."""
        baseline = self._look_up(subject).baseline
        return baseline.reference_workload if baseline else ""

    def further_processes(self, metered: Sequence[Metered]) -> int:
        """How many more processes are asked: one where a figure is suspect, or to be stored.

        Args:
            metered: of the loop or body, and of each region.
        """
        session = self._session
        if self._workers > 1 or session.second is None or session.paired is not None:
            return 0
        if not any(one.passes for one in metered) or any(one.interfered for one in metered):
            return 0  # it is in doubt already, and will not be stored
        wanted = session.settings.processes - 1
        return wanted or int(self._suspects(metered))

    def _suspects(self, metered: Sequence[Metered]) -> bool:
        if self._session.settings.update:
            return True
        regions = sum(bool(one.subject.region) for one in metered)
        for one in metered:
            rule = self._rule_for(one.subject, regions)
            baseline = self._look_up(one.subject).baseline
            if one.passes and early_stop.suspect(
                one.subject, one.passes[0], baseline, rule, self._session.now
            ):
                return True
        return False

    def early_stop(
        self,
        subject: Subject,
        unit_count: Callable[[int], float | None],
        regions: Callable[[], int],
        base_blocks: Sequence[float] | None,
    ) -> Callable[[Measurement, int], bool] | None:
        """How to ask whether a loop's blocks so far are enough; None to perform all.

        Args:
            subject: what the loop measures.
            unit_count: the divisor after so many inferences; None where it is not known yet.
            regions: number of the test's regions so far.
            base_blocks: joules per inference of the base's blocks; None where nothing is
                interleaved.
        """
        session, inference = self._session, self._inference
        precision = inference.precision
        if precision is None:
            precision = session.settings.precision
        # What is stored are whole loops: later ones may need any of their blocks. And quality is
        # compared over the same samples.
        if precision is None or session.settings.update or inference.quality:
            return None
        if session.paired is not None and base_blocks is None:
            return None  # the base lacks the test
        rise = session.paired.accepted(subject.key) if session.paired else None
        return early_stop.EarlyStop(
            subject,
            self._look_up(subject).baseline,
            lambda: self._rule_for(subject, regions()),
            unit_count,
            None if precision == SETTLED else precision,
            base_blocks,
            rise.change if rise else 0.0,
            session.now,
        )

    def results(
        self,
        metered: Sequence[Metered],
        base: BaseRun | None = None,
        fresh: FreshPairs | None = None,
        again: Sequence[BaseRun] = (),
        recount: FreshPair | None = None,
    ) -> list[Result]:
        """Judge what was metered, and remember the results.

        Args:
            metered: of the loop or body, and of each region.
            base: what the base metered of the test; None where stored baselines are compared with.
            fresh: what further pairs of processes have metered of both sides.
            again: what further processes on the same tree have metered; empty where none was asked.
            recount: what others have counted alone; None where none was asked.
        """
        regions = sum(bool(one.subject.region) for one in metered)
        fresh = fresh or FreshPairs()
        pairs = [*fresh.pairs, *([recount] if recount else [])]
        counted = _Counted(
            base, [*again, *(pair.head for pair in pairs)], [pair.base for pair in pairs]
        )
        results = []
        for one in metered:
            rule = self._rule_for(one.subject, regions)
            if self._session.settings.judge is Judge.COUNTED:
                result = self._counted(one, rule, counted)
            elif base is None:
                result = self._stored(one, rule, again)
            else:
                result = self._paired(one, rule, base, fresh)
            if self._session.settings.judge is Judge.BOTH:
                result = self._with_counts(result, one, counted)
            baseline = self._look_up(one.subject).baseline
            history = baseline.as_history if baseline is not None else None
            result = replace(result, history=history)
            self._session.results[one.subject.key] = result
            results.append(result)
        return results

    def _with_counts(self, result: Result, metered: Metered, by: _Counted) -> Result:
        """A result with what counts say beside its joules."""
        counts = _agreed(metered, by.again)
        change = self._counts_change(replace(metered, counts=counts), by)
        verdict = with_counts(result.verdict, change, result.rule, result.subject.act)
        kept = counts and reported(counts, coefficients_of(counts.device))
        return replace(result, verdict=verdict, counts=kept)

    def recounts(self, results: Sequence[Result]) -> bool:
        """Whether new processes are asked to count, too, where none was asked yet.

        They are where counts alone decide that a test has changed, and for what is to be stored.

        Args:
            results: of a test.
        """
        session = self._session
        if session.second is None and session.paired is None:
            return False
        if session.settings.judge is Judge.MEASURED or all(one.counts is None for one in results):
            return False
        return session.settings.update or any(map(self._decided_by_counts, results))

    def _decided_by_counts(self, result: Result) -> bool:
        if self._session.settings.judge is Judge.COUNTED:
            return result.verdict.status in (Status.REGRESSED, Status.IMPROVED)
        return result.verdict.measured_status is not None

    def _counted(self, metered: Metered, rule: Rule, by: _Counted) -> Result:
        """Judged by exact counts alone."""
        metered = replace(metered, counts=_agreed(metered, by.again))
        entry, base, session = self._look_up(metered.subject), by.base, self._session.paired
        problem, missing = entry.counts_problem, ""
        if base is not None and session is not None:
            of_base = base.of(metered.subject)
            problem = base.problem or (of_base.reason if of_base is not None else "")
            missing = "" if of_base is not None or problem else session.label
        change = self._counts_change(metered, by)
        case = CountedCase(
            metered.counts, metered.reason, change, problem, missing, metered.subject.act
        )
        verdict = judge_counts(case, rule)
        if base is not None and session is not None:
            body_differs = session.body_differs(metered.subject.test)
            paired = PairedBase(session.label, body_differs=body_differs, error=base.detail)
            obstacle = Obstacle.BASE if verdict.obstacle is not None else None
            verdict = replace(verdict, paired=paired, obstacle=obstacle, can_be_stored=False)
        return _result(metered, rule, verdict)

    def _counts_change(self, metered: Metered, by: _Counted) -> CountsChange | None:
        """What has changed of the exact counts; None where they were not counted on both sides."""
        counts, subject = metered.counts, metered.subject
        if counts is None:
            return None
        name = "baseline"
        if by.base is None:
            before = best_variant(counts, self._look_up(subject).counts)
        else:
            name, before = "base", _counts_of_base(by.base.of(subject), by.base_again)
        if before is None:
            return None
        change = compare(counts, subject.n, subject.unit, subject.dataset, before, name)
        return replace(change, unverified=before.unverified)

    def _look_up(self, subject: Subject) -> Lookup:
        if subject.region not in self._found:
            self._found[subject.region] = self._session.look_up(subject)
        return self._found[subject.region]

    def _rule_for(self, subject: Subject, regions: int) -> Rule:
        """What is allowed of the whole or of a region; each is one more chance of a false alarm."""
        rule = replace(self._rule, comparisons=self._rule.comparisons * (1 + regions))
        if not subject.region:
            return rule
        # Budget and quality are of the whole; a region's divisor is its own.
        return replace(rule, budget_joules=None, budget_text="", max_flops=None, quality="")

    def _stored(self, metered: Metered, rule: Rule, again: Sequence[BaseRun]) -> Result:
        """Compared with the stored sessions."""
        entry = self._look_up(metered.subject)
        problem = ""
        for run in again if metered.passes else ():
            more, why = _again(run, metered.subject)
            if more is not None and len(more.blocks) == len(metered.passes[0].blocks):
                metered = replace(metered, passes=(*metered.passes, more))
            else:
                problem = problem or why or "it was cut into other blocks there"
        confirms = self._session.second is not None and self._workers < 2
        if not metered.passes:
            gates = entry.baseline is not None or rule.budget_joules is not None
            verdict = unmeasured(metered.reason, gates)
        elif entry.problem:
            verdict = self._without_comparison(
                metered,
                replace(rule, quality=""),
                Status.INCOMPARABLE,
                entry.problem,
                Obstacle.BASELINE,
            )
        else:
            verdict = judge(
                Case(
                    metered.subject,
                    metered.passes,
                    rule,
                    entry.baseline,
                    entry.other_machines,
                    remeasured=confirms,
                    unconfirmed=problem,
                    now=self._session.now,
                )
            )
        return _result(metered, rule, verdict)

    def _paired(self, metered: Metered, rule: Rule, base: BaseRun, fresh: FreshPairs) -> Result:
        """Compared with what the base has metered meanwhile."""
        session, subject = self._session.paired, metered.subject
        if session is None:
            raise RuntimeError("there is no base in this session")
        paired = PairedBase(session.label, error=base.detail)
        of_base = base.of(subject)
        if not metered.passes:
            verdict = unmeasured(metered.reason, bool(of_base and of_base.passes))
        elif base.problem:
            obstacle = None if base.asked_otherwise else Obstacle.BASE
            verdict = self._without_comparison(
                metered, rule, Status.INCOMPARABLE, base.problem, obstacle
            )
        elif of_base is None:
            what = "region" if subject.region else "metered test"
            reason = f"{session.label} has no such {what}"
            verdict = self._without_comparison(metered, rule, Status.NEW, reason)
        elif not of_base.passes:
            reason = f"the base has no figure: {of_base.reason}"
            verdict = self._without_comparison(
                metered, rule, Status.INCOMPARABLE, reason, Obstacle.BASE
            )
        else:
            rise = session.accepted(subject.key)
            paired = replace(
                paired,
                body_differs=session.body_differs(subject.test),
                accepted=rise.change if rise else None,
                accepted_because=rise.because if rise else "",
            )
            first = mean_of_passes(metered.passes), mean_of_passes(of_base.passes)
            further = [_measured_by(pair, subject) for pair in fresh.pairs]
            problem = next((why for _, _, why in further if why), "")
            pairs = [(head, of_base) for head, of_base, _ in further if head and of_base]
            if problem:
                pairs = [first]
            elif not fresh.instead:
                pairs = [first, *pairs]
            of_head, measured = (joined(side) for side in zip(*pairs, strict=True))
            against = Base(of_base.subject, measured, paired)
            sizes = [len(head.blocks) for head, _ in pairs]
            verdict = judge(
                Case(subject, [of_head], rule, against, processes=sizes, unconfirmed=problem)
            )
            return _result(replace(metered, passes=(of_head,)), rule, verdict, measured)
        return _result(metered, rule, replace(verdict, paired=paired))

    @staticmethod
    def _without_comparison(
        metered: Metered,
        rule: Rule,
        status: Status,
        reason: str,
        obstacle: Obstacle | None = None,
    ) -> Verdict:
        """A figure without anything to compare with: its ceilings are checked all the same."""
        verdict = judge(Case(metered.subject, metered.passes, rule))
        measurement = mean_of_passes(metered.passes)
        unknown = rule.quality and not verdict.quality
        flops, unavailable = measurement.flops, measurement.flops_unavailable
        doubted = bool(why_flops_unchecked(flops, unavailable, rule) or unknown)
        if verdict.status is Status.OVER_BUDGET or doubted:
            return replace(verdict, can_be_stored=False)
        return replace(
            verdict, status=status, reason=reason, hint="", can_be_stored=False, obstacle=obstacle
        )


@dataclass(frozen=True, slots=True)
class _Counted:
    """Who else has counted a test, beside the process that pytest runs in.

    Args:
        base: the base of a paired run; None where stored baselines are compared with.
        again: further processes on the same tree.
        base_again: further processes on the base's.
    """

    base: BaseRun | None
    again: Sequence[BaseRun]
    base_again: Sequence[BaseRun]


def _agreed(metered: Metered, again: Sequence[BaseRun]) -> Counts | None:
    """What was counted of a test, without what other processes have counted otherwise."""
    runs = (run.of(metered.subject) for run in again)
    others = [one.counts for one in runs if one is not None and one.counts is not None]
    return metered.counts and agreeing(metered.counts, others)


def _counts_of_base(metered: Metered | None, again: Sequence[BaseRun]) -> CountsBaseline | None:
    """What the base of a paired run counted, as what is compared with."""
    if metered is None or (counts := _agreed(metered, again)) is None:
        return None
    subject = metered.subject
    return as_baseline(counts, subject.n, subject.unit, subject.dataset)


def pairs_needed(result: Result) -> int:
    """How many pairs of processes a verdict of a paired run should rest on, as far as is known.

    Two where one would be believed alone, or cannot tell; three where two disagree about a rise.

    Args:
        result: of a paired run.
    """
    verdict, tolerance = result.verdict, result.rule.tolerance
    if verdict.change is None or (verdict.quality is not None and verdict.quality.decisive):
        return 1
    accepted = (verdict.paired and verdict.paired.accepted) or 0.0
    passes = verdict.change.passes
    over = count_over(passes, tolerance, accepted)
    if verdict.status is Status.INCONCLUSIVE and 0 < over < len(passes):
        return 3
    undecided = verdict.status is Status.INCONCLUSIVE and abs(verdict.change.value) > tolerance
    return 2 if undecided or verdict.status in (Status.REGRESSED, Status.IMPROVED) else 1


def few_pairs(results: Sequence[Result]) -> bool:
    """Whether a paired verdict lacks nothing but pairs of blocks: a body is one a side.

    Args:
        results: of a test: its loop or body first, then its regions.
    """
    verdict, measurement = results[0].verdict, results[0].measurement
    if verdict.paired is None or verdict.change is None or verdict.paired.pairs >= MIN_BLOCKS:
        return False
    if measurement is None or measurement.seconds > LONGEST_BODY_SECONDS:
        return False
    return verdict.status in (Status.INCONCLUSIVE, Status.REGRESSED, Status.IMPROVED)


def _measured_by(
    pair: FreshPair, subject: Subject
) -> tuple[Measurement | None, Measurement | None, str]:
    """What a pair of processes measured of a subject, head and base, or why it has no figure."""
    (head, why), (base, why_base) = (_again(run, subject) for run in (pair.head, pair.base))
    return head, base, why or why_base


def _again(run: BaseRun, subject: Subject) -> tuple[Measurement | None, str]:
    """What another process measured of a subject, or why it has no figure."""
    own = run.of(subject)
    if run.problem or own is None or not own.passes:
        return None, run.problem or (own.reason if own else "it was not metered there")
    return mean_of_passes(own.passes), ""


def _result(
    metered: Metered, rule: Rule, verdict: Verdict, base: Measurement | None = None
) -> Result:
    measurement = mean_of_passes(metered.passes) if metered.passes else None
    counts = metered.counts and reported(metered.counts, coefficients_of(metered.counts.device))
    return Result(metered.subject, measurement, rule, verdict, base, metered.training_run, counts)


def unjudged(metered: Metered) -> Result:
    """A result without a verdict, in the worker of a paired run: the head judges."""
    verdict = Verdict(Status.NEW) if metered.passes else unmeasured(metered.reason)
    return _result(metered, Rule(0.0), verdict)


class NoPolicy:
    """What a worker asks: the head decides everything.

    Args:
        kind: of the reference workload that the head ran beside; empty for none in particular.
        blocks: after which a loop ends; 0 for all.
    """

    def __init__(self, kind: str = "", blocks: int = 0) -> None:
        self._kind = kind
        self._blocks = blocks

    def reference_kind(self, subject: Subject) -> str:
        """The kind that the head ran beside."""
        return self._kind

    def early_stop(
        self,
        subject: Subject,
        unit_count: Callable[[int], float | None],
        regions: Callable[[], int],
        base_blocks: Sequence[float] | None,
    ) -> Callable[[Measurement, int], bool] | None:
        """Where the first process ended early, after as many blocks."""
        if not self._blocks:
            return None
        return lambda measurement, planned: len(measurement.blocks) >= self._blocks
