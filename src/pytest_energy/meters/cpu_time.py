"""An estimate where the CPU has no counter: CPU seconds x watts per logical CPU.

CPU seconds of this process and of all its children, living and ended. On a machine without
counters this is the estimate that varies least; its absolute value is only as good as the watts.
"""

from __future__ import annotations

from collections.abc import Callable
from time import process_time_ns
from typing import TYPE_CHECKING

from pytest_energy.carbon import tables as reference
from pytest_energy.machine.identity import read_cpu
from pytest_energy.meters.base import Meter, MeterLostError, MeterUnavailableError
from pytest_energy.types.energy import Domain, Method
from pytest_energy.types.machine import Cpu

if TYPE_CHECKING:
    from pytest_energy.machine.served import ServedProcesses

DEFAULT_WATTS_PER_CPU = 4.0
"""Watts of one busy logical CPU of an unknown model.

Source: codecarbon's own default for CPUs that are not in its table (`DEFAULT_POWER_PER_CORE`).
"""


def watts_per_cpu(cpu: Cpu) -> tuple[float, str]:
    """Watts that one busy logical CPU is charged with, and how that was found.

    The thermal design power of the sockets over the logical CPUs they show, from codecarbon's
    table. In a virtual machine the CPUs are a share of a socket whose size the guest cannot see;
    there, and for models that are not in the table, `DEFAULT_WATTS_PER_CPU`.
    """
    if cpu.virtual:
        return DEFAULT_WATTS_PER_CPU, "codecarbon's default: a virtual machine hides the socket"
    tdp = reference.cpu_tdp_watts(cpu.model)
    if tdp is None:
        return DEFAULT_WATTS_PER_CPU, "codecarbon's default: the model is not in its table"
    sockets = f"{cpu.sockets} x " if cpu.sockets > 1 else ""
    return (
        tdp * cpu.sockets / cpu.logical_cpus,
        f"{sockets}{tdp:g} W TDP over {cpu.logical_cpus} logical CPUs, codecarbon's table",
    )


class CpuTime(Meter):
    """CPU seconds of the process tree x watts per logical CPU.

    Args:
        cpu: what machine this is; read from the system when left out.
        own_ns: CPU nanoseconds of this process.
        children_ns: CPU nanoseconds of its children, living and ended; of `processes` when left
            out.
        find_served: finds the processes of a server that the test did not start; None for no
            server.

    Raises:
        MeterUnavailableError: there is no such server, or it cannot be looked at.
    """

    name = "cpu_time"
    own_cpu_ns: int

    def __init__(
        self,
        cpu: Cpu | None = None,
        own_ns: Callable[[], int] = process_time_ns,
        children_ns: Callable[[], int] | None = None,
        find_served: Callable[[], ServedProcesses] | None = None,
    ) -> None:
        try:
            self._served = None if find_served is None else find_served()
        except ValueError as error:
            raise MeterUnavailableError(str(error)) from error
        beside = "" if self._served is None else "; this process tree and a server's"
        self._own_ns, self._children_ns = own_ns, children_ns
        self.watts, basis = watts_per_cpu(cpu or read_cpu())
        domain = Domain(
            name="cpu",
            kind="cpu",
            method=Method.ESTIMATED,
            source="CPU time",
            # clock_gettime(CLOCK_PROCESS_CPUTIME_ID) is good for about a microsecond.
            resolution_seconds=1e-6,
            basis=f"{self.watts:.4g} W per logical CPU ({basis}){beside}",
        )
        self.domains = (domain,)
        self.own_cpu_ns = 0
        self._lost_ns = 0
        self._walking_ns = 0

    def read(self) -> tuple[int, ...]:
        """Microjoules since the process began, estimated."""
        own_ns, children_ns = self._own_ns, self._children_ns
        own = own_ns()
        children = self.processes.children_cpu_ns() if children_ns is None else children_ns()
        if self._served is not None:
            try:
                children += self._served.cpu_ns()
            except ValueError as error:
                raise MeterLostError(str(error)) from error
        now = own - self._walking_ns + children + self._lost_ns
        # Looking for living children takes a fraction of a millisecond, and would stand in every
        # window that this reading opens.
        self._walking_ns += own_ns() - own
        last = self.own_cpu_ns
        if now < last:
            self._lost_ns += last - now
            now = last
        self.own_cpu_ns = now
        return (int(now * self.watts) // 1000,)
