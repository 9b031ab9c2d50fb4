"""pytest's hooks, and nothing else: each calls into a room.

Three plugins: this module, which every session loads; `Gate`, registered when a session has
metered tests; `Reporter`, where the results come together (with pytest-xdist, in the controller).
A session without metered tests pays for option parsing alone, so the rooms are imported late.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_energy import arguments

if TYPE_CHECKING:
    from pytest_energy import options
    from pytest_energy.fixture import Energy
    from pytest_energy.ledger import Ledger
    from pytest_energy.report.live import LiveLine
    from pytest_energy.results import Results
    from pytest_energy.session import EnergySession

REPORTER = "energy-reporter"

_settings_key = pytest.StashKey["options.Settings"]()
_gate_key = pytest.StashKey["Gate"]()
_energy_key = pytest.StashKey["Energy"]()
_payload_key = pytest.StashKey[dict[str, Any]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    arguments.add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    from pytest_energy import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", arguments.MARKER)
    if arguments.any_given(config):
        _settings(config)
    if arguments.flag(config, "prune"):
        config.pluginmanager.register(Pruner(config), "energy-pruner")
    if arguments.is_xdist_controller(config) and not arguments.flag(config, "off"):
        config.pluginmanager.register(Reporter(config), REPORTER)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    marked = [item for item in items if arguments.is_metered(item)]
    if not marked:
        # Who asked for a file gets one, though it says that nothing was metered.
        if config.getoption("energy_json") and not config.pluginmanager.has_plugin(REPORTER):
            config.pluginmanager.register(Reporter(config), REPORTER)
        return
    from pytest_energy import options

    metered, problems = options.read_inferences(marked)
    # An error in a worker's collection would be pytest-xdist's internal error, without the text:
    # there each wrong test fails in its own setup.
    if problems and not arguments.is_xdist_worker(config):
        raise pytest.UsageError(*problems.values())
    if problems or not _settings(config).off:
        gate = config.stash[_gate_key] = Gate(config, metered, problems)
        config.pluginmanager.register(gate, "energy-gate")
        if not arguments.is_xdist_worker(config):
            config.pluginmanager.register(Reporter(config), REPORTER)


@pytest.fixture
def energy(request: pytest.FixtureRequest) -> Energy:
    """Meters inferences: energy.each(samples), energy.run(fn, samples), energy.measure(name)."""
    from pytest_energy import options
    from pytest_energy.fixture import Energy

    found: Energy | None = request.node.stash.get(_energy_key, None)
    if found is None:
        if not _settings(request.config).off:
            raise pytest.UsageError(
                "energy was asked for with getfixturevalue, too late to meter the test: name it in"
                " the test's arguments, or add @pytest.mark.usefixtures('energy')"
            )
        inference = options.read_inference(request.node)
        found = Energy(None, request.node.nodeid, inference, *options.default_names(request.node))
    return found


@pytest.fixture(scope="session")
def energy_results(request: pytest.FixtureRequest) -> Results:
    """Every measurement of this session so far: energy_results.where(task=..., role=...)."""
    from pytest_energy.results import Results

    gate = request.config.stash.get(_gate_key, None)
    return Results(gate.session.results.values if gate is not None else tuple)


class Gate:
    """Meters the tests of one process."""

    def __init__(
        self,
        config: pytest.Config,
        metered: dict[pytest.Item, options.Inference],
        problems: dict[pytest.Item, str],
    ) -> None:
        self._config = config
        self._settings = _settings(config)
        self._metered = metered
        self._problems = problems
        self._live: LiveLine | None = None
        self._session: EnergySession | None = None

    @property
    def session(self) -> EnergySession:
        """Opened when it is first needed."""
        if self._session is None:
            self._session = _open_session(self._config, self._settings)
        return self._session

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        from pytest_energy.report.live import live_line

        if session.config.option.collectonly or self._metered.keys().isdisjoint(session.items):
            return
        if arguments.is_xdist_worker(session.config):
            return  # opened in the first test's setup, where an error can be shown
        self._session = self.session
        self._live = live_line(session.config)

    def pytest_report_collectionfinish(self, config: pytest.Config) -> list[str]:
        from pytest_energy.report import terminal

        if self._session is None or config.get_verbosity() < 0:
            return []
        return terminal.header(self._session, config.pluginmanager.get_plugin("terminalreporter"))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        from pytest_energy import options
        from pytest_energy.fixture import Energy

        if item in self._problems:
            raise pytest.UsageError(self._problems[item])
        inference = self._metered.get(item)
        if inference is not None and not self._settings.off:
            names = options.default_names(item)
            item.stash[_energy_key] = Energy(
                self.session, item.nodeid, inference, *names, live=self._live
            )

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        energy = item.stash.get(_energy_key, None)
        if energy is None:
            return (yield)
        energy.open_body(marked=item.get_closest_marker("inference") is not None)
        try:
            outcome = yield
        except (KeyboardInterrupt, SystemExit, pytest.exit.Exception):
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
        if call.when == "call" and _payload_key in item.stash:
            report.energy = item.stash[_payload_key]  # type: ignore[attr-defined]
            del item.stash[_payload_key]
        return report

    def pytest_unconfigure(self) -> None:
        if self._session is not None:
            self._session.close()

    def _conclude(self, item: pytest.Item, energy: Energy, interrupted: str) -> str:
        """Judge a test; why it fails, or nothing."""
        from pytest_energy import ledger
        from pytest_energy.report import junit, terminal

        session = self.session
        with session.cost.counting(session.meters):
            results = energy.conclude(interrupted)
        for result in results:
            item.user_properties += junit.properties(result, session.carbon)
        rule = session.rule(self._metered[item])
        item.stash[_payload_key] = ledger.payload(results, rule, session.cost.take())
        return "\n\n".join(
            terminal.failure_message(result, session.carbon)
            for result in results
            if session.fails(result.verdict)
        )


class Reporter:
    """Gathers what the tests report, stores it, and shows it."""

    def __init__(self, config: pytest.Config) -> None:
        from pytest_energy.ledger import Ledger

        self._config = config
        self._settings = _settings(config)
        self._ledger: Ledger = Ledger()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._ledger.add(report)

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        from pytest_energy.report import json

        if not self._ledger.tests and self._settings.json is None:
            return
        energy_session = self._energy_session()
        with energy_session.cost.counting(energy_session.meters):
            if self._settings.update and exitstatus == pytest.ExitCode.INTERRUPTED:
                self._ledger.problems.append("the session was interrupted: nothing was stored")
            elif self._settings.update:
                self._ledger.store(energy_session, session.config.rootpath)
        self._ledger.spend(energy_session.cost.take())
        if self._settings.json is not None:
            self._ledger.problems += json.write_report(
                self._settings.json, self._ledger, energy_session, session.config.rootpath
            )
        if self._ledger.problems and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        from pytest_energy.report import terminal

        if self._ledger.tests:
            terminal.write_summary(
                terminalreporter, self._ledger, self._energy_session(), self._settings.report
            )

    def _energy_session(self) -> EnergySession:
        gate = self._config.stash.get(_gate_key, None)
        if gate is None:
            gate = self._config.stash[_gate_key] = Gate(self._config, {}, {})
        return gate.session


class Pruner:
    """Deletes the baselines of tests that are gone."""

    def __init__(self, config: pytest.Config) -> None:
        from pytest_energy import options

        self._config = config
        self._settings = _settings(config)
        options.check_prune(config)
        self._modules: set[str] = set()
        self._tests: frozenset[str] = frozenset()
        self._lines: list[str] = []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.passed and "::" not in report.nodeid:
            self._modules.add(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        self._tests = frozenset(item.nodeid for item in items)

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        from pytest_energy import ledger

        if exitstatus not in (
            pytest.ExitCode.OK,
            pytest.ExitCode.TESTS_FAILED,
            pytest.ExitCode.NO_TESTS_COLLECTED,
        ):
            return
        collected = ledger.Collected.of(session.config, self._modules, self._tests)
        self._lines, failed = ledger.prune(self._settings.baselines, collected)
        if failed and exitstatus != pytest.ExitCode.TESTS_FAILED:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self._lines:
            terminalreporter.write_line(line)


def _settings(config: pytest.Config) -> options.Settings:
    """What the user said; read once, when it is first needed."""
    from pytest_energy import options

    if _settings_key not in config.stash:
        config.stash[_settings_key] = options.read_settings(config)
    return config.stash[_settings_key]


def _open_session(config: pytest.Config, settings: options.Settings) -> EnergySession:
    from pytest_energy.meters import builtin_sources
    from pytest_energy.session import EnergySession

    added = config.hook.pytest_energy_meters(config=config)
    sources = [*builtin_sources(), *(source for sources in added for source in sources)]
    try:
        return EnergySession(settings, sources, arguments.workers(config))
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error


def _why_interrupted(error: BaseException) -> str:
    if isinstance(error, pytest.xfail.Exception):
        return "xfailed inside the body"
    # unittest is looked up, not imported: who raises its SkipTest has imported it.
    skips = getattr(sys.modules.get("unittest"), "SkipTest", pytest.skip.Exception)
    if isinstance(error, (pytest.skip.Exception, skips)):
        return "skipped inside the body"
    return f"the body raised {type(error).__name__}"
