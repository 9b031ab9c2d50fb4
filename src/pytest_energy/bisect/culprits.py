"""What accounts for a change in counts, in lines for people."""

from __future__ import annotations

from pytest_energy.bisect.judge import Counted
from pytest_energy.report.counts import culprit_lines, figures, function_lines
from pytest_energy.verdict.counts_comparison import as_baseline, compare


def culprits(now: Counted, before: Counted) -> tuple[tuple[str, str], ...]:
    """Modules, operators and functions that account for a change, each with what it is.

    Args:
        now: of the commit.
        before: of the one before.
    """
    stored = as_baseline(before.counts, before.n, before.unit, before.dataset)
    change = compare(now.counts, now.n, now.unit, now.dataset, stored, "commit before")
    lines = [("counts", figures(change))]
    lines += [("culprit", line) for line in culprit_lines(change)]
    return (*lines, *(("python", line) for line in function_lines(change)))
