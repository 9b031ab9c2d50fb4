"""What a project says that it depends on, and how all of it is installed for its tests."""

from __future__ import annotations

import configparser
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_energy.files import read_text, shown_path

MODEL_LIBRARIES = (
    "transformers",
    "sentence-transformers",
    "diffusers",
    "torch",
    "onnxruntime",
    "onnxruntime-gpu",
    "scikit-learn",
    "vllm",
    "openai",
    "anthropic",
    "litellm",
    "llama-cpp-python",
    "tensorflow",
    "keras",
    "jax",
    "xgboost",
    "lightgbm",
    "spacy",
    "fasttext",
)
"""Distributions that run models or ask for answers, those that say most about a project first."""

HUB = frozenset({"transformers", "sentence-transformers", "diffusers", "vllm"})
"""Of these, what keeps models in the cache of Hugging Face."""

ON_TORCH = frozenset({"torch", "transformers", "sentence-transformers", "diffusers"})
"""Of these, what computes with torch in the test's own process: its operators can be counted."""

SERVED = frozenset({"vllm", "openai", "anthropic", "litellm"})
"""Of these, what asks a server, or is one: the joules are another process's."""

_EXTRAS = ("test", "tests", "testing", "dev")
"""What the dependencies of tests are called, as an extra or a group, the most exact name first."""

_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


class ProjectError(Exception):
    """A project that cannot be looked at; the message says what is wrong, where, and the remedy."""


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What a project depends on.

    Args:
        names: of distributions, as package indices normalise them.
        install: arguments of `pip install` that bring the project and what its tests need; without
            pytest-energy where the project does not name it.
        python: the oldest version of Python that `requires-python` names, as "3.12"; empty where it
            names none.
    """

    names: frozenset[str]
    install: str
    python: str

    @property
    def libraries(self) -> tuple[str, ...]:
        """Those that run models, in the order of `MODEL_LIBRARIES`."""
        return tuple(name for name in MODEL_LIBRARIES if name in self.names)


def read_dependencies(root: Path) -> Dependencies:
    """Read what a project says of itself; what is not there says nothing.

    Args:
        root: the project's folder.

    Raises:
        ProjectError: a file of it that cannot be read.
    """
    pyproject = read_toml(root / "pyproject.toml")
    files = _requirement_files(root)
    names = {*_names(_of_pyproject(pyproject)), *_of_poetry(pyproject)}
    for path in files:
        names |= set(_names(_text(path).splitlines()))
    names |= set(_names(_of_setup_cfg(root / "setup.cfg")))
    extras = _table(pyproject, "project", "optional-dependencies")
    groups = _table(pyproject, "dependency-groups")
    requires = _table(pyproject, "project").get("requires-python")
    oldest = re.search(r">=?\s*(3\.\d+)", requires if isinstance(requires, str) else "")
    return Dependencies(
        names=frozenset(names),
        install=_install(root, pyproject, extras, groups, files),
        python=oldest[1] if oldest else "",
    )


def read_toml(path: Path) -> Mapping[str, Any]:
    """A TOML file; empty where there is none.

    Raises:
        ProjectError: it cannot be read; names the line.
    """
    text = _text(path)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.fullmatch(r"(.*) \(at line (\d+), column \d+\)", str(error))
        place = f"{shown_path(path)}, line {found[2]}: {found[1]}" if found else f"{path}: {error}"
        raise ProjectError(f"{place}; the file was left as it is: mend it") from error


def _text(path: Path) -> str:
    try:
        return read_text(path)
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        problem = f"{shown_path(path)}, line {line}: not UTF-8 text; the file was left as it is"
        raise ProjectError(problem) from error
    except OSError as error:
        raise ProjectError(f"{shown_path(path)}: {error.strerror or error}") from error


def _table(document: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """A table of TOML; empty where it is missing, or no table."""
    found: Any = document
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _of_pyproject(pyproject: Mapping[str, Any]) -> Iterator[object]:
    for found in (
        _table(pyproject, "project").get("dependencies"),
        *_table(pyproject, "project", "optional-dependencies").values(),
        *_table(pyproject, "dependency-groups").values(),
    ):
        yield from found if isinstance(found, list) else ()


def _of_poetry(pyproject: Mapping[str, Any]) -> Iterator[str]:
    tables = [_table(pyproject, "tool", "poetry", "dependencies")]
    groups = _table(pyproject, "tool", "poetry", "group")
    tables += [_table(groups, name, "dependencies") for name in groups]
    for table in tables:
        yield from map(normalised, table)


def _of_setup_cfg(path: Path) -> list[str]:
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    try:
        parser.read_string(_text(path), str(path))
    except configparser.Error:
        return []  # pytest has said what is wrong with it, where it reads the file
    texts = [parser.get("options", "install_requires", fallback="") or ""]
    if parser.has_section("options.extras_require"):
        texts += [text or "" for _, text in parser.items("options.extras_require")]
    return [line for text in texts for line in text.splitlines()]


def _names(requirements: Iterable[object]) -> Iterator[str]:
    for requirement in requirements:
        found = _NAME.match(requirement) if isinstance(requirement, str) else None
        if found:
            yield normalised(found[1])


def normalised(name: str) -> str:
    """A distribution's name as package indices compare it (PyPA, "Names and normalization").

    Args:
        name: as it was written.
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def _requirement_files(root: Path) -> list[Path]:
    found = sorted(root.glob("*requirements*.txt")) + sorted(root.glob("requirements/*.txt"))
    return [path for path in found if path.is_file()]


def _install(
    root: Path,
    pyproject: Mapping[str, Any],
    extras: Mapping[str, Any],
    groups: Mapping[str, Any],
    files: Iterable[Path],
) -> str:
    packaged = "project" in pyproject or "build-system" in pyproject
    packaged = packaged or (root / "setup.py").exists() or (root / "setup.cfg").exists()
    parts = []
    if packaged:
        extra = next((name for name in _EXTRAS if name in extras), None)
        parts.append(f'--editable ".[{extra}]"' if extra else "--editable .")
    group = next((name for name in _EXTRAS if name in groups), None)
    if group:
        parts.append(f"--group {group}")
    wanted = re.compile(r"(?:.*[-_./])?(?:requirements|tests?|testing|dev)(?:[-_.].*)?\.txt")
    for path in files:
        name = path.relative_to(root).as_posix()
        # What is installed already, or needs a shell's quotes, is not named.
        if wanted.fullmatch(name) and re.fullmatch(r"[\w./-]+", name):
            parts.append(f"--requirement {name}")
    return " ".join(parts)
