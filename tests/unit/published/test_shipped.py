"""The data files that the package brings."""

from __future__ import annotations

import csv

import pytest

from pytest_energy.published import shipped

DATA = {
    "aienergyscore2025_h100.csv": "AI Energy Score",
    "devices.csv": "arXiv",
    "luccioni2024_accuracy.csv": "arXiv",
    "luccioni2024_models.csv": "arXiv",
    "luccioni2024_tables.csv": "arXiv",
    "luccioni2024_work.csv": "arXiv",
    "mlenergy2025_h100.csv": "ML.ENERGY",
    "strubell2019_training.csv": "arXiv",
}
"""The files, and a word of their sources."""


def test_these_are_all_the_data_files_that_the_package_has():
    folder = shipped.files("pytest_energy.published") / "data"
    assert sorted(file.name for file in folder.iterdir()) == sorted(["README.md", *DATA])


@pytest.mark.parametrize("name", DATA)
def test_a_data_file_says_where_its_figures_come_from(name):
    assert shipped.rows(name)
    text = (shipped.files("pytest_energy.published") / "data" / name).read_text("utf-8")
    beginning = [line for line in text.splitlines() if line.startswith("#")]
    assert DATA[name] in " ".join(beginning)


def test_the_folder_s_readme_names_every_file():
    text = (shipped.files("pytest_energy.published") / "data" / "README.md").read_text("utf-8")
    assert all(f"`{name}`" in text for name in DATA)


@pytest.mark.parametrize("name", DATA)
def test_a_data_file_has_as_many_cells_in_every_row(name):
    text = (shipped.files("pytest_energy.published") / "data" / name).read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert len({len(cells) for cells in csv.reader(lines)}) == 1
