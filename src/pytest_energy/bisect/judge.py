"""On which side of a change a commit lies: by exact counts, or by paired runs. Pure.

A bisection asks of each commit whether it is like GOOD or like BAD. Between the two lies the
midpoint of the change, in logarithms: a commit is on the side that is nearer. Counts have no noise;
paired runs are repeated until it is sure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pytest_energy.types.counts import Counts
from pytest_energy.verdict.counted_energy import joules_per_inference
from pytest_energy.verdict.estimators import normal_quantile


class Side(StrEnum):
    """What git is told of a commit."""

    GOOD = "good"
    BAD = "bad"
    SKIP = "skip"


class By(StrEnum):
    """What figures a commit is judged by."""

    COUNTS = "counts"
    JOULES = "joules"
    AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted of a test at a commit.

    Args:
        counts: of at least one inference.
        n: inferences that the test performs.
        unit: of its figures, `inference` for example.
        dataset: as its marker named it.
        tolerance: that it allows, as a fraction.
    """

    counts: Counts
    n: int
    unit: str
    dataset: str
    tolerance: float

    @property
    def joules(self) -> float:
        """Counted energy of an inference."""
        return joules_per_inference(self.counts)


@dataclass(frozen=True, slots=True)
class Estimate:
    """How much more a commit takes than GOOD, by a paired run of the two.

    Args:
        value: natural logarithm of the ratio.
        error: its standard error.
        tolerance: that the test allows, as a fraction.
    """

    value: float
    error: float
    tolerance: float

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval."""
        return self.value - NORMAL * self.error

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval."""
        return self.value + NORMAL * self.error

    @property
    def sign_is_sure(self) -> bool:
        """Whether the interval excludes no change at all."""
        return self.low > 0 or self.high < 0


NORMAL = normal_quantile(0.975)

LEAST_ERROR = 1e-9
"""Of an estimate: nothing is known for certain, and no weight is infinite."""

LEAST_JOULES = 1e-15
"""Counted energy of what does nothing: it has no logarithm."""


def estimate(value: float, low: float, high: float, tolerance: float) -> Estimate | None:
    """A paired run's change as an estimate; None for figures that have no logarithm.

    Args:
        value: the change, as a fraction.
        low: lower end of its 95 % interval.
        high: upper end.
        tolerance: that the test allows, as a fraction.
    """
    if not (-1 < low <= value <= high < math.inf):
        return None
    width = math.log1p(high) - math.log1p(low)
    return Estimate(math.log1p(value), max(LEAST_ERROR, width / (2 * NORMAL)), tolerance)


def pooled(estimates: Sequence[Estimate]) -> Estimate:
    """Several runs' estimates as one.

    Runs may differ by more than their own errors say, since each has new processes: what they
    differ by beyond them is added to each one's variance (random effects; R. DerSimonian, N. Laird,
    "Meta-analysis in clinical trials", Controlled Clinical Trials 7, 1986).

    Args:
        estimates: at least one.
    """
    between = _variance_between(estimates)
    weights = [1 / (one.error**2 + between) for one in estimates]
    total = sum(weights)
    value = sum(w * one.value for w, one in zip(weights, estimates, strict=True)) / total
    return Estimate(value, math.sqrt(1 / total), estimates[-1].tolerance)


def _variance_between(estimates: Sequence[Estimate]) -> float:
    weights = [1 / one.error**2 for one in estimates]
    total = sum(weights)
    mean = sum(w * one.value for w, one in zip(weights, estimates, strict=True)) / total
    scatter = sum(w * (one.value - mean) ** 2 for w, one in zip(weights, estimates, strict=True))
    denominator = total - sum(w**2 for w in weights) / total
    if len(estimates) < 2 or denominator <= 0:
        return 0.0
    return max(0.0, (scatter - (len(estimates) - 1)) / denominator)


def log_change(now: float, before: float) -> float:
    """Logarithm of the ratio of two figures, none of them below 0.

    Args:
        now: joules.
        before: joules.
    """
    return math.log(max(now, LEAST_JOULES) / max(before, LEAST_JOULES))


def nearer(joules: float, good: float, bad: float) -> Side:
    """The end of the range that a commit's counted energy is nearer to.

    Args:
        joules: of the commit.
        good: of the one end.
        bad: of the other, another figure.
    """
    change = log_change(bad, good)
    share = log_change(joules, good) / change
    return Side.BAD if share > 0.5 else Side.GOOD


SURE = math.log(99)
"""Logarithm of how many times likelier a commit has to be like the one end than like the other: in
one of a hundred commits at most it is the wrong one, however often was looked (A. Wald, "Sequential
tests of statistical hypotheses", Annals of Mathematical Statistics 16, 1945)."""


def likelier(one: Estimate, bad: float) -> Side | None:
    """The end that a measured change is like; None where it may be either.

    Args:
        one: of the commit.
        bad: logarithm of BAD's change; GOOD's is 0.
    """
    # Of two normal distributions with the same error the logarithm of the likelihood ratio is 0 at
    # the midpoint, and linear.
    ratio = (one.value - bad / 2) * bad / one.error**2
    if abs(ratio) < SURE:
        return None
    return Side.BAD if ratio > 0 else Side.GOOD


def most_changed(changes: Mapping[str, float], allowed: Mapping[str, float]) -> str | None:
    """The test by which to bisect: that which rose most, or else that which fell most.

    Args:
        changes: logarithms of the change from GOOD to BAD, by test.
        allowed: the change that is none, as a fraction, by test.

    Returns:
        The test's name; None where no change is larger than what is allowed.
    """
    changed = {
        name: change for name, change in changes.items() if abs(change) > math.log1p(allowed[name])
    }
    risen = {name: change for name, change in changed.items() if change > 0}
    found = risen or changed
    return max(found, key=lambda name: abs(found[name])) if found else None


def why_incomparable(one: Counted, other: Counted) -> str:
    """Why the counts of two commits cannot be compared, as a clause; empty where they can.

    Args:
        one: of the commit.
        other: of GOOD or BAD.
    """
    now, before = one.counts, other.counts
    if one.unit != other.unit:
        return f"its figures are per {one.unit}, not per {other.unit}"
    if now.device != before.device:
        return f"it ran on {now.device}, not on {before.device}"
    if bool(now.operators_unavailable) != bool(before.operators_unavailable):
        why = now.operators_unavailable or before.operators_unavailable
        return f"operators were counted at one commit alone ({why})"
    if bool(now.python_unavailable) != bool(before.python_unavailable):
        why = now.python_unavailable or before.python_unavailable
        return f"Python calls were counted at one commit alone ({why})"
    return ""


def differences(one: Counted, other: Counted) -> tuple[str, ...]:
    """What else differs between two commits and is compared all the same, each a clause.

    Args:
        one: of the commit.
        other: of GOOD.
    """
    found = []
    if one.n != other.n:
        found.append(f"n is {one.n:,}, not {other.n:,}")
    if one.dataset != other.dataset:
        found.append(f"its dataset is {one.dataset or 'not named'}")
    now, before = one.counts.versions, other.counts.versions
    found += [
        f"{name} {now[name]}, not {before[name]}"
        for name in now
        if name in before and now[name] != before[name]
    ]
    return tuple(found)
