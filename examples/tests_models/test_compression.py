"""What one can do about it: the same model in other forms, each with its saving and its price.

One classifier, distilled, in fewer bits, in batches, with and without padding, compiled; one
generator with and without its cache. A row is joules per inference beside how good the answers are.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from statistics import fmean

import compression
import hub
import pytest
from batches import LARGEST, N, in_batches, to_classify, up_to
from checkout import Checkout, gate_message
from closing import columns
from generation import continuation

from pytest_energy.types.units import format_flops, format_joules

HEADING = "what one can do about it"

BY_OPERATIONS = hub.device() == "cpu"
"""Whether energy follows operations for models as small as these; a GPU mostly waits for the next
one to be launched, and what takes how much there is for the table at the end to say."""

inference = functools.partial(pytest.mark.inference, tolerance="10%")


@dataclass(frozen=True, slots=True)
class Variant:
    """A way to run the classifier.

    Args:
        name: in reports.
        on_shelf: the classifier's name on the shelf.
        batch: reviews at once.
        by_length: put reviews of like length into a batch.
        padding: `longest` of the batch, or `max_length`: 256 tokens.
    """

    name: str
    on_shelf: str = "minilm-6"
    batch: int = 1
    by_length: bool = False
    padding: str = "longest"


BASELINE = Variant("MiniLM, fp32, one by one")
DISTILLED = Variant("distilled to 3 layers", "minilm-distilled")
BF16 = Variant("bf16", "minilm-bf16")
INT8 = Variant("int8, dynamic", "minilm-int8")
COMPILED = Variant("compiled", "minilm-compiled")
PADDED = Variant("padded to 256 tokens", padding="max_length")
BATCHES = (
    Variant("batches of 8", batch=8),
    Variant("batches of 32", batch=32),
    Variant("batches of 32, by length", batch=32, by_length=True),
)
VARIANTS = (BASELINE, DISTILLED, BF16, INT8, COMPILED, PADDED, *BATCHES)


def parameter(variant: Variant):
    marks = [
        # A unit of its own: joules of a review are the same thing in a batch of any size.
        inference(
            n=N // variant.batch,
            unit="review",
            task="text-classification",
            model=variant.name,
            dataset="movie-review-snippets",
        ),
        pytest.mark.models(variant.on_shelf),
    ]
    lacks = {
        COMPILED.name: compression.why_not_compiled,
        INT8.name: compression.why_not_int8,
    }.get(variant.name, str)()
    if lacks:
        marks.append(pytest.mark.skip(reason=lacks))
    return pytest.param(variant, id=variant.name, marks=marks)


@pytest.mark.parametrize("variant", [parameter(variant) for variant in VARIANTS])
def test_variant(energy, shelf, variant):
    classify = shelf[variant.on_shelf]._replace(padding=variant.padding)
    reviews = to_classify(classify.encoder.tokenizer)
    right, seen, programs = {}, 0, None
    for batch in energy.each(in_batches(reviews, variant.batch, variant.by_length)):
        if variant is COMPILED and programs is None:
            programs = compression.programs()
        answers = classify([review.text for review in batch])
        seen += len(batch)
        for review, answer in zip(batch, answers, strict=True):
            right[review.number] = answer == review.label
    energy.record(reviews=seen, accuracy=fmean(right.values()))
    assert fmean(right.values()) > 0.6
    if variant is COMPILED:
        assert compression.programs() == programs, "it was compiled again while it was metered"


def result(energy_results, name):
    """The result of one row; the test that asks is skipped without it."""
    found = [one for one in energy_results.where(model=name) if one.measurement is not None]
    if not found:
        pytest.skip(f"needs the measurement of: {name}")
    return found[-1]


def ratio(energy_results, name, over=BASELINE.name):
    result(energy_results, name), result(energy_results, over)
    return energy_results.where(model=name).ratio(energy_results.where(model=over))


def flops(energy_results, name):
    """Operations for one review (or generation), as counted for the first batch."""
    measurement = result(energy_results, name).measurement
    return measurement.flops.count * measurement.metered_count / measurement.unit_count


def accuracy(energy_results, name):
    return result(energy_results, name).measurement.recorded["accuracy"]


@pytest.mark.models("minilm-6", "minilm-distilled")
def test_a_student_learns_what_its_teacher_makes_of_unseen_reviews(shelf):
    teacher, student = shelf["minilm-6"], shelf["minilm-distilled"]
    unseen = [review.text for review in to_classify(teacher.encoder.tokenizer, 32)]
    before = compression.distance(compression.untrained_student(teacher), teacher, unseen)
    assert compression.distance(student, teacher, unseen) < before / 2


def test_half_the_layers_take_half_the_operations_and_less_energy(energy_results):
    share = flops(energy_results, DISTILLED.name) / flops(energy_results, BASELINE.name)
    assert share == pytest.approx(0.5, abs=0.01)
    if BY_OPERATIONS:
        assert ratio(energy_results, DISTILLED.name).value < 0.9


def test_padding_is_work_that_buys_nothing(energy_results):
    assert flops(energy_results, PADDED.name) > 3 * flops(energy_results, BASELINE.name)
    if BY_OPERATIONS:
        assert ratio(energy_results, PADDED.name).value > 2
    same = accuracy(energy_results, BASELINE.name)
    assert accuracy(energy_results, PADDED.name) == pytest.approx(same, abs=0.02)


def test_sorting_by_length_saves_operations_in_batches(energy_results):
    if N // LARGEST < 4:
        pytest.skip(f"needs four batches of {LARGEST}, and EXAMPLES_N leaves fewer")
    *_, in_order, by_length = (variant.name for variant in BATCHES)
    assert flops(energy_results, by_length) < flops(energy_results, in_order)


def test_operations_cannot_tell_bf16_from_fp32(energy_results):
    assert flops(energy_results, BF16.name) == flops(energy_results, BASELINE.name)


def test_operations_in_int8_are_as_many_as_in_fp32(energy_results):
    result(energy_results, INT8.name)
    assert flops(energy_results, INT8.name) == flops(energy_results, BASELINE.name)


GENERATIONS = up_to(5, 2)
NEW_TOKENS = 32
CACHED, UNCACHED = "SmolLM2, KV cache", "SmolLM2, no KV cache"

generation = functools.partial(
    inference,
    n=GENERATIONS,
    warmup=1,
    task="text-generation",
    dataset="movie-review-snippets",
)


@pytest.fixture(scope="module")
def written():
    """What the model wrote with its cache, by review."""
    return {}


def generate(energy, shelf, use_cache):
    model = shelf["smollm2"]
    found = {}
    for review in energy.each(to_classify(model.tokenizer, GENERATIONS)):
        found[review.number] = continuation(model, review.text, NEW_TOKENS, use_cache)
    return found


@generation(model=CACHED)
@pytest.mark.models("smollm2")
def test_generation_with_its_cache(energy, shelf, written):
    written.update(generate(energy, shelf, use_cache=True))
    assert all(len(tokens) == NEW_TOKENS for tokens in written.values())


@generation(model=UNCACHED)
@pytest.mark.models("smollm2")
def test_generation_without_its_cache(energy, shelf, written):
    found = generate(energy, shelf, use_cache=False)
    if not written:
        pytest.skip("needs what the test above generated")
    same = [a == b for n in found for a, b in zip(found[n], written[n], strict=True)]
    energy.record(same_tokens=fmean(same))
    assert fmean(same) > 0.5


def test_without_its_cache_a_generator_does_the_same_with_several_times_the_work(energy_results):
    assert flops(energy_results, UNCACHED) > 5 * flops(energy_results, CACHED)
    if BY_OPERATIONS:
        assert ratio(energy_results, UNCACHED, CACHED).value > 1.3


def test_savings_and_their_price_side_by_side(energy_results, say):
    result(energy_results, BASELINE.name)
    measured = [v.name for v in VARIANTS if energy_results.where(model=v.name).measurements]
    rows = [["variant", "J/review", "times", "95 %", "accuracy", "FLOP/review"]]
    for name in measured:
        rows.append(row(energy_results, name, BASELINE.name, "accuracy"))
    say(HEADING, *columns(rows), "")
    if all(energy_results.where(model=name).measurements for name in (CACHED, UNCACHED)):
        rows = [["variant", f"J/{NEW_TOKENS} tokens", "times", "95 %", "same tokens", "FLOP"]]
        rows += [row(energy_results, n, CACHED, "same_tokens") for n in (CACHED, UNCACHED)]
        say(HEADING, *columns(rows), "")
    assert len(measured) > 1


def row(energy_results, name, baseline, quality):
    measurement = result(energy_results, name).measurement
    against, interval = ratio(energy_results, name, baseline), ""
    if name == baseline:
        interval = "baseline"
    elif against.interval is not None:
        interval = f"{against.low:.2f} to {against.high:.2f}"
    bought = (measurement.recorded or {}).get(quality)
    flops_unavailable = "*" if measurement.flops and measurement.flops.without_formula else ""
    return [
        name,
        format_joules(measurement.joules_per_unit),
        f"{against.value:.2f}",
        interval,
        "" if bought is None else f"{bought:.3f}",
        format_flops(flops(energy_results, name)) + flops_unavailable if measurement.flops else "",
    ]


@pytest.mark.skipif(not BY_OPERATIONS, reason="texts this short take a GPU as long without a cache")
def test_a_lost_cache_turns_the_gate_red(tmp_path, say):
    now = Checkout(tmp_path / "now")
    stored = now.run("--energy-update", f"--energy-baselines={tmp_path / 'baselines'}")
    assert "1 passed" in stored, stored
    if list(tmp_path.glob("baselines/*/*/*.json")):
        now.lose_the_cache()
        said = now.run(f"--energy-baselines={tmp_path / 'baselines'}")
    else:  # a busy machine stores nothing; two interleaved revisions can still be distinguished
        before = Checkout(tmp_path / "before")
        now.lose_the_cache()
        said = now.run(f"--energy-against={before.folder}")
    assert "1 failed" in said, said
    message = gate_message(said.replace(f"{tmp_path}/", ""))
    assert message, said
    (work,) = [line for line in message if line.split()[:1] == ["work"]]
    assert "+" in work
    assert "each inference does more operations" in " ".join(" ".join(message).split())
    say(HEADING, "a lost KV cache, as the gate tells it:", *message)
