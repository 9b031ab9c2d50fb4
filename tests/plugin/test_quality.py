"""Quality in the gate: energy that is saved by worse answers is no improvement."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from pytest_energy.report.json import SCHEMA_FILE
from support.projects import TEST

GRADED = """
import json
import pathlib

import pytest
from model import infer

@pytest.mark.inference(n=100, task="sentiment", model="tiny", {arguments})
def test_loop(energy):
    for sample in energy.each(range(30)):
        infer(sample)
    energy.record(**json.loads(pathlib.Path("answers.json").read_text()))
"""


@pytest.fixture
def graded(project):
    """A project whose test records what answers.json says, and guards its accuracy."""

    def write(arguments='quality="accuracy"', **answers):
        project.write(test_it=GRADED.format(arguments=arguments))
        return answer(**answers)

    def answer(**answers):
        Path(project.path, "answers.json").write_text(json.dumps(answers))
        return project

    project.write_graded, project.answer = write, answer
    return project


def test_energy_that_falls_because_quality_fell_fails(graded):
    graded.write_graded(accuracy=0.8)
    graded.run("--energy-update").assert_outcomes(passed=1)
    graded.set_cost(1.5)
    graded.answer(accuracy=0.7)
    failed = graded.run()
    failed.assert_outcomes(failed=1)
    failed.stdout.fnmatch_lines(
        [
            "quality regressed: accuracy fell from 0.800 to 0.700 (-12.5 %), allowed -1 %",
            "  energy     1.50 J per inference, baseline 2.00 J (1 session); what was saved is*",
            "  change     -25.0 %  *",
            "  quality    -12.5 %  accuracy 0.700, stored 0.800; allowed -1 %",
            f"accept it: pytest {TEST} --energy-update",
            "FAILED test_it.py::test_loop - Failed: quality regressed: accuracy fell from 0.800*",
        ]
    )
    assert graded.verdicts()[TEST]["status"] == "regressed"


def test_the_same_energy_with_worse_answers_fails_too(graded):
    graded.write_graded(accuracy=0.8)
    graded.run("--energy-update")
    graded.answer(accuracy=0.7)
    failed = graded.run()
    failed.assert_outcomes(failed=1)
    failed.stdout.no_fnmatch_line("*what was saved*")


def test_less_energy_for_answers_as_good_is_an_improvement(graded):
    graded.write_graded(accuracy=0.8)
    graded.run("--energy-update")
    graded.set_cost(1.5)
    graded.answer(accuracy=0.793)  # within the 1 % that are allowed
    assert graded.verdicts()[TEST]["status"] == "improved"


@pytest.mark.parametrize(("tolerance", "status"), [("0%", "regressed"), ("20%", "improved")])
def test_how_far_quality_may_fall_is_the_tests_own_word(graded, tolerance, status):
    graded.write_graded(f'quality="accuracy", quality_tolerance="{tolerance}"', accuracy=0.8)
    graded.run("--energy-update")
    graded.set_cost(1.5)
    graded.answer(accuracy=0.79)
    assert graded.verdicts()[TEST]["status"] == status


def test_a_rise_of_energy_is_said_first_and_the_fall_of_quality_beside_it(graded):
    graded.write_graded(accuracy=0.8)
    graded.run("--energy-update")
    graded.set_cost(2.6)
    graded.answer(accuracy=0.7)
    graded.run().stdout.fnmatch_lines(
        [
            "energy regressed: 2.60 J per inference, baseline 2.00 J (1 session)",
            "  quality    -12.5 %  accuracy 0.700, stored 0.800; allowed -1 %",
        ]
    )


def test_without_quality_in_the_marker_what_is_recorded_is_shown_and_not_judged(graded):
    graded.write_graded("unit='inference'", accuracy=0.8)
    graded.run("--energy-update")
    graded.answer(accuracy=0.1)
    result = graded.run("--energy-report")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["* accuracy 0.100"])


def test_the_report_shows_quality_beside_energy_now_and_as_stored(graded):
    graded.write_graded(accuracy=0.8)
    graded.run("--energy-update")
    graded.answer(accuracy=0.85)
    result = graded.run("--energy-report", "--energy-json=r.json")
    result.stdout.fnmatch_lines(["* accuracy 0.850", "* was 0.800"])
    report = json.loads(Path(graded.path, "r.json").read_text())
    Draft202012Validator(json.loads(SCHEMA_FILE.read_text())).validate(report)
    assert report["results"][0]["verdict"]["quality"] == {
        "name": "accuracy",
        "now": 0.85,
        "stored": 0.8,
        "tolerance": 0.01,
        "decisive": False,
    }


def test_an_accepted_fall_starts_the_entry_anew(graded):
    graded.write_graded(accuracy=0.8)
    graded.run("--energy-update")
    graded.answer(accuracy=0.7)
    accepted = graded.run("--energy-update")
    accepted.assert_outcomes(passed=1)
    accepted.stdout.fnmatch_lines(
        [f"energy: {TEST}: replaced (was 2.00 J, +0.0 %; accuracy -12.5 %)"]
    )
    (session,) = graded.baseline()["entries"][TEST]["sessions"]
    assert session["recorded"] == {"accuracy": 0.7}
    assert graded.verdicts()[TEST]["status"] == "ok"


def test_a_session_as_good_is_added(graded):
    graded.write_graded(accuracy=0.8)
    graded.run("--energy-update")
    graded.answer(accuracy=0.804)
    graded.run("--energy-update").stdout.fnmatch_lines([f"energy: {TEST}: added to 1 session"])
    sessions = graded.baseline()["entries"][TEST]["sessions"]
    assert [session["recorded"]["accuracy"] for session in sessions] == [0.8, 0.804]


def test_a_baseline_from_before_the_quality_is_incomparable_until_stored_anew(graded):
    graded.write_graded('quality="f1"', accuracy=0.8, f1=0.7)
    graded.run("--energy-update")
    (path,) = graded.baselines()
    path.write_text(path.read_text().replace('"f1": 0.7', '"other": 0.7'))
    verdict = graded.verdicts()[TEST]
    assert (verdict["status"], verdict["reason"]) == ("incomparable", "the baseline has no f1")
    graded.run("--energy-update").assert_outcomes(passed=1)
    assert graded.verdicts()[TEST]["status"] == "ok"


def test_a_test_that_forgets_to_record_its_quality_is_inconclusive_and_told(graded):
    graded.write_graded(f1=0.7)
    verdict = graded.verdicts()[TEST]
    assert verdict["status"] == "inconclusive"
    assert verdict["reason"] == (
        "quality is 'accuracy', and energy.record(accuracy=…) recorded none"
    )
    assert graded.run("--energy-strict").ret == pytest.ExitCode.TESTS_FAILED


def test_a_stored_quality_that_is_no_number_is_named_with_its_line(graded):
    graded.write_graded(accuracy=0.8)
    graded.run("--energy-update")
    (path,) = graded.baselines()
    path.write_text(path.read_text().replace('"accuracy": 0.8', '"accuracy": "good"'))
    reason = graded.verdicts()[TEST]["reason"]
    assert "tiny.json, line" in reason
    assert 'expected a number, found "good"; the file was left as it is' in reason


def test_quality_makes_a_loop_perform_all_its_inferences(graded):
    """What is compared was graded on the same samples."""
    graded.write_graded('quality="accuracy", precision="50%"', accuracy=0.8)
    graded.run("--energy-json=r.json")
    report = json.loads(Path(graded.path, "r.json").read_text())
    assert report["results"][0]["measurement"]["metered_count"] == 100


def test_a_figure_that_six_digits_cannot_hold_is_no_fall_of_itself(graded):
    graded.write_graded('quality="accuracy", quality_tolerance="0%"', accuracy=2 / 3)
    graded.run("--energy-update")
    assert graded.verdicts()[TEST]["status"] == "ok"
    graded.run("--energy-update").stdout.fnmatch_lines([f"energy: {TEST}: added to 1 session"])


def test_regions_cannot_answer_for_quality(project):
    project.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.inference(quality="accuracy")
        def test_loop(energy):
            with energy.measure("prefill", n=5):
                for _ in range(5):
                    infer()
            energy.record(accuracy=0.5)
        """
    )
    verdict = project.verdicts()[TEST]
    assert verdict["status"] == "unmeasured"
    assert verdict["reason"] == (
        "budget, max_flops and quality are of the whole body: give the marker n"
    )


