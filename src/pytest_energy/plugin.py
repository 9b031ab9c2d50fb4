"""pytest's hooks, and nothing else: each calls into a room.

Three plugins: this module, which every session loads; `Gate`, registered when a session has
metered tests; `Reporter`, where the results come together (with pytest-xdist, in the controller).
`Command` is a fourth, for what the console script does in place of a session.
A session without metered tests pays for option parsing alone, so the rooms are imported late.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from pytest_energy import arguments

if TYPE_CHECKING:
    from pytest_energy import options
    from pytest_energy.fixture import Energy
    from pytest_energy.follower import Follower
    from pytest_energy.ledger import Ledger
    from pytest_energy.measurement import BaseRun
    from pytest_energy.meters.base import MeterSource
    from pytest_energy.report.live import LiveLine
    from pytest_energy.results import Results
    from pytest_energy.session import EnergySession
    from pytest_energy.turns import Turns

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
    for text in arguments.MARKERS.values():
        config.addinivalue_line("markers", text)
    if arguments.any_given(config):
        _settings(config)
    if arguments.flag(config, "prune"):
        config.pluginmanager.register(Pruner(config), "energy-pruner")
    follower = config.stash.get(arguments.FOLLOWER, None)
    if follower is not None:
        config.pluginmanager.register(Following(follower), "energy-following")
    if arguments.is_xdist_controller(config) and not arguments.flag(config, "off"):
        if arguments.option_value(config, "against"):
            from pytest_energy import options

            options.check_against(config)
        _report(config)


def pytest_report_header(config: pytest.Config) -> str | None:
    return (
        "energy: off (--energy-off): nothing is metered" if arguments.flag(config, "off") else None
    )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None, None, None]:
    collected = [item.nodeid for item in items]
    yield  # other plugins and conftests add markers first
    collect_only = config.option.collectonly
    marked = [item for item in items if arguments.is_metered(item)]
    if not marked:
        # Who asked for a file gets one, though it says that nothing was metered.
        wanted = arguments.wants_file(config) and not collect_only
        if wanted and not arguments.flag(config, "off"):
            _report(config)
        return
    from pytest_energy import options

    metered, problems = options.read_inferences(marked)
    # An error in a worker's collection would be pytest-xdist's internal error, without the text:
    # there each wrong test fails in its own setup.
    if problems and not arguments.is_xdist_worker(config):
        raise pytest.UsageError(*problems.values())
    if not collect_only and (problems or not _settings(config).off):
        options.check_against(config)
        gate = config.stash[_gate_key] = Gate(config, metered, problems, collected)
        config.pluginmanager.register(gate, "energy-gate")
        _report(config)


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
    if gate is None:
        return Results(tuple, off=_settings(request.config).off)
    return Results(gate.session.results.values, carbon=lambda: gate.session.carbon)


class Gate:
    """Meters the tests of one process."""

    def __init__(
        self,
        config: pytest.Config,
        metered: dict[pytest.Item, options.Inference],
        problems: dict[pytest.Item, str],
        collected: list[str],
    ) -> None:
        self._config = config
        self._collected = collected
        self._follower: Follower | None = config.stash.get(arguments.FOLLOWER, None)
        self._settings = _settings(config)
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

        if arguments.is_xdist_worker(session.config):
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
        from pytest_energy import options
        from pytest_energy.fixture import Energy

        if item in self._problems:
            raise pytest.UsageError(self._problems[item])
        inference = self._metered.get(item)
        if inference is not None and not self._settings.off:
            names = options.default_names(item)
            turns, base = self._sides(item.nodeid)
            item.stash[_energy_key] = Energy(
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
        energy = item.stash.get(_energy_key, None)
        if energy is None:
            return (yield)
        energy.open_body(marked=arguments.is_marked(item))
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
        if call.when == "call" and _payload_key in item.stash:
            report.energy = item.stash[_payload_key]  # type: ignore[attr-defined]
            del item.stash[_payload_key]
        return report

    def pytest_unconfigure(self) -> None:
        if self._session is not None:
            self._session.close()

    def _sides(self, test: str) -> tuple[Turns | None, Callable[[bool, bool], BaseRun] | None]:
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
        from pytest_energy import ledger
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
        item.stash[_payload_key] = ledger.payload(results, energy.rule(), session.take_cost())
        test = arguments.nodeid_from_here(self._config, item.nodeid)
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


class Following:
    """The other side of a paired run: it collects, and then does what the head says."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._follower.note_collection(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._follower.serve(session)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._follower.note(report)


