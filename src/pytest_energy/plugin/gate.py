"""Meters and judges the tests of one process."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING

import pytest

from pytest_energy.plugin import stash
from pytest_energy.settings import markers, options, xdist

if TYPE_CHECKING:
    from pytest_energy.gate.session import EnergySession
    from pytest_energy.metering.fixture import Energy
    from pytest_energy.paired.interleave import Interleaving
    from pytest_energy.paired.worker import Worker
    from pytest_energy.report.live import LiveLine
    from pytest_energy.settings.settings import Settings
    from pytest_energy.types.inference import Inference
    from pytest_energy.types.result import BaseRun


class Gate:
    """Meters the tests of one process."""

    def __init__(
        self,
        config: pytest.Config,
        metered: dict[pytest.Item, Inference],
        problems: dict[pytest.Item, str],
        collected: list[str],
    ) -> None:
        self._config = config
        self._collected = collected
        self._follower: Worker | None = config.stash.get(options.WORKER, None)
        self._settings = stash.settings_of(config)
        self._metered = metered
        self._problems = problems
        self._live: LiveLine | None = None
        self._session: EnergySession | None = None

    @property
    def session(self) -> EnergySession:
        """Opened when it is first needed."""
        if self._session is None:
            self._session = _open_session(self._config, self._settings, len(self._metered))
        return self._session

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        from pytest_energy.report.live import live_line

        if xdist.is_xdist_worker(session.config):
            return  # opened in the first test's setup, where an error can be shown
        self._session = self.session
        self._live = live_line(session.config)
        if self._settings.against:
            items = [item for item in session.items if item in self._metered]
            _open_against(session.config, self._session, items, self._collected)

    def pytest_report_collectionfinish(self, config: pytest.Config) -> list[str]:
        from pytest_energy.report import terminal

        if self._session is None or config.get_verbosity() < 0:
            return []
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        return terminal.header(self._session, reporter)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        from pytest_energy.metering.fixture import Energy
        from pytest_energy.settings.inference import default_names

        if item in self._problems:
            raise pytest.UsageError(self._problems[item])
        inference = self._metered.get(item)
        if inference is not None and not self._settings.off:
            names = default_names(item)
            turns, base = self._sides(item.nodeid)
            item.stash[stash.ENERGY] = Energy(
                self.session,
                item.nodeid,
                inference,
                *names,
                live=self._live,
                turns=turns,
                base=base,
            )

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        energy = item.stash.get(stash.ENERGY, None)
        if energy is None:
            return (yield)
        energy.open_body(marked=markers.is_marked(item))
        try:
            outcome = yield
        except (KeyboardInterrupt, pytest.exit.Exception):
            raise
        except BaseException as error:  # pytest's own skip, xfail and fail are no Exceptions
            self._conclude(item, energy, _why_interrupted(error))
            raise
        energy.close_body()
        # unittest keeps a failure to itself until the report is made.
        caught = getattr(item, "_excinfo", None)
        why = _why_interrupted(caught[0].value) if caught else ""
        message = self._conclude(item, energy, why)
        if message and not caught:
            pytest.fail(message, pytrace=False)
        return outcome

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if call.when == "call" and stash.PAYLOAD in item.stash:
            report.energy = item.stash[stash.PAYLOAD]  # type: ignore[attr-defined]
            del item.stash[stash.PAYLOAD]
        return report

    def pytest_unconfigure(self) -> None:
        if self._session is not None:
            self._session.close()

    def _sides(
        self, test: str
    ) -> tuple[Interleaving | None, Callable[[bool, bool], BaseRun] | None]:
        """How a test takes turns, and where to ask what the other side made of it."""
        if self._follower is not None:
            return self._follower.turns(), None
        against = self.session.against
        if against is None:
            return None, None
        turns = against.turns(test, self.session.shortest_turn_seconds)
        return turns, partial(against.finish, test, turns)

    def _conclude(self, item: pytest.Item, energy: Energy, interrupted: str) -> str:
        """Judge a test; why it fails, or nothing."""
        from pytest_energy.gate import results_log as ledger
        from pytest_energy.report import junit, terminal

        session = self.session
        with session.cost.counting(session.meters):
            results = energy.conclude(interrupted)
        if self._follower is not None:
            self._follower.results = results  # the head judges
            return ""
        # A rerun's properties replace those of the run before.
        kept = [(name, value) for name, value in item.user_properties if name[:7] != "energy."]
        added = [pair for result in results for pair in junit.properties(result, session.carbon)]
        item.user_properties[:] = [*kept, *added]
        item.stash[stash.PAYLOAD] = ledger.payload(results, energy.rule(), session.take_cost())
        test = options.nodeid_from_here(self._config, item.nodeid)
        return "\n\n".join(
            terminal.failure_message(result, session.carbon, test, self._against)
            for result in results
            if session.fails(result.verdict)
        )

    @property
    def _against(self) -> str:
        """What has to be typed to compare with the same base again."""
        given = self._config.getoption("energy_against", default=None)
        return f" --energy-against {shlex.quote(given)}" if given else ""


def _open_session(config: pytest.Config, settings: Settings, tests: int) -> EnergySession:
    from pytest_energy.gate.session import EnergySession

    sources = stash.meter_sources(config, settings)
    try:
        return EnergySession(settings, sources, xdist.workers(config), tests)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error


def _open_against(
    config: pytest.Config,
    session: EnergySession,
    items: list[pytest.Item],
    collected: list[str],
) -> None:
    """Arrange for the other revision: its tree, its process, what it has of these tests."""
    from pytest_energy.baselines.file_format import BaselineError
    from pytest_energy.paired.session import PairedSession
    from pytest_energy.paired.worker import body_of
    from pytest_energy.paired.worktree import BaseError

    bodies = {item.nodeid: body_of(item) for item in items}
    with session.cost.counting(session.meters):
        try:
            names = session.meters.names
            against = PairedSession(config, session.settings, names, bodies, collected)
            session.open_against(against)
        except (BaseError, BaselineError, OSError) as error:
            raise pytest.UsageError(f"--energy-against: {error}") from error


def _why_interrupted(error: BaseException) -> str:
    if isinstance(error, pytest.xfail.Exception):
        return "xfailed inside the body"
    # unittest is looked up, not imported: who raises its SkipTest has imported it.
    skips = getattr(sys.modules.get("unittest"), "SkipTest", pytest.skip.Exception)
    if isinstance(error, (pytest.skip.Exception, skips)):
        return "skipped inside the body"
    return f"the body raised {type(error).__name__}"
