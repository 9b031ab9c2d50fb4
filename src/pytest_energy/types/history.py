"""What a test's energy was before, as reports show it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Replaced:
    """What an entry's sessions were before they were replaced.

    Args:
        date: of the last of them, ISO 8601, UTC.
        commit: the revision that it was measured at; None where that is not known.
        joules_per_unit: their median.
        sessions: how many there were.
        reason: why they were replaced, in words.
    """

    date: str
    commit: str | None
    joules_per_unit: float
    sessions: int
    reason: str


@dataclass(frozen=True, slots=True)
class StoredSession:
    """One stored session of a test.

    Args:
        date: ISO 8601, UTC.
        commit: the revision it was measured at, `+` after it when files had changed; or None.
        joules_per_unit: gated joules per unit.
    """

    date: str
    commit: str | None
    joules_per_unit: float


@dataclass(frozen=True, slots=True)
class History:
    """What a test's baseline entry held when the session began.

    Args:
        sessions: that a figure is compared with, oldest first.
        replaced: levels that they took the place of, oldest first.
    """

    sessions: tuple[StoredSession, ...]
    replaced: tuple[Replaced, ...] = ()
