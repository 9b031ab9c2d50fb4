"""Where a model's weights come from: decided when tests are collected, and kept to.

The hub, where it can be reached or has been before; else real weights that a package ships; else
the architecture with random weights, which takes the same energy and knows nothing. The decision is
part of a model's name, so that a baseline of one is never compared with another.
"""

from __future__ import annotations

import functools
from typing import Any

import huggingface_hub
import torch

RANDOM = "random weights"
PACKAGE = "package"

_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_ENTRIES = (*_WEIGHTS, *(f"{name}.index.json" for name in _WEIGHTS), "model_index.json")
"""What a complete model has one of; the last is a diffusion pipeline's."""

BRANCHES = {"facebook/detr-resnet-50": "no_timm", "facebook/detr-resnet-101": "no_timm"}
"""Models that are taken from a branch, not from `main`. These two, as their cards say: the same
weights with transformers' own ResNet, so that they need no timm."""


@functools.cache
def reachable() -> bool:
    """Whether the hub answers; asked once, since its client retries for half a minute."""
    endpoint = huggingface_hub.constants.ENDPOINT
    try:
        answer = huggingface_hub.get_session().head(endpoint, timeout=3)
        answer.raise_for_status()  # a proxy that forbids it answers as well
    except Exception:  # of the client's HTTP library, or its own offline mode: all mean no
        return False
    return True


def cached(hub_id: str) -> bool:
    """Whether a model's weights, of its branch, are in the hub's cache on this machine."""
    branch = BRANCHES.get(hub_id)
    return any(
        isinstance(huggingface_hub.try_to_load_from_cache(hub_id, name, revision=branch), str)
        for name in _ENTRIES
    )


def has(hub_id: str) -> bool:
    """Whether a model is to come from the hub (or its cache)."""
    return cached(hub_id) or reachable()


def name(hub_id: str, otherwise: str = RANDOM, instead: str = "") -> str:
    """What a row is called: the model's id, with what it is when it is not the hub's.

    Args:
        hub_id: of the model.
        otherwise: where the weights come from without a hub.
        instead: another model that is used without a hub; empty for the same architecture.
    """
    return hub_id if has(hub_id) else f"{instead or hub_id} ({otherwise})"


def device() -> str:
    """Where models and their inputs go."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def load(hub_id: str, *kinds: Any, **arguments: Any) -> tuple[Any, ...]:
    """A model, and what else belongs to it, from the hub or its cache; all from one branch.

    Args:
        hub_id: of the model.
        kinds: classes with `from_pretrained`: the model's first, then its tokenizer's or image
            processor's.
        arguments: to the model's.

    Returns:
        What each class made; the model on the device, for inference only.

    Raises:
        LookupError: it was promised when tests were collected, and cannot be loaded now.
    """
    branch = BRANCHES.get(hub_id)
    wanted = f"{hub_id} --revision {branch}" if branch else hub_id
    common: dict[str, Any] = {"revision": branch} if branch else {}
    try:
        common["local_files_only"] = not reachable()
        model, *others = (
            kind.from_pretrained(hub_id, **common, **(arguments if number == 0 else {}))
            for number, kind in enumerate(kinds)
        )
    except Exception as error:  # each library below has its own for what is missing or broken
        raise LookupError(
            f"{hub_id} was to come from the hub and could not be loaded: {error}\n"
            "Nothing else is taken in its place, since the row says that it is this one; for"
            f" gated models log in with `hf auth login`, and `hf download {wanted}` fetches it."
        ) from error
    if isinstance(model, torch.nn.Module):
        model = model.eval().requires_grad_(False)
    return (model.to(device()), *others)


def skip_reason(hub_id: str) -> str:
    """Why a model of the papers' size does not run here."""
    endpoint = huggingface_hub.constants.ENDPOINT
    return (
        f"{hub_id} needs a model hub, for its weights and its data, and {endpoint} cannot be"
        " reached from here"
    )
