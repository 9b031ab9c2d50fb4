"""`--energy-export`: results in other formats, one's own among them."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys

import pytest

from support.projects import TEST, flowing


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_results_are_written_in_every_format_that_is_asked_for(loop):
    result = loop.run("--energy-export=csv=build/a.csv", "--energy-export=csv=b.csv")
    assert result.ret == pytest.ExitCode.OK
    (row,) = rows_of(loop.path / "build" / "a.csv")
    assert row["test"] == TEST
    assert float(row["joules_per_unit"]) == 2.0
    assert (loop.path / "b.csv").exists()


def test_a_folder_or_no_path_at_all_gets_the_formats_own_file_name(loop):
    (loop.path / "there").mkdir()
    loop.run("--energy-export=csv", "--energy-export=csv=there", "--energy-export=csv=new/")
    for folder in (".", "there", "new"):
        assert (loop.path / folder / "energy.csv").exists()


def test_in_an_ini_file_each_stands_on_a_line_from_the_rootdir(loop, monkeypatch):
    loop.ini(
        "energy_meter = scripted",
        "energy_export =",
        "    csv=build/a.csv",
        "    csv=build/b.csv",
    )
    below = loop.path / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    loop.run("..")
    assert (loop.path / "build" / "a.csv").exists()
    assert (loop.path / "build" / "b.csv").exists()
    loop.run("--energy-export=csv=c.csv", "..")
    assert (below / "c.csv").exists()


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("cvs=a.csv", "expected FORMAT=PATH, found 'cvs=a.csv'; formats: *csv*"),
        ("report.csv", "expected FORMAT=PATH, found 'report.csv'; formats: *csv*"),
        ("csv=", "no path behind csv=; write csv=energy.csv, for example"),
        ("csv=test_it.py/a.csv", "test_it.py/a.csv: test_it.py is not a folder"),
        ("csv=" + "x" * 300, "*File name too long"),
    ],
)
def test_what_cannot_be_written_is_refused_before_a_test_runs(loop, value, problem):
    for arguments in ([f"--energy-export={value}"], ["-o", f"energy_export={value}"]):
        result = loop.run(*arguments)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"*--energy-export (or ini energy_export): {problem}*"])
        assert "test_it.py ." not in result.stdout.str()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            ["--energy-json=a", "--energy-html=a"],
            "a is named twice, by --energy-json (or ini energy_json) and by --energy-html (or ini"
            " energy_html): name two files",
        ),
        (
            ["--energy-export=csv=a", "--energy-export=markdown=./a"],
            "a is named twice, by --energy-export csv (or ini energy_export) and by --energy-export"
            " markdown (or ini energy_export): name two files",
        ),
        (
            ["--energy-json=a", "--energy-export=csv=there/../a"],
            "a, named by --energy-json (or ini energy_json), and there/../a, named by"
            " --energy-export csv (or ini energy_export), are one file: name two",
        ),
        (
            ["--energy-markdown=link", "--junitxml=a"],
            "a, named by --junitxml, and link, named by --energy-markdown (or ini energy_markdown),"
            " are one file: name two",
        ),
        (
            ["-o", "energy_json=a", "-o", "energy_markdown=a"],
            "a is named twice, by --energy-json (or ini energy_json) and by --energy-markdown (or"
            " ini energy_markdown): name two files",
        ),
    ],
)
def test_two_reports_in_one_file_are_refused_before_a_test_runs(loop, arguments, problem):
    (loop.path / "there").mkdir()
    (loop.path / "link").symlink_to("a")
    result = loop.run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert problem in " ".join(result.stderr.str().replace(str(loop.path) + "/", "").split())
    assert "test_it.py ." not in result.stdout.str()
    assert not (loop.path / "a").exists()


def test_a_device_takes_several_reports(loop):
    assert loop.run("--energy-json=/dev/null", "--energy-export=csv=/dev/null").ret == 0


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ("json", "no path is given (an empty variable?); write --energy-json=energy.json"),
        ("html", "no path is given (an empty variable?); write --energy-html=energy.html"),
        ("markdown", "no path is given (an empty variable?); write --energy-markdown=energy.md"),
        ("export", "no format is given (an empty variable?); write --energy-export=csv=energy.csv"),
        ("baselines", "no path is given (an empty variable?); write --energy-baselines=baselines"),
    ],
)
def test_an_empty_value_asks_for_a_file_and_names_none(loop, option, problem):
    result = loop.run(f"--energy-{option}=")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"--energy-{option}: {problem}, say, or leave the option out" in result.stderr.str()


def test_an_empty_line_of_an_ini_file_asks_for_nothing(loop):
    loop.ini("energy_meter = scripted", "energy_json =", "energy_export =")
    assert loop.run().ret == 0


def test_a_folder_that_is_read_only_is_refused(loop):
    setpriv = shutil.which("setpriv")
    root = os.geteuid() == 0
    if root and setpriv is None:
        pytest.skip("root may write anywhere: needs setpriv (Debian: util-linux)")
    (loop.path / "closed").mkdir(mode=0o500)
    # Without this capability root is bound by permissions as everybody is.
    drop = [setpriv, "--bounding-set=-dac_override", "--inh-caps=-dac_override"] if root else []
    pytest_run = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*drop, *pytest_run, "--energy-export=csv=closed/a.csv"],
        cwd=loop.path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "closed" in done.stderr


def test_who_asks_for_a_file_gets_one_even_when_nothing_is_metered(project):
    project.write(test_it="def test_x(): pass")
    project.run("--energy-export=csv=a.csv")
    assert rows_of(project.path / "a.csv") == []


def test_nothing_is_written_where_nothing_runs_or_metering_is_off(loop):
    for option in ("--collect-only", "--energy-off", "--setup-plan"):
        loop.run(option, "--energy-export=csv=a.csv")
        assert not (loop.path / "a.csv").exists()


def test_under_xdist_the_controller_writes_one_file_of_all(loop):
    loop.write(test_more=(loop.path / "test_it.py").read_text().replace("test_loop", "test_two"))
    result = loop.run("-n2", "--energy-export=csv=a.csv")
    assert result.ret == pytest.ExitCode.OK
    assert len(rows_of(loop.path / "a.csv")) == 2
    assert loop.run("-n2", "--energy-export=cvs=a.csv").ret == pytest.ExitCode.USAGE_ERROR


def test_in_a_paired_run_the_head_alone_writes(repository):
    repository.ini("energy_meter = scripted", "energy_export = csv=a.csv")
    repository.commit("export")
    repository.git("branch", "before")
    repository.set_cost(3.0)
    repository.against(base="before")
    (row,) = rows_of(repository.path / "a.csv")
    assert row["verdict"] == "regressed"
    assert "before" in row["base"]


OWN = """

