"""Energy per inference as something a pytest test can fail on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_energy.fixture import Energy
    from pytest_energy.measurement import Domain, Measurement, Method, Result, Status, Verdict
    from pytest_energy.meters.base import (
        Meter,
        MeterLostError,
        MeterSource,
        MeterUnavailableError,
    )
    from pytest_energy.ratio import Ratio
    from pytest_energy.results import Results

__all__ = [
    "Domain",
    "Energy",
    "Measurement",
    "Meter",
    "MeterLostError",
    "MeterSource",
    "MeterUnavailableError",
    "Method",
    "Ratio",
    "Result",
    "Results",
    "Status",
    "Verdict",
]

_HOMES = {
    "Energy": "fixture",
    "Results": "results",
    "Meter": "meters.base",
    "MeterLostError": "meters.base",
    "MeterSource": "meters.base",
    "MeterUnavailableError": "meters.base",
    "Ratio": "ratio",
}


def __getattr__(name: str) -> Any:
    # pytest imports this package at the start of every session; its rooms wait until one is needed.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'measurement')}"), name)
