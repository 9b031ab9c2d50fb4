"""What is no machine and moves figures all the same: versions of what runs, and thread counts.

Nothing is imported for it: what a test uses it has imported.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

LIBRARIES = (
    "torch",
    "transformers",
    "diffusers",
    "numpy",
    "tensorflow",
    "jax",
    "onnxruntime",
    "openvino",
    "vllm",
    "sklearn",
)
"""Modules whose version is noted where they are loaded."""


def read_environment() -> dict[str, str]:
    """Versions and thread counts by name, of what is loaded in this process now."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        version = getattr(sys.modules.get(name), "__version__", None)
        if version:
            found[name] = str(version)
    torch = sys.modules.get("torch")
    with suppress(Exception):  # half imported, or an older one: it is for people only
        found["torch threads"] = str(torch.get_num_threads())  # type: ignore[union-attr]
    with suppress(Exception):
        found["CUDA"] = str(torch.version.cuda or "")  # type: ignore[union-attr]
    with suppress(Exception):
        found["BLAS"] = _blas(sys.modules["numpy"])
    with suppress(Exception):
        found["driver"] = str(sys.modules["pynvml"].nvmlSystemGetDriverVersion())
    return {name: value for name, value in found.items() if value}


def _blas(numpy: Any) -> str:
    config: Mapping[str, Any] = numpy.__config__.CONFIG["Build Dependencies"]["blas"]
    return f"{config['name']} {config['version']}".strip()