from pytest_energy import Reporter

def render(reports):
    return "".join(
        f"{result.subject.test} {result.measurement.joules_per_unit}\\n"
        for report in reports
        for result in report.results
    )

def broken(reports):
    raise KeyError("no such figure")

def pytest_energy_reporters(config):
    return [
        Reporter("mine", "mine.txt", render),
        Reporter("bytes", "mine.bin", lambda reports: b"\\xff"),
        Reporter("nothing", "nothing.txt", lambda reports: None),
        Reporter("broken", "broken.txt", broken),
    ]
"""


@pytest.fixture
def own(loop):
    conftest = loop.path / "conftest.py"
    conftest.write_text(conftest.read_text() + OWN)
    return loop


def test_a_reporter_of_ones_own_is_a_name_and_a_function(own):
    own.run("--energy-export=mine", "--energy-export=bytes=b")
    assert (own.path / "mine.txt").read_text() == f"{TEST} 2.0\n"
    assert (own.path / "b").read_bytes() == b"\xff"


@pytest.mark.parametrize("workers", [[], ["-n1"]])
def test_a_reporter_that_fails_takes_nothing_else_away(own, workers):
    result = own.run(
        "--energy-export=broken=a", "--energy-export=nothing=b", "--energy-export=csv=c",
        "--energy-json=report.json", *workers,
    )  # fmt: skip
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=1)
    text = flowing(result)
    assert "--energy-export broken: a: KeyError: 'no such figure'; the report was not wr" in text
    assert "--energy-export nothing: b: TypeError: the reporter returned NoneType" in text
    assert not (own.path / "a").exists()
    assert len(rows_of(own.path / "c")) == 1
    assert len(json.loads((own.path / "report.json").read_text())["results"]) == 1


@pytest.mark.parametrize(
    ("hook", "problem"),
    [
        ("return [Reporter('csv', 'a', str)]", "two reporters are named 'csv'"),
        ("return [Reporter('A b', 'a', str)]", "lower-case letters, digits and hyphens"),
        ("return [Reporter('a', 'b/c', str)]", "expected a file's name, found 'b/c'"),
        ("return ['csv']", "TypeError: expected a Reporter, found 'csv'"),
        ("raise OSError('gone')", "OSError: gone"),
    ],
)
def test_a_hook_with_a_defect_is_named(loop, hook, problem):
    conftest = loop.path / "conftest.py"
    conftest.write_text(
        conftest.read_text()
        + "\nfrom pytest_energy import Reporter\n\n"
        + f"def pytest_energy_reporters(config):\n    {hook}\n"
    )
    result = loop.run("--energy-export=csv=a.csv")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "pytest_energy_reporters: " in result.stderr.str()
    assert problem in result.stderr.str()


def test_a_report_that_cannot_be_written_after_all_is_said(own):
    conftest = own.path / "conftest.py"
    conftest.write_text(
        conftest.read_text() + "\ndef pytest_runtest_teardown():\n"
        "    import pathlib; pathlib.Path('a.csv').mkdir(exist_ok=True)\n"
    )
    result = own.run("--energy-export=csv=a.csv")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "--energy-export csv: a.csv: Is a directory; the report was not wri" in flowing(result)


def test_a_run_that_only_counts_says_which_formats_have_no_room_for_it(loop):
    result = loop.run(
        "--energy-judge=counted",
        "--energy-export=bencher",
        "--energy-export=codecarbon",
        "--energy-export=csv",
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=1)
    (measures,) = json.loads((loop.path / "bencher.json").read_text()).values()
    assert measures["python-calls"]["value"] > 0
    said = flowing(result)
    assert "--energy-export codecarbon: emissions.csv: results need a figure in joules for" in said
    assert "the only result has none (1 only counted); run the tests with a meter; the rep" in said
    assert not (loop.path / "emissions.csv").exists()
    (row,) = rows_of(loop.path / "energy.csv")
    assert float(row["python_calls"]) == measures["python-calls"]["value"]


TRAINED = """

