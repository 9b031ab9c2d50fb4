"""Ten tasks, from text classification to image generation: what does an inference of each take?

After Luccioni, Jernite and Strubell, "Power Hungry Processing" (arXiv 2311.16863), Table 2: batch
size 1, texts of a fixed length (ten new tokens, ten to fifteen of a summary), images of 640 × 480;
with a warm-up, which the paper has none of. One model a task by default, small enough for a laptop;
with `--size paper` the paper's own runs, up to 24 a task, of 1,000 inferences each.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean
from typing import Any

import cases
import diffusion
import families
import hub
import numpy
import pytest
import samples
import tasks
import torch
from batches import up_to
from closing import columns
from models import Loaded
from sentiment import embed
from shelf import loads

from pytest_energy.analysis.ranks import ranks, spearman
from pytest_energy.papers import luccioni
from pytest_energy.papers.luccioni import SPECIFIC

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
SMOLLM2 = "HuggingFaceTB/SmolLM2-135M-Instruct"


@loads("minilm-classifier", "minilm", "minilm-head")
def minilm_classifier(minilm: Loaded, head: torch.nn.Linear) -> tuple[tasks.Run, str]:
    """MiniLM with a linear head, trained on the first reviews: text in, label out."""

    @torch.inference_mode()
    def classify(text: str) -> str:
        return "positive" if head(embed(minilm, [text])).item() > 0 else "negative"

    return classify, ""


def as_it_is(run: tasks.Run) -> tasks.Run:
    """What stands on the shelf is called with a sample already."""
    return run


def classify_photograph(classifier: families.ImageClassifier) -> tasks.Run:
    """A PIL image in, number of the likeliest class out."""
    return lambda image: classifier(classifier.prepare(numpy.asarray(image)))


def paint_small(pipeline: Any) -> tasks.Run:
    """A prompt in, an image out, always from the same noise."""

    def run(prompt: str) -> Any:
        noise = torch.Generator().manual_seed(0)
        return tasks.paint(pipeline, num_inference_steps=diffusion.STEPS, generator=noise)(prompt)

    return run


def small() -> Iterator[cases.Case]:
    """One model a task, in the order of the paper's Table 2.

    The hub's where it can be had. Without one, real weights from packages for three of them; the
    others know nothing, and no accuracy is recorded.
    """
    sst2 = "distilbert-base-uncased-finetuned-sst-2-english"
    if hub.has(sst2):
        model, on_shelf, perform = sst2, sst2, tasks.classify_text
    else:
        model = f"{hub.name(MINILM, hub.PACKAGE)}, a linear head"
        on_shelf, perform = "minilm-classifier", as_it_is
    yield cases.Case(
        "text-classification",
        SPECIFIC,
        model,
        "movie-review-snippets",
        up_to(100),
        on_shelf,
        perform,
        samples.reviews,
        cases.says_the_word,
    )

    squad = "distilbert-base-uncased-distilled-squad"
    yield _of_the_paper("question-answering", squad, "paragraphs", 20, samples.questions)
    yield _of_the_paper("fill-mask", "bert-base-uncased", "news", 20, samples.sentences)
    yield _of_the_paper(
        "token-classification", "dslim/bert-base-NER", "news", 20, samples.sentences
    )

    resnet, lite = "microsoft/resnet-50", "efficientnet-lite0"
    known = hub.has(resnet)
    yield cases.Case(
        "image-classification",
        SPECIFIC,
        hub.name(resnet, hub.PACKAGE, instead=lite),
        "photographs",
        up_to(60),
        resnet if known else f"{lite}-by-family",
        tasks.classify_image if known else classify_photograph,
        samples.photographs,
    )

    detr, gpt2 = "facebook/detr-resnet-50", "gpt2"
    yield _of_the_paper("object-detection", detr, "photographs", cases.LEAST, samples.photographs)

    known = hub.has(gpt2)
    yield cases.Case(
        "text-generation",
        SPECIFIC,
        gpt2 if known else hub.name(SMOLLM2, hub.PACKAGE),
        "paragraphs",
        up_to(10),
        gpt2 if known else "smollm2",
        tasks.generate,
        samples.beginnings,
    )

    bart, git = "ainize/bart-base-cnn", "microsoft/git-base"
    yield _of_the_paper("summarization", bart, "editorials", cases.LEAST, samples.editorials)
    yield _of_the_paper("image-to-text", git, "photographs", cases.LEAST, samples.photographs)

    # The smallest of the paper's takes minutes for an image on a CPU.
    yield cases.Case(
        "text-to-image",
        SPECIFIC,
        diffusion.NAME,
        "prompts",
        up_to(cases.LEAST),
        diffusion.ON_SHELF,
        paint_small,
        samples.prompts,
    )


def _of_the_paper(
    task: str, hub_id: str, dataset: str, n: int, inputs: cases.Samples
) -> cases.Case:
    return cases.small(task, SPECIFIC, hub_id, dataset, n, inputs)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" not in metafunc.fixturenames:
        return
    if metafunc.config.getoption("size") == "small":
        rows = [case.parameter(case.task) for case in small()]
    else:
        rows = cases.of_the_paper(SPECIFIC)
    metafunc.parametrize("case", rows)


@pytest.mark.late
def test_the_order_of_the_tasks_is_much_the_papers(energy_results, say):
    here: dict[str, list[float]] = {}
    for result in energy_results:
        function = result.subject.test.partition("[")[0]
        if function.endswith("test_ten_tasks.py::test_task") and result.measurement is not None:
            here.setdefault(result.subject.task, []).append(result.measurement.joules_per_unit)
    rows = [row for row in luccioni.table2() if row.task in here]
    if len(rows) < len(luccioni.TASKS):
        pytest.skip("needs the measurements of all ten tasks, in the same session")
    energies = [fmean(here[row.task]) for row in rows]
    printed = spearman(energies, [row.kwh_per_1000 for row in rows])
    exact = spearman(energies, [row.recomputed_kwh_per_1000 for row in rows])
    papers = ranks([row.kwh_per_1000 for row in rows])
    ordered = zip(rows, ranks(energies), papers, strict=True)
    table = [[row.name, f"{mine:g}", f"{paper:g}"] for row, mine, paper in ordered]
    say(
        "the ten tasks",
        f"rank correlation with the paper's Table 2 (Spearman): {printed:.2f} as printed, where two"
        f" tasks tie; {exact:.2f} of the means behind it",
        *columns([["task", "rank here", "in the paper"], *table]),
    )
    assert exact > 0.5


def test_task(energy, shelf, case):
    outputs = case.meter(energy, shelf)
    assert outputs
    assert all(output is not None for output in outputs)
