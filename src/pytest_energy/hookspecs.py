"""The hooks that other plugins implement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_energy.meters.base import MeterSource


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
