"""Over many architectures: outputs are the same to the last bit, counted or not, and counts too."""

from __future__ import annotations

import pytest

from pytest_energy.counting.counter import Counter

torch = pytest.importorskip("torch", reason="needs torch")
transformers = pytest.importorskip("transformers", reason="needs transformers")

SMALL = {
    "vocab_size": 60,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
"""As most configurations name it."""

D_MODEL = {
    "vocab_size": 60,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 2,
}
IMAGE = {"image_size": 32, "patch_size": 8}
WIDTHS = {"hidden_sizes": [8, 16, 16, 16], "depths": [1, 1, 1, 1], "num_labels": 3}

ENCODERS = {
    "BertModel": SMALL,
    "AlbertModel": SMALL | {"embedding_size": 16},
    "DistilBertModel": {"vocab_size": 60, "dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64},
    "DebertaV2Model": SMALL | {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "FNetModel": SMALL | {"pad_token_id": 3},
    "T5EncoderModel": {"vocab_size": 60, "d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2},
}
WRITERS = {
    "GPT2LMHeadModel": {"vocab_size": 60, "n_embd": 32, "n_layer": 2, "n_head": 2},
    "LlamaForCausalLM": SMALL | {"num_key_value_heads": 1},
    "BloomForCausalLM": {"vocab_size": 60, "hidden_size": 32, "n_layer": 2, "n_head": 2},
    "MixtralForCausalLM": SMALL | {"num_key_value_heads": 1, "num_local_experts": 4},
    "MambaForCausalLM": SMALL | {"state_size": 4},
    "BartForConditionalGeneration": D_MODEL | {"forced_eos_token_id": None},
    "T5ForConditionalGeneration": ENCODERS["T5EncoderModel"] | {"decoder_start_token_id": 0},
}
SEEING = {
    "ViTModel": SMALL | IMAGE,
    "YolosForObjectDetection": SMALL | {"image_size": [32, 32], "num_detection_tokens": 5},
    "ResNetForImageClassification": WIDTHS | {"embedding_size": 8},
    "ConvNextForImageClassification": WIDTHS,
    "SwinModel": IMAGE | {"patch_size": 2, "embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2]},
}


def made(name):
    architecture = getattr(transformers, name)
    torch.manual_seed(0)
    return architecture(architecture.config_class(**(ENCODERS | WRITERS | SEEING)[name]))


def tokens(length):
    return torch.arange(length).unsqueeze(0) % 50 + 3


def read(model):
    return tensors_in(model(tokens(16)))


def seen(model):
    generator = torch.Generator().manual_seed(1)
    return tensors_in(model(torch.randn(2, 3, 32, 32, generator=generator)))


def tensors_in(output):
    return [each for each in output.to_tuple() if isinstance(each, torch.Tensor)]


def written(model, **how):
    ids = tokens(9)
    lengths = {"max_new_tokens": 4, "min_new_tokens": 4, "pad_token_id": 0}
    return [model.generate(ids, attention_mask=torch.ones_like(ids), **lengths, **how)]


def greedily(model):
    return written(model, do_sample=False)


def by_chance(model):
    return written(model, do_sample=True, top_k=10)


def in_beams(model):
    return written(model, do_sample=False, num_beams=3, no_repeat_ngram_size=2)


CASES = [
    *((name, read, mode) for name in ENCODERS for mode in ("inference", "training")),
    *((name, seen, mode) for name in SEEING for mode in ("inference", "training")),
    *((name, by_chance, "inference") for name in WRITERS),
    ("GPT2LMHeadModel", greedily, "inference"),
    ("GPT2LMHeadModel", by_chance, "training"),
    ("BartForConditionalGeneration", in_beams, "inference"),
]


@pytest.mark.parametrize(
    ("name", "infer", "mode"), CASES, ids=[f"{name}-{mode}" for name, _, mode in CASES]
)
def test_outputs_are_the_same_counted_or_not_and_so_are_counts(name, infer, mode):
    model = made(name).train(mode == "training")
    before = [each.clone() for each in model.buffers()]

    def outcome():
        torch.manual_seed(7)
        for buffer, was in zip(model.buffers(), before, strict=True):
            buffer.copy_(was)  # a norm in training follows what it sees
        with torch.no_grad():
            return infer(model)

    outcome()
    plain = outcome()
    counter = Counter()
    for _ in range(2):
        with counter.counting():
            counted = outcome()
        assert all(map(torch.equal, plain, counted))
    assert all(map(torch.equal, plain, outcome()))
    counts = counter.counts([1] * 2)
    assert counts.operators_unavailable == ""
    assert counts.python_unavailable == ""
    assert counts.total.flops > 0
    assert len(set(counts.samples)) == 1


@pytest.mark.parametrize("name", ["BertModel", "ResNetForImageClassification", "GPT2LMHeadModel"])
def test_gradients_are_the_same_counted_or_not(name):
    model = made(name).train()
    given = torch.ones(2, 3, 32, 32) if name in SEEING else tokens(16)

    def gradients():
        torch.manual_seed(7)
        model.zero_grad()
        tensors_in(model(given))[0].square().mean().backward()
        return [each.grad.clone() for each in model.parameters() if each.grad is not None]

    plain = gradients()
    counter = Counter()
    with counter.counting():
        counted = gradients()
    assert plain
    assert all(map(torch.equal, plain, counted))
    assert counter.counts([1]).operators_unavailable == ""
