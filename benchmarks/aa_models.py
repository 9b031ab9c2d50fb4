"""The workloads of `aa.py`, metered by pytest; `extra.py` beside it says how much more work to do.

Real weights from the examples' packages, on one thread; and work on one thread in programs that
have numpy or torch, whose threads are left as they are. An inference is ten forward passes, and
10 % more work is an eleventh; of a Python loop, 10 % more additions; of SmolLM2 72 tokens for 60,
which is 9.6 % more CPU time (mean of seven processes, on one CPU, with a steady allocator).
"""

from __future__ import annotations

import extra
import pytest

MORE = 1 + extra.PERCENT / 100
PASSES = round(10 * MORE)

inference = pytest.mark.inference


def additions(times: int) -> int:
    """A pure Python loop."""
    total = 0
    for i in range(times):
        total += i * 3 % 7
    return total


def looped(energy, count: int, times: int) -> None:
    """So many inferences of so many additions, or 10 % more."""
    more = round(times * MORE)
    for _ in energy.each(range(count)):
        additions(more)


@pytest.fixture(scope="session")
def one_thread():
    import torch

    torch.set_num_threads(1)
    return torch


@inference(n=20, model="minilm", tolerance="5%")
def test_minilm(energy, one_thread):
    import models

    encoder, _ = models.load_minilm()
    tokens = one_thread.arange(1000, 1064).unsqueeze(0)

    @one_thread.inference_mode()
    def embed(_):
        for _ in range(PASSES):
            encoder.model(input_ids=tokens, attention_mask=one_thread.ones_like(tokens))

    energy.run(embed, range(20))


@inference(n=15, model="efficientnet-lite0", tolerance="5%")
def test_efficientnet(energy, one_thread):
    import families

    classifier, _ = families._efficientnet("efficientnet-lite0")
    generator = one_thread.Generator().manual_seed(0)
    image = one_thread.randn(1, 3, 224, 224, generator=generator)

    def classify(_):
        for _ in range(PASSES):
            classifier(image)

    energy.run(classify, range(15))


@inference(n=20, model="smollm2-135m", tolerance="5%")
def test_smollm2(energy, one_thread):
    import models

    language, _ = models.load_smollm2()
    tokens = one_thread.arange(1000, 1000 + {0: 60, 10: 72, 100: 120}[extra.PERCENT]).unsqueeze(0)

    @one_thread.inference_mode()
    def next_token(_):
        language.model(tokens, logits_to_keep=1)

    energy.run(next_token, range(20))


@inference(n=400, model="python-loop", tolerance="5%")
def test_loop(energy):
    looped(energy, 400, 20_000)


@inference(n=800, model="python-body", tolerance="5%")
def test_body():
    for _ in range(800):
        additions(round(20_000 * MORE))


# Programs that have a numeric library with threads, and do not use them here.


@inference(n=100, model="numpy-loop", tolerance="5%")
def test_numpy_loop(energy):
    pytest.importorskip("numpy")
    looped(energy, 100, 100_000)


@inference(n=100, model="numpy-small", tolerance="5%")
def test_numpy_small(energy):
    numpy = pytest.importorskip("numpy")
    square = numpy.random.default_rng(0).standard_normal((48, 48), dtype=numpy.float32)
    for _ in energy.each(range(100)):
        x = square
        for _ in range(round(500 * MORE)):
            x = numpy.tanh(square @ x)


@inference(n=100, model="torch-loop", tolerance="5%")
def test_torch_loop(energy):
    pytest.importorskip("torch")
    looped(energy, 100, 100_000)


@inference(n=100, model="torch-mlp", tolerance="5%")
def test_torch_mlp(energy):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    layers = torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 8)
    model = torch.nn.Sequential(*layers).eval()
    rows = torch.randn(4, 64)
    with torch.inference_mode():
        for _ in energy.each(range(100)):
            for _ in range(round(100 * MORE)):
                model(rows)
