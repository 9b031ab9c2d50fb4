"""Head and base alternate, block by block, in random order; one waits while the other runs.

Both processes run the same loop. The head decides: how the samples are cut into blocks, who comes
first in each pair, when it is over. The worker runs the blocks that the head asks for, and
answers with their joules.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from pytest_energy.metering.loop import Interleaving
from pytest_energy.metering.window import BLOCKS, block_sizes
from pytest_energy.paired.channel import Channel, Message
from pytest_energy.paired.client import WorkerClient, WorkerLostError
from pytest_energy.types.codec import decode
from pytest_energy.types.result import BaseRun, Metered

BLOCK_SECONDS = 0.05
"""Shortest duration of a block, about, where the samples allow more than `BLOCKS` of them: noise of
the machine lasts for seconds, and the shorter the blocks, the more alike it hits both sides."""

MAX_BLOCKS = 400
"""Upper bound on the number of blocks of each side."""


def block_count(n: int, each_seconds: float, shortest_seconds: float) -> int:
    """Into how many blocks `n` inferences are cut in a paired run.

    Args:
        n: of each side.
        each_seconds: what one takes, about.
        shortest_seconds: what a block has to span, for the sake of its counters; 0 for any length.
    """
    seconds = n * each_seconds
    count = min(n, MAX_BLOCKS, max(BLOCKS, round(seconds / BLOCK_SECONDS)))
    if not shortest_seconds or not seconds:
        return count
    return max(1, min(count, int(seconds / shortest_seconds)))


class WorkerInterleaving(Interleaving):
    """The worker's side: it waits for the head's commands.

    Args:
        channel: to the head.
        cpu: that a body without a loop is held on; None for none. A loop is told another way.
        again: whether another plugin runs a test once more that has failed. The head knows
            nothing of that, and has gone on.
    """

    def __init__(self, channel: Channel, cpu: int | None = None, again: bool = False) -> None:
        self._again = again
        self.cpu = cpu
        self.base_blocks = []
        self._channel = channel
        self._alone = False
        self._over = False

    def sizes(self, n: int, each_seconds: float, parallel: bool) -> tuple[int, ...]:
        if self._again:
            pytest.skip("the head has gone on")
        command = self._ask(
            {"reply": "ready", "n": n, "each_seconds": each_seconds, "parallel": parallel}
        )
        self.cpu = command.get("cpu")
        return tuple(command["sizes"]) if command["command"] == "block" else block_sizes(n)

    def before(self, block: int) -> bool:
        return not self._over

    def after(self, block: int, joules: float) -> None:
        if not self._alone:
            self._ask({"reply": "block", "joules": joules})

    def _ask(self, message: Message) -> Message:
        self._channel.send(message)
        command = self._channel.receive()
        if command["command"] == "leave":
            pytest.skip("the head's test has ended")
        if command["command"] == "quit":  # in the middle of a test: Ctrl-C
            pytest.exit("the head has ended")
        self._alone = command["command"] == "rest"
        self._over = command["command"] == "end"
        return command


class HeadInterleaving(Interleaving):
    """The head's side: it leads.

    Args:
        client: the base's process.
        test: pytest's node id.
        following: the next test that both have; fixtures that it needs as well stay.
        shortest_seconds: of a block.
        choose_cpu: names a CPU to hold both sides on; None where they are not to be held.
    """

    def __init__(
        self,
        client: WorkerClient,
        test: str,
        following: str | None,
        shortest_seconds: float,
        choose_cpu: Callable[[], int | None],
    ) -> None:
        self._client = client
        self._choose_cpu = choose_cpu
        self._test = test
        self._following = following
        self._shortest = shortest_seconds
        self._random = random.Random()  # not the test's: it may have seeded that
        self._base_first: list[bool] = []
        self._sizes: tuple[int, ...] = ()
        self._answer: Message | None = None
        self._lost: WorkerLostError | None = None
        self._other_n = ""
        self.base_blocks = []

    def begin(self) -> None:
        """The head's body is about to begin: by chance, the base goes first."""
        if self._random.random() < 0.5:
            self._start()

    def sizes(self, n: int, each_seconds: float, parallel: bool) -> tuple[int, ...]:
        self._start()
        count = block_count(n, each_seconds, self._shortest)
        self._sizes = block_sizes(n, count)
        self._base_first = [bool(i % 2) for i in range(len(self._sizes))]
        self._random.shuffle(self._base_first)
        if self._waits and self._answer is not None and self._answer["n"] != n:
            self._other_n = f"the base's n was {self._answer['n']:,}, now {n:,}"
            self._command({"command": "leave"})
        if self._waits and self._answer is not None:
            # Work on several threads, of either side, needs all the CPUs that there are.
            self.cpu = None if parallel or self._answer["parallel"] else self._choose_cpu()
        return self._sizes

    def before(self, block: int) -> bool:
        if self._base_first[block]:
            self._base_block()
        return True

    def after(self, block: int, joules: float) -> None:
        if not self._base_first[block]:
            self._base_block()

    def finish(self, left: bool, early: bool) -> BaseRun:
        """The head's body has ended: let the base come to its end as well.

        Args:
            left: whether the head has no figure, so that the base need not go on.
            early: whether the head's loop ended before all its samples.
        """
        if not left:
            self._start()
        if self._waits:
            self._command({"command": "leave" if left else "end" if early else "rest"})
        if self._lost is not None:
            return BaseRun((), self._lost.reason, self._lost.detail)
        if self._other_n:
            return BaseRun((), self._other_n, asked_otherwise=True)
        answer = self._answer
        if answer is None:
            return BaseRun((), "the head's test did not run to its end")
        if answer["reply"] != "finished":  # it is out of step: the next test gets another process
            self._lost = WorkerLostError("the base's test did not end when it was asked to")
            return BaseRun((), self._lost.reason)
        return base_run(answer)

    @property
    def lost(self) -> bool:
        """Whether the base's process is gone."""
        return self._lost is not None

    @property
    def _waits(self) -> bool:
        """Whether the worker stands before a block and waits for a command."""
        return self._answer is not None and self._answer["reply"] in ("ready", "block")

    def _start(self) -> None:
        if self._answer is None and self._lost is None:
            self._command({"command": "run", "test": self._test, "next": self._following})

    def _base_block(self) -> None:
        if self._waits:
            self._command({"command": "block", "sizes": self._sizes, "cpu": self.cpu})
            if self._answer is not None and self._answer["reply"] == "block":
                self.base_blocks.append(self._answer["joules"])

    def _command(self, message: Message) -> None:
        self._answer = None
        try:
            self._answer = self._client.ask(message)
        except WorkerLostError as error:
            self._lost = error


def base_run(answer: Message) -> BaseRun:
    """What a worker says of a test that has ended.

    Args:
        answer: its reply `finished`.
    """
    return BaseRun(
        tuple(decode(Metered, record) for record in answer["metered"]),
        answer["problem"],
        answer["detail"],
    )
