"""A powercap tree of plain files in which known watts are spent: what meters are compared on.

The layout is the kernel's (Documentation/power/powercap/powercap.rst): zones lie below
`devices/virtual/powercap`, and `class/powercap` shows every one of them side by side as a link.
A process of its own adds to the counters every millisecond and keeps a log, from which the energy
that was truly spent between two moments is read.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from array import array
from bisect import bisect_right
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType

UPDATE_SECONDS = 1e-3
"""As often as the hardware updates its counters (Intel SDM volume 3, section 16.10.3)."""

INTEL_WRAPS_AT = 262_143_328_850
"""Microjoules: what most servers show, 2^32 - 1 steps of 61 microjoules."""

AMD_WRAPS_AT = 65_532_610_987
"""Microjoules: what AMD's processors show, 2^32 - 1 steps of 15.3 microjoules."""


@dataclass(frozen=True, slots=True)
class Zone:
    """One counter.

    Args:
        path: below the control type, as in the kernel: `intel-rapl:0/intel-rapl:0:1`.
        name: what the zone calls itself.
        watts: spent in it all the time.
        counted: whether that is part of the true total, which has package and memory once.
        begins_at: microjoules that the counter shows first; equal ones make two views of one.
        wraps_at: its `max_energy_range_uj`.
        limited: whether it has power limits, which AMD's zones have not.
    """

    path: str
    name: str
    watts: float
    counted: bool = True
    begins_at: int = 31_234_567_890
    wraps_at: int = INTEL_WRAPS_AT
    limited: bool = True

    @property
    def control_type(self) -> str:
        return self.path.partition(":")[0]

    def microjoules(self, seconds: float) -> int:
        """What the counter shows after so many seconds."""
        return (self.begins_at + round(self.watts * seconds * 1e6)) % self.wraps_at


@dataclass(frozen=True, slots=True)
class Topology:
    """Zones of one machine.

    Args:
        name: for people and for `--topology`.
        zones: its counters.
        wraps_after: how many seconds before its first wrap in a window zone 0 has to be when the
            window begins; None where the moment does not matter.
    """

    name: str
    zones: tuple[Zone, ...]
    wraps_after: float | None = None

    @property
    def watts(self) -> float:
        """The true power: package and memory, each once."""
        return sum(zone.watts for zone in self.zones if zone.counted)

    def seconds_until_right(self, seconds: float) -> float:
        """How long to wait with a window, when the counters have run for so long already."""
        if self.wraps_after is None:
            return 0.0
        zone = self.zones[0]
        to_wrap = (zone.wraps_at - zone.microjoules(seconds)) / 1e6 / zone.watts
        return (to_wrap - self.wraps_after) % (zone.wraps_at / 1e6 / zone.watts)


def topologies(window_seconds: float) -> tuple[Topology, ...]:
    """What the meters have to get right, for windows of this length."""
    one = Zone("intel-rapl:0", "package-0", 80.0)
    other = Zone("intel-rapl:1", "package-1", 65.0, begins_at=98_765_432_109)
    memory = Zone("intel-rapl:0/intel-rapl:0:0", "dram", 12.0, begins_at=5_555_555_555)
    uncounted = partial(Zone, counted=False, begins_at=7_654_321_098)
    amd = partial(Zone, wraps_at=AMD_WRAPS_AT, limited=False)
    # So long that it cannot wrap twice in a window at 1,000 W, more than any socket draws.
    wraps = Zone("intel-rapl:0", "package-0", 400.0, wraps_at=round(1250e6 * window_seconds))
    wraps_twice = Zone("intel-rapl:0", "package-0", 100.0, wraps_at=round(50e6 * window_seconds))
    return (
        Topology("one socket", (one,)),
        Topology("two sockets", (one, other)),
        Topology("psys", (one, uncounted("intel-rapl:1", "psys", 105.0))),
        Topology("dram", (one, memory)),
        Topology(
            "core and uncore",
            (
                one,
                uncounted("intel-rapl:0/intel-rapl:0:0", "core", 52.0),
                uncounted("intel-rapl:0/intel-rapl:0:1", "uncore", 9.0),
            ),
        ),
        Topology("mmio twin", (one, Zone("intel-rapl-mmio:0", "package-0", 80.0, counted=False))),
        Topology(
            "mirrored dies",
            (
                amd("intel-rapl:0", "package-0-die-0", 120.0),
                amd("intel-rapl:1", "package-0-die-1", 120.0, counted=False),
            ),
        ),
        Topology(
            "separate dies",  # Intel's Cascade Lake-AP: each die counts for itself
            (
                Zone("intel-rapl:0", "package-0-die-0", 80.0),
                Zone("intel-rapl:1", "package-0-die-1", 65.0, begins_at=98_765_432_109),
            ),
        ),
        Topology("wrap in one of two", (wraps, other), window_seconds / 2),
        Topology("two wraps", (wraps_twice,), window_seconds / 4),
    )


