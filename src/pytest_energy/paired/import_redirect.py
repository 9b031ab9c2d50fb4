"""Each side imports its own tree: arranged in the base's process, and checked on both.

An editable install, `PYTHONPATH` or a `.pth` file lead every process to the user's own tree, the
base's too, and then both sides would run the same code and agree. So what leads there is turned to
the same place in the base's tree, and afterwards the files of the loaded modules are checked.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import re
import site
import sys
import sysconfig
import tomllib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlparse

OWN = "pytest_energy"
"""The plugin is the same on both sides."""


@dataclass(frozen=True)
class Trees:
    """The user's tree and the base's.

    Args:
        head, base: their roots, resolved.
    """

    head: Path
    base: Path

    @cached_property
    def _installed(self) -> tuple[str, ...]:
        """Places inside the user's tree that are no part of the project: a virtual environment."""
        known = [sys.prefix, sys.base_prefix, *sysconfig.get_paths().values()]
        with suppress(AttributeError):  # absent under some old virtualenvs
            known += [*site.getsitepackages(), site.getusersitepackages()]
        places = {os.path.realpath(place) for place in known}
        head = str(self.head)
        return tuple(place for place in places if _inside(place, head) and place != head)

    def in_head(self, path: str) -> bool:
        """Whether a file is the project's, in the user's own tree."""
        real = _real(path)
        if not _inside(real, str(self.head)) or _inside(real, str(self.base)):
            return False
        return not any(_inside(real, place) for place in self._installed)

    def in_base(self, path: str) -> bool:
        """Whether a file lies in the base's tree."""
        return _inside(_real(path), str(self.base))

    def in_either(self, path: str) -> bool:
        """Whether a file is the project's, on one of the sides."""
        return self.in_head(path) or self.in_base(path)

    def redirected(self, path: str) -> str:
        """The counterpart of a path in the base's tree; a path outside the head's tree as it is."""
        if not self.in_head(path):
            return path
        return str(self.base / os.path.relpath(_real(path), self.head))


@cache
def _real(path: str) -> str:
    # Asked of every loaded module after every test, and it walks the disk.
    return os.path.realpath(path)


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def redirected_paths(trees: Trees, paths: Iterable[str]) -> list[str]:
    """`sys.path` for the base: what leads to the user's tree leads to the base's."""
    return list(dict.fromkeys(trees.redirected(path) if path else path for path in paths))


class RedirectFinder(MetaPathFinder):
    """Finds modules as the other finders do, and in the base's tree what they find in the user's.

    Args:
        trees: the two.
        side: what the base is called, for people.
        remedy: the option with which what is missing there can be made.
    """

    def __init__(
        self,
        trees: Trees,
        side: str = "the base",
        remedy: str = "--energy-against-setup",
    ) -> None:
        self._trees = trees
        self._side = side
        self._remedy = remedy

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module's place; raises ModuleNotFoundError for one that the base does not have."""
        if fullname.partition(".")[0] == OWN:
            return None
        after = sys.meta_path[sys.meta_path.index(self) + 1 :]
        for finder in after:
            find = getattr(finder, "find_spec", None)
            spec = find(fullname, path, target) if find else None
            if spec is not None:
                return self._redirected(spec)
        return None

    def _redirected(self, spec: ModuleSpec) -> ModuleSpec:
        trees = self._trees
        places = spec.submodule_search_locations
        redirected = None if places is None else redirected_paths(trees, places)
        if spec.origin is None or not spec.has_location or not trees.in_head(spec.origin):
            if places is not None and redirected != list(places):
                spec.submodule_search_locations = redirected
            return spec
        origin = trees.redirected(spec.origin)
        if not Path(origin).exists():
            raise ModuleNotFoundError(
                f"{self._side} has no module {spec.name!r} at"
                f" {os.path.relpath(origin, trees.base)}"
                f" (what is generated or compiled there can be made with {self._remedy})",
                name=spec.name,
            )
        found = importlib.util.spec_from_file_location(
            spec.name, origin, submodule_search_locations=redirected
        )
        return found or spec


def redirect_imports(
    trees: Trees, side: str = "the base", remedy: str = "--energy-against-setup"
) -> None:
    """Have this process import the base's tree. Called before anything of the project is.

    Args:
        trees: the user's and the base's.
        side: what the base is called, for people.
        remedy: the option with which what is missing there can be made.
    """
    sys.path[:] = redirected_paths(trees, sys.path)
    sys.meta_path.insert(0, RedirectFinder(trees, side, remedy))


def loaded_below(names: Iterable[str]) -> dict[str, str]:
    """The files of loaded modules in these packages, by dotted name."""
    tops = frozenset(names)
    # A snapshot: lazy modules import others when they are asked.
    loaded = [name for name in sys.modules if name.partition(".")[0] in tops]
    return _files(loaded)


def project_modules(trees: Trees) -> tuple[str, ...]:
    """Top-level names of the project's modules: loaded from either tree, or installed from one."""
    own = {name for name, file in _files(list(sys.modules)).items() if trees.in_either(file)}
    tops = {name.partition(".")[0] for name in own}
    for tree in (trees.head, trees.base):
        tops |= _installed_modules(tree)
    return tuple(sorted(tops - {OWN}))


def _files(names: Iterable[str]) -> dict[str, str]:
    files = {name: _file(sys.modules.get(name)) for name in names}
    return {name: file for name, file in files.items() if file}


def _file(module: ModuleType | None) -> str:
    try:
        file = module.__dict__.get("__file__") if module is not None else None
    except AttributeError:  # not all that stands in sys.modules is a module
        return ""
    return file if isinstance(file, str) else ""


@cache
def _installed_modules(head: Path) -> frozenset[str]:
    """Top-level modules of distributions that are the project's by name or were installed from it.

    PEP 610's direct_url.json says where a distribution was installed from.
    """
    own = _project_name(head)
    modules: set[str] = set()
    for distribution in importlib.metadata.distributions():
        name = _normalised(distribution.metadata["Name"] or "")
        if (own and name == own) or _installed_from(distribution, head):
            files = distribution.files or ()
            tops = {file.parts[0].partition(".")[0] for file in files if file.suffix == ".py"}
            modules |= {top for top in tops if top.isidentifier()}
    return frozenset(modules - {OWN})


def _installed_from(distribution: importlib.metadata.Distribution, head: Path) -> bool:
    try:
        url = json.loads(distribution.read_text("direct_url.json") or "{}").get("url", "")
    except ValueError:
        return False
    parsed = urlparse(url)
    return parsed.scheme == "file" and _inside(os.path.realpath(unquote(parsed.path)), str(head))


def _project_name(head: Path) -> str:
    try:
        project = tomllib.loads((head / "pyproject.toml").read_text("utf-8")).get("project", {})
    except (OSError, ValueError):
        return ""
    return _normalised(str(project.get("name", "")))


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
