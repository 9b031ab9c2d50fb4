"""The meters of a session, read together."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from contextlib import suppress
from dataclasses import replace
from math import inf

from pytest_energy.machine.load import CpuTimes, LoadReader
from pytest_energy.machine.process_tree import RunProcesses
from pytest_energy.meters.base import MOST_WATTS, Meter, MeterLostError
from pytest_energy.meters.readings import checked_counts, counter_of, error_text
from pytest_energy.meters.wrap_guard import WrapGuard
from pytest_energy.types.energy import Reading, gated_domains
from pytest_energy.world import clock

ASK_SECONDS = 0.1
"""What else uses the hardware is asked no more often."""

LATE_SECONDS = 0.02
"""A counter may show at once what has flowed for so long, beyond what is stated of its updates."""


class MeterSet:
    """The meters of a session, read together.

    Args:
        meters: open meters with distinct domain names.
        note: why this set, where that needs saying: `estimated, because …`.
        clock: monotonic, in seconds; windows and `CounterUpdates` go by it too.
        load: reads what others use of this machine; by the same clock when left out.

    Raises:
        ValueError: two meters count a domain of the same name, which would count it twice.
    """

    def __init__(
        self,
        meters: Sequence[Meter],
        note: str = "",
        clock: Callable[[], float] = clock,
        load: LoadReader | None = None,
    ) -> None:
        self.clock = clock
        self.load = LoadReader(clock) if load is None else load
        self.meters = tuple(meters)
        self.processes = RunProcesses()
        """The processes of this run, known to every meter."""
        for meter in self.meters:
            meter.processes = self.processes
        self.names = tuple(meter.name for meter in self.meters)
        self.domains = tuple(domain for meter in self.meters for domain in meter.domains)
        self.owners = tuple(meter.name for meter in self.meters for _ in meter.domains)
        """The meter of each domain."""
        self._last: dict[str, tuple[float, tuple[int, ...]]] = {}
        """When the last reading of each meter began, and what it was."""
        self._before: dict[str, tuple[float, tuple[int, ...]]] = {}
        """The one before a reading that did not follow it: which of the two is wrong, the next one
        tells."""
        self._refused, self._refusal = 0, ""
        """How many readings were refused, by whomever they were made, and why the last one was."""
        self._microwatts = {m.name: min(m.max_watts, MOST_WATTS) * 1e6 for m in self.meters}
        # A counter may have been updated up to a period before, or after, it was read.
        self._slack = {
            m.name: 2 * min((domain.resolution_seconds for domain in m.domains), default=0.0)
            for m in self.meters
        }
        self.note = note
        self.max_read_interval_seconds = min(
            (meter.max_read_interval_seconds for meter in meters), default=inf
        )
        self.active: frozenset[int] = frozenset()
        """Positions of the domains whose counters were observed to move by themselves."""
        self.moved: set[int] = set()
        """Positions of the domains that counted anything in a window of this session."""
        self._unseen = 0
        """How often so long passed between two readings that a counter may have wrapped unseen."""
        self._unseen_seconds = 0.0
        """How long it was, the last time."""
        self._gappy = [m for m in meters if type(m).missed_samples is not Meter.missed_samples]
        self.waited_seconds = self.waited_joules = 0.0
        """What waiting for updates and measuring idle power took: part of the gate's own cost."""
        self._asked_at = -inf
        self._interference: tuple[str, ...] = ()
        self._read_at = clock()
        self._reading = False
        # Most meters cannot tell, and a window asks twice.
        self._observant = [m for m in meters if type(m).interference is not Meter.interference]
        self._wrap_guard = (
            WrapGuard(self._refresh, self.max_read_interval_seconds / 3)
            if self.max_read_interval_seconds < inf
            else None
        )
        self.remote = bool(self.meters) and all(meter.remote for meter in self.meters)
        _refuse_counting_twice(self.meters)

    def read(self) -> Reading:
        """All counters now.

        Raises:
            MeterLostError: a meter cannot be read; the message names it.
        """
        clock = self.clock  # bound first, an attribute is called as fast as a global
        seconds = clock()
        counts: tuple[int, ...] = ()
        for meter in self.meters:
            counts += self.read_one(meter, seconds)
        return Reading(seconds, counts)

    def read_one(self, meter: Meter, seconds: float | None = None) -> tuple[int, ...]:
        """The counts of one of the meters, checked.

        Args:
            meter: one of this set.
            seconds: the clock's time where it has just been read; asked for when left out.

        Raises:
            MeterLostError: it cannot be read; the message names it.
        """
        self._reading = True
        try:
            now = self.clock() if seconds is None else seconds
            if now - self._read_at > self.max_read_interval_seconds:
                self._unseen += 1
                self._unseen_seconds = now - self._read_at
            self._read_at = now
            counts = meter.read()
            then, last = self._last.get(meter.name, (now, ()))
            most = self._microwatts[meter.name] * (now - then + self._slack[meter.name])
            # Every window pays for this: only what is not as it should be is looked at closely.
            usual = counts.__class__ is tuple and len(counts) == len(last) == len(meter.domains)
            for earlier, count in zip(last, counts, strict=False) if usual else ():
                if count.__class__ is not int or not earlier <= count <= earlier + most:
                    usual = False
            if not usual:
                counts = checked_counts(counts, meter.domains)
        except MeterLostError as lost:
            raise self._lost(f"{meter.name}: {error_text(lost)}") from lost
        except Exception as error:  # a third-party meter: its defect is not the test's
            parts = (meter.name, type(error).__name__, error_text(error, 300))
            raise self._lost(": ".join(filter(None, parts))) from error
        finally:
            self._reading = False
        # Also where it is refused: what goes on from there is a reading again.
        self._last[meter.name] = now, counts
        if not usual and last:
            self._check_rise(meter, (then, last), counts)
        return counts

    def _lost(self, problem: str) -> MeterLostError:
        self._refused, self._refusal = self._refused + 1, problem
        return MeterLostError(problem)

    def _check_rise(
        self, meter: Meter, last: tuple[float, tuple[int, ...]], counts: tuple[int, ...]
    ) -> None:
        """Refuse counts that cannot follow the last reading, if that one could be right."""
        problem = self._why_not_after(meter, *last, counts)
        before = self._before.pop(meter.name, None)
        if not problem or (before and not self._why_not_after(meter, *before, counts)):
            return
        self._before[meter.name] = last
        raise self._lost(problem)

    def _why_not_after(
        self, meter: Meter, then: float, last: tuple[int, ...], counts: tuple[int, ...]
    ) -> str:
        """Why counts cannot follow those of a reading that began at `then`; empty if they can."""
        # Hardware was read at some time between the beginning of that reading and now.
        seconds = self.clock() - then
        could = seconds + LATE_SECONDS
        for domain, earlier, count in zip(meter.domains, last, counts, strict=True):
            joules = (count - earlier) / 1e6
            if joules < 0:
                return f"{meter.name}: {counter_of(domain)} went back by {-joules:.3g} J"
            most = self._microwatts[meter.name] / 1e6 * (could + 2 * domain.resolution_seconds)
            if joules > most:
                return (
                    f"{meter.name}: {counter_of(domain)} rose by {joules:.3g} J in {seconds:.3g} s,"
                    f" more than anything can take ({most:.3g} J): a faulty reading"
                )
        return ""

    def arm(self) -> None:
        """A window opens: until `disarm`, have counters read before they wrap unseen."""
        if self._wrap_guard is not None:
            self._wrap_guard.arm()

    def disarm(self) -> None:
        """A test is over, and with it every window."""
        if self._wrap_guard is not None:
            self._wrap_guard.disarm()

    @property
    def missed(self) -> tuple[int, int, int]:
        """How often a counter may have wrapped unseen, a meter had a gap, a reading was refused."""
        gaps = sum(meter.missed_samples for meter in self._gappy) if self._gappy else 0
        return self._unseen, gaps, self._refused

    def why_missed(self, before: tuple[int, int, int]) -> str:
        """Why a window is not known that began when `missed` was `before`; empty where it is."""
        if self.missed == before:
            return ""
        if self._refused != before[2]:  # by a region inside, say, or by the wrap guard
            return self._refusal
        if self._unseen == before[0]:
            names = ", ".join(meter.name for meter in self._gappy)
            return (
                f"{names}: no power was sampled for a second or more: something kept Python's other"
                " threads from running"
            )
        limit = self.max_read_interval_seconds
        return (
            f"{self._unseen_seconds:.0f} s passed between two readings, and after {limit:.0f} s a"
            " counter may have wrapped unseen; energy.each reads it at every block, and elsewhere a"
            " timer does, unless something holds SIGALRM (pytest-timeout does: set its"
            " timeout_method = thread)"
        )

    def waited(self, before: Reading, after: Reading) -> None:
        """Time and energy between two readings belonged to no window, but to metering itself."""
        self.waited_seconds += after.seconds - before.seconds
        gated = gated_domains(self.domains)
        self.waited_joules += sum(after.microjoules[i] - before.microjoules[i] for i in gated) / 1e6

    def note_periods(self, periods: Sequence[float | None]) -> None:
        """How often each domain was seen to move; None leaves what its meter says.

        Args:
            periods: seconds, one a domain.
        """
        self.active = frozenset(i for i, period in enumerate(periods) if period is not None)
        self.domains = tuple(
            domain if period is None else replace(domain, resolution_seconds=period)
            for domain, period in zip(self.domains, periods, strict=True)
        )

    def interference(self) -> tuple[str, ...]:
        """What else uses the metered hardware right now, from every meter that can tell."""
        # A region may be entered a thousand times a second, and asking takes a while.
        if not self._observant or self.clock() - self._asked_at < ASK_SECONDS:
            return self._interference
        clauses: tuple[str, ...] = ()
        for meter in self._observant:
            with suppress(
                Exception
            ):  # unknown is not interference; a lost meter fails at its next read
                clauses += tuple(meter.interference())
        self._interference, self._asked_at = clauses, self.clock()
        return clauses

    def _refresh(self) -> None:
        if not self._reading:  # the timer may fire during a reading
            with suppress(MeterLostError):  # the window that is open says it at its end
                self.read()

    def exclude(self, pids: Set[int]) -> None:
        """Leave processes that are no children of this one out of what is measured.

        Args:
            pids: of this run, so no load of strangers.
        """
        if not pids <= self.processes.excluded:
            self.processes.excluded.update(pids)
            # All that they have used so far is this run's at once: no reading from before fits.
            self.load.start_over()

    def own_cpu_ns(self) -> int | None:
        """What `Meter.own_cpu_ns` says, from the first meter that knows."""
        for meter in self.meters:
            if meter.own_cpu_ns is not None:
                return meter.own_cpu_ns
        return None

    def cpu_times(self) -> CpuTimes:
        """The machine's CPU time now, or a moment ago; right after a reading of the meters."""
        return self.load.recent(lambda: self._own_seconds(self.own_cpu_ns()))

    def cpu_times_between(self) -> CpuTimes:
        """The same where no reading of the meters has just told this run's own CPU time."""
        return self.load.recent(lambda: self._own_seconds(None))

    def _own_seconds(self, known: int | None) -> float:
        own = self.processes.cpu_ns() if known is None else known
        # Another revision's process is part of this run, though not of what is measured.
        return (own + self.processes.excluded_cpu_ns()) / 1e9

    def close(self) -> None:
        """Close every meter; one that fails to does not keep the others open."""
        if self._wrap_guard is not None:
            self._wrap_guard.close()
        for meter in self.meters:
            with suppress(Exception):  # at the end of a session nothing can be done about it
                meter.close()


def _refuse_counting_twice(meters: Sequence[Meter]) -> None:
    owners: dict[str, str] = {}
    for meter in meters:
        for domain in meter.domains:
            other = owners.setdefault(domain.name, meter.name)
            if other != meter.name:
                raise ValueError(_twice(other, meter.name, domain.name))
        for another in meters:
            kinds = {domain.kind for domain in another.domains}
            if another is meter or another.remote != meter.remote:
                continue  # what is elsewhere is other hardware
            for kind in sorted(meter.covers & kinds):
                raise ValueError(_twice(meter.name, another.name, kind))


def _twice(one: str, other: str, what: str) -> str:
    return (
        f"meters {one!r} and {other!r} both count {what!r}, which would count it twice:"
        " name one of them"
    )
