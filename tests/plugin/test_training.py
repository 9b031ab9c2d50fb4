"""What training costs: the marker, the whole from a window, break-even, the paper's formula."""

from __future__ import annotations

import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energy.analysis.training import break_evens, cost_of, training_cost
from pytest_energy.papers import strubell
from pytest_energy.report import json as json_report
from pytest_energy.report import terminal
from pytest_energy.types.carbon import Carbon
from pytest_energy.types.codec import from_record, to_record
from pytest_energy.types.energy import Domain, Method
from pytest_energy.types.measurement import Block, Measurement
from pytest_energy.types.result import Result, Subject, TrainingRun
from pytest_energy.types.units import format_count
from pytest_energy.types.verdict import Status, Verdict

GRID = Carbon(400.0, "X", 2024, "a test", pue=1.5)


def window(joules_per_step=3.0, steps=20, blocks=20, method=Method.COUNTER, scatter=0.0):
    """Steps of one second each; `scatter` makes every other block so much dearer."""
    gpu = Domain("gpu:0", "gpu", method, "NVML", 0.1)
    ram = Domain("dram", "dram", Method.CONSTANT, "5 W", 0.0)
    each = steps // blocks
    figures = [joules_per_step * (1 + scatter * (i % 2)) for i in range(blocks)]
    return Measurement(
        ("scripted",),
        (gpu, ram),
        tuple(Block(each, float(each), (each * joules, 5.0 * each)) for joules in figures),
        steps,
        float(steps),
    )


def result(measurement, training=None, *, model="tiny", test="t.py::test_it", region="", **verdict):
    role = "training" if training else "task-specific"
    unit = "step" if training else "inference"
    subject = Subject(test, region, "sentiment", model, "", role, unit, 20)
    judged = Verdict(**{"status": Status.NEW, **verdict})
    return Result(subject, measurement, judged, training_run=training)


# The whole, from a window


def test_by_its_steps_a_training_is_joules_per_step_times_their_number():
    cost = training_cost(window(3.0), TrainingRun(total_steps=12_000))
    assert cost.joules == pytest.approx(36_000)
    assert cost.seconds == pytest.approx(12_000)


def test_by_its_hours_a_training_is_mean_power_times_duration():
    cost = training_cost(window(3.0), TrainingRun(hours=2))
    assert cost.joules == pytest.approx(3.0 * 7200)  # 3 J a second are 3 W
    assert cost.seconds == 7200


def test_runs_of_search_and_development_multiply_the_energy_and_not_the_duration_of_one():
    once = training_cost(window(), TrainingRun(total_steps=100))
    often = training_cost(window(), TrainingRun(total_steps=100, runs=strubell.RUNS_OF_CASE_STUDY))
    assert often.joules == pytest.approx(4789 * once.joules)
    assert often.low == pytest.approx(4789 * once.low)
    assert often.seconds == once.seconds


def test_constants_are_no_part_of_the_cost_as_of_no_gate():
    assert training_cost(window(3.0), TrainingRun(total_steps=1)).joules == pytest.approx(3.0)


def test_kwh_have_the_sites_overhead_and_grams_the_grids_intensity_on_top():
    cost = training_cost(window(3.6e4), TrainingRun(total_steps=100))
    assert cost.kwh(GRID) == pytest.approx(1.5)
    assert cost.grams(GRID) == pytest.approx(600)


@pytest.mark.parametrize(
    ("method", "half"),
    [(Method.COUNTER, 0.0461), (Method.SAMPLED, 0.0761), (Method.ESTIMATED, 0.1845)],
)
def test_the_interval_of_a_quiet_window_is_the_spread_between_sessions_by_method(method, half):
    """Student's t with the prior's 8 degrees of freedom (2.306) times its standard deviation."""
    cost = training_cost(window(method=method), TrainingRun(total_steps=100))
    assert cost.high / cost.joules == pytest.approx(1 + half, rel=0.02)
    assert cost.low / cost.joules == pytest.approx(1 / (1 + half), rel=0.02)
    assert cost.scattered


def test_blocks_that_scatter_widen_the_interval():
    quiet, noisy = (
        training_cost(window(scatter=scatter), TrainingRun(total_steps=100)) for scatter in (0, 0.5)
    )
    assert noisy.high / noisy.joules > 1.05 * quiet.high / quiet.joules


@pytest.mark.parametrize("training", [TrainingRun(total_steps=100), TrainingRun(hours=1)])
def test_a_body_that_is_one_window_has_the_spread_between_sessions_alone_and_says_so(training):
    cost = training_cost(window(blocks=1), training)
    assert not cost.scattered
    assert cost.low < cost.joules < cost.high
    (line,) = terminal.table(
        [result(window(blocks=1), training)], {}, GRID, 400, colour=False
    ).splitlines()[-2:-1]
    assert "the spread between sessions alone" in line


