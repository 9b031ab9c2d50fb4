"""How a worker is started: its options, its environment, what it collects."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from pytest_energy.paired.channel import Message
from pytest_energy.paired.client import WorkerClient, WorkerLostError
from pytest_energy.paired.import_redirect import Trees, redirected_paths
from pytest_energy.paired.worktree import counterpart, plain_environment

QUIET: Mapping[str, Any] = {
    "plugins": ["no:terminal"],
    "maxfail": 0,
    "lf": False,
    "failedfirst": False,
    "newfirst": False,
    "stepwise": False,
    "reruns": 0,
    "capture": "no",
    "usepdb": False,
    "trace": False,
    "basetemp": None,
    "collectonly": False,
    "durations": None,
    "continue_on_collection_errors": True,
    # Reports are the head's.
    "xmlpath": None,
    "log_file": None,
    "pastebin": None,
    "htmlpath": None,
    "report_log": None,
    "json_report": False,
    "no_cov": True,
    "cov_source": [],
    # So is the gate: the base only meters.
    "energy_report": False,
    "energy_update": False,
    "energy_strict": False,
    "energy_off": False,
    "energy_prune": "",
    "energy_json": None,
    "energy_html": None,
    "energy_markdown": None,
    "energy_export": None,
    "energy_against": "",
    "energy_against_setup": "",
    "energy_yardstick": "off",
    "energy_precision": None,
}
"""Options that a worker has another way than the head, by their names in pytest."""

OWN_SIDE = "the second process"
"""What a worker on the user's own tree is called."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What the base has of the selected tests.

    Args:
        tests: the bodies of metered tests, by node id.
        errors: of files that could not be collected, by node id.
    """

    tests: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)


def start_own(root: Path, seconds: float) -> WorkerClient:
    """A new process on the user's own tree.

    Args:
        root: of the tree.
        seconds: how long one answer may take.

    Raises:
        WorkerLostError: it cannot be started.
    """
    environment = worker_environment(Trees(root, root))
    return WorkerClient(Path(sys.executable), root, environment, seconds, OWN_SIDE)


def collect(client: WorkerClient, spec: Message) -> Collected:
    """Have a worker collect.

    Args:
        client: that has just been started.
        spec: from `worker_spec`.

    Raises:
        WorkerLostError: it could not.
    """
    side = spec["side"]
    answer = client.ask(spec)
    if answer["reply"] == "failed":
        last = (answer["detail"].splitlines() or ["it does not say why"])[-1]
        where = "on the base" if side == "the base" else f"in {side}"
        raise WorkerLostError(f"pytest failed {where}: {last}", answer["detail"])
    if answer["plugin"] != version("pytest-energy"):
        raise WorkerLostError(
            f"{side}'s environment has pytest-energy {answer['plugin']}, this one"
            f" {version('pytest-energy')}: install the same"
        )
    return Collected(answer["tests"], answer["errors"])


def worker_environment(trees: Trees) -> dict[str, str]:
    """The environment of a worker.

    Args:
        trees: the user's and the worker's.
    """
    environment = plain_environment()
    # The options travel as values; coverage is the head's.
    for name in ("PYTEST_CURRENT_TEST", "PYTEST_ADDOPTS", "COVERAGE_PROCESS_START"):
        environment.pop(name, None)
    # For processes that the base's tests start: they import the base's tree too.
    own = [path for path in sys.path if path and trees.in_head(path)]
    given = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    environment["PYTHONPATH"] = os.pathsep.join(redirected_paths(trees, [*own, *given]))
    return environment


def worker_spec(
    config: pytest.Config, head: Path, root: Path, meters: Sequence[str], side: str
) -> Message:
    """A worker's first command: what to collect, and with which options.

    Args:
        config: pytest's, of the head.
        head: the user's own tree.
        root: the worker's tree; the head's for a second process of its own.
        meters: names of the head's meters.
        side: whose process it is, for people.
    """

    def redirected(value: Any) -> Any:
        if isinstance(value, list):
            return [redirected(one) for one in value]
        if isinstance(value, str) and Path(value).is_absolute():
            return str(counterpart(head, root, Path(value)))
        return value

    here = config.invocation_params.dir
    options: dict[str, Any] = {}
    paths = []
    for name, value in vars(config.option).items():
        if isinstance(value, os.PathLike):
            paths.append(name)
            value = os.fspath(value)
        with suppress(TypeError, ValueError):  # what is no plain value stays behind
            json.dumps(value, allow_nan=False)
            options[name] = redirected(value)
    options.pop("file_or_dir", None)
    for name, value in QUIET.items():
        if name == "plugins":
            options[name] = [*options.get(name, ()), *value]
        elif name in options:
            options[name] = value
    options["rootdir"] = str(counterpart(head, root, config.rootpath))
    options["energy_meter"] = list(meters)
    options["energy_baselines"] = str(root / "no-baselines")
    places = []
    for argument in config.args:
        path, colons, rest = argument.partition("::")
        place = counterpart(head, root, (here / path).resolve())
        if place.exists():
            places.append(f"{place}{colons}{rest}")
    folder = counterpart(head, root, here)
    return {
        "command": "collect",
        "side": side,
        "head": str(head),
        "base": str(root),
        "folder": str(folder if folder.is_dir() else root),
        "options": options,
        "paths": paths,
        "arguments": places,
    }
