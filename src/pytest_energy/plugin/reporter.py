"""Gathers what the tests report, stores it, and shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_energy.plugin import stash
from pytest_energy.settings import xdist

if TYPE_CHECKING:
    from pytest_energy.gate.results_log import ResultsLog
    from pytest_energy.gate.session import EnergySession


class Reporter:
    """Gathers what the tests report, stores it, and shows it."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._ledger: ResultsLog | None = None
        self._session: EnergySession | None = None
        self._error = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # With pytest-xdist this process may never see a metered test.
        if self._ledger is None and not (report.failed or hasattr(report, "energy")):
            return
        self._gathered().add(report)

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        from pytest_energy.gate import results_log as ledger
        from pytest_energy.report import json

        settings, gathered = stash.settings_of(session.config), self._gathered()
        if not gathered.tests and settings.json is None:
            return
        try:
            self._session = stash.gate_of(session.config).session
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
            if xdist.is_xdist_controller(config) and config.get_verbosity() >= 0:
                for line in terminal.header(self._session, terminalreporter):
                    terminalreporter.write_line(line)
            full = stash.settings_of(config).report
            terminal.write_summary(terminalreporter, self._gathered(), self._session, full)
        elif stash.GATE in config.stash:
            terminalreporter.write_line(
                "energy: nothing was compared: no metered test ran", red=True
            )

    def _gathered(self) -> ResultsLog:
        from pytest_energy.gate.results_log import ResultsLog

        if self._ledger is None:
            self._ledger = ResultsLog()
        return self._ledger
