"""Running average power limit (RAPL): counters of Intel and AMD CPUs, through Linux's powercap.

Kernel documentation: Documentation/power/powercap/powercap.rst. Facts behind the choices here:
package contains core and uncore, psys contains everything, and dram is a child of package in the
tree but not part of its energy; so package + dram is the sum that counts nothing twice.
`intel-rapl-mmio` shows the package again. The dies of a Zen 1 or 2 package each show the counter of
the whole package. Each zone's counter moves about every millisecond and wraps by itself at its own
`max_energy_range_uj`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pytest_energy.files import text_of
from pytest_energy.machine.identity import read_vendor
from pytest_energy.meters.base import Meter, MeterLostError, MeterUnavailableError
from pytest_energy.meters.readings import MOST_BYTES, parse_digits, shown
from pytest_energy.meters.sysfs import mirrors, open_number
from pytest_energy.types.energy import Domain, Method
from pytest_energy.world import clock, pread

POWERCAP_ROOT = Path("/sys/class/powercap")
"""Where the kernel shows the zones; `PYTEST_ENERGY_POWERCAP` names another place (containers)."""

UPDATE_SECONDS = 1e-3
"""Update period of the counters, about 1 ms (Intel SDM volume 3, section 16.10.3)."""

MOST_WATTS = 1000.0
"""More than a socket draws: how soon a counter may wrap at the earliest."""

MOST_PLATFORM_WATTS = 5000.0
"""More than a whole machine draws, accelerators included."""

READ_REMEDY = """let a group read the counters; as root, with your user's name:
  groupadd --force energy
  usermod --append --groups energy YOUR_NAME
  cat > /etc/udev/rules.d/60-energy.rules <<'RULE'
SUBSYSTEM=="powercap", KERNEL=="intel-rapl*:*", RUN+="/bin/chgrp energy /sys%p/energy_uj"
SUBSYSTEM=="powercap", KERNEL=="intel-rapl*:*", RUN+="/bin/chmod 440 /sys%p/energy_uj"
RULE
  udevadm control --reload
  udevadm trigger --action=add --subsystem-match=powercap
and log in again"""
"""The kernel lets root alone read them since Linux 5.10 (CVE-2020-8694): on a machine shared with
people whom you do not trust, fine power readings leak what other programs compute."""


@dataclass(slots=True)
class _Zone:
    """An open counter, unwrapped by itself."""

    path: Path
    descriptor: int
    wraps_at: int
    last: int
    most_watts: float
    total: int = 0

    def wrapped(self, raw: int, passed: float) -> int:
        """Microjoules since the reading before, so many seconds ago, where a count is below it.

        Raises:
            MeterLostError: it went back, and cannot have wrapped.
        """
        spent = raw - self.last + self.wraps_at
        # A second more than passed, for a counter that stood still: a virtual machine's.
        if spent / 1e6 > self.most_watts * (passed + 1):
            raise MeterLostError(
                f"{self.path} went back from {self.last} to {raw} microjoules, and it cannot"
                f" have wrapped in {passed:.3g} s (the machine was suspended?)"
            )
        return spent


def _open_zone(folder: Path, most_watts: float) -> _Zone:
    path = folder / "energy_uj"
    file = open_number(path, READ_REMEDY if folder.is_relative_to(POWERCAP_ROOT) else "")
    if file is None:
        raise MeterUnavailableError(f"{path} is not there")
    try:
        text = text_of(folder / "max_energy_range_uj")
        wraps_at = parse_digits(text) if text.isdigit() else 0
        if not wraps_at:
            raise ValueError(f"expected microjoules in max_energy_range_uj, found {shown(text)}")
        return _Zone(path, file.descriptor, wraps_at, file.read(), most_watts)
    except (OSError, ValueError) as error:
        file.close()
        raise MeterUnavailableError(f"{folder}: not a readable energy counter: {error}") from error


def _zones(root: Path) -> dict[str, Path]:
    """Folder of each zone, by the kernel's name of it: `intel-rapl:0:2`.

    `/sys/class/powercap` is flat; below `/sys/devices` each zone lies in its parent's folder.
    """
    folders: dict[str, Path] = {}
    waiting = [root]
    while waiting:
        for folder in sorted(waiting.pop().glob("intel-rapl*:*")):
            if folder.name not in folders:
                folders[folder.name] = folder
                waiting.append(folder)
    return folders


class _Powercap(Meter):
    """Zones of the powercap tree, as counters."""

    most_watts = max_watts = MOST_WATTS

    def __init__(self) -> None:
        self._open: list[_Zone] = []
        self._read_at = clock()

    def _take(self, zones: Iterable[tuple[str, str, Path]]) -> None:
        """Open zones, each with its domain's name and kind."""
        domains = []
        try:
            for name, kind, folder in zones:
                self._open.append(_open_zone(folder, self.most_watts))
                domains.append(Domain(name, kind, Method.COUNTER, "RAPL", UPDATE_SECONDS))
        except MeterUnavailableError:
            self.close()
            raise
        self.domains = tuple(domains)
        smallest = min(zone.wraps_at for zone in self._open)
        self.max_read_interval_seconds = smallest / 1e6 / self.most_watts

    def read(self) -> tuple[int, ...]:
        """Microjoules since the meter was opened, zone by zone."""
        # Every window pays for this twice: no calls and no attribute access beyond what it takes.
        now = clock()
        passed = now - self._read_at
        self._read_at = now
        counts = []
        for zone in self._open:
            try:
                raw = parse_digits(pread(zone.descriptor, MOST_BYTES, 0))
            except (OSError, ValueError) as error:
                raise MeterLostError(f"{zone.path}: {error}") from error
            if not 0 <= raw <= zone.wraps_at:
                raise MeterLostError(
                    f"{zone.path}: {raw} is outside 0 to {zone.wraps_at} microjoules"
                )
            spent = raw - zone.last
            zone.total += spent if spent >= 0 else zone.wrapped(raw, passed)
            zone.last = raw
            counts.append(zone.total)
        return tuple(counts)

    def close(self) -> None:
        """Close the zones' descriptors."""
        for zone in self._open:
            os.close(zone.descriptor)
        self._open = []


