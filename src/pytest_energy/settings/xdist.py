"""Whether this process is a controller or a worker of pytest-xdist."""

from __future__ import annotations

import pytest


def is_xdist_worker(config: pytest.Config) -> bool:
    """Whether this process runs tests for a pytest-xdist controller."""
    return hasattr(config, "workerinput")


def is_xdist_controller(config: pytest.Config) -> bool:
    """Whether this process hands its tests to pytest-xdist's workers."""
    # With --collect-only pytest-xdist leaves the collection to this process.
    collects = bool(config.getoption("collectonly", default=False))
    hands_out = config.getoption("dist", default="no") != "no"
    return hands_out and not collects and not is_xdist_worker(config)


def workers(config: pytest.Config) -> int:
    """Test processes that run side by side; 1 without pytest-xdist."""
    return int(getattr(config, "workerinput", {}).get("workercount", 1))


def run_of(worker: object) -> str:
    """The run that a worker works for, as pytest-xdist names it; empty without it.

    Args:
        worker: its `Config`, or in the controller the node that stands for it.
    """
    return str(getattr(worker, "workerinput", {}).get("testrunuid", ""))


def worker_name(config: pytest.Config) -> str:
    """This worker's name, such as `gw0`; empty without pytest-xdist."""
    return str(getattr(config, "workerinput", {}).get("workerid", ""))
