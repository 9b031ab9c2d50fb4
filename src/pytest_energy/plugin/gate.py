"""Meters and judges the tests of one process."""

from __future__ import annotations

import ast
import inspect
import shlex
import sys
import textwrap
from collections.abc import Generator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING

import pytest
from _pytest.skipping import xfailed_key

from pytest_energy.gate.evaluate import (
    Evaluation,
    FreshPairs,
    NoPolicy,
    few_pairs,
    pairs_needed,
    unjudged,
)
from pytest_energy.gate.session import GateSession
from pytest_energy.gate.shared_results import SharedResults, shared_folder
from pytest_energy.machine.lock import MOMENT_SECONDS, MachineBusyError, MachineLock
from pytest_energy.metering.fixture import CountedEnergy, MeteredEnergy
from pytest_energy.metering.instruments import Instruments
from pytest_energy.paired.fresh_pair import FreshPair
from pytest_energy.plugin import stash
from pytest_energy.plugin.body_runs import RUNS
from pytest_energy.plugin.own_errors import make_printable, shown_usage_errors
from pytest_energy.plugin.uncollected import KEY
from pytest_energy.report import failure, junit, live, terminal
from pytest_energy.report.pace import Pace
from pytest_energy.report.printable import printable, shown
from pytest_energy.settings import WORKER, is_marked, metered_of, nodeid_from_here, xdist
from pytest_energy.settings.identity import test_id
from pytest_energy.settings.inference import default_names
from pytest_energy.types.codec import encode
from pytest_energy.types.counts import Judge
from pytest_energy.types.result import BaseRun, compact
from pytest_energy.types.session import Overhead, TestReport, Unrun
from pytest_energy.types.verdict import FAILED
from pytest_energy.verdict.rules import MIN_UPDATES, MIN_UPDATES_ALIGNED
from pytest_energy.world import clock, real_files, sleep

if TYPE_CHECKING:
    from pytest_energy.metering.loop import Interleaving
    from pytest_energy.paired.interleave import HeadInterleaving
    from pytest_energy.paired.second_process import SecondProcess
    from pytest_energy.paired.worker import Worker
    from pytest_energy.report.live import LiveLine
    from pytest_energy.types.inference import Inference
    from pytest_energy.types.result import Metered, Result

FREE_SECONDS, LOOK_SECONDS = 3.0, 0.05
"""How long nothing has to run before a test waits no longer for what others measure, and how often
it looks."""


