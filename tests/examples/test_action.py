"""`action.yml`: its own shell, run as GitHub's runner does it, on a real project."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from pytest_energy.comment.body import marker
from support import plugins
from support.actions import Action
from support.examples import ROOT
from support.github import REPOSITORY, TOKEN, FakeGitHub, Scripted

pytestmark = pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")

EVENT = {
    "pull_request": {
        "number": 7,
        "head": {"repo": {"full_name": REPOSITORY}},
        "base": {"repo": {"full_name": REPOSITORY}},
    }
}


@pytest.fixture
def fake():
    found = FakeGitHub()
    yield found
    found.close()


@pytest.fixture
def environment(tmp_path, fake):
    """What the runner sets for a pull request, with the Python and the plugins of this test."""
    (tmp_path / "event.json").write_text(json.dumps(EVENT))
    inherited = os.environ.get("PYTHONPATH", "")
    kept = [path for path in (str(ROOT / "src"), inherited) if path]
    return plugins.only() | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(kept),
        "NO_PROXY": "127.0.0.1",
        "GITHUB_ACTIONS": "true",
        "GITHUB_API_URL": fake.url,
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }


@pytest.fixture
def action(loop, environment):
    names = {"github.token": TOKEN, "github.event.pull_request.number": 7}
    return Action(ROOT, loop.path, environment, names)


def run(action, **inputs):
    return action.run(**{"version": "none"} | inputs)


def test_an_unchanged_model_passes_with_summary_comment_reports_and_outputs(
    action, loop, fake, tmp_path
):
    loop.run("--energy-update")
    done = run(action)
    assert done.exit_code == 0, done.log
    report = loop.path / "energy-reports" / "energy.json"
    assert done.outputs == {
        "verdict": "ok",
        "regressions": "0",
        "compared": "1",
        "report-path": str(report),
        "comment-url": f"https://github.test/{REPOSITORY}/pull/7#issuecomment-1",
    }
    assert json.loads(report.read_text())["results"]
    headline = "**Energy: no regression**; 1 compared (1 ok)\n"
    assert (tmp_path / "summary.md").read_text().startswith(headline)
    assert (report.parent / "energy.md").read_text().startswith(headline)
    assert [body.startswith(f"{marker('')}\n{headline}") for body in fake.bodies()] == [True]
    assert done.used == {
        "actions/upload-artifact": {"name": "energy", "path": str(report.parent)},
    }


def test_a_regression_fails_the_step_after_comment_and_upload(action, loop, fake, tmp_path):
    loop.run("--energy-update")
    loop.set_cost(3.0)
    done = run(action)
    assert done.exit_code == 1
    assert (done.outputs["verdict"], done.outputs["regressions"]) == ("regressed", "1")
    assert "**Energy: 1 regressed**" in fake.bodies()[0]
    assert "**Energy: 1 regressed**" in (tmp_path / "summary.md").read_text()
    assert "::error file=test_it.py,line=" in done.log
    assert "actions/upload-artifact" in done.used
    loop.set_cost(2.0)
    assert run(action).exit_code == 0
    assert ["no regression" in body for body in fake.bodies()] == [True]


def test_inputs_with_blanks_quotes_and_what_a_shell_would_evaluate_arrive_as_they_are(
    action, loop, fake
):
    (loop.path / "my tests").mkdir()
    hostile = "a 'b' \"c\" $(touch hacked) `touch hacked` ; touch hacked # ${{ x }} %0A \\"
    loop.write(
        test_it=f"""
        import pytest
        from model import infer

        @pytest.mark.inference(n=20, task="t", model="m")
        @pytest.mark.parametrize("x", [{hostile!r}])
        def test_x(energy, x):
            for _ in energy.each(range(20)):
                infer()
        """
    )
    (loop.path / "test_it.py").rename(loop.path / "my tests" / "test it.py")
    done = run(
        action,
        pytest_args="-k 'test_x and not nothing' \\\n --strict-markers \"my tests/test it.py\"",
        report_folder="out; touch hacked; $(touch hacked) 'x'",
        comment_name=hostile,
        artifact="energy $(touch hacked)",
    )
    assert done.exit_code == 0, done.log
    assert done.outputs["verdict"] == "nothing-compared"
    assert done.outputs["report-path"].endswith(
        "out; touch hacked; $(touch hacked) 'x'/energy.json"
    )
    assert fake.bodies()[0].startswith(marker(hostile))
    assert done.used["actions/upload-artifact"]["name"] == "energy $(touch hacked)"
    assert not list(loop.path.rglob("hacked"))


def test_the_working_directory_may_be_another(action, loop):
    below = loop.path / "a folder"
    below.mkdir()
    for name in ("conftest.py", "scripted.py", "model.py", "test_it.py", "tox.ini"):
        (loop.path / name).rename(below / name)
    done = run(action, working_directory="a folder")
    assert done.outputs["report-path"] == str(below / "energy-reports" / "energy.json")


def test_against_a_revision_both_sides_are_run(environment, repository):
    names = {"github.token": TOKEN, "github.event.pull_request.number": ""}
    action = Action(ROOT, repository.path, environment, names)
    repository.set_cost(3.0)
    done = run(action, against="main")
    assert (done.exit_code, done.outputs["verdict"]) == (1, "regressed"), done.log
    report = json.loads(Path(done.outputs["report-path"]).read_text())
    assert report["base"]["label"].endswith("(main)")


@pytest.mark.parametrize(
    ("args", "code", "verdict"),
    [
        ("no_such_file.py", 4, "error"),
        ("--no-such-option", 4, "error"),
        ("--energy-strict", 1, "failed"),  # there is no baseline yet
        ("-k nothing", 5, "failed"),
    ],
)
def test_pytests_exit_code_is_kept(action, fake, args, code, verdict):
    done = run(action, pytest_args=args)
    assert (done.exit_code, done.outputs["verdict"]) == (code, verdict), done.log
    assert f"pytest's exit code is {code}" in done.log


def test_an_earlier_runs_report_is_not_taken_for_this_ones(action, loop, fake):
    run(action)
    done = run(action, pytest_args="--no-such-option")
    assert (done.outputs["verdict"], done.outputs["report-path"]) == ("error", "")
    assert len([each for each in fake.asked if each.method == "PATCH"]) == 0


@pytest.mark.parametrize(
    ("inputs", "problem"),
    [
        (
            {"pytest_args": "-k 'open"},
            "::error title=pytest-energy::pytest-args or report-folder: ",
        ),
        ({"report_folder": "a\nverdict=ok"}, "a line break or another control character"),
        ({"report_folder": "test_it.py/x"}, "Not a directory"),
        ({"version": "$(touch hacked)"}, "version: expected one such as 0.1.0, or none"),
        ({"version": "--pre"}, "version: expected one such as 0.1.0, or none"),
        ({"version": "", "extras": "html]; x["}, "extras: expected names separated by commas"),
    ],
    ids=str,
)
def test_inputs_that_cannot_be_are_refused_and_nothing_goes_on(action, fake, loop, inputs, problem):
    done = run(action, **inputs)
    assert done.exit_code == 2
    assert problem in done.log
    assert done.outputs["verdict"] == ""
    assert done.used == {}
    assert fake.asked == []
    assert not (loop.path / "hacked").exists()


@pytest.mark.parametrize(
    ("answer", "annotation"),
    [
        (Scripted(403, {"message": "Resource not accessible"}), "::notice title=pytest-energy::"),
        (Scripted(422, {"message": "100% no"}), "::warning title=pytest-energy::"),
    ],
)
def test_a_comment_that_cannot_be_posted_changes_no_verdict(action, loop, fake, answer, annotation):
    fake.script[("POST", "/comments")] = [answer]
    done = run(action)
    assert done.exit_code == 0
    assert done.outputs["comment-url"] == ""
    (line,) = [line for line in done.log.splitlines() if line.startswith("::")]
    assert line.startswith(f"{annotation}pytest-energy: the comment was not posted: ")
    assert "% " not in line
    assert TOKEN not in done.log
    assert "actions/upload-artifact" in done.used


def test_comment_and_upload_can_be_left_out_and_another_event_has_no_comment(
    action, loop, environment, fake
):
    done = run(action, comment="false", upload="false")
    assert (done.exit_code, done.used) == (0, {})
    push = Action(ROOT, loop.path, environment, {"github.token": TOKEN})
    done = run(push)
    assert done.exit_code == 0
    assert list(done.used) == ["actions/upload-artifact"]
    assert fake.asked == []


def test_a_module_that_the_pull_request_brings_is_not_run_with_the_token(action, loop, fake):
    loop.write(requests="raise SystemExit('hacked')")
    assert run(action).outputs["comment-url"]


def test_python_is_set_up_where_it_is_asked_for(action):
    done = run(action, python_version="3.13")
    assert done.used["actions/setup-python"] == {"python-version": "3.13"}


RECORDER = """#!/usr/bin/env bash
printf '%s\\n' "$@" >> "$PIP_ASKED"
"""


@pytest.mark.parametrize(
    ("inputs", "asked"),
    [
        ({"version": ""}, f"{ROOT}[github]"),
        ({"version": "", "extras": "html, prometheus"}, f"{ROOT}[github,html,prometheus]"),
        ({"version": "0.1.0rc1", "extras": "html"}, "pytest-energy[github,html]==0.1.0rc1"),
    ],
    ids=str,
)
def test_what_pip_is_asked_for(loop, environment, tmp_path, inputs, asked):
    shim = tmp_path / "bin" / "python"
    shim.parent.mkdir()
    shim.write_text(RECORDER)
    shim.chmod(0o755)
    environment |= {
        "PATH": f"{shim.parent}{os.pathsep}{environment['PATH']}",
        "PIP_ASKED": str(tmp_path / "asked"),
    }
    Action(ROOT, loop.path, environment, {}).run(**inputs)
    words = (tmp_path / "asked").read_text().splitlines()
    assert words[:3] + words[4:5] == ["-m", "pip", "install", asked]


def test_no_input_stands_in_a_script(action):
    for step in action.definition["runs"]["steps"]:
        assert "${{" not in step.get("run", "")


def test_the_manual_has_a_row_for_each_input_and_output(action):
    manual = (ROOT / "docs" / "ci.md").read_text()
    for kind in ("inputs", "outputs"):
        section = manual.split(f"| {kind[:-1]} |", 1)[1].split("\n\n", 1)[0]
        rows = dict(re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", section, re.MULTILINE))
        assert list(rows) == list(action.definition[kind])
        if kind == "inputs":
            for name, row in rows.items():
                default = action.definition[kind][name]["default"]
                assert row.startswith(f"`{default}` |" if default else " |".strip()), name
