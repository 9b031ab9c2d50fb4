"""What the gate of a pytest session knows beside its meters: machine, grid, baselines, results."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from pytest_energy.baselines.file_format import BaselineError
from pytest_energy.carbon import factors
from pytest_energy.gate.shared_results import SharedResults
from pytest_energy.gate.stores import Stores
from pytest_energy.machine.identity import read_machine
from pytest_energy.meters import boards
from pytest_energy.paired.second_process import SecondProcess
from pytest_energy.paired.session import PairedSession
from pytest_energy.settings.settings import Settings
from pytest_energy.types.baseline import Baseline
from pytest_energy.types.carbon import Carbon
from pytest_energy.types.counts import CountsBaseline, Judge
from pytest_energy.types.inference import Inference
from pytest_energy.types.machine import Machine
from pytest_energy.types.result import Result, Subject
from pytest_energy.types.session import BaseSummary
from pytest_energy.types.verdict import FAILED, Rule, Status, Verdict

FAILED_STRICT = FAILED | {
    Status.NEW,
    Status.INCONCLUSIVE,
    Status.INCOMPARABLE,
    Status.UNRESOLVED,
    Status.UNMEASURED,
}
"""Verdicts that fail a test under `--energy-strict`."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """What is stored of one subject.

    Args:
        baseline: the entry of this machine class; None without one.
        other_machines: other machine classes that have an entry.
        problem: why the file cannot be read; empty where it can.
        counts: the stored counts, of each kind of device and versions.
        counts_problem: why the file of counts cannot be read; empty where it can.
    """

    baseline: Baseline | None = None
    other_machines: tuple[str, ...] = ()
    problem: str = ""
    counts: tuple[CountsBaseline, ...] = ()
    counts_problem: str = ""


@dataclass(slots=True)
class GateSession:
    """One session's settings and what follows from them. Opens no meter.

    Args:
        settings: what the user says.
        machine: this machine's class.
        carbon: intensity of the electricity, and PUE.
        stores: the baselines.
        tests: number of metered tests, over which false alarms are held.
        paired: the base of a paired session; None where stored baselines are compared with.
        results: so far, by the subject's key.
        now: when the session began, in UTC.
        second: another process on the same tree, for what is suspect or to be stored; None where
            there can be none.
        shared: what pytest-xdist's workers show each other; None without them.
    """

    settings: Settings
    machine: Machine
    carbon: Carbon
    stores: Stores
    tests: int = 1
    paired: PairedSession | None = None
    results: dict[str, Result] = field(default_factory=dict)
    second: SecondProcess | None = None
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    shared: SharedResults | None = None

    @classmethod
    def of(cls, settings: Settings, root: Path, tests: int = 1) -> GateSession:
        """The session that the settings describe.

        Args:
            settings: what the user says.
            root: pytest's rootdir.
            tests: number of metered tests.

        Raises:
            ValueError: a country or region that the tables do not know.
        """
        carbon = factors.resolve(
            settings.factors,
            settings.country,
            settings.region,
            settings.carbon_intensity,
            settings.pue,
        )
        machine = read_machine(boards())
        stores = Stores(settings, machine, carbon, root)
        return cls(settings, machine, carbon, stores, max(1, tests))

    @property
    def base_summary(self) -> BaseSummary | None:
        """The base of a paired session, for reports; None without one."""
        paired = self.paired
        return None if paired is None else BaseSummary(paired.label, tuple(paired.only_base))

    def rule(self, inference: Inference) -> Rule:
        """What a test allows: its marker's arguments, else the session's.

        Args:
            inference: what the marker says.
        """
        tolerance, budget = inference.tolerance, inference.budget
        joules = None
        if budget is not None:
            joules = budget.joules
            if joules is None:
                joules = self.carbon.joules(budget.grams or 0.0)
            if joules == float("inf"):  # nothing is too much on a grid without carbon
                joules = None
        return Rule(
            self.settings.tolerance if tolerance is None else tolerance,
            joules,
            budget.text if budget else "",
            inference.max_flops,
            self.tests,
            inference.quality,
            inference.quality_tolerance,
        )

    def look_up(self, subject: Subject) -> Lookup:
        """What is stored of a subject; nothing in a paired session, which compares with its base.

        Args:
            subject: its test, region, task and model count.
        """
        if self.paired is not None:
            return Lookup()
        found = self._look_up_measured(subject)
        if subject.region or self.settings.judge is Judge.MEASURED:
            return found
        store = self.stores.of(subject).counts
        store.load(subject)
        try:
            return replace(found, counts=store.find(subject))
        except BaselineError as error:
            return replace(found, counts_problem=str(error))

    def _look_up_measured(self, subject: Subject) -> Lookup:
        if self.settings.judge is Judge.COUNTED:
            return Lookup()
        store = self.stores.of(subject)
        store.load(subject)
        try:
            baseline = store.find(subject)
        except BaselineError as error:
            return Lookup(problem=str(error))
        if baseline is not None:
            return Lookup(baseline)
        return Lookup(other_machines=store.machines_with(subject))

    def fails(self, rule: Rule, verdict: Verdict) -> bool:
        """Whether a verdict fails its test. What `--energy-update` will store, it accepts.

        Args:
            rule: what the test allows.
            verdict: the decision.
        """
        if self.settings.update and verdict.measured_status is not None:
            # The counts will be stored; the joules are judged as if there were none.
            verdict = replace(verdict, status=verdict.measured_status)
        if self.settings.update and verdict.can_be_stored:
            return False
        # Counts alone say nothing of a budget in joules.
        budget = None if self.settings.judge is Judge.COUNTED else rule.budget_joules
        if verdict.status is Status.NEW and (budget is not None or rule.max_flops is not None):
            return False  # it was held against its ceiling
        if verdict.obstacle is not None and verdict.obstacle not in self.settings.allow:
            return True
        compared = (verdict.change, verdict.counts)
        if self.settings.strict and any(one is not None and one.unverified for one in compared):
            return True
        return verdict.status in (FAILED_STRICT if self.settings.strict else FAILED)

    @property
    def all_results(self) -> tuple[Result, ...]:
        """Every result so far, and of pytest-xdist's other workers what this process has not."""
        others = self.shared.others() if self.shared is not None else ()
        not_ours = (one for one in others if one.subject.key not in self.results)
        return (*self.results.values(), *not_ours)

    def close(self) -> None:
        """End the other processes, and remove the base's tree."""
        if self.second is not None:
            self.second.close()
        if self.paired is not None:
            self.paired.close()
