"""Running average power limit (RAPL): counters of Intel and AMD CPUs, through Linux's powercap.

Kernel documentation: Documentation/power/powercap/powercap.rst. Facts behind the choices here:
package contains core and uncore, psys contains everything, and dram is a child of package in the
tree but not part of its energy; so package + dram is the sum that counts nothing twice.
`intel-rapl-mmio` shows the package again. Each zone's counter moves about every millisecond and
wraps by itself at its own `max_energy_range_uj`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from pytest_energy.measurement import Domain, Method
from pytest_energy.meters.base import Meter, MeterLostError, MeterUnavailableError

POWERCAP_ROOT = Path("/sys/class/powercap")
"""Where the kernel shows the zones; `PYTEST_ENERGY_POWERCAP` names another place (containers)."""

UPDATE_SECONDS = 1e-3
"""Update period of the counters, about 1 ms (Intel SDM volume 3, section 16.10.3)."""

MOST_WATTS = 1000.0
"""More than a socket draws: how soon a counter may wrap at the earliest."""

READ_REMEDY = (
    "let your group read the counters: sudo chgrp -R $(id -gn) /sys/class/powercap/intel-rapl:*/ &&"
    " sudo chmod -R g+r /sys/class/powercap/intel-rapl:*/ (until the next boot; a udev or tmpfiles"
    " rule makes it last)"
)


@dataclass(slots=True)
class _Zone:
    """An open counter, unwrapped by itself."""

    path: Path
    descriptor: int
    wraps_at: int
    last: int
    total: int = 0

    def read(self) -> int:
        try:
            raw = int(os.pread(self.descriptor, 32, 0))
        except (OSError, ValueError) as error:
            raise MeterLostError(f"{self.path}: {error}") from error
        if not 0 <= raw <= self.wraps_at:
            raise MeterLostError(f"{self.path}: {raw} is outside 0 to {self.wraps_at} microjoules")
        self.total += raw - self.last if raw >= self.last else raw + self.wraps_at - self.last
        self.last = raw
        return self.total


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _open_zone(folder: Path) -> _Zone:
    path = folder / "energy_uj"
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError as error:
        # Readable by root alone since Linux 5.10 (CVE-2020-8694).
        raise MeterUnavailableError(f"no permission to read {path}", READ_REMEDY) from error
    except OSError as error:
        raise MeterUnavailableError(f"{path}: {error.strerror}") from error
    try:
        return _Zone(
            path,
            descriptor,
            int(_text(folder / "max_energy_range_uj")),
            int(os.pread(descriptor, 32, 0)),
        )
    except (OSError, ValueError) as error:
        os.close(descriptor)
        raise MeterUnavailableError(f"{folder}: not a readable energy counter: {error}") from error


class Rapl(Meter):
    """Package and memory energy of every socket.

    Args:
        root: the powercap tree.

    Raises:
        MeterUnavailableError: no package zone there, or no permission to read one.
    """

    name = "rapl"

    def __init__(self, root: Path | None = None) -> None:
        root = root or Path(os.environ.get("PYTEST_ENERGY_POWERCAP") or POWERCAP_ROOT)
        packages: dict[str, Path] = {}
        memories: dict[str, Path] = {}
        # Directory names tell nothing ("intel-rapl:1" may be psys): the zone's own name does.
        for folder in sorted(root.glob("intel-rapl:*")):
            zone = _text(folder / "name")
            if re.fullmatch(r"package-\d+(-die-\d+)?", zone):
                packages.setdefault(zone.removeprefix("package-"), folder)
            elif zone == "dram":
                parent = folder.name.rpartition(":")[0]
                package = _text(root / parent / "name").removeprefix("package-")
                memories.setdefault(package, folder)
        if not packages:
            raise MeterUnavailableError(f"no package zones under {root}")

        single = len(packages) == 1
        self._zones: list[_Zone] = []
        domains: list[Domain] = []
        try:
            for kind, folders in (("cpu", packages), ("dram", memories)):
                for number, folder in sorted(folders.items()):
                    self._zones.append(_open_zone(folder))
                    name = kind if single else f"{kind}:{number}"
                    domains.append(Domain(name, kind, Method.COUNTER, "RAPL", UPDATE_SECONDS))
        except MeterUnavailableError:
            self.close()
            raise
        self.domains = tuple(domains)
        self.longest_seconds = min(zone.wraps_at for zone in self._zones) / 1e6 / MOST_WATTS

    def read(self) -> tuple[int, ...]:
        """Microjoules since the meter was opened, zone by zone."""
        return tuple(zone.read() for zone in self._zones)

    def close(self) -> None:
        """Close the zones' descriptors."""
        for zone in self._zones:
            os.close(zone.descriptor)
        self._zones = []
