"""Published figures as files that come with the package."""

from __future__ import annotations

import csv
from importlib.resources import files


def rows(name: str) -> list[dict[str, str]]:
    """The rows of a data file; lines that begin with `#` say where its figures come from.

    Args:
        name: of a file in `published/data`, as `devices.csv`.

    Returns:
        One mapping a row, from the column's name to its text.
    """
    text = (files("pytest_energy.published") / "data" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
