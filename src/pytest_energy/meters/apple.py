"""Apple silicon: the chip's energy counters on macOS, through zeus-apple-silicon.

The package reads IOReport's group "Energy Model", needs no administrator, and reports millijoules
since some moment before it was opened. Apple documents neither the counters nor how they come
about; its own `powermetrics` calls what it shows estimated.
"""

from __future__ import annotations

import platform
import sys
from typing import Any

from pytest_energy.meters.base import Meter, MeterLostError, MeterUnavailableError
from pytest_energy.meters.readings import whole
from pytest_energy.types.energy import Domain, Method

UPDATE_SECONDS = 0.01
"""How often the counters move at the slowest: windows under 10 ms are mostly their steps
(zeus-apple-silicon, README, "Accuracy")."""

MOST_WATTS = 1000.0
"""More than such a chip draws."""

PARTS = {
    "cpu": ("cpu_total_mj",),
    "gpu": ("gpu_mj", "gpu_sram_mj"),
    "dram": ("dram_mj",),
    "ane": ("ane_mj",),
}
"""Domain by domain, the figures whose sum it is. Those of cores, clusters and their managers are
inside `cpu_total_mj`."""


class Apple(Meter):
    """CPU, GPU, memory and neural engine of the chip, as far as it counts them.

    Raises:
        MeterUnavailableError: no Apple silicon, no zeus-apple-silicon, or a chip without counters.
    """

    name = "apple"
    max_watts = MOST_WATTS

    def __init__(self) -> None:
        try:
            import zeus_apple_silicon
        except ImportError as error:
            raise _unavailable() from error
        try:
            self._monitor = zeus_apple_silicon.AppleEnergyMonitor()
            energies = self._monitor.get_cumulative_energy()
        except RuntimeError as error:
            raise MeterUnavailableError(f"the chip's counters are closed: {error}") from error
        # Which figures there are differs from chip to chip.
        self._fields = {
            domain: tuple(field for field in fields if _figure(energies, field) is not None)
            for domain, fields in PARTS.items()
        }
        self._fields = {domain: fields for domain, fields in self._fields.items() if fields}
        if not self._fields:
            raise MeterUnavailableError(
                "zeus-apple-silicon knows none of this chip's counters",
                "a newer version may: pip install --upgrade zeus-apple-silicon",
            )
        self.domains = tuple(
            Domain(name, name, Method.COUNTER, "IOReport", UPDATE_SECONDS) for name in self._fields
        )
        self._last = self._counts(energies)

    def _counts(self, energies: Any) -> tuple[int, ...]:
        counts = []
        for fields in self._fields.values():
            count = 0
            for field in fields:
                millijoules = _figure(energies, field)
                if millijoules is None:
                    raise MeterLostError(f"{field}: the chip no longer reports it")
                count += millijoules * 1000
            counts.append(count)
        return tuple(counts)

    def read(self) -> tuple[int, ...]:
        """Microjoules since some moment before the meter was opened, part by part."""
        try:
            counts = self._counts(self._monitor.get_cumulative_energy())
        except (RuntimeError, ValueError) as error:
            raise MeterLostError(str(error)) from error
        for name, last, now in zip(self._fields, self._last, counts, strict=True):
            if now < last:
                raise MeterLostError(f"{name}: went back from {last} to {now} microjoules")
        self._last = counts
        return counts


def _figure(energies: Any, field: str) -> int | None:
    figure = getattr(energies, field, None)
    return None if figure is None else whole(figure, field)


def _unavailable() -> MeterUnavailableError:
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return MeterUnavailableError(
            "zeus-apple-silicon is not installed", "pip install 'pytest-energy[apple]'"
        )
    if sys.platform == "darwin":
        return MeterUnavailableError(
            f"Python runs for {platform.machine()}, and only Apple silicon has these counters",
            "on Apple silicon use a Python for arm64 and: pip install 'pytest-energy[apple]'",
        )
    return MeterUnavailableError("only Macs with Apple silicon have these counters")
