"""NVIDIA GPUs: the boards' energy counters, or their power, through nvidia-ml-py.

`nvmlDeviceGetTotalEnergyConsumption` counts millijoules since the driver was loaded, on Volta and
newer (NVIDIA, NVML API Reference Guide, "Device Queries"). Boards without it are sampled. A counter
is of a whole board: the slices of one (MIG) share it. On an H100 (driver 580) it moves every 100 ms
and takes 4 ms to read.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pytest_energy.meters.base import (
    MOST_BOARD_WATTS,
    Meter,
    MeterLostError,
    MeterUnavailableError,
)
from pytest_energy.meters.power_sampler import PowerSampler
from pytest_energy.types.energy import Domain, Method
from pytest_energy.types.machine import Gpu

UPDATE_SECONDS = 0.1
"""How often the counter moves, until it has been observed: 20 to 100 ms were seen, NVIDIA documents
none; the longest."""

SAMPLE_SECONDS = 0.05
"""Between two samples of the power: twice in each of its updates."""

AVERAGED_SECONDS = 1.0
"""`nvmlDeviceGetPowerUsage` is an average over one second on Ampere and newer, GA100 excepted (NVML
API Reference Guide)."""

AMPERE = 7
"""`NVML_DEVICE_ARCH_AMPERE`."""


@dataclass(frozen=True, slots=True)
class _Board:
    """A board that this process sees.

    Args:
        handle: the driver's, of the whole board.
        model: its name, with the slice's where only a slice is seen.
        shared: whether slices share it.
    """

    handle: Any
    model: str
    shared: bool


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
        absent = (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED)
        if error.value in absent:
            raise MeterUnavailableError(f"no NVIDIA driver: {error}") from error
        raise MeterUnavailableError(
            f"the NVIDIA driver refused: {error}", "see what nvidia-smi says", closed=True
        ) from error
    try:
        yield pynvml
    finally:
        pynvml.nvmlShutdown()


def _str(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _told(call: Callable[..., Any], *arguments: Any) -> Any:
    """What the driver answers; None where it refuses, or is too old to know the question."""
    import pynvml

    # nvidia-ml-py raises this one, which is no NVMLError, where the driver is older than itself.
    mismatch = getattr(pynvml, "NVMLLibraryMismatchError", pynvml.NVMLError)
    try:
        return call(*arguments)
    except (pynvml.NVMLError, mismatch):
        return None


def _boards(pynvml: Any, every: bool) -> list[_Board]:
    """The boards that this process may use, or every one."""
    indices = range(pynvml.nvmlDeviceGetCount())
    visible = None if every else os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in indices]
        return [_board(pynvml, handle, handle) for handle in handles]
    # One that has fallen off the bus does not hide the others: it has no handle, or no name.
    handles = [_told(pynvml.nvmlDeviceGetHandleByIndex, index) for index in indices]
    uuids = [_str((h and _told(pynvml.nvmlDeviceGetUUID, h)) or "") for h in handles]
    models = {_str((h and _told(pynvml.nvmlDeviceGetName, h)) or "") for h in handles} - {""}
    names = [name.strip() for name in visible.split(",")]
    numbered = any(name.isdecimal() for name in names)
    known = _uuids_in_use() if numbered else None
    if known is not None:
        names = known
    elif numbered and len(models) > 1 and os.environ.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID":
        # CUDA numbers boards by speed, NVML always by bus.
        raise MeterUnavailableError(
            "CUDA_VISIBLE_DEVICES has numbers, and CUDA numbers different boards by speed",
            "set CUDA_DEVICE_ORDER=PCI_BUS_ID, or name the boards by UUID",
        )
    chosen: dict[int, _Board] = {}
    for name in names:
        matched = _find(pynvml, name, uuids)
        if matched is None:  # as in CUDA: what stands behind an unknown board is invisible
            break
        index, seen = matched
        handle = handles[index] or pynvml.nvmlDeviceGetHandleByIndex(index)  # says why not
        chosen[index] = _board(pynvml, handle, seen or handle)
    return [board for _, board in sorted(chosen.items())]


def _find(pynvml: Any, name: str, uuids: list[str]) -> tuple[int, Any] | None:
    """Which board one entry of CUDA_VISIBLE_DEVICES means, and the slice's handle if it is one."""
    if name.isdecimal():
        return (int(name), None) if int(name) < len(uuids) else None
    part = None
    if name.startswith("MIG-GPU-"):  # as drivers before 470 wrote it: MIG-GPU-uuid/instance/slice
        name = name.removeprefix("MIG-").partition("/")[0]
    elif name.startswith("MIG-"):
        part = _told(pynvml.nvmlDeviceGetHandleByUUID, name.encode())
        parent = part and _told(pynvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle, part)
        name = _str(pynvml.nvmlDeviceGetUUID(parent)) if parent else ""
    matching = [index for index, uuid in enumerate(uuids) if name and uuid.startswith(name)]
    return (matching[0], part) if len(matching) == 1 and name.startswith("GPU-") else None


