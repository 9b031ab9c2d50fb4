"""A sentence encoder as a classifier of reviews: the embedding of a text, and a linear head."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from datasets import Dataset
from models import CACHE, Loaded, load_reviews
from safetensors.torch import load_file, save_file
from shelf import loads

TRAINING = 800
"""Reviews that heads are trained on; samples to classify are taken from behind them."""


@functools.cache
def reviews() -> Dataset:
    """All of them, read once."""
    return load_reviews()


def embed(encoder: Loaded, texts: list[str], padding: str = "longest") -> torch.Tensor:
    """Mean of the last hidden states of each text's tokens.

    Args:
        encoder: a BERT-like model.
        texts: a batch; each is cut off at 256 tokens.
        padding: `longest` of the batch, or `max_length`: 256 tokens.

    Returns:
        One row a text, as wide as the encoder's hidden states.
    """
    inputs = _tokens(encoder, texts, padding)
    hidden = encoder.model(**inputs).last_hidden_state
    return _mean(hidden, inputs["attention_mask"])


def embed_by_layer(encoder: Loaded, texts: list[str]) -> list[torch.Tensor]:
    """The same after each layer, as if it were the last: that of the word embeddings first."""
    inputs = _tokens(encoder, texts, "longest")
    layers = encoder.model(**inputs, output_hidden_states=True).hidden_states
    return [_mean(hidden, inputs["attention_mask"]) for hidden in layers]


def _tokens(encoder: Loaded, texts: list[str], padding: str) -> Any:
    return encoder.tokenizer(
        texts, padding=padding, truncation=True, max_length=256, return_tensors="pt"
    ).to(encoder.model.device)


def _mean(hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    mask = attention_mask.unsqueeze(-1)
    return (hidden * mask).sum(1) / mask.sum(1)


def train_head(encoder: Loaded) -> torch.nn.Linear:
    """Fit a linear head to the labels of the first reviews, by logistic regression."""
    return fit_head(training_features(lambda texts: embed(encoder, texts)))


def training_features(embed_texts: Callable[[list[str]], torch.Tensor]) -> torch.Tensor:
    """Embeddings of the first reviews, computed in batches of like length: little is padded.

    Args:
        embed_texts: gives a tensor whose last but one dimension is that of the texts.

    Returns:
        That tensor for all `TRAINING` reviews, in their order.
    """
    texts = reviews()[:TRAINING]["text"]
    by_length = sorted(range(TRAINING), key=lambda i: len(texts[i]))
    with torch.inference_mode():
        batches = [
            embed_texts([texts[i] for i in by_length[first : first + 32]]).float()
            for first in range(0, TRAINING, 32)
        ]
    features = torch.cat(batches, dim=-2).clone()  # heads are trained on it: no inference tensor
    return features[..., torch.tensor(by_length, device=features.device).argsort(), :]


@loads("minilm-embeddings", "minilm")
def embeddings_by_layer(minilm: Loaded) -> tuple[list[torch.Tensor], str]:
    """What each layer makes of the reviews that heads are trained on: one pass for all depths.

    Computed once (6 s) and kept among what is downloaded or converted once.
    """
    kept = CACHE / "embeddings" / f"minilm-{_identity(minilm)}.safetensors"
    if not kept.exists():
        found = training_features(lambda texts: torch.stack(embed_by_layer(minilm, texts)))
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_name(f"{kept.name}.{os.getpid()}.part")
        save_file({"layers": found.contiguous()}, partial)
        partial.replace(kept)  # in one piece: another run may be reading
    return list(load_file(kept)["layers"].to(minilm.model.device)), ""


def _identity(encoder: Loaded) -> str:
    """Of all that embeddings come from: texts, weights, the code here, libraries, the device."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    versions = (torch.__version__, transformers.__version__, encoder.model.device.type)
    for text in (*versions, *reviews()[:TRAINING]["text"]):
        digest.update(text.encode() + b"\0")
    for weight in encoder.model.state_dict().values():
        digest.update(weight.cpu().contiguous().numpy().data)
    return digest.hexdigest()[:16]


@loads("minilm-head", "minilm-embeddings")
def minilm_head(embeddings: list[torch.Tensor]) -> tuple[torch.nn.Linear, str]:
    """One for all tests that classify reviews with the whole of MiniLM."""
    return fit_head(embeddings[-1]), f"MiniLM's linear head: trained on {TRAINING} reviews"


def fit_head(features: torch.Tensor) -> torch.nn.Linear:
    """Fit a linear head to the labels of the first reviews, by logistic regression.

    Args:
        features: embeddings of those `TRAINING` reviews, one row each.
    """
    training = reviews().select(range(TRAINING))
    labels = torch.tensor(training["label"][:], dtype=torch.float32, device=features.device)
    torch.manual_seed(0)
    head = torch.nn.Linear(features.shape[1], 1, device=features.device)
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=100)

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = torch.nn.functional.binary_cross_entropy_with_logits(
            head(features).squeeze(1), labels
        )
        value = value + 1e-2 * head.weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    return head.requires_grad_(False)
