"""When to measure again and when to stop: interim looks must not raise false alarms."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from pytest_energy.types.measurement import Block
from pytest_energy.types.verdict import Rule, Status
from pytest_energy.verdict import early_stop
from support.measurements import FIVE, RULE, SUBJECT, judge, measured, stored
from support.sides import side

BLOCKS = 20


def suspect(measurement, baseline=None, rule=RULE):
    return early_stop.suspect(SUBJECT, measurement, baseline, rule)


def precise(measurement, baseline=None):
    return early_stop.precise_enough(SUBJECT, measurement, baseline, 0.02, BLOCKS)


def test_near_the_limit_and_beyond_it_is_measured_again():
    assert not suspect(measured(2.02), stored(*FIVE))
    assert suspect(measured(2.08), stored(*FIVE))
    assert suspect(measured(2.5), stored(*FIVE))


def test_a_fall_is_measured_again_as_a_rise_is():
    assert suspect(measured(1.8), stored(*FIVE))


def test_some_blocks_far_off_are_measured_again():
    blocks = list(measured(2.0).blocks)
    blocks[3] = replace(blocks[3], joules=(60.0,))
    assert suspect(replace(measured(2.0), blocks=tuple(blocks)), stored(*FIVE))


def test_over_budget_is_measured_again_without_any_baseline():
    assert suspect(measured(2.0), None, Rule(0.05, budget_joules=1.9))
    assert not suspect(measured(2.0), None, Rule(0.05, budget_joules=2.1))


def test_what_cannot_be_compared_is_not_measured_again():
    assert not suspect(measured(2.5), None)
    assert not suspect(measured(2.5), stored(2.0, meters=("x",)))
    assert not suspect(measured(0.0), stored(*FIVE))


def first(blocks, *, of):
    """The first blocks of a measurement, as they stand while its loop runs."""
    some = of.blocks[:blocks]
    done = sum(block.n for block in some)
    return replace(of, blocks=some, metered_count=done, unit_count=float(done))


def test_a_loop_without_noise_is_settled_as_soon_as_there_are_five_blocks():
    same, more = measured(2.0), measured(2.4)
    assert not early_stop.settled(SUBJECT, first(4, of=same), stored(*FIVE), RULE, BLOCKS)
    assert early_stop.settled(SUBJECT, first(5, of=same), stored(*FIVE), RULE, BLOCKS)
    assert early_stop.settled(SUBJECT, first(5, of=more), stored(*FIVE), RULE, BLOCKS)


def test_a_loop_gets_four_interim_looks_and_never_before_five_blocks():
    assert early_stop.interim_looks(20) == (5, 8, 12, 16)
    assert early_stop.interim_looks(10) == (6, 8)
    assert early_stop.interim_looks(5) == ()
    assert not early_stop.settled(SUBJECT, first(6, of=measured(2.0)), stored(*FIVE), RULE, BLOCKS)


def test_near_the_limit_nothing_is_settled():
    near = first(16, of=measured(2.1, wobble=0.01))
    assert not early_stop.settled(SUBJECT, near, stored(*FIVE), RULE, BLOCKS)


def test_a_budget_is_of_the_whole_loop_and_never_settled_early():
    budget = Rule(0.05, budget_joules=3.0)
    same = first(16, of=measured(2.0))
    assert not early_stop.settled(SUBJECT, same, stored(*FIVE), budget, BLOCKS)


def test_without_a_baseline_nothing_is_settled():
    assert not early_stop.settled(SUBJECT, measured(2.0), None, RULE, BLOCKS)
    assert not early_stop.settled(SUBJECT, measured(2.0), stored(2.0, meters=("x",)), RULE, BLOCKS)


def test_a_precision_is_reached_when_the_blocks_agree_so_far():
    assert precise(first(16, of=measured(2.0, wobble=0.005)))
    assert not precise(first(16, of=measured(2.0, wobble=0.1)))
    assert not precise(first(4, of=measured(2.0)))


def test_long_and_short_samples_are_no_want_of_precision_once_they_are_stored():
    now = measured(2.0, wobble=0.3)
    baseline = stored(2.0)
    sessions = tuple(replace(s, blocks=now.block_joules_per_unit) for s in baseline.sessions)
    assert not precise(first(12, of=now))
    assert precise(first(12, of=now), replace(baseline, sessions=sessions))


def noisy(draw, joules, noise):
    """A whole loop whose blocks are lognormal around `joules`."""
    blocks = tuple(
        Block(5, 0.5, (5 * joules * math.exp(draw.gauss(0, noise)),)) for _ in range(BLOCKS)
    )
    return replace(measured(2.0), blocks=blocks)


@pytest.mark.parametrize(
    ("joules", "noise"), [(2.0, 0.02), (2.07, 0.02), (2.0, 0.05), (2.11, 0.03)]
)
def test_an_interim_look_at_every_block_changes_next_to_no_verdict(joules, noise):
    # The level is 1 % over all looks together.
    draw = random.Random(1)
    baseline = stored(*FIVE)
    changed = 0
    for _ in range(300):
        whole = noisy(draw, joules, noise)
        stops = (
            first(count, of=whole)
            for count in range(5, BLOCKS)
            if early_stop.settled(SUBJECT, first(count, of=whole), baseline, RULE, BLOCKS)
        )
        early = next(stops, whole)
        red = [
            judge(one, baseline, remeasured=True).status is Status.REGRESSED
            for one in (early, whole)
        ]
        changed += red[0] != red[1]
    assert changed <= 6


def test_pairs_are_enough_once_they_are_settled_and_only_at_an_interim_look():
    calm = [0.001, -0.001] * 50
    assert early_stop.pairs_enough(calm[:25], 0.02, 0.05, 100)
    assert not early_stop.pairs_enough(calm[:24], 0.02, 0.05, 100)
    assert early_stop.pairs_enough(calm[:25], None, 0.05, 100)
    rough = [0.3, -0.3] * 50
    assert not early_stop.pairs_enough(rough[:25], 0.02, 0.05, 100)
    assert not early_stop.pairs_enough(rough[:25], None, 0.05, 100)


def test_a_change_near_the_tolerance_is_not_settled_early():
    near = [0.049 + 0.01 * (-1) ** i for i in range(25)]
    assert not early_stop.pairs_enough(near, None, 0.05, 100)
    far = [0.15 + 0.01 * (-1) ** i for i in range(25)]
    assert early_stop.pairs_enough(far, None, 0.05, 100)
    assert not early_stop.pairs_enough(far, None, 0.01, 100, accepted=0.15)
    assert early_stop.pairs_enough(far, None, 0.05, 100, accepted=0.15)


def test_a_budget_is_for_the_whole_loop_and_does_not_end_early():
    rule = replace(RULE, budget_joules=3.0, budget_text="3 J")
    free = early_stop.EarlyStop(SUBJECT, None, lambda: RULE, float, None, [2.0] * 25)
    assert free(side([2.0] * 25), 100)
    held = early_stop.EarlyStop(SUBJECT, None, lambda: rule, float, None, [2.0] * 25)
    assert not held(side([2.0] * 25), 100)
