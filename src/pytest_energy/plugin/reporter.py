"""Gathers what the tests report, stores it, and shows it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_energy.plugin import html_columns, stash
from pytest_energy.plugin.uncollected import uncollected
from pytest_energy.settings import runs_nothing, strict_given, update_from_file, wants_file, xdist
from pytest_energy.settings.identity import reported_test

if TYPE_CHECKING:
    from pytest_energy.gate.results_log import ResultsLog
    from pytest_energy.gate.session import GateSession
    from pytest_energy.plugin.html_columns import HtmlColumns
    from pytest_energy.types.session import SessionReport, Unrun


class Reporter:
    """Gathers results where they come together: with pytest-xdist, in the controller.

    Args:
        config: pytest's.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._log: ResultsLog | None = None
        self._report: SessionReport | None = None
        self._error = ""
        self._run = ""
        self._orphans: list[str] = []

    @pytest.hookimpl(trylast=True)  # others may write down what stands on a report
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # With pytest-xdist this process may never see a metered test.
        ours = hasattr(report, "energy") or hasattr(report, "energy_unrun")
        if self._log is None and not (report.failed or ours):
            return
        gate = self._config.stash.get(stash.GATE, None)
        made = gate.take_report(reported_test(report)) if gate is not None else None
        results = self._results_log().add(report, made)
        columns: HtmlColumns | None = self._config.pluginmanager.get_plugin(html_columns.NAME)
        if columns is not None and hasattr(report, "energy"):
            columns.add(report, results)
        if hasattr(report, "energy"):
            setattr(report, "energy", None)  # noqa: B010  # pytest keeps every report to the end

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodeready(self, node: object) -> None:
        self._run = xdist.run_of(node)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        self._orphans = getattr(node, "workeroutput", {}).get("energy_orphans", self._orphans)

    def pytest_unconfigure(self) -> None:
        from pytest_energy.gate.shared_results import remove, shared_folder

        if self._run:
            remove(shared_folder(self._run))

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        from pytest_energy.gate.notices import notices
        from pytest_energy.gate.shared_results import selected, shared_folder
        from pytest_energy.report import terminal

        config = session.config
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            terminal.make_readable(reporter)
        settings, log = stash.settings_of(config), self._results_log()
        gate = config.stash.get(stash.GATE, None)
        log.selected = gate.selected if gate is not None else selected(shared_folder(self._run))
        metered = bool(log.tests or log.selected)
        absent = {} if runs_nothing(config) else uncollected(config, metered)
        asked = wants_file(config) or strict_given(config)
        if not metered and not asked and not absent:
            return
        try:
            gate_session = stash.gate_session_of(config)
        except pytest.UsageError as error:  # raised here it would swallow pytest's own summary
            self._error = str(error)
            return
        if absent:
            stored = _stored_of(config, gate_session, absent)
            log.selected = dict.fromkeys((*log.selected, *stored))
            log.unrun |= {test: why for test, why in stored.items() if test not in log.unrun}
            metered = metered or bool(stored)
            if not metered and not asked:
                return
        # Before anything is stored: what the tests have looked up need not be read again.
        orphans = gate.orphans() if gate is not None else self._orphans
        with gate.counting_overhead() if gate is not None else nullcontext():
            log.settle(gate_session, exitstatus, config.rootpath)
        if gate is not None:
            log.overhead += gate.take_overhead()
        passed = exitstatus == pytest.ExitCode.OK
        if passed and settings.strict and (metered or strict_given(config)):
            problem = log.not_compared()
            log.problems += [f"--energy-strict: {problem}"] * bool(problem)
        said = (notice for test in log.tests.values() for notice in test.notices)
        log.notices = (
            *dict.fromkeys(said),
            *notices(
                settings,
                log.results,
                {**log.unrun, **log.without_result()},
                orphans,
                update_from_file(config),
                gate_session.base_summary,
            ),
        )
        report = log.report(gate_session, config.rootpath)
        report = self._written(config, report)
        summary = os.environ.get("GITHUB_STEP_SUMMARY")
        if summary and metered:
            from pytest_energy.report.github import append_summary

            unwritten = append_summary(Path(summary), report)
            report = replace(report, notices=(*report.notices, *filter(None, [unwritten])))
        self._report = report
        columns: HtmlColumns | None = config.pluginmanager.get_plugin(html_columns.NAME)
        if columns is not None:
            columns.report = report
        _add_suite_properties(config, report)
        if (report.problems or log.refused) and passed:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if reporter is not None and xdist.is_xdist_controller(config):
            _write_header(reporter, report)

    def _written(self, config: pytest.Config, report: SessionReport) -> SessionReport:
        """Write the files that were asked for; the report, with what could not be written."""
        from pytest_energy.files import is_stream
        from pytest_energy.report import json

        settings, exports = stash.settings_of(config), stash.exports_of(config)
        paths = [path for path in (settings.json, *(each.path for each in exports)) if path]
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None and any(map(is_stream, paths)):
            reporter.ensure_newline()  # it may be the terminal
        unwritten = []
        with _uncaptured(config) if paths else nullcontext():
            if settings.json is not None:
                unwritten += json.write_report(settings.json, report, settings.json_blocks)
            for target in exports:
                unwritten += target.write([report])
        return replace(report, problems=(*report.problems, *unwritten))

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter, exitstatus: int
    ) -> None:
        from pytest_energy.report import terminal

        config = terminalreporter.config
        if self._error:
            terminal.say(terminalreporter, f"energy: {self._error}", red=True)
        elif self._report is not None:
            terminal.write_summary(terminalreporter, self._report, stash.settings_of(config).report)
            if os.environ.get("GITHUB_ACTIONS") == "true":
                _annotate(terminalreporter, self._report)
        elif stash.GATE in config.stash and exitstatus != pytest.ExitCode.USAGE_ERROR:
            # pytest prints a usage error last, and it is what there is to say.
            terminalreporter.write_line(
                "energy: nothing was compared: no metered test ran", red=True
            )

    def _results_log(self) -> ResultsLog:
        from pytest_energy.gate.results_log import ResultsLog

        if self._log is None:
            self._log = ResultsLog()
        return self._log


