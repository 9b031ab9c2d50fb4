"""A named region of a test: what its entries add up to, inside a loop or outside."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from pytest_energy.metering.loop import Loop
from pytest_energy.metering.window import Window
from pytest_energy.types.measurement import Measurement

ALIGNED_ENTRIES = 3
"""A region that is entered more often does not wait for its counters' updates: the entries' ends
fall anywhere between two of them, and average out."""


@dataclass(slots=True)
class Region:
    """A named region; entered several times, its entries add up.

    Args:
        window: that meters it.
        passes: for each ended block, the pass of the loop that it stands in; None outside.
        counts: inferences performed in each pass, None for outside.
        pending: inferences since the last block.
        place: pass and block of the loop in which it was entered last.
        reason: why there is no figure.
        open: whether it is entered now.
        entries: how often it was entered.
    """

    window: Window
    passes: list[int | None] = field(default_factory=list)
    counts: dict[int | None, int] = field(default_factory=dict)
    pending: int = 0
    place: tuple[int | None, int] = (None, 0)
    reason: str = ""
    open: bool = False
    entries: int = 0

    def enter(self, place: tuple[int | None, int]) -> None:
        """Entered at a pass and block of the loop; elsewhere than before, a new block begins."""
        self.entries += 1
        if self.entries > ALIGNED_ENTRIES:
            self.window.read_at_once()
        if self.pending and place != self.place:
            self.window.end_block(self.pending)
            self.passes.append(self.place[0])
            self.pending = 0
        self.place = place

    def leave(self, n: int) -> None:
        """Left, after so many inferences."""
        self.pending += n
        self.counts[self.place[0]] = self.counts.get(self.place[0], 0) + n

    def of_pass(self, whole: Measurement, number: int) -> Measurement | None:
        """What belongs to one pass; to the first one, what stands outside the loop as well."""
        places = [*self.passes, self.place[0]] if self.pending else self.passes
        keys = (number, None) if number == 0 else (number,)
        blocks = tuple(b for b, place in zip(whole.blocks, places, strict=True) if place in keys)
        done = sum(block.n for block in blocks)
        return (
            replace(whole, blocks=blocks, metered_count=done, unit_count=float(done))
            if blocks
            else None
        )

    def n(self, loop: Loop | None) -> int:
        """Inferences of one whole pass, and of what stands outside the loop."""
        inside = self.counts.get(0, 0)
        return (loop.planned(inside) if loop else inside) + self.counts.get(None, 0)
