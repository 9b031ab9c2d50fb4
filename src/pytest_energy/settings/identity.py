"""What a test is called, whatever pytest-xdist, a hook or the current folder does to its id."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest


def test_id(item: pytest.Item) -> str:
    """File, relative to rootdir, classes, the function's name and its parameters.

    Usually pytest's node id. pytest-xdist adds a group to that, and a hook may write anything.
    """
    file = Path(os.path.relpath(item.path, item.config.rootpath)).as_posix()
    classes = [node.name for node in item.listchain() if isinstance(node, pytest.Class)]
    # The same text stands in results, reports and baselines of thousands of tests.
    return sys.intern("::".join((file, *classes, own_name(item))))


test_id.__test__ = False  # type: ignore[attr-defined]  # its name looks like a test to pytest


def reported_test(report: pytest.TestReport) -> str:
    """The name of a report's test: its node id, unless that is another one."""
    name: str = getattr(report, "energy_test", report.nodeid)
    return name


def own_name(item: pytest.Item) -> str:
    """The function's name and its parameters."""
    if not isinstance(item, pytest.Function):
        return item.name
    name: str = item.originalname
    callspec = getattr(item, "callspec", None)
    return f"{name}[{callspec.id}]" if callspec is not None else name


def check_unique(items: Iterable[pytest.Item]) -> None:
    """Refuse two metered tests of one name: they would share an entry.

    Raises:
        pytest.UsageError: names both, by pytest's ids.
    """
    seen: dict[str, pytest.Item] = {}
    for item in items:
        name = test_id(item)
        first = seen.setdefault(name, item)
        if first is not item:
            raise pytest.UsageError(
                f"two metered tests are called {name}, and would share one baseline:"
                f" {first.nodeid} and {item.nodeid}; give one of them another name"
            )


Claims = Mapping[str, tuple[str, str] | None]
"""Task and model of every metered test, by its name; None for one whose marker is wrong."""


def claims_of(items: Iterable[pytest.Item]) -> dict[str, tuple[str, str] | None]:
    """Which entries the tests claim.

    Args:
        items: metered ones.
    """
    from pytest_energy.settings.inference import default_names, read_inference

    claims: dict[str, tuple[str, str] | None] = {}
    for item in items:
        task, model = default_names(item)
        try:
            inference = read_inference(item)
        except ValueError:
            claims[test_id(item)] = None
        else:
            claims[test_id(item)] = (inference.task or task, inference.model or model)
    return claims
