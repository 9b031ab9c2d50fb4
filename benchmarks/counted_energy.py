"""Counted energy: what its coefficients are, how well it predicts, and what it cannot see.

    python benchmarks/counted_energy.py coefficients [--sessions 5] [--rounds 8]
    python benchmarks/counted_energy.py changes [--only NAME…] [--pairs 2] [--blocks 20]
        [--record FILE | --recorded FILE [--count]]
    python benchmarks/counted_energy.py blind [the same]

`coefficients` runs the microbenchmarks of `counted_costs.py`, each session in a process of its own.
`changes` plants the changes of `counted_changes.py`: each is counted, by three formulas, and
measured; and what a failing test would name is printed, and marked where it is not what was edited.
`blind` measures what counts cannot see.

The true change is of CPU seconds: the code before and after in processes of their own, held on one
CPU, on one thread and with a steady allocator, as the plugin does it. They take turns block by
block; the change is the median of the blocks' ratios, and of the pairs of processes.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
PATHS = [str(ROOT / "src"), str(ROOT / "benchmarks"), str(ROOT / "examples" / "tests_models")]
sys.path[:0] = PATHS

from counted_changes import BLIND, CHANGES  # noqa: E402

from pytest_energy.report.counts import culprit_lines, function_lines  # noqa: E402
from pytest_energy.types.codec import decode, encode  # noqa: E402
from pytest_energy.types.counts import (  # noqa: E402
    Coefficients,
    Counts,
    OperatorRow,
)
from pytest_energy.verdict.count_rows import trimmed  # noqa: E402
from pytest_energy.verdict.counted_energy import (  # noqa: E402
    joules_per_inference,
)
from pytest_energy.verdict.counts_comparison import as_baseline, compare  # noqa: E402

WATTS = 4.0
"""Of one busy logical CPU: the plugin's own where nothing is known of the CPU's model
(`meters.cpu_time.DEFAULT_WATTS_PER_CPU`). Only ratios of coefficients matter."""

BLOCK_SECONDS = 0.05
FEWEST_BLOCKS, MOST_SECONDS = 9, 10
"""Of a pair of processes: slow workloads get fewer blocks, but so many."""

MATTERS = 0.05
"""A true change beyond it should be predicted."""


# Formulas

SIMPLE = Coefficients(
    joules_per_flop={"": 3.6e-11, "float64": 6.4e-11, "bfloat16": 7.7e-12, "float16": 5.3e-11},
    joules_per_byte=3.3e-10,
    joules_per_call=2.8e-05,
    joules_per_python_call=1.0e-06,
)
"""One cost per FLOP of a dtype, and one per byte: the rows `all …` of `coefficients`."""


def by_roofline(counts: Counts) -> float:
    """Joules by the larger of what FLOPs and bytes cost, operator by operator."""

    def operator(row: OperatorRow) -> float:
        by = SIMPLE.joules_per_flop
        arithmetic = row.flops * by.get(row.dtype, by[""])
        return (
            max(arithmetic, row.bytes * SIMPLE.joules_per_byte) + row.calls * SIMPLE.joules_per_call
        )

    calls = counts.total.python_calls * SIMPLE.joules_per_python_call
    return sum(map(operator, counts.operators)) + calls


FORMULAS: dict[str, Callable[[Counts], float]] = {
    "linear": lambda counts: joules_per_inference(counts, SIMPLE),
    "roofline": by_roofline,
    "by class": joules_per_inference,
}
"""`by class` is the plugin's."""


# Measuring


@dataclass(frozen=True, slots=True)
class Measured:
    """A planted change, counted and measured.

    Args:
        name: in `CHANGES` or `BLIND`.
        base, changed: what one inference did.
        pairs: the true change by each pair of processes, as a fraction of the base.
        seconds: CPU seconds of an inference before.
        wall: the change of its seconds by the clock, as a fraction.
    """

    name: str
    base: Counts
    changed: Counts
    pairs: tuple[float, ...]
    seconds: float
    wall: float

    @property
    def true(self) -> float:
        """The true change, as a fraction."""
        return median(self.pairs)

    def counted(self, formula: str) -> float:
        """The change of counted energy, as a fraction."""
        of = FORMULAS[formula]
        return of(self.changed) / of(self.base) - 1

    def is_near(self, formula: str) -> bool:
        """Whether that is within a third of the true change."""
        return abs(self.counted(formula) - self.true) <= abs(self.true) / 3