def _stored_of(
    config: pytest.Config, session: GateSession, absent: Mapping[str, str]
) -> Mapping[str, Unrun]:
    """The tests with stored entries, of what was not collected."""
    from pytest_energy.gate.uncollected import stored_tests

    deselected = config.getoption("deselect", default=None) or ()
    return stored_tests(session.stores, config.rootpath, absent, deselected)


def _write_header(reporter: pytest.TerminalReporter, report: SessionReport) -> None:
    """Say what the workers metered with, which the controller knows once they have: above failures.

    Without workers it stands below pytest's own header.
    """
    from pytest_energy.report import terminal

    config = reporter.config
    if config.get_verbosity() < 0:
        return
    reporter.write_line("")  # behind the last dot
    baselines = stash.settings_of(config).baselines
    known = report.instrumentation if report.results else None  # no worker has told
    for line in terminal.header(known, report.machine, baselines, report.base, reporter):
        reporter.write_line(line)


def _add_suite_properties(config: pytest.Config, report: SessionReport) -> None:
    """Put what is of the whole session into JUnit's file, which is written after this.

    As pytest's own `record_testsuite_property` does it, which is a fixture, and of no use in a
    process that runs no test.
    """
    from _pytest.junitxml import xml_key

    from pytest_energy.report import junit

    xml = config.stash.get(xml_key, None)
    if xml is not None:
        for name, value in junit.suite_properties(report):
            xml.add_global_property(name, value)


OTHER_ANNOTATIONS = "pytest_github_actions_annotate_failures"
"""A plugin that makes an annotation of every failed test: twice would be once too often."""


def _annotate(terminalreporter: pytest.TerminalReporter, report: SessionReport) -> None:
    """Print the commands that GitHub's runner makes annotations of."""
    from pytest_energy.report import terminal
    from pytest_energy.report.github import error_commands
    from pytest_energy.report.printable import readable

    config = terminalreporter.config
    if config.pluginmanager.hasplugin(OTHER_ANNOTATIONS):
        return
    checkout = os.environ.get("GITHUB_WORKSPACE")
    encoding = terminal.encoding_of_terminal(terminalreporter)
    for line in error_commands(report, config.rootpath, Path(checkout) if checkout else None):
        terminalreporter.write_line(readable(line, encoding))


def _uncaptured(config: pytest.Config) -> AbstractContextManager[None]:
    """What is written to /dev/stdout meanwhile goes there, not where pytest captures it."""
    capture = config.pluginmanager.get_plugin("capturemanager")
    return capture.global_and_fixture_disabled() if capture is not None else nullcontext()