class Gate:
    """Meters and judges the tests of one process.

    Args:
        config: pytest's.
        metered: what each metered test says of itself.
        problems: what is wrong with tests that cannot be understood, in words that name them.
        collected: all that was collected, selected or not.
    """

    def __init__(
        self,
        config: pytest.Config,
        metered: dict[pytest.Item, Inference],
        problems: dict[pytest.Item, str],
        collected: list[pytest.Item],
    ) -> None:
        self._config = config
        self._collected = collected
        self._worker: Worker | None = config.stash.get(WORKER, None)
        self._settings = stash.settings_of(config)
        self._metered = metered
        self._problems = problems
        self._progress: LiveLine | None = None
        self._instruments: Instruments | None = None
        self._shared: SharedResults | None = None
        self._running: MachineLock | None = None
        self._gave_up = False
        self._made: tuple[str, TestReport] | None = None
        self.selected: list[str] = []
        """Names of the metered tests that are to run."""
        self.session: GateSession | None = None
        """Made when the first meter is opened."""

    @property
    def test_count(self) -> int:
        """Number of metered tests, over which false alarms are held."""
        return len(self._metered)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        selected = [test_id(item) for item in session.items if item in self._metered]
        if shared := self.shared_results():
            shared.select(selected)
            return  # opened in the first test's setup, where an error can be shown
        with shown_usage_errors(lines=True):
            opened, instruments = self._open()
            pace = Pace(len(selected), len(session.items) - len(selected))
            self._progress = live.live_line(session.config, pace)
            if self._settings.against:
                items = [item for item in session.items if item in self._metered]
                collected = list(map(test_id, self._collected))
                _open_base(session.config, opened, instruments, items, collected)
        self.selected = selected

    def pytest_report_collectionfinish(self, config: pytest.Config) -> list[str]:
        if self.session is None or self._instruments is None or config.get_verbosity() < 0:
            return []
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        return terminal.header(
            self._instruments.instrumentation,
            self.session.machine,
            self._settings.baselines,
            self.session.base_summary,
            reporter,
        )

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        if self._progress is None:
            return (yield from self._alone(item))
        metered = item in self._metered
        self._progress.pace.begin(metered)
        try:
            return (yield from self._alone(item))
        finally:
            self._progress.pace.end(metered)

    def _alone(self, item: pytest.Item) -> Generator[None, object, object]:
        """Run a test while no other one on this machine is metered, or has to wait for it."""
        if self._settings.off:
            return (yield)
        metered, alone = item in self._metered, stash.machine_lock(self._config)
        lock = alone or self._lock_of_run()
        if lock is None:
            return (yield)
        if "energy_results" in getattr(item, "fixturenames", ()):
            self._await_results(item, lock)
        if alone is None and not metered:
            return (yield)
        try:
            with real_files():
                # Who has held it for so long will not leave it for the next test either.
                seconds = MOMENT_SECONDS if self._gave_up else self._settings.lock_timeout
                lock.acquire(
                    metered and lock is alone, item.nodeid, seconds, self._say_what_holds_it
                )
            self._gave_up = False
        except MachineBusyError as error:
            self._gave_up = True
            item.stash[stash.BUSY] = printable(str(error))
        try:
            return (yield)
        finally:
            lock.release()
            if metered and (shared := self.shared_results()):
                shared.end(test_id(item))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        try:
            return (yield)
        finally:
            # pytest keeps every item to the end, and what metered it would stay with it.
            if stash.ENERGY in item.stash:
                item.stash[stash.ENERGY].release()
            for key in stash.OF_METERING:
                if key in item.stash:
                    del item.stash[key]

    def _await_results(self, item: pytest.Item, lock: MachineLock) -> None:
        """Wait until the metered tests before this one have ended, in whichever worker they run.

        Where the machine is free for a while, none of them runs or is about to: another order was
        asked for, or the session is ending.
        """
        shared = self.shared_results()
        if shared is None:
            return
        before = item.session.items[: item.session.items.index(item)]
        awaited = {test_id(other) for other in before if other in self._metered}
        free_since = clock()
        while awaited - shared.ended():
            if not lock.is_free():
                free_since = clock()
            elif clock() - free_since > FREE_SECONDS:
                break
            sleep(LOOK_SECONDS)

    def _lock_of_run(self) -> MachineLock | None:
        """What metered tests share where they need no machine to themselves.

        By it a test that waits for their results knows whether one still runs: the system frees
        what a worker that died held. None without other workers.
        """
        shared = self.shared_results()
        if self._running is None and shared is not None:
            self._running = MachineLock(shared.folder)
        return self._running

    def shared_results(self) -> SharedResults | None:
        """What pytest-xdist's workers show each other; None without them."""
        if self._shared is None and xdist.is_xdist_worker(self._config):
            folder = shared_folder(xdist.run_of(self._config))
            self._shared = SharedResults(folder, xdist.worker_name(self._config))
        return self._shared

    def _say_what_holds_it(self, holder: str) -> None:
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None and self._config.get_verbosity() >= 0:
            reporter.ensure_newline()
            terminal.say(reporter, f"energy: waits until {holder} has left the machine")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if item in self._problems:
            raise pytest.UsageError(printable(self._problems[item]))
        if item in self._metered and stash.BUSY in item.stash:
            raise pytest.UsageError(
                f"{item.stash[stash.BUSY]}; wait longer with --energy-lock-timeout, or for nothing"
                " with --energy-lock=off"
            )
        inference = self._metered.get(item)
        if inference is None or self._settings.off:
            return
        with real_files():
            self._prepare(item, inference)

    def _prepare(self, item: pytest.Item, inference: Inference) -> None:
        """Everything that a test needs of this machine, before its fixtures can replace it."""
        session, instruments = self._open()
        test = test_id(item)
        policy: Evaluation | NoPolicy
        interleaving: Interleaving | None = None
        if self._worker is not None:
            order = self._worker.current
            policy = NoPolicy(order.reference_kind, order.most_blocks)
            interleaving = self._worker.interleaving()
            instruments.meters.exclude(order.beside)
        else:
            policy = Evaluation(session, test, inference, instruments.workers)
            item.stash[stash.EVALUATION] = policy
            if session.paired is not None:
                of_head = session.paired.interleaving(test)
                interleaving = item.stash[stash.INTERLEAVING] = of_head
        energy: MeteredEnergy | CountedEnergy
        if self._settings.judge is Judge.COUNTED:
            energy = CountedEnergy(
                test, inference, *default_names(item), instruments.counting_overhead
            )
        else:
            energy = MeteredEnergy(
                test,
                inference,
                *default_names(item),
                instruments=instruments,
                policy=policy,
                interleaving=interleaving,
                progress=self._progress,
            )
        item.stash[stash.ENERGY] = energy
        if self._worker is None:
            item.stash[stash.ENERGY].look_up()

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        energy = item.stash.get(stash.ENERGY, None)
        if energy is None:
            return (yield)
        _, instruments = self._open()
        if self._progress is not None:
            self._progress.pace.run()
        self._await_quiet()
        # The source of a test is parsed only until the allocator is decided on: once per process.
        counts = self._settings.judge is Judge.COUNTED
        loops = (counts or instruments.conditions.undecided) and may_loop(item)
        if runs := item.stash.get(RUNS, None):
            runs.take()
        energy.open_body(is_marked(item), may_loop=loops)
        try:
            outcome = yield
        except (KeyboardInterrupt, pytest.exit.Exception):
            raise
        except BaseException as error:  # pytest's own skip, xfail and fail are no Exceptions
            self._conclude(item, energy, _why_interrupted(error))
            if isinstance(error, TypeError) and "'async for' requires" in str(error):
                error.add_note(
                    "energy.each(samples) is a plain iterator, in an async test as well: write"
                    " for sample in energy.each(samples): await fn(sample), or async for sample in"
                    " energy.aeach(samples)"
                )
            raise
        energy.close_body()
        # unittest keeps a failure to itself until the report is made.
        caught = getattr(item, "_excinfo", None)
        why = _why_interrupted(caught[0].value) if caught else ""
        message = self._conclude(item, energy, why)
        doubts = (energy.doubtful_divisor, energy.untold_batches, energy.blocked_loop)
        for doubt in filter(None, doubts):
            item.warn(pytest.PytestWarning(shown(doubt, self._encoding)))
        if message and not caught:
            pytest.fail(message, pytrace=False)
        return outcome

    @pytest.hookimpl(
        wrapper=True, tryfirst=True
    )  # around pytest-retry, which runs a test again here
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        make_printable(call)
        report = yield
        if item in self._metered and test_id(item) != report.nodeid:
            report.energy_test = test_id(item)  # type: ignore[attr-defined]
        if item in self._metered and report.skipped:  # an xfail is one, to pytest
            how = Unrun.XFAILED if hasattr(report, "wasxfail") else Unrun.SKIPPED
            report.energy_unrun = how.value  # type: ignore[attr-defined]
        elif item in self._metered and report.failed and call.when == "setup":
            report.energy_unrun = Unrun.ERROR.value  # type: ignore[attr-defined]
        if call.when == "call" and stash.TEST_REPORT in item.stash:
            made = item.stash[stash.TEST_REPORT]
            report.energy = encode(made)  # type: ignore[attr-defined]
            self._made = test_id(item), made
            del item.stash[stash.TEST_REPORT]
        return report

    def take_report(self, test: str) -> TestReport | None:
        """What this process handed over last, if it was of this test: the same need not be decoded.

        Args:
            test: its name.
        """
        made, self._made = self._made, None
        return made[1] if made is not None and made[0] == test else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        output = getattr(session.config, "workeroutput", None)
        if output is not None:  # pytest-xdist's way from a worker to the controller
            output["energy_orphans"] = self.orphans()

    def orphans(self) -> list[str]:
        """Stored entries of collected files that no test claims, as far as whole files were."""
        from pytest_energy.gate import prune

        if self.session is None or any("::" in place for place in self._config.args):
            return []
        tests = list(map(test_id, self._collected))
        modules = {name.partition("::")[0] for name in tests}
        # A class of it may not have been collected.
        modules -= {name.partition("::")[0] for name in self._config.stash[KEY].found}
        collected = prune.Collected.of(self._config, modules, tests, metered_of(self._collected))
        return prune.orphans(self.session.stores.used, collected)

    def pytest_unconfigure(self) -> None:
        try:
            if self.session is not None:
                self.session.close()
        finally:
            if self._instruments is not None:
                self._instruments.close()
            for lock in (self._config.stash.get(stash.LOCK, None), self._running):
                if lock is not None:
                    lock.close()

    def counting_overhead(self) -> AbstractContextManager[None]:
        """Add what the block takes to the gate's own account."""
        return self._instruments.counting_overhead() if self._instruments else nullcontext()

    def take_overhead(self) -> Overhead:
        """What the gate has taken in this process since the last test's report."""
        return self._instruments.overhead.take() if self._instruments else Overhead()

    def _open(self) -> tuple[GateSession, Instruments]:
        """Session and meters, opened when they are first needed."""
        if self.session is None or self._instruments is None:
            self.session = stash.gate_session_of(self._config)
            self._instruments = stash.open_instruments(self._config)
            if self._worker is not None:  # the head has its own context on a GPU, and waits
                self._instruments.meters.processes.added.add(self._worker.head_pid)
            elif not self._settings.against:
                self.session.second = _second_process(self._config, self._instruments)
        return self.session, self._instruments

    def _conclude(
        self, item: pytest.Item, energy: MeteredEnergy | CountedEnergy, interrupted: str
    ) -> str:
        """Judge a test; why it fails, or nothing."""
        session, instruments = self._open()
        runs = item.stash.get(RUNS, None)
        energy.times_run = runs.take() if runs is not None else 1
        with instruments.counting_overhead(), real_files():
            left = energy.end_loop(interrupted)
            base = self._finish_base(item, energy, left)
            metered = energy.conclude(interrupted)
            if self._worker is not None:
                # The head judges; what this process's tests may ask for is what was measured.
                self._worker.metered = metered
                session.results.update((one.subject.key, unjudged(one)) for one in metered)
                return ""
            results = self._judged(item, energy, metered, base)
        if session.shared is not None:
            session.shared.add(results)
        # A rerun's properties replace those of the run before.
        kept = [(name, value) for name, value in item.user_properties if name[:7] != "energy."]
        added = [pair for result in results for pair in junit.properties(result, session.carbon)]
        item.user_properties[:] = [*kept, *added]
        report = TestReport(
            tuple(map(compact, results)),
            instruments.overhead.take(),
            instruments.instrumentation,
            self._notices(energy),
        )
        session.results.update((result.subject.key, result) for result in report.results)
        item.stash[stash.TEST_REPORT] = report
        test = nodeid_from_here(self._config, test_id(item))
        failing = [one for one in results if session.fails(one.rule, one.verdict)]
        if _expected_to_fail(item) and not any(one.verdict.status in FAILED for one in failing):
            return ""  # that nothing was compared is no failure that anybody has expected
        return "\n\n".join(
            failure.message(result, session.carbon, test, self._against) for result in failing
        )

    def _judged(
        self,
        item: pytest.Item,
        energy: MeteredEnergy | CountedEnergy,
        metered: list[Metered],
        base: BaseRun | None,
    ) -> list[Result]:
        """The results, with what new processes say where they are asked."""
        session, instruments = self._open()
        evaluation, test = item.stash[stash.EVALUATION], test_id(item)
        pairs, again = FreshPairs(), list[BaseRun]()
        results = evaluation.results(metered, base)
        if self._settings.judge is not Judge.COUNTED:
            if base is not None:
                instruments.overhead.add(_joules_of_base(base))
                results, pairs = self._confirmed(item, metered, base, results)
            elif more := evaluation.further_processes(metered):
                again = self._of_processes(item, energy, metered, more)
                results = evaluation.results(metered, again=again)
        if again or pairs.confirms or not evaluation.recounts(results):
            return results
        if session.paired is not None:
            recount = session.paired.confirm(test)
        elif session.second is not None:
            # What it measures is not asked for: its loop ends as soon as it can.
            recount = FreshPair(session.second.run(test, "", 1), BaseRun(()))
        else:
            return results
        for run in (recount.head, recount.base):
            instruments.overhead.add(_joules_of_base(run))
        return evaluation.results(metered, base, pairs, recount=recount)

    def _notices(self, energy: MeteredEnergy | CountedEnergy) -> tuple[str, ...]:
        lock = self._config.stash.get(stash.LOCK, None)
        found = [lock.problem] if lock is not None and lock.problem else []
        if energy.coverage_paused:
            found.append(
                "coverage was paused in metered windows: lines that run in them alone do not count"
            )
        return tuple(found)

    def _await_quiet(self) -> None:
        """Wait for a quiet machine, where that is asked for; a worker's head has waited."""
        _, instruments = self._open()
        if self._worker is None:
            instruments.await_quiet(self._settings.wait)

    def _confirmed(
        self, item: pytest.Item, metered: list[Metered], base: BaseRun, results: list[Result]
    ) -> tuple[list[Result], FreshPairs]:
        """The results once enough pairs of processes have had their word: only suspects pay.

        Returns:
            The results, and the pairs.
        """
        session, instruments = self._open()
        paired = session.paired
        pairs = FreshPairs()
        if any(one.interfered for one in metered):
            return results, pairs  # in doubt whatever another pair says
        while paired is not None and any(result.base is not None for result in results):
            repeats = not pairs.pairs and few_pairs(results)
            least = max(map(pairs_needed, results))
            seen = len(pairs.pairs) + (not pairs.instead)
            if not repeats and seen >= max(least, self._settings.processes):
                break
            self._await_quiet()
            test = test_id(item)
            pair = paired.repeat(test) if repeats else paired.confirm(test)
            for run in (pair.head, pair.base):
                instruments.overhead.add(_joules_of_base(run))
            instead = pairs.instead or (repeats and not pair.problem)
            pairs = FreshPairs((*pairs.pairs, pair), instead)
            results = item.stash[stash.EVALUATION].results(metered, base, pairs)
            if pair.problem:
                break
        return results, pairs

    def _of_processes(
        self,
        item: pytest.Item,
        energy: MeteredEnergy | CountedEnergy,
        metered: list[Metered],
        more: int,
    ) -> list[BaseRun]:
        """What further processes on the same tree have measured."""
        session, instruments = self._open()
        if session.second is None:
            raise RuntimeError("there is no second process in this session")
        kinds = (p.reference.kind for one in metered for p in one.passes if p.reference)
        kind, blocks = next(kinds, ""), energy.loop_blocks if energy.left_early else 0
        runs: list[BaseRun] = []
        for _ in range(more):
            if runs:
                session.second.close()  # the next one is a new one
            self._await_quiet()
            runs.append(session.second.run(test_id(item), kind, blocks))
            instruments.overhead.add(_joules_of_base(runs[-1]))
        return runs

    def _finish_base(
        self, item: pytest.Item, energy: MeteredEnergy | CountedEnergy, left: str
    ) -> BaseRun | None:
        """What the base metered of the test; None where nothing is paired."""
        if self.session is None or self.session.paired is None:
            return None
        interleaving: HeadInterleaving | None = item.stash.get(stash.INTERLEAVING, None)
        return self.session.paired.finish(
            test_id(item), interleaving, bool(left), energy.left_early
        )

    @property
    def _encoding(self) -> str:
        """The terminal's; a worker of pytest-xdist has none, and its texts travel whole."""
        return terminal.encoding_of_terminal(
            self._config.pluginmanager.get_plugin("terminalreporter")
        )

    @property
    def _against(self) -> str:
        """What has to be typed to compare with the same base again."""
        given = self._config.getoption("energy_against", default=None)
        return f" --energy-against {shlex.quote(given)}" if given else ""


