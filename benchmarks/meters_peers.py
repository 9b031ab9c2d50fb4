"""The packages that `meters.py` compares, each in a process of its own."""

from __future__ import annotations

import importlib
import json
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

OURS = "pytest-energy"
SETTLE_SECONDS = 3.0  # zeus starts a process that watches for wraps, which has to import zeus first


class Peer(ABC):
    """How one package meters a tree; made and used in a process of its own.

    Args:
        sysfs: the folder that stands for `/sys`.
    """

    modules: tuple[str, ...]
    """Its imports, which are timed."""

    distribution: str

    most_windows = sys.maxsize
    """How many windows of it are timed at most, per round."""

    refusals: tuple[str, ...] = ()
    """Exceptions by which it declines on purpose."""

    @abstractmethod
    def __init__(self, sysfs: Path) -> None: ...

    @abstractmethod
    def begin(self) -> None:
        """Begin a window."""

    @abstractmethod
    def end(self) -> float:
        """End it: joules of package and memory, as the package reports them."""

    def cost_calls(self) -> dict[str, Callable[[], object]]:
        """What is timed, by name: one window, begun and ended."""

        def window() -> None:
            self.begin()
            self.end()

        return {"window": window}


class RefusedError(Exception):
    """A meter that says that it cannot tell."""


class Ours(Peer):
    modules = ("pytest_energy.window", "pytest_energy.meters.rapl")
    distribution = "pytest-energy"
    refusals = ("MeterUnavailableError", "MeterLostError", "RefusedError")

    def __init__(self, sysfs: Path) -> None:
        from pytest_energy.meters.meter_set import MeterSet
        from pytest_energy.meters.rapl import Rapl

        # The tree is a parameter; PYTEST_ENERGY_POWERCAP names it from outside.
        self._meters = MeterSet([Rapl(sysfs / "class" / "powercap")])

    def begin(self) -> None:
        from pytest_energy.metering.window import Window

        self._window = Window(self._meters)
        self._window.open()

    def end(self) -> float:
        self._window.close(1)
        measured = self._window.measurement()
        if measured is None:
            raise RefusedError(self._window.lost)
        return sum(measured.domain_joules)

    def cost_calls(self) -> dict[str, Callable[[], object]]:
        from pytest_energy.metering.window import Window

        meters = self._meters

        def window() -> None:
            metered = Window(meters)
            metered.open()
            metered.close(1)

        def meters_alone() -> None:
            meters.read()
            meters.read()

        return {"window": window, "meters alone": meters_alone}


class Zeus(Peer):
    modules = ("zeus.monitor", "zeus.device.cpu.rapl")
    distribution = "zeus"
    refusals = ("ZeusBaseError", "ZeusBaseCPUError")

    def __init__(self, sysfs: Path) -> None:
        from zeus.device.cpu import rapl
        from zeus.monitor import ZeusMonitor

        # A constant of the module is all there is to name another place.
        rapl.RAPL_DIR = str(sysfs / "class" / "powercap" / "intel-rapl")
        self._monitor = ZeusMonitor(gpu_indices=[])
        self.begin()  # only the first reading starts the processes that watch for wraps
        self.end()

    def begin(self) -> None:
        self._monitor.begin_window("w", sync_execution=False)

    def end(self) -> float:
        measured = self._monitor.end_window("w", sync_execution=False)
        parts = (measured.cpu_energy, measured.dram_energy)
        return float(sum(sum(part.values()) for part in parts if part))


