"""The hooks that other plugins implement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_energy.meters.base import MeterSource
    from pytest_energy.types.reporter import Reporter


@pytest.hookspec
def pytest_energy_meters(config: pytest.Config) -> Sequence[MeterSource]:  # type: ignore[empty-body]
    """Add meters of your own.

    Called once, before the first metered test, and only in a session that has one.

    Args:
        config: pytest's configuration.

    Returns:
        Sources, each a name for `--energy-meter` and a callable that opens the meter or raises
        `MeterUnavailableError`. One named like a built-in meter replaces it.
    """


@pytest.hookspec
def pytest_energy_reporters(config: pytest.Config) -> Sequence[Reporter]:  # type: ignore[empty-body]
    """Add formats of your own to those of `--energy-export` and `pytest-energy report`.

    Called once, at the start of a session that is to write one. With pytest-xdist this is in the
    controller, which loads a conftest.py only where it lies in the rootdir, or in a folder that the
    command line names.

    Args:
        config: pytest's configuration.

    Returns:
        Reporters, each a name for `--energy-export`, the name of its file, and a function of the
        reports of one session or of several. None is named like a built-in one.
    """
