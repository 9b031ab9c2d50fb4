"""What is held alike from process to process while work is metered: its CPU and its allocator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pytest_energy.machine import allocator
from pytest_energy.machine.cpus import SEVERAL_CPUS, CpuHold
from pytest_energy.machine.process_tree import RunProcesses
from pytest_energy.types.measurement import AS_IS, STEADY, AllocatorTrial
from pytest_energy.world import clock, process_time, sleep

MANY_FAULTS = 100
"""Page faults of an inference from which on it is tried what a steady allocator saves: fewer take
less than a tenth of a millisecond (0.25 to 1 µs each, on the machines at hand)."""


CLOCKS_DIFFER_SECONDS = 1e-3
"""CPU and wall clock are not read at one moment: less than so much is no second CPU."""

REST_SECONDS, LOOK_SECONDS, RESTING_SHARE = 0.3, 0.004, 0.2
"""How long to wait at most for other threads to rest, how long to look each time, and the share of
a CPU below which they do. OpenMP's and a BLAS's wait for more work at full speed: milliseconds in
libgomp, 0.1 s in OpenBLAS, 0.2 s in Intel's (KMP_BLOCKTIME)."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment of this process.

    Args:
        faults: page faults so far; None where the system does not tell.
        cpu_seconds: of this process so far.
    """

    faults: int | None
    cpu_seconds: float


class WarmupUsage:
    """How many CPUs the warm-up uses, so that only work on a single one is held there.

    Args:
        processes: of this run; those that the work starts count too.
        clock: monotonic, in seconds.
    """

    def __init__(self, processes: RunProcesses, clock: Callable[[], float] = clock) -> None:
        self._processes = processes
        self._clock = clock
        self._began = clock()
        self._cpu_ns = processes.cpu_ns()

    @property
    def parallel(self) -> bool:
        """Whether the work has used several CPUs at once so far."""
        seconds = self._clock() - self._began
        used = (self._processes.cpu_ns() - self._cpu_ns) / 1e9
        return used > SEVERAL_CPUS * seconds + CLOCKS_DIFFER_SECONDS


class RunConditions:
    """Holds CPU and allocator of this process.

    Args:
        processes: of this run.
        steady: whether the allocator is to be held steady.
        pin: whether work on a single thread is to be held on one CPU.
    """

    def __init__(self, processes: RunProcesses, *, steady: bool = False, pin: bool = False) -> None:
        self._processes = processes
        self._wants_steady = steady
        self._hold = CpuHold() if pin else None
        self.allocator = AS_IS
        """As it is now: `steady` from the first metered work on, where that is wanted and can be
        had."""

    @property
    def undecided(self) -> bool:
        """Whether the allocator is still to be made steady."""
        return self._wants_steady

    def make_steady(self) -> bool:
        """Hold the allocator steady from here on; whether this call is the one that began it."""
        wanted, self._wants_steady = self._wants_steady, False
        if not wanted or not allocator.hold_steady():
            return False
        self.allocator = STEADY
        return True

    def usage(self) -> WarmupUsage:
        """Begin to watch how many CPUs are used, once other threads rest."""
        wait_for_rest()
        return WarmupUsage(self._processes)

    def mark(self) -> Mark:
        """Page faults and CPU time of this process now."""
        return Mark(allocator.page_faults(), process_time())

    def choose_cpu(self) -> int | None:
        """A CPU to be held on; None where there is no choice, or nothing is to be held."""
        return self._hold.choose() if self._hold is not None else None

    def hold(self, cpu: int | None) -> int | None:
        """Hold all threads of this process on one CPU.

        Args:
            cpu: its number; None to hold nothing.

        Returns:
            The CPU that they are held on; None where they are not.
        """
        return cpu if self._hold is not None and self._hold.hold(cpu) else None

    def release(self) -> None:
        """Give all threads the CPUs that they had."""
        if self._hold is not None:
            self._hold.release()


def wait_for_rest() -> None:
    """Wait until no thread of this process does anything, or for as long as that is worth it.

    Else what was called before, reference work included, would be taken for what comes after.
    """
    until = clock() + REST_SECONDS
    while clock() < until:
        began, used = clock(), process_time()
        sleep(LOOK_SECONDS)
        if process_time() - used < RESTING_SHARE * (clock() - began):
            return


def faults_between(before: Mark, after: Mark) -> int:
    """Page faults from one moment to another; 0 where the system does not tell."""
    if before.faults is None or after.faults is None:
        return 0
    return after.faults - before.faults


def trial(as_is: tuple[Mark, Mark], steady: tuple[Mark, Mark]) -> AllocatorTrial:
    """One inference with the allocator as it is, and the same one with a steady allocator.

    Args:
        as_is: before and after the first.
        steady: before and after the second.
    """
    return AllocatorTrial(
        faults_between(*as_is),
        as_is[1].cpu_seconds - as_is[0].cpu_seconds,
        steady[1].cpu_seconds - steady[0].cpu_seconds,
    )
