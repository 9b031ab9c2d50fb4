"""What accounts for a change in counts, in lines for people."""

from __future__ import annotations

from pytest_energy.bisect.judge import Counted
from pytest_energy.report.counts import culprit_lines, figures, function_lines
from pytest_energy.types.counts import CountsBaseline
from pytest_energy.verdict.counted_energy import coefficients_of
from pytest_energy.verdict.counts_comparison import compare


def culprits(now: Counted, before: Counted) -> tuple[tuple[str, str], ...]:
    """Modules, operators and functions that account for a change, each with what it is.

    Args:
        now: of the commit.
        before: of the one before.
    """
    by = coefficients_of(before.counts.device)
    stored = CountsBaseline(before.counts, by, before.joules, before.n, before.unit, before.dataset)
    change = compare(now.counts, now.n, now.unit, now.dataset, stored, "commit before")
    lines = [("counts", figures(change))]
    lines += [("culprit", line) for line in culprit_lines(change)]
    return (*lines, *(("python", line) for line in function_lines(change)))
