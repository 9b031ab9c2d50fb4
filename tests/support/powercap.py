"""The kernel's tree of RAPL counters, in a folder."""

from __future__ import annotations

from pathlib import Path


class Powercap:
    """A powercap tree in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def zone(
        self, folder: str, name: str, microjoules: int = 0, wraps_at: int = 262_143_328_850
    ) -> Path:
        path = self.root / folder
        path.mkdir(parents=True)
        (path / "name").write_text(f"{name}\n")
        (path / "max_energy_range_uj").write_text(f"{wraps_at}\n")
        (path / "energy_uj").write_text(f"{microjoules}\n")
        return path

    def set(self, folder: str, microjoules: object) -> None:
        # In place: the meter holds the file open, as it would the kernel's.
        with (self.root / folder / "energy_uj").open("r+") as file:
            file.write(f"{microjoules}\n")
            file.truncate()
