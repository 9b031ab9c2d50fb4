"""A sentence encoder as a classifier of reviews: the embedding of a text, and a linear head."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from datasets import Dataset
from models import Loaded, load_reviews
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


@loads("minilm-head", "minilm")
def minilm_head(minilm: Loaded) -> tuple[torch.nn.Linear, str]:
    """One for all tests that classify reviews with the whole of MiniLM."""
    return train_head(minilm), f"MiniLM's linear head: trained on {TRAINING} reviews"


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
