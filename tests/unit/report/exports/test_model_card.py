"""A Hugging Face model card's metadata, read by huggingface_hub."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from types import SimpleNamespace

import pytest

from pytest_energy.report.exports.model_card import render
from pytest_energy.types.reporter import ReportError
from support.reports import (
    CARBON,
    OTHER_MACHINE,
    TRAINING,
    new,
    on_gpu,
    only_counted,
    result,
    session,
    trained,
    unmeasured,
)

hub = pytest.importorskip("huggingface_hub")
repocard = pytest.importorskip("huggingface_hub.repocard")
helpers = pytest.importorskip("huggingface_hub.utils.endpoint_helpers")


def card(*reports):
    return hub.ModelCard(render(reports))


def metrics_of(read):
    return [(each.metric_type, each.metric_value) for each in read.data.eval_results]


def test_inferences_are_results_of_the_model_index():
    read = card(session(new(dataset="stanfordnlp/sst2", task="text-classification")))
    assert read.data.model_name == "model"
    energy, carbon, accuracy = read.data.eval_results
    assert (energy.task_type, energy.dataset_type) == ("text-classification", "stanfordnlp/sst2")
    assert (energy.metric_type, energy.metric_value) == ("energy", 0.555556)
    assert energy.metric_name.startswith(
        "Wh per 1,000 inferences: tests/test_x.py::test_a; amd-epyc-2cpu-linux-x86-64-"
    )
    assert energy.metric_name.endswith("; counter (RAPL)")
    assert (carbon.metric_type, carbon.metric_value) == ("co2_eq_emissions", 0.222222)
    assert carbon.metric_name.endswith("; 400 g/kWh (Testland, 2024)")
    assert (accuracy.metric_type, accuracy.metric_value) == ("accuracy", 0.9)
    assert accuracy.metric_name.startswith("accuracy over 100 inferences: ")
    assert "co2_eq_emissions" not in read.data.to_dict()


def test_a_training_is_the_models_emissions_with_the_pue():
    carbon = replace(CARBON, pue=1.5)
    read = card(replace(session(trained()), carbon=carbon))
    emissions = read.data.to_dict()["co2_eq_emissions"]
    assert emissions == {
        "emissions": 0.5,  # 3 J x 1,000 steps at 400 g/kWh, and half of it again
        "source": "pytest-energy: the training, extrapolated from 100 metered steps;"
        " counter (RAPL); 400 g/kWh (Testland, 2024, PUE 1.5)",
        "geographical_location": "Testland",
        "hardware_used": "AMD EPYC, 2 logical CPUs",
    }
    assert read.data.eval_results is None


@pytest.mark.parametrize(
    "joules", [1e-9, 3e-7, 2e-4, 0.000123, 0.0089, 0.009, 1.0, 77.7, 1e9, 1e18, 1e22]
)
def test_the_hubs_filter_by_emissions_reads_the_figure_of_the_file(joules, tmp_path):
    training = replace(TRAINING, total_steps=100)
    path = tmp_path / "README.md"
    path.write_text(render([session(trained(joules, training))]))
    grams = joules * 100 / 3.6e6 * 400
    for _ in range(2):  # as written, and as the hub's library writes it again
        read = hub.ModelCard.load(path)
        about = SimpleNamespace(card_data=read.data)
        inside, above = (grams * 0.999, grams * 1.001), (grams * 1.001, None)
        assert helpers._is_emission_within_threshold(about, *inside)
        assert not helpers._is_emission_within_threshold(about, *above)
        read.save(path)


def test_no_figure_has_an_exponent():
    text = render([session(new(1e-7), trained(1e-7, test="t.py::b"))])
    values = [line.split(": ")[1] for line in text.splitlines() if "value:" in line]
    assert values[:2] == ["0.0000000277778", "0.0000000111111"]
    assert "emissions: " + '"0.0000000111111"' in text


def test_where_no_country_was_named_there_is_no_place():
    for place in ("world average", "as given"):
        report = replace(session(trained()), carbon=replace(CARBON, place=place))
        emissions = card(report).data.to_dict()["co2_eq_emissions"]
        assert "geographical_location" not in emissions
        assert place in emissions["source"]


def test_of_several_trainings_none_is_chosen_and_all_are_told():
    text = render([session(trained(test="t.py::pre"), trained(6.0, test="t.py::fine"), new())])
    assert "co2_eq_emissions" not in hub.ModelCard(text).data.to_dict()
    assert text.splitlines()[1:5] == [
        "# co2_eq_emissions is left out: there are 2 trainings of this model.",
        "# Write the one that made it, or their sum; in grams of CO2e:",
        "#   0.333333 t.py::pre (AMD EPYC, 2 logical CPUs)",
        "#   0.666667 t.py::fine (AMD EPYC, 2 logical CPUs)",
    ]


def test_regions_of_a_training_are_parts_of_it():
    report = session(trained(), trained(1.0, region="forward"))
    assert card(report).data.to_dict()["co2_eq_emissions"]["emissions"] == 0.333333


def test_no_two_metrics_differ_by_their_value_alone():
    """Of those the hub's `metadata_update` makes one, or refuses them."""
    read = card(
        session(
            new(),
            result(3.0, test="t.py::b"),
            new(test="t.py::d", region="decode"),
            on_gpu(test="t.py::c"),
        ),
        session(new(4.0), machine=OTHER_MACHINE),
    )
    for one, other in combinations(read.data.eval_results, 2):
        assert not one.is_equal_except_value(other)
    assert [value for kind, value in metrics_of(read) if kind == "energy"] == pytest.approx(
        [0.555556, 0.833333, 0.555556, 1.11111, 1.11111]
    )


