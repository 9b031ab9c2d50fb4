"""Which baseline folder a test belongs to, and how it is named there."""

from __future__ import annotations

import os
from pathlib import Path

from pytest_energy.baselines.store import BaselineStore, is_baseline_folder
from pytest_energy.settings.settings import Settings
from pytest_energy.types.carbon import Carbon
from pytest_energy.types.machine import Machine
from pytest_energy.types.result import Subject

ROOT_FILES = (
    "pytest.toml",
    ".pytest.toml",
    "pytest.ini",
    ".pytest.ini",
    "pyproject.toml",
    "tox.ini",
    "setup.cfg",
    "setup.py",
)
"""By which pytest finds a rootdir."""


class Stores:
    """The baseline folders of a session.

    A folder that the settings name holds every test. Else it is the nearest one above the test's
    file, so that a package's tests find the same one from the package and from above it.

    Args:
        settings: name a folder, or none.
        machine: this machine's class.
        carbon: for the grams that stand beside the joules.
        root: pytest's rootdir, which tests' names are relative to.
    """

    def __init__(self, settings: Settings, machine: Machine, carbon: Carbon, root: Path) -> None:
        self._settings = settings
        self._machine = machine
        self._carbon = carbon
        self._root = root = root.resolve()
        places = (root, *root.parents)
        self._top = next((place for place in places if (place / ".git").exists()), root)
        self._folders: dict[Path, Path] = {}
        self._open: dict[Path, BaselineStore] = {}

    def of(self, subject: Subject) -> BaselineStore:
        """Where a subject's baseline is, or will be.

        Args:
            subject: its test's file counts.
        """
        return self.of_file(self._root / subject.test.partition("::")[0])

    def of_file(self, file: Path) -> BaselineStore:
        """Where the baselines of a file's tests are.

        Args:
            file: absolute.
        """
        place = Path(os.path.normpath(file)).parent
        if place not in self._folders:
            self._folders[place] = self._folder_of(place)
        folder = self._folders[place]
        if folder not in self._open:
            given = self._settings.baselines_given
            above = folder.resolve().parent
            home = _common(above, self._root) if given else above
            self._open[folder] = BaselineStore(
                folder, self._machine, self._carbon, self._root, home
            )
        return self._open[folder]

    @property
    def used(self) -> tuple[BaselineStore, ...]:
        """The folders that tests of this session belong to."""
        return tuple(self._open.values())

    def _folder_of(self, place: Path) -> Path:
        settings, name = self._settings, self._settings.baselines.name
        if settings.baselines_given:
            return settings.baselines
        outside = not place.is_relative_to(self._root)
        top = self._top if place.is_relative_to(self._top) else _common(place, self._root)
        within = [above for above in (place, *place.parents) if above.is_relative_to(top)]
        for above in within:
            if is_baseline_folder(above / name):
                return above / name
        for above in within if outside else ():  # another package's test: in that one's rootdir
            if any((above / file).is_file() for file in ROOT_FILES):
                return above / name
        return settings.baselines


def _common(above: Path, root: Path) -> Path:
    """What tests are named from in a folder that was named: what it and rootdir have in common.

    Packages that share a folder above them are told apart by it, and a folder inside of rootdir
    changes nothing.
    """
    try:
        common = Path(os.path.commonpath([above, root]))
    except ValueError:  # on two drives
        return root.parent
    return root.parent if common == Path(common.anchor) else common
