"""Columns and a summary in the page of pytest-html, read from that page itself."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess

import pytest

pytest.importorskip("pytest_html")

PLUGINS = ("pytest_html.plugin", "pytest_metadata.plugin")

COLUMNS = ("energyJoules", "energyChange", "energyVerdict")

TESTS = """
import pytest
from model import infer
from scripted import spend

@pytest.mark.inference(n=100, task="qa", role="task-specific", model="small")
def test_small(energy):
    energy.run(infer, [0])

@pytest.mark.inference(n=100, task="qa", role="general-purpose", model="large")
def test_large(energy):
    energy.run(lambda _: spend(10.0), [0])

def test_plain(): pass

def test_skipped(): pytest.skip("not today")

@pytest.fixture
def broken(): raise ValueError

@pytest.mark.inference(n=100)
def test_broken(energy, broken): pass
"""


@pytest.fixture
def page(project):
    project.plugins = PLUGINS
    project.write(test_it=TESTS)
    return project


class Page:
    """What a page of pytest-html holds, as its own script reads it."""

    def __init__(self, project, *arguments):
        project.run("--html=page.html", *arguments)
        self.text = (project.path / "page.html").read_text("utf-8")
        blob = re.search(r'data-jsonblob="([^"]*)"', self.text)[1]
        self.tests = json.loads(html.unescape(blob))["tests"]

    def rows(self, name):
        (found,) = [rows for test, rows in self.tests.items() if f"::{name}" in test]
        return found

    @property
    def heads(self):
        return re.findall(r"<th\b[^>]*>([^<]*)</th>", self.text)


def shown(cell):
    """What a cell shows, without its hidden key."""
    return html.unescape(re.sub(r"<i hidden[^>]*></i>|<[^>]+>", "", cell))


@pytest.mark.parametrize("more", [(), ("-n2",), ("--self-contained-html",)])
def test_each_metered_test_has_energy_change_verdict_and_sparkline(page, more):
    for _ in range(2):
        page.run("--energy-update")
    page.set_cost(3.0)
    found = Page(page, *more)
    assert found.heads[3:7] == ["J/unit", "Change", "Energy verdict", "Stored sessions"]
    (row,) = found.rows("test_small")
    assert [shown(row[name]) for name in ("energyJoules", "energyVerdict")] == [
        "3.00 J",
        "regressed",
    ]
    assert shown(row["energyChange"]).startswith("+50.0 % (")
    (svg,) = [cell for cell in row["resultsTableRow"] if "<svg" in cell]
    assert svg.count("<circle") == 3
    assert "stored sessions: 2.00 J, 2.00 J" in svg
    assert 'class="col-energyHead"' in found.text
    assert "<strong>Energy: 1 regressed</strong>; 2 compared (1 ok, 1 regressed)" in found.text
    assert "qa: general-purpose takes 3.33 times the energy of task-specific" in found.text


def test_every_row_has_a_cell_per_column_and_those_of_unmetered_tests_are_empty(page):
    found = Page(page)
    assert len(found.heads) == 8
    for rows in found.tests.values():
        assert {len(row["resultsTableRow"]) for row in rows} == {8}
    for name in ("test_plain", "test_skipped", "test_broken"):
        for row in found.rows(name):
            assert [row[column] for column in COLUMNS] == ["", "", ""]


def test_a_conftest_that_takes_columns_away_takes_its_own(page):
    conftest = page.path / "conftest.py"
    hooks = """
def pytest_html_results_table_header(cells):
    cells.pop()

def pytest_html_results_table_row(report, cells):
    cells.pop()
    if "plain" in report.nodeid:
        del cells[:]
"""
    conftest.write_text(conftest.read_text() + hooks)
    found = Page(page)
    assert found.heads[3:] == ["J/unit", "Change", "Energy verdict", "Stored sessions"]
    (row,) = found.rows("test_small")
    assert len(row["resultsTableRow"]) == 7
    assert shown(row["energyJoules"]) == "2.00 J"
    assert not any("test_plain" in name for name in found.tests)


def test_a_page_on_which_nothing_is_metered_shows_no_columns(page):
    hidden = "{display:none}</style>"
    assert hidden in Page(page, "-k", "plain").text
    assert hidden not in Page(page, "-k", "small").text
    assert "energyHead" not in Page(page, "--energy-off").text


def test_each_run_of_a_test_that_is_run_again_has_its_own_figures(project):
    project.plugins = PLUGINS
    project.write(
        test_it="""
        import pytest
        from scripted import spend
        runs = []

        @pytest.mark.inference(n=10)
        def test_flaky():
            runs.append(1)
            spend(20.0 * len(runs))
            assert len(runs) > 1
        """
    )
    rows = Page(project, "--reruns=1").rows("test_flaky")
    said = {(row["result"], shown(row["energyVerdict"])) for row in rows}
    assert ("Passed", "new") in said
    assert ("Rerun", "unmeasured") in said
    (passed,) = [row for row in rows if row["result"] == "Passed"]
    assert shown(passed["energyJoules"]) == "4.00 J"


def test_columns_sort_by_the_figures_not_by_their_texts(project):
    project.plugins = PLUGINS
    project.write(
        test_it="""
        import pytest
        from scripted import spend

        @pytest.mark.parametrize("joules", [0.9, 12.0, 1500.0, 3.0])
        @pytest.mark.inference(n=1)
        def test_x(joules): spend(joules)

        def test_plain(): pass
        """
    )
    rows = [row for rows in Page(project).tests.values() for row in rows]
    # As the page's own script compares them.
    ordered = sorted(rows, key=lambda row: row["energyJoules"])
    assert [shown(row["energyJoules"]) for row in ordered] == [
        *("", "900 mJ", "3.00 J", "12.0 J", "1.50 kJ")
    ]


EVIL = "<script>alert(1)</script></td>&\"'\\n\\x1b[2J"


def test_nothing_that_a_test_names_acts_in_our_cells(project):
    project.plugins = PLUGINS
    project.write(
        test_it=f'''
        import pytest
        from scripted import spend
        EVIL = "{EVIL.replace('"', chr(92) + '"')}"

        @pytest.mark.inference(n=1, task=EVIL, model=EVIL)
        def test_x(energy):
            with energy.measure(EVIL, n=1):
                spend(2.0)
            raise ValueError(EVIL)

        @pytest.mark.parametrize("role", ["general-purpose", "task-specific"])
        def test_y(energy, role, request): spend(1.0)
        '''
    )
    found = Page(project)
    (row,) = found.rows("test_x")
    ours = row["resultsTableRow"][3:7]
    assert len(row["resultsTableRow"]) == 8
    for cell in ours:
        assert "<script" not in cell
        assert cell.count("</td>") == 1
        assert not re.search(r"[\n\x1b]", cell)
    assert r"\x1b[2J" in "".join(ours)


def test_in_a_browser_the_columns_sort_and_empty_cells_stand_together(page):
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("needs chromium")
    Page(page, "--self-contained-html")
    address = (page.path / "page.html").as_uri()
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000"]
    done = subprocess.run(
        [*command, "--dump-dom", f"{address}?sort=energyJoules"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    body = done.stdout.partition('id="results-table-head"')[2]
    cells = re.findall(r'<td class="col-energyJoules">(.*?)</td>', body)
    assert len(cells) == 5
    figures = [shown(cell) for cell in cells]
    assert sorted(figures[:3] if not figures[0] else figures[2:]) == ["", "", ""]
    assert figures in (["", "", "", "2.00 J", "10.0 J"], ["10.0 J", "2.00 J", "", "", ""])
