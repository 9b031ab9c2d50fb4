"""Machines that stand in for those that this one is not."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from pytest_energy.meters.base import Meter
from support.boards import Drm, Hwmon
from support.nvml import LIBRARY, Driver
from support.powercap import Powercap


@pytest.fixture
def drm(tmp_path, monkeypatch):
    for variable in ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"):
        monkeypatch.delenv(variable, raising=False)
    tree = Drm(tmp_path)
    monkeypatch.setenv("PYTEST_ENERGY_DRM", str(tree.root))
    return tree


@pytest.fixture
def opened():
    """Open meters, and close them when the test ends."""
    kept: list[Meter] = []

    def keep(meter):
        kept.append(meter)
        return meter

    yield keep
    for meter in kept:
        meter.close()


@pytest.fixture(scope="session")
def nvml_library(tmp_path_factory):
    """A folder with a `libnvidia-ml.so.1`."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a C compiler (Debian: gcc)")
    folder = tmp_path_factory.mktemp("nvml")
    (folder / "nvml.c").write_text(LIBRARY)
    library = folder / "libnvidia-ml.so.1"
    command = [compiler, "-shared", "-fPIC", "-o", str(library), str(folder / "nvml.c")]
    subprocess.run(command, check=True)
    return folder


@pytest.fixture
def driver(nvml_library, monkeypatch):
    monkeypatch.setenv("LD_LIBRARY_PATH", str(nvml_library))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return Driver(monkeypatch)


@pytest.fixture
def powercap(tmp_path):
    return Powercap(tmp_path / "powercap")


@pytest.fixture
def hwmon(tmp_path, monkeypatch):
    tree = Hwmon(tmp_path / "hwmon")
    monkeypatch.setenv("PYTEST_ENERGY_HWMON", str(tree.root))
    return tree
