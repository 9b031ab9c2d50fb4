"""The marker `training`: metered steps, what the whole costs, and who reads it."""

from __future__ import annotations

import json

import jsonschema
import pytest

from pytest_energy.report import json as json_report
from support.trainings import TRAINING


def test_steps_are_metered_in_blocks_and_extrapolated(trained):
    training, inference = trained.report()["results"]
    assert training["subject"] | {"test": ""} == {
        "test": "",
        "region": "",
        "task": "sentiment",
        "model": "tiny",
        "dataset": "",
        "role": "training",
        "unit": "step",
        "n": 40,
        "concurrency": 1,
    }
    assert len(training["measurement"]["blocks"]) == 20
    assert training["training_run"] == {"total_steps": 1_800_000, "hours": None, "runs": 1}
    cost = training["training_cost"]
    assert cost["joules"] == pytest.approx(3.6e6)
    assert cost["kwh"] == pytest.approx(1.0)
    assert cost["gco2e"] == pytest.approx(475)
    assert cost["kwh_low"] < 1 < cost["kwh_high"]
    assert cost["scattered"]
    (even,) = cost["break_even"]
    assert even["test"] == "test_it.py::test_inference"
    assert even["inferences"] == pytest.approx(1_800_000)
    assert inference["training_run"] is None
    assert inference["training_cost"] is None


def test_the_report_says_what_the_whole_costs_and_when_inference_has_cost_as_much(trained):
    output = trained.run("--energy-report", "--energy-pue=1.6").stdout
    lines = output.lines
    (start,) = [i for i, line in enumerate(lines) if line.startswith("training of")]
    text = " ".join(" ".join(lines[start : start + 3]).split())
    assert text.startswith("training of tiny: 1,800,000 steps, ")
    assert "1.60 kWh (95 %: 1.53 to 1.68), 760 g CO2e (PUE 1.6);" in text  # 2.306 × 2 %
    assert "as much as 1.80 million inferences of tiny (2.00 J, test_inference)" in text
    assert max(map(len, lines[start : start + 3])) <= 120
    output.fnmatch_lines(["tiny *2.00 J/step *"])


def test_nothing_is_said_of_break_even_where_no_inference_was_measured(trained):
    output = trained.run("--energy-report", "-k", "test_training").stdout.str()
    assert "training of tiny: 1,800,000 steps" in output
    assert "as much as" not in output


def test_a_body_with_the_marker_alone_is_one_window_of_its_steps(project):
    project.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.training(steps=10, total_steps=1000)
        def test_body():
            for _ in range(10):
                infer()
        """
    )
    (found,) = project.report()["results"]
    assert found["measurement"]["joules_per_unit"] == pytest.approx(2.0)
    assert found["training_cost"]["joules"] == pytest.approx(2000)
    assert not found["training_cost"]["scattered"]


def test_hours_and_runs_give_mean_power_times_all_of_them(project):
    project.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.training(steps=10, hours=2, runs=3, model="tiny")
        def test_it(energy):
            for _ in energy.each([0]):
                infer()
        """
    )
    (found,) = project.report()["results"]
    cost, measured = found["training_cost"], found["measurement"]
    assert cost["seconds"] == 7200
    assert cost["joules"] == pytest.approx(measured["watts"] * 7200 * 3)
    output = project.run("--energy-report").stdout.str()
    assert "training of tiny: 3 runs of 2.00 h each at " in " ".join(output.split())


