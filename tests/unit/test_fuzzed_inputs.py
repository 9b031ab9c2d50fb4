"""Inputs that have shown a defect, found by `make fuzz`: each is refused in words, or works.

A file of `tests/data/fuzz` is named by its target and what is in it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from support import hostile

FOUND = sorted(Path(__file__).parents[1].joinpath("data", "fuzz").iterdir())


def target_of(path: Path) -> str:
    """The target whose name a file's name begins with."""
    return max((name for name in hostile.TARGETS if path.name.startswith(f"{name}-")), key=len)


@pytest.mark.parametrize("path", FOUND, ids=[path.stem for path in FOUND])
def test_an_input_that_was_found_once_shows_no_defect(path):
    hostile.check(target_of(path), path.read_bytes())


@pytest.mark.parametrize("name", hostile.TARGETS)
def test_inputs_that_are_as_they_should_be_pass(name):
    for data in hostile.TARGETS[name].seeds():
        hostile.check(name, data)
