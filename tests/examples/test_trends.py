"""The examples' own machinery: what is said at the end of a run, families of models, their trends.

With models of a few hundred weights and measurements of known joules: seconds, no downloads.
"""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from pytest_energy import Domain, Measurement, Method
from pytest_energy.types.measurement import Block, FlopCount

EXAMPLES = Path(__file__).parents[1] / "examples" / "tests_models"


@pytest.fixture
def models(examples):
    """The same, where torch and transformers are."""
    missing = [name for name in ("torch", "transformers", "datasets") if find_spec(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")


# What is said at the end of a run.

CONFTEST = """
import pytest
from closing import Closing

closing = Closing()

@pytest.fixture(scope="session")
def say():
    return closing.say

def pytest_terminal_summary(terminalreporter):
    closing.write(terminalreporter)
"""


def test_what_tests_say_stands_at_the_end_without_a_flag(examples, pytester):
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(
        """
        def test_first(say): say("compute", "a line", "two\\nmore")
        def test_second(say): say("savings", "another heading")
        def test_third(say): say("compute", "below the first")
        """
    )
    said = pytester.runpytest("-p", "no:cacheprovider").outlines
    where = next(i for i, line in enumerate(said) if line.strip("- ") == "compute")
    assert said[where + 1 : where + 5] == ["a line", "two", "more", "below the first"]
    assert said[where + 5].strip("- ") == "savings"


def run_in_workers(workers, folder, test):
    """Run a test beside the examples' conftest in workers of pytest-xdist; what pytest said."""
    if find_spec("xdist") is None or find_spec("torch") is None:
        pytest.skip("needs pytest-xdist and the example models' packages")
    for name in ("conftest.py", "closing.py", "shelf.py"):
        shutil.copy(EXAMPLES / name, folder / name)
    (folder / "test_it.py").write_text(test)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"-n{workers}"]
    done = subprocess.run(
        [*command, "--rootdir=."], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_workers_of_xdist_have_said_reaches_the_terminal(tmp_path):
    test = "def test_it(say, size): say('compute', f'said in a worker: {size}')\n"
    assert "\nsaid in a worker: small\n" in run_in_workers(1, tmp_path, test)


def test_where_models_came_from_is_said_once_also_when_workers_of_xdist_loaded_them(tmp_path):
    test = (
        "import pytest\n"
        "from shelf import loads\n"
        "loads('body')(lambda: (object(), 'body from afar'))\n"
        "@pytest.mark.models('body')\n"
        "@pytest.mark.parametrize('n', range(4))\n"
        "def test_it(shelf, n): assert shelf['body']\n"
    )
    assert run_in_workers(2, tmp_path, test).count("model: body from afar\n") == 1


def test_the_planted_mistake_is_run_by_its_path_alone(tmp_path):
    if find_spec("torch") is None or find_spec("transformers") is None:
        pytest.skip("needs the example models' packages")
    for name in ("conftest.py", "closing.py", "shelf.py"):
        shutil.copy(EXAMPLES / name, tmp_path / name)
    (tmp_path / "planted").mkdir()
    for path in ("test_it.py", "planted/test_generation.py"):
        (tmp_path / path).write_text(
            f"def test_of_{path.partition('/')[0]}(): pass\n".replace(".", "_")
        )
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    whole, path = (
        subprocess.run(
            [*command, "--rootdir=.", target],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        for target in (".", "planted/test_generation.py")
    )
    assert "test_of_planted" in path
    assert "test_of_test_it_py" in whole
    assert "test_of_planted" not in whole


def test_tables_have_names_on_the_left_and_figures_on_the_right(examples):
    from closing import columns

    assert list(columns([["model", "J"], ["tiny", "0.5"], ["larger", "12"]])) == [
        "model     J",
        "tiny    0.5",
        "larger   12",
    ]


def test_what_looks_like_markup_is_printed_as_it_is_and_without_colours(examples, monkeypatch):
    from closing import columns

    monkeypatch.setenv("FORCE_COLOR", "1")
    assert list(columns([["model", "J"], ["[bold]tiny :cat:", "0.5"]])) == [
        "model               J",
        "[bold]tiny :cat:  0.5",
    ]


def test_a_table_with_a_row_too_short_too_long_or_too_wide_is_an_error(examples):
    from closing import columns

    with pytest.raises(ValueError, match=r"row 1 is shorter than the head: \['tiny'\]"):
        list(columns([["model", "J"], ["tiny"]]))
    with pytest.raises(ValueError, match="row 1 is longer"):
        list(columns([["model", "J"], ["tiny", "1", "2"]]))
    assert len(list(columns([["model", "J"], ["x" * 97, "1"]]))) == 2  # 100 columns are not
    with pytest.raises(ValueError, match="wider than 100 columns"):
        list(columns([["model", "J"], ["x" * 98, "1"]]))


# How energy grows over a family.


def measurement(joules, flops, blocks=20, metered_count=20, unit_count=None, accuracy=None):
    """Of `metered_count` inferences of so many joules each, in blocks that scatter by a percent."""
    domain = Domain("cpu", "cpu", Method.COUNTER, "RAPL", 0.0)
    each = metered_count // blocks
    return Measurement(
        ("scripted",),
        (domain,),
        tuple(
            Block(each, 1.0, (joules * each * (1.01 if i % 2 else 0.99),)) for i in range(blocks)
        ),
        metered_count,
        metered_count if unit_count is None else unit_count,
        recorded={} if accuracy is None else {"accuracy": accuracy},
        flops=None if flops is None else FlopCount(flops),
    )


def test_energy_in_proportion_to_operations_has_slope_one(examples):
    from trends import point, slope

    points = [point(str(f), measurement(f * 1e-9, f)) for f in (10**9, 3 * 10**9, 10**10)]
    found = slope(points)
    assert found.value == pytest.approx(1)
    assert found.low < 1 < found.high
    assert found.high - found.low < 0.02  # blocks scatter by one percent
    assert [one.joules_per_gflop for one in points] == pytest.approx([1, 1, 1])


def test_energy_that_grows_as_the_root_of_operations_has_slope_one_half(examples):
    from trends import point, slope

    points = [point(str(f), measurement(math.sqrt(f), f)) for f in (10**6, 10**8)]
    assert slope(points).value == pytest.approx(0.5)


def test_a_slope_without_blocks_has_no_interval(examples):
    from trends import point, slope

    points = [point(str(f), measurement(f, f, blocks=4)) for f in (10, 100)]
    assert (slope(points).low, slope(points).high) == (None, None)


@pytest.mark.parametrize("flops", [[], [100], [100, 100]])
def test_a_slope_needs_models_of_different_size(examples, flops):
    from trends import point, slope

    with pytest.raises(ValueError, match="different size"):
        slope([point(str(f), measurement(1.0, f)) for f in flops])


def test_operations_of_a_batch_are_divided_by_what_it_held(examples):
    from trends import point

    # 20 batches of 8 reviews; what was counted is a batch.
    assert point("batch", measurement(1.0, 800, unit_count=160)).flops == 100


def test_a_model_whose_operations_nobody_counted_is_no_point(examples):
    from trends import point

    with pytest.raises(ValueError, match="tiny: no operations were counted"):
        point("tiny", measurement(1.0, None))


def test_the_next_point_of_accuracy_has_a_price_only_where_there_is_one(examples):
    from trends import joules_of_next_point, point

    small = point("small", measurement(1.0, 10, accuracy=0.70))
    large = point("large", measurement(3.0, 30, accuracy=0.74))
    assert small.joules_per_point == pytest.approx(1 / 70)
    assert joules_of_next_point(small, large) == pytest.approx(0.5)
    assert joules_of_next_point(large, small) is None
    assert joules_of_next_point(small, point("unknown", measurement(9.0, 90))) is None


# Reviews, in batches.


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
