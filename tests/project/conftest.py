"""The project's noxfile as a module."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest

from support.examples import ROOT


@pytest.fixture(scope="session")
def noxfile() -> ModuleType:
    pytest.importorskip("nox", reason="needs nox")
    spec = importlib.util.spec_from_file_location("noxfile", ROOT / "noxfile.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
