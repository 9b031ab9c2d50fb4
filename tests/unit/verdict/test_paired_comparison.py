"""Head against base, the arithmetic: no pytest, no processes, no noise of a machine."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energy.types.verdict import PairedBase, Status
from pytest_energy.verdict.case import Base, Case
from pytest_energy.verdict.judge import judge
from pytest_energy.verdict.paired_comparison import PairedComparison
from support.measurements import ESTIMATE, RULE, SUBJECT
from support.sides import side


def judged(head, base, rule=RULE, subject=SUBJECT, **paired):
    """The verdict on two sides."""
    against = Base(subject, base, PairedBase("1a2b3c4 (main)", **paired))
    return judge(Case(subject, [head], rule, against))


def noisy(joules, seed, *, blocks=100, drift=0.0, bursts=0.0):
    """Two sides of the same code on a machine that drifts and has bursts of several blocks."""
    source = random.Random(seed)
    sides = [[], []]
    left = 0
    for i in range(blocks):
        if left == 0 and source.random() < bursts:
            left = 8
        left = max(0, left - 1)
        machine = 1 + drift * i / blocks
        for figures in sides:
            burst = source.random() * 0.5 if left else 0.0
            figures.append(joules * machine * (1 + source.gauss(0, 0.02) + burst))
    return sides


# The ratio


def test_the_change_is_the_ratio_of_blocks_that_belong_together():
    # Samples of very different length: no matter, block i of both is the same ones.
    base = [1.0, 50.0, 3.0, 20.0] * 10
    decision = judged(side([1.15 * value for value in base]), side(base))
    assert decision.change.value == pytest.approx(0.15)
    assert decision.status is Status.REGRESSED
    assert decision.change.joules == pytest.approx(18.5)
    assert decision.paired.pairs == 40


def test_a_drift_that_hits_both_leaves_the_ratio():
    head, base = noisy(2.0, 1, drift=0.5)
    assert judged(side(head), side(base)).status is Status.OK
    assert abs(PairedComparison(side(head), side(base), 0.05).change) < 0.01


@pytest.mark.parametrize(("blocks", "bursts"), [(100, 0.0), (100, 0.03), (50, 0.02), (20, 0.0)])
def test_false_alarms_are_as_rare_and_rises_as_sure_as_told(blocks, bursts):
    said, found = Counter(), Counter()
    for seed in range(100):
        head, base = noisy(2.0, seed, blocks=blocks, bursts=bursts)
        said[judged(side(head), side(base)).status] += 1
        more = [1.1 * value for value in head]
        found[judged(side(more), side(base)).status] += 1
    assert said[Status.REGRESSED] + said[Status.IMPROVED] <= 1
    assert found[Status.REGRESSED] >= 97


@pytest.mark.parametrize("blocks", [5, 10, 20])
def test_few_blocks_raise_no_more_false_alarms_than_many(blocks):
    """Where the noise is larger than the tolerance, so that the error's own error counts."""
    said = Counter()
    for seed in range(500):
        source = random.Random(seed)
        head, base = ([2 * math.exp(source.gauss(0, 0.1)) for _ in range(blocks)] for _ in "ab")
        said[judged(side(head), side(base), replace(RULE, tolerance=0.001)).status] += 1
    assert said[Status.REGRESSED] <= 12  # 1 % of typical pairs, as many of the whole
    assert said[Status.IMPROVED] <= 9


@pytest.mark.parametrize("blocks", [10, 100])
def test_the_interval_holds_the_truth_as_often_as_it_says(blocks):
    held = 0
    for seed in range(150):
        head, base = noisy(2.0, seed, blocks=blocks)
        decision = judged(side([1.03 * value for value in head]), side(base))
        held += decision.change.low <= 0.03 <= decision.change.high
    assert held >= 0.93 * 150


@given(
    st.lists(st.floats(0.01, 100), min_size=1, max_size=60),
    st.floats(0.5, 2.0),
)
def test_a_rise_of_every_block_is_that_rise_whatever_the_samples(base, factor):
    paired = PairedComparison(side([factor * value for value in base]), side(base), 0.05)
    assert paired.change == pytest.approx(math.log(factor), abs=1e-9)
    assert paired.exceeds_limit == (
        factor > math.exp(paired.limit) or factor < math.exp(-paired.allowed)
    )


def test_a_rise_that_only_some_samples_have_is_found_in_the_whole():
    base = [2.0] * 100
    head = [3.0 if i % 5 == 0 else 2.0 for i in range(100)]
    decision = judged(side(head), side(base))
    assert (decision.status, decision.change.value) == (Status.REGRESSED, pytest.approx(0.1))
    assert decision.reason == "only some of the samples changed: the typical one did not"


def test_a_burst_in_a_few_blocks_is_no_rise():
    head = [2.0] * 100
    head[40:44] = [8.0, 9.0, 7.0, 8.0]
    assert sum(head) > 1.1 * 200
    assert judged(side(head), side([2.0] * 100)).status is Status.OK


# How much it can tell


def test_one_pair_tells_little_and_says_so():
    decision = judged(side([2.1]), side([2.0]))
    assert decision.status is Status.INCONCLUSIVE or decision.change.limit > 0.05
    fine = judged(side([2.0]), side([2.0]), replace(RULE, tolerance=0.02))
    assert fine.status is Status.INCONCLUSIVE
    assert "1 pair of blocks can tell little" in fine.reason
    estimated = judged(side([2.0], domain=ESTIMATE), side([2.0], domain=ESTIMATE))
    assert estimated.status is Status.INCONCLUSIVE


