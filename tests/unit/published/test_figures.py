"""Published figures in one form: how many there are, in which units, and some of them by hand."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from pytest_energy.published import figures, sources, trainings


def _of(source: str) -> list:
    return [one for one in figures() if one.source == source]


def _one(source: str, model: str, **wanted: object):
    (found,) = [
        one
        for one in _of(source)
        if one.model == model and all(getattr(one, key) == value for key, value in wanted.items())
    ]
    return found


def test_each_source_has_as_many_figures_as_its_file_has():
    assert Counter((one.source, one.unit) for one in figures()) == {
        ("luccioni2024", "inference"): 312,
        ("aienergyscore2025", "inference"): 24,
        ("mlenergy2025", "inference"): 201,
        ("mlenergy2025", "token"): 145,
    }


def test_the_paper_has_88_models_on_ten_tasks_of_three_datasets():
    paper = _of("luccioni2024")
    assert len({one.model for one in paper}) == 88
    assert len({one.task for one in paper}) == 10
    assert len({(one.task, one.dataset) for one in paper}) == 30
    assert {one.role for one in paper} == {"task-specific", "general-purpose"}
    assert all(one.parameters and one.seconds_per_unit for one in paper)


def test_a_row_of_the_paper_is_in_joules_and_seconds_per_inference():
    # 21.319 Wh per 1,000 are 76.7484 J each; sd 0.219 Wh of ten repeats, t(9) = 2.262157.
    found = _one("luccioni2024", "bigscience/bloomz-1b7", dataset="sciq")
    half = 2.262157 * 0.219 * 3.6 / math.sqrt(10)
    assert found.joules_per_unit == pytest.approx(76.7484)
    assert found.low == pytest.approx(76.7484 - half)
    assert found.high == pytest.approx(76.7484 + half)
    assert found.seconds_per_unit == pytest.approx(0.071526)
    assert found.parameters == 1.72e9
    assert (found.unit, found.scope, found.concurrency) == ("inference", "node", 1)


def test_a_row_of_the_paper_has_the_quality_of_its_table_7():
    model = "google/flan-t5-xl"
    assert _one("luccioni2024", model, dataset="sst2").quality == {"accuracy": 0.9564}
    assert _one("luccioni2024", model, dataset="xsum").quality == {"rouge": 0.3844}
    squad = _one("luccioni2024", model, dataset="squadv2")
    assert (squad.quality, squad.note) == (
        {"f1": 0.4867},
        "F1 over the questions that have an answer",
    )


def test_a_model_that_table_7_prints_without_its_owner_has_its_accuracy():
    model = "cardiffnlp/twitter-roberta-base-sentiment-latest"
    assert _one("luccioni2024", model, dataset="imdb").quality == {"accuracy": 0.7952}


def test_every_figure_of_table_7_stands_beside_an_energy():
    # 48 models on three datasets, as printed; no other row has a quality.
    assert sum(len(one.quality) for one in figures()) == 48 * 3
    assert all(0 < value <= 1 for one in figures() for value in one.quality.values())


def test_ai_energy_score_s_kwh_per_1000_become_joules_per_query_of_the_gpu():
    found = _one("aienergyscore2025", "distilgpt2")
    assert found.joules_per_unit == pytest.approx(0.001313333 * 3600)
    assert (found.scope, found.task, found.concurrency) == ("gpu", "text-generation", 1)
    assert found.note == "5 of 5 stars in February 2025"


def test_ml_energy_has_a_figure_per_request_and_one_per_token():
    where = {"dataset": "gpqa", "concurrency": 8}
    request = _one("mlenergy2025", "Qwen/Qwen3-14B", unit="inference", **where)
    token = _one("mlenergy2025", "Qwen/Qwen3-14B", unit="token", **where)
    assert (request.joules_per_unit, token.joules_per_unit) == (
        6057.803040527457,
        0.8740947126500942,
    )
    assert request.task == token.task == "text-generation"
    assert request.parameters == 14e9
    assert request.scope == "gpu"
    assert request.note == "bfloat16, 484 W on average"


def test_an_image_of_ml_energy_is_an_inference_without_tokens():
    found = _one("mlenergy2025", "black-forest-labs/FLUX.1-dev", concurrency=1)
    assert (found.task, found.dataset, found.unit) == ("text-to-image", "", "inference")
    assert found.note == "bfloat16, 683 W on average, 50 steps, 1024 x 1024 pixels"


def test_no_figure_stands_there_twice():
    places = Counter(
        (one.source, one.task, one.dataset, one.model, one.unit, one.concurrency, one.note)
        for one in figures()
    )
    assert set(places.values()) == {1}


def test_figures_are_finite_above_zero_and_inside_their_intervals():
    for one in figures():
        assert math.isfinite(one.joules_per_unit)
        assert one.joules_per_unit > 0
        assert (one.low is None) == (one.high is None)
        if one.low is not None and one.high is not None:
            assert 0 < one.low <= one.joules_per_unit <= one.high


def test_every_figure_and_training_has_a_source_with_its_scope():
    of = {one.key: one for one in sources()}
    assert len(of) == len(sources())
    for one in (*figures(), *trainings()):
        assert one.scope == of[one.source].scope
    for one in figures():
        assert bool(of[one.source].interval) == (one.low is not None)


def test_a_source_says_all_that_a_reader_needs():
    for one in sources():
        assert all((one.key, one.title, one.hardware, one.protocol, one.licence))
        assert one.url.startswith("https://")
        assert str(one.year) in one.key


def test_trainings_are_in_joules_and_of_models_that_have_inferences():
    paper = {(one.model, one.kind): one for one in trainings() if one.source == "luccioni2024"}
    assert len(paper) == 8
    assert paper["bigscience/bloomz-7b1", "training"].joules == pytest.approx(51686 * 3.6e6)
    assert paper["bigscience/bloomz-7b1", "fine-tuning"].joules == pytest.approx(7571 * 3.6e6)
    assert {model for model, _ in paper} <= {one.model for one in figures()}


def test_a_training_whose_power_was_not_public_is_left_out():
    strubell = [one for one in trainings() if one.source == "strubell2019"]
    assert [one.model for one in strubell] == [
        "Transformer_base",
        "Transformer_big",
        "ELMo",
        "BERT_base",
        "NAS",
    ]
    assert strubell[3].joules == pytest.approx(1507 * 3.6e6)
    assert not any("TPU" in one.hardware for one in strubell)
