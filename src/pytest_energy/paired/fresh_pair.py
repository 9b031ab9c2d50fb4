"""A test in two processes beside pytest's own, one for each tree: a suspect's second word.

What is constant within a process (where its memory lies, how its threads were placed) no further
block in that process can see (Kalibera and Jones, "Rigorous benchmarking in reasonable time",
2013). Both sides are workers here, so that they are alike. And they can run a body again and again,
which in pytest's own process runs once.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pytest_energy.machine.cpus import SEVERAL_CPUS
from pytest_energy.metering.window import block_sizes
from pytest_energy.paired.channel import Message
from pytest_energy.paired.client import WorkerClient
from pytest_energy.paired.interleave import base_run, block_count
from pytest_energy.types.measurement import Measurement, joined
from pytest_energy.types.result import BaseRun, Metered
from pytest_energy.types.units import format_joules
from pytest_energy.verdict.baseline_comparison import MIN_BLOCKS

CHANCE = random.Random()
"""Not the test's: it may have seeded that."""


@dataclass(frozen=True, slots=True)
class FreshPair:
    """What two new processes made of a test.

    Args:
        head, base: of each tree, or why there is no figure.
    """

    head: BaseRun
    base: BaseRun

    @property
    def problem(self) -> str:
        """Why they say nothing, as a clause; empty where they do."""
        return self.head.problem or self.base.problem


def run_pair(
    head: WorkerClient,
    base: WorkerClient,
    test: str,
    shortest_seconds: float,
    choose_cpu: Callable[[], int | None],
) -> FreshPair:
    """Run a test in both processes, in random order: a loop block by block, a body several times.

    Args:
        head: process on the user's own tree, which has collected the test.
        base: process on the other tree, which has too.
        test: pytest's node id.
        shortest_seconds: of a block.
        choose_cpu: names a CPU to hold both on; None where they are not to be held.

    Raises:
        WorkerLostError: one of them has ended or hangs.
    """
    turns = _Turns(head, base, test, shortest_seconds, choose_cpu)
    first = turns.run(None)
    times = repetitions(first)
    if not times:
        return first
    # How many CPUs the work uses is known now.
    cpu = None if _parallel(first) else choose_cpu()
    again: list[FreshPair] = []
    for _ in range(times):
        again.append(turns.run(cpu))
        if again[-1].problem:
            return again[-1]
    return FreshPair(
        _several(first.head, [pair.head for pair in again]),
        _several(first.base, [pair.base for pair in again]),
    )


MOST_PAIRS = 20
"""Of bodies, that are run one after the other (`MIN_BLOCKS` are the fewest): more settle a ratio no
further than two processes do (`PROCESS_SPREAD`)."""

BODY_SECONDS = 6.0
"""A body is repeated for about so long on each side, within these numbers."""

LONGEST_BODY_SECONDS = 30.0
"""A longer body is not repeated: the fewest pairs would take over five minutes."""

OTHER_WORK = 2.0
"""From this ratio on the first run of a body is other work than the next one in the same process: a
model that is loaded once, say. A virtual CPU changes its speed 1.7 times by itself."""


def repetitions(first: FreshPair) -> int:
    """How often a body is run again, after a first time; 0 for a loop that has blocks enough.

    Args:
        first: the pair's first run of the test.
    """
    both = _main(first)
    if first.problem or len(both) < 2:
        return 0
    seconds = max(one.seconds for one in both)
    if min(len(one.blocks) for one in both) >= MIN_BLOCKS or seconds > LONGEST_BODY_SECONDS:
        return 0
    return min(MOST_PAIRS, max(MIN_BLOCKS, round(BODY_SECONDS / max(seconds, 1e-3))))


def _main(pair: FreshPair) -> list[Measurement]:
    """What each side measured of its loop or body, or else of its first region, where it did."""
    found: list[Measurement] = []
    for run in (pair.head, pair.base):
        found += [one.passes[-1] for one in run.metered if one.passes][:1]
    return found


def _parallel(pair: FreshPair) -> bool:
    """Whether the work of either side may have used several CPUs at once."""
    return any(one.cpus is None or one.cpus > SEVERAL_CPUS for one in _main(pair))


def _several(first: BaseRun, runs: Sequence[BaseRun]) -> BaseRun:
    """All runs of a test in one process after the first, as one whose blocks they are."""
    metered = []
    for one in runs[0].metered:
        same = [found for run in runs if (found := run.of(one.subject)) is not None]
        if len(same) < len(runs) or any(each.subject != one.subject for each in same):
            return BaseRun((), "the test metered other regions when it ran again")
        failed = next((each for each in same if not each.passes), None)
        passes = () if failed else (joined([each.passes[-1] for each in same]),)
        metered.append(failed or replace(one, passes=passes))
    problem = _other_work(first, metered)
    return BaseRun((), problem) if problem else BaseRun(tuple(metered))


def _other_work(first: BaseRun, again: Sequence[Metered]) -> str:
    """Why the repetitions are not the work that the first run was; empty where they are."""
    for more in again:
        one = first.of(more.subject)
        if one is None or not (one.passes and more.passes):
            continue
        before, after = one.passes[-1].joules_per_unit, more.passes[-1].joules_per_unit
        if max(before, after) > OTHER_WORK * min(before, after):
            figures = f"{format_joules(before)}, and then {format_joules(after)}"
            return (
                f"in the same process it takes {figures}: something is done the first time alone"
                " (a model that is loaded, say), which belongs into a fixture"
            )
    return ""


@dataclass(frozen=True, slots=True)
class _Turns:
    """Two processes that run a test in turns.

    Args: as for `run_pair`.
    """

    head: WorkerClient
    base: WorkerClient
    test: str
    shortest_seconds: float
    choose_cpu: Callable[[], int | None]

    def run(self, cpu: int | None) -> FreshPair:
        """Run the test once in each.

        Args:
            cpu: to hold bodies on; None for none. For a loop one is chosen after its warm-up.

        Raises:
            WorkerLostError: one of them has ended or hangs.
        """
        # What the one takes between the other's blocks is no load of strangers.
        both = [self.head.pid, self.base.pid]
        command = {"command": "run", "test": self.test, "again": True, "cpu": cpu, "beside": both}
        answers = self._in_turn(command)
        loops = [answer for answer in answers if answer["reply"] == "ready"]
        if len(loops) == 2 and loops[0]["n"] == loops[1]["n"]:
            n, seconds = loops[0]["n"], max(each["each_seconds"] for each in loops)
            sizes = block_sizes(n, block_count(n, seconds, self.shortest_seconds)) if n else ()
            held = None if any(each["parallel"] for each in loops) else self.choose_cpu()
            for _ in sizes:
                answers = self._in_turn({"command": "block", "sizes": sizes, "cpu": held})
                if any(answer["reply"] != "block" for answer in answers):
                    break
        finished = [
            answer if answer["reply"] == "finished" else side.ask({"command": "rest"})
            for side, answer in zip((self.head, self.base), answers, strict=True)
        ]
        return FreshPair(base_run(finished[0]), base_run(finished[1]))

    def _in_turn(self, message: Message) -> list[Message]:
        sides = (self.head, self.base)
        order = CHANCE.sample(range(2), 2)
        answers = {i: sides[i].ask(message) for i in order}
        return [answers[0], answers[1]]
