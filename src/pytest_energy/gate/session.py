"""What one pytest session holds: its meters, its grid, its baselines, its results, its own cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING

from pytest_energy.baselines.file_format import BaselineError
from pytest_energy.baselines.store import BaselineStore, session_of
from pytest_energy.carbon import factors
from pytest_energy.machine.identity import read_machine
from pytest_energy.metering.reference_work import ReferenceRunner
from pytest_energy.metering.window import Window
from pytest_energy.meters import open_meters
from pytest_energy.meters.base import MeterLostError, MeterSource
from pytest_energy.meters.meter_set import MeterSet
from pytest_energy.meters.updates import CounterUpdates
from pytest_energy.settings.settings import Settings
from pytest_energy.types.baseline import Baseline
from pytest_energy.types.energy import gated_domains
from pytest_energy.types.inference import Inference
from pytest_energy.types.measurement import Measurement
from pytest_energy.types.result import BaseRun, Result, Subject, TrainingRun
from pytest_energy.types.verdict import PairedBase, Status, Verdict
from pytest_energy.verdict import judge as verdict
from pytest_energy.verdict.baseline_comparison import average
from pytest_energy.verdict.rules import MIN_UPDATES, MIN_UPDATES_ALIGNED, why_unchecked

if TYPE_CHECKING:
    from pytest_energy.paired.session import PairedSession

FAILING = frozenset({Status.REGRESSED, Status.OVER_BUDGET})
"""Verdicts that fail a test."""

FAILING_STRICT = FAILING | {
    Status.NEW,
    Status.INCONCLUSIVE,
    Status.INCOMPARABLE,
    Status.UNRESOLVED,
    Status.UNMEASURED,
}
"""Verdicts that fail a test under `--energy-strict`."""


class Cost:
    """What the gate itself takes: opening meters, warm-up, reading, judging, storing.

    Args:
        seconds: so far.
        joules: so far, of the gated domains.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.joules = 0.0

    @contextmanager
    def counting(self, meters: MeterSet) -> Iterator[None]:
        """Add what the block takes."""
        start = perf_counter()
        before = _counts(meters)
        try:
            yield
        finally:
            after = _counts(meters)
            if before and after:
                gated = gated_domains(meters.domains)
                self.joules += max(0.0, sum(after[i] - before[i] for i in gated) / 1e6)
            self.seconds += perf_counter() - start

    def add(self, seconds: float, joules: float) -> None:
        """Add what was metered by itself: a second look."""
        self.seconds += seconds
        self.joules += joules

    def take(self) -> tuple[float, float]:
        """Seconds and joules since the last call."""
        taken = self.seconds, self.joules
        self.seconds = self.joules = 0.0
        return taken


def _counts(meters: MeterSet) -> tuple[int, ...]:
    try:
        return meters.read().microjoules
    except MeterLostError:
        return ()


