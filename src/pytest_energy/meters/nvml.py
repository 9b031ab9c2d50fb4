"""NVIDIA GPUs: the boards' energy counters, through nvidia-ml-py.

`nvmlDeviceGetTotalEnergyConsumption` counts millijoules since the driver was loaded, on Volta and
newer (NVIDIA, NVML API Reference Guide, "Device Queries").
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pytest_energy.machine import Gpu
from pytest_energy.measurement import Domain, Method
from pytest_energy.meters.base import Meter, MeterLostError, MeterUnavailableError

UPDATE_SECONDS = 0.1
"""How often the counter moves: 20 to 100 ms were observed, NVIDIA documents none; the longest."""


@contextmanager
def _library() -> Iterator[Any]:
    """pynvml, initialised for the length of the block.

    Raises:
        MeterUnavailableError: no driver, or one that refuses.
    """
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise MeterUnavailableError(f"no NVIDIA driver: {error}") from error
    try:
        yield pynvml
    finally:
        pynvml.nvmlShutdown()


def _str(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _visible(pynvml: Any) -> list[tuple[int, Any]]:
    """Index and handle of the boards that this process may use.

    CUDA numbers boards by speed unless CUDA_DEVICE_ORDER says PCI_BUS_ID, NVML always by bus.
    """
    handles = [
        (index, pynvml.nvmlDeviceGetHandleByIndex(index))
        for index in range(pynvml.nvmlDeviceGetCount())
    ]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return handles
    wanted = [name.strip() for name in visible.split(",")]
    if any(name.startswith("MIG-") for name in wanted):
        raise MeterUnavailableError("a MIG slice has no energy counter of its own")
    models = {_str(pynvml.nvmlDeviceGetName(handle)) for _, handle in handles}
    by_bus = os.environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
    if any(name.isdigit() for name in wanted) and len(models) > 1 and not by_bus:
        raise MeterUnavailableError(
            "CUDA_VISIBLE_DEVICES has numbers, and CUDA numbers different boards by speed",
            "set CUDA_DEVICE_ORDER=PCI_BUS_ID, or name the boards by UUID",
        )
    chosen: dict[int, Any] = {}
    for name in wanted:
        found = [
            (index, handle)
            for index, handle in handles
            if name == str(index)
            or (name.startswith("GPU-") and _str(pynvml.nvmlDeviceGetUUID(handle)).startswith(name))
        ]
        if not found:  # as in CUDA: what stands behind an unknown board is invisible
            break
        chosen.update(found)
    return sorted(chosen.items())


def boards() -> tuple[Gpu, ...]:
    """The boards that this process sees, for the machine class; none without a driver."""
    try:
        with _library() as pynvml:
            found = []
            for _, handle in _visible(pynvml):
                try:
                    watts = round(pynvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000)
                except pynvml.NVMLError:
                    watts = None
                found.append(Gpu(_str(pynvml.nvmlDeviceGetName(handle)), watts))
            return tuple(found)
    except Exception:  # a driver that answers half of the questions is no GPU to class by
        return ()


class Nvml(Meter):
    """The energy counter of each board that this process sees; boards without one are left out.

    Raises:
        MeterUnavailableError: no driver, or no visible board with an energy counter.
    """

    name = "nvml"

    def __init__(self) -> None:
        import pynvml

        self._pynvml = pynvml
        self._held = _library()
        self._held.__enter__()
        try:
            visible = _visible(pynvml)
            if not visible:
                raise MeterUnavailableError("no NVIDIA board is visible to this process")
            self._handles = [handle for _, handle in visible if self._counts(handle)]
            if not self._handles:
                raise MeterUnavailableError("no visible NVIDIA board has an energy counter")
        except pynvml.NVMLError as error:
            self.close()
            raise MeterUnavailableError(f"the NVIDIA driver refused: {error}") from error
        except MeterUnavailableError:
            self.close()
            raise
        # Numbered among the visible: a cluster hands out any of its equal boards.
        self.domains = tuple(
            Domain(f"gpu:{position}", "gpu", Method.COUNTER, "NVML", UPDATE_SECONDS)
            for position, (_, handle) in enumerate(visible)
            if handle in self._handles
        )

    def _counts(self, handle: Any) -> bool:
        try:
            self._pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
        except self._pynvml.NVMLError:
            return False
        return True

    def read(self) -> tuple[int, ...]:
        """Microjoules since the driver was loaded, board by board."""
        try:
            return tuple(
                self._pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) * 1000
                for handle in self._handles
            )
        except self._pynvml.NVMLError as error:
            raise MeterLostError(str(error)) from error

    def close(self) -> None:
        """Release the driver's library."""
        self._held.__exit__(None, None, None)