def _root(root: Path | None) -> Path:
    return root or Path(os.environ.get("PYTEST_ENERGY_POWERCAP") or POWERCAP_ROOT)


class Rapl(_Powercap):
    """Package and memory energy of every socket.

    Args:
        root: the powercap tree.
        vendor: of the CPU, as /proc/cpuinfo says; read from the system when left out.

    Raises:
        MeterUnavailableError: no package zone there, or no permission to read one.
    """

    name = "rapl"

    def __init__(self, root: Path | None = None, vendor: str | None = None) -> None:
        super().__init__()
        root = _root(root)
        folders = _zones(root)
        packages: dict[str, Path] = {}
        memories: dict[str, Path] = {}
        # Zones are listed with `intel-rapl:` before its twin `intel-rapl-mmio:`, which comes in
        # only where it stands alone. Directory names tell nothing else ("intel-rapl:1" may be
        # psys): the zone's own name does.
        for number in sorted(folders, key=lambda name: (name.startswith("intel-rapl-mmio"), name)):
            zone = text_of(folders[number] / "name")
            if re.fullmatch(r"package-\d+(-die-\d+)?", zone):
                packages.setdefault(zone.removeprefix("package-"), folders[number])
            elif zone == "dram":
                parent = folders.get(number.rpartition(":")[0], root)
                package = text_of(parent / "name").removeprefix("package-")
                memories.setdefault(package, folders[number])
        if not packages:
            if root != POWERCAP_ROOT and not root.exists():
                raise MeterUnavailableError(
                    f"there is no folder {root}", "check PYTEST_ENERGY_POWERCAP"
                )
            hidden = "" if root.exists() else " (virtual machines and containers hide them)"
            raise MeterUnavailableError(f"no package zones under {root}{hidden}")
        packages = _without_mirrors(packages, read_vendor() if vendor is None else vendor)
        single = len(packages) == 1
        self._take(
            (kind if single else f"{kind}:{number}", kind, folder)
            for kind, zones in (("cpu", packages), ("dram", memories))
            for number, folder in sorted(zones.items())
        )


def _without_mirrors(packages: dict[str, Path], vendor: str) -> dict[str, Path]:
    """One die of each package where its dies show the same counter: the package's.

    So it is on AMD's Zen 1 and 2, where the kernel makes a zone of every die.
    """
    kept: dict[str, Path] = {}
    first: dict[str, int] = {}
    for number, folder in sorted(packages.items()):
        package, _, die = number.partition("-die-")
        try:
            count = parse_digits(text_of(folder / "energy_uj"))
        except ValueError:  # it is said when the zone is opened
            count = 0
        known = vendor == "AuthenticAMD"
        if die and package in first and mirrors(first[package], count, known):
            continue
        first.setdefault(package, count)
        kept[number] = folder
    if len({number.partition("-die-")[0] for number in kept}) == len(kept):
        return {number.partition("-die-")[0]: folder for number, folder in kept.items()}
    return kept


class Psys(_Powercap):
    """The whole platform, where the board has such a counter: package, memory and what is around.

    Only on request and alone: it contains what `rapl` counts.

    Args:
        root: the powercap tree.

    Raises:
        MeterUnavailableError: no such zone there, or no permission to read it.
    """

    name = "rapl_psys"
    most_watts = max_watts = MOST_PLATFORM_WATTS
    covers = frozenset({"cpu", "dram"})

    def __init__(self, root: Path | None = None) -> None:
        super().__init__()
        root = _root(root)
        folders = [folder for folder in _zones(root).values() if text_of(folder / "name") == "psys"]
        if not folders:
            raise MeterUnavailableError(f"no psys zone under {root}: most boards have none")
        self._take([("psys", "system", folders[0])])
