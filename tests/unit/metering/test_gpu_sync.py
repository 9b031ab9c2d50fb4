"""Queued work of a GPU is waited for, and no library is imported for it."""

from __future__ import annotations

import subprocess
import sys
import types


def test_queued_gpu_work_is_waited_for_at_both_edges_on_devices_in_use(meter, window, monkeypatch):
    waited = []
    cuda = types.SimpleNamespace(
        is_initialized=lambda: True,
        device_count=lambda: 3,
        memory_reserved=lambda index: 1024 if index == 2 else 0,
        current_device=lambda: 0,
        synchronize=lambda index: waited.append((index, meter.joules)),
    )
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(cuda=cuda))
    window.open()
    meter.joules += 1
    window.close(1)
    assert waited == [(0, 0.0), (2, 0.0), (0, 1.0), (2, 1.0)]


def test_a_gpu_that_was_never_used_is_left_alone(window, monkeypatch):
    cuda = types.SimpleNamespace(is_initialized=lambda: False)
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(cuda=cuda))
    window.open()
    window.close(1)
    assert window.measurement() is not None


def test_metering_never_imports_torch():
    code = (
        "import sys\nfrom pytest_energy.meters.cpu_time import CpuTime\n"
        "from pytest_energy.meters.meter_set import MeterSet\n"
        "from pytest_energy.metering.window import Window\n"
        "w = Window(MeterSet([CpuTime()])); w.open(); w.close(1); w.measurement()\n"
        "assert not {'torch', 'pandas', 'codecarbon', 'pynvml'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
