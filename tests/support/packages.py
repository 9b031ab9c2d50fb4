"""Packages that a base and a head have each of their own."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pytest_energy.paired.worktree import PREFIX


def leftovers() -> set[str]:
    return {path.name for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*")}


def package(repository, place: str, joules: float) -> None:
    """A package `sentiment` in some folder, whose inference takes so much."""
    folder = repository.path / place / "sentiment"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "__init__.py").write_text("from sentiment.model import infer\n")
    (folder / "model.py").write_text(
        f"from scripted import spend\n\ndef infer(sample=None):\n    spend({joules})\n"
    )
    repository.write(
        test_it="""
        from sentiment import infer

        def test_loop(energy):
            for sample in energy.each(range(40)):
                infer(sample)
        """
    )
