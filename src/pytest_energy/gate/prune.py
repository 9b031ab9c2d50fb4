"""Baselines that no test claims: of tests that are gone, renamed or no longer metered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_energy.baselines import store as baselines
from pytest_energy.baselines.file_format import BaselineError
from pytest_energy.baselines.folder import Entry
from pytest_energy.baselines.store import BaselineStore
from pytest_energy.files import exists, shown_path
from pytest_energy.settings.identity import Claims, claims_of

if TYPE_CHECKING:
    import pytest


@dataclass(frozen=True, slots=True)
class Collected:
    """What pytest has collected, for telling which stored tests are gone.

    Args:
        root: pytest's rootdir, which tests' names are relative to.
        places: the files and folders that were collected.
        modules: those that were collected whole, by their paths from rootdir.
        tests: names of all tests, deselected ones included.
        functions: the same without their parameters.
        claims: task and model of those that are metered.
    """

    root: Path
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
        places = tuple((config.invocation_params.dir / place).resolve() for place in config.args)
        found = frozenset(tests)
        functions = frozenset(test.partition("[")[0] for test in found)
        claims, whole = claims_of(metered), frozenset(modules)
        return cls(config.rootpath, places, whole, found, functions, claims)

    def why_gone(self, entry: Entry, store: BaselineStore) -> str:
        """Why no test claims an entry, as a clause; empty where one does, or that is not known.

        On another machine class a test may have parameters, or a model, that this one lacks (a GPU,
        say): its entries are gone when the function is.

        Args:
            entry: as it is stored.
            store: in which it is.
        """
        subject, elsewhere = entry.subject, store.is_of_others(entry)
        test = store.names.test_of(subject)
        module, _, name = test.partition("::")
        if test in self.claims:
            claim = self.claims[test]
            if claim is None or elsewhere or claim == (subject.task, subject.model):
                return ""
            what = "model" if claim[0] == subject.task else "task"
            return f"the test's {what} is {claim[what == 'model']!r} now"
        if test in self.tests and module in self.modules:
            return "the test is no longer metered"
        if elsewhere and test.partition("[")[0] in self.functions:
            return ""
        if module in self.modules:
            return f"there is no test {name!r}"
        path = self.root / module
        if not any(path.is_relative_to(place) for place in self.places):
            return ""
        try:
            return "" if exists(path) else "its file is deleted"
        except OSError:  # the folder above may not be searched, for example
            return ""


def orphans(stores: Iterable[BaselineStore], collected: Collected) -> list[str]:
    """Entries of this machine class and of counts that no test claims, each with the reason.

    Args:
        stores: the folders that the session's tests belong to.
        collected: of this session.
    """
    return [
        f"{entry.subject.key} ({shown_path(entry.path)}): {why}"
        for store in stores
        for entry in store.entries()
        if (why := collected.why_gone(entry, store))
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
                if why := collected.why_gone(entry, store):
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
