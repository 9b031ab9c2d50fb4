"""A second process on the user's own tree: another process's word on a suspect, or to be stored.

What is constant within a process no further pass in it can show; a new process is what the next
session will be. One serves all tests of a session, each of which runs in it once.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from pytest_energy.machine.process_tree import RunProcesses
from pytest_energy.paired.client import WorkerClient, WorkerLostError
from pytest_energy.paired.interleave import base_run
from pytest_energy.paired.start import OWN_SIDE, Collected, collect, start_own, worker_spec
from pytest_energy.types.result import BaseRun


class SecondProcess:
    """Started when a test needs it first.

    Args:
        config: pytest's.
        meters: names of this process's meters.
        seconds: how long a test may take in it.
        processes: of this run; the second one is excluded from what is metered.
    """

    def __init__(
        self,
        config: pytest.Config,
        meters: Sequence[str],
        seconds: float,
        processes: RunProcesses,
    ) -> None:
        self._config = config
        self._meters = meters
        self._seconds = seconds
        self._processes = processes
        self._client: WorkerClient | None = None
        self._collected = Collected()

    def run(self, test: str, reference_kind: str, blocks: int) -> BaseRun:
        """Run a test in it.

        Args:
            test: pytest's node id.
            reference_kind: the kind of reference workload that the first process ran beside.
            blocks: after which a loop ends, as it did in the first process; 0 for all.

        Returns:
            What it metered of the test, or why it has no figure.
        """
        try:
            if self._client is None:
                self._client = self._start()
            if test not in self._collected.tests:
                return BaseRun((), f"{OWN_SIDE} did not collect the test again")
            command = {"command": "measure", "test": test, "reference": reference_kind}
            return base_run(self._client.ask({**command, "blocks": blocks}))
        except WorkerLostError as error:
            self.close()
            return BaseRun((), error.reason, error.detail)

    def _start(self) -> WorkerClient:
        config, root = self._config, Path(os.path.realpath(self._config.rootpath))
        spec = worker_spec(config, root, root, self._meters, OWN_SIDE)
        # Here an estimate is compared with stored ones, as in the first process.
        for name in ("energy_yardstick", "reruns"):
            if name in spec["options"]:
                spec["options"][name] = config.getoption(name, default=None)
        client = self._client = start_own(root, self._seconds)
        self._processes.excluded.add(client.pid)
        self._collected = collect(client, spec)
        return client

    def close(self) -> None:
        """End it."""
        client, self._client = self._client, None
        if client is not None:
            self._processes.excluded.discard(client.pid)
            client.close()