class CodeCarbon(Peer):
    modules = ("codecarbon",)
    distribution = "codecarbon"
    most_windows = 10
    refusals = ("RefusedError",)

    def __init__(self, sysfs: Path) -> None:
        from codecarbon.core.cpu import is_rapl_available

        # `CPU` takes the place as a parameter, the trackers do not pass one on: so a tracker gets
        # the CPU that it would have made itself had it found the tree.
        self._rapl_dir = str(sysfs / "class" / "powercap" / "intel-rapl" / "subsystem")
        if not is_rapl_available(self._rapl_dir):
            raise RefusedError("is_rapl_available() is False")
        self._folder = tempfile.mkdtemp(dir=sysfs.parent)
        # Every 15 s by default, too rarely for a counter that wraps in seconds.
        self._running = self._tracker(measure_power_secs=1)

    def _tracker(self, measure_power_secs: float) -> Any:
        from codecarbon import OfflineEmissionsTracker
        from codecarbon.external.hardware import CPU

        tracker = OfflineEmissionsTracker(
            country_iso_code="USA",
            measure_power_secs=measure_power_secs,
            save_to_file=False,
            log_level="critical",
            output_dir=self._folder,
            allow_multiple_runs=True,
        )
        tracker._ensure_hardware_ready()
        others = [one for one in tracker._hardware if not isinstance(one, CPU)]
        cpu = CPU(
            output_dir=self._folder,
            mode="intel_rapl",
            model="",
            tdp=0,
            rapl_dir=self._rapl_dir,
            rapl_include_dram=True,
        )
        tracker._hardware = [*others, cpu]
        return tracker

    def begin(self) -> None:
        self._running.start()

    def end(self) -> float:
        self._running.stop()
        # Its RAM energy is a constant per module, not what the tree says.
        return float(self._running.final_emissions_data.cpu_energy) * 3.6e6

    def cost_calls(self) -> dict[str, Callable[[], object]]:
        tracker = self._tracker(measure_power_secs=3600)

        def task() -> None:
            tracker.start_task("w")
            tracker.stop_task("w")

        return {"window": task}


class Joules(Peer):
    modules = ("joules.api",)
    distribution = "landauer-gap"
    refusals = ("NoMeters",)

    def __init__(self, sysfs: Path) -> None:
        from joules.api import Session

        os.environ["JOULES_SYSFS"] = str(sysfs)  # its `meters.sysfs()` asks at every look
        self._session = Session()

    def begin(self) -> None:
        self._phase = self._session.begin("w")

    def end(self) -> float:
        return float(self._session.end(self._phase)["energy_j"])


# In the order in which they begin and end: zeus needs the longest until it works, and codecarbon
# the longest to end.
PEERS: dict[str, type[Peer]] = {
    "zeus": Zeus,
    "landauer-gap": Joules,
    OURS: Ours,
    "codecarbon": CodeCarbon,
}


# What follows runs in a peer's own process.


def be_peer(name: str, sysfs: Path) -> None:
    """Answer the benchmark's commands, a line of JSON each, until it hangs up."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a package prints is no answer
    steps = _Steps(PEERS[name], sysfs)
    for line in sys.stdin:
        command, *arguments = line.split()
        try:
            answer = getattr(steps, command)(*arguments)
        except BaseException as error:
            kinds = {kind.__name__ for kind in type(error).__mro__}
            how = "refused" if kinds & set(steps.kind.refusals) else "crashed"
            named = "" if isinstance(error, RefusedError) else f"{type(error).__name__}: "
            answer = {"failed": f"{how}: {named}{error}"}
        answers.write(json.dumps(answer) + "\n")
    os.killpg(0, signal.SIGKILL)  # its own group: whatever a package has left running


class _Steps:
    def __init__(self, kind: type[Peer], sysfs: Path) -> None:
        self.kind = kind
        self._sysfs = sysfs
        self._calls: dict[str, Callable[[], object]] | None = None

    def prepare(self) -> dict[str, float]:
        began = time.perf_counter()
        for module in self.kind.modules:
            importlib.import_module(module)
        imported = time.perf_counter() - began
        self._peer = self.kind(self._sysfs)
        return {"import_ms": imported * 1e3}

    def begin(self) -> dict[str, float]:
        self._peer.begin()
        return {"began": time.monotonic()}

    def end(self) -> dict[str, float]:
        import psutil  # here: it is none of the packages' own imports

        running = {
            "threads": threading.active_count() - 1,
            "processes": len(psutil.Process().children(recursive=True)),
        }
        ended = time.monotonic()
        return {"joules": self._peer.end(), "ended": ended, **running}

    def cost(self, windows: str) -> dict[str, float]:
        if self._calls is None:
            self._calls = self._peer.cost_calls()
        medians = {}
        for name, call in self._calls.items():
            times = []
            for _ in range(min(int(windows), self.kind.most_windows)):
                began = time.perf_counter_ns()
                call()
                times.append(time.perf_counter_ns() - began)
            medians[name] = statistics.median(times) / 1e3
        return medians


# What follows runs in the benchmark's own process.
