"""The stored work of the paper's models is what a count of their architectures gives."""

from __future__ import annotations

import runpy

import pytest

from pytest_energy.papers.work import published_work
from support.examples import ROOT

MODEL, INPUT = "distilbert-base-uncased-distilled-squad", "64 tokens"


def test_a_models_work_is_counted_again_as_it_is_stored(models):
    import shapes

    script = runpy.run_path(str(ROOT / "scripts" / "count_paper_models.py"))
    (case,) = [one for one in script["cases"]() if (one.model, one.input) == (MODEL, INPUT)]
    counted = script["count"](case, shapes.SHAPES[MODEL]().to("cpu"))
    (stored,) = [one for one in published_work() if (one.model, one.input) == (MODEL, INPUT)]
    assert (counted.passes, counted.flops) == (stored.passes, stored.flops)
    assert counted.weight_bytes == stored.weight_bytes
    # Which operators there are is PyTorch's and transformers' matter, and changes with them.
    assert counted.operator_bytes == pytest.approx(stored.operator_bytes, rel=0.1)


def test_every_case_is_stored(models):
    script = runpy.run_path(str(ROOT / "scripts" / "count_paper_models.py"))
    cases = {(task, one.model, one.input) for one in script["cases"]() for task in one.tasks}
    assert {(one.task, one.model, one.input) for one in published_work()} == cases
