"""What this machine is: the class of machines whose figures may be compared with each other.

CPU model, and what tells CPUs apart whose model a hypervisor hides; the logical CPUs that may be
used, GPU models with their power limits, operating system, architecture.
Not the host name and not a clock speed in MHz: both differ between equal CI runners.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from pytest_energy.machine.cpus import usable_cpus
from pytest_energy.types.machine import Cpu, Gpu, Machine


def read_cpu(cpuinfo: Path = Path("/proc/cpuinfo")) -> Cpu:
    """Ask the system about its CPU.

    Args:
        cpuinfo: Linux's description of the CPUs.
    """
    logical = os.cpu_count() or 1
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return Cpu(_cpu_model_elsewhere(), logical, 1, virtual=False)
    fields: dict[str, set[str]] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip().lower(), set()).add(value.strip())
    # Arm kernels name the implementer and part instead of a model.
    models = fields.get("model name") or fields.get("hardware") or fields.get("cpu part") or set()
    return Cpu(
        model=sorted(models)[0] if models else platform.machine(),
        logical_cpus=logical,
        sockets=max(1, len(fields.get("physical id", ()))),
        virtual=any("hypervisor" in flags.split() for flags in fields.get("flags", ())),
        details=_details(fields),
    )


VECTOR_EXTENSIONS = (
    "sse4_2", "avx", "avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16",
    "amx_tile", "asimd", "asimddp", "bf16", "i8mm", "sve", "sve2",
)  # fmt: skip
"""Flags of /proc/cpuinfo that say what a numeric library may choose its kernels by."""


def _details(fields: Mapping[str, set[str]]) -> str:
    """Family, model number, stepping, cache and vector extensions, as far as they are told."""

    def first(name: str) -> str:
        return min(fields.get(name, {""}))

    words = [f"{name.removeprefix('cpu ')} {first(name)}" for name in _NUMBERS if first(name)]
    cache = first("cache size")
    words += [f"{cache} cache"] if cache else []
    flags = set(f"{first('flags')} {first('features')}".split())
    words += [flag for flag in VECTOR_EXTENSIONS if flag in flags]
    return " ".join(words)


_NUMBERS = ("cpu family", "model", "stepping", "cpu part", "cpu variant", "cpu revision")


def read_vendor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The CPU's maker as Linux names it, `GenuineIntel` or `AuthenticAMD`; empty elsewhere."""
    try:
        with cpuinfo.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith("vendor_id"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return ""


def _cpu_model_elsewhere() -> str:
    if sys.platform == "darwin":
        try:
            command = ["sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(
                command, capture_output=True, text=True, timeout=5, check=True
            ).stdout.strip()
        except (OSError, subprocess.SubprocessError):
            pass
    return platform.processor() or platform.machine() or "unknown CPU"


def read_machine(gpus: tuple[Gpu, ...]) -> Machine:
    """This machine's class.

    Args:
        gpus: the boards that the process sees, from the meters that know them.
    """
    cpu = read_cpu()
    return Machine(
        cpu=" ".join(cpu.model.split()),
        logical_cpus=usable_cpus(),
        gpus=gpus,
        system=platform.system().lower(),
        architecture=platform.machine().lower(),
        cpu_details=cpu.details if cpu.virtual else "",  # there the brand string says little
    )
