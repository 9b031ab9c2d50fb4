"""The opened meters of one process, and an account of what metering itself takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property

from pytest_energy.metering.conditions import RunConditions
from pytest_energy.metering.reference_work import ReferenceRunner
from pytest_energy.metering.window import Window
from pytest_energy.meters import open_meters
from pytest_energy.meters.base import MeterLostError, MeterSource
from pytest_energy.meters.meter_set import MeterSet
from pytest_energy.meters.updates import CounterUpdates
from pytest_energy.types.energy import gated_domains, is_estimated
from pytest_energy.types.measurement import BUSY_SHARE
from pytest_energy.types.obstacle import Obstacle
from pytest_energy.types.session import Instrumentation, MeterUse, Overhead
from pytest_energy.world import clock, sleep

QUIET_SECONDS = 1.0
"""A machine that others leave alone for so long is quiet."""


NOT_METERED = "nothing is metered: exact counts decide (--energy-judge=counted)"
"""What the header says of a session without meters."""


class OverheadAccount:
    """Adds up what the gate itself takes, in seconds and in joules of the gated domains.

    Args:
        meters: read before and after what is counted; what they take to wait for counter updates
            and to measure idle power is added.
    """

    def __init__(self, meters: MeterSet) -> None:
        self._meters = meters
        self._total = Overhead()
        self._counts = False

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Add what the block takes; inside of another such block that one adds it."""
        if self._counts:
            yield
            return
        start = clock()
        before = self._microjoules()
        self._counts = True
        try:
            yield
        finally:
            self._counts = False
            after = self._microjoules()
            joules = 0.0
            if before and after:
                gated = gated_domains(self._meters.domains)
                joules = max(0.0, sum(after[i] - before[i] for i in gated) / 1e6)
            self.add(Overhead(clock() - start, joules))

    def add(self, overhead: Overhead) -> None:
        """Add what was metered by itself, a re-measurement for example."""
        self._total += overhead

    def take(self) -> Overhead:
        """What was added since the last call."""
        waited = Overhead(self._meters.waited_seconds, self._meters.waited_joules)
        self._meters.waited_seconds = self._meters.waited_joules = 0.0
        taken, self._total = self._total + waited, Overhead()
        return taken

    def _microjoules(self) -> tuple[int, ...]:
        try:
            return self._meters.read().microjoules
        except MeterLostError:
            return ()


class Instruments:
    """What a process meters with. Knows no baseline and no verdict.

    Args:
        names: of meters, `auto` among them; none where counts alone decide.
        sources: the meters that there are.
        reference: what an estimate is measured beside: `auto` for work of the best library that
            is loaded, one of `REFERENCE_LIBRARIES` for that one's, `off` for nothing.
        counts: whether it is counted what some of a loop's samples do.
        idle_seconds: for how long the idle power is measured before a window; 0 for not at all.
        workers: test processes that run side by side on this machine.
        steady_allocator: whether the memory allocator is held steady from the first metered work.
        pin: whether metered work on a single thread is held on one CPU.

    Raises:
        ValueError: a meter, or the reference workload's library, is not there, or closed to us.
    """

    def __init__(
        self,
        names: Sequence[str],
        sources: Sequence[MeterSource],
        *,
        reference: str = "auto",
        counts: bool = True,
        idle_seconds: float = 0.0,
        workers: int = 1,
        steady_allocator: bool = False,
        pin: bool = False,
    ) -> None:
        start = clock()
        self.meters = open_meters(names, sources)
        if not names:
            self.meters.note = NOT_METERED
        self.updates = CounterUpdates(self.meters)
        self.reference = self._reference_runner(reference)
        """Runs the reference workload; None where energy is counted, or it is off."""
        self.counts = counts
        self.idle_seconds = idle_seconds
        self.workers = workers
        self.conditions = RunConditions(
            self.meters.processes, steady=steady_allocator, pin=pin and workers < 2
        )
        """Holds CPU and allocator while work is metered."""
        self.meters.cpu_times_between()  # a first window of a moment looks back to here
        self.overhead = OverheadAccount(self.meters)
        self.overhead.add(Overhead(clock() - start, 0.0))

    def _reference_runner(self, reference: str) -> ReferenceRunner | None:
        if reference == "off" or not is_estimated(self.meters.domains):
            return None
        try:
            return ReferenceRunner(self.meters, "" if reference == "auto" else reference)
        except ValueError:
            self.meters.close()
            raise

    @cached_property
    def instrumentation(self) -> Instrumentation:
        """What is metered with, for reports."""
        meters = tuple(
            MeterUse(meter.name, tuple(sorted({domain.method for domain in meter.domains})))
            for meter in self.meters.meters
        )
        return Instrumentation(meters, self.meters.domains, self.meters.note)

    @property
    def interference(self) -> tuple[str, ...]:
        """Interference with every window of this process, each a clause."""
        if self.workers < 2:
            return ()
        # A counter meters all workers, and an estimate rises when they contend for the CPU.
        return (f"{self.workers} pytest-xdist workers ran side by side",)

    @property
    def obstacles(self) -> tuple[Obstacle, ...]:
        """What of that `--energy-allow` can allow."""
        return (Obstacle.WORKERS,) if self.interference else ()

    def window(
        self, expected_seconds: float | None = None, block_seconds: float | None = None
    ) -> Window:
        """A window over the meters.

        Args:
            expected_seconds: of a segment; None for unknown.
            block_seconds: of a block; None for unknown.
        """
        window = Window(
            self.meters, self.updates, expected_seconds, block_seconds, self.idle_seconds
        )
        window.allocator = self.conditions.allocator
        return window

    def counting_overhead(self) -> AbstractContextManager[None]:
        """Add what the block takes to the gate's own account."""
        return self.overhead.counting()

    def await_quiet(self, seconds: float, sleep: Callable[[float], None] = sleep) -> None:
        """Wait until other processes leave this machine alone, as far as the system tells.

        Args:
            seconds: to wait at most; 0 for not at all.
            sleep: waits so many seconds by the meters' clock.
        """
        meters = self.meters
        if not seconds or self.workers > 1 or meters.remote:
            return
        with self.counting_overhead():
            deadline, quiet = meters.clock() + seconds, False
            while not quiet and meters.clock() < deadline:
                since = meters.cpu_times_between()
                sleep(QUIET_SECONDS)
                share = meters.load.other_cpu_share(since, meters.cpu_times_between())
                quiet = share is None or share < BUSY_SHARE

    def shortest_block_seconds(self, updates: int, aligned_updates: int) -> float:
        """Seconds that a block has to span for the sake of the slowest gated counter.

        Args:
            updates: counter updates that a block has to span.
            aligned_updates: the same where blocks wait for updates.
        """
        if self.updates.slowest_seconds:
            return aligned_updates * self.updates.slowest_seconds
        domains = self.meters.domains
        gated = gated_domains(domains)
        slowest = max((domains[i].resolution_seconds for i in gated), default=0.0)
        return updates * slowest

    def close(self) -> None:
        """Close the meters."""
        self.meters.close()
