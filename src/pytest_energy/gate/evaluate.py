"""From what was metered to results: rule and baseline, resolved once per test, then the judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from pytest_energy.gate.session import GateSession, Lookup
from pytest_energy.types.inference import SETTLED, Inference
from pytest_energy.types.measurement import Measurement, mean_of_passes
from pytest_energy.types.result import BaseRun, Metered, Result, Subject
from pytest_energy.types.verdict import PairedBase, Rule, Status, Verdict
from pytest_energy.verdict import early_stop
from pytest_energy.verdict.case import Base, Case
from pytest_energy.verdict.judge import judge, unmeasured
from pytest_energy.verdict.rules import why_flops_unchecked


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

    def remeasure(self, metered: Sequence[Metered]) -> bool:
        """Whether to go through the samples once more: to store the figures, or on suspicion.

        Args:
            metered: the first pass of the loop, where it can be judged yet, and of each region.
        """
        if self._workers > 1 or self._session.paired is not None:
            return False
        if self._session.settings.update:
            return True
        regions = sum(bool(one.subject.region) for one in metered)
        for one in metered:
            rule = self._rule_for(one.subject, regions)
            baseline = self._look_up(one.subject).baseline
            if one.passes and early_stop.suspect(one.subject, one.passes[0], baseline, rule):
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
        accepted = session.paired.accepted(subject.key) if session.paired else None
        return early_stop.EarlyStop(
            subject,
            self._look_up(subject).baseline,
            lambda: self._rule_for(subject, regions()),
            unit_count,
            None if precision == SETTLED else precision,
            base_blocks,
            accepted or 0.0,
        )

    def results(self, metered: Sequence[Metered], base: BaseRun | None = None) -> list[Result]:
        """Judge what was metered, and remember the results.

        Args:
            metered: of the loop or body, and of each region.
            base: what the base metered of the test; None where stored baselines are compared with.
        """
        regions = sum(bool(one.subject.region) for one in metered)
        results = []
        for one in metered:
            rule = self._rule_for(one.subject, regions)
            result = self._stored(one, rule) if base is None else self._paired(one, rule, base)
            self._session.results[one.subject.key] = result
            results.append(result)
        return results

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

    def _stored(self, metered: Metered, rule: Rule) -> Result:
        """Compared with the stored sessions."""
        entry = self._look_up(metered.subject)
        if not metered.passes:
            verdict = unmeasured(metered.reason)
        elif entry.problem:
            verdict = self._without_comparison(
                metered, replace(rule, quality=""), Status.INCOMPARABLE, entry.problem
            )
        else:
            verdict = judge(
                Case(
                    metered.subject,
                    metered.passes,
                    rule,
                    entry.baseline,
                    entry.other_machines,
                    metered.remeasured,
                )
            )
        return _result(metered, rule, verdict)

    def _paired(self, metered: Metered, rule: Rule, base: BaseRun) -> Result:
        """Compared with what the base has metered meanwhile."""
        session, subject = self._session.paired, metered.subject
        if session is None:
            raise RuntimeError("there is no base in this session")
        paired = PairedBase(session.label, error=base.detail)
        of_base = next((b for b in base.metered if b.subject.region == subject.region), None)
        if not metered.passes:
            verdict = unmeasured(metered.reason)
        elif base.problem:
            verdict = self._without_comparison(metered, rule, Status.INCOMPARABLE, base.problem)
        elif of_base is None:
            what = "region" if subject.region else "metered test"
            reason = f"{session.label} has no such {what}"
            verdict = self._without_comparison(metered, rule, Status.NEW, reason)
        elif not of_base.passes:
            reason = f"the base has no figure: {of_base.reason}"
            verdict = self._without_comparison(metered, rule, Status.INCOMPARABLE, reason)
        else:
            paired = replace(
                paired,
                body_differs=session.body_differs(subject.test),
                accepted=session.accepted(subject.key),
            )
            measured = mean_of_passes(of_base.passes)
            verdict = judge(
                Case(subject, metered.passes, rule, Base(of_base.subject, measured, paired))
            )
            return _result(metered, rule, verdict, measured)
        return _result(metered, rule, replace(verdict, paired=paired))

    @staticmethod
    def _without_comparison(metered: Metered, rule: Rule, status: Status, reason: str) -> Verdict:
        """A figure without anything to compare with: its ceilings are checked all the same."""
        verdict = judge(Case(metered.subject, metered.passes, rule))
        measurement = mean_of_passes(metered.passes)
        unknown = rule.quality and not verdict.quality
        doubted = bool(why_flops_unchecked(measurement, rule) or unknown)
        if verdict.status is Status.OVER_BUDGET or doubted:
            return replace(verdict, can_be_stored=False)
        return replace(verdict, status=status, reason=reason, hint="", can_be_stored=False)


def _result(
    metered: Metered, rule: Rule, verdict: Verdict, base: Measurement | None = None
) -> Result:
    measurement = mean_of_passes(metered.passes) if metered.passes else None
    return Result(metered.subject, measurement, rule, verdict, base, metered.training_run)


def unjudged(metered: Metered) -> Result:
    """A result without a verdict, in the worker of a paired run: the head judges."""
    verdict = Verdict(Status.NEW) if metered.passes else unmeasured(metered.reason)
    return _result(metered, Rule(0.0), verdict)


class NoPolicy:
    """What the worker of a paired run asks: the head decides everything."""

    def reference_kind(self, subject: Subject) -> str:
        """None is preferred: head and base run without a reference workload."""
        return ""

    def remeasure(self, metered: Sequence[Metered]) -> bool:
        """Never."""
        return False

    def early_stop(
        self,
        subject: Subject,
        unit_count: Callable[[int], float | None],
        regions: Callable[[], int],
        base_blocks: Sequence[float] | None,
    ) -> None:
        """Never."""
        return
