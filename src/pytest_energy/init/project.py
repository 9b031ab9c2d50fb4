"""A project as pytest and its own files show it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from glob import glob
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_energy.files import read_text
from pytest_energy.init.ci import Ci, read_ci
from pytest_energy.init.dependencies import Dependencies, ProjectError, read_dependencies
from pytest_energy.paired.worktree import BaseError, git
from pytest_energy.settings.xdist import is_xdist_controller

if TYPE_CHECKING:
    import pytest

MOST_FILES = 2000
"""Test files that are looked at for a metered test; more take too long to answer a question."""

_SIGNS = (
    "pyproject.toml",
    "setup.py",
    "setup.cfg",
    "pytest.ini",
    "pytest.toml",
    "tox.ini",
    ".git",
    "*requirements*.txt",
    "*.py",
    "tests",
)
"""What tells a project's folder from any other; one of them is enough."""

_METERED = re.compile(r"\bmark\.(?:inference|training)\b|\benergy\.a?each\(")

_OF_OTHERS = frozenset({"build", "dist", "env", "node_modules", "site-packages", "venv"})
"""Folders with Python files that are not the project's tests."""


_ASYNCIO = ("asyncio", "pytest_asyncio", "pytest_asyncio.plugin")
"""What pytest-asyncio is registered as: installed, or named with `-p` or in `pytest_plugins`."""


@dataclass(frozen=True, slots=True)
class Project:
    """What is known of a project.

    Args:
        root: pytest's rootdir.
        top: of the repository that it lies in; None without git.
        branch: the repository's default branch.
        base: the revision that a change is compared with.
        config: the file that pytest takes settings from, or would; None where there is none.
        tests: folder of the tests, there or not.
        test_file: name for a file of tests that pytest collects.
        test_function: name for a test that pytest collects.
        metered: a file with metered tests that is there already; None where none was found.
        dependencies: what it says that it needs.
        asyncio: whether pytest-asyncio is loaded.
        spreads: whether pytest hands the tests to pytest-xdist's workers by itself.
        covers: whether pytest measures their coverage by itself.
        ci: where its tests run.
        python: version of the interpreter that looks at it, as `3.12`.
    """

    root: Path
    top: Path | None
    branch: str
    base: str
    config: Path | None
    tests: Path
    test_file: str
    test_function: str
    metered: Path | None
    dependencies: Dependencies
    asyncio: bool
    spreads: bool
    covers: bool
    ci: Ci
    python: str


def look_at(config: pytest.Config) -> Project:
    """Look at the project that pytest is configured for.

    Args:
        config: with its options and ini files read.

    Raises:
        ProjectError: there is no project, or a file of it cannot be read.
    """
    root = config.rootpath
    if not any(any(root.glob(sign)) for sign in _SIGNS):
        raise ProjectError(
            f"{root} holds no Python project (no {_SIGNS[0]}, no tests, no module): change to the"
            " folder of one"
        )
    top = _top(root)
    tests = _tests(root, config.getini("testpaths"))
    branch, origin = ("main", "") if top is None else (_branch(top), _origin(top))
    ci = read_ci(top or root, on_github="github" in origin)
    return Project(
        root=root,
        top=top,
        branch=branch,
        base=f"origin/{branch}" if origin else branch,
        config=config.inipath or _pyproject(root),
        tests=tests,
        test_file=_file_name(config.getini("python_files")),
        test_function=_function_name(config.getini("python_functions")),
        metered=_metered(tests),
        dependencies=read_dependencies(root),
        asyncio=any(map(config.pluginmanager.has_plugin, _ASYNCIO)),
        spreads=is_xdist_controller(config),
        covers=bool(config.getoption("cov_source", default=None)),
        ci=ci,
        python="{}.{}".format(*sys.version_info),
    )


def _pyproject(root: Path) -> Path | None:
    path = root / "pyproject.toml"
    return path if path.is_file() else None


def _top(root: Path) -> Path | None:
    try:
        return Path(git(root, "rev-parse", "--show-toplevel"))
    except BaseError:
        return None


def _branch(top: Path) -> str:
    try:
        return git(top, "symbolic-ref", "--short", "refs/remotes/origin/HEAD").partition("/")[2]
    except BaseError:  # no remote, or one that was added by hand
        pass
    for name in ("main", "master"):
        for place in ("heads", "remotes/origin"):
            try:
                git(top, "rev-parse", "--verify", "--quiet", f"refs/{place}/{name}")
            except BaseError:
                continue
            return name
    try:
        return git(top, "symbolic-ref", "--short", "HEAD")
    except BaseError:  # a commit that is on no branch
        return "main"


def _origin(top: Path) -> str:
    """Address of the repository that this one is a clone of; empty where there is none."""
    try:
        return git(top, "remote", "get-url", "origin")
    except BaseError:
        return ""


def _tests(root: Path, testpaths: Iterable[str]) -> Path:
    """The folder for a new test: the first that pytest collects from, or else a common one."""
    for pattern in testpaths:
        names = glob(pattern, root_dir=root, recursive=True)  # noqa: PTH207  # as pytest does
        for path in (root / name for name in sorted(names)):
            if path.is_dir() and path.is_relative_to(root):
                return path
    for name in ("tests", "test"):
        if (root / name).is_dir():
            return root / name
    return root if any(root.glob("test_*.py")) else root / "tests"


def _file_name(patterns: Iterable[str]) -> str:
    patterns = list(patterns)
    for name in ("test_energy.py", "energy_test.py"):
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            return name
    plain = (pattern.replace("*", "energy") for pattern in patterns)
    return next((name for name in plain if re.fullmatch(r"\w+\.py", name)), "test_energy.py")


def _function_name(patterns: Iterable[str]) -> str:
    patterns = list(patterns)
    name = "test_inference"
    if any(name.startswith(pattern) or fnmatchcase(name, pattern) for pattern in patterns):
        return name
    plain = (f"{pattern.replace('*', '').rstrip('_')}_inference" for pattern in patterns)
    return next((name for name in plain if name.isidentifier()), name)


def _metered(tests: Path) -> Path | None:
    """A file with metered tests; which of several does not matter."""
    for path in islice(_python_files(tests), MOST_FILES):
        try:
            if _METERED.search(read_text(path)):
                return path
        except (OSError, UnicodeDecodeError):
            continue
    return None


def _python_files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and name not in _OF_OTHERS
        )
        yield from (Path(place, name) for name in sorted(names) if name.endswith(".py"))
