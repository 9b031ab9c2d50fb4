"""Meter a region of a program: synchronise, read the counters, keep the blocks.

What the window knows beside energy: how long it took, what share of the machine's CPU time others
used meanwhile, and whether something watched the program that makes it run differently.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from statistics import median_low

from pytest_energy.machine.allocator import page_faults
from pytest_energy.machine.load import CpuTimes
from pytest_energy.metering.gpu_sync import synchronise
from pytest_energy.metering.watchers import CoveragePause, watched_by
from pytest_energy.meters.base import MeterLostError
from pytest_energy.meters.meter_set import MeterSet
from pytest_energy.meters.readings import counter_of
from pytest_energy.meters.updates import SLOWEST_SECONDS, CounterUpdates
from pytest_energy.types.energy import Domain, Method, Reading, gated_domains, is_estimated
from pytest_energy.types.measurement import AS_IS, Block, Measurement
from pytest_energy.types.obstacle import Obstacle
from pytest_energy.world import sleep

BLOCKS = 20
"""Blocks of a metered loop, fewer when it has fewer inferences."""

SHORTEST_SHARE_SECONDS = 0.5
"""A shorter window says nothing about others, since the kernel counts idle time in ticks of 10 ms:
what ran right before it counts too."""

LEAST_SHARE_SECONDS = 0.2
"""In less, ticks of 10 ms can look like a tenth of two CPUs, the share of a busy machine."""

LEAST_CPUS_SECONDS = 0.05
"""In less, a clock that was read 5 ms ago says nothing of how many CPUs a process used."""

PAUSABLE_SECONDS = 2e-3
"""Pausing costs the uncertainty of one more reading; a counter slower than this is left running."""


def block_sizes(n: int, most: int = BLOCKS) -> tuple[int, ...]:
    """How `n` inferences are cut into at most so many blocks.

    By these two numbers alone, so that block i is always the same samples.
    """
    count = min(n, most)
    size, larger = divmod(n, count)
    return tuple(size + 1 if i < larger else size for i in range(count))


STOPPED_UPDATES = 20
"""A counter that was seen to move, and does not for so many of its periods, has stopped."""


STOPPED_SECONDS = 0.1
"""No counter of hardware that draws power rests for so long, and rarely moving ones more."""

READING_SHARE, READING_SECONDS = 0.5, 0.25
"""Where reading counters takes more of the metered time than this, and so long, what hardware takes
meanwhile is most of the figure."""

RESTING_UPDATES = 2
"""A counter that rested for longer at the end of the work may have stopped: whether it goes on is
waited for."""

LOOKS = 50
"""How often it is read meanwhile."""


class Window:
    """One metered stretch of work, in blocks.

    `open` and `close` stand around the work, as often as wanted; `split` ends a block and begins
    the next with one reading. What is done between a `close` and the next `open` is not metered.

    Args:
        meters: what is read, and the clock.
        counter_updates: waits for updates of their counters where a window is short; None to read
            at once.
        expected_seconds: how long a stretch from `open` to `pause` or `close` will be; None for
            unknown.
        block_seconds: how long a block between two `split`s will be; None for unknown.
        idle_seconds: for how long the idle power is measured before the first stretch; 0 for not.
        sleep: waits so many seconds by the meters' clock.
    """

    __slots__ = (
        "_at_once",
        "_begun",
        "_blocks",
        "_clock",
        "_concurrent",
        "_faults_at_open",
        "_idle_for",
        "_idle_watts",
        "_in_blocks",
        "_interference",
        "_meters",
        "_missed",
        "_opened",
        "_other_cpu_share",
        "_own_cpus",
        "_partial",
        "_reading_seconds",
        "_readings",
        "_rest",
        "_segments",
        "_sleep",
        "_update_aligned",
        "_updates",
        "_watched",
        "allocator",
        "coverage",
        "lost",
    )

    def __init__(
        self,
        meters: MeterSet,
        counter_updates: CounterUpdates | None = None,
        expected_seconds: float | None = None,
        block_seconds: float | None = None,
        idle_seconds: float = 0.0,
        sleep: Callable[[float], None] = sleep,
    ) -> None:
        self._meters = meters
        self._clock = meters.clock
        self._sleep = sleep
        self._updates = (
            counter_updates
            if counter_updates is not None and counter_updates.needs_alignment(expected_seconds)
            else None
        )
        self._in_blocks = self._updates is not None and self._updates.needs_alignment_in_blocks(
            block_seconds
        )
        self._idle_for = idle_seconds
        self._segments = 0
        self._update_aligned = self._updates is not None
        self._missed = (0, 0, 0)
        self._interference: tuple[str, ...] = ()
        self._idle_watts: tuple[float, ...] = ()
        self._blocks: list[tuple[int, float, tuple[int, ...], int | None]] = []
        self._partial: tuple[float, tuple[int, ...], int | None] | None = None
        self._faults_at_open: int | None = None
        self._opened: Reading | None = None
        self._begun: CpuTimes | None = None
        self._other_cpu_share: float | None = None
        self._own_cpus: float | None = None
        self._rest: dict[int, float] = {}
        self._at_once = False
        self._concurrent = False
        self._reading_seconds = 0.0
        self._readings = array("d")
        self._watched = ""
        self.lost = ""
        """Why the meter could not be read; empty while all is well."""
        self.coverage = CoveragePause()
        self.allocator = AS_IS
        """How the memory allocator is while this window meters."""

    def open(self) -> None:
        """Begin, or go on after a `close` or `pause`."""
        first = self._begun is None
        if not self._concurrent:
            self.coverage.begin()
            if first:
                self._look_first()
            synchronise()
        self._meters.arm()
        self._faults_at_open = page_faults()
        self._begin(self._read() if self._updates is None else self._read_at_updates()[1])
        if first:
            self._begun = self._meters.cpu_times()

    def _look_first(self) -> None:
        self._interference = self._meters.interference()
        if self._idle_for:
            self._measure_idle(self._idle_for)
        self._watched = watched_by()

    def begin_concurrent(self) -> None:
        """Meter from here on what goes on while it is read, in whichever thread reads.

        What `open` does before it reads is done now, by the test's own thread and with nothing
        running. No end waits for counters' updates, nor for work that is queued on a GPU: other
        inferences go on meanwhile, and their energy would be in no block.
        """
        self.coverage.begin()
        self._look_first()
        self.coverage.end()
        self._concurrent = True
        self._updates = None
        self._in_blocks = self._update_aligned = False

    def read_at_once(self) -> None:
        """From here on, wait for nothing: pieces are many, or it would stand in another window."""
        self._idle_for = 0.0
        self._updates = None
        self._update_aligned = False
        self._at_once = True

    def pause(self) -> None:
        """Stop metering inside a block; `open` goes on with the same block."""
        if not self._concurrent:
            synchronise()
        opened, updates = self._opened, self._updates
        short = updates and opened and updates.needs_alignment(self._clock() - opened.seconds)
        self._add(self._read_at_updates()[0] if short else self._read())
        if not self._concurrent:
            self.coverage.end()

    def end_block(self, n: int) -> None:
        """After a `pause`: what was metered since the last block is one of `n` inferences."""
        if self._partial is not None:
            self._blocks.append((n, *self._partial))
            self._partial = None

    def split(self, n: int) -> None:
        """End a block of `n` inferences and begin the next at the same reading."""
        if not self._concurrent:
            synchronise()
        if self._in_blocks:
            before, after = self._read_at_updates()
            self._add(before)
            self.end_block(n)
            self._begin(after)
            self._faults_at_open = page_faults()
            return
        reading = self._read()
        self._add(reading)
        self.end_block(n)
        self._opened = reading
        self._faults_at_open = page_faults()

    def close(self, n: int) -> None:
        """End a block of `n` inferences and stop metering."""
        self.pause()
        self.end_block(n)
        self.look_after()

    def look_after(self) -> None:
        """After the work: what others used meanwhile, and whether the counters still move."""
        self.read_conditions()
        self._await_moves()

    @property
    def pausable(self) -> bool:
        """Whether pausing costs less than what it keeps out."""
        return all(d.resolution_seconds <= PAUSABLE_SECONDS for d in self._meters.domains)

    @property
    def metered_count(self) -> int:
        """Inferences in the blocks so far."""
        return sum(n for n, *_ in self._blocks)

    @property
    def block_count(self) -> int:
        """Blocks so far."""
        return len(self._blocks)

    @property
    def seconds(self) -> float:
        """Metered so far, the block that is not ended yet included."""
        ended = sum(seconds for _, seconds, *_ in self._blocks)
        return ended + (self._partial[0] if self._partial else 0.0)

    @property
    def last_joules_per_inference(self) -> float:
        """Gated joules per inference of the block that ended last; 0 before there is one."""
        if not self._blocks:
            return 0.0
        n, _, counts, _ = self._blocks[-1]
        return sum(counts[i] for i in gated_domains(self._meters.domains)) / 1e6 / n

    @property
    def last_seconds(self) -> float:
        """Duration of the block that ended last; 0 before there is one."""
        return self._blocks[-1][1] if self._blocks else 0.0

    def joules_so_far(self) -> float:
        """Gated joules of the blocks so far, for showing."""
        gated = gated_domains(self._meters.domains)
        return sum(counts[i] for _, _, counts, _ in self._blocks for i in gated) / 1e6

    def measurement(
        self,
        units: float | None = None,
        recorded: Mapping[str, float] | None = None,
        pending: int = 0,
    ) -> Measurement | None:
        """What was metered; None when nothing was, or when a meter was lost.

        Args:
            units: the divisor; the metered inferences when left out.
            recorded: what the energy bought.
            pending: inferences since the last block, which count as one more.
        """
        metered = list(self._blocks)
        if pending and self._partial is not None:
            metered.append((pending, *self._partial))
        if self.lost or not metered:
            return None
        done = sum(n for n, *_ in metered)
        return Measurement(
            meters=self._meters.names,
            domains=self._meters.domains,
            blocks=tuple(
                Block(n, seconds, tuple(count / 1e6 for count in counts), faults)
                for n, seconds, counts, faults in metered
            ),
            metered_count=done,
            unit_count=float(done) if units is None else units,
            other_cpu_share=self._other_cpu_share,
            cpus=self._own_cpus,
            interference=(*((self._watched,) if self._watched else ()), *self._interference),
            recorded=dict(recorded or {}),
            segments=self._segments,
            update_aligned=self._update_aligned,
            idle_watts=self._idle_watts,
            allocator=self.allocator,
            obstacles=(Obstacle.TRACER,) if self._watched else (),
        )

    def _read(self) -> Reading | None:
        if self.lost:
            return None
        try:
            reading = self._meters.read()
        except MeterLostError as error:
            self.lost = str(error)
            return None
        took = self._clock() - reading.seconds
        self._reading_seconds += took
        self._readings.append(took)
        return reading

    def _read_at_updates(self) -> tuple[Reading | None, Reading | None]:
        """What the counters would show now, and what they show at their next updates."""
        if self.lost or self._updates is None:
            return None, None
        try:
            before, after, came = self._updates.read()
        except MeterLostError as error:
            self.lost = str(error)
            return None, None
        self._update_aligned = self._update_aligned and came
        return before, after

    def _measure_idle(self, seconds: float) -> None:
        synchronise()
        before = self._read_at_updates()[1] if self._updates else self._read()
        self._sleep(seconds)
        after = self._read_at_updates()[0] if self._updates else self._read()
        self._reading_seconds = 0.0  # of what is metered, only
        self._readings = array("d")
        if before is not None and after is not None:
            self._meters.waited(before, after)
            passed = (after.seconds - before.seconds) * 1e6
            self._idle_watts = tuple(
                (b - a) / passed for a, b in zip(before.microjoules, after.microjoules, strict=True)
            )

    def _begin(self, reading: Reading | None) -> None:
        self._opened = reading
        self._segments += 1
        self._missed = self._meters.missed

    def _add(self, reading: Reading | None) -> None:
        opened, self._opened = self._opened, None
        if reading is None or opened is None:
            return
        counts = tuple(b - a for a, b in zip(opened.microjoules, reading.microjoules, strict=True))
        seconds = reading.seconds - opened.seconds
        for i, (domain, count) in enumerate(zip(self._meters.domains, counts, strict=True)):
            self.lost = self._why_stopped(i, domain, count, seconds)
            if self.lost:
                return
        self.lost = self._meters.why_missed(self._missed) or self._why_slow(seconds)
        if self.lost:
            return
        faults = self._faults_so_far()
        if self._partial is not None:
            seconds += self._partial[0]
            counts = tuple(a + b for a, b in zip(self._partial[1], counts, strict=True))
            earlier = self._partial[2]
            faults = None if faults is None or earlier is None else faults + earlier
        self._partial = (seconds, counts, faults)

    def _why_slow(self, seconds: float) -> str:
        """What to say where reading took most of the time, this segment's seconds included."""
        metered = self.seconds + seconds
        limit = max(READING_SHARE * metered, READING_SECONDS)
        if self._reading_seconds <= limit or is_estimated(self._meters.domains):
            return ""
        # A busy machine stops this process for a while, and may do so in a reading.
        typical = median_low(self._readings) * len(self._readings)
        if typical <= limit:
            return ""
        return (
            f"{', '.join(self._meters.names)}: reading it took {typical:.3g} s, for"
            f" {metered:.3g} s that were metered: meter more work at a time"
        )

    def _why_stopped(self, i: int, domain: Domain, count: int, seconds: float) -> str:
        """What to say where a counter did not move in a segment, and should have; else empty."""
        if count:
            self._rest.pop(i, None)
            self._meters.moved.add(i)
            return ""
        # Hardware always takes something; what is estimated, or told by a plugin, need not.
        if domain.method is not Method.COUNTER or not (
            i in self._meters.moved or i in self._meters.active
        ):
            return ""
        rest = self._rest[i] = self._rest.get(i, 0.0) + seconds
        return self._stopped(i) if rest > _longest_rest(domain) else ""

    def _stopped(self, i: int) -> str:
        meters = self._meters
        return (
            f"{meters.owners[i]}: {counter_of(meters.domains[i])} has stopped: it did not move for"
            f" {self._rest[i]:.3g} s"
        )

    def _await_moves(self) -> None:
        """After the work: see the counters move that may have stopped in the midst of it.

        Those that rested at its end; and where all of it is one block, so that no reading fell into
        it, those that are known to move by themselves. A window whose ends are on updates has just
        seen them.
        """
        if self.lost or self._at_once or self._updates is not None or self._meters.remote:
            return
        domains, whole = self._meters.domains, len(self._blocks) == 1
        waiting = {
            i
            for i, domain in enumerate(domains)
            if domain.resolution_seconds <= SLOWEST_SECONDS
            and (
                self._rest.get(i, 0.0) > RESTING_UPDATES * domain.resolution_seconds
                or (whole and i in self._meters.active)
            )
        }
        if not waiting:
            return
        rested = {i: self._rest.get(i, 0.0) for i in waiting}
        step = max(_longest_rest(domains[i]) for i in waiting) / LOOKS
        try:
            first = now = self._meters.read()
            for _ in range(LOOKS + 2):
                self._sleep(step)
                now = self._meters.read()
                for i in [i for i in waiting if now.microjoules[i] != first.microjoules[i]]:
                    waiting.remove(i)
                    self._rest.pop(i, None)
                for i in sorted(waiting):
                    self._rest[i] = rested[i] + now.seconds - first.seconds
                    if self._rest[i] > _longest_rest(domains[i]):
                        self.lost = self._stopped(i)
                if self.lost or not waiting:
                    break
        except MeterLostError:  # what was metered before stands; the next window says it
            return
        self._meters.waited(first, now)

    def _faults_so_far(self) -> int | None:
        """Page faults since metering went on; counted outside of the readings."""
        now, before = page_faults(), self._faults_at_open
        return None if now is None or before is None else now - before

    def read_conditions(self) -> None:
        """What others used, from the first opening to now, whatever was metered of it."""
        if self._begun is None:
            return
        now = self._meters.interference()
        self._interference = tuple(dict.fromkeys((*self._interference, *now)))
        since = self._begun
        if self._clock() - since.seconds < LEAST_CPUS_SECONDS:
            return
        times = self._meters.cpu_times()
        seconds = times.seconds - since.seconds
        if seconds > 0:
            self._own_cpus = (times.own_seconds - since.own_seconds) / seconds
        if self._meters.remote:
            return
        since = self._looking_back(since, times)
        if times.seconds - since.seconds >= LEAST_SHARE_SECONDS:
            self._other_cpu_share = self._meters.load.other_cpu_share(since, times)

    def _looking_back(self, begun: CpuTimes, until: CpuTimes) -> CpuTimes:
        """The reading from which on others are told of: the window's first, or one before it."""
        if until.seconds - begun.seconds >= SHORTEST_SHARE_SECONDS:
            return begun
        return self._meters.load.before(until, SHORTEST_SHARE_SECONDS)

    def look_around(self) -> None:
        """Find out what others use where this window, and what ran before it, were too short to.

        It waits for the rest of `SHORTEST_SHARE_SECONDS`: once in a process, since later windows
        have something to look back to. An estimate needs it, which others change; a counter's
        window of a moment is left alone.
        """
        since, meters = self._begun, self._meters
        if since is None or self._other_cpu_share is not None or meters.remote:
            return
        if since.idle_seconds is None or not is_estimated(meters.domains):
            return
        times = meters.cpu_times_between()
        since = self._looking_back(since, times)
        missing = SHORTEST_SHARE_SECONDS - (times.seconds - since.seconds)
        if missing > 0:
            self._sleep(missing)
        self._other_cpu_share = meters.load.other_cpu_share(since, meters.cpu_times_between())


def _longest_rest(domain: Domain) -> float:
    """Seconds for which a counter may show the same before it has stopped."""
    return max(STOPPED_UPDATES * domain.resolution_seconds, STOPPED_SECONDS)
