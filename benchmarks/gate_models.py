"""The workloads of the live benchmark, with 10 % more real work on demand. Metered by pytest.

    pytest benchmarks/gate_models.py -k distilbert

`GATE_MORE=1` injects the additional work; weights are normal(0, 0.02), on one thread.
"""

from __future__ import annotations

import os
from functools import partial

import pytest
import torch
import transformers
from transformers.initialization import no_init_weights

MORE = bool(int(os.environ.get("GATE_MORE", "0")))
N = int(os.environ.get("GATE_N", "0"))

torch.set_num_threads(int(os.environ.get("GATE_THREADS", "1")))
transformers.utils.logging.set_verbosity_error()

inference = partial(pytest.mark.inference, task="gate", tolerance="5%", dataset="random-tokens")


def randomly(model):
    """The architecture with random weights: normal, since constants would be no real operands."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.02)
    return model.eval().requires_grad_(False)


def build(kind, config):
    # Their own initialisation takes ten seconds and is thrown away.
    with no_init_weights():
        return randomly(kind(config))


@pytest.fixture(scope="session")
def distilbert():
    """64 tokens; with more work, three more layers of six in every five inferences: +10 %."""
    model = build(transformers.DistilBertModel, transformers.DistilBertConfig())
    tokens = torch.randint(5, 30000, (1, 64), generator=torch.Generator().manual_seed(1))
    layer = model.transformer.layer[0]

    @torch.inference_mode()
    def infer(i):
        hidden = model(tokens).last_hidden_state
        if MORE and i % 5 in (0, 2, 4):
            layer(hidden, attention_mask=None)

    return infer


@pytest.fixture(scope="session")
def gpt2():
    """10 new tokens after 16; with more work, one more."""
    model = build(transformers.GPT2LMHeadModel, transformers.GPT2Config())
    tokens = torch.randint(5, 30000, (1, 16), generator=torch.Generator().manual_seed(1))
    new = 11 if MORE else 10

    @torch.inference_mode()
    def infer(i):
        model.generate(
            tokens,
            attention_mask=torch.ones_like(tokens),
            max_new_tokens=new,
            min_new_tokens=new,
            do_sample=False,
            pad_token_id=0,
        )

    return infer


@pytest.fixture(scope="session")
def resnet50():
    """One image of 224 x 224; with more work, two blocks of the third stage twice."""
    config = transformers.ResNetConfig(num_labels=1000)
    model = build(transformers.ResNetForImageClassification, config)
    image = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    stage = torch.randn(1, 1024, 14, 14, generator=torch.Generator().manual_seed(2))
    block = model.resnet.encoder.stages[2].layers[1]

    @torch.inference_mode()
    def infer(i):
        model(image)
        if MORE:
            block(block(stage))

    return infer


@inference(n=N or 100, model="distilbert-64-tokens")
def test_distilbert(energy, distilbert):
    for i in energy.each(range(N or 100)):
        distilbert(i)


@inference(n=N or 20, model="gpt2-10-tokens")
def test_gpt2(energy, gpt2):
    for i in energy.each(range(N or 20)):
        gpt2(i)


@inference(n=N or 60, model="resnet50-224")
def test_resnet50(energy, resnet50):
    for i in energy.each(range(N or 60)):
        resnet50(i)
