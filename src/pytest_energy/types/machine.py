"""A class of machines whose figures may be compared with each other."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any


@dataclass(frozen=True, slots=True)
class Cpu:
    """The CPU as the system describes it.

    Args:
        model: the brand string.
        logical_cpus: hardware threads that the system shows.
        sockets: packages that the system shows.
        virtual: whether a hypervisor is underneath.
        details: family, model number, stepping, cache and vector extensions, in words.
    """

    model: str
    logical_cpus: int
    sockets: int
    virtual: bool
    details: str = ""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU board. `power_limit_watts` is what is enforced now; None where it cannot be read."""

    model: str
    power_limit_watts: int | None


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine class.

    Args:
        cpu: CPU model.
        logical_cpus: hardware threads that the process may use.
        gpus: boards, in the driver's order.
        system: `linux`, `darwin`, `windows`.
        architecture: `x86_64`, `arm64`, …
        cpu_details: what tells CPUs apart whose model a hypervisor hides; empty where none does.
    """

    cpu: str
    logical_cpus: int
    gpus: tuple[Gpu, ...]
    system: str
    architecture: str
    cpu_details: str = ""

    @property
    def slug(self) -> str:
        """The folder's name: readable, and a digest of every field behind it."""
        return _slug_of(self)

    def describe(self) -> dict[str, Any]:
        """The fields as JSON-able values, for a baseline file and for reports."""
        record = asdict(self)
        record["gpus"] = [asdict(gpu) for gpu in self.gpus]
        return {"class": self.slug, **record}


@lru_cache(maxsize=100)  # reports ask for it with every result
def _slug_of(machine: Machine) -> str:
    models: dict[str, int] = {}
    for gpu in machine.gpus:
        models[gpu.model] = models.get(gpu.model, 0) + 1
    parts = [machine.cpu, f"{machine.logical_cpus}cpu"]
    parts += [f"{count}x{model}" for model, count in models.items()]
    parts += [machine.system, machine.architecture]
    known = {name: value for name, value in asdict(machine).items() if value != ""}
    text = json.dumps(known, sort_keys=True)
    readable = "-".join(_slug(part) for part in parts)[:100].strip("-")
    return f"{readable}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _slug(text: str) -> str:
    text = re.sub(r"\((?:r|tm|c)\)|\bcpu\b|\bprocessor\b|@.*", " ", text, flags=re.IGNORECASE)
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
