"""Names the baselines that no test claims, and deletes them where that is asked for."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from pytest_energy.plugin import stash
from pytest_energy.settings import metered_of
from pytest_energy.settings.identity import test_id


class Pruner:
    """Names the baselines that no test claims, and deletes them where that is asked for.

    Args:
        config: pytest's.
    """

    def __init__(self, config: pytest.Config) -> None:
        from pytest_energy.settings import settings

        self._settings = stash.settings_of(config)
        settings.check_prune(config)
        self._modules: set[str] = set()
        self._incomplete: set[str] = set()
        self._items: list[pytest.Item] = []
        self._lines: list[str] = []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        module = report.nodeid.partition("::")[0]
        if report.passed and "::" not in report.nodeid:
            self._modules.add(module)
        elif not report.passed:  # the module itself, or a class in it
            self._incomplete.add(module)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, items: list[pytest.Item]
    ) -> Generator[None, None, None]:
        self._items = items.copy()  # before any is deselected
        yield

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        from pytest_energy.gate import prune

        if exitstatus not in (
            pytest.ExitCode.OK,
            pytest.ExitCode.TESTS_FAILED,
            pytest.ExitCode.NO_TESTS_COLLECTED,
        ):
            return
        config = session.config
        modules = self._modules - self._incomplete
        collected = prune.Collected.of(
            config, modules, map(test_id, self._items), metered_of(self._items)
        )
        stores = stash.gate_session_of(config).stores
        for module in modules:
            stores.of_file(config.rootpath / module)
        stores.of_file(config.rootpath / "any")  # its own, where all modules are deleted
        delete = self._settings.prune == "delete"
        self._lines, failed = prune.prune(stores.used, collected, delete)
        if failed and exitstatus != pytest.ExitCode.TESTS_FAILED:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        from pytest_energy.report import terminal

        for line in self._lines:
            terminal.say(terminalreporter, line)