def test_a_window_of_no_energy_gives_no_cost():
    with pytest.raises(ValueError, match="some energy"):
        training_cost(window(0.0), TrainingRun(total_steps=100))


@given(
    joules=st.floats(1e-3, 1e4),
    scatter=st.floats(0, 3),
    blocks=st.sampled_from([1, 4, 5, 20]),
    steps=st.integers(1, 10**9),
    more=st.integers(1, 10**6),
    runs=st.integers(1, 5000),
)
def test_more_steps_and_more_runs_never_cost_less(joules, scatter, blocks, steps, more, runs):
    measured = window(joules, blocks=blocks, scatter=scatter)
    less = training_cost(measured, TrainingRun(total_steps=steps, runs=runs))
    further = training_cost(measured, TrainingRun(total_steps=steps + more, runs=runs))
    again = training_cost(measured, TrainingRun(total_steps=steps, runs=runs + 1))
    assert 0 < less.low < less.joules < less.high
    for dearer in (further, again):
        assert dearer.joules > less.joules
        assert dearer.low > less.low
        assert dearer.high > less.high
        assert dearer.break_even(joules) > less.break_even(joules)


# Break-even


def test_break_even_is_where_inference_has_taken_as_much_as_training():
    cost = training_cost(window(3.0), TrainingRun(total_steps=12_000))
    assert cost.break_even(0.036) == pytest.approx(1_000_000)
    with pytest.raises(ValueError, match="above 0"):
        cost.break_even(0.0)


def test_break_even_counts_inferences_of_the_same_model_that_were_measured():
    training = result(window(3.0), TrainingRun(total_steps=1000))
    known = [
        training,
        result(window(2.0), test="t.py::test_small"),
        result(window(4.0), test="t.py::test_large"),
        result(window(1.0), model="another"),
        result(window(1.0), region="prefill"),
        result(window(1.0), status=Status.UNRESOLVED),
        result(None, status=Status.UNMEASURED),
    ]
    found = break_evens(training, known)
    assert [(even.subject.short_name, even.inferences) for even in found] == [
        ("test_small", pytest.approx(1500)),
        ("test_large", pytest.approx(750)),
    ]


@pytest.mark.parametrize("status", [Status.UNRESOLVED, Status.UNMEASURED])
def test_where_the_window_has_no_figure_the_training_has_no_cost(status):
    measured = window() if status is Status.UNRESOLVED else None
    training = result(measured, TrainingRun(total_steps=10), status=status)
    assert cost_of(training) is None
    assert not break_evens(training, [result(window())])


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (3.24, "3.24"),
        (12345.6, "12,346"),
        (999_400, "999,400"),
        (999_600, "1.00 million"),
        (1.57e6, "1.57 million"),
        (592.57e6, "593 million"),
        (2.5e9, "2.50 billion"),
        (7e12, "7.00 trillion"),
    ],
)
def test_counts_are_written_as_people_say_them(count, text):
    assert format_count(count) == text


# The marker

TRAINING = """
import pytest
from model import infer

@pytest.mark.training(steps=40, total_steps=1_800_000, task="sentiment", model="tiny")
def test_training(energy):
    for batch in energy.each(range(7)):
        infer(batch)

@pytest.mark.inference(n=40, task="sentiment", model="tiny")
def test_inference(energy):
    for sample in energy.each(range(7)):
        infer(sample)
"""


@pytest.fixture
def trained(project):
    """A project whose training steps and inferences take 2 J each."""
    project.write(test_it=TRAINING)
    return project


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
    }
    assert len(training["measurement"]["blocks"]) == 20
    assert training["training"] == {"total_steps": 1_800_000, "hours": None, "runs": 1}
    cost = training["training_cost"]
    assert cost["joules"] == pytest.approx(3.6e6)
    assert cost["kwh"] == pytest.approx(1.0)
    assert cost["gco2e"] == pytest.approx(475)
    assert cost["kwh_low"] < 1 < cost["kwh_high"]
    assert cost["scattered"]
    (even,) = cost["break_even"]
    assert even["test"] == "test_it.py::test_inference"
    assert even["inferences"] == pytest.approx(1_800_000)
    assert inference["training"] is None
    assert inference["training_cost"] is None


