"""What training costs, and after how many inferences inference has cost as much.

Fine-tuning of a sentence encoder on movie reviews, metered for a window of real steps and
extrapolated to all epochs, after Strubell, Ganesh and McCallum (arXiv 1906.02243); the break-even
with its inference, after Luccioni, Jernite and Strubell (arXiv 2311.16863, Table 5), whose rows are
printed beside.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from batches import up_to
from closing import columns
from models import Loaded
from sentiment import TRAINING, embed, reviews
from shelf import loads

from pytest_energy.papers import luccioni

BATCH = 16
EPOCHS = 3
STEPS = up_to(12, 5)
"""Steps that are metered, of all."""

TOTAL_STEPS = EPOCHS * TRAINING // BATCH
INFERENCES = up_to(100, 20)

of_model = functools.partial(
    dict,
    task="text-classification",
    model="MiniLM-L6-v2-finetuned",
    dataset="movie-review-snippets",
)


class Finetuning(NamedTuple):
    """A classifier that learns: a step on a batch of reviews, and its answer to one."""

    step: Callable[[dict[str, Any]], float]
    classify: Callable[[str], int]


@loads("minilm-finetuning", "minilm")
def minilm_finetuning(minilm: Loaded):
    """MiniLM with a linear head on top, all of whose weights are trained."""
    # A copy: other tests use the encoder as it was published.
    encoder = Loaded(copy.deepcopy(minilm.model).requires_grad_(True), minilm.tokenizer)
    torch.manual_seed(0)
    head = torch.nn.Linear(encoder.model.config.hidden_size, 1, device=encoder.model.device)
    optimizer = torch.optim.AdamW([*encoder.model.parameters(), *head.parameters()], lr=5e-5)

    def step(batch: dict[str, Any]) -> float:
        encoder.model.train()
        labels = torch.tensor(batch["label"], dtype=torch.float32, device=head.weight.device)
        logits = head(embed(encoder, batch["text"])).squeeze(1)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    @torch.inference_mode()
    def classify(text: str) -> int:
        encoder.model.eval()
        return int(head(embed(encoder, [text])).item() > 0)

    return Finetuning(step, classify), f"MiniLM's fine-tuning: on {TRAINING} reviews"


@pytest.fixture
def batches() -> list[dict[str, Any]]:
    """One epoch."""
    return [reviews()[i : i + BATCH] for i in range(0, TRAINING, BATCH)]


@pytest.mark.training(steps=STEPS, total_steps=TOTAL_STEPS, tolerance="10%", **of_model())
@pytest.mark.models("minilm-finetuning")
def test_fine_tuning(energy, shelf, batches):
    losses = energy.run(shelf["minilm-finetuning"].step, batches)
    energy.record(loss=sum(losses[-5:]) / 5)
    assert losses[-1] < 2  # an optimiser that diverges is seen within a few steps


@pytest.mark.inference(n=INFERENCES, tolerance="10%", role="task-specific", **of_model())
@pytest.mark.models("minilm-finetuning")
def test_inference_of_the_fine_tuned_model(energy, shelf):
    classify = shelf["minilm-finetuning"].classify
    samples = reviews().select(range(TRAINING, TRAINING + INFERENCES)).to_list()
    hits = sum(classify(sample["text"]) == sample["label"] for sample in energy.each(samples))
    energy.record(accuracy_so_far=hits / energy.count)  # after the metered steps, not after all


def test_inference_costs_as_much_as_the_training_after_so_many(energy_results, say):
    known = energy_results.where(model="MiniLM-L6-v2-finetuned")
    inference = known.where(unit="inference").measurements
    if not (inference and known.where(role="training").measurements):
        pytest.skip("needs the measurements of both tests above")
    cost = known.training()
    parity = cost.break_even(inference[0].joules_per_unit)
    # A step is forward and backward, about three times an inference, for each of its reviews;
    # short reviews wait for the longest of their batch, and a batch uses the processor better.
    forward_passes = TOTAL_STEPS * BATCH
    assert 0.5 * forward_passes < parity < 20 * forward_passes
    say(
        "training and inference",
        f"fine-tuning takes as much as {parity:,.0f} inferences here; in Luccioni et al., Table 5:",
        *columns([[row.name, f"{row.parity:,.0f}"] for row in luccioni.table5()]),
    )
