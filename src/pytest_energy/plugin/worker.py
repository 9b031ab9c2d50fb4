"""The worker of a paired run: it collects, and then does what the head says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_energy.paired.worker import Worker


class WorkerPlugin:
    """The other side of a paired run: it collects, and then does what the head says."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._worker.note_collection(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._worker.serve(session)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._worker.note(report)
