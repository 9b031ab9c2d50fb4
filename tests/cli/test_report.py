"""`pytest-energy report`: other formats, made later of one run or of many."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

from pytest_energy.cli.main import main
from pytest_energy.report import json as json_report
from pytest_energy.report.exports import html, markdown
from support.pages import page_data
from support.reports import OTHER_MACHINE, both_roles, new, result, session


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return tmp_path


def write(name, *results, **members):
    assert json_report.write_report(Path(name), session(*results, **members)) == []


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_run_is_written_in_another_format_without_a_word(here, capfd):
    write("run.json", result(3.0))
    assert main(["report", "run.json", "--to", "csv=build/a.csv", "--to", "csv"]) == 0
    (row,) = rows_of(here / "build" / "a.csv")
    assert row["verdict"] == "regressed"
    assert float(row["joules_per_unit"]) == pytest.approx(3.0)
    assert (here / "energy.csv").read_bytes() == (here / "build" / "a.csv").read_bytes()
    assert capfd.readouterr() == ("", "")


def test_several_runs_come_by_machine_class_and_date(here):
    write("b.json", result(3.0), date="2026-03-05T00:00:00Z")
    write("c.json", result(4.0), machine=OTHER_MACHINE)
    write("a.json", result(2.0))
    assert main(["report", "c.json", "b.json", "a.json", "./a.json", "--to", "csv"]) == 0
    joules = [float(row["joules_per_unit"]) for row in rows_of(here / "energy.csv")]
    assert joules == pytest.approx([2.0, 3.0, 4.0])


def test_a_copy_of_a_run_counts_once_and_that_is_said(here, capfd):
    write("keep.json", result(3.0))
    (here / "copy.json").write_bytes((here / "keep.json").read_bytes())
    write("later.json", result(3.0), date="2026-03-05T00:00:00Z")
    assert main(["report", "keep.json", "copy.json", "later.json", "--to", "csv"]) == 0
    assert len(rows_of(here / "energy.csv")) == 2
    said = "pytest-energy: copy.json: the same run as keep.json: it counts once\n"
    assert capfd.readouterr().err == said


def test_the_interval_of_the_role_ratio_is_read_where_the_blocks_are_not(here):
    write("run.json", *both_roles())
    assert main(["report", "run.json", "--to", "markdown=o.md"]) == 0
    said = markdown.render([session(*both_roles())]).splitlines()[2]
    assert "times the energy of task-specific (95 %: " in said
    assert said in (here / "o.md").read_text("utf-8").splitlines()
    assert main(["report", "run.json", "--to", "html=o.html"]) == 0
    pages = (html.render([session(*both_roles())]), (here / "o.html").read_text("utf-8"))
    whole, read = (page_data(page)["roles"][0] for page in pages)
    assert read["low"] == pytest.approx(whole["low"])
    assert read["high"] == pytest.approx(whole["high"])


def test_an_interval_of_other_energies_is_not_taken(here):
    write("run.json", *both_roles())
    text = (here / "run.json").read_text("utf-8")
    (before,) = json.loads(text)["role_ratios"]
    other = text.replace(f'"value":{before["ratio"]["value"]}', '"value":3.0')
    assert other != text
    (here / "run.json").write_text(other, "utf-8")
    assert main(["report", "run.json", "--to", "markdown=o.md"]) == 0
    assert "times the energy of task-specific`" in (here / "o.md").read_text("utf-8")


@pytest.mark.parametrize(
    "command",
    [
        ["report", "", "--to", "csv"],
        ["comment", ""],
        ["compare", "a", ""],
        ["explain", "test_a", "--run", ""],
        ["papers", "--run", ""],
        ["migrate", ""],
    ],
)
def test_an_empty_argument_is_no_folder(here, capfd, command):
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 2
    said = capfd.readouterr().err
    assert "it is empty, and a path is wanted (a variable that is not set?)" in said
    assert "folder" not in said


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("keep.json", "keep.json is named twice, by RUN.json (which is read) and by --to csv"),
        ("link", "keep.json, named by RUN.json (which is read), and link, named by --to csv, are"),
        ("there/../keep.json", "there/../keep.json, named by --to csv, are one file: name two"),
    ],
)
def test_a_report_never_replaces_the_run_that_it_is_made_of(here, capfd, target, problem):
    write("keep.json", result())
    (here / "there").mkdir()
    (here / "link").symlink_to("keep.json")
    before = (here / "keep.json").read_bytes()
    to = ["--to", "markdown=other.md", "--to", f"csv={target}"]
    assert main(["report", "keep.json", *to]) == 2
    assert problem in capfd.readouterr().err
    assert (here / "keep.json").read_bytes() == before
    assert not (here / "other.md").exists()


def test_two_formats_in_one_file_are_refused(here, capfd):
    write("run.json", result())
    assert main(["report", "run.json", "--to", "csv=a", "--to", "markdown=./a"]) == 2
    assert "a is named twice, by --to csv and by --to markdown" in capfd.readouterr().err
    assert not (here / "a").exists()


def test_standard_output_is_a_file_as_well(here):
    write("run.json", result())
    command = [sys.executable, "-m", "pytest_energy", "report", "run.json", "--to"]
    done = subprocess.run(
        [*command, "csv=/dev/stdout"], capture_output=True, text=True, check=True, cwd=here
    )
    assert done.stdout.startswith("date,commit,machine,test,")
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("[]", "not a report of pytest-energy: it has no list of results; write one with: pytest"),
        ("{", "run.json, line 1: not JSON"),
        ('{"schema": 9, "results": []}', "written by a newer pytest-energy: upgrade it"),
        ('{"schema": 2, "results": []}', "the report is not as reports have it: 'date' is missing"),
    ],
)
def test_what_is_no_report_is_refused_and_nothing_is_written(here, capfd, content, problem):
    write("good.json", result())
    (here / "run.json").write_text(content)
    assert main(["report", "good.json", "run.json", "--to", "csv"]) == 2
    assert problem in capfd.readouterr().err
    assert not (here / "energy.csv").exists()


def test_a_file_that_is_not_there_is_named(here, capfd):
    assert main(["report", "none.json", "--to", "csv"]) == 2
    assert "none.json: No such file or directory" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("targets", "problem"),
    [
        (["xls=a"], "--to: expected FORMAT=PATH, found 'xls=a'; formats: *csv"),
        (["csv=run.json/a"], "--to: run.json/a: run.json is not a folder"),
        (["csv=a", "csv=./a"], "--to: a is named twice, by --to csv and by --to csv"),
    ],
)
def test_formats_and_paths_that_cannot_be_had_are_refused(here, targets, problem, capfd):
    write("run.json", result())
    arguments = [part for target in targets for part in ("--to", target)]
    assert main(["report", "run.json", *arguments]) == 2
    assert fnmatch(capfd.readouterr().err, f"*{problem}*")


def test_the_runs_and_a_format_have_to_be_given(here, capfd):
    for arguments in (["run.json"], ["--to", "csv"], ["run.json", "--to", "csv", "--what"]):
        with pytest.raises(SystemExit) as ended:
            main(["report", *arguments])
        assert ended.value.code == 2
    assert "usage: pytest-energy report" in capfd.readouterr().err


OWN = """
from pytest_energy import Reporter

