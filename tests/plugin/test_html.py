"""`--energy-html`: a page of the session, as a user asks for it."""

from __future__ import annotations

import pytest

from pytest_energy.cli.main import main
from pytest_energy.report.exports import html
from support.pages import page_data
from support.projects import TEST


def test_the_page_has_the_sessions_results_and_what_was_stored(loop):
    loop.run("--energy-update")
    loop.set_cost(2.3)
    result = loop.run("--energy-html=build/energy.html")
    result.assert_outcomes(failed=1)
    page = page_data((loop.path / "build" / "energy.html").read_text())
    (row,) = page["rows"]
    assert (row["test"], row["verdict"], row["outcome"]) == (TEST, "regressed", "failed")
    assert row["energy"]["gated"] == 2.3
    assert [one["joules"] for one in row["history"]["stored"]] == [2.0]
    assert page["headline"] == "Energy: 1 regressed; 1 compared (1 regressed)"


def test_the_same_page_comes_later_from_a_report(loop, monkeypatch):
    loop.run("--energy-json=run.json", "--energy-json-blocks", "--energy-html=now.html")
    monkeypatch.chdir(loop.path)
    assert main(["report", "run.json", "--to", "html=later.html"]) == 0
    now, later = (page_data((loop.path / name).read_text()) for name in ("now.html", "later.html"))
    assert later["rows"] == now["rows"]


def test_an_ini_file_can_ask_for_it(loop):
    loop.run("-o", "energy_html=energy.html").assert_outcomes(passed=1)
    assert (loop.path / "energy.html").exists()


def test_without_its_libraries_it_is_refused_before_a_test_runs(loop, monkeypatch):
    monkeypatch.setattr(html, "find_spec", lambda name: None)
    for asked in ("--energy-html=energy.html", "--energy-export=html=energy.html"):
        result = loop.run(asked)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        message = 'html: the page needs jinja2 and mpld3: pip install "pytest-energy[html]"'
        assert message in result.stderr.str()
        assert not (loop.path / "energy.html").exists()


def test_a_path_that_no_file_can_have_is_refused_before_a_test_runs(loop):
    (loop.path / "file").write_text("")
    result = loop.run("--energy-html=file/energy.html")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--energy-html (or ini energy_html): file/energy.html: file is not a folder" in (
        result.stderr.str()
    )
