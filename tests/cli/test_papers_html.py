"""`pytest-energy papers --html`: the published figures as a page."""

from __future__ import annotations

import pytest

from pytest_energy.cli.main import main
from pytest_energy.report.exports import html
from support.pages import page_data


def test_the_page_has_every_published_figure_and_no_result(tmp_path, capsys):
    path = tmp_path / "build" / "papers.html"
    assert main(["papers", "--html", str(path)]) == 0
    assert capsys.readouterr() == ("", "")
    page = page_data(path.read_text())
    assert page["rows"] == []
    of_paper = [one for one in page["published"]["figures"] if one["source"] == "luccioni2024"]
    assert len(of_paper) == 312
    assert len({one["model"] for one in of_paper}) == 88
    assert path.stat().st_size < 1_000_000


@pytest.mark.parametrize("other", [["--json"], ["--run", "run.json"]])
def test_with_a_run_it_is_another_command(tmp_path, capsys, other):
    with pytest.raises(SystemExit) as left:
        main(["papers", "--html", str(tmp_path / "a.html"), *other])
    assert left.value.code == 2
    assert "pytest-energy report RUN.json --to html=PATH" in capsys.readouterr().err


def test_a_folder_is_no_file(tmp_path, capsys):
    assert main(["papers", "--html", str(tmp_path)]) == 2
    assert "is a folder; name a file in it" in capsys.readouterr().err


def test_without_its_libraries_it_says_what_to_install(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(html, "find_spec", lambda name: None)
    assert main(["papers", "--html", str(tmp_path / "a.html")]) == 2
    assert 'pip install "pytest-energy[html]"' in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