print("a conftest that prints")

def render(reports):
    return "\\n".join(report.date for report in reports)

def pytest_energy_reporters(config):
    return [Reporter("mine", "mine.txt", render), Reporter("broken", "broken.txt", lambda _: 1 / 0)]
"""


def test_formats_of_a_conftest_are_known_and_what_it_prints_is_not_in_the_report(here):
    write("run.json", result())
    (here / "conftest.py").write_text(OWN)
    command = [sys.executable, "-m", "pytest_energy", "report", "run.json", "--to"]
    done = subprocess.run(
        [*command, "mine=/dev/stdout"], capture_output=True, text=True, check=True, cwd=here
    )
    assert done.stdout == "2026-03-04T05:06:07Z"


def test_one_format_that_fails_leaves_the_others(here):
    write("run.json", result())
    (here / "conftest.py").write_text(OWN)
    command = [sys.executable, "-m", "pytest_energy", "report", "run.json"]
    done = subprocess.run(
        [*command, "--to", "broken", "--to", "csv"],
        capture_output=True, text=True, check=False, cwd=here,
    )  # fmt: skip
    assert done.returncode == 2
    assert "--to broken: broken.txt: ZeroDivisionError" in done.stderr
    assert (here / "energy.csv").exists()


def test_it_reads_what_a_session_wrote(loop):
    loop.run("--energy-json=run.json", "--energy-export=csv=then.csv")
    assert main(["report", "run.json", "--to", "csv=later.csv"]) == 0
    then, later = (rows_of(loop.path / f"{name}.csv") for name in ("then", "later"))
    assert json.loads((loop.path / "run.json").read_text())["results"]
    assert [row["joules_per_unit"] for row in then] == [row["joules_per_unit"] for row in later]
    assert [row["verdict"] for row in then] == [row["verdict"] for row in later] == ["new"]


def test_one_models_results_are_a_card(here, capfd):
    write("run.json", new(test="t.py::a", model="a"), new(test="t.py::b", model="b"))
    assert main(["report", "run.json", "--to", "model-card"]) == 2
    assert capfd.readouterr().err == (
        "pytest-energy: --to model-card: model-card.md: a model card is of one model, and there"
        " are 2 here (a, b); write one after the other: pytest-energy report RUN.json --model NAME"
        " --to model-card=PATH; the report was not written\n"
    )
    assert main(["report", "run.json", "--model", "b", "--to", "model-card", "--to", "csv"]) == 0
    assert '- name: "b"' in (here / "model-card.md").read_text()
    assert [row["test"] for row in rows_of(here / "energy.csv")] == ["t.py::b"]


def test_a_model_that_there_is_not_is_named_with_those_that_there_are(here, capfd):
    write("run.json", new(test="t.py::a", model="a"), new(test="t.py::b", model=""))
    assert main(["report", "run.json", "--model", "c", "--to", "csv"]) == 2
    said = capfd.readouterr().err
    assert said == "pytest-energy: --model: there is no result of 'c'; models: a, b\n"
    assert not (here / "energy.csv").exists()
    assert main(["report", "run.json", "--model", "b", "--to", "csv"]) == 0