def test_steps_may_be_left_out_where_the_loop_says_how_many(project):
    project.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.training(total_steps=1000)
        def test_it(energy):
            for _ in energy.each(range(6)):
                infer()
        """
    )
    (found,) = project.report()["results"]
    assert found["subject"]["n"] == 6
    assert found["training_cost"]["joules"] == pytest.approx(2000)


def test_a_step_that_takes_more_fails_as_an_inference_does(trained):
    trained.run("--energy-update")
    assert trained.baseline()["entries"]["test_it.py::test_training"]["role"] == "training"
    trained.set_cost(3.0)
    done = trained.run()
    done.assert_outcomes(failed=2)
    done.stdout.fnmatch_lines(["*energy regressed: 3.00 J per step, baseline 2.00 J (1 session)*"])


def test_a_budget_is_per_step(project):
    project.write(test_it=TRAINING.replace('model="tiny"', 'model="tiny", budget="1 J"'))
    project.run("-k", "test_training").stdout.fnmatch_lines(["*2.00 J per step, allowed 1.00 J*"])


def test_remedies_speak_of_steps(project):
    project.write(
        test_it="""
        import pytest

        @pytest.mark.training(steps=10, total_steps=1000)
        def test_left(energy):
            for _ in energy.each([0]):
                break
        """
    )
    (found,) = project.report()["results"]
    assert found["verdict"]["reason"] == "the loop was left after 0 of 10 steps"


def test_the_closest_extent_wins_over_the_class(project):
    project.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.training(steps=10, total_steps=1000, runs=2)
        class TestModel:
            @pytest.mark.training(hours=1)
            def test_it(self, energy):
                for _ in energy.each([0]):
                    infer()
        """
    )
    (found,) = project.report()["results"]
    assert found["training_run"] == {"total_steps": None, "hours": 1.0, "runs": 2}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ("steps=5", "one of total_steps (of the whole run) and hours * found neither"),
        ("steps=5, total_steps=9, hours=1", "one of total_steps * and hours * found both"),
        (
            "total_steps=9",
            "steps is missing: * says how many steps it performs; if the marker is *",
        ),
        ("steps=0, total_steps=9", "steps: expected a whole number of 1 or more, found 0"),
        ("steps=5, total_steps=4", "total_steps: expected a whole number of 5 or more, found 4"),
        ("steps=5, total_steps=9.5", "total_steps: expected a whole number * found 9.5"),
        ("steps=5, hours=0", "hours: expected a number above 0, found 0"),
        ("steps=5, hours=True", "hours: expected a number above 0, found True"),
        ("steps=5, hours='2'", "hours: expected a number above 0, found '2'"),
        ("steps=5, hours=float('nan')", "hours: expected a number above 0, found nan"),
        ("steps=5, hours=float('inf')", "hours: expected 1,000,000,000 at most, found inf"),
        ("steps=5, hours=1e306", "hours: expected 1,000,000,000 at most, found 1e+306"),
        ("steps=5, hours=10**400", "hours: expected 1,000,000,000 at most, found a number of hun*"),
        ("steps=5, total_steps=10**16", "total_steps: expected 1,000,000,000,000,000 at most, *"),
        ("steps=5, total_steps=10**5000", "total_steps: expected 1,000,000,000,000,000 at most, *"),
        (
            "steps=10**400, hours=1",
            "steps: expected 1,000,000,000,000,000 at most, found a number*",
        ),
        ("steps=5, hours=1, runs=10**400", "runs: expected 1,000,000,000,000,000 at most, found *"),
        ("", "this name belongs to pytest-energy, * rename it there, or go * -p no:energy"),
        ("steps=5, hours=1, runs=0", "runs: expected a whole number of 1 or more, found 0"),
        ("n=5, hours=1", "unknown argument 'n'; there are: steps, total_steps, hours, runs, *"),
        ("steps=5, hours=1, role='task-specific'", "unknown argument 'role'; *"),
        ("5, hours=1", "write its arguments as keywords, such as steps=20, found (5,)"),
    ],
)
def test_an_argument_that_cannot_be_meant_is_a_usage_error_that_names_the_test(
    project, arguments, problem
):
    project.write(
        test_it=f"""
        import pytest

        @pytest.mark.training({arguments})
        def test_it(): pass
        """
    )
    done = project.run()
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(
        [f"*test_it.py::test_it: @pytest.mark.training: {problem.replace('[', '[[]')}"]
    )


