"""Batches, families of models, and the planted mistake."""

from __future__ import annotations

import pytest


def review(number, tokens):
    from batches import Review

    return Review(number, "word " * tokens, 1, tokens)


def test_the_batch_that_operations_are_counted_for_is_one_of_mean_length(models):
    from batches import in_batches

    lengths = [5, 5, 40, 40, 20, 20]
    batches = in_batches([review(i, n) for i, n in enumerate(lengths)], 2)
    assert [batch[0].tokens for batch in batches] == [20, 5, 40]
    assert sorted(r.number for batch in batches for r in batch) == list(range(6))


def test_sorted_batches_hold_reviews_of_like_length(models):
    from batches import in_batches

    samples = [review(i, n) for i, n in enumerate([9, 1, 8, 2])]
    assert [[r.tokens for r in batch] for batch in in_batches(samples, 2, by_length=True)] in (
        [[1, 2], [8, 9]],
        [[8, 9], [1, 2]],
    )


def test_batches_of_different_sizes_are_refused(models):
    from batches import in_batches

    with pytest.raises(ValueError, match="3 reviews make no whole batches of 2"):
        in_batches([review(i, 4) for i in range(3)], 2)


def test_the_environment_says_how_many_inferences_will_do(models, monkeypatch):
    from batches import up_to

    monkeypatch.delenv("EXAMPLES_N", raising=False)
    assert up_to(160) == 160
    monkeypatch.setenv("EXAMPLES_N", "7")
    assert (up_to(160), up_to(5), up_to(160, at_least=32)) == (7, 5, 32)


# Families of models.


@pytest.fixture
def encoder(models):
    """A BERT of three layers and few weights."""
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=32,
    )
    return BertModel(config).eval().requires_grad_(False)


def test_a_model_that_is_cut_gives_what_the_whole_one_has_after_that_layer(encoder):
    import torch
    from families import layers_of

    ids = torch.tensor([[1, 2, 3, 4]])
    whole = encoder(input_ids=ids, output_hidden_states=True).hidden_states
    for depth in (1, 2, 3):
        cut = layers_of(encoder, list(range(depth)))
        assert torch.equal(cut(input_ids=ids).last_hidden_state, whole[depth])
    assert len(encoder.encoder.layer) == 3  # the whole one stays whole


def test_models_that_are_cut_share_their_weights(encoder):
    from families import layers_of

    cut = layers_of(encoder, [0, 2])
    assert cut.embeddings.word_embeddings.weight is encoder.embeddings.word_embeddings.weight
    weights = (cut.encoder.layer[1], encoder.encoder.layer[2])
    assert len({layer.output.dense.weight.data_ptr() for layer in weights}) == 1


def test_a_student_can_be_trained_without_touching_its_teacher(encoder):
    import torch
    from compression import untrained_student
    from families import Classifier
    from models import Loaded

    encoder.encoder.layer.extend([encoder.encoder.layer[0]] * 3)  # six, as the student expects
    teacher = Classifier(Loaded(encoder, None), torch.nn.Linear(16, 1))
    before = encoder.encoder.layer[1].output.dense.weight.clone()
    student = untrained_student(teacher).encoder.model
    with torch.no_grad():
        student.encoder.layer[0].output.dense.weight.zero_()
    assert torch.equal(encoder.encoder.layer[1].output.dense.weight, before)


def test_photographs_are_cut_and_scaled_to_the_models_resolution(models):
    import numpy
    from families import ImageClassifier

    grey = numpy.full((300, 451, 3), 127, dtype=numpy.uint8)
    grey[:, :40] = 255  # at the edge, and cut off
    pixels = ImageClassifier(None, 224).prepare(grey)
    assert pixels.shape == (1, 3, 224, 224)
    assert abs(float(pixels.abs().max())) < 1e-3


def test_larger_families_are_of_the_papers_size_alone(models):
    from families import CUT, FROM_HUB, encoders

    assert encoders("small") == CUT
    assert encoders("paper") == CUT + FROM_HUB


def test_a_package_of_weights_that_is_missing_is_named_with_the_remedy(models):
    from families import _efficientnet

    with pytest.raises(LookupError, match=r"efficientnet_lite9_pytorch_model .*make demo"):
        _efficientnet("efficientnet-lite9")


def test_int8_layers_are_left_out_beside_a_gpu_alone(models):
    import torch
    from compression import why_not_int8

    assert ("CPUs only" in why_not_int8()) == torch.cuda.is_available()


def test_compiling_without_a_compiler_is_skipped_with_its_name(models, monkeypatch):
    from compression import why_not_compiled

    monkeypatch.setenv("CXX", "no-such-compiler")
    assert why_not_compiled() == "needs a compiler (no-such-compiler)"


# The gate's message, cut out of what pytest prints.


def test_the_gates_message_is_found_in_what_pytest_prints(models):
    from checkout import gate_message

    said = "F   [100%]\n____ test ____\nenergy regressed: 2 J\n  work +1 %\naccept it: x\nenergy: 1"
    assert gate_message(said) == ["energy regressed: 2 J", "  work +1 %", "accept it: x"]
    assert gate_message("energy regressed: 2 J\n  work +1 %\n\n  other") == [
        "energy regressed: 2 J",
        "  work +1 %",
    ]
    assert gate_message("1 passed") == []
