"""One row of a comparison: a model on a task's samples, as a parameter of a test."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import hub
import paper_data
import paper_models
import pytest
import tasks
from batches import up_to

from pytest_energy.papers import luccioni

LEAST = 5
"""Inferences of dear models: as many blocks, below which nothing is known of their scatter."""

LARGE = 300_000_000
"""Parameters from which on a model leaves little room for others: such run first."""

PAPER_N = 1000

Samples = Callable[[int], tuple[Sequence[Any], Sequence[Any]]]
"""Takes how many are wanted; gives what a model gets, and what would be right (or nothing)."""


@dataclass(frozen=True, slots=True)
class Case:
    """A model, what it is to do, and where it comes from.

    Args:
        task, role, model, dataset, n: of the marker `inference`.
        on_shelf: the model's name there.
        perform: makes of the model on the shelf what is called with a sample.
        samples: the inputs.
        right: whether an output is what it should be; None where the weights are random, or nobody
            has said what is right.
        quality: what the share of right outputs is called.
        early: whether to run before the other tests, since the model leaves no room for others.
        skip: why it cannot run here; empty where it can.
    """

    task: str
    role: str
    model: str
    dataset: str
    n: int
    on_shelf: str
    perform: Callable[[Any], tasks.Run]
    samples: Samples
    right: Callable[[Any, Any], bool] | None = None
    quality: str = "accuracy"
    early: bool = False
    skip: str = ""

    def parameter(self, name: str) -> Any:
        """Of a test that takes a `case`.

        Args:
            name: in the test's id; the same wherever the weights come from.
        """
        marks = [
            pytest.mark.inference(
                n=self.n,
                task=self.task,
                model=self.model,
                dataset=self.dataset,
                role=self.role,
                warmup=max(1, self.n // 50),
                # What is estimated from CPU seconds differs by some per cent between sessions.
                tolerance="10%",
            ),
            pytest.mark.models(self.on_shelf),
        ]
        if self.early:
            marks.append(pytest.mark.early)
        if self.skip:
            marks.append(pytest.mark.skip(reason=self.skip))
        return pytest.param(self, id=name, marks=marks)

    def meter(self, energy: Any, shelf: Any) -> list[Any]:
        """Perform it with the fixtures `energy` and `shelf`, and record how much was right.

        Returns:
            The outputs of the metered inferences.
        """
        inputs, truths = self.samples(self.n)
        outputs = energy.run(self.perform(shelf[self.on_shelf]), inputs)
        if self.right is not None:
            right = sum(
                self.right(output, truths[number % len(truths)])
                for number, output in enumerate(outputs)
            )
            energy.record(**{self.quality: right / len(outputs)})
        return outputs


def says_the_word(output: str, positive: int) -> bool:
    """Whether the first sentiment that a text or label names is the right one."""
    named = re.search("positive|negative", output.lower())
    return named is not None and named[0] == ("positive" if positive else "negative")


def is_the_answer(output: str, truth: str) -> bool:
    """Whether two answers are the same but for case, punctuation and articles."""
    return _plain(output) == _plain(truth)


def _plain(text: str) -> list[str]:
    return [word for word in re.findall(r"\w+", text.lower()) if word not in ("a", "an", "the")]


def finds_the_names(output: list[tuple[str, str]], names: list[str]) -> bool:
    """Whether all names in a text are among its tagged tokens."""
    tagged = "".join(token.removeprefix("##") for token, _ in output)
    return all(name.replace(" ", "") in tagged for name in names)


PERFORM: dict[tuple[str, str], Callable[[Any], tasks.Run]] = {
    (luccioni.SPECIFIC, "text-classification"): tasks.classify_text,
    (luccioni.SPECIFIC, "question-answering"): tasks.answer,
    (luccioni.SPECIFIC, "fill-mask"): tasks.fill_mask,
    (luccioni.SPECIFIC, "token-classification"): tasks.tag_tokens,
    (luccioni.SPECIFIC, "image-classification"): tasks.classify_image,
    (luccioni.SPECIFIC, "object-detection"): tasks.detect,
    (luccioni.SPECIFIC, "text-generation"): tasks.generate,
    (luccioni.SPECIFIC, "summarization"): tasks.summarize,
    (luccioni.SPECIFIC, "image-to-text"): tasks.caption,
    (luccioni.SPECIFIC, "text-to-image"): tasks.paint,
    (luccioni.GENERAL, "text-classification"): tasks.asked_for_sentiment,
    (luccioni.GENERAL, "question-answering"): tasks.asked_for_answer,
    (luccioni.GENERAL, "summarization"): tasks.asked_for_summary,
}
"""By role and task: what makes a model perform it."""


RIGHT: dict[tuple[str, str], tuple[str, Callable[[Any, Any], bool]]] = {
    (luccioni.SPECIFIC, "text-classification"): ("accuracy", says_the_word),
    (luccioni.GENERAL, "text-classification"): ("accuracy", says_the_word),
    # Not of general-purpose models: ten tokens are more than most answers have.
    (luccioni.SPECIFIC, "question-answering"): ("exact_match", is_the_answer),
    (luccioni.SPECIFIC, "token-classification"): ("names_found", finds_the_names),
}
"""By role and task: what is right among the small samples, and what the share of it is called."""


def small(task: str, role: str, hub_id: str, dataset: str, n: int, samples: Samples) -> Case:
    """One of the paper's models on small samples; without a hub its architecture.

    Args:
        task: as for `Case`, and so the others.
        role: likewise.
        hub_id: of the model.
        dataset: likewise.
        n: inferences, or fewer where the environment says so.
        samples: likewise.
    """
    size = max(row.parameters for row in luccioni.where(model=hub_id))
    quality, right = RIGHT.get((role, task), ("", None))
    return Case(
        task,
        role,
        hub.name(hub_id),
        dataset,
        up_to(n),
        hub_id,
        PERFORM[role, task],
        samples,
        right if hub.has(hub_id) else None,
        quality,
        early=size >= LARGE,
    )


def of_the_paper(*roles: str) -> list[Any]:
    """Parameters of a test: the paper's own runs of the roles.

    In the order of its tasks, and all of a model together, so that one is in memory at a time.
    """
    tasks_in_order = list(luccioni.TASKS.values())

    def place(row: luccioni.Row) -> tuple[int, str, int]:
        task = tasks_in_order.index(row.task)
        # A task-specific model has one task; the others do several.
        return (task if row.role == luccioni.SPECIFIC else 0, row.model, task)

    rows = sorted((row for row in luccioni.models() if row.role in roles), key=place)
    return [_of_the_paper(row).parameter(f"{row.task}-{row.dataset}-{row.model}") for row in rows]


def _of_the_paper(row: luccioni.Row) -> Case:
    source = paper_data.SOURCES[row.task, row.dataset]

    def samples(n: int) -> tuple[Sequence[Any], Sequence[Any]]:
        if isinstance(source, str):
            raise LookupError(source)
        return source.load(n), ()

    hub_id = paper_models.where(row.model)
    skip = paper_models.GONE.get(row.model) or paper_data.left_out(row.task, row.dataset)
    if not hub.reachable():  # the samples are streamed from there
        skip = hub.skip_reason(hub_id)
    return Case(
        row.task,
        row.role,
        row.model,
        row.dataset,
        PAPER_N,
        row.model,
        PERFORM[row.role, row.task],
        samples,
        skip=skip,
    )
