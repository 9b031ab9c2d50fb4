"""The paper's energies over the bounds of its board."""

from __future__ import annotations

import pytest

from pytest_energy.papers import luccioni, work
from pytest_energy.papers.desislavov import lower_bound_joules


def of(model: str, text: str = "64 tokens", task: str = "") -> work.Distance:
    (found,) = [
        one
        for one in work.distances()
        if (one.work.model, one.work.input) == (model, text) and task in one.work.task
    ]
    return found


def test_every_counted_model_is_one_of_the_papers_on_that_task():
    for one in work.published_work():
        assert luccioni.where(one.task, model=one.model), one


def test_weights_are_read_once_per_pass():
    sizes = {row.model: row.parameters for row in luccioni.models()}
    for one in work.published_work():
        in_fp32 = 4 * sizes[one.model] * one.passes
        # Of embeddings only rows, of an encoder its part in one pass only; a head comes on top,
        # where the paper's count is without one.
        assert 0.4 * in_fp32 < one.weight_bytes < 1.1 * in_fp32
        assert one.weight_bytes < one.operator_bytes
        # The A100's cache of 40 MB can keep a quarter of a pass's at most.
        assert one.weight_bytes / one.passes > 4 * 40e6


def test_bert_on_64_tokens_is_37_to_39_times_its_bound_with_and_without_memory():
    """Its weights are read in a third of the time that the operations take."""
    found = of("bert-base-uncased")
    assert found.joules.least == pytest.approx(10.66, rel=0.001)
    assert (round(found.operations.least), round(found.operations.most)) == (37, 39)
    assert found.with_memory == found.operations == found.by_operator


def test_on_short_texts_memory_is_berts_bound_and_does_not_depend_on_the_length():
    found = of("bert-base-uncased", "16 tokens")
    assert (round(found.operations.least), round(found.operations.most)) == (149, 159)
    assert (round(found.with_memory.least), round(found.with_memory.most)) == (125, 133)
    # However short the text is, the weights are read once.
    at_least = lower_bound_joules(0, found.device, found.work.weight_bytes)
    assert found.joules.most / at_least == pytest.approx(found.with_memory.most)
    longer = of("bert-base-uncased", "256 tokens").work.weight_bytes
    assert longer == pytest.approx(found.work.weight_bytes, rel=0.01)


@pytest.mark.parametrize(
    ("model", "text", "alone", "with_memory"),
    [
        ("google/flan-t5-base", "64 tokens, 10 new", 109, 33),
        ("bigscience/bloomz-560m", "64 tokens, 10 new", 38, 8.8),
    ],
)
def test_token_by_token_memory_decides(model, text, alone, with_memory):
    found = of(model, text, "text-classification")
    assert found.operations.mean == pytest.approx(alone, rel=0.02)
    assert found.with_memory.mean == pytest.approx(with_memory, rel=0.02)


def test_more_traffic_is_never_a_lower_bound():
    for one in work.distances():
        assert one.by_operator.least <= one.with_memory.least <= one.operations.least
        assert one.joules.least <= one.joules.mean <= one.joules.most
