"""A model that generates, and an easy mistake: write False below, and watch the gate turn red.

The answers stay the same, word for word; no test of them would notice. `test_compression.py` stores
a baseline of this test, plants the mistake, and shows what the gate says of it.
"""

from __future__ import annotations

import pytest
from batches import to_classify
from generation import continuation

USE_CACHE = True

N, TOKENS = 4, 8


@pytest.mark.inference(
    n=N, warmup=1, task="text-generation", model="SmolLM2-135M-Instruct", tolerance="10%"
)
@pytest.mark.models("smollm2")
def test_continues_a_review(energy, shelf):
    language_model = shelf["smollm2"]
    reviews = [review.text for review in to_classify(language_model.tokenizer, 2 * N)]
    # Two at a time: what was read before is worth keeping where it is long.
    texts = [f"{reviews[i]} {reviews[i + 1]}" for i in range(0, 2 * N, 2)]
    for text in energy.each(texts):
        assert len(continuation(language_model, text, TOKENS, USE_CACHE)) == TOKENS
