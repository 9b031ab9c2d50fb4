"""A small text classifier, to show an energy gate on pull requests."""

from sentiment.model import Classifier

__all__ = ["Classifier"]
