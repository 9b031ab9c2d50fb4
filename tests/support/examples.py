"""The folders of the examples, and what models they need."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]


EXAMPLES = ROOT / "examples" / "tests_models"


SQUAD = "distilbert-base-uncased-distilled-squad"