class EnergySession:
    """The session's meters and stores, opened before the first metered test.

    Args:
        settings: what the user said.
        sources: the meters there are.
        workers: test processes that run side by side on this machine; 1 without pytest-xdist.
        tests: metered tests of the session, over which false alarms are held.

    Raises:
        ValueError: a meter, country or region that is not there.
    """

    def __init__(
        self, settings: Settings, sources: Iterable[MeterSource], workers: int = 1, tests: int = 1
    ) -> None:
        from pytest_energy.meters import boards

        start = perf_counter()
        self.settings = settings
        self.workers = workers
        self.tests = max(1, tests)
        self.cost = Cost()
        self.carbon = factors.resolve(
            settings.factors,
            settings.country,
            settings.region,
            settings.carbon_intensity,
            settings.pue,
        )
        self.meters = open_meters(settings.meters, sources)
        self.edges = CounterUpdates(self.meters)
        self.machine = read_machine(boards())
        self.store = BaselineStore(settings.baselines, self.machine, self.carbon)
        gauge = ReferenceRunner(self.meters)
        self.gauge = gauge if settings.reference and gauge.needed else None
        self.against: PairedSession | None = None
        self.results: dict[str, Result] = {}
        self.cost.seconds += perf_counter() - start

    def rule(self, inference: Inference) -> verdict.Rule:
        """What a test allows: its marker's word, else the session's."""
        tolerance = inference.tolerance
        budget = inference.budget
        joules = None
        if budget is not None:
            joules = (
                self.carbon.joules(budget.grams or 0.0) if budget.joules is None else budget.joules
            )
            if joules == float("inf"):  # nothing is too much on a grid without carbon
                joules = None
        return verdict.Rule(
            self.settings.tolerance if tolerance is None else tolerance,
            joules,
            budget.text if budget else "",
            inference.max_flops,
            self.tests,
            inference.quality,
            inference.quality_tolerance,
        )

    def baseline(self, subject: Subject) -> Baseline | None:
        """What is stored of a subject; None also where its file is broken, which `judge` tells."""
        try:
            return self.store.find(subject)
        except BaselineError:
            return None

    def preferred_reference(self, subject: Subject) -> str:
        """The kind that the baseline was measured beside; empty where there is none."""
        baseline = self.baseline(subject)
        return baseline.reference_workload if baseline else ""

    def judge(
        self,
        subject: Subject,
        passes: Sequence[Measurement],
        reason: str,
        rule: verdict.Rule,
        confirmed: bool = False,
        training: TrainingRun | None = None,
    ) -> Result:
        """Decide about one test or region and remember the result.

        Args:
            subject: what was to be measured.
            passes: the figures of each pass; none where there are no figures.
            reason: why there are none.
            rule: what is allowed.
            confirmed: whether a suspect was looked at again.
            training: the whole that the metered steps are a part of; None for inferences.
        """
        if self.workers > 1:
            passes = [_beside_others(look, self.workers) for look in passes]
        measurement = average(passes) if passes else None
        if measurement is None:
            decision = verdict.unmeasured(reason)
        else:
            try:
                baseline = self.store.find(subject)
                elsewhere = () if baseline else self.store.machines_with(subject)
                decision = verdict.judge(
                    subject, passes, baseline, rule, elsewhere, confirmed=confirmed
                )
            except BaselineError as error:
                decision = verdict.judge(subject, passes, None, replace(rule, quality=""))
                if decision.status is Status.NEW:
                    decision = replace(
                        decision, status=Status.INCOMPARABLE, reason=str(error), can_be_stored=False
                    )
        result = Result(subject, measurement, decision, training_run=training)
        self.results[subject.key] = result
        return result

    def judge_pair(
        self,
        subject: Subject,
        passes: Sequence[Measurement],
        reason: str,
        rule: verdict.Rule,
        base: BaseRun,
        training: TrainingRun | None = None,
    ) -> Result:
        """Decide about one test or region that took turns with another revision's.

        Args:
            subject: what was to be measured.
            passes: the figures; none where there are none.
            reason: why there are none.
            rule: what is allowed.
            base: what the other revision made of it.
            training: as for `judge`.
        """
        against = self.against
        if against is None:
            raise RuntimeError("there is nothing to be set against")
        pairing = PairedBase(against.label, error=base.detail)
        theirs = next((r for r in base.results if r.subject.region == subject.region), None)
        measured = theirs.measurement if theirs else None
        measurement = passes[0] if passes else None
        if measurement is None:
            decision = verdict.unmeasured(reason)
        elif base.problem:
            decision = self._alone(subject, measurement, rule, Status.INCOMPARABLE, base.problem)
        elif theirs is None:
            what = "region" if subject.region else "metered test"
            why = f"{against.label} has no such {what}"
            decision = self._alone(subject, measurement, rule, Status.NEW, why)
        elif measured is None:
            why = f"the base has no figure: {theirs.verdict.reason}"
            decision = self._alone(subject, measurement, rule, Status.INCOMPARABLE, why)
        else:
            pairing = replace(
                pairing,
                body_differs=against.body_differs(subject.test),
                accepted=against.accepted(subject.key),
            )
            self.cost.add(0.0, measured.joules)  # the waiting for it is counted as it happens
            session = session_of(measured, datetime.now(UTC), None)
            stored = Baseline(theirs.subject, measured.meters, measured.domains, (session,))
            decision = verdict.judge_pair(subject, measurement, stored, measured, rule, pairing)
            pairing = decision.pairing or pairing
        decision = replace(decision, pairing=pairing)
        result = Result(subject, measurement, decision, measured, training)
        self.results[subject.key] = result
        return result

    def _alone(
        self,
        subject: Subject,
        measurement: Measurement,
        rule: verdict.Rule,
        status: Status,
        reason: str,
    ) -> Verdict:
        """A figure without a base: its budget is checked all the same."""
        decision = replace(verdict.judge(subject, [measurement], None, rule), can_be_stored=False)
        doubted = why_unchecked(measurement, rule) or (rule.quality and not decision.quality)
        if decision.status is Status.OVER_BUDGET or doubted:
            return decision
        return replace(decision, status=status, reason=reason, hint="", can_be_stored=False)

    def fails(self, decision: Verdict) -> bool:
        """Whether a verdict fails its test. What `--energy-update` will store, it accepts."""
        if self.settings.update and decision.can_be_stored:
            return False
        held = decision.budget_joules is not None or decision.max_flops is not None
        if decision.status is Status.NEW and held:
            return False  # it was held against its budget
        return decision.status in (FAILING_STRICT if self.settings.strict else FAILING)

    def open_against(self, against: PairedSession) -> None:
        """Set everything against another revision, and against no stored baseline."""
        self.against = against
        self.gauge = None  # what drifts with the machine hits both

    def take_cost(self) -> tuple[float, float]:
        """Seconds and joules of the gate itself since the last call, waiting included."""
        meters = self.meters
        self.cost.add(meters.waited_seconds, meters.waited_joules)
        meters.waited_seconds = meters.waited_joules = 0.0
        return self.cost.take()

    def window(
        self, expected_seconds: float | None = None, block_seconds: float | None = None
    ) -> Window:
        """A window over the session's meters.

        Args:
            expected_seconds: of a stretch, as far as anybody knows; None for unknown.
            block_seconds: of a block, likewise.
        """
        idle = self.settings.idle
        return Window(self.meters, self.edges, expected_seconds, block_seconds, idle)

    @property
    def shortest_turn_seconds(self) -> float:
        """What a turn has to span for the sake of the slowest gated counter."""
        if self.edges.slowest_seconds:
            return MIN_UPDATES_ALIGNED * self.edges.slowest_seconds
        domains = self.meters.domains
        gated = gated_domains(domains)
        return MIN_UPDATES * max((domains[i].resolution_seconds for i in gated), default=0.0)

    def close(self) -> None:
        """Close the meters, and end the other revision's process."""
        try:
            if self.against is not None:
                self.against.close()
        finally:
            self.meters.close()


def _beside_others(measurement: Measurement, workers: int) -> Measurement:
    """A counter meters all workers, and an estimate rises when they contend for the CPU."""
    clause = f"{workers} pytest-xdist workers ran side by side"
    return replace(measurement, interference=(*measurement.interference, clause))
