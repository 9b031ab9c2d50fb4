"""The examples' modules, importable."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import pytest

from support.examples import EXAMPLES


@pytest.fixture
def examples(monkeypatch):
    """The examples' modules can be imported, and are forgotten afterwards."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    names = {path.stem for path in EXAMPLES.glob("*.py")} - {"conftest"}
    before = {name: sys.modules.pop(name) for name in names & set(sys.modules)}
    yield
    for name in names:
        sys.modules.pop(name, None)
    sys.modules.update(before)


@pytest.fixture
def models(examples):
    """The same, where torch and transformers are."""
    missing = [name for name in ("torch", "transformers", "datasets") if find_spec(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
