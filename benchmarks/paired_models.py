"""The workload of the paired benchmark. Metered by pytest, in two trees.

`extra.py` beside it says whether this tree does more real work. A layer's operations are 12 d^2
per token and DistilBERT has six; one more feed-forward block (8 d^2) on nine tokens in ten is 10 %
more, in operations and nearly so in weights that are read, and its first half is 5 %.
"""

from __future__ import annotations

import extra
import pytest
import torch
import transformers
from transformers import initialization

torch.set_num_threads(1)
transformers.utils.logging.set_verbosity_error()

TOKENS = 64


@pytest.fixture(scope="session")
def distilbert():
    """The architecture with random weights: normal, since constants would be no real operands."""
    config = transformers.DistilBertConfig()
    with initialization.no_init_weights():
        model = transformers.DistilBertModel(config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.02)
    return model.eval().requires_grad_(False)


@pytest.mark.parametrize(
    "percent",
    [
        pytest.param(10, marks=pytest.mark.inference(n=50, tolerance="5%")),
        pytest.param(0, marks=pytest.mark.inference(n=120, tolerance="5%")),
        pytest.param(5, marks=pytest.mark.inference(n=100, tolerance="2%")),
    ],
)
def test_distilbert(energy, distilbert, percent):
    tokens = torch.randint(5, 30000, (1, TOKENS), generator=torch.Generator().manual_seed(1))
    block = distilbert.transformer.layer[0].ffn
    again = {0: None, 5: block.lin1, 10: block}[percent] if extra.WORK else None
    for _ in energy.each([tokens]):
        with torch.inference_mode():
            hidden = distilbert(tokens).last_hidden_state
            if again is not None:
                again(hidden[:, : TOKENS * 9 // 10])
