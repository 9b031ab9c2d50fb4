"""Versions of what is loaded."""

from __future__ import annotations

import platform
import sys
import types

from pytest_energy.machine.environment import read_environment


def test_what_is_loaded_is_noted_and_nothing_is_imported(monkeypatch):
    for name in ("torch", "numpy", "vllm"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    found = read_environment()
    assert found["python"] == platform.python_version()
    assert not {"torch", "numpy", "vllm"} & {*found, *sys.modules}


def test_versions_and_threads(monkeypatch):
    torch = types.ModuleType("torch")
    torch.__version__ = "2.13.0+cpu"
    torch.get_num_threads = lambda: 4
    torch.version = types.SimpleNamespace(cuda=None)
    monkeypatch.setitem(sys.modules, "torch", torch)
    found = read_environment()
    assert (found["torch"], found["torch threads"]) == ("2.13.0+cpu", "4")
    assert "CUDA" not in found


def test_a_module_that_is_half_imported_is_no_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", types.ModuleType("torch"))
    assert "torch" not in read_environment()
