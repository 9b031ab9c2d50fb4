"""What a session shows on GitHub's runners, and `--energy-markdown`."""

from __future__ import annotations

import pytest

from support.projects import flowing

FAILING = """
import pytest
from model import infer

@pytest.mark.inference(n=20, task="t", model="m")
def test_loop(energy):
    for sample in energy.each(range(20)):
        infer(sample)


@pytest.mark.inference(n=20, task="t", model="m")
@pytest.mark.parametrize("x", ["50%,a:b"])
def test_asserts(energy, x):
    for sample in energy.each(range(20)):
        infer(sample)
    assert 1 == 2, "100% wrong"

def test_plain():
    assert False
"""


@pytest.fixture
def runner(project, monkeypatch):
    """A project in GitHub's runner, one of whose tests regresses."""
    project.write(test_it=FAILING)
    project.run("--energy-update", "-k", "loop")
    project.set_cost(3.0)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(project.path.parent))
    return project


def errors(result):
    return [line for line in result.outlines if line.startswith("::error")]


@pytest.mark.parametrize("workers", [[], ["-n1"], ["-q", "--color=yes"]])
def test_metered_tests_that_fail_are_annotated_on_their_lines(runner, workers):
    first, second = errors(runner.run(*workers))
    name = runner.path.name
    assert first.startswith(
        f"::error file={name}/test_it.py,line=4,title=test_loop::energy regressed: 3.00 J per"
    )
    assert "%0A  change     +50.0 %25" in first
    assert second.startswith(
        f"::error file={name}/test_it.py,line=10,title=test_asserts[50%25%2Ca%3Ab]::"
    )
    assert "100%25 wrong" in second


def test_elsewhere_and_where_another_plugin_does_it_there_is_none(runner, monkeypatch):
    (runner.path / "pytest_github_actions_annotate_failures.py").write_text("")
    assert errors(runner.run("-p", "pytest_github_actions_annotate_failures")) == []
    monkeypatch.setenv("GITHUB_ACTIONS", "false")
    assert errors(runner.run()) == []


def test_a_test_that_passes_when_it_is_run_again_is_not_annotated(project, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    project.write(
        test_it="""
        import pytest
        from model import infer
        RUNS = []

        @pytest.mark.inference(n=20)
        def test_x(energy):
            for sample in energy.each(range(20)):
                infer(sample)
            RUNS.append(1)
            assert len(RUNS) > 1
        """
    )
    assert errors(project.run("--reruns=1")) == []
    assert len(errors(project.run())) == 1


@pytest.mark.parametrize("workers", [[], ["-n2"]])
def test_the_steps_summary_gets_the_report_by_itself_once(runner, monkeypatch, workers):
    summary = runner.path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    runner.run(*workers)
    text = summary.read_text()
    assert text.startswith("**Energy: 1 regressed**; 1 compared (1 regressed); 1 unmeasured\n")
    runner.run(*workers)
    assert summary.read_text().count("**Energy: 1 regressed**") == 2


def test_a_session_without_metered_tests_adds_nothing_to_the_summary(project, monkeypatch):
    summary = project.path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    project.write(test_it="def test_x(): pass")
    project.run("--energy-json=report.json")
    project.run("--energy-off")
    assert not summary.exists()


def test_a_summary_that_cannot_be_written_fails_nothing(loop, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(loop.path))
    result = loop.run()
    assert result.ret == pytest.ExitCode.OK
    assert "Is a directory; nothing was added to it" in flowing(result)


def test_the_markdown_report_is_a_file_that_an_option_or_the_ini_file_names(loop):
    loop.run("--energy-markdown=build/energy.md")
    text = (loop.path / "build" / "energy.md").read_text()
    assert text.startswith("**Energy: nothing was compared**; 1 new\n")
    loop.ini("energy_meter = scripted", "energy_markdown = ini.md")
    loop.run()
    assert (loop.path / "ini.md").exists()


def test_a_markdown_report_that_cannot_be_written_is_refused_before_a_test_runs(loop):
    (loop.path / "there").mkdir()
    for path, problem in (("there", "is a folder; name a file in it"), ("test_it.py/a", "folder")):
        result = loop.run(f"--energy-markdown={path}")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert "--energy-markdown (or ini energy_markdown): " in result.stderr.str()
        assert problem in result.stderr.str()
    result = loop.run("--energy-markdown=a", "--energy-export=csv=a")
    assert (
        "a is named twice, by --energy-markdown (or ini energy_markdown) and by --energy-export csv"
        in flowing(result) + result.stderr.str()
    )
