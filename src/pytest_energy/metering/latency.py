"""How long inferences take, and their first tokens: reported beside energy, never gated."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from statistics import median, quantiles

from pytest_energy.types.latency import Latency, Spread

TOKEN_NAMES = ("tokens", "token")
"""Names under which tokens that were produced are added. Prompt tokens have another."""


class LatencyRecorder:
    """Adds up the durations of the inferences that a window counts."""

    def __init__(self) -> None:
        # 8 bytes each: a loop may have millions.
        self._seconds = array("d")
        self._first_token = array("d")
        self._per_token = array("d")

    def add(
        self, began: float, first_token: float, ended: float, added: Mapping[str, float]
    ) -> None:
        """One inference.

        Args:
            began: clock when it was called, in seconds.
            first_token: clock at its first token; 0 where it told none.
            ended: clock when it had returned.
            added: what it has produced, by name.
        """
        self._seconds.append(ended - began)
        if not first_token:
            return
        self._first_token.append(first_token - began)
        tokens = next((added[name] for name in TOKEN_NAMES if name in added), 0.0)
        if tokens > 1:
            self._per_token.append((ended - first_token) / (tokens - 1))

    @property
    def latency(self) -> Latency | None:
        """What was added; None before anything was."""
        inference = _spread(self._seconds)
        if inference is None:
            return None
        return Latency(inference, _spread(self._first_token), _spread(self._per_token))


def _spread(seconds: Sequence[float]) -> Spread | None:
    """The median and the 95th percentile, by linear interpolation between order statistics."""
    if not seconds:
        return None
    # Of a single one there are no quantiles before Python 3.13.
    p95 = quantiles(seconds, n=20, method="inclusive")[-1] if len(seconds) > 1 else seconds[0]
    return Spread(len(seconds), median(seconds), p95)
