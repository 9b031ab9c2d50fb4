"""The decision, without pytest and without files: every verdict and what it rests on."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energy import verdict
from pytest_energy.measurement import (
    Baseline,
    Block,
    Domain,
    Measurement,
    Method,
    Session,
    Status,
    Subject,
)

CPU = Domain("cpu", "cpu", Method.COUNTER, "RAPL", 1e-3)
GPU = Domain("gpu:0", "gpu", Method.COUNTER, "NVML", 0.1)
ESTIMATE = Domain("cpu", "cpu", Method.ESTIMATED, "CPU time", 1e-6, "4 W per logical CPU")
SUBJECT = Subject("t.py::test_x", "", "task", "model", "", "", "inference", 100)
RULE = verdict.Rule(tolerance=0.05)


def measured(joules, *, domains=(CPU,), blocks=20, wobble=0.0, seconds=10.0, **facts):
    """A measurement of so many joules per inference, its blocks wobbling around it."""
    size = SUBJECT.n // blocks
    figures = [joules * (1 + (wobble if i % 2 else -wobble)) for i in range(blocks)]
    return Measurement(
        meters=("rapl",),
        domains=domains,
        blocks=tuple(
            Block(size, seconds / blocks, (figure * size, *[0.0] * (len(domains) - 1)))
            for figure in figures
        ),
        done=SUBJECT.n,
        units=float(SUBJECT.n),
        **facts,
    )


def stored(*joules, domains=(CPU,), blocks=20, subject=SUBJECT, meters=("rapl",)):
    """A baseline with a session for each figure."""
    return Baseline(
        subject,
        meters,
        domains,
        tuple(
            Session(
                "2026-01-01T00:00:00Z",
                subject.n,
                None,
                j,
                {domains[0].name: j},
                (j,) * blocks,
                0.1,
                None,
            )
            for j in joules
        ),
    )


def judge(measurement, baseline, rule=RULE, subject=SUBJECT, elsewhere=()):
    return verdict.judge(subject, measurement, baseline, rule, elsewhere)


def test_within_the_tolerance_is_ok():
    decision = judge(measured(2.08), stored(2.0))
    assert decision.status is Status.OK
    assert decision.change == pytest.approx(0.04)
    assert decision.limit == 0.05
    assert decision.storable


def test_above_the_tolerance_is_regressed():
    decision = judge(measured(2.2, wobble=0.01), stored(2.0))
    assert decision.status is Status.REGRESSED
    assert decision.low < decision.change < decision.high
    assert decision.baseline_joules == 2.0


def test_below_it_by_as_much_is_improved():
    assert judge(measured(1.8), stored(2.0)).status is Status.IMPROVED


def test_the_middle_of_the_stored_sessions_counts_and_not_the_last():
    decision = judge(measured(2.0), stored(2.0, 2.01, 1.99, 2.0, 2.6))
    assert decision.status is Status.OK
    assert (decision.baseline_low, decision.baseline_high) == (1.99, 2.6)


def test_a_wide_spread_between_sessions_widens_the_limit():
    spread = stored(1.8, 1.9, 2.0, 2.1, 2.2)
    decision = judge(measured(2.0), spread)
    assert decision.limit == pytest.approx(3 * 1.4826 * 0.05)
    assert decision.status is Status.OK


def test_between_tolerance_and_widened_limit_nothing_can_be_said():
    decision = judge(measured(2.2), stored(1.8, 1.9, 2.0, 2.1, 2.2))
    assert decision.status is Status.INCONCLUSIVE
    assert "the stored sessions differ so far that 22.2 % would pass" in decision.reason
    assert "store 5 sessions or more" in decision.remedy


def test_beyond_the_widened_limit_it_is_regressed():
    assert judge(measured(2.6), stored(1.8, 1.9, 2.0, 2.1, 2.2)).status is Status.REGRESSED


def test_blocks_that_scatter_more_than_the_tolerance_leave_it_open():
    decision = judge(measured(2.05, wobble=0.3), stored(2.0))
    assert decision.status is Status.INCONCLUSIVE
    assert "of doubt" in decision.reason
    assert "more inferences" in decision.remedy


def test_a_change_far_beyond_the_scatter_is_still_found():
    assert judge(measured(6.0, wobble=0.3), stored(2.0)).status is Status.REGRESSED


def test_samples_of_different_length_are_not_taken_for_noise():
    # Every second block holds long reviews, in the stored session as now.
    long_and_short = (1.4, 2.6) * 10
    baseline = stored(2.0)
    sessions = tuple(replace(s, blocks=long_and_short) for s in baseline.sessions)
    decision = judge(measured(2.2, wobble=0.3), replace(baseline, sessions=sessions))
    assert decision.status is Status.REGRESSED
    assert decision.high - decision.low < 0.01


def test_one_block_far_off_widens_the_interval_instead_of_turning_the_test_red():
    calm = measured(1.0)
    hiccup = replace(calm.blocks[7], joules=(15.0,))
    spoiled = replace(calm, blocks=(*calm.blocks[:7], hiccup, *calm.blocks[8:]))
    decision = judge(spoiled, stored(1.0, 1.0, 1.0, 1.0, 1.0))
    assert decision.change == pytest.approx(0.1)
    assert decision.status is Status.INCONCLUSIVE


def test_blocks_that_are_cut_differently_are_not_set_against_each_other():
    # A region entered a hundred times, its first four entries cold; now ten times of ten.
    cold = (3.0,) * 4 + (1.0,) * 96
    baseline = stored(1.08)
    sessions = tuple(replace(s, blocks=cold) for s in baseline.sessions)
    decision = judge(measured(1.08, blocks=10), replace(baseline, sessions=sessions))
    assert decision.change == pytest.approx(0.0)


def test_blocks_of_no_energy_at_its_beginning_crash_nothing():
    baseline = stored(2.0, blocks=5)
    early = replace(baseline.sessions[0], done=25)
    blocks = tuple(
        replace(b, joules=(0.0,)) if i < 10 else b for i, b in enumerate(measured(2.0).blocks)
    )
    decision = judge(replace(measured(2.0), blocks=blocks), replace(baseline, sessions=(early,)))
    assert decision.change == pytest.approx(-0.5)


def test_few_sessions_of_an_estimate_are_judged_by_what_is_known_of_estimates():
    baseline = stored(2.0, domains=(ESTIMATE,))
    decision = judge(measured(2.3, domains=(ESTIMATE,)), baseline)
    assert decision.limit == pytest.approx(0.24)
    assert decision.status is Status.INCONCLUSIVE
    assert "store 5 sessions or more" in decision.remedy
    assert judge(measured(2.6, domains=(ESTIMATE,)), baseline).status is Status.REGRESSED
    many = stored(*[2.0] * 5, domains=(ESTIMATE,))
    assert judge(measured(2.3, domains=(ESTIMATE,)), many).status is Status.REGRESSED


def test_a_tiny_window_of_an_estimate_turns_nothing_red():
    baseline = stored(*[2.0] * 5, domains=(ESTIMATE,))
    decision = judge(measured(4.0, domains=(ESTIMATE,), seconds=0.01), baseline)
    assert decision.status is Status.INCONCLUSIVE
    assert decision.reason == "a window of 10.0 ms is too short for an estimate"
    assert decision.remedy == "perform more inferences: n=500 would do"
    assert judge(measured(2.02, domains=(ESTIMATE,), seconds=0.01), baseline).status is Status.OK


def test_a_tolerance_of_nothing_passes_the_very_same_figure():
    assert judge(measured(1 / 3), stored(0.333333), verdict.Rule(0.0)).status is Status.OK


def test_no_baseline_is_new_and_can_be_stored():
    decision = judge(measured(2.0), None)
    assert decision.status is Status.NEW
    assert decision.storable


def test_a_baseline_of_another_machine_class_is_incomparable():
    decision = judge(measured(2.0), None, elsewhere=("apple-m2-8cpu",))
    assert decision.status is Status.INCOMPARABLE
    assert "another machine class: apple-m2-8cpu" in decision.reason
    assert "--energy-update" in decision.remedy


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"subject": replace(SUBJECT, unit="token")}, "unit was token, now inference"),
        ({"subject": replace(SUBJECT, n=1000)}, "n was 1,000, now 100"),
        ({"subject": replace(SUBJECT, dataset="imdb")}, "dataset was imdb, now none"),
        ({"meters": ("cpu_time",)}, "meters was cpu_time, now rapl"),
        ({"domains": (GPU,)}, "counted gpu:0, now cpu"),
        ({"domains": (replace(CPU, method=Method.SAMPLED),)}, "cpu was sampled, now counter"),
        ({"domains": (replace(CPU, source="MSR"),)}, "rests on MSR, now on RAPL"),
    ],
)
def test_what_must_agree_is_named_when_it_does_not(change, reason):
    decision = judge(measured(2.0), stored(2.0, **change))
    assert decision.status is Status.INCOMPARABLE
    assert reason in decision.reason


def test_an_estimate_with_another_factor_is_another_figure():
    baseline = stored(2.0, domains=(replace(ESTIMATE, basis="8 W per logical CPU"),))
    decision = judge(measured(2.0, domains=(ESTIMATE,)), baseline)
    assert decision.status is Status.INCOMPARABLE
    assert "8 W per logical CPU" in decision.reason


def test_a_busy_neighbour_makes_it_inconclusive_and_not_storable():
    decision = judge(measured(2.2, others_share=0.31), stored(2.0))
    assert decision.status is Status.INCONCLUSIVE
    assert "others used 31 %" in decision.reason
    assert "quieter machine" in decision.remedy
    assert not decision.storable
    assert decision.change == pytest.approx(0.1)  # the figures stay


def test_a_tracer_makes_it_inconclusive():
    decision = judge(measured(2.0, disturbances=("a tracer was running",)), stored(2.0))
    assert decision.status is Status.INCONCLUSIVE
    assert decision.reason == "a tracer was running"


def test_a_window_too_short_for_its_counter_is_unresolved_and_says_which_n_would_do():
    decision = judge(measured(2.0, domains=(GPU,), seconds=0.5), stored(2.0, domains=(GPU,)))
    assert decision.status is Status.UNRESOLVED
    assert "500 ms is too short for gpu:0" in decision.reason
    assert decision.remedy == "n=440 would do"
    assert not decision.storable


def test_a_counter_that_stands_still_is_unresolved():
    decision = judge(measured(0.0), stored(2.0))
    assert decision.status is Status.UNRESOLVED
    assert "did not move" in decision.reason


def test_constants_alone_are_unresolved():
    constant = replace(CPU, method=Method.CONSTANT)
    decision = judge(measured(2.0, domains=(constant,)), None)
    assert decision.status is Status.UNRESOLVED
    assert "only constants" in decision.reason


def test_over_budget_without_any_baseline():
    rule = verdict.Rule(0.05, budget_joules=1.5, budget_text="1.5 J")
    decision = judge(measured(2.0), None, rule)
    assert decision.status is Status.OVER_BUDGET
    assert decision.reason == "the budget is 1.5 J"
    assert not decision.storable
    assert judge(measured(1.4), None, rule).status is Status.NEW


def test_over_budget_beside_a_baseline_keeps_the_comparison():
    decision = judge(measured(2.0), stored(2.0), verdict.Rule(0.05, 1.5, "1.5 J"))
    assert decision.status is Status.OVER_BUDGET
    assert decision.change == pytest.approx(0.0)


def test_counters_are_gated_and_estimates_beside_them_are_not():
    domains = (GPU, replace(ESTIMATE, name="cpu"), replace(CPU, name="ram", method=Method.CONSTANT))
    blocks = tuple(Block(5, 1.0, (10.0, 99.0, 43.0)) for _ in range(20))
    both = Measurement(("nvml", "cpu_time"), domains, blocks, 100, 100.0)
    assert both.joules_per_unit == pytest.approx(2.0)


def test_after_an_early_stop_the_blocks_performed_are_set_against_their_counterparts():
    # The first quarter holds the short samples: 1 J each, where the whole has 2 J on average.
    baseline = stored(2.0)
    uneven = (1.0,) * 5 + (7 / 3,) * 15
    baseline = replace(
        baseline, sessions=tuple(replace(s, blocks=uneven) for s in baseline.sessions)
    )
    first = replace(measured(1.1), blocks=measured(1.1).blocks[:5], done=25, units=25.0)
    decision = judge(first, baseline)
    assert decision.change == pytest.approx(0.1)
    assert decision.status is Status.REGRESSED


def test_agreement_is_being_within_the_limit():
    assert verdict.agrees(measured(2.08), SUBJECT, stored(2.0), RULE)
    assert not verdict.agrees(measured(2.2), SUBJECT, stored(2.0), RULE)
    assert not verdict.agrees(measured(1.8), SUBJECT, stored(2.0), RULE)
    assert not verdict.agrees(measured(2.0), SUBJECT, stored(2.0, meters=("x",)), RULE)


def test_a_ratio_has_an_interval_from_the_blocks_of_both():
    ratio = verdict.ratio([measured(6.0, wobble=0.02)], [measured(2.0, wobble=0.02)])
    assert ratio.value == pytest.approx(3.0)
    assert 2.9 < ratio.low < ratio.value < ratio.high < 3.1


def test_a_ratio_of_several_is_that_of_their_geometric_means():
    ratio = verdict.ratio([measured(2.0), measured(8.0)], [measured(2.0)])
    assert ratio.value == pytest.approx(2.0)


def test_a_ratio_of_single_blocks_has_no_interval():
    ratio = verdict.ratio([measured(6.0, blocks=1)], [measured(2.0)])
    assert ratio == verdict.Ratio(pytest.approx(3.0), None, None)


def test_a_ratio_needs_two_sides():
    with pytest.raises(ValueError, match="both sides"):
        verdict.ratio([], [measured(2.0)])


energies = st.floats(min_value=1e-6, max_value=1e6)


@given(energies, st.lists(energies, min_size=1, max_size=10), st.floats(min_value=0, max_value=10))
def test_every_comparison_has_a_finite_change_and_a_verdict(joules, sessions, tolerance):
    decision = judge(measured(joules), stored(*sessions), verdict.Rule(tolerance))
    assert decision.change > -1
    assert decision.limit >= tolerance
    assert decision.low <= decision.change + 1e-9
    assert decision.change <= decision.high + 1e-9


@given(energies, st.floats(min_value=1.001, max_value=100))
def test_rise_and_fall_by_the_same_factor_are_judged_alike(joules, factor):
    up = judge(measured(joules * factor), stored(joules)).status
    down = judge(measured(joules / factor), stored(joules)).status
    mirrored = {Status.REGRESSED: Status.IMPROVED}
    # The limit is a rise; a fall by the same factor is its mirror image, within rounding.
    if abs(factor - 1.05) > 1e-6:
        assert mirrored.get(up, up) is down


@given(energies, energies)
def test_the_verdict_does_not_depend_on_the_unit_of_energy(joules, base):
    a = judge(measured(joules), stored(base))
    b = judge(measured(joules * 1000), stored(base * 1000))
    assert a.change == pytest.approx(b.change)
