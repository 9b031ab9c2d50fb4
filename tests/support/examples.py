"""The folders of the examples, and the environment that their tests run in."""

from __future__ import annotations

import os
from pathlib import Path

from support import plugins

ROOT = Path(__file__).parents[2]
"""Of the repository."""

EXAMPLES = ROOT / "examples" / "tests_models"

SQUAD = "distilbert-base-uncased-distilled-squad"
"""A small model that answers questions, by the hub's id."""


def lean(*modules: str) -> dict[str, str]:
    """The environment of an example: few plugins, and one thread, whose others would spin."""
    return os.environ | plugins.only(*modules) | {"OMP_NUM_THREADS": "1"}


def snapshot(cache: Path, hub_id: str, branch: str = "main") -> Path:
    """Where a model's files go in a hub's cache, whose branch is noted; none is there yet."""
    model, commit = cache / f"models--{hub_id.replace('/', '--')}", "0" * 40
    for folder in (model / "refs", model / "snapshots"):
        folder.mkdir(parents=True)
    (model / "refs" / branch).write_text(commit)
    return model / "snapshots" / commit
