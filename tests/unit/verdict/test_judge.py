"""The decision, without pytest and without files: every verdict and what it rests on."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energy.types.energy import Method
from pytest_energy.types.measurement import Block, FlopCount, Measurement, ReferenceReadings
from pytest_energy.types.verdict import Rule, Status
from pytest_energy.verdict.judge import agreement
from support.measurements import CPU, ESTIMATE, FIVE, GPU, RULE, SUBJECT, judge, measured, stored


def test_within_the_tolerance_is_ok():
    decision = judge(measured(2.08), stored(*FIVE))
    assert decision.status is Status.OK
    assert decision.change.value == pytest.approx(0.04, abs=1e-4)
    assert decision.change.limit == pytest.approx(0.05, abs=2e-3)
    assert decision.can_be_stored


def test_above_the_tolerance_is_regressed():
    decision = judge(measured(2.2, wobble=0.01), stored(*FIVE))
    assert decision.status is Status.REGRESSED
    assert decision.change.low < decision.change.value < decision.change.high
    assert decision.change.joules == 2.0


def test_below_it_by_as_much_is_improved():
    assert judge(measured(1.8), stored(*FIVE)).status is Status.IMPROVED


def test_every_verdict_has_a_minimum_detectable_change():
    few, many = judge(measured(2.0), stored(2.0)), judge(measured(2.0), stored(*[2.0] * 10))
    assert many.change.detectable < few.change.detectable
    assert many.change.detectable > many.change.limit


def test_one_stored_session_is_judged_by_what_is_known_of_sessions():
    # Sessions of the same code differ by 2 % where energy is counted: two of them by 2.8 %.
    decision = judge(measured(2.0), stored(2.0))
    assert decision.status is Status.OK
    assert decision.change.high == pytest.approx(0.057, abs=1e-3)
    assert decision.change.limit == pytest.approx(0.085, abs=1e-3)


def test_the_middle_of_the_stored_sessions_counts_and_not_the_last():
    decision = judge(measured(2.0), stored(2.0, 2.01, 1.99, 2.0, 2.6))
    assert decision.status is Status.OK
    assert (decision.change.joules_low, decision.change.joules_high) == (1.99, 2.6)


def test_a_session_far_out_does_not_open_the_gate():
    calm, odd = stored(2.0, 2.01, 1.99, 2.0, 2.0), stored(2.0, 2.01, 1.99, 2.0, 2.6)
    assert judge(measured(2.0), odd).change.limit < 1.5 * judge(measured(2.0), calm).change.limit


def test_a_wide_spread_between_sessions_widens_the_limit():
    assert judge(measured(2.0), stored(1.8, 1.9, 2.0, 2.1, 2.2)).change.limit > 0.10


def test_sessions_that_differ_by_more_than_the_prior_are_believed():
    # By the prior's weight, a spread of 7 % would pass for one of 4 %, and this for a regression.
    verdict = judge(measured(2.25), stored(1.86, 2.14, 2.0, 1.88, 2.12))
    assert verdict.status is Status.INCONCLUSIVE
    assert verdict.change.limit > 0.15


def test_where_sessions_differ_too_much_for_the_tolerance_nothing_can_be_said():
    spread = stored(1.8, 1.9, 2.0, 2.1, 2.2)
    decision = judge(measured(2.0), spread)
    assert decision.status is Status.INCONCLUSIVE
    assert "too much for a tolerance of 5 %" in decision.reason
    assert "--energy-against" in decision.hint
    assert judge(measured(2.0), spread, Rule(0.2)).status is Status.OK


def test_with_few_sessions_the_hint_is_more_of_them():
    decision = judge(measured(2.0), stored(1.9, 2.1))
    assert decision.status is Status.INCONCLUSIVE
    assert decision.hint.startswith("store 3 more sessions with --energy-update")


def test_beyond_all_that_noise_may_do_it_is_regressed():
    assert judge(measured(2.8), stored(1.8, 1.9, 2.0, 2.1, 2.2)).status is Status.REGRESSED


def test_over_the_tolerance_and_within_the_noise_is_left_open():
    decision = judge(measured(2.12), stored(2.0))
    assert decision.status is Status.INCONCLUSIVE
    assert decision.reason.startswith("the change is over the tolerance of 5 %, and no more than")


def test_blocks_that_scatter_more_than_the_tolerance_leave_it_open():
    decision = judge(measured(2.0, wobble=0.3), stored(*FIVE))
    assert decision.status is Status.INCONCLUSIVE
    assert decision.hint.startswith("perform more inferences: n=")


def test_a_change_far_beyond_the_scatter_is_still_found():
    assert judge(measured(6.0, wobble=0.3), stored(*FIVE)).status is Status.REGRESSED


def test_with_many_tests_each_may_lie_further_so_that_the_session_raises_no_more_alarms():
    alone = judge(measured(2.0), stored(*FIVE), Rule(0.01))
    among = judge(measured(2.0), stored(*FIVE), Rule(0.01, comparisons=100))
    assert among.change.limit > 1.4 * alone.change.limit


# A second process


def test_a_suspect_that_the_second_process_does_not_confirm_is_ok():
    decision = judge([measured(2.13), measured(2.04)], stored(*FIVE))
    assert decision.status is Status.OK
    assert decision.change.passes == (pytest.approx(0.065, abs=1e-4), pytest.approx(0.02, abs=1e-4))


def test_a_suspect_that_the_second_process_confirms_is_regressed_by_the_mean_of_both():
    decision = judge([measured(2.24), measured(2.16)], stored(*FIVE))
    assert decision.status is Status.REGRESSED
    assert decision.change.value == pytest.approx(0.10, abs=1e-3)


def test_an_improvement_is_as_well_founded():
    assert judge([measured(1.76), measured(1.84)], stored(*FIVE)).status is Status.IMPROVED
    assert judge([measured(1.86), measured(1.97)], stored(*FIVE)).status is not Status.IMPROVED


def test_two_processes_that_differ_are_stored_and_make_the_error_wider():
    decision = judge([measured(2.0), measured(2.2)], None)
    assert decision.status is Status.NEW
    assert decision.can_be_stored
    apart = judge([measured(1.9), measured(2.1)], stored(*FIVE)).change
    alike = judge([measured(2.0), measured(2.0)], stored(*FIVE)).change
    assert apart.high - apart.low > 1.3 * (alike.high - alike.low)


# Blocks


def test_a_slow_first_block_changes_nothing():
    calm = measured(2.0)
    slow = replace(calm, blocks=(replace(calm.blocks[0], joules=(14.0,)), *calm.blocks[1:]))
    decision = judge(slow, stored(*FIVE))
    assert decision.status is Status.OK
    assert decision.change.value == pytest.approx(0.0, abs=1e-4)
    assert decision.change.outliers == (1,)


def burst(measurement, *, times=4.0, blocks=(7, 8, 9)):
    """Some blocks took several times their usual."""
    pieces = list(measurement.blocks)
    for i in blocks:
        pieces[i] = replace(pieces[i], joules=tuple(times * j for j in pieces[i].joules))
    return replace(measurement, blocks=tuple(pieces))


def test_a_burst_of_foreign_load_is_shown_and_is_no_regression_when_it_does_not_come_again():
    decision = judge([burst(measured(2.0)), measured(2.0)], stored(*FIVE), Rule(0.6))
    assert decision.status is Status.OK
    assert decision.change.outliers == (8, 9, 10)


def test_other_blocks_in_every_pass_are_no_regression():
    passes = [burst(measured(2.0), blocks=(2, 3)), burst(measured(2.0), blocks=(11, 12))]
    assert judge(passes, stored(*FIVE)).status is not Status.REGRESSED


def test_bursts_that_every_stored_session_has_too_are_no_regression():
    def sessions():
        for i in range(5):
            blocks = list(measured(2.0).block_joules_per_unit)
            blocks[i] *= 3
            yield replace(stored(2.2).sessions[0], blocks=tuple(blocks))

    baseline = replace(stored(2.2), sessions=tuple(sessions()))
    passes = [burst(measured(2.0), times=3.0, blocks=(9,))] * 2
    assert judge(passes, baseline).status is Status.OK


def test_a_burst_in_the_only_pass_leaves_it_open():
    decision = judge(burst(measured(2.0)), stored(*FIVE))
    assert decision.status is Status.INCONCLUSIVE
    assert decision.reason == "block 8, 9, 10 stood out, and there was no re-measurement"


def test_two_passes_without_energy_are_unresolved_and_crash_nothing():
    assert judge([measured(0.0), measured(0.0)], None).status is Status.UNRESOLVED
    assert judge([measured(2.0), measured(0.0)], stored(*FIVE)).status is Status.UNRESOLVED


def test_some_blocks_that_rise_in_every_pass_are_a_regression():
    decision = judge([burst(measured(2.0)), burst(measured(2.0))], stored(*FIVE))
    assert decision.status is Status.REGRESSED
    assert decision.reason == "only some blocks changed: 8, 9, 10"
    assert decision.change.value == pytest.approx(0.45, abs=1e-3)


def test_samples_of_different_length_are_not_taken_for_noise():
    # Every second block holds long reviews, in the stored session as now.
    long_and_short = (1.4, 2.6) * 10
    baseline = stored(2.0)
    sessions = tuple(replace(s, blocks=long_and_short) for s in baseline.sessions)
    decision = judge(measured(2.2, wobble=0.3), replace(baseline, sessions=sessions))
    assert decision.status is Status.REGRESSED
    assert (
        decision.change.high - decision.change.low < 0.13
    )  # all of it from what sessions may differ by


def test_blocks_that_are_cut_differently_are_not_set_against_each_other():
    # A region entered a hundred times, its first four entries cold; now ten times of ten.
    cold = (3.0,) * 4 + (1.0,) * 96
    baseline = stored(1.08)
    sessions = tuple(replace(s, blocks=cold) for s in baseline.sessions)
    decision = judge(measured(1.08, blocks=10), replace(baseline, sessions=sessions))
    assert decision.change.value == pytest.approx(0.0)
    assert decision.change.outliers == ()


def test_blocks_of_no_energy_at_its_beginning_crash_nothing():
    baseline = stored(2.0, blocks=5)
    early = replace(baseline.sessions[0], metered_count=25)
    blocks = tuple(
        replace(b, joules=(0.0,)) if i < 10 else b for i, b in enumerate(measured(2.0).blocks)
    )
    decision = judge(replace(measured(2.0), blocks=blocks), replace(baseline, sessions=(early,)))
    assert decision.change.value == pytest.approx(-0.5)


def test_an_estimate_without_a_reference_workload_needs_a_wide_tolerance():
    baseline = stored(2.0, domains=(ESTIMATE,))
    decision = judge(measured(2.02, domains=(ESTIMATE,)), baseline)
    assert decision.status is Status.INCONCLUSIVE
    assert "±" in decision.reason
    assert judge(measured(2.02, domains=(ESTIMATE,)), baseline, Rule(0.25)).status is (Status.OK)


def test_a_tiny_window_of_an_estimate_turns_nothing_red():
    baseline = stored(*[2.0] * 5, domains=(ESTIMATE,))
    decision = judge(measured(4.0, domains=(ESTIMATE,), seconds=0.01), baseline)
    assert decision.status is Status.INCONCLUSIVE
    assert decision.reason == "a window of 10.0 ms is too short for an estimate"
    assert decision.hint == "perform more inferences: n=500 would do"


YARD = ReferenceReadings("torch float32 product, 1 thread", 1, (0.01,) * 20)


def beside(joules, *, machine=1.0, threads=1, others=None):
    """An estimate on a machine that is `machine` times as slow as usual."""
    reference = replace(YARD, threads=threads, joules=tuple(machine * j for j in YARD.joules))
    return measured(
        machine * joules, domains=(ESTIMATE,), reference=reference, other_cpu_share=others
    )


def stored_beside(*joules, kind=YARD.kind):
    baseline = stored(*joules, domains=(ESTIMATE,))
    sessions = tuple(replace(s, reference_joules=YARD.joules) for s in baseline.sessions)
    return replace(baseline, sessions=sessions, reference_workload=kind)


def test_a_slower_machine_slows_the_reference_workload_too_and_is_taken_out():
    decision = judge(beside(2.02, machine=1.3), stored_beside(*FIVE))
    assert decision.status is Status.OK
    assert decision.change.value == pytest.approx(0.01, abs=1e-4)
    assert decision.change.reference_change == pytest.approx(0.3)
    assert decision.change.domains["cpu"] == pytest.approx(0.01, abs=1e-4)


def test_more_work_is_found_on_a_slower_machine_too():
    decision = judge([beside(2.2, machine=0.8)] * 2, stored_beside(*FIVE))
    assert decision.status is Status.REGRESSED
    assert decision.change.value == pytest.approx(0.1, abs=1e-3)


def test_the_machine_may_slow_down_within_a_session():
    pace = tuple(1 + i / 20 for i in range(20))
    blocks = tuple(
        replace(b, joules=(p * b.joules[0],))
        for b, p in zip(measured(2.0).blocks, pace, strict=True)
    )
    reference = replace(YARD, joules=tuple(p * 0.01 for p in pace))
    drifting = replace(measured(2.0, domains=(ESTIMATE,)), blocks=blocks, reference=reference)
    decision = judge(drifting, stored_beside(*FIVE))
    assert decision.change.value == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize(
    ("kind", "shown"), [("", "was none, now torch float32"), ("numpy", "was numpy, now torch")]
)
def test_another_reference_workload_is_another_unit(kind, shown):
    decision = judge(beside(2.0), stored_beside(2.0, kind=kind))
    assert decision.status is Status.INCOMPARABLE
    assert shown in decision.reason


def test_several_threads_spin_for_each_other_and_need_a_wider_tolerance():
    assert judge(beside(2.0), stored_beside(2.0)).status is Status.OK
    assert judge(beside(2.0, threads=2), stored_beside(2.0)).status is Status.INCONCLUSIVE


def test_work_on_several_threads_is_known_by_its_cpu_seconds():
    # numpy on one thread, and a runtime of its own on eight.
    several = replace(beside(2.0), cpus=5.2)
    assert judge(several, stored_beside(2.0)).status is Status.INCONCLUSIVE


def test_on_a_busy_machine_only_what_no_load_explains_is_a_regression():
    assert judge(beside(2.0, others=0.5), stored_beside(*FIVE)).status is Status.INCONCLUSIVE
    much = judge([beside(2.6, others=0.5)] * 2, stored_beside(*FIVE))
    assert much.status is Status.REGRESSED
    assert much.can_be_stored
    spinning = judge([beside(2.6, threads=2, others=0.5)] * 2, stored_beside(*FIVE))
    assert spinning.status is Status.INCONCLUSIVE


ANOTHER = "torch float32 product 64x1024x1024, 2 threads"


def test_more_threads_that_cost_more_than_noise_may_do_are_a_regression_in_plain_joules():
    two = replace(beside(28.4, threads=2).reference, kind=ANOTHER)
    found = judge([replace(beside(28.4), reference=two)] * 2, stored_beside(*FIVE))
    assert found.status is Status.REGRESSED
    assert found.reason.startswith("in plain joules 2.00 J -> 28.4 J, +1,3")
    assert "2 threads" in found.reason
    assert found.change.value == pytest.approx(13.2, rel=1e-3)


def test_another_reference_workload_alone_is_incomparable_and_the_plain_figures_stand_there():
    other = replace(beside(2.1).reference, kind=ANOTHER)
    found = judge(replace(beside(2.1), reference=other), stored_beside(*FIVE))
    assert found.status is Status.INCOMPARABLE
    assert found.hint.startswith(
        "start the baseline anew with --energy-update (in plain joules 2.00 J -> 2.10 J, +5.0 %; ±"
    )


def test_a_tolerance_of_nothing_is_more_than_any_machine_can_hold():
    decision = judge(measured(1 / 3), stored(*[0.333333] * 5), Rule(0.0))
    assert decision.status is Status.INCONCLUSIVE
    assert "a tolerance of 5 % would hold here" in decision.hint


def test_no_baseline_is_new_and_can_be_stored():
    decision = judge(measured(2.0), None)
    assert decision.status is Status.NEW
    assert decision.can_be_stored


def test_a_baseline_of_another_machine_class_is_incomparable():
    decision = judge(measured(2.0), None, elsewhere=("apple-m2-8cpu",))
    assert decision.status is Status.INCOMPARABLE
    assert "another machine class: apple-m2-8cpu" in decision.reason
    assert "--energy-update" in decision.hint


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"subject": replace(SUBJECT, unit="token")}, "unit was token, now inference"),
        ({"subject": replace(SUBJECT, n=1000)}, "n was 1,000, now 100"),
        ({"subject": replace(SUBJECT, dataset="imdb")}, "dataset was imdb, now none"),
        ({"meters": ("cpu_time",)}, "meters were cpu_time, now rapl"),
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


def test_a_busy_neighbour_makes_it_inconclusive_and_it_is_stored_with_its_share():
    decision = judge(measured(2.2, other_cpu_share=0.31), stored(2.0))
    assert decision.status is Status.INCONCLUSIVE
    assert "others used 31 %" in decision.reason
    assert "quieter machine" in decision.hint
    assert decision.can_be_stored
    assert decision.change.value == pytest.approx(0.1)  # the figures stay


def test_a_tracer_makes_it_inconclusive():
    decision = judge(measured(2.0, interference=("a tracer was running",)), stored(2.0))
    assert decision.status is Status.INCONCLUSIVE
    assert decision.reason == "a tracer was running"


def test_a_window_too_short_for_its_counter_is_unresolved_and_says_which_n_would_do():
    decision = judge(measured(2.0, domains=(GPU,), seconds=0.5), stored(2.0, domains=(GPU,)))
    assert decision.status is Status.UNRESOLVED
    assert "500 ms is too short for gpu:0" in decision.reason
    assert decision.hint == "n=440 would do"
    assert not decision.can_be_stored


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
    rule = Rule(0.05, budget_joules=1.5, budget_text="1.5 J")
    decision = judge(measured(2.0), None, rule)
    assert decision.status is Status.OVER_BUDGET
    assert decision.reason == "the budget is 1.5 J"
    assert not decision.can_be_stored
    assert judge(measured(1.4), None, rule).status is Status.NEW


def test_over_budget_beside_a_baseline_keeps_the_comparison():
    decision = judge(measured(2.0), stored(2.0), Rule(0.05, 1.5, "1.5 J"))
    assert decision.status is Status.OVER_BUDGET
    assert decision.change.value == pytest.approx(0.0)


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
    first = replace(
        measured(1.1), blocks=measured(1.1).blocks[:5], metered_count=25, unit_count=25.0
    )
    decision = judge(first, baseline)
    assert decision.change.value == pytest.approx(0.1)
    assert decision.change.joules == 1.0  # of the same blocks
    assert decision.change.domains["cpu"] == pytest.approx(0.1)


# Work


def test_more_operations_explain_more_energy():
    def decide(joules, flops):
        baseline = stored(*FIVE)
        counted = tuple(replace(s, flops=8_450_000_000) for s in baseline.sessions)
        now = replace(measured(joules), flops=FlopCount(flops))
        return judge(now, replace(baseline, sessions=counted))

    changed = decide(2.4, 10_000_000_000)
    assert (
        changed.interpretation
        == "each inference does more operations (model, input size, padding or cache)"
    )
    assert changed.change.flops == pytest.approx(0.183, abs=1e-3)
    same = decide(2.4, 8_450_000_000)
    assert same.interpretation == "the operations are the same, the way they run is not"
    assert same.change.flops == 0.0
    quiet = decide(2.0, 8_450_000_001)
    assert (quiet.status, quiet.interpretation) == (
        Status.OK,
        "more operations for the same energy: worth knowing",
    )
    assert (
        decide(1.6, 4_000_000_000).interpretation
        == "each inference does fewer operations (model, input size, padding or cache)"
    )


def test_operators_without_a_formula_are_named():
    baseline = stored(*FIVE)
    counted = tuple(replace(s, flops=100) for s in baseline.sessions)
    now = replace(measured(2.0), flops=FlopCount(100, ("quantized::linear_dynamic",)))
    interpretation = judge(now, replace(baseline, sessions=counted)).interpretation
    assert (
        interpretation
        == "the same operations; not counted, for want of a formula: quantized::linear_dynamic"
    )


@pytest.mark.parametrize("seconds", [10.0, 0.001])
def test_a_ceiling_of_operations_holds_on_any_machine_and_in_any_window(seconds):
    now = replace(measured(2.0, seconds=seconds), flops=FlopCount(10_000_000_000))
    decision = judge(now, None, Rule(0.05, max_flops=9_000_000_000))
    assert decision.status is Status.OVER_BUDGET
    assert decision.reason == "10.0 GFLOP per inference, allowed 9.00 GFLOP"
    assert judge(now, None, Rule(0.05, max_flops=10_000_000_000)).status is not (Status.OVER_BUDGET)


@pytest.mark.parametrize(
    ("work", "why"),
    [
        (None, "no operations were counted"),
        (FlopCount(0), "no operations were counted"),
        (FlopCount(5, ("quantized::linear_dynamic",)), "no formula for quantized::linear_dynamic"),
    ],
)
def test_a_ceiling_that_could_not_be_checked_is_no_ceiling_that_held(work, why):
    rule = Rule(0.05, max_flops=9_000_000_000)
    decision = judge(replace(measured(2.0), flops=work), None, rule)
    assert decision.status is Status.INCONCLUSIVE
    assert why in decision.reason
    over = replace(rule, budget_joules=1.0, budget_text="1 J")
    assert judge(replace(measured(2.0), flops=work), None, over).status is Status.OVER_BUDGET


energies = st.floats(min_value=1e-6, max_value=1e6)


@given(energies, st.lists(energies, min_size=1, max_size=10), st.floats(min_value=0, max_value=10))
def test_every_comparison_has_a_finite_change_and_a_verdict(joules, sessions, tolerance):
    decision = judge(measured(joules), stored(*sessions), Rule(tolerance))
    assert decision.change.value > -1
    assert decision.change.limit >= tolerance
    assert decision.change.low <= decision.change.value + 1e-9
    assert decision.change.value <= decision.change.high + 1e-9


@given(energies, st.floats(min_value=1.001, max_value=100))
def test_rise_and_fall_by_the_same_factor_are_judged_alike(joules, factor):
    baseline = stored(*[joules] * 5)
    up = judge(measured(joules * factor), baseline).status
    down = judge(measured(joules / factor), baseline).status
    mirrored = {Status.REGRESSED: Status.IMPROVED}
    # The limit is a rise; a fall by the same factor is its mirror image, within rounding.
    if abs(factor - 1.05) > 1e-4:
        assert mirrored.get(up, up) is down


@given(energies, energies)
def test_the_verdict_does_not_depend_on_the_unit_of_energy(joules, base):
    a = judge(measured(joules), stored(base))
    b = judge(measured(joules * 1000), stored(base * 1000))
    assert a.change.value == pytest.approx(b.change.value)


def test_a_session_that_stopped_early_does_not_hide_the_blocks_after_it():
    baseline = stored(*FIVE)
    short = replace(baseline.sessions[0], blocks=(2.0,) * 5, metered_count=25)
    baseline = replace(baseline, sessions=(short, *baseline.sessions[1:]))
    later = burst(measured(2.0), times=1.3, blocks=range(5, 20))
    assert judge([later] * 2, baseline).change.value == pytest.approx(0.3, abs=0.01)


# More data never makes it weaker


@given(
    st.lists(st.floats(min_value=0.001, max_value=0.2), min_size=1, max_size=4),
    st.floats(min_value=0.0, max_value=0.05),
)
def test_one_more_session_in_the_middle_of_the_others_never_makes_it_weaker(steps, wobble):
    # Pairs around 2 J, so that the middle is 2 J whatever is added there.
    pairs = [2 * factor**sign for factor in (1 + s for s in steps) for sign in (1, -1)]
    now = measured(2.0, wobble=wobble)
    detectable = [
        judge(now, stored(*pairs, *[2.0] * added)).change.detectable
        for added in range(11 - len(pairs))
    ]
    assert all(after <= before + 1e-9 for before, after in pairwise(detectable))


@given(st.floats(min_value=0.001, max_value=0.3))
def test_more_blocks_of_the_same_scatter_never_make_it_weaker(wobble):
    detectable = [
        judge(
            measured(2.0, wobble=wobble, blocks=blocks), stored(*FIVE, blocks=blocks)
        ).change.detectable
        for blocks in (10, 20, 50, 100)
    ]
    assert detectable == sorted(detectable, reverse=True)


@given(st.integers(min_value=1, max_value=500))
def test_a_second_pass_never_makes_it_weaker(tests):
    rule = Rule(0.05, comparisons=tests)
    one = judge(measured(2.0, wobble=0.02), stored(*FIVE), rule)
    two = judge([measured(2.0, wobble=0.02)] * 2, stored(*FIVE), rule)
    assert two.change.detectable <= one.change.detectable


def test_on_average_more_stored_sessions_find_more():
    # 2 % between sessions, a rise of 8 %: how many of 400 are found, with 1, 3 and 10 stored.
    draw = random.Random(4)
    found = []
    for stored_sessions in (1, 3, 10):
        alarms = 0
        for _ in range(400):
            past = [2.0 * math.exp(draw.gauss(0, 0.02)) for _ in range(stored_sessions)]
            now = 2.16 * math.exp(draw.gauss(0, 0.02))
            alarms += judge(measured(now), stored(*past)).status is Status.REGRESSED
        found.append(alarms)
    assert found == sorted(found)


def test_false_alarms_are_held_over_a_session_of_many_tests():
    # Fifty tests a session, 2 % between sessions, five stored: how many of 40 sessions cry wolf.
    draw = random.Random(5)
    rule = Rule(0.02, comparisons=50)
    crying = 0
    for _ in range(40):
        alarms = 0
        for _ in range(50):
            past = [2.0 * math.exp(draw.gauss(0, 0.02)) for _ in range(5)]
            now = 2.0 * math.exp(draw.gauss(0, 0.02))
            alarms += judge(measured(now, blocks=1), stored(*past, blocks=1), rule).status is (
                Status.REGRESSED
            )
        crying += alarms > 0
    assert crying <= 4


# What belongs to the stored sessions


def test_agreement_is_being_comparable_and_within_the_limit():
    def agrees(joules, **baseline):
        return agreement(SUBJECT, [measured(joules)], stored(2.0, **baseline), RULE)

    assert agrees(2.08).agrees
    assert not agrees(2.3).agrees
    assert not agrees(1.8).agrees
    assert agrees(2.3).change.value == pytest.approx(0.15)
    assert not agrees(2.0, meters=("x",)).agrees
    assert agrees(2.0, meters=("x",)).reason == "the baseline's meters were x, now rapl"
