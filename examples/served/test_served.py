"""Energy of a classification, metered where the model is served."""

from __future__ import annotations

import json
import urllib.request

import pytest

URL = "http://127.0.0.1:8008/classify"
TEXTS = ("rain in the north", "a goal in extra time", "the vote was close", "a comet was seen")


def classify(text: str) -> str:
    with urllib.request.urlopen(URL, data=text.encode(), timeout=10) as answer:
        return json.load(answer)["class"]


@pytest.mark.inference(n=3000, task="text-classification", model="dense-4x512")
def test_classification(energy):
    for text in energy.each(TEXTS):
        assert classify(text)