def _uuids_in_use() -> list[str] | None:
    """As torch sees the boards, where the program has begun to use them; None where it has not."""
    torch = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)
    if cuda is None or not cuda.is_initialized():
        return None
    uuids = [
        getattr(cuda.get_device_properties(index), "uuid", None)
        for index in range(cuda.device_count())
    ]
    return [f"GPU-{uuid}" for uuid in uuids] if all(uuids) else None


def _board(pynvml: Any, handle: Any, seen: Any) -> _Board:
    mode = _told(pynvml.nvmlDeviceGetMigMode, handle)
    return _Board(handle, _str(pynvml.nvmlDeviceGetName(seen)), bool(mode and mode[0]))


def boards() -> tuple[Gpu, ...]:
    """The boards that this process sees, for the machine class; none without a driver."""
    try:
        with _library() as pynvml:
            gpus = []
            for board in _boards(pynvml, every=False):
                limit = _told(pynvml.nvmlDeviceGetEnforcedPowerLimit, board.handle)
                gpus.append(Gpu(board.model, None if limit is None else round(limit / 1000)))
            return tuple(gpus)
    except Exception:  # a driver that answers half of the questions is no GPU to class by
        return ()


class Nvml(Meter):
    """The energy counter of each board that this process sees, or its power where it has none.

    Args:
        every: meter every board of the machine, whatever the process sees: a node's total.

    Raises:
        MeterUnavailableError: no driver, or no board that reports its energy or its power.
    """

    name = "nvml"
    max_watts = MOST_BOARD_WATTS

    def __init__(self, every: bool = False) -> None:
        import pynvml

        if every:
            self.name = "nvml_all"
        self._pynvml = pynvml
        self._sampler: PowerSampler | None = None
        self._held = _library()
        self._held.__enter__()
        try:
            self._take(_boards(pynvml, every))
        except pynvml.NVMLError as error:
            self.close()
            raise MeterUnavailableError(
                f"the NVIDIA driver refused: {error}", "see what nvidia-smi says", closed=True
            ) from error
        except BaseException:
            self.close()
            raise

    def _take(self, seen: list[_Board]) -> None:
        pynvml = self._pynvml
        if not seen:
            raise MeterUnavailableError(
                "no NVIDIA board is visible to this process", "check CUDA_VISIBLE_DEVICES"
            )
        virtual = getattr(pynvml, "NVML_GPU_VIRTUALIZATION_MODE_VGPU", 2)
        if any(_told(pynvml.nvmlDeviceGetVirtualizationMode, b.handle) == virtual for b in seen):
            raise MeterUnavailableError(
                "a virtual GPU (vGPU) has no energy of its own, only its host's board has"
            )
        self._counted: list[tuple[int, Any]] = []
        self._sampled: list[tuple[int, Callable[[], float]]] = []
        domains: list[Domain] = []
        self._board_of: list[tuple[str, Any]] = []
        for position, board in enumerate(seen):
            # Numbered among the visible: a cluster hands out any of its equal boards.
            name = f"gpu:{position}"
            shared = "the whole board, which its MIG slices share" if board.shared else ""
            if self._counts(board.handle):
                self._counted.append((len(domains), board.handle))
                domain = Domain(name, "gpu", Method.COUNTER, "NVML", UPDATE_SECONDS, shared)
            else:
                power = self._power(board.handle)
                if power is None:
                    continue
                watts, seconds, basis = power
                self._sampled.append((len(domains), watts))
                basis = "; ".join(filter(None, (basis, shared)))
                domain = Domain(name, "gpu", Method.SAMPLED, "NVML", seconds, basis)
            domains.append(domain)
            self._board_of.append((name, board.handle))
        if not domains:
            raise MeterUnavailableError("no visible NVIDIA board reports its energy or its power")
        self.domains = tuple(domains)
        if self._sampled:
            self._sampler = PowerSampler(
                lambda: tuple(watts() for _, watts in self._sampled), SAMPLE_SECONDS, self.max_watts
            )

    def _counts(self, handle: Any) -> bool:
        try:
            self._pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
        except self._pynvml.NVMLError_NotSupported:
            return False
        return True

    def _power(self, handle: Any) -> tuple[Callable[[], float], float, str] | None:
        """How to read a board's watts, how often they move, and what they are; None without."""
        pynvml = self._pynvml

        def instant() -> float:
            (value,) = pynvml.nvmlDeviceGetFieldValues(handle, [pynvml.NVML_FI_DEV_POWER_INSTANT])
            if value.nvmlReturn:
                raise pynvml.NVMLError(value.nvmlReturn)
            return float(value.value.uiVal) / 1000

        def usage() -> float:
            return float(pynvml.nvmlDeviceGetPowerUsage(handle)) / 1000

        if hasattr(pynvml, "NVML_FI_DEV_POWER_INSTANT") and _told(instant) is not None:
            return instant, UPDATE_SECONDS, "instantaneous power"
        if _told(usage) is None:
            return None
        averaged = (_told(pynvml.nvmlDeviceGetArchitecture, handle) or AMPERE) >= AMPERE
        if averaged:
            return usage, AVERAGED_SECONDS, "power averaged over 1 s"
        return usage, UPDATE_SECONDS, "instantaneous power"

    @property
    def missed_samples(self) -> int:  # type: ignore[override]
        """Of the sampled boards."""
        return self._sampler.missed_samples if self._sampler is not None else 0

    def power_of(self, domain: int) -> tuple[Callable[[], float], str] | None:
        """How to read a metered board's watts, and what they are; None where it does not tell.

        Args:
            domain: its position in `domains`.
        """
        power = self._power(self._board_of[domain][1])
        return power and (power[0], power[2])

    def read(self) -> tuple[int, ...]:
        """Microjoules, board by board; of a counter, since the driver was loaded."""
        counts = [0] * len(self.domains)
        try:
            for position, handle in self._counted:
                millijoules = self._pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
                counts[position] = millijoules * 1000
        except self._pynvml.NVMLError as error:
            raise MeterLostError(str(error)) from error
        if self._sampler is not None:
            for (position, _), count in zip(self._sampled, self._sampler.read(), strict=True):
                counts[position] = count
        return tuple(counts)

    def interference(self) -> tuple[str, ...]:
        """Other processes that compute on the metered boards.

        In a container the driver may number processes as its host does. Then this run's cannot be
        distinguished from others, and nothing is reported.
        """
        clauses = []
        using = _uuids_in_use() is not None
        for name, handle in self._board_of:
            processes = _told(self._pynvml.nvmlDeviceGetComputeRunningProcesses, handle)
            if processes is None:  # a driver before 510 knows the older question
                older = self._pynvml.nvmlDeviceGetComputeRunningProcesses_v2
                processes = _told(older, handle) or []
            pids = {process.pid for process in processes}
            if using and pids and os.getpid() not in pids:
                continue
            others = self.processes.foreign_pids(pids)
            if others:
                what = "another process" if len(others) == 1 else f"{len(others)} other processes"
                numbers = ", ".join(map(str, sorted(others)[:5]))
                clauses.append(f"{what} ({numbers}) computed on {name}")
        return tuple(clauses)

    def close(self) -> None:
        """End the sampling thread, if there is one, and release the driver's library."""
        if self._sampler is not None:
            self._sampler.close()
        self._held.__exit__(None, None, None)
