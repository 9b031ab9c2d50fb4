"""pytest's hooks: the module that every session loads, metered or not.

Further plugins are registered when they are needed: `gate` when a session has metered tests,
`reporter` where the results come together (with pytest-xdist, in the controller), `pruner`,
`worker` in a paired run, `command` for the console script. A session without metered tests pays for
option parsing alone, so everything else is imported late.

PYTEST_DONT_REWRITE: see the package.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, NoReturn

import pytest

from pytest_energy import settings
from pytest_energy.plugin import uncollected
from pytest_energy.plugin.specs import pytest_plugin_registered as pytest_plugin_registered

if TYPE_CHECKING:
    from pytest_energy.analysis.results import Results
    from pytest_energy.metering.fixture import Energy

REPORTER = "energy-reporter"

UNMETERED = pytest.StashKey[int]()
"""Number of tests that would be metered, under `--energy-off`."""


def pytest_addoption(parser: pytest.Parser) -> None:
    settings.add_options(parser)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    for text in settings.MARKERS.values():
        config.addinivalue_line("markers", text)
    config.stash[uncollected.KEY] = uncollected.Uncollected()
    config.pluginmanager.register(config.stash[uncollected.KEY], "energy-uncollected")
    if settings.any_given(config):
        from pytest_energy.plugin import stash
        from pytest_energy.plugin.own_errors import shown_usage_errors

        with shown_usage_errors():
            stash.settings_of(config)
    if settings.option_value(config, "prune"):
        from pytest_energy.plugin.pruner import Pruner

        config.pluginmanager.register(Pruner(config), "energy-pruner")
    worker = config.stash.get(settings.WORKER, None)
    if worker is not None:
        from pytest_energy.plugin.worker import WorkerPlugin

        config.pluginmanager.register(WorkerPlugin(worker), "energy-worker")
    if settings.wants_file(config):
        _check_exports(config)
    if config.getoption("htmlpath", default=None) and not settings.flag(config, "off"):
        _add_html_columns(config)
    if config.getoption("dist", default="no") != "no":
        _configure_controller(config)


def _add_html_columns(config: pytest.Config) -> None:
    """Have energy shown in the page that pytest-html writes: in the process that writes it."""
    from pytest_energy.plugin import html_columns
    from pytest_energy.settings.xdist import is_xdist_worker

    if settings.WORKER not in config.stash and not is_xdist_worker(config):
        config.pluginmanager.register(html_columns.HtmlColumns(), html_columns.NAME)


def _check_exports(config: pytest.Config) -> None:
    """Refuse formats and files that cannot be had, before anything is metered in vain."""
    from pytest_energy.plugin import stash
    from pytest_energy.plugin.own_errors import shown_usage_errors
    from pytest_energy.settings.xdist import is_xdist_worker

    if settings.WORKER not in config.stash and not is_xdist_worker(config):
        with shown_usage_errors():
            stash.exports_of(config)


def _configure_controller(config: pytest.Config) -> None:
    """Have results gathered where pytest-xdist hands the tests out."""
    from pytest_energy.settings.settings import check_against
    from pytest_energy.settings.xdist import is_xdist_controller

    if is_xdist_controller(config) and not settings.flag(config, "off"):
        check_against(config)
        _gather_results(config)


def pytest_report_header(config: pytest.Config) -> str | None:
    off = settings.flag(config, "off")
    return "energy: off (--energy-off): nothing is metered" if off else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    count = terminalreporter.config.stash.get(UNMETERED, 0)
    if count:
        tests = f"{count:,} test{'s' * (count > 1)}"
        terminalreporter.write_line(
            f"energy: off (--energy-off, or energy_off in a configuration file): {tests} metered"
            " nothing, and nothing was compared",
            yellow=True,
        )


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    if type(item) is pytest.Function and settings.is_marked(item):
        from pytest_energy.plugin.body_runs import count_runs

        count_runs(item)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None, None, None]:
    collected = items.copy()
    yield  # other plugins and conftests add markers first
    marked = settings.metered_of(items)
    if not marked:
        # Who asked for a file gets one, though it says that nothing was metered; who asked for a
        # comparison is told that there is none. All metered tests may stand in files that were
        # skipped as they were imported.
        asked = settings.wants_file(config) or settings.strict_given(config)
        asked = asked or bool(uncollected.uncollected(config, metered=False))
        if asked and not settings.runs_nothing(config) and not settings.flag(config, "off"):
            _gather_results(config)
        return
    from pytest_energy.plugin.own_errors import shown_usage_errors

    with shown_usage_errors():
        _meter(config, marked, collected)


def _meter(config: pytest.Config, marked: list[pytest.Item], collected: list[pytest.Item]) -> None:
    """Have the tests metered that are to be.

    Raises:
        pytest.UsageError: a marker or an option that cannot be meant.
    """
    from pytest_energy.plugin import stash
    from pytest_energy.plugin.gate import Gate
    from pytest_energy.settings.identity import check_unique
    from pytest_energy.settings.inference import read_inferences
    from pytest_energy.settings.settings import check_against
    from pytest_energy.settings.xdist import is_xdist_worker

    collect_only = settings.runs_nothing(config)
    metered, problems = read_inferences(marked)
    # An error in a worker's collection would be pytest-xdist's internal error, without the text:
    # there each wrong test fails in its own setup.
    if problems and not is_xdist_worker(config):
        raise pytest.UsageError(*problems.values())
    if stash.settings_of(config).off:
        config.stash[UNMETERED] = len(metered)
    if not collect_only and (problems or not stash.settings_of(config).off):
        check_against(config)
        check_unique(metered)
        _run_once(config, metered)
        gate = config.stash[stash.GATE] = Gate(config, metered, problems, collected)
        config.pluginmanager.register(gate, "energy-gate")
        _gather_results(config)


def _run_once(config: pytest.Config, metered: Iterable[pytest.Item]) -> None:
    """Have pytest-run-parallel, where it is installed, run metered tests once, in one thread."""
    if not hasattr(config.option, "parallel_threads"):
        return
    reason = "is metered, and its energy is that of one run"
    for item in metered:
        item.add_marker(pytest.mark.thread_unsafe(reason=reason))
        item.add_marker(pytest.mark.iterations(1), append=False)


@pytest.fixture
def energy(request: pytest.FixtureRequest) -> Energy:
    """Meters inferences: energy.each(samples), energy.run(fn, samples), energy.measure(name)."""
    from pytest_energy.metering.fixture import UnmeteredEnergy
    from pytest_energy.plugin import stash
    from pytest_energy.settings.identity import test_id
    from pytest_energy.settings.inference import default_names, read_inference

    metered: Energy | None = request.node.stash.get(stash.ENERGY, None)
    if metered is None:
        if not stash.settings_of(request.config).off and not settings.runs_nothing(request.config):
            raise pytest.UsageError(
                "energy was asked for with getfixturevalue, too late to meter the test: name it in"
                " the test's arguments, or add @pytest.mark.usefixtures('energy')"
            )
        inference = read_inference(request.node)
        metered = UnmeteredEnergy(test_id(request.node), inference, *default_names(request.node))
    return metered


@pytest.fixture(scope="session")
def energy_results(request: pytest.FixtureRequest) -> Results:
    """Every measurement of this session so far: energy_results.where(task=..., role=...)."""
    from pytest_energy.analysis.results import Results
    from pytest_energy.plugin import stash

    config = request.config
    unmetered = stash.settings_of(config).unmetered
    if stash.GATE not in config.stash:
        return Results(tuple, unmetered=unmetered, skip=_skip)
    session = stash.gate_session_of(config)
    return Results(lambda: session.all_results, lambda: session.carbon, unmetered, _skip)


def _skip(reason: str) -> NoReturn:
    pytest.skip(reason)


def _gather_results(config: pytest.Config) -> None:
    """Have results gathered in this process, unless it is a worker's or that is arranged."""
    from pytest_energy.plugin.reporter import Reporter
    from pytest_energy.settings.xdist import is_xdist_worker

    worker = is_xdist_worker(config) or settings.WORKER in config.stash
    if worker or config.pluginmanager.has_plugin(REPORTER):
        return
    config.pluginmanager.register(Reporter(config), REPORTER)
