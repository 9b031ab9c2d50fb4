"""What a training costs: the whole from a window, and break-even."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energy.analysis.training import break_evens, cost_of, training_cost
from pytest_energy.papers import strubell
from pytest_energy.report import table
from pytest_energy.types.energy import Method
from pytest_energy.types.result import TrainingRun
from pytest_energy.types.units import format_count
from pytest_energy.types.verdict import Status
from support.trainings import GRID, result, window

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
    (line,) = table.render(
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
