"""Baselines that no test claims: of tests that are gone, renamed or no longer metered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_energy.baselines import store as baselines
from pytest_energy.baselines.file_format import BaselineError
from pytest_energy.baselines.store import BaselineStore, Entry
from pytest_energy.files import shown_path
from pytest_energy.settings.identity import Claims, claims_of
from pytest_energy.types.result import Subject

if TYPE_CHECKING:
    import pytest


@dataclass(frozen=True, slots=True)
class Collected:
    """What pytest has collected, for telling which stored tests are gone.

    Args:
        root: pytest's rootdir, which tests' names are relative to.
        machine: this machine's class.
        places: the files and folders that were collected.
        modules: those that were collected whole, by their paths from rootdir.
        tests: names of all tests, deselected ones included.
        functions: the same without their parameters.
        claims: task and model of those that are metered.
    """

    root: Path
    machine: str
    places: tuple[Path, ...]
    modules: frozenset[str]
    tests: frozenset[str]
    functions: frozenset[str]
    claims: Claims

    @classmethod
    def of(
        cls,
        config: pytest.Config,
        modules: Iterable[str],
        tests: Iterable[str],
        metered: Iterable[pytest.Item],
    ) -> Collected:
        """What a session collected, from its arguments and its collection reports.

        Args:
            config: pytest's.
            modules: that were collected without an error.
            tests: names of all tests.
            metered: those with a marker, or that ask for the fixture.
        """
        from pytest_energy.machine.identity import read_machine
        from pytest_energy.meters import boards

        places = tuple((config.invocation_params.dir / place).resolve() for place in config.args)
        machine = read_machine(boards()).slug
        found = frozenset(tests)
        functions = frozenset(test.partition("[")[0] for test in found)
        claims, whole = claims_of(metered), frozenset(modules)
        return cls(config.rootpath, machine, places, whole, found, functions, claims)

    def why_gone(self, machine: str, test: str, subject: Subject) -> str:
        """Why no test claims an entry, as a clause; empty where one does, or that is not known.

        On another machine class a test may have parameters, or a model, that this one lacks (a GPU,
        say): its entries are gone when the function is.

        Args:
            machine: the class that the entry is of.
            test: of the entry, by its name from rootdir.
            subject: of the entry.
        """
        module, _, name = test.partition("::")
        if test in self.claims:
            claim = self.claims[test]
            if claim is None or machine != self.machine or claim == (subject.task, subject.model):
                return ""
            what = "model" if claim[0] == subject.task else "task"
            return f"the test's {what} is {claim[what == 'model']!r} now"
        if test in self.tests and module in self.modules:
            return "the test is no longer metered"
        if machine != self.machine and test.partition("[")[0] in self.functions:
            return ""
        if module in self.modules:
            return f"there is no test {name!r}"
        path = self.root / module
        deleted = not path.exists() and any(path.is_relative_to(place) for place in self.places)
        return "its file is deleted" if deleted else ""


def orphans(stores: Iterable[BaselineStore], collected: Collected) -> list[str]:
    """Entries of this machine class that no test claims, each with the reason.

    Args:
        stores: the folders that the session's tests belong to.
        collected: of this session.
    """
    return [
        f"{key} ({shown_path(path)}): {why}"
        for store in stores
        for path, key, subject in store.subjects()
        if (why := collected.why_gone(store.machine.slug, store.test_of(subject), subject))
    ]


def prune(
    stores: Iterable[BaselineStore], collected: Collected, delete: bool
) -> tuple[list[str], bool]:
    """Name the entries that no test claims, and delete them if asked to.

    Args:
        stores: the folders that the session's tests belong to.
        collected: of this session.
        delete: whether to.

    Returns:
        Lines for people, and whether something went wrong.
    """
    lines: list[str] = []
    try:
        for store in stores:
            gone: dict[Path, list[tuple[Entry, str]]] = {}
            for entry in baselines.entries_of(store.folder):
                test = store.test_of(entry.subject)
                if why := collected.why_gone(entry.machine, test, entry.subject):
                    gone.setdefault(entry.path, []).append((entry, why))
            for found in gone.values():  # a file each, so that no more is said than was done
                if delete:
                    baselines.delete(store.folder, [entry for entry, _ in found])
                said = f"energy: {'pruned ' * delete}"
                lines += [f"{said}{entry.shown}: {why}" for entry, why in found]
    except BaselineError as error:
        return [*lines, f"energy: pruning stopped: {error}"], True
    if lines and not delete:
        lines.append("energy: nothing was deleted; --energy-prune=delete deletes them")
    return lines or ["energy: nothing to prune"], False
