"""What the models of the examples can take."""

from __future__ import annotations

from importlib.util import find_spec

import pytest


def tokenizer(**settings):
    """One token a word."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"[UNK]": 0, "<pad>": 1, "word": 2}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", **settings)


def test_a_text_longer_than_a_roberta_has_positions_is_cut_to_those(models):
    import tasks
    import torch
    from models import Loaded
    from transformers import RobertaConfig, RobertaForSequenceClassification

    shape = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    # As BERTweet: 130 positions, of which a text gets 128.
    config = RobertaConfig(vocab_size=3, max_position_embeddings=130, pad_token_id=1, **shape)
    model = RobertaForSequenceClassification(config).eval()
    lengths = []
    model.register_forward_pre_hook(
        lambda _, __, inputs: lengths.append(inputs["input_ids"].shape[1]), with_kwargs=True
    )
    assert tasks.classify_text(Loaded(model, tokenizer()))("word " * 600) in ("LABEL_0", "LABEL_1")
    tasks.classify_text(Loaded(model, tokenizer(model_max_length=20)))("word " * 600)
    assert lengths == [128, 20]
    with pytest.raises((IndexError, RuntimeError), match="out of"), torch.inference_mode():
        model(input_ids=torch.full((1, 129), 2))


def test_a_model_that_gives_its_own_padding_token_writes_captions(models):
    import tasks
    import torch
    from models import Loaded
    from transformers import BatchEncoding, BlipConfig, BlipForConditionalGeneration

    shape = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    text = {"vocab_size": 30, "encoder_hidden_size": 8, "intermediate_size": 8, **shape}
    text |= {"bos_token_id": 1, "eos_token_id": 2, "sep_token_id": 2, "pad_token_id": 0}
    vision = {"image_size": 32, "patch_size": 16, "intermediate_size": 8, **shape}
    model = BlipForConditionalGeneration(BlipConfig(text_config=text, vision_config=vision)).eval()

    class Processor:
        def __call__(self, images, return_tensors):
            return BatchEncoding({"pixel_values": torch.zeros(1, 3, 32, 32)})

        def decode(self, ids, skip_special_tokens):
            return f"{len(ids)} tokens"

    said = tasks.caption(Loaded(model, Processor()))(None)
    assert said == f"{1 + tasks.NEW_TOKENS} tokens"  # the first is where it begins


def test_a_model_that_needs_a_package_which_is_missing_says_how_to_install_it(models):
    if find_spec("timm") is not None:
        pytest.skip("timm is installed")
    from paper_models import GONE

    from pytest_energy.papers import luccioni

    needing = {row.model for row in luccioni.models() if "needs timm" in GONE.get(row.model, "")}
    assert len(needing) == 3
    assert "pip install '.[papers]'" in GONE["SenseTime/deformable-detr"]
