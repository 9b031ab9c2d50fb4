"""Baselines of tests that are gone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_energy.baselines import store as baselines
from pytest_energy.baselines.file_format import BaselineError
from pytest_energy.types.result import Subject

if TYPE_CHECKING:
    import pytest


@dataclass(frozen=True, slots=True)
class Collected:
    """What pytest has collected, for telling which stored tests are gone.

    Args:
        root: pytest's rootdir, which node ids are relative to.
        machine: this machine's class.
        places: the files and folders that were collected.
        modules: node ids of the modules that were collected without an error.
        tests: node ids of the tests, deselected ones included.
        functions: the same without their parameters.
    """

    root: Path
    machine: str
    places: tuple[Path, ...]
    modules: frozenset[str]
    tests: frozenset[str]
    functions: frozenset[str]

    @classmethod
    def of(cls, config: pytest.Config, modules: Iterable[str], tests: frozenset[str]) -> Collected:
        """What a session collected, from its arguments and its collection reports."""
        from pytest_energy.machine.identity import read_machine
        from pytest_energy.meters import boards

        places = tuple((config.invocation_params.dir / place).resolve() for place in config.args)
        machine = read_machine(boards()).slug
        functions = frozenset(test.partition("[")[0] for test in tests)
        return cls(config.rootpath, machine, places, frozenset(modules), tests, functions)

    def is_gone(self, machine: str, subject: Subject) -> bool:
        """Whether a stored test is not there, though its module was collected or is deleted.

        On another machine class a test may have parameters that this one lacks (a GPU, say): its
        entries are gone when the function is.
        """
        if subject.test in self.tests:
            return False
        if machine != self.machine and subject.test.partition("[")[0] in self.functions:
            return False
        module = subject.test.partition("::")[0]
        if module in self.modules:
            return True
        path = self.root / module
        return not path.exists() and any(path.is_relative_to(place) for place in self.places)


def prune(folder: Path, collected: Collected) -> tuple[list[str], bool]:
    """Delete the baselines of tests that are gone.

    Returns:
        Lines for people, and whether something went wrong.
    """
    try:
        deleted = baselines.prune(folder, collected.is_gone)
    except BaselineError as error:
        return [f"energy: pruning stopped: {error}"], True
    return [f"energy: pruned {line}" for line in deleted] or ["energy: nothing to prune"], False
