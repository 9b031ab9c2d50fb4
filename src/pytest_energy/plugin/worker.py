"""The worker of a paired run: it collects, and then does what the head says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_energy.paired.worker import Worker


class WorkerPlugin:
    """The other side of a paired run: it collects, and then does what the head says."""

    def __init__(self, follower: Worker) -> None:
        self._follower = follower

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._follower.note_collection(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._follower.serve(session)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._follower.note(report)
