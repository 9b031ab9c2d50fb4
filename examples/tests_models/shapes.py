"""The papers' architectures with random weights, for where no hub is.

An inference takes the same operations, whatever the weights, as long as they are no special values:
they are drawn from normal(0, 0.02), since operand values change a GPU's power (arXiv 2409.18324).
Configurations are those of the models' cards; parameters agree with the paper's table to 1 %
(heads aside, which it leaves out for some).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hub
import numpy
import torch
import transformers as t
from transformers.initialization import no_init_weights

SEED = 0

DRAWN = 2**22 - 3
"""Numbers that are drawn, and come round again: drawing one takes ten times as long as copying it.
A prime, so that no two rows of a matrix are the same."""


def random_weights(model: torch.nn.Module) -> torch.nn.Module:
    """Fill a model: matrices from normal(0, 0.02), scales of norms around 1, biases around 0.

    In place, without a copy: a model of 560 million parameters takes 2.2 GB and no more.

    Args:
        model: of float32 parameters, on the CPU.

    Returns:
        The same, on the device, for inference only.
    """
    drawn = numpy.random.default_rng(SEED).standard_normal(DRAWN, dtype=numpy.float32) * 0.02
    model.eval().requires_grad_(False)
    taken = 0
    for name, parameter in model.named_parameters():  # shared ones once
        values = parameter.numpy().reshape(-1)
        for start in range(0, values.size, DRAWN):
            part = values[start : start + DRAWN]
            first = min(part.size, DRAWN - taken)
            part[:first] = drawn[taken : taken + first]
            part[first:] = drawn[: part.size - first]
            taken = (taken + part.size) % DRAWN
        if parameter.dim() == 1 and name.endswith("weight"):
            parameter.add_(1)
    for name, buffer in model.named_buffers():  # frozen norms keep their scales here
        if name.endswith((".weight", ".bias")):
            buffer.fill_(float(name.endswith("weight")))
    return model.to(hub.device())


def of(architecture: Any, configuration: Any) -> torch.nn.Module:
    """A model of an architecture.

    Args:
        architecture: its class.
        configuration: what its class takes.
    """
    with no_init_weights():  # they are about to be overwritten
        model = architecture(configuration)
    model.tie_weights()
    return random_weights(model)


def _bart(width: int, layers: int, heads: int) -> torch.nn.Module:
    model = of(
        t.BartForConditionalGeneration,
        t.BartConfig(
            d_model=width,
            encoder_layers=layers,
            decoder_layers=layers,
            encoder_attention_heads=heads,
            decoder_attention_heads=heads,
            encoder_ffn_dim=4 * width,
            decoder_ffn_dim=4 * width,
        ),
    )
    # As in the config.json of facebook/bart-base and bart-large-cnn, whose lengths are the test's.
    model.generation_config.num_beams = 4
    model.generation_config.no_repeat_ngram_size = 3
    model.generation_config.early_stopping = True
    return model


def _bert_large(**others: Any) -> dict[str, Any]:
    return {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
        **others,
    }


def _flan_t5(width: int, inner: int, layers: int, heads: int) -> t.T5Config:
    return t.T5Config(
        vocab_size=32128,
        d_model=width,
        d_kv=64,
        d_ff=inner,
        num_layers=layers,
        num_heads=heads,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
        decoder_start_token_id=0,
    )


def _detr() -> torch.nn.Module:
    backbone = t.ResNetConfig(out_features=["stage4"])
    return of(
        t.DetrForObjectDetection,
        t.DetrConfig(
            backbone_config=backbone, use_timm_backbone=False, use_pretrained_backbone=False
        ),
    )


SHAPES: dict[str, Callable[[], torch.nn.Module]] = {
    "distilbert-base-uncased-finetuned-sst-2-english": lambda: of(
        t.DistilBertForSequenceClassification, t.DistilBertConfig()
    ),
    "siebert/sentiment-roberta-large-english": lambda: of(
        t.RobertaForSequenceClassification,
        t.RobertaConfig(**_bert_large(vocab_size=50265, max_position_embeddings=514)),
    ),
    "distilbert-base-uncased-distilled-squad": lambda: of(
        t.DistilBertForQuestionAnswering, t.DistilBertConfig()
    ),
    "bert-large-uncased-whole-word-masking-finetuned-squad": lambda: of(
        t.BertForQuestionAnswering, t.BertConfig(**_bert_large())
    ),
    "bert-base-uncased": lambda: of(t.BertForMaskedLM, t.BertConfig()),
    "dslim/bert-base-NER": lambda: of(
        t.BertForTokenClassification, t.BertConfig(vocab_size=28996, num_labels=9)
    ),
    "ainize/bart-base-cnn": lambda: _bart(768, 6, 12),
    "facebook/bart-large-cnn": lambda: _bart(1024, 12, 16),
    "facebook/detr-resnet-50": _detr,
    "microsoft/git-base": lambda: of(t.GitForCausalLM, t.GitConfig()),
    "google/flan-t5-base": lambda: of(t.T5ForConditionalGeneration, _flan_t5(768, 2048, 12, 12)),
    "bigscience/bloomz-560m": lambda: of(
        t.BloomForCausalLM,
        t.BloomConfig(vocab_size=250880, hidden_size=1024, n_layer=24, n_head=16),
    ),
}
"""By the hub's id."""
