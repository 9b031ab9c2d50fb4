"""Energy per inference as something a pytest test can fail on.

PYTEST_DONT_REWRITE: there are no assertions to explain here. pytest warns of a plugin that is
imported before it can rewrite it, as the base's process and the console script do; where warnings
are errors, both would end there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_energy.analysis.results import Ratio, Results
    from pytest_energy.metering.fixture import Energy
    from pytest_energy.meters.base import Meter, MeterLostError, MeterSource, MeterUnavailableError
    from pytest_energy.types.energy import Domain, Method
    from pytest_energy.types.measurement import Measurement
    from pytest_energy.types.reporter import Reporter
    from pytest_energy.types.result import Result
    from pytest_energy.types.session import SessionReport
    from pytest_energy.types.verdict import Status, Verdict

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
    "Reporter",
    "Result",
    "Results",
    "SessionReport",
    "Status",
    "Verdict",
]

_HOMES = {
    "Domain": "types.energy",
    "Energy": "metering.fixture",
    "Measurement": "types.measurement",
    "Meter": "meters.base",
    "MeterLostError": "meters.base",
    "MeterSource": "meters.base",
    "MeterUnavailableError": "meters.base",
    "Method": "types.energy",
    "Ratio": "analysis.results",
    "Reporter": "types.reporter",
    "Result": "types.result",
    "Results": "analysis.results",
    "SessionReport": "types.session",
    "Status": "types.verdict",
    "Verdict": "types.verdict",
}


def __getattr__(name: str) -> Any:
    # pytest imports this package at the start of every session; modules wait until one is needed.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