def test_outputs_of_energy_run_grade_the_same_samples_however_often_the_loop_looks(graded):
    """Storing looks twice, the gate once: an average over all that was yielded would differ."""
    graded.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.inference(n=10, quality="accuracy", quality_tolerance="0%", warmup=3)
        def test_loop(energy):
            outputs = energy.run(infer, range(10))
            energy.record(accuracy=sum(output > 2 for output in outputs) / len(outputs))
        """
    )
    graded.run("--energy-update").assert_outcomes(passed=1)
    (session,) = graded.baseline()["entries"][TEST]["sessions"]
    assert session["recorded"] == {"accuracy": 0.7}
    assert graded.verdicts()[TEST]["status"] == "ok"


def test_a_training_whose_quality_is_compared_is_trained_once_when_it_is_stored(graded):
    graded.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.training(steps=20, total_steps=100, quality="accuracy", warmup=2)
        def test_loop(energy):
            learnt = 0
            for _ in energy.each(range(20)):
                infer()
                learnt += 1
            energy.record(accuracy=learnt / 100)
        """
    )
    graded.run("--energy-update").assert_outcomes(passed=1)
    (session,) = graded.baseline()["entries"][TEST]["sessions"]
    assert session["recorded"] == {"accuracy": 0.28}  # two warm up, and three are counted
    graded.run().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ('quality=""', "quality: expected the name of what energy.record is given*found ''"),
        ('quality="top 1"', "quality: expected the name*found 'top 1'"),
        ('quality_tolerance="1%"', 'quality_tolerance: of what? Add quality="accuracy", say'),
        (
            'quality="accuracy", quality_tolerance=0.01',
            "quality_tolerance: expected a percentage*found 0.01",
        ),
    ],
)
def test_wrong_arguments_are_usage_errors_that_name_the_test(graded, arguments, message):
    graded.write_graded(arguments, accuracy=0.8)
    result = graded.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {TEST}: @pytest.mark.inference: {message}*"])


def test_quality_needs_the_fixture_that_records_it(project):
    project.write(
        test_it="""
        import pytest

        @pytest.mark.inference(n=1, quality="accuracy")
        def test_body():
            pass
        """
    )
    project.run().stderr.fnmatch_lines(["*quality: it is what the test records, so take*"])