def test_the_most_that_is_allowed_makes_a_report_of_figures(project):
    project.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.training(total_steps=10**15, runs=10**15)
        def test_steps(energy):
            for _ in energy.each(range(8)):
                infer()

        @pytest.mark.training(hours=1e9, runs=10**15)
        def test_hours(energy):
            for _ in energy.each(range(8)):
                infer()
        """
    )
    for found in project.report("--energy-report")["results"]:
        assert 1e20 < found["training_cost"]["kwh"] < 1e40


def test_a_project_whose_own_marker_has_the_name_goes_without_the_plugin(project):
    project.write(
        test_it="""
        import pytest

        @pytest.mark.training
        def test_it(): pass
        """
    )
    project.pytester.makeconftest(
        'def pytest_configure(config): config.addinivalue_line("markers", "training: slow")'
    )
    project.pytester.makeini("[pytest]")
    project.own_process = True
    project.plugins = None  # so that the plugin is found, and left out, by its name
    refused = project.run()
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    refused.stderr.fnmatch_lines(["*this name belongs to pytest-energy*-p no:energy"])
    project.run("-p", "no:energy").assert_outcomes(passed=1)


def test_an_inference_is_no_part_of_a_training(project):
    project.write(
        test_it="""
        import pytest

        @pytest.mark.inference(n=5, training=1)
        def test_it(): pass
        """
    )
    project.run().stderr.fnmatch_lines(["*inference: unknown argument 'training'; *"])


def test_both_markers_on_one_test_are_a_usage_error(project):
    project.write(
        test_it="""
        import pytest
        pytestmark = pytest.mark.inference(n=5)

        @pytest.mark.training(steps=5, total_steps=9)
        def test_it(): pass
        """
    )
    done = project.run()
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(
        ["*test_it.py::test_it: * the test carries @pytest.mark.inference as well; *take one away*"]
    )


def test_pytest_shows_both_markers(project):
    project.run("--markers").stdout.fnmatch_lines(
        ["@pytest.mark.inference(n, *", "@pytest.mark.training(steps, total_steps, hours, runs, *"]
    )


def test_head_and_base_take_turns_step_by_step(repository):
    repository.write(test_it=TRAINING)
    repository.commit()
    repository.set_cost(3.0)
    report = repository.report("--energy-against=main")
    training = report["results"][0]
    assert training["verdict"]["status"] == "regressed"
    assert training["verdict"]["change"]["value"] == pytest.approx(0.5)
    assert training["training_cost"]["joules"] == pytest.approx(5.4e6)


# In tests, and beyond the process

COMPARES = (
    TRAINING
    + """
def test_costs(energy_results):
    cost = energy_results.training(model="tiny")
    assert cost.joules == pytest.approx(3.6e6)
    carbon = energy_results.carbon
    assert cost.kwh(carbon) == pytest.approx(1.2)
    assert cost.grams(carbon) == pytest.approx(1.2 * 475)
    (inference,) = energy_results.where(model="tiny", unit="inference").measurements
    assert cost.break_even(inference.joules_per_unit) == pytest.approx(1_800_000)
"""
)


def test_a_test_can_ask_what_the_training_costs(project):
    project.write(test_it=COMPARES)
    project.run("--energy-pue=1.2").assert_outcomes(passed=3)


def test_and_is_skipped_where_nothing_is_metered(project):
    project.write(test_it=COMPARES)
    project.run("--energy-off").assert_outcomes(passed=2, skipped=1)


def test_a_training_that_was_not_measured_is_said(project):
    project.write(test_it=COMPARES)
    done = project.run("-k", "test_costs or test_inference")
    done.stdout.fnmatch_lines(["*LookupError: no training was measured: *must run before*"])


def test_of_several_trainings_one_has_to_be_named(project):
    more = "\n\n".join((TRAINING, TRAINING.replace("test_training", "test_longer"), ASKS))
    project.write(test_it=more)
    project.run().stdout.fnmatch_lines(["*LookupError: several trainings: *test=*or model=*"])


ASKS = """
def test_costs(energy_results):
    energy_results.training()
"""


def test_workers_of_xdist_hand_the_training_over(trained):
    training, _ = trained.report("-n", "1")["results"]
    assert training["training_cost"]["joules"] == pytest.approx(3.6e6)
    assert training["training_cost"]["break_even"]


def test_the_json_report_fits_its_schema(project):
    schema = json.loads(json_report.SCHEMA_FILE.read_text())
    broken = TRAINING.replace("1_800_000", "99").replace("infer(batch)", "break")
    for text in (TRAINING, broken, TRAINING.replace("total_steps=1_800_000", "hours=3, runs=2")):
        project.write(test_it=text)
        report = project.report("--energy-carbon-intensity=0")
        jsonschema.Draft202012Validator(schema).validate(report)
        assert (report["results"][0]["training_cost"] is None) is (text is broken)


def test_junit_xml_carries_the_cost(trained):
    trained.run("--junitxml=junit.xml")
    text = (trained.path / "junit.xml").read_text()
    assert text.count('name="energy.training_kwh"') == 1
    assert 'name="energy.training_gco2e"' in text


ROLES = """
@pytest.mark.inference(n=40, task="sentiment", model="small", role="task-specific")
def test_small(energy):
    for sample in energy.each(range(7)):
        infer(sample)

@pytest.mark.inference(n=40, task="sentiment", model="large", role="general-purpose")
def test_large(energy):
    for sample in energy.each(range(7)):
        infer(sample)
        infer(sample)
"""


def test_a_training_of_the_same_task_does_not_hide_the_ratio_of_two_roles(project):
    project.write(test_it=TRAINING + ROLES)
    output = project.run("--energy-report").stdout.str()
    assert "sentiment: general-purpose takes 2.00 times the energy of task-specific" in " ".join(
        output.split()
    )
