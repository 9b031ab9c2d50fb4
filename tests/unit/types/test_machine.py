"""What machine classes are told apart by."""

from __future__ import annotations

from pytest_energy.types.machine import Gpu, Machine


def test_machine_classes_differ_in_every_field_and_read_well():
    gpus = (Gpu("NVIDIA H100", 700), Gpu("NVIDIA H100", 700))
    slug = Machine("Intel(R) Xeon(R) CPU @ 2.20GHz", 8, gpus, "linux", "x86_64").slug
    assert slug.startswith("intel-xeon-8cpu-2xnvidia-h100-linux-x86-64-")
    capped = Machine(
        "Intel(R) Xeon(R) CPU @ 2.20GHz", 8, (gpus[0], Gpu("NVIDIA H100", 400)), "linux", "x86_64"
    )
    assert capped.slug != slug