def _expected_to_fail(item: pytest.Item) -> bool:
    """Whether a mark says so, under its condition: then a failure, whatever of, makes it pass."""
    expected = item.stash.get(xfailed_key, None) is not None
    return expected and not item.config.option.runxfail


def may_loop(item: pytest.Item) -> bool:
    """Whether a test may use `energy.each` or `energy.run`, or hand the fixture on to what does.

    Args:
        item: a metered test; one without source is taken for one that may.
    """
    if "energy" not in getattr(item, "fixturenames", ()):
        return False
    try:
        function = inspect.unwrap(item.function)  # type: ignore[attr-defined]
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (AttributeError, OSError, SyntaxError, TypeError, ValueError):
        return True
    plain = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ("measure", "record", "result", "count")
    }
    return any(
        isinstance(node, ast.Name) and node.id == "energy" and id(node) not in plain
        for node in ast.walk(tree)
    )


def _joules_of_base(base: BaseRun) -> Overhead:
    """The base's own energy is the gate's; the waiting for it is counted as it happens."""
    return Overhead(0.0, sum(one.joules for each in base.metered for one in each.passes))


def _second_process(config: pytest.Config, instruments: Instruments) -> SecondProcess | None:
    """Another process on the same tree, started when a test needs it; None where there is none."""
    if sys.platform == "win32":  # its socket is inherited
        return None
    from pytest_energy.paired.second_process import SecondProcess

    seconds = stash.settings_of(config).against_timeout
    meters = instruments.meters
    return SecondProcess(config, meters.names, seconds, meters.processes)


