"""What the small size gives to each task, and what would be right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import texts
from sentiment import TRAINING
from sentiment import reviews as all_reviews


def reviews(n: int) -> tuple[Sequence[str], Sequence[int]]:
    """Reviews that nothing was trained on, and whether they are positive."""
    found = all_reviews().select(range(TRAINING, TRAINING + n))
    return found["text"][:], found["label"][:]


def questions(n: int) -> tuple[Sequence[dict[str, str]], Sequence[str]]:
    """Questions about paragraphs, and their answers."""
    found = texts.questions()[:n]
    return found, [each["answer"] for each in found]


def sentences(n: int) -> tuple[Sequence[str], Sequence[list[str]]]:
    """Sentences of news, and the names in them."""
    found = texts.entities()[:n]
    return [each["text"] for each in found], [each["entities"] for each in found]


def beginnings(n: int) -> tuple[Sequence[str], Sequence[Any]]:
    """Paragraphs to go on from; any way is as good as another."""
    return [each["context"] for each in texts.questions()[:n]], ()


def editorials(n: int) -> tuple[Sequence[str], Sequence[Any]]:
    """Editorials, of which no summary is the right one."""
    return texts.editorials()[:n], ()


def photographs(n: int) -> tuple[Sequence[Any], Sequence[Any]]:
    """Photographs; five are too few to say how often an answer is right."""
    return texts.photographs(), ()


def prompts(n: int) -> tuple[Sequence[str], Sequence[Any]]:
    """What images are to show."""
    return texts.PROMPTS, ()
