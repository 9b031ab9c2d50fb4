"""pytest at one commit: runs in that commit's worktree, and imports the project from there.

Started as `python -m pytest_energy.bisect.inside SPEC ARGUMENTS`. Of what pytest collects only
metered tests are run. What pytest's report does not say is written beside it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pytest_energy.paired.import_redirect import (
    Trees,
    loaded_below,
    project_modules,
    redirect_imports,
)
from pytest_energy.paired.worker import die_with_parent, last_words
from pytest_energy.settings import metered_of
from pytest_energy.settings.identity import reported_test, test_id
from pytest_energy.types.codec import decode, encode


@dataclass(frozen=True, slots=True)
class Spec:
    """What the process is to do.

    Args:
        head: root of the user's own tree.
        tree: root of the commit's.
        test: the only test to run; empty for all metered ones.
        findings: where to write what was found.
    """

    head: str
    tree: str
    test: str
    findings: str


@dataclass(slots=True)
class Findings:
    """What the report does not say.

    Args:
        collected: tests that pytest found where it was to look.
        metered: those of them that are metered.
        selected: those of these that were to run.
        uncollected: why a file could not be collected, by its name.
        unfinished: why a test failed or was skipped, by its name.
        outside: why the commit's own files were not what ran, as a clause; empty where they were.
    """

    collected: int = 0
    metered: int = 0
    selected: int = 0
    uncollected: dict[str, str] = field(default_factory=dict)
    unfinished: dict[str, str] = field(default_factory=dict)
    outside: str = ""


class Watcher:
    """A plugin that leaves metered tests alone to run, and notes what becomes of them.

    Args:
        test: the only one to run; empty for all.
        findings: gets what is found.
    """

    def __init__(self, test: str, findings: Findings) -> None:
        self._test = test
        self._findings = findings

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None, None, None]:
        metered = metered_of(items)
        self._findings.collected, self._findings.metered = len(items), len(metered)
        kept = [item for item in metered if self._test in ("", test_id(item))]
        dropped = set(items) - set(kept)
        if dropped:
            config.hook.pytest_deselected(items=[item for item in items if item in dropped])
        items[:] = kept
        yield
        self._findings.selected = len(items)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._findings.uncollected[report.nodeid] = last_words(report)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.passed:
            return
        how = "was skipped" if report.skipped else "failed"
        words = last_words(report)
        said = f"{how}: {words}" if words else how
        self._findings.unfinished.setdefault(reported_test(report), said)


def lead_to(trees: Trees) -> None:
    """Have this process, and those that it starts, import the project from the commit's tree.

    Args:
        trees: the user's own, and the commit's.
    """
    redirect_imports(trees, "this commit", "--setup")
    # As `python -m pytest` has it, and behind all else.
    places = [str(Path.cwd())]
    for name in project_modules(trees):
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            continue
        # An editable install may find a package without any path that leads to it; processes that
        # are started, the other side of a paired run among them, would find the user's own.
        found = [spec.origin] if spec and spec.origin else []
        found = list((spec.submodule_search_locations if spec else None) or found)
        places += [str(Path(place).parent) for place in found if trees.in_base(place)]
    sys.path += [place for place in dict.fromkeys(places) if place not in sys.path]
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(filter(None, [*given, *places])))


def imported_elsewhere(trees: Trees) -> str:
    """Which module of the project was not the commit's own, as a clause; empty where none was.

    Args:
        trees: the user's own, and the commit's.
    """
    for name, file in loaded_below(project_modules(trees)).items():
        if not trees.in_base(file):
            return (
                f"{name} was imported from {file}, which is not the commit's own tree: install the"
                " project in editable mode (pip install -e .), or make each commit an environment"
                " of its own with --setup"
            )
    return ""


def main(specification: str, arguments: list[str]) -> int:
    """Run pytest at a commit.

    Args:
        specification: a `Spec` as JSON.
        arguments: pytest's.

    Returns:
        pytest's exit status.
    """
    die_with_parent()
    spec = decode(Spec, json.loads(specification))
    trees = Trees(Path(spec.head), Path(spec.tree))
    lead_to(trees)
    findings = Findings()
    try:
        return int(pytest.main(arguments, plugins=[Watcher(spec.test, findings)]))
    finally:
        findings.outside = imported_elsewhere(trees)
        Path(spec.findings).write_text(json.dumps(encode(findings)), "utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
