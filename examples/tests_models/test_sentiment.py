"""Sentiment of movie reviews: a task-specific model against a general-purpose one.

After Luccioni, Jernite and Strubell, "Power Hungry Processing" (arXiv 2311.16863): the same task,
the same samples, batch size 1; what does it cost to use a model that could do anything?
"""

from __future__ import annotations

import functools
import os

import models
import pytest
import torch
from datasets import Dataset

N = int(os.environ.get("SENTIMENT_N", "200"))
"""Inferences per test; the paper's protocol has 1,000."""

TRAINING = 800
PADDING = "longest"
"""Write "max_length" here, an easy mistake, and watch the test of the small model turn red."""

inference = functools.partial(
    pytest.mark.inference,
    n=N,
    task="text-classification",
    dataset="movie-review-snippets",
    # An estimate from CPU seconds; in units of the yardstick it differs by 3 % or so between
    # sessions. Where energy is counted, write "5%".
    tolerance="10%",
)


@pytest.fixture(scope="session")
def samples(reviews: Dataset) -> list[dict]:
    """The reviews that are classified; none of them was trained on."""
    return reviews.select(range(TRAINING, TRAINING + N)).to_list()


@pytest.fixture(scope="session")
def minilm(reviews: Dataset, say_origin):
    """MiniLM with a linear head, trained on the first reviews: text in, 1 or 0 out."""
    model, tokenizer, origin = models.load_minilm()
    say_origin(f"{origin}; a linear head trained on {TRAINING} reviews")

    def embed(texts: list[str], padding: str = "longest") -> torch.Tensor:
        inputs = tokenizer(
            texts, padding=padding, truncation=True, max_length=256, return_tensors="pt"
        )
        hidden = model(**inputs).last_hidden_state
        mask = inputs["attention_mask"].unsqueeze(-1)
        return (hidden * mask).sum(1) / mask.sum(1)

    training = reviews.select(range(TRAINING))
    with torch.inference_mode():
        batches = [embed(training[i : i + 32]["text"]) for i in range(0, TRAINING, 32)]
    features = torch.cat(batches).clone()
    labels = torch.tensor(training["label"][:], dtype=torch.float32)
    torch.manual_seed(0)
    head = torch.nn.Linear(features.shape[1], 1)
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

    @torch.inference_mode()
    def classify(text: str) -> int:
        return int(head(embed([text], PADDING)).item() > 0)

    return classify


@pytest.fixture(scope="session")
def smollm2(say_origin):
    """SmolLM2-135M, asked in words: the likelier of two next tokens decides."""
    model, tokenizer, origin = models.load_smollm2()
    say_origin(f"{origin}; zero-shot by label logits")
    positive, negative = (
        tokenizer(word, add_special_tokens=False).input_ids[0]
        for word in (" positive", " negative")
    )

    @torch.inference_mode()
    def classify(text: str) -> int:
        prompt = f"Review: {text}\nThe sentiment of this review is"
        logits = model(**tokenizer(prompt, return_tensors="pt"), logits_to_keep=1).logits[0, -1]
        return int(logits[positive] > logits[negative])

    return classify


def accuracy(energy, classify, samples: list[dict]) -> float:
    """Classify every sample inside the meter; the share that was right."""
    hits = sum(classify(sample["text"]) == sample["label"] for sample in energy.each(samples))
    return hits / energy.count


@inference(model="MiniLM-L6-v2-linear", role="task-specific")
def test_task_specific(energy, minilm, samples):
    share = accuracy(energy, minilm, samples)
    energy.record(accuracy=share)
    assert share > 0.6


@inference(model="SmolLM2-135M-Instruct", role="general-purpose")
def test_general_purpose(energy, smollm2, samples):
    share = accuracy(energy, smollm2, samples)
    energy.record(accuracy=share)
    assert share > 0.6


def test_general_purpose_costs_at_least_three_times(energy_results):
    task = energy_results.where(task="text-classification")
    general, specific = task.where(role="general-purpose"), task.where(role="task-specific")
    if not (general.measurements and specific.measurements):
        pytest.skip("needs the measurements of both tests above")
    ratio = general.ratio(specific)
    assert ratio.low >= 3
