"""A test once more in two new processes, one for each tree: the word of a suspect's second pair.

What is constant within a process (where its memory lies, how its threads were placed) no further
block in that process can see (Kalibera and Jones, "Rigorous benchmarking in reasonable time",
2013). Both sides are workers here, so that they are alike.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from pytest_energy.metering.window import block_sizes
from pytest_energy.paired.channel import Message
from pytest_energy.paired.client import WorkerClient
from pytest_energy.paired.interleave import base_run, block_count
from pytest_energy.types.result import BaseRun


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
    """Run a test in both processes, interleaved block by block, in random order.

    Args:
        head: process on the user's own tree, which has collected the test.
        base: process on the other tree, which has too.
        test: pytest's node id.
        shortest_seconds: of a block.
        choose_cpu: names a CPU to hold both on; None where they are not to be held.

    Raises:
        WorkerLostError: one of them has ended or hangs.
    """
    chance = random.Random()  # not the test's: it may have seeded that
    sides = [head, base]

    def in_turn(message: Message) -> list[Message]:
        order = chance.sample(range(2), 2)
        answers = {i: sides[i].ask(message) for i in order}
        return [answers[0], answers[1]]

    # What the one takes between the other's blocks is no load of strangers.
    both = [head.pid, base.pid]
    answers = in_turn({"command": "run", "test": test, "next": None, "beside": both})
    loops = [answer for answer in answers if answer["reply"] == "ready"]
    if len(loops) == 2 and loops[0]["n"] == loops[1]["n"]:
        n, seconds = loops[0]["n"], max(each["each_seconds"] for each in loops)
        sizes = block_sizes(n, block_count(n, seconds, shortest_seconds)) if n else ()
        cpu = None if any(each["parallel"] for each in loops) else choose_cpu()
        for _ in sizes:
            answers = in_turn({"command": "block", "sizes": sizes, "cpu": cpu})
            if any(answer["reply"] != "block" for answer in answers):
                break
    finished = [
        answer if answer["reply"] == "finished" else side.ask({"command": "rest"})
        for side, answer in zip(sides, answers, strict=True)
    ]
    return FreshPair(base_run(finished[0]), base_run(finished[1]))
