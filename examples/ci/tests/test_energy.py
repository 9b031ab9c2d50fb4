"""What a classification takes, interleaved with the base of the pull request."""

import pytest
from sentiment import Classifier

REVIEWS = [
    "A quiet film that trusts its actors, and is right to.",
    "Two hours of explosions in search of a plot, and they do not find one.",
    "I laughed, I cried, and I would gladly sit through it again with anybody who has not seen it.",
    "The book was better, the trailer was better, the queue for the popcorn was better.",
]


@pytest.fixture(scope="session")
def classifier():
    return Classifier()


@pytest.mark.inference(n=2000, task="text-classification", model="sentiment")
def test_classification(energy, classifier):
    for review in energy.each(REVIEWS):
        classifier(review)