def build(root: Path, topology: Topology) -> Path:
    """Write the tree of `topology` below `root`, which stands for `/sys`.

    Returns:
        The place of `/sys/class/powercap`.
    """
    shown = root / "class" / "powercap"
    shown.mkdir(parents=True)
    for control_type in sorted({zone.control_type for zone in topology.zones}):
        folder = root / "devices" / "virtual" / "powercap" / control_type
        folder.mkdir(parents=True)
        (folder / "enabled").write_text("1\n")
        _link(folder / "subsystem", shown)
        _link(shown / control_type, folder)
    for zone in topology.zones:
        folder = _folder(root, zone)
        folder.mkdir()
        texts = {
            "name": zone.name,
            "enabled": "1",
            "max_energy_range_uj": str(zone.wraps_at),
            "energy_uj": _line(zone, 0.0).decode().strip(),
        }
        if zone.limited and "/" not in zone.path:
            texts |= {
                "constraint_0_name": "long_term",
                "constraint_0_max_power_uw": str(round(zone.watts * 2e6)),
                "constraint_0_power_limit_uw": str(round(zone.watts * 2e6)),
                "constraint_0_time_window_us": "999424",
            }
        for name, text in texts.items():
            (folder / name).write_text(f"{text}\n")
        _link(folder / "device", folder.parent)
        _link(folder / "subsystem", shown)
        _link(shown / folder.name, folder)
    return shown


def _folder(root: Path, zone: Zone) -> Path:
    return root / "devices" / "virtual" / "powercap" / zone.control_type / zone.path


def _link(path: Path, target: Path) -> None:
    path.symlink_to(os.path.relpath(target, path.parent))  # the kernel's links are relative, too


def _line(zone: Zone, seconds: float) -> bytes:
    # Always as long, so that writing it in place leaves nothing of the line before.
    return b"%012d\n" % zone.microjoules(seconds)


class Spending:
    """A process that spends the watts of a topology in its tree, for a `with`.

    Args:
        root: where `build` has written the tree.
        topology: what it was built for.
    """

    def __init__(self, root: Path, topology: Topology) -> None:
        self._topology = topology
        self._written_at: array[float] = array("d")
        self._spent: array[float] = array("d")
        # Forked, not spawned: this process has no threads, and the writer needs nothing new.
        context = multiprocessing.get_context("fork")
        self._pipe, pipe = context.Pipe()
        self._process = context.Process(
            target=_spend, args=(root, topology.zones, pipe, self._pipe), daemon=True
        )
        self._process.start()
        pipe.close()
        self.began: float = self._pipe.recv()
        """On the monotonic clock, which all processes share."""

    def stop(self) -> None:
        """End the process and keep its log."""
        self._pipe.send_bytes(b"stop")
        self._written_at.frombytes(self._pipe.recv_bytes())
        self._spent.frombytes(self._pipe.recv_bytes())
        self._process.join()

    def joules(self, begin: float, end: float) -> float:
        """What was truly spent between two moments of the monotonic clock; after `stop`."""
        return self._topology.watts * (self._seconds(end) - self._seconds(begin))

    def _seconds(self, moment: float) -> float:
        return self._spent[bisect_right(self._written_at, moment) - 1]

    def __enter__(self) -> Spending:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process.is_alive():
            self._process.terminate()
            self._process.join()


def _spend(root: Path, zones: tuple[Zone, ...], pipe: Connection, other_end: Connection) -> None:
    other_end.close()  # so that the pipe breaks when the benchmark dies
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    files = [(zone, os.open(_folder(root, zone) / "energy_uj", os.O_WRONLY)) for zone in zones]
    written_at, spent = array("d"), array("d")
    began = time.monotonic()
    with suppress(BrokenPipeError, EOFError):
        pipe.send(began)
        while not pipe.poll():
            seconds = time.monotonic() - began
            for zone, descriptor in files:
                os.pwrite(descriptor, _line(zone, seconds), 0)
            written_at.append(time.monotonic())
            spent.append(seconds)
            time.sleep(UPDATE_SECONDS)
        pipe.recv_bytes()
        pipe.send_bytes(written_at.tobytes())
        pipe.send_bytes(spent.tobytes())
