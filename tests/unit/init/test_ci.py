"""Where a project's tests run, from the files that CI services read."""

from __future__ import annotations

import pytest

from pytest_energy.init.ci import GITHUB, Ci, read_ci
from pytest_energy.init.gate import Gate
from pytest_energy.init.workflow import DATA
from support.newcomers import CI


@pytest.fixture
def workflow(tmp_path):
    def write(text):
        path = tmp_path / ".github" / "workflows" / "ci.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("runs_on", "hosted", "self_hosted"),
    [
        ("ubuntu-latest", True, False),
        ("windows-2025", True, False),
        ("[self-hosted, linux]", False, True),
        ("{group: gpus, labels: self-hosted}", False, True),
        ("${{ matrix.os }}", False, False),
        ("ubuntu-24.04 # not self-hosted", True, False),
    ],
)
def test_runners_are_known_by_their_labels(workflow, runs_on, hosted, self_hosted):
    found = read_ci(workflow(CI.format(runs_on)), on_github=False)
    assert found == Ci((GITHUB,), hosted, self_hosted)


@pytest.mark.parametrize(
    ("name", "service"),
    [
        (".gitlab-ci.yml", "GitLab CI"),
        (".circleci/config.yml", "CircleCI"),
        ("Jenkinsfile", "Jenkins"),
        (".woodpecker/test.yml", "Woodpecker"),
    ],
)
def test_another_service_is_known_by_its_file(tmp_path, name, service):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("")
    assert read_ci(tmp_path, on_github=False) == Ci((service,))


@pytest.mark.parametrize("gate", Gate)
def test_the_gate_of_a_workflow_that_is_there_is_known(workflow, gate):
    text = (DATA / f"{gate}.yml").read_text("utf-8")
    assert read_ci(workflow(text), on_github=False).gate == gate


def test_an_option_in_a_comment_is_no_gate(workflow):
    found = read_ci(workflow("runs-on: ubuntu-latest\nrun: make  # --energy-judge=counted"), False)
    assert found.gate == ""


def test_a_repository_on_github_may_have_no_workflow_yet(tmp_path):
    assert read_ci(tmp_path, on_github=True) == Ci((GITHUB,))
    assert read_ci(tmp_path, on_github=False) == Ci(())