def serve(name: str, side: str, cpu: int) -> None:
    """One side of a change in a process of its own: count once, then run as often as asked."""
    import torch

    from pytest_energy.counting.counter import Counter
    from pytest_energy.machine.allocator import hold_steady
    from pytest_energy.machine.cpus import CpuHold

    change = (CHANGES | BLIND)[name]
    as_changed = side == "changed"
    torch.set_num_threads(change.threads if as_changed else 1)
    if change.steady or not as_changed:
        hold_steady()
    if change.held:  # either both sides or none
        CpuHold().hold(cpu)
    work = getattr(change, side)()
    torch.manual_seed(0)
    for _ in range(3):
        work()
    counter = Counter()
    with counter.counting():
        work()
    began = time.perf_counter()
    work()
    took = time.perf_counter() - began
    print(json.dumps([encode(counter.counts([1])), took]), flush=True)
    for line in sys.stdin:
        began = time.perf_counter()
        cpu_began = time.process_time()
        for _ in range(int(line)):
            work()
        print(time.process_time() - cpu_began, time.perf_counter() - began, flush=True)


class Side:
    """A process that runs one side of a change."""

    def __init__(self, name: str, side: str, cpu: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "serve", name, side, str(cpu)],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(PATHS)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ready(self) -> tuple[Counts, float]:
        """What an inference does, and about how long it takes."""
        record, seconds = json.loads(self._line())
        return decode(Counts, record), seconds

    def seconds(self, inferences: int) -> tuple[float, float]:
        """CPU seconds of an inference, and seconds by the clock: the means of so many."""
        to = self._process.stdin
        assert to is not None
        to.write(f"{inferences}\n")
        to.flush()
        cpu, wall = self._line().split()
        return float(cpu) / inferences, float(wall) / inferences

    def end(self) -> None:
        """Have it end, and wait for that."""
        self._process.communicate()

    def _line(self) -> str:
        out = self._process.stdout
        assert out is not None
        line = out.readline()
        if not line:
            raise RuntimeError("a process ended: run `serve` with the same arguments to see why")
        return line


def measure(name: str, pairs: int, blocks: int) -> Measured:
    """Count a change and measure it."""
    ratios, walls, levels = [], [], []
    for _ in range(pairs):
        cpu = random.choice(sorted(os.sched_getaffinity(0)))
        sides = [Side(name, side, cpu) for side in ("base", "changed")]
        try:
            (base, before), (changed, after) = [side.ready() for side in sides]
            times = [max(1, round(BLOCK_SECONDS / took)) for took in (before, after)]
            affordable = int(MOST_SECONDS / (times[0] * before + times[1] * after))
            found = []
            for _ in range(min(blocks, max(FEWEST_BLOCKS, affordable))):
                took = [(0.0, 0.0)] * 2
                for i in random.sample((0, 1), 2):
                    took[i] = sides[i].seconds(times[i])
                found.append(took[1][0] / took[0][0])
                walls.append(took[1][1] / took[0][1])
                levels.append(took[0][0])
        finally:
            for side in sides:
                side.end()
        ratios.append(median(found) - 1)
    return Measured(name, base, changed, tuple(ratios), median(levels), median(walls) - 1)


def counted_again(one: Measured) -> Measured:
    """The same measurement beside the counts of today's code."""
    sides = [Side(one.name, side, min(os.sched_getaffinity(0))) for side in ("base", "changed")]
    try:
        (base, _), (changed, _) = [side.ready() for side in sides]
    finally:
        for side in sides:
            side.end()
    return dataclasses.replace(one, base=base, changed=changed)


# What the subcommands print


def session(rounds: int) -> None:
    """Print what counts cost in this process, as JSON."""
    import counted_costs
    import torch

    from pytest_energy.machine.allocator import hold_steady
    from pytest_energy.machine.cpus import CpuHold

    torch.set_num_threads(1)
    hold_steady()
    hold = CpuHold()
    hold.hold(hold.choose())
    print(json.dumps(counted_costs.costs(counted_costs.run(rounds))))