@pytest.mark.training(steps=40, total_steps=4000, task="sentiment", model="tiny")
def test_training(energy):
    for batch in energy.each(range(40)):
        infer(batch)
"""


def test_a_session_describes_its_model_to_others(loop):
    loop.write(test_it=(loop.path / "test_it.py").read_text() + TRAINED)
    loop.set_cost(2.0, gpu=3.6)
    formats = ["ai-energy-score", "boamps", "cyclonedx", "model-card", "spdx3"]
    result = loop.run(*(f"--energy-export={name}" for name in formats))
    assert result.ret == pytest.ExitCode.OK
    (row,) = rows_of(loop.path / "ai-energy-score.csv")
    assert row["wh_per_1000_queries"] == "1"
    inference, training = map(json.loads, (loop.path / "boamps.jsonl").read_text().splitlines())
    assert inference["measures"][0]["powerConsumption"] == 0.000155556
    assert training["measures"][0]["powerConsumption"] == 0.00622222
    card = (loop.path / "model-card.md").read_text()
    assert "\n  emissions: 2.95556\n" in card
    assert card.count('type: "energy"') == 1
    (component,) = json.loads((loop.path / "energy.cdx.json").read_text())["components"]
    assert component["name"] == "tiny"
    graph = json.loads((loop.path / "energy.spdx3.json").read_text())["@graph"]
    assert graph[-1]["name"] == "tiny"
