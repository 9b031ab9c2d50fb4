"""Files as versions before schema 2 wrote them."""

from __future__ import annotations

from pathlib import Path

DATA = Path(__file__).parents[1] / "data"

BASELINE = DATA / "baseline-schema-1.json"
"""A baseline file that a version before schema 2 has written."""

REPORT = DATA / "report-schema-1.json"
"""A report that a version before schema 2 has written."""

NAMES = {
    "reference_workload": "yardstick",
    "reference_joules": "yardstick",
    "metered_count": "done",
    "other_cpu_share": "others_share",
    "repeat_difference": "looks",
}
"""The name of each member of a baseline file in schema 1, by its name now."""


def schema_1(text: str) -> str:
    """A baseline file of schema 2 as schema 1 has it, line by line."""
    for new, old in NAMES.items():
        text = text.replace(f'"{new}":', f'"{old}":')
    assert '"schema": 2' in text
    return text.replace('"schema": 2', '"schema": 1')


def turn_back(path: Path) -> bytes:
    """Rewrite a baseline file in schema 1, and what is in it then."""
    path.write_text(schema_1(path.read_text("utf-8")), "utf-8")
    return path.read_bytes()