def test_sides_that_were_cut_differently_are_one_pair_of_wholes():
    decision = judged(side([3.0] * 20), side([2.0]))
    assert decision.paired.pairs == 0
    assert decision.change.value == pytest.approx(0.5)
    unsure = judged(side([2.04] * 20), side([2.0]), replace(RULE, tolerance=0.02))
    assert "one figure of each side can tell little" in unsure.reason


def test_too_noisy_for_the_tolerance_says_which_n_would_do():
    source = random.Random(3)
    head, base = ([2 * math.exp(source.gauss(0, 0.3)) for _ in range(100)] for _ in range(2))
    decision = judged(side(head), side(base), replace(RULE, tolerance=0.02))
    assert decision.status is Status.INCONCLUSIVE
    assert "pairs of blocks settle" in decision.reason
    assert "perform more inferences, n=" in decision.hint


def test_blocks_of_a_moment_share_the_error_of_the_moment_and_those_of_seconds_do_not():
    def verdict_after(seconds, **facts):
        head, base = (
            side([joules] * 40, domain=ESTIMATE, seconds=seconds, **facts) for joules in (2.16, 2.0)
        )
        return judged(head, base).status

    assert verdict_after(0.2) is Status.INCONCLUSIVE
    assert verdict_after(5.0) is Status.REGRESSED
    assert verdict_after(5.0, other_cpu_share=0.6) is Status.REGRESSED
    assert verdict_after(1.0, other_cpu_share=0.6) is Status.INCONCLUSIVE


def test_a_domain_changes_as_its_pairs_do():
    head = [2.0 * 1.15] * 40
    head[3] = 40.0
    decision = judged(side(head), side([2.0] * 40))
    assert decision.change.domains == {"cpu": pytest.approx(0.15)}


def test_an_estimate_of_a_moment_is_inconclusive():
    sides = [side([2.0] * 20, domain=ESTIMATE, seconds=0.01) for _ in range(2)]
    assert "too short for an estimate" in judged(*sides).reason


def test_more_tests_in_a_session_allow_each_to_lie_further():
    head, base = (side(figures) for figures in noisy(2.0, 5, blocks=20))
    alone, one_of_many = (
        PairedComparison(head, base, 0.001, comparisons) for comparisons in (1, 50)
    )
    assert one_of_many.limit > alone.limit


# Pairs of processes


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ((1.06, 1.01), Status.INCONCLUSIVE),
        ((1.01, 1.06), Status.INCONCLUSIVE),
        ((1.06, 1.01, 1.01), Status.OK),
        ((1.055, 1.0, 1.055), Status.INCONCLUSIVE),
        ((1.04, 1.03), Status.OK),
        ((0.94, 1.01), Status.OK),
        ((1.07, 1.08), Status.REGRESSED),
    ],
)
def test_where_half_of_the_pairs_of_processes_have_risen_it_is_not_ok(changes, status):
    head = side([2.0 * factor for factor in changes for _ in range(20)])
    base = side([2.0] * 20 * len(changes))
    against = Base(SUBJECT, base, PairedBase("1a2b3c4 (main)"))
    case = Case(SUBJECT, [head], RULE, against, processes=[20] * len(changes))
    assert judge(case).status is status


def test_pairs_of_processes_that_disagree_are_named():
    head, base = side([2.12] * 20 + [2.02] * 20), side([2.0] * 40)
    against = Base(SUBJECT, base, PairedBase("1a2b3c4 (main)"))
    verdict = judge(Case(SUBJECT, [head], RULE, against, processes=[20, 20]))
    assert verdict.reason == (
        "pairs of processes disagree: +6.0 %, +1.0 %, with a tolerance of 5 %"
    )
    assert verdict.hint == "ask for more of them, with --energy-processes=4 for example"


# What is accepted, and what stands in the way


def test_an_accepted_rise_moves_the_limit_up_and_not_down():
    base = [2.0] * 40
    for factor, status in ((1.15, "ok"), (1.19, "ok"), (1.25, "regressed"), (0.9, "improved")):
        decision = judged(side([2.0 * factor] * 40), side(base), accepted=0.15)
        assert decision.status.value == status, factor


def test_other_load_is_no_reason_to_doubt_an_estimate_and_a_tracer_is():
    head = side([2.0] * 40, domain=ESTIMATE, other_cpu_share=0.6)
    base = side([2.0] * 40, domain=ESTIMATE)
    assert judged(head, base).status is Status.OK
    traced = replace(base, interference=("a tracer was running",))
    assert judged(head, traced).status is Status.INCONCLUSIVE


def test_a_counter_counts_other_processes_too_so_that_only_a_change_can_be_believed():
    base = side([2.0] * 40)
    assert judged(side([2.0] * 40, other_cpu_share=0.6), base).status is Status.INCONCLUSIVE
    assert judged(side([2.3] * 40, other_cpu_share=0.6), base).status is Status.REGRESSED


def test_other_meters_are_incomparable_and_the_base_is_called_the_base():
    base = replace(side([2.0] * 40), meters=("nvml",))
    decision = judged(side([2.0] * 40), base)
    assert decision.status is Status.INCOMPARABLE
    assert decision.reason == "the base's meters were nvml, now rapl"


def test_only_a_rise_can_be_accepted():
    assert judged(side([3.0] * 40), side([2.0] * 40)).can_be_stored
    assert not judged(side([2.0] * 40), side([2.0] * 40)).can_be_stored
