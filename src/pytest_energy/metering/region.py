"""A named region of a test: what its entries add up to, inside a loop or outside."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_energy.metering.loop import Loop
from pytest_energy.metering.window import Window

ALIGNED_ENTRIES = 3
"""A region that is entered more often does not wait for its counters' updates: the entries' ends
fall anywhere between two of them, and average out."""


@dataclass(slots=True)
class Region:
    """A named region; entered several times, its entries add up.

    Args:
        window: that meters it.
        inside, outside: inferences performed inside the metered loop, and outside of it.
        pending: inferences since the last block.
        block: of the loop in which it was entered last; None outside.
        reason: why there is no figure.
        open: whether it is entered now.
        entries: how often it was entered.
    """

    window: Window
    inside: int = 0
    outside: int = 0
    pending: int = 0
    block: int | None = None
    reason: str = ""
    open: bool = False
    entries: int = 0

    def enter(self, block: int | None) -> None:
        """Entered in a block of the loop, or outside; elsewhere than before, a new block begins."""
        self.entries += 1
        if self.entries > ALIGNED_ENTRIES:
            self.window.read_at_once()
        if self.pending and block != self.block:
            self.window.end_block(self.pending)
            self.pending = 0
        self.block = block

    def leave(self, n: int) -> None:
        """Left, after so many inferences."""
        self.pending += n
        if self.block is None:
            self.outside += n
        else:
            self.inside += n

    def n(self, loop: Loop | None) -> int:
        """Inferences of one whole pass, and of what stands outside the loop."""
        return (loop.planned(self.inside) if loop else self.inside) + self.outside
