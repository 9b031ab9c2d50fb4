"""What makes the gate weaker, in one line each, so that nobody misses it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from pytest_energy.settings import DEFAULT_TOLERANCE
from pytest_energy.settings.settings import Settings
from pytest_energy.types.counts import Judge
from pytest_energy.types.obstacle import MEANINGS
from pytest_energy.types.result import Result, short_name, some_names
from pytest_energy.types.session import BaseSummary, Unrun
from pytest_energy.types.units import format_change, format_percent, parse_percent
from pytest_energy.types.verdict import Status


def notices(
    settings: Settings,
    results: Sequence[Result],
    unrun: Mapping[str, Unrun],
    orphans: Sequence[str],
    update_from_file: bool,
    base: BaseSummary | None = None,
) -> tuple[str, ...]:
    """What was switched off, loosened, left out or left over.

    Args:
        settings: of the session.
        results: of all tests.
        unrun: metered tests that were skipped or xfailed, or have no result for another reason.
        orphans: stored entries of collected files that no test claims.
        update_from_file: whether `energy_update` stands in a configuration file.
        base: of a paired session.
    """
    lines = []
    if update_from_file:
        lines.append(
            "energy_update stands in a configuration file: every run stores what it measures"
        )
    if off := _switched_off(settings):
        lines.append(f"switched off: {', '.join(off)}")
    if settings.allow:
        allowed = ", ".join(f"{each} ({MEANINGS[each]})" for each in sorted(settings.allow))
        lines.append(f"allowed to pass without a comparison: {allowed}")
    usual = parse_percent(DEFAULT_TOLERANCE)
    loose = defaultdict(list)
    for result in results:
        if result.rule.tolerance > usual:
            loose[result.rule.tolerance].append(result.subject.short_name)
    for tolerance, names in sorted(loose.items()):
        allowed = f"{format_percent(tolerance)}, not {format_percent(usual)}"
        lines.append(f"tolerance {allowed}: {some_names(names)}")
    lines += _accepted(results)
    lines += _not_judged(settings, results)
    if slower := _on_a_slower_machine(results):
        lines.append(
            f"more than {format_change(SLOWER)} joules, and not a rise: by the reference workload"
            f" the machine is slower than it was: {some_names(slower)}"
        )
    for why, names in _unverified(results).items():
        lines.append(f"compared with what was {why}: {some_names(names)}")
    for why in Unrun:
        names = [short_name(test) for test, how in unrun.items() if how is why]
        if names:
            were = "were " * (why in (Unrun.SKIPPED, Unrun.XFAILED))
            lines.append(f"metered tests that {were}{why.words}: {some_names(names)}")
    if base is not None and base.only_base:
        lines.append(f"only {base.label} has: {some_names(base.only_base)}")
    if orphans:
        lines.append(f"stored, and no test claims them: {some_names(orphans)} (see --energy-prune)")
    return tuple(lines)


def _switched_off(settings: Settings) -> list[str]:
    switches = {
        "the reference workload (--energy-yardstick)": settings.reference != "off",
        "counts (--energy-counts)": settings.counts,
        "one CPU (--energy-pin)": settings.pin,
        "the steady allocator (--energy-allocator)": settings.steady_allocator,
        "the machine's lock (--energy-lock)": settings.lock,
    }
    return [name for name, on in switches.items() if not on]


SLOWER = 0.5
"""A machine of the same class is rarely slower by so much, as a fraction, than it was."""


def _on_a_slower_machine(results: Iterable[Result]) -> list[str]:
    """Tests that pass for the reference workload alone, with far more joules than are stored."""
    return [
        result.subject.short_name
        for result in results
        if result.verdict.status in (Status.OK, Status.IMPROVED)
        and result.verdict.change is not None
        and result.verdict.change.reference_change is not None
        and (result.plain_change or 0.0) > SLOWER
    ]


def _not_judged(settings: Settings, results: Iterable[Result]) -> list[str]:
    """What tests ask for in joules, or of all their samples, where counts alone decide."""
    if settings.judge is not Judge.COUNTED:
        return []
    names = [
        result.subject.short_name
        for result in results
        if result.rule.budget_joules is not None or result.rule.quality
    ]
    what = "budgets in joules and qualities are not judged by counts alone"
    return [f"{what}: {some_names(names)}"] if names else []


def _unverified(results: Iterable[Result]) -> dict[str, list[str]]:
    """Tests that were compared with entries that may not stand as they were measured, by why."""
    names = defaultdict(list)
    for result in results:
        verdict = result.verdict
        compared = (verdict.change, verdict.counts)
        for why in dict.fromkeys(one.unverified for one in compared if one and one.unverified):
            names[why].append(result.subject.short_name)
    return names


def _accepted(results: Iterable[Result]) -> list[str]:
    """Rises that were accepted before, of tests that would not pass without."""
    lines = []
    for result in results:
        verdict, allowed = result.verdict, result.rule.tolerance
        paired, change = verdict.paired, verdict.change
        if paired is None or not paired.accepted or change is None or change.value <= allowed:
            continue
        why = f" ({paired.accepted_because})" if paired.accepted_because else ""
        lines.append(
            f"{result.subject.short_name}: {format_change(paired.accepted)} was accepted before"
            f"{why}, and is used"
        )
    return lines
