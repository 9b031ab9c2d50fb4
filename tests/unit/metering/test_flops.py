"""Floating-point operations of one inference: exact, and no trouble for the user's model."""

from __future__ import annotations

import warnings

import pytest

from pytest_energy.metering.flops import FlopCounter, can_count, counted_samples
from pytest_energy.types.measurement import FlopCount

torch = pytest.importorskip("torch", reason="needs torch")
transformers = pytest.importorskip("transformers", reason="needs transformers")


def count(call):
    counter = FlopCounter()
    with counter.counting(), torch.inference_mode():
        call()
    assert not counter.problem
    return counter.flops([1])


@pytest.fixture(scope="module")
def distilbert():
    """Two layers, for speed; the shapes are DistilBERT's."""
    config = transformers.DistilBertConfig(n_layers=2, vocab_size=100)
    return transformers.DistilBertModel(config).eval()


TOKENS = torch.ones(1, 64, dtype=torch.long)
# Two operations a multiply-add: four projections, two feed-forward layers, two attention products.
LAYER = 2 * 64 * (4 * 768 * 768 + 2 * 768 * 3072) + 2 * 2 * 64 * 64 * 768


def test_it_equals_the_analytic_count_fused_attention_included(distilbert):
    assert can_count()
    assert count(lambda: distilbert(TOKENS)) == FlopCount(2 * LAYER, (), (2 * LAYER,))


def test_it_is_the_same_at_every_repetition_and_on_any_number_of_threads(distilbert):
    threads = torch.get_num_threads()
    counts = set()
    for n in (1, 2, 1):
        torch.set_num_threads(n)
        counts.add(count(lambda: distilbert(TOKENS)).count)
    torch.set_num_threads(threads)
    assert len(counts) == 1


def test_a_lost_cache_shows():
    config = transformers.GPT2Config(n_layer=1, n_embd=64, n_head=2, vocab_size=50)
    model = transformers.GPT2LMHeadModel(config).eval()

    def generate(use_cache):
        return count(
            lambda: model.generate(
                TOKENS[:, :16],
                attention_mask=TOKENS[:, :16],
                max_new_tokens=10,
                min_new_tokens=10,
                do_sample=False,
                pad_token_id=0,
                use_cache=use_cache,
            )
        ).count

    assert generate(False) > 5 * generate(True)


def test_quantised_operators_are_named_since_they_have_no_formula(distilbert):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantised = torch.ao.quantization.quantize_dynamic(distilbert, {torch.nn.Linear})
        flops = count(lambda: quantised(TOKENS))
    assert flops.without_formula == ("quantized::linear_dynamic",)
    assert flops.count < LAYER


def test_yolos_which_crashes_torchs_own_counter_is_counted():
    config = transformers.YolosConfig(
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        image_size=[64, 64],
        num_detection_tokens=5,
    )
    model = transformers.YolosForObjectDetection(config).eval()
    assert count(lambda: model(torch.randn(1, 3, 64, 64))).count > 0


def test_a_compiled_model_is_counted_operator_by_operator():
    layer = torch.nn.Linear(10, 20)
    compiled = torch.compile(layer, backend="eager")
    compiled(torch.randn(3, 10))
    assert count(lambda: compiled(torch.randn(3, 10))) == FlopCount(1200, (), (1200,))


def test_an_error_of_the_model_is_the_models_own():
    counter = FlopCounter()
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"), counter.counting():
        torch.randn(2, 3) @ torch.randn(2, 3)
    assert counter.flops([1]) is None
    torch.ones(1).add(1)  # and nothing of the counter is left behind


def test_training_counts_the_backward_pass_too():
    layer = torch.nn.Linear(10, 20, bias=False)
    counter = FlopCounter()
    with counter.counting():
        layer(torch.randn(3, 10)).sum().backward()
    assert counter.flops([1]).count == 2 * (2 * 3 * 10 * 20)


def test_what_cannot_be_counted_is_said_and_never_raised(monkeypatch):
    monkeypatch.setattr("pytest_energy.metering.flops._make_mode", lambda: 1 / 0)
    counter = FlopCounter()
    with counter.counting():
        torch.ones(1).add(1)
    assert counter.flops([1]) is None
    assert counter.problem == "ZeroDivisionError: division by zero"


# How many samples


@pytest.mark.parametrize(
    ("n", "positions"),
    [
        (1, (0,)),
        (39, (0,)),
        (60, (0, 30, 59)),
        (100, (0, 50, 99, 24, 49)),
        (1000, (0, 500, 999, *(i * 999 // 15 for i in range(1, 14)))),
    ],
)
def test_a_twentieth_of_the_samples_is_counted_spread_evenly(n, positions):
    assert counted_samples(n) == positions


def test_three_that_agree_are_enough():
    counter = FlopCounter()
    layer = torch.nn.Linear(10, 20)
    for rows in (3, 3, 3):
        assert not counter.enough()
        with counter.counting():
            layer(torch.ones(rows, 10))
    assert counter.enough()
    assert counter.flops([1, 1, 1]) == FlopCount(1200, (), (1200, 1200, 1200))
    assert counter.flops([1, 1, 1]).standard_error == 0


def test_samples_that_differ_are_averaged_over_the_inferences_that_they_are():
    counter = FlopCounter()
    layer = torch.nn.Linear(10, 20)
    for rows in (4, 2):
        with counter.counting():
            layer(torch.ones(rows, 10))
    assert not counter.enough()
    assert counter.flops([4, 2]) == FlopCount(400, (), (400, 400))
    assert counter.flops([1, 1]) == FlopCount(1200, (), (1600, 800))
    assert counter.flops([1, 1]).standard_error == pytest.approx(1 / 3)
