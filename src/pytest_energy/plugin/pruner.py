"""Deletes the baselines of tests that are gone."""

from __future__ import annotations

import pytest

from pytest_energy.plugin import stash


class Pruner:
    """Deletes the baselines of tests that are gone."""

    def __init__(self, config: pytest.Config) -> None:
        from pytest_energy.settings import settings

        self._config = config
        self._settings = stash.settings_of(config)
        settings.check_prune(config)
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
        from pytest_energy.gate import prune

        if exitstatus not in (
            pytest.ExitCode.OK,
            pytest.ExitCode.TESTS_FAILED,
            pytest.ExitCode.NO_TESTS_COLLECTED,
        ):
            return
        modules = self._modules - self._incomplete
        collected = prune.Collected.of(session.config, modules, self._tests)
        self._lines, failed = prune.prune(self._settings.baselines, collected)
        if failed and exitstatus != pytest.ExitCode.TESTS_FAILED:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self._lines:
            terminalreporter.write_line(line)