def _open_base(
    config: pytest.Config,
    session: GateSession,
    instruments: Instruments,
    items: list[pytest.Item],
    collected: list[str],
) -> None:
    """Arrange for the other revision: its tree, its process, what it has of these tests."""
    from pytest_energy.baselines.file_format import BaselineError
    from pytest_energy.paired.session import PairedSession
    from pytest_energy.paired.worker import body_of
    from pytest_energy.paired.worktree import BaseError

    bodies = {test_id(item): body_of(item) for item in items}
    with instruments.counting_overhead():
        try:
            names = instruments.meters.names
            session.paired = PairedSession(
                config,
                session.settings,
                names,
                bodies,
                collected,
                instruments.meters.processes,
                partial(instruments.shortest_block_seconds, MIN_UPDATES, MIN_UPDATES_ALIGNED),
                instruments.conditions.choose_cpu,
            )
        except (BaseError, BaselineError, OSError) as error:
            raise pytest.UsageError(f"--energy-against: {error}") from error
    instruments.reference = None  # what drifts with the machine hits both


def _why_interrupted(error: BaseException) -> str:
    if isinstance(error, pytest.xfail.Exception):
        return "xfailed inside the body"
    # unittest is looked up, not imported: a test that raises its SkipTest has imported it.
    skips = getattr(sys.modules.get("unittest"), "SkipTest", pytest.skip.Exception)
    if isinstance(error, (pytest.skip.Exception, skips)):
        return "skipped inside the body"
    return f"the body raised {type(error).__name__}"
