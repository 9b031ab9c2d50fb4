"""Rules for "did it get worse?" on the repeats behind Luccioni et al. (2024): false alarms, power.

Five repeats of a group are stored and later ones judged, in many random orders; the same orders for
every rule. Groups are split in two: the plugin's constants were chosen on the even ones, and the
odd ones are what counts.
"""

from __future__ import annotations

import csv
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import cache
from itertools import combinations
from pathlib import Path
from statistics import fmean, median

from pytest_energy.types.baseline import Baseline, Session
from pytest_energy.types.energy import Domain, Method
from pytest_energy.types.measurement import Block, Measurement
from pytest_energy.types.result import Subject
from pytest_energy.types.verdict import Rule as EnergyRule
from pytest_energy.types.verdict import Status
from pytest_energy.verdict import early_stop
from pytest_energy.verdict.case import Case
from pytest_energy.verdict.judge import judge

STORED = 5
RISES = (0.0, 0.05, 0.10, 0.20)
TOLERANCE = 0.05

Rule = Callable[[Sequence[float], Sequence[float]], tuple[bool, int]]
"""Stored and later repeats to "alarm" and how many of the later ones it took."""


def read(path: Path, column: str) -> list[list[float]]:
    """Energies of each group of repeats.

    Args:
        path: `repeats.csv`.
        column: which energy, in kWh.
    """
    groups = defaultdict(list)
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            groups[row["workload"], row["model"]].append(float(row[column]))
    return [groups[key] for key in sorted(groups)]


def spread(values: Sequence[float]) -> float:
    middle = median(values)
    return 1.4826 * median(abs(value - middle) for value in values)


@cache
def rank_sums(size: int) -> Counter[int]:
    """How many ways there are to each rank sum of `size` among twice as many."""
    return Counter(map(sum, combinations(range(1, 2 * size + 1), size)))


def mann_whitney(before: Sequence[float], after: Sequence[float]) -> float:
    """Exact one-sided p that `after` is not larger; both of one size, no ties."""
    order = sorted([*before, *after])
    total = sum(order.index(value) + 1 for value in after)
    ways = rank_sums(len(after))
    return sum(n for s, n in ways.items() if s >= total) / ways.total()


def perfguard(old: Sequence[float], new: Sequence[float]) -> tuple[bool, int]:
    middle = median(old)
    return new[0] > max(1.15 * middle, middle + 6 * spread(old)), 1


def landauer(old: Sequence[float], new: Sequence[float]) -> tuple[bool, int]:
    apart = min(new[:3]) > max(old[:3])
    return apart and median(new[:3]) > 1.05 * median(old[:3]), 3


def plain(old: Sequence[float], new: Sequence[float]) -> tuple[bool, int]:
    middle = median(old)
    limit = max(1.05 * middle, middle + 3 * max(spread(old), 0.01 * middle))
    suspect = new[0] > limit
    return suspect and new[1] > limit, 2 if suspect else 1


PEERS: dict[str, Rule] = {
    "pytest-benchmark mean:5% (last run)": lambda old, new: (new[0] > 1.05 * old[-1], 1),
    "saggio 10 % (last run)": lambda old, new: (new[0] > 1.10 * old[-1], 1),
    "perfguard max(15 %, 6 MAD)": perfguard,
    "landauer-gap 3 against 3": landauer,
    "Mann-Whitney p < .05, 5 against 5": lambda old, new: (mann_whitney(old, new[:5]) < 0.05, 5),
    "  and median > 5 %": lambda old, new: (
        median(new[:5]) > 1.05 * median(old) and mann_whitney(old, new[:5]) < 0.05,
        5,
    ),
    "max(5 %, 3 MAD) and one confirmation": plain,
}

SUBJECT = Subject("t.py::t", "", "task", "model", "", "", "inference", 1000)


def ours(method: Method, most: int) -> Rule:
    """The plugin's own decision, from its pure core.

    Args:
        method: how the energies came about.
        most: passes: 2 for one run and one confirmation of suspects, 3 for three runs.
    """
    domain = Domain("node", "system", method, "codecarbon", 0.0)

    def measured(kwh: float) -> Measurement:
        joules = (kwh * 3.6e6,)
        return Measurement(("m",), (domain,), (Block(1000, 100.0, joules),), 1000, 1000.0)

    def stored(kwh: float) -> Session:
        joules = kwh * 3.6e3
        return Session("", 1000, None, joules, {"node": joules}, (joules,), 0.1, None)

    def rule(old: Sequence[float], new: Sequence[float]) -> tuple[bool, int]:
        baseline = Baseline(SUBJECT, ("m",), (domain,), tuple(map(stored, old)))
        asked = EnergyRule(TOLERANCE)
        passes = [measured(new[0])]
        if most > 2 or early_stop.suspect(SUBJECT, passes[0], baseline, asked):
            passes += map(measured, new[1:most])
        case = Case(SUBJECT, passes, asked, baseline, remeasured=True)
        return judge(case).status is Status.REGRESSED, len(passes)

    return rule


def table(path: Path, draws: int, seed: int = 0) -> None:
    """Print false alarms and what is found, for every rule on the same draws."""
    for column, method, title in (
        ("total_kwh", Method.COUNTER, "energy of the node"),
        ("gpu8_kwh", Method.SAMPLED, "energy of the GPUs alone (sampled power)"),
    ):
        groups = read(path, column)
        orders = random.Random(seed)
        shuffled = [[orders.sample(group, len(group)) for _ in range(draws)] for group in groups]
        rules = {
            **PEERS,
            "pytest-energy: one run, suspects confirmed": ours(method, 2),
            "pytest-energy: three runs": ours(method, 3),
        }
        print(f"\n{title}: {len(groups)} groups x {draws} draws, tolerance {TOLERANCE:.0%}")
        print(f"{'rule':44}{'false':>7}{'+5 %':>8}{'+10 %':>8}{'+20 %':>8}{'runs':>7}")
        for name, rule in rules.items():
            halves = [shuffled] if name in PEERS else [shuffled[0::2], shuffled[1::2], shuffled]
            labels = [""] if name in PEERS else ["  chosen on", "  reported on", ""]
            for half, label in zip(halves, labels, strict=True):
                found, runs = [], []
                for rise in RISES:
                    results = [
                        rule(draw[:STORED], [value * (1 + rise) for value in draw[STORED:]])
                        for group in half
                        for draw in group
                    ]
                    found.append(100 * fmean(alarm for alarm, _ in results))
                    runs.append(fmean(count for _, count in results))
                print(
                    f"{label or name:44}{found[0]:6.2f}%"
                    + "".join(f"{value:7.1f}%" for value in found[1:])
                    + f"{runs[0]:7.2f}"
                )
