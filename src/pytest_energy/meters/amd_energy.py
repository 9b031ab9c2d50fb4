"""CPU sockets of AMD, as its out-of-tree driver `amd_energy` counts them.

For kernels whose powercap tree does not know the CPU. The driver reads the same registers and shows
them through hwmon. Documentation: Documentation/hwmon/amd_energy.rst (Linux 5.8 to 5.12).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from pytest_energy.files import text_of
from pytest_energy.meters.base import Meter, MeterUnavailableError
from pytest_energy.meters.sysfs import Counter, NumberFile, mirrors, open_number
from pytest_energy.types.energy import Domain, Method

HWMON_ROOT = Path("/sys/class/hwmon")
"""Where the kernel shows its sensors; `PYTEST_ENERGY_HWMON` names another place (containers)."""

UPDATE_SECONDS = 1e-3
"""Update period of a socket's register (Documentation/hwmon/amd_energy.rst)."""


MOST_WATTS = 1000.0
"""More than a socket draws."""


class AmdEnergy(Meter):
    """CPU sockets as AMD's out-of-tree driver `amd_energy` counts them.

    Args:
        root: the kernel's tree of sensors.

    Raises:
        MeterUnavailableError: no such driver, or no permission.
    """

    name = "amd_energy"
    max_watts = MOST_WATTS
    covers = frozenset({"cpu"})

    def __init__(self, root: Path | None = None) -> None:
        root = root or Path(os.environ.get("PYTEST_ENERGY_HWMON") or HWMON_ROOT)
        self._files: list[NumberFile] = []
        self._counters: list[Counter] = []
        try:
            for path in _sockets(root):
                file = open_number(path)
                if file is None:
                    continue
                self._files.append(file)
                try:
                    counter = Counter(str(path), file.read)
                except (OSError, ValueError) as error:
                    raise MeterUnavailableError(f"{path}: {error}") from error
                if not _shown_before(counter, self._counters):
                    self._counters.append(counter)
            if not self._counters:
                raise MeterUnavailableError(f"no sockets of the amd_energy driver under {root}")
        except MeterUnavailableError:
            self.close()
            raise
        single = len(self._counters) == 1
        self.domains = tuple(
            Domain(
                "cpu" if single else f"cpu:{number}",
                "cpu",
                Method.COUNTER,
                "amd_energy",
                UPDATE_SECONDS,
            )
            for number in range(len(self._counters))
        )

    def read(self) -> tuple[int, ...]:
        """Microjoules since the driver was loaded, socket by socket."""
        return tuple(counter.read() for counter in self._counters)

    def close(self) -> None:
        """Close the counters' files."""
        for file in self._files:
            file.close()
        self._files = []


def _sockets(root: Path) -> list[Path]:
    sockets: dict[int, Path] = {}
    for folder in sorted(root.glob("hwmon*")):
        if text_of(folder / "name") != "amd_energy":
            continue
        for label in folder.glob("energy*_label"):
            # `Ecore007` is inside its socket.
            number = re.fullmatch(r"Esocket([0-9]{1,9})", text_of(label))
            if number:
                sockets[int(number[1])] = label.with_name(label.name.replace("_label", "_input"))
    return [path for _, path in sorted(sockets.items())]


def _shown_before(counter: Counter, others: Iterable[Counter]) -> bool:
    """Whether it is another's register.

    The driver takes every NUMA node for a socket, and one socket may be up to four of them (NPS4).
    """
    return any(mirrors(other.last, counter.last) for other in others)
