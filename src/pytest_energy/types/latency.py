"""How long the metered inferences took."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """Durations of several inferences.

    Args:
        count: how many there are.
        median_seconds: half of them are shorter.
        p95_seconds: 95 % of them are shorter.
    """

    count: int
    median_seconds: float
    p95_seconds: float


@dataclass(frozen=True, slots=True)
class Latency:
    """How long the metered inferences took. Reported beside energy, and never gated.

    Args:
        inference: from the call to its return.
        first_token: from the call to `energy.first_token()`; None where no inference called it.
        per_token: from the first token to the return, over the other tokens that `energy.add` was
            told; None where no inference told both.
    """

    inference: Spread
    first_token: Spread | None = None
    per_token: Spread | None = None
