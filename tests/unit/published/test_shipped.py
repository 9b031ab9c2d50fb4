"""The data files that the package brings."""

from __future__ import annotations

import csv

import pytest

from pytest_energy.published import shipped

DATA = (
    "devices.csv",
    "luccioni2024_accuracy.csv",
    "luccioni2024_models.csv",
    "luccioni2024_tables.csv",
    "luccioni2024_work.csv",
    "strubell2019_training.csv",
)


def test_these_are_all_the_data_files_that_the_package_has():
    folder = shipped.files("pytest_energy.published") / "data"
    assert sorted(file.name for file in folder.iterdir()) == list(DATA)


@pytest.mark.parametrize("name", DATA)
def test_a_data_file_says_where_its_figures_come_from(name):
    assert shipped.rows(name)
    assert "arXiv" in (shipped.files("pytest_energy.published") / "data" / name).read_text("utf-8")


@pytest.mark.parametrize("name", DATA)
def test_a_data_file_has_as_many_cells_in_every_row(name):
    text = (shipped.files("pytest_energy.published") / "data" / name).read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert len({len(cells) for cells in csv.reader(lines)}) == 1