def test_the_report_says_what_the_whole_costs_and_when_inference_has_cost_as_much(trained):
    output = trained.run("--energy-report", "--energy-pue=1.6").stdout
    lines = output.lines
    (start,) = [i for i, line in enumerate(lines) if line.startswith("training of")]
    text = " ".join(" ".join(lines[start : start + 3]).split())
    assert text.startswith("training of tiny: 1,800,000 steps, ")
    assert "1.60 kWh [1.53, 1.68], 760 g CO2e (PUE 1.6);" in text  # 2.306 × 2 %
    assert "as much as 1.80 million inferences of tiny (2.00 J, test_inference)" in text
    assert max(map(len, lines[start : start + 3])) <= 100
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
    assert found["training"] == {"total_steps": None, "hours": 1.0, "runs": 2}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ("steps=5", "one of total_steps (of the whole run) and hours * found neither"),
        ("steps=5, total_steps=9, hours=1", "one of total_steps * and hours * found both"),
        ("total_steps=9", "steps is missing: * says how many steps it performs"),
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
    assert training["verdict"]["change"] == pytest.approx(0.5)
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


def test_a_training_survives_its_travel_between_processes():
    for training in (TrainingRun(total_steps=9), TrainingRun(hours=2.5, runs=7)):
        record = json.loads(json.dumps(to_record(result(window(), training))))
        assert from_record(record).training_run == training
    del record["training"]
    assert from_record(record).training_run is None


def test_records_from_before_quality_was_judged_are_read():
    record = json.loads(json.dumps(to_record(result(window()))))
    del record["verdict"]["quality"]
    assert from_record(record).verdict.quality is None


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


# The paper


@pytest.mark.parametrize("row", strubell.table(), ids=lambda row: f"{row.model}-{row.hardware}")
def test_the_papers_table_comes_out_of_its_formula(row):
    if row.watts is None:
        assert row.kwh is row.pounds is row.printed_kwh is row.printed_pounds is None
    else:
        assert round(row.kwh) == row.printed_kwh
        assert round(row.pounds) == row.printed_pounds


def test_five_rows_of_the_papers_table_have_watts():
    assert sum(row.watts is not None for row in strubell.table()) == 5


def test_berts_79_hours_are_79_2():
    (bert,) = [row for row in strubell.table() if row.note]
    assert (bert.model, bert.hours, bert.exact_hours) == ("BERT_base", 79, 79.2)
    assert round(strubell.kwh(bert.hours, 0, 0, bert.watts)) == 1503 != bert.printed_kwh


def test_cpu_memory_and_every_gpu_count_in_the_papers_formula():
    assert strubell.kwh(10, 100, 20, 250, gpus=4) == pytest.approx(1.58 * 10 * 1120 / 1000)
    assert strubell.pounds(1000) == pytest.approx(954)
    with pytest.raises(ValueError, match="0 or more"):
        strubell.kwh(-1, 100, 20, 250)


def test_the_papers_factors_turn_the_joules_of_its_rows_into_its_pounds():
    (row,) = [row for row in strubell.table() if row.model == "ELMo"]
    joules = row.watts * row.hours * 3600  # at the meter
    pounds = strubell.CARBON.grams(joules) / strubell.GRAMS_PER_POUND
    assert round(pounds) == row.printed_pounds


def test_the_papers_factors_can_be_had_instead_of_todays(trained):
    report = trained.report("--energy-factors=strubell2019")
    cost = report["results"][0]["training_cost"]
    assert cost["kwh"] == pytest.approx(1.58)
    assert cost["gco2e"] == pytest.approx(1.58 * 0.954 * 453.59237)
    assert report["carbon"]["pue"] == 1.58
    output = trained.run("--energy-report", "-o", "energy_factors=strubell2019").stdout
    text = " ".join(output.str().split())
    assert "carbon: 433 g/kWh (United States, 2018, PUE 1.58); source: factors of Strubell" in text
    assert "historical" in text


@pytest.mark.parametrize(
    "flag",
    [
        "--energy-country=FRA",
        "--energy-region=california",
        "--energy-carbon-intensity=100",
        "--energy-pue=1.1",
        "--energy-pue=1.0",
    ],
)
def test_the_papers_factors_leave_no_other_to_be_given(trained, flag):
    done = trained.run("--energy-factors=strubell2019", flag)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    name = flag.partition("=")[0]
    done.stderr.fnmatch_lines([f"*leave out {name} (or ini {name[2:].replace('-', '_')})*"])


def test_an_ini_file_that_names_the_grid_is_told_as_well(trained):
    trained.ini("energy_meter = scripted", "energy_country = FRA", "energy_pue = 1.3")
    done = trained.run("--energy-factors=strubell2019")
    done.stderr.fnmatch_lines(
        ["*leave out --energy-country (or ini energy_country), --energy-pue*"]
    )


def test_unknown_factors_are_refused_with_those_that_there_are(trained):
    trained.run("--energy-factors=strubell").stderr.fnmatch_lines(
        ["*--energy-factors*expected today or strubell2019, found 'strubell'*"]
    )


def test_the_help_tells_of_the_papers_factors(project):
    assert "strubell2019" in project.run("--help").stdout.str()
