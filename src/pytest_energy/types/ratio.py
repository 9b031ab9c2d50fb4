"""One energy over another."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RatioEstimate:
    """One energy over another, with its 95 % interval (None where there are too few blocks)."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class RoleRatio:
    """Energy of general-purpose over task-specific models of one task.

    Args:
        task: that both perform.
        ratio: of energies per unit, each side the geometric mean of its models.
    """

    task: str
    ratio: RatioEstimate