def test_what_the_hub_needs_and_a_test_does_not_name_is_filled_truthfully():
    (read, *_) = card(session(new(task="", dataset=" "))).data.eval_results
    assert read.task_type == "other"
    assert (read.dataset_type, read.dataset_name) == (
        "test-samples",
        "samples of tests/test_x.py::test_a",
    )
    assert card(session(new(model="  "))).data.model_name == "test_a"


def test_a_card_has_room_for_one_model():
    with pytest.raises(ReportError, match=r"of one model, and there are 2 here \(a, b\); write"):
        render([session(new(test="1", model="a"), new(test="2", model="b"))])


def test_the_head_is_taken_over_into_a_card_that_there_is(tmp_path):
    path = tmp_path / "README.md"
    path.write_text("---\nlicense: mit\n---\n# A model\n")
    found = card(session(new(), trained(test="t.py::b"))).data.to_dict()
    repocard.metadata_save(path, repocard.metadata_load(path) | found)
    there = hub.ModelCard.load(path)
    assert (there.data.license, there.text.strip()) == ("mit", "# A model")
    assert there.data.to_dict()["model-index"] == found["model-index"]


def test_metadata_update_takes_it_and_a_later_one_in_its_place(tmp_path, monkeypatch):
    """What the library does with a card on the Hub, of which only the sending is left out."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "you" / "model"  # a file of the repository's name is loaded in its place
    path.parent.mkdir()
    path.write_text("---\nlicense: mit\n---\n# A model\n")
    monkeypatch.setattr(hub.ModelCard, "push_to_hub", lambda card, *_, **__: card.save(path))

    def update(*results, **options):
        hub.metadata_update("you/model", card(session(*results)).data.to_dict(), **options)
        return hub.ModelCard.load(path).data

    first = update(new(), trained(test="t.py::b"))
    assert (first.license, first.to_dict()["co2_eq_emissions"]["emissions"]) == ("mit", 0.333333)
    assert update(new(), trained(test="t.py::b")).to_dict() == first.to_dict()
    with pytest.raises(ValueError, match="new value for the existing metric"):
        update(new(4.0))
    later = update(new(4.0), new(test="t.py::c"), overwrite=True)
    assert metrics_of(SimpleNamespace(data=later))[::3] == [
        ("energy", 1.11111),
        ("energy", 0.555556),
    ]


def test_without_a_figure_there_is_no_card():
    for lacking in (unmeasured(), only_counted()):
        with pytest.raises(ReportError, match="results need a figure in joules"):
            render([session(lacking)])
    assert hub.ModelCard(render([session()])).data.to_dict() == {}
