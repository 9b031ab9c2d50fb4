"""What accounts for a change in counts, in lines for people."""

from __future__ import annotations

from pytest_energy.bisect.judge import Counted


def culprits(now: Counted, before: Counted) -> tuple[str, ...]:
    """Modules, operators and functions that account for a change.

    Args:
        now: of the commit.
        before: of the one before.
    """
    return ()
