"""Columns in pytest-html's page, where pytest-html writes one.

Registered at every session's start, since pytest-html asks for its columns before anything is
collected: nothing is imported until a test was metered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_energy.types.result import Result
    from pytest_energy.types.session import SessionReport

NAME = "energy-html-columns"

PLACE = 3
"""Behind pytest-html's own columns of result, test and duration, before that of links."""

HEADS = (
    '<th class="sortable col-energyHead" data-column-type="energyJoules">J/unit</th>',
    '<th class="sortable col-energyHead" data-column-type="energyChange">Change</th>',
    '<th class="sortable col-energyHead" data-column-type="energyVerdict">Energy verdict</th>',
    '<th class="col-energyHead">Stored sessions</th>',
)

COLUMNS = ("energyJoules", "energyChange", "energyVerdict", "energyHistory")

EMPTY = tuple(f'<td class="col-{column}"></td>' for column in COLUMNS)
"""Cells of a test that was not metered."""

HIDDEN = (
    "<style>"
    + ",".join(f".col-{column}" for column in ("energyHead", *COLUMNS))
    + "{display:none}</style>"
)
"""Takes the columns away from a page on which nothing stands in them."""


class HtmlColumns:
    """Energy in pytest-html's page: per run of a test four cells, and the session's verdict.

    Registered where pytest-html writes a page.
    """

    def __init__(self) -> None:
        self._has_columns = False
        self.report: SessionReport | None = None
        """Of the session; None until it ends, and where nothing was metered."""

    def add(self, report: pytest.TestReport, results: Sequence[Result]) -> None:
        """Keep the cells of one run of a test with pytest's report of it.

        A rerun has a report, and results, of its own.

        Args:
            report: of the test's call; pytest-html makes a row of it when the test has ended.
            results: of that run.
        """
        from pytest_energy.report.pytest_html import cells

        report.energy_cells = cells(results)  # type: ignore[attr-defined]

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_header(self, cells: list[str]) -> None:
        # Before version 4 of pytest-html cells were objects, and a text was no HTML.
        self._has_columns = all(isinstance(cell, str) for cell in cells)
        if self._has_columns:
            cells[PLACE:PLACE] = HEADS

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_row(self, report: pytest.TestReport, cells: list[str]) -> None:
        if cells and self._has_columns:  # else another plugin has taken the row away
            cells[PLACE:PLACE] = getattr(report, "energy_cells", None) or EMPTY

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_summary(self, prefix: list[str], summary: list[str]) -> None:
        if not self._has_columns:
            return
        if self.report is None or not self.report.results:
            prefix.append(HIDDEN)
            return
        from pytest_energy.report import pytest_html

        summary += pytest_html.summary(self.report)
