"""The rules, one by one, and their order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_energy.doctor import diagnosis
from pytest_energy.types.energy import Domain, Method
from pytest_energy.types.measurement import BUSY_SHARE, Block, FlopCount, Measurement
from pytest_energy.types.verdict import PairedBase, Status
from pytest_energy.verdict import rules
from pytest_energy.verdict.case import Base, Case
from pytest_energy.verdict.judge import judge
from support.measurements import ESTIMATE, FIVE, RULE, SUBJECT, measured, stored
from support.sides import side

MOMENT = Measurement(
    meters=("rapl",),
    domains=(Domain("cpu", "cpu", Method.COUNTER, "RAPL", 0.001),),
    blocks=(Block(1, 0.005, (0.1,)),),
    metered_count=1,
    unit_count=1.0,
    update_aligned=True,
)


def against_stored(measurement, rule=RULE, baseline=None):
    return Case(SUBJECT, [measurement], rule, baseline or stored(*FIVE), remeasured=True)


def against_base(head, base, rule=RULE):
    return Case(SUBJECT, [head], rule, Base(SUBJECT, base, PairedBase("1a2b3c4 (main)")))


def test_a_moment_that_a_counter_resolves_is_still_no_comparison():
    """What else the system does in five milliseconds matters more than what the test does."""
    assert rules.is_momentary(MOMENT)
    assert not rules.is_momentary(replace(MOMENT, blocks=(Block(1, 0.06, (1.0,)),)))
    # Without waiting it needs none, or is unresolved.
    assert not rules.is_momentary(replace(MOMENT, update_aligned=False))


@pytest.mark.parametrize("joules", [2.0, 2.4])
def test_a_window_of_40_ms_is_inconclusive_against_a_baseline_and_against_a_base_alike(joules):
    short = {"domains": (ESTIMATE,), "seconds": 0.04}
    by_baseline = judge(
        against_stored(measured(joules, **short), baseline=stored(*FIVE, domains=(ESTIMATE,)))
    )
    by_base = judge(against_base(measured(joules, **short), measured(2.0, **short)))
    for verdict in (by_baseline, by_base):
        assert verdict.status is Status.INCONCLUSIVE
        assert verdict.reason == "a window of 40.0 ms is too short for an estimate"


def test_the_share_from_which_a_machine_is_busy_is_one_figure():
    assert diagnosis.BUSY_SHARE is BUSY_SHARE
    assert not measured(2.0, other_cpu_share=BUSY_SHARE - 0.001).busy
    assert measured(2.0, other_cpu_share=BUSY_SHARE).busy


@pytest.mark.parametrize("kind", ["baseline", "base"])
def test_on_a_busy_machine_the_limit_of_an_estimate_grows_whatever_it_is_compared_with(kind):
    def limit(share):
        now = side([2.0] * 20, domain=ESTIMATE, n=5, seconds=1.0, other_cpu_share=share)
        if kind == "base":
            case = against_base(now, side([2.0] * 20, domain=ESTIMATE, n=5, seconds=1.0))
        else:
            case = against_stored(now, baseline=stored(*FIVE, domains=(ESTIMATE,)))
        return case.comparison.limit

    assert limit(0.5) > 1.2 * limit(0.01)


FIRST_COME = [
    (
        rules.more_flops_than_allowed,
        {"flops": FlopCount(2_000), "seconds": 1e-4},
        {"max_flops": 1_000, "budget_joules": 1.0},
    ),
    (rules.too_short_for_its_counters, {"seconds": 1e-4, "other_cpu_share": 0.5}, {}),
    (rules.interfered, {"other_cpu_share": 0.5}, {"budget_joules": 1.0}),
    (rules.over_budget, {}, {"budget_joules": 1.0, "max_flops": 1_000}),
    (rules.regressed, {}, {"max_flops": 1_000}),
]


@pytest.mark.parametrize(
    ("rule", "facts", "allowed"), FIRST_COME, ids=[rule.__name__ for rule, _, _ in FIRST_COME]
)
def test_of_two_rules_that_apply_the_first_in_the_table_decides(rule, facts, allowed):
    """Each case breaks a later rule as well."""
    case = against_stored(measured(3.0, **facts), replace(RULE, **allowed))
    decisions = [one for one in rules.ENERGY_RULES if one(case) is not None]
    assert decisions[0] is rule
    assert len(decisions) > 1
    assert judge(case).status is rule(case).status


@pytest.mark.parametrize("joules", [0.5, 2.0, 2.06, 2.2, 9.0])
@pytest.mark.parametrize("wobble", [0.0, 0.2])
def test_the_last_rule_decides_whatever_the_others_leave(joules, wobble):
    case = against_stored(measured(joules, wobble=wobble))
    assert any(rule(case) is not None for rule in rules.ENERGY_RULES)
