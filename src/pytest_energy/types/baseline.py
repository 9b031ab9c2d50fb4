"""The stored sessions of one test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_energy.types.energy import Domain
from pytest_energy.types.history import History, Replaced, StoredSession
from pytest_energy.types.measurement import AS_IS
from pytest_energy.types.result import Subject
from pytest_energy.types.verdict import Change


@dataclass(frozen=True, slots=True)
class Session:
    """One stored measurement of a baseline entry.

    Args:
        date: ISO 8601, UTC.
        metered_count: metered inferences: fewer than the entry's n after an early stop.
        commit: the revision it was measured at, `+` after it when files had changed; or None.
        joules_per_unit: gated joules per unit.
        domains: joules per unit by domain name.
        blocks: gated joules per unit, block by block.
        seconds_per_unit: duration per unit.
        other_cpu_share: as in `Measurement`.
        reference_joules: joules of one repetition of the reference work beside each block; empty
            without one.
        flops: floating-point operations of one inference; None where not counted.
        flops_samples: of each sample that was counted; empty where `flops` is the first one's.
        repeat_difference: how far the passes differed that the figures are the mean of, as a
            fraction; None for a single pass.
        recorded: what the energy bought, by name.
        page_faults: per inference, of the typical block; None where the system does not tell.
        environment: versions of what ran, and thread counts, by name.
        block_sizes: inferences in each block; empty in sessions that were stored without.
    """

    date: str
    metered_count: int
    commit: str | None
    joules_per_unit: float
    domains: Mapping[str, float]
    blocks: tuple[float, ...]
    seconds_per_unit: float
    other_cpu_share: float | None
    reference_joules: tuple[float, ...] = ()
    flops: int | None = None
    flops_samples: tuple[int, ...] = ()
    repeat_difference: float | None = None
    recorded: Mapping[str, float] = field(default_factory=dict)
    page_faults: float | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    block_sizes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Baseline:
    """The stored sessions of one test (and region), and what they may be compared with.

    Args:
        subject: what was measured.
        meters: the meters that were read.
        domains: what they counted, and how.
        sessions: oldest first, at least one.
        reference_workload: the kind of reference work, or `""`.
        allocator: `steady` where freed memory was kept for the next inference, else `as-is`.
        history: what stood here before, oldest first.
        unverified: why it is not known to stand as it was measured, as a clause; empty where it
            carries the digest of what the plugin wrote.
    """

    subject: Subject
    meters: tuple[str, ...]
    domains: tuple[Domain, ...]
    sessions: tuple[Session, ...]
    reference_workload: str = ""
    allocator: str = AS_IS
    history: tuple[Replaced, ...] = ()
    unverified: str = ""

    @property
    def as_history(self) -> History:
        """The stored figures alone, for reports."""
        sessions = (
            StoredSession(one.date, one.commit, one.joules_per_unit) for one in self.sessions
        )
        return History(tuple(sessions), self.history)

    @property
    def flops(self) -> int | None:
        """Operations of one inference as last stored; None where they never were."""
        return self._counted.flops if self._counted is not None else None

    @property
    def flops_samples(self) -> tuple[int, ...]:
        """The same of each sample that was counted then; empty where none was."""
        last = self._counted
        return () if last is None or last.flops is None else last.flops_samples or (last.flops,)

    @property
    def _counted(self) -> Session | None:
        """The last session whose operations were counted; None where there is none."""
        return next((each for each in reversed(self.sessions) if each.flops is not None), None)


@dataclass(frozen=True, slots=True)
class Agreement:
    """Whether a figure belongs to the stored sessions of an entry, and how far it lies from them.

    Args:
        agrees: whether it is comparable and within the limits.
        reason: why it is not comparable, as a clause; empty where it is.
        change: how far it lies from the stored sessions; None where it is not comparable.
    """

    agrees: bool
    reason: str
    change: Change | None


MOST_N = 10**15
"""More inferences than any test performs."""

MOST_CHARACTERS = 10_000
"""Of a name that is stored: it stands in messages and tables."""