class Reporter:
    """Gathers what the tests report, stores it, and shows it."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._ledger: Ledger | None = None
        self._session: EnergySession | None = None
        self._error = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # With pytest-xdist this process may never see a metered test.
        if self._ledger is None and not (report.failed or hasattr(report, "energy")):
            return
        self._gathered().add(report)

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        from pytest_energy import ledger
        from pytest_energy.report import json

        settings, gathered = _settings(session.config), self._gathered()
        if not gathered.tests and settings.json is None:
            return
        try:
            self._session = _gate(session.config).session
        except pytest.UsageError as error:  # raised here it would swallow pytest's own summary
            self._error = str(error)
            return
        root = session.config.rootpath
        ledger.settle(gathered, self._session, exitstatus, root)
        if settings.json is not None:
            gathered.problems += json.write_report(settings.json, gathered, self._session, root)
        if gathered.problems and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        from pytest_energy.report import terminal

        config = terminalreporter.config
        if self._error:
            terminalreporter.write_line(f"energy: {self._error}", red=True)
        elif self._session is not None:
            if arguments.is_xdist_controller(config) and config.get_verbosity() >= 0:
                for line in terminal.header(self._session, terminalreporter):
                    terminalreporter.write_line(line)
            full = _settings(config).report
            terminal.write_summary(terminalreporter, self._gathered(), self._session, full)
        elif _gate_key in config.stash:
            terminalreporter.write_line(
                "energy: nothing was compared: no metered test ran", red=True
            )

    def _gathered(self) -> Ledger:
        from pytest_energy.ledger import Ledger

        if self._ledger is None:
            self._ledger = Ledger()
        return self._ledger


class Pruner:
    """Deletes the baselines of tests that are gone."""

    def __init__(self, config: pytest.Config) -> None:
        from pytest_energy import options

        self._config = config
        self._settings = _settings(config)
        options.check_prune(config)
        self._modules: set[str] = set()
        self._incomplete: set[str] = set()
        self._tests: frozenset[str] = frozenset()
        self._lines: list[str] = []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        module = report.nodeid.partition("::")[0]
        if report.passed and "::" not in report.nodeid:
            self._modules.add(module)
        elif not report.passed:  # the module itself, or a class in it
            self._incomplete.add(module)

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
        modules = self._modules - self._incomplete
        collected = ledger.Collected.of(session.config, modules, self._tests)
        self._lines, failed = ledger.prune(self._settings.baselines, collected)
        if failed and exitstatus != pytest.ExitCode.TESTS_FAILED:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self._lines:
            terminalreporter.write_line(line)


class Command:
    """Runs in place of the tests, with the options, ini files and conftests that they would have.

    Args:
        run: gets the settings and the meters that there are; returns the exit code.
    """

    def __init__(self, run: Callable[[options.Settings, Sequence[MeterSource]], int]) -> None:
        self._run = run

    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests(self, early_config: pytest.Config) -> None:
        # Here it is known what was loaded; without plugin autoload this module was not.
        manager = early_config.pluginmanager
        if not manager.is_registered(sys.modules[__name__]):
            manager.register(sys.modules[__name__], "energy")

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int:
        if not config.pluginmanager.is_registered(sys.modules[__name__]):
            raise pytest.UsageError("pytest-energy is switched off by -p no:energy")
        for place in config.args:
            if not (config.invocation_params.dir / place.partition("::")[0]).exists():
                raise pytest.UsageError(f"file or directory not found: {place}")
        # As pytest does it itself, since plugins may register their meters' hook only then.
        config.hook.pytest_configure.call_historic(kwargs={"config": config})
        try:
            settings = _settings(config)
            return self._run(settings, _sources(config, settings))
        finally:
            config.hook.pytest_unconfigure(config=config)


def _report(config: pytest.Config) -> None:
    """Have results gathered in this process, unless it is a worker's or that is arranged."""
    told = arguments.is_xdist_worker(config) or arguments.FOLLOWER in config.stash
    if told or config.pluginmanager.has_plugin(REPORTER):
        return
    config.pluginmanager.register(Reporter(config), REPORTER)


def _gate(config: pytest.Config) -> Gate:
    """This process's gate; with pytest-xdist the controller has one for the baselines alone."""
    if _gate_key not in config.stash:
        config.stash[_gate_key] = Gate(config, {}, {}, [])
    return config.stash[_gate_key]


def _settings(config: pytest.Config) -> options.Settings:
    """What the user said; read once, when it is first needed."""
    from pytest_energy import options

    if _settings_key not in config.stash:
        config.stash[_settings_key] = options.read_settings(config)
    return config.stash[_settings_key]


def _open_session(config: pytest.Config, settings: options.Settings, tests: int) -> EnergySession:
    from pytest_energy.session import EnergySession

    sources = _sources(config, settings)
    try:
        return EnergySession(settings, sources, arguments.workers(config), tests)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error


def _sources(config: pytest.Config, settings: options.Settings) -> list[MeterSource]:
    """The meters that there are: built in, and those of other plugins and of conftests."""
    from pytest_energy.meters import builtin_sources
    from pytest_energy.meters.base import MeterSource

    try:
        added = config.hook.pytest_energy_meters(config=config)
        theirs = [[found] if isinstance(found, MeterSource) else found for found in added]
        sources = [source for found in theirs for source in found]
        strange = [source for source in sources if not isinstance(source, MeterSource)]
        if strange:
            raise TypeError(f"expected a MeterSource, found {strange[0]!r}")
    except Exception as error:  # somebody else's hook: its defect is named, not pytest's internals
        raise pytest.UsageError(f"pytest_energy_meters: {type(error).__name__}: {error}") from error
    return [*builtin_sources(settings.prometheus), *sources]


def _open_against(
    config: pytest.Config,
    session: EnergySession,
    items: list[pytest.Item],
    collected: list[str],
) -> None:
    """Arrange for the other revision: its tree, its process, what it has of these tests."""
    from pytest_energy.against import Against
    from pytest_energy.baseline_file import BaselineError
    from pytest_energy.follower import body_of
    from pytest_energy.worktree import BaseError

    bodies = {item.nodeid: body_of(item) for item in items}
    with session.cost.counting(session.meters):
        try:
            names = session.meters.names
            against = Against(config, session.settings, names, bodies, collected)
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
