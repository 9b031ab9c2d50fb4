"""Occasions: what a machine is like for an hour, all sessions of that hour have in common."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pytest_energy.types.energy import Domain, Method
from pytest_energy.types.measurement import ReferenceReadings
from pytest_energy.types.units import utc_text
from pytest_energy.types.verdict import Status
from pytest_energy.verdict import early_stop
from pytest_energy.verdict.case import Case
from pytest_energy.verdict.judge import judge
from support.measurements import ESTIMATE, RULE, SUBJECT, measured, stored

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def stored_at(*hours, domain=ESTIMATE, joules=2.0):
    """Sessions that were stored so many hours ago, of an estimate."""
    sessions = stored(*[joules] * len(hours), domains=(domain,))
    dated = tuple(
        replace(session, date=utc_text(NOW - timedelta(hours=ago)))
        for session, ago in zip(sessions.sessions, sorted(hours, reverse=True), strict=True)
    )
    return replace(sessions, sessions=dated)


def of_now(joules, baseline, domain=ESTIMATE, now=NOW):
    one = measured(joules, domains=(domain,), seconds=5.0)
    return judge(Case(SUBJECT, [one, one], RULE, baseline, remeasured=True, now=now))


def test_an_estimate_of_another_hour_is_neither_improved_nor_ok_by_sessions_of_one():
    """Seen: unchanged code at -13 %, and 10 % more work at -2 %, an hour and a half later."""
    an_hour_ago = stored_at(1.6, 1.6, 1.6, 1.55, 1.5)
    for joules in (2.0 * 0.87, 2.0):
        verdict = of_now(joules, an_hour_ago)
        assert verdict.status is Status.INCONCLUSIVE
        assert "the stored sessions are of 1 occasion, and an estimate differs" in verdict.hint
        assert "--energy-against" in verdict.hint


def test_within_the_hour_sessions_are_what_they_are():
    just_now = stored_at(0.4, 0.4, 0.3, 0.2, 0.1)
    untold = of_now(2.0, just_now, now=None)
    assert of_now(2.0, just_now).change.limit == pytest.approx(untold.change.limit)


def test_a_date_without_a_zone_is_in_utc():
    mixed = stored_at(1.6, 1.55, 1.5)
    naive = replace(mixed.sessions[0], date=mixed.sessions[0].date.removesuffix("Z"))
    verdict = of_now(2.0, replace(mixed, sessions=(naive, *mixed.sessions[1:])))
    assert "the stored sessions are of 1 occasion" in verdict.hint


def test_a_rise_beyond_what_an_hour_may_do_is_found_all_the_same():
    assert of_now(2.0 * 1.6, stored_at(5, 5, 5, 5, 5)).status is Status.REGRESSED


def test_occasions_that_agree_make_the_limit_narrower():
    limits = [
        of_now(2.0, stored_at(*range(2, 2 + 2 * count, 2))).change.limit for count in (1, 2, 5, 10)
    ]
    assert limits == sorted(limits, reverse=True)
    assert limits[-1] < 0.6 * limits[0]


def test_a_counter_knows_no_occasion():
    counter = Domain("cpu", "cpu", Method.COUNTER, "RAPL", 0.001)
    baseline = stored_at(90, 90, 90, 90, 90, domain=counter)
    assert of_now(2.0, baseline, domain=counter).status is Status.OK


def test_ten_occasions_that_agree_let_a_tolerance_of_five_percent_hold():
    figures = [2.02, 1.98] * 5
    baseline = stored_at(*range(24, 264, 24))
    sessions = tuple(
        replace(each, reference_joules=(1.0,) * 20, blocks=(joules,) * 20, joules_per_unit=joules)
        for each, joules in zip(baseline.sessions, figures, strict=True)
    )
    baseline = replace(baseline, reference_workload="layer", sessions=sessions)
    reference = ReferenceReadings("layer", 1, (1.0,) * 20)
    now = measured(2.02, domains=(ESTIMATE,), seconds=5.0, reference=reference, cpus=1.0)
    case = Case(SUBJECT, [now], RULE, baseline, remeasured=True, now=NOW)
    assert judge(case).status is Status.OK
    few = replace(baseline, sessions=sessions[-5:])
    assert judge(replace(case, against=few)).status is Status.INCONCLUSIVE


def test_a_loop_is_not_ended_early_by_the_limit_of_the_same_hour():
    baseline = stored_at(1.6, 1.6, 1.6, 1.55, 1.5)
    more = measured(2.4, domains=(ESTIMATE,), seconds=5.0)
    blocks = len(more.blocks)
    seen = replace(more, blocks=more.blocks[:5], metered_count=5 * more.blocks[0].n)
    seen = replace(seen, unit_count=float(seen.metered_count))
    assert early_stop.settled(SUBJECT, seen, baseline, RULE, blocks)
    assert not early_stop.settled(SUBJECT, seen, baseline, RULE, blocks, NOW)
    assert of_now(2.4, baseline).status is Status.INCONCLUSIVE
