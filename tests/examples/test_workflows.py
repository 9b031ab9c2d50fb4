"""The workflows to copy and the action: linted, pinned, with no more rights than they need."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support import actionlint, plugins
from support.examples import ROOT

yaml = pytest.importorskip("yaml")

WORKFLOWS = sorted(
    path
    for folder in ("examples/workflows", "examples/ci/.github/workflows")
    for path in (ROOT / folder).glob("*.yml")
)
ACTION = ROOT / "action.yml"
FILES = [*WORKFLOWS, ACTION]
BIN = Path(sys.executable).parent

MANUAL = (ROOT / "docs" / "ci.md").read_text("utf-8")
SNIPPET = next(
    block for block in re.findall(r"```yaml\n(.*?)```", MANUAL, re.DOTALL) if "OWNER/" in block
)
"""The manual's workflow that uses the action, whose owner and commit a reader puts in."""

OWN_MACHINE = ("own-machine", "nightly-update")

BROKEN = """
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: echo ${{ github.event.issue.title }}
"""


def by_name(path):
    return f"{path.parent.name}/{path.name}"


def tool(name):
    found = shutil.which(name, path=BIN)
    return found or pytest.skip(f"needs {name}")


def load(path):
    # The word `on` is true in YAML 1.1, and a key here.
    return yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)


def all_steps(path):
    """Each step of a workflow or the action."""
    loaded = load(path)
    jobs = loaded.get("jobs", {"": loaded.get("runs")})
    return [step for job in jobs.values() for step in job["steps"]]


@pytest.fixture
def filled_in(tmp_path):
    """The manual's workflow as a reader has it who has put the action's place in."""
    path = tmp_path / ".github" / "workflows" / "energy.yml"
    path.parent.mkdir(parents=True)
    path.write_text(SNIPPET.replace("OWNER/pytest-energy@COMMIT", f"o/pytest-energy@{'a' * 40}"))
    return path


def test_there_is_a_workflow_for_each_gate():
    assert [path.name for path in WORKFLOWS] == [
        "comment.yml",
        "energy.yml",
        "counted.yml",
        "nightly-update.yml",
        "own-machine.yml",
    ]


def test_actionlint_finds_nothing_where_it_finds_what_is_broken(tmp_path, filled_in):
    broken = tmp_path / "broken.yml"
    broken.write_text(BROKEN)
    assert "broken.yml:8: " in "\n".join(actionlint.problems(broken))
    assert actionlint.problems(*WORKFLOWS, filled_in) == []


