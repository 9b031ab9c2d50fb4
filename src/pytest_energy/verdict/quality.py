"""Whether quality has fallen: what the test recorded, and what was recorded before. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from pytest_energy.types.measurement import Measurement
from pytest_energy.types.verdict import Quality, Rule

ROUNDING = 1e-5
"""Share of a figure that is no fall: stored ones have six digits."""


def quality_of(measurement: Measurement, before: Sequence[float], rule: Rule) -> Quality | None:
    """The quantity that a rule names, now and before.

    Args:
        measurement: with what the test recorded.
        before: what comparable sessions recorded of it; empty where none did.
        rule: names the quantity; greater is better.

    Returns:
        None where the rule names none, or the test did not record it. The stored figure is the
        median of what was recorded before.
    """
    now = (measurement.recorded or {}).get(rule.quality)
    if not rule.quality or now is None:
        return None
    stored = median(before) if before else None
    return Quality(rule.quality, now, stored, rule.quality_tolerance)


def fell(quality: Quality) -> bool:
    """Whether it lies below the stored figure by more than the tolerance."""
    return quality.stored is not None and quality.now < quality.stored - _allowed(quality)


def agrees(quality: Quality) -> bool:
    """Whether it lies within the tolerance of the stored figure, up or down, or there is none."""
    return quality.stored is None or abs(quality.now - quality.stored) <= _allowed(quality)


def _allowed(quality: Quality) -> float:
    return (quality.tolerance + ROUNDING) * abs(quality.stored or 0.0)
