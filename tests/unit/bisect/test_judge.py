"""On which side of a change a commit lies."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from pytest_energy.bisect.judge import (
    Counted,
    Estimate,
    Side,
    differences,
    estimate,
    likelier,
    log_change,
    most_changed,
    nearer,
    pooled,
    why_incomparable,
)
from pytest_energy.types.counts import Counts, Work

COUNTED = Counted(
    Counts("cpu", {"python": "3.11"}, (Work(python_calls=40),), (1,), operators_unavailable="none"),
    n=100,
    unit="inference",
    dataset="",
    tolerance=0.05,
)


@pytest.mark.parametrize(("good", "bad"), [(2.0, 8.0), (8.0, 2.0)])
def test_a_commit_lies_with_the_end_that_its_counted_energy_is_nearer_to(good, bad):
    assert nearer(good, good, bad) is Side.GOOD
    assert nearer(bad, good, bad) is Side.BAD
    middle = 4.0  # the ratio to both is the same
    assert nearer(middle * (1.01 if bad > good else 0.99), good, bad) is Side.BAD
    assert nearer(middle * (0.99 if bad > good else 1.01), good, bad) is Side.GOOD
    assert nearer(1000.0, 2.0, 8.0) is Side.BAD


def test_what_does_nothing_at_all_has_a_side_as_well():
    assert nearer(0.0, 0.0, 1e-6) is Side.GOOD
    assert log_change(1e-6, 0.0) > 0


def test_a_paired_run_is_decided_once_one_end_is_far_likelier_than_the_other():
    bad = math.log(1.15)
    assert likelier(Estimate(0.0, 0.03, 0.05), bad) is Side.GOOD
    assert likelier(Estimate(bad, 0.03, 0.05), bad) is Side.BAD
    assert likelier(Estimate(bad, 0.06, 0.05), bad) is None
    assert likelier(Estimate(bad / 2, 0.001, 0.05), bad) is None
    assert likelier(Estimate(-bad, 0.03, 0.05), -bad) is Side.BAD
    assert likelier(Estimate(0.0, 0.03, 0.05), -bad) is Side.GOOD


def test_one_of_a_hundred_commits_at_most_gets_the_wrong_side_however_often_was_looked():
    chance, bad, wrong = random.Random(1), math.log(1.15), 0
    for _ in range(2000):
        several: list[Estimate] = []
        side = None
        while side is None:
            several.append(Estimate(chance.gauss(0.0, 0.06), 0.06, 0.05))
            total = sum(one.value for one in several) / len(several)
            side = likelier(Estimate(total, 0.06 / math.sqrt(len(several)), 0.05), bad)
        wrong += side is Side.BAD
    assert wrong / 2000 <= 0.012


def test_an_interval_becomes_a_standard_error():
    found = estimate(0.15, 0.05, 0.26, 0.05)
    assert found is not None
    assert found.value == pytest.approx(math.log(1.15))
    assert found.high - found.low == pytest.approx(math.log(1.26) - math.log(1.05))
    assert found.sign_is_sure
    assert not estimate(0.02, -0.05, 0.1, 0.05).sign_is_sure


@pytest.mark.parametrize("figures", [(0.1, -1.0, 0.2), (-2.0, -3.0, 0.1), (0.1, 0.2, 0.3)])
def test_figures_that_no_interval_has_are_no_estimate(figures):
    assert estimate(*figures, 0.05) is None


def test_runs_that_agree_are_sharper_together():
    one = Estimate(0.14, 0.05, 0.05)
    together = pooled([one] * 4)
    assert together.value == pytest.approx(0.14)
    assert together.error == pytest.approx(0.025)


def test_runs_that_disagree_are_no_sharper_than_their_differences():
    together = pooled([Estimate(0.3, 0.01, 0.05), Estimate(-0.1, 0.01, 0.05)])
    assert together.value == pytest.approx(0.1)
    assert together.error == pytest.approx(0.2, rel=0.05)


def test_the_test_that_rose_most_is_followed_and_else_the_one_that_fell_most():
    allowed = dict.fromkeys("abc", 0.05)
    assert most_changed({"a": 0.1, "b": 0.2, "c": -0.9}, allowed) == "b"
    assert most_changed({"a": 0.01, "b": -0.2, "c": -0.9}, allowed) == "c"
    assert most_changed({"a": 0.01, "b": -0.01, "c": 0.0}, allowed) is None
    assert most_changed({"a": 0.01}, {"a": 0.001}) == "a"


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (replace(COUNTED, unit="token"), "per token, not per inference"),
        (replace(COUNTED, counts=replace(COUNTED.counts, device="cuda")), "ran on cuda"),
        (
            replace(COUNTED, counts=replace(COUNTED.counts, operators_unavailable="")),
            "operators were counted at one commit alone (none)",
        ),
        (
            replace(COUNTED, counts=replace(COUNTED.counts, python_unavailable="a profiler")),
            "Python calls were counted at one commit alone (a profiler)",
        ),
    ],
)
def test_counts_of_another_kind_are_not_compared(other, why):
    assert why in why_incomparable(other, COUNTED)
    assert why_incomparable(COUNTED, COUNTED) == ""


def test_another_n_dataset_or_version_is_said_and_compared_all_the_same():
    counts = replace(COUNTED.counts, versions={"python": "3.12", "torch": "2.6"})
    other = replace(COUNTED, counts=counts, n=10, dataset="reviews")
    assert why_incomparable(other, COUNTED) == ""
    assert differences(other, COUNTED) == (
        "n is 10, not 100",
        "its dataset is reviews",
        "python 3.12, not 3.11",
    )