@pytest.mark.parametrize("path", FILES, ids=by_name)
def test_each_file_is_as_githubs_schema_has_it(path):
    schema = "github-actions" if path == ACTION else "github-workflows"
    command = [tool("check-jsonschema"), f"--builtin-schema=vendor.{schema}", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def zizmor(*paths):
    command = [tool("zizmor"), "--offline", "--format=plain", *map(str, paths)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_zizmor_finds_no_weakness_where_it_finds_what_is_weak(tmp_path, filled_in):
    broken = tmp_path / "broken.yml"
    broken.write_text(BROKEN)
    found = zizmor(broken)
    assert found.returncode != 0
    assert "template-injection" in found.stdout
    assert "unpinned-uses" in found.stdout
    done = zizmor(*FILES, filled_in)
    assert done.returncode == 0, done.stdout
    for path in FILES:
        assert f"completed {path}" in done.stderr


def test_shellcheck_finds_nothing_in_the_scripts(tmp_path):
    scripts = sorted((ROOT / "scripts" / "action").glob("*.sh"))
    assert scripts
    for path in FILES:
        for i, step in enumerate(all_steps(path)):
            if "run" in step:
                script = tmp_path / f"{path.stem}-{i}.sh"
                script.write_text(f"#!/usr/bin/env bash\nset -eo pipefail\n{step['run']}\n")
                scripts.append(script)
    command = [tool("shellcheck"), *map(str, scripts)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_actions_are_pinned_by_commit_and_the_same_one_everywhere():
    pins = {}
    for path in FILES:
        for line in path.read_text("utf-8").splitlines():
            if "uses:" in line:
                found = re.fullmatch(
                    r"\s*(?:- )?uses: ([\w-]+/[\w-]+)(?:/[\w-]+)?@([0-9a-f]{40}) # v\d+\.\d+\.\d+",
                    line,
                )
                assert found, line
                assert pins.setdefault(found[1], found[2]) == found[2]
    assert len(pins) == 6


@pytest.mark.parametrize("path", WORKFLOWS, ids=by_name)
def test_no_workflow_has_more_rights_than_it_needs(path):
    workflow = load(path)
    events = workflow["on"]
    assert "pull_request_target" not in events
    assert workflow["permissions"] in ({"contents": "read"}, {}, "{}")
    rights = {
        "comment": {"actions": "read", "pull-requests": "write"},
        "nightly-update": {"contents": "write", "pull-requests": "write"},
    }
    (job,) = workflow["jobs"].values()
    assert job.get("permissions") == rights.get(path.stem)
    assert int(job["timeout-minutes"]) <= 120


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_the_nightly_update_stores_a_session_and_the_next_gate_compares_with_it(loop, tmp_path):
    temp = tmp_path / "runner temp"
    (temp / "energy").mkdir(parents=True)
    (temp / "energy" / "bin").symlink_to(BIN)
    environment = os.environ | plugins.only() | {"RUNNER_TEMP": str(temp)}

    def run(workflow, step):
        (script,) = [
            each["run"] for each in all_steps(workflow) if each.get("name", "").startswith(step)
        ]
        command = ["bash", "-e", "-c", script]
        return subprocess.run(command, cwd=loop.path, env=environment, check=False).returncode

    own, nightly = (ROOT / "examples/workflows" / f"{name}.yml" for name in OWN_MACHINE)
    assert run(nightly, "Store") == 0
    assert run(nightly, "Text") == 0
    assert "1 new" in (temp / "energy.md").read_text()
    assert len(loop.baselines()) == 1
    assert run(own, "Energy") == 0
    loop.set_cost(3.0)
    assert run(own, "Energy") == 1
    (result,) = json.loads((loop.path / "energy.json").read_text())["results"]
    assert result["verdict"]["status"] == "regressed"


def test_with_the_right_to_comment_nothing_of_the_pull_request_runs():
    (path,) = [path for path in WORKFLOWS if path.stem == "comment"]
    assert not [step for step in all_steps(path) if "checkout" in step.get("uses", "")]
    gates = [load(each)["name"] for each in WORKFLOWS if "pull_request" in load(each)["on"]]
    assert {*gates} == {*load(path)["on"]["workflow_run"]["workflows"]}


@pytest.mark.parametrize("path", WORKFLOWS, ids=by_name)
def test_pull_requests_only_read_the_cache_that_the_default_branch_fills(path):
    for step in all_steps(path):
        if step.get("uses", "").startswith("actions/cache/save@"):
            assert "github.event_name == 'push'" in step["if"]
        assert not step.get("uses", "").startswith("actions/cache@")


def test_a_forks_code_does_not_run_on_a_machine_of_ones_own():
    for path in WORKFLOWS:
        (job,) = load(path)["jobs"].values()
        if "self-hosted" in job["runs-on"] and "pull_request" in load(path)["on"]:
            assert job["if"] == "github.event.pull_request.head.repo.full_name == github.repository"


@pytest.mark.parametrize("path", WORKFLOWS, ids=by_name)
def test_the_manual_shows_each_workflow_as_it_is(path):
    assert f"```yaml\n{path.read_text('utf-8')}```\n" in MANUAL


@pytest.mark.parametrize("path", WORKFLOWS, ids=by_name)
def test_the_options_that_workflows_name_are_there(path, request):
    from pytest_energy.settings import OPTIONS

    known = {f"--energy-{name}" for name, *_ in OPTIONS}
    assert {*re.findall(r"--energy-[a-z-]+", path.read_text("utf-8"))} <= known