def coefficients(given: argparse.Namespace) -> None:
    """Print the coefficients: the median of sessions, the least and the most."""
    found = []
    for _ in range(given.sessions):
        done = subprocess.run(
            [sys.executable, __file__, "session", str(given.rounds)],
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(json.loads(done.stdout.splitlines()[-1]))
    print(f"{'':28}{'CPU time':>12}{'least':>9}{'most':>9}{'joules':>10}   rows off by a factor of")
    for name in found[0][0]:
        unit, scale = ("ps", 1e12) if name.startswith(("flop", "byte")) else ("us", 1e6)
        each = sorted(seconds[name] for seconds, _ in found)
        kind = name.partition(" ")[2] if name.count(" ") > 1 else name
        off = median(factors.get(kind, math.nan) for _, factors in found)
        print(
            f"{name:28}{median(each) * scale:9.2f} {unit}{each[0] * scale:9.2f}"
            f"{each[-1] * scale:9.2f}{median(each) * WATTS:10.1e}   {off:.2f}"
        )


def measured(given: argparse.Namespace, names: Iterable[str]) -> Iterable[Measured]:
    """The changes, as they are measured or as they were."""
    if given.recorded is not None:
        for one in decode(tuple[Measured, ...], json.loads(given.recorded.read_text("utf-8"))):
            yield counted_again(one) if given.count else one
        return
    found = []
    for name in given.only or names:
        found.append(measure(name, given.pairs, given.blocks))
        if given.record is not None:
            given.record.write_text(json.dumps(encode(found)), "utf-8")
        yield found[-1]


def changes(given: argparse.Namespace) -> None:
    """Print how well each formula predicts the planted changes."""
    print(f"{'change':46}{'true':>9}{'pairs':>8}" + "".join(f"{name:>12}" for name in FORMULAS))
    found = []
    for one in measured(given, CHANGES):
        found.append(one)
        counts = abs(one.true) > MATTERS
        cells = []
        for formula in FORMULAS:
            mark = "x" if counts and not one.is_near(formula) else " "
            cells.append(f"{one.counted(formula):>+10.1%} {mark}")
        spread = max(one.pairs) - min(one.pairs)
        print(f"{one.name:46}{one.true:>+9.1%}{spread:>8.1%}" + "".join(cells), flush=True)
    print_named(found)
    large = [one for one in found if abs(one.true) > MATTERS]
    groups = {"all": large}
    for one in large:
        groups.setdefault(CHANGES[one.name].of, []).append(one)
    print(
        f"\n{len(large)} of {len(found)} changes are beyond {MATTERS:.0%}; of these right by sign,"
    )
    print("and by size within a third:")
    print(f"{'':20}" + "".join(f"{name:>22}" for name in FORMULAS))
    for group, members in groups.items():
        cells = []
        for formula in FORMULAS:
            signs = sum(one.counted(formula) * one.true > 0 for one in members)
            near = sum(one.is_near(formula) for one in members)
            cells.append(f"{signs:3}, {near:3} of {len(members):3} ({near / len(members):4.0%})")
        print(f"{group:20}" + "".join(f"{cell:>22}" for cell in cells))


def print_named(found: Sequence[Measured]) -> None:
    """Print what a failing test would name, and whether that is what was edited."""
    print("\nWhat is named, of each the first module and the first function:")
    right = of = 0
    for one in found:
        stored = as_baseline(one.base, n=1)
        stored = dataclasses.replace(stored, counts=trimmed(one.base, stored.coefficients))
        change = compare(one.changed, 1, "inference", "", stored)
        names = [f"{each.module} {each.operator}" for each in change.culprits]
        names += [f"{each.caller} {each.callee}" for each in change.functions]
        expected = CHANGES[one.name].where
        is_right = any(part in name for name in names for part in expected)
        right, of = right + is_right, of + bool(expected)
        mark = " " if is_right or not expected else "x"
        lines = [*culprit_lines(change)[:1], *function_lines(change)[:1]]
        for name, line in zip_longest([f"{mark} {one.name}"], lines or ["nothing"], fillvalue=""):
            print(f"{name:50}{line}")
    print(f"named is what was edited: {right} of {of}")


def blind(given: argparse.Namespace) -> None:
    """Print what counts say of what they cannot see."""
    print(f"{'':46}{'CPU time':>9}{'clock':>9}{'counted':>9}")
    for one in measured(given, BLIND):
        counted = one.counted("by class")
        print(f"{one.name:46}{one.true:>+9.1%}{one.wall:>+9.1%}{counted:>+9.1%}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("coefficients")
    command.add_argument("--sessions", type=int, default=5)
    command.add_argument("--rounds", type=int, default=8)
    for name, choices in (("changes", CHANGES), ("blind", BLIND)):
        command = commands.add_parser(name)
        command.add_argument("--only", nargs="+", choices=choices)
        command.add_argument("--pairs", type=int, default=2)
        command.add_argument("--blocks", type=int, default=20)
        command.add_argument("--record", type=Path, help="write counts and measurements here")
        command.add_argument("--recorded", type=Path, help="read them from here")
        command.add_argument("--count", action="store_true", help="and count anew")
    command = commands.add_parser("session")
    command.add_argument("rounds", type=int)
    command = commands.add_parser("serve")
    command.add_argument("name")
    command.add_argument("side")
    command.add_argument("cpu", type=int)
    given = parser.parse_args()
    if given.command == "serve":
        serve(given.name, given.side, given.cpu)
    elif given.command == "session":
        session(given.rounds)
    else:
        {"coefficients": coefficients, "changes": changes, "blind": blind}[given.command](given)


if __name__ == "__main__":
    main()
