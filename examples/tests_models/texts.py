"""The small inputs that are real: paragraphs of our own, editorials, photographs."""

from __future__ import annotations

import functools
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import extras
from models import CACHE
from tasks import IMAGE_SIZE

_DATA = Path(__file__).parent / "data"

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "hubble_deep_field", "rocket")
"""Those in colour that scikit-image ships, public domain or CC0 as their docstrings in
`skimage.data` say."""

EDITORIAL_WORDS = 120
"""Most words of an editorial: of its sentences the first ones, as many as fit. About half of it, so
that a dozen summaries are a matter of seconds."""


def questions() -> list[dict[str, str]]:
    """Twenty paragraphs about places that do not exist.

    Returns:
        `question`, `context`, and `answer`, which is a part of the context.
    """
    return json.loads((_DATA / "questions.json").read_text("utf-8"))


def entities() -> list[dict[str, Any]]:
    """Twenty sentences from their newspapers.

    Returns:
        `text`, and `entities`: the names in it of people, places and organisations, in order.
    """
    return json.loads((_DATA / "entities.json").read_text("utf-8"))


@functools.cache
def editorials() -> tuple[str, ...]:
    """The beginnings of newspaper editorials, put together from their sentences.

    Raises:
        LookupError: they were not fetched.
    """
    path = CACHE / "reviews" / "nytEditorialSnippets_GroundTruth.txt"
    if not path.exists():
        raise LookupError(f"{path} is missing: python scripts/fetch_reviews.py {path.parent}")
    sentences: dict[str, list[str]] = defaultdict(list)
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        number, _, sentence = line.split("\t", 2)  # number: editorial_sentence
        sentences[number.partition("_")[0]].append(sentence)
    return tuple(_beginning(parts) for parts in sentences.values())


def _beginning(sentences: list[str]) -> str:
    words = 0
    for number, sentence in enumerate(sentences):
        words += len(sentence.split())
        if words > EDITORIAL_WORDS:
            return " ".join(sentences[: max(1, number)])
    return " ".join(sentences)


@functools.cache
def photographs() -> tuple[Any, ...]:
    """PIL images in colour, of the size that the paper's are brought to."""
    extras.require("PIL", "skimage")
    from PIL import Image
    from skimage import data

    folder = Path(data.__file__).parent
    found = []
    for name in PHOTOGRAPHS:
        (path,) = folder.glob(f"{name}.*")
        with Image.open(path) as image:
            found.append(image.convert("RGB").resize(IMAGE_SIZE, Image.Resampling.NEAREST))
    return tuple(found)


PROMPTS = (
    "a lighthouse on a rock at low tide, oil painting",
    "loaves of rye bread on a wooden table, morning light",
    "a wooden footbridge over a mountain river, photograph",
    "a telescope in a garden under the milky way",
    "an old tram climbing a cobbled hill in the rain",
    "a brass gong in a village school, pencil drawing",
    "a field of flowering buckwheat, wide angle",
    "a library van at a crossroads in autumn",
    "a grey moth on the bark of a birch, macro photograph",
    "six wind turbines behind a dyke, watercolour",
)
"""For image generation."""
