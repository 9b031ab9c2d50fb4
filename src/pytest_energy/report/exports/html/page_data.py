"""What the page holds: the results, ready to be drawn, as one JSON value.

Figures are joules per unit, with every digit; the page turns them into other units. Words are made
here, by the functions that make the terminal's: the page has none of its own about a verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from math import isclose, isfinite
from typing import Any

from pytest_energy.analysis.training import cost_of
from pytest_energy.carbon.intensity import resolve
from pytest_energy.carbon.tables import country_mixes
from pytest_energy.report import failure
from pytest_energy.report.counts import what_changed
from pytest_energy.report.domains import latency_words
from pytest_energy.report.explain import Node, tree_of
from pytest_energy.report.exports.html.equivalents import EQUIVALENTS
from pytest_energy.report.exports.markdown import headline_parts
from pytest_energy.report.exports.selection import (
    counted_figures,
    interval,
    latest_results,
    ratios_by_machine,
)
from pytest_energy.report.printable import printable
from pytest_energy.types.counts import OTHERS, Counts, CountsChange
from pytest_energy.types.energy import Domain, Method
from pytest_energy.types.history import StoredSession
from pytest_energy.types.measurement import Measurement
from pytest_energy.types.result import Result
from pytest_energy.types.session import SessionReport
from pytest_energy.types.verdict import FAILED, Status

MANY_RESULTS = 1000
"""From so many on, the trees of counts stand in results alone that have changed."""

MOST_NODES = 60
"""Nodes of a tree: what is beneath is summed up in its parents."""

MOST_WORDS = 4000
"""Characters of a verdict's words; a base's traceback may have any number."""

SAME_SESSION = timedelta(minutes=1)
"""Between the moment at which a session is stored and that of its report, at most."""

PARAMETERS = ("parameters", "params")
"""Names under which a test records how many parameters its model has."""


def page_of(reports: Sequence[SessionReport], published: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that the page shows.

    Args:
        reports: of one session or of several; the table has the latest result of each test and
            machine class, the history of a test all of them.
        published: sources and figures beside one's own.
    """
    found = latest_results(reports)
    few = len(found) < MANY_RESULTS
    earlier = _earlier(reports)
    return {
        "headline": printable("; ".join(headline_parts(reports))) if reports else "",
        "sessions": [_session(report) for report in reports],
        "machines": _machines(reports),
        "roles": _roles(found),
        "rows": [_row(report, result, few, earlier) for report, result in found],
        "trainings": [one for report, result in found for one in _training(report, result)],
        "grid": _grid(reports),
        "countries": _countries(),
        "equivalents": [one.as_json for one in EQUIVALENTS],
        "published": published,
    }


def _session(report: SessionReport) -> dict[str, Any]:
    base = report.base
    return {
        "date": report.date,
        "commit": report.commit and printable(report.commit),
        "machine": report.machine.slug,
        "judge": report.judge.value,
        "base": base and printable(base.label),
        "carbon": printable(report.carbon.label),
        "source": printable(report.carbon.source),
        "problems": [printable(one) for one in report.problems],
        "notices": [printable(one) for one in report.notices],
        "overhead": {"joules": report.overhead.joules, "seconds": report.overhead.seconds},
    }


def _machines(reports: Sequence[SessionReport]) -> list[dict[str, Any]]:
    """Each machine class once, with the domains that were metered on it."""
    found: dict[str, dict[str, Any]] = {}
    for report in reports:
        slug = report.machine.slug
        one = found.setdefault(
            slug, {"slug": slug, "words": printable(_words_of(report)), "domains": {}}
        )
        measured = (r.measurement for r in report.results if r.measurement is not None)
        for domain in (domain for m in measured for domain in m.domains):
            one["domains"].setdefault(domain.name, _domain(domain))
    return [{**one, "domains": list(one["domains"].values())} for one in found.values()]


def _words_of(report: SessionReport) -> str:
    machine = report.machine
    return ", ".join([machine.cpu, *(gpu.model for gpu in machine.gpus)])


def _domain(domain: Domain) -> dict[str, Any]:
    return {
        "name": printable(domain.name),
        "kind": printable(domain.kind),
        "method": domain.method.value,
        "source": printable(domain.source),
        "basis": printable(domain.basis),
    }


def _roles(found: Sequence[tuple[SessionReport, Result]]) -> list[dict[str, Any]]:
    """The paper's headline ratio, by task, of the latest results of each machine class."""
    return [
        {
            "machine": machine,
            "task": printable(one.task),
            "value": one.ratio.value,
            "low": one.ratio.low,
            "high": one.ratio.high,
        }
        for machine, one in ratios_by_machine(found)
    ]


def _row(
    report: SessionReport, result: Result, few: bool, earlier: Mapping[tuple[str, str], list[Any]]
) -> dict[str, Any]:
    subject, verdict, measurement = result.subject, result.verdict, result.measurement
    changed = verdict.status in FAILED or verdict.status is Status.IMPROVED
    counts = result.counts if few or changed else None
    if counts is not None and not counts.inferences:  # only an edited report has such
        counts = None
    place = (report.machine.slug, subject.key)
    recorded = _recorded(measurement)
    return {
        "test": printable(subject.test),
        "name": printable(subject.short_name),
        "region": printable(subject.region),
        "task": printable(subject.task),
        "model": printable(subject.model),
        "dataset": printable(subject.dataset),
        "role": printable(subject.role),
        "unit": printable(subject.unit),
        "n": subject.n,
        "concurrency": subject.concurrency,
        "training": subject.is_training,
        "machine": report.machine.slug,
        "date": report.date,
        "commit": report.commit and printable(report.commit),
        "verdict": verdict.status.words,
        "outcome": report.outcomes.get(subject.test),
        "stored": printable(report.stored.get(subject.key, "")),
        "words": _words(report, result),
        "energy": None if measurement is None else _energy(measurement, result),
        "change": None if verdict.change is None else verdict.change.value,
        "recorded": recorded,
        "quality": {name: each for name, each in recorded.items() if name not in PARAMETERS},
        "parameters": next((recorded[name] for name in PARAMETERS if recorded.get(name)), None),
        "counts": None if counts is None else _counts(counts),
        "culprits": None if verdict.counts is None else _culprits(verdict.counts),
        "history": _history(result, earlier.get(place, [])),
        "environment": _environment(measurement),
    }


def _words(report: SessionReport, result: Result) -> str:
    """The verdict's own words: those of a failing test's message."""
    command = result.verdict.status not in (Status.OK, Status.IMPROVED)
    words = failure.message(result, report.carbon, command=command)
    return words if len(words) <= MOST_WORDS else f"{words[:MOST_WORDS]} ..."


def _energy(measurement: Measurement, result: Result) -> dict[str, Any]:
    """Joules per unit in each scope, with the interval and the domains behind them."""
    units = measurement.unit_count
    joules = [one / units for one in measurement.domain_joules]
    gpus = [
        each
        for each, domain in zip(joules, measurement.domains, strict=True)
        if domain.kind == "gpu" and domain.method is not Method.CONSTANT
    ]
    return {
        "gated": measurement.joules_per_unit,
        "gpu": sum(gpus) if gpus else None,
        "node": sum(joules),
        **_interval(measurement, result),
        "seconds": measurement.seconds_per_unit,
        "watts": measurement.watts,
        "latency": "" if measurement.latency is None else latency_words(measurement.latency),
        "interference": [printable(one) for one in measurement.interference],
        "domains": [
            {**_domain(domain), "joules": each, "gated": i in measurement.gated}
            for i, (domain, each) in enumerate(zip(measurement.domains, joules, strict=True))
        ],
    }


def _interval(measurement: Measurement, result: Result) -> dict[str, Any]:
    """The ends of what is drawn around a figure, and what it is; of the gated domains."""
    if compared := interval(result):
        return {"interval": compared, "interval_is": "95 % interval"}
    return {"interval": _spread(measurement), "interval_is": "smallest and largest block"}


def _spread(measurement: Measurement) -> tuple[float, float] | None:
    """The smallest and the largest block; None where there is one alone."""
    blocks = measurement.block_joules_per_unit
    return (min(blocks), max(blocks)) if len(blocks) > 1 else None


def _recorded(measurement: Measurement | None) -> dict[str, float]:
    recorded = measurement.recorded if measurement is not None else None
    return {printable(name): float(value) for name, value in (recorded or {}).items()}


def _environment(measurement: Measurement | None) -> list[str]:
    if measurement is None:
        return []
    return [printable(f"{name} {value}") for name, value in measurement.environment.items()]


def _counts(counts: Counts) -> dict[str, Any]:
    """Exact counts per inference, and the tree of modules and operators."""
    root = tree_of(counts)
    return {
        **counted_figures(counts),
        "samples": len(counts.samples),
        "device": printable(counts.device),
        "why_no_operators": printable(counts.operators_unavailable),
        "why_no_python": printable(counts.python_unavailable),
        "tree": _tree(root, counts.inferences) if root.joules > 0 else [],
    }


def _tree(root: Node, inferences: int) -> list[dict[str, Any]]:
    """The nodes below the root, each with its share of the whole; the largest `MOST_NODES`."""
    shares = sorted((one.joules for one in _below(root)), reverse=True)
    least = shares[MOST_NODES - 1] if len(shares) >= MOST_NODES else 0.0

    def children(node: Node) -> list[dict[str, Any]]:
        large = [one for one in node.children.values() if one.joules >= least and one.joules > 0]
        return [
            {
                "name": printable(one.name),
                "share": one.joules / root.joules,
                "flops": one.work.flops / inferences,
                "bytes": one.work.bytes / inferences,
                "calls": one.work.calls / inferences,
                "below": children(one),
            }
            for one in sorted(large, key=lambda one: (-one.joules, one.name))
        ]

    return children(root)


def _below(node: Node) -> Iterator[Node]:
    for child in node.children.values():
        yield child
        yield from _below(child)


def _culprits(change: CountsChange) -> dict[str, Any]:
    """What has changed of exact counts: modules and operators as a tree, and Python's callers."""
    return {
        "energy": change.energy,
        "problem": printable(change.problem),
        "unchanged": change.unchanged,
        "tree": _culprit_tree(change),
        "functions": [
            {
                "caller": printable(one.caller or "the test"),
                "callee": printable(one.callee),
                "before": one.before,
                "after": one.after,
                "more": one.beneath_after - one.beneath_before,
            }
            for one in change.functions
        ],
    }


def _culprit_tree(change: CountsChange) -> list[dict[str, Any]]:
    """Modules by their paths: what they have in common stands once."""
    root: dict[str, Any] = {"below": {}}
    for culprit in change.culprits:
        path = [one for one in culprit.module.split(".") if one] or ["outside of modules"]
        if culprit.operator:
            small = culprit.operator == OTHERS
            path = [*path, "many small operators" if small else culprit.operator]
        node = root
        for name in path:
            node = node["below"].setdefault(printable(name), {"below": {}})
        node["share"] = culprit.share
        node["words"] = printable(what_changed(culprit))

    def listed(node: dict[str, Any]) -> list[dict[str, Any]]:
        found = []
        for name, one in node["below"].items():
            while "share" not in one and len(one["below"]) == 1:
                ((step, one),) = one["below"].items()
                name += f".{step}"
            share, words = one.get("share"), one.get("words", "")
            found.append({"name": name, "share": share, "words": words, "below": listed(one)})
        return found

    return listed(root)


def _earlier(reports: Sequence[SessionReport]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """What each report has measured, by machine class and test, the oldest first."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for report in sorted(reports, key=lambda one: one.date):
        for result in report.results:
            if result.measurement is not None:
                place = (report.machine.slug, result.subject.key)
                found.setdefault(place, []).append(
                    {
                        "date": report.date,
                        "commit": report.commit and printable(report.commit),
                        "joules": result.measurement.joules_per_unit,
                        "verdict": result.verdict.status.words,
                    }
                )
    return found


def _history(result: Result, measured: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Stored sessions, the levels that they replaced, and what else the reports have measured."""
    history, change = result.history, result.verdict.change
    sessions = history.sessions if history else ()
    return {
        "stored": [
            {
                "date": one.date,
                "commit": one.commit and printable(one.commit),
                "joules": one.joules_per_unit,
                "verdict": next((m["verdict"] for m in measured if _is_of(m, one)), None),
            }
            for one in sessions
        ],
        "replaced": [
            {
                "date": one.date,
                "commit": one.commit and printable(one.commit),
                "joules": one.joules_per_unit,
                "sessions": one.sessions,
                "reason": printable(one.reason),
            }
            for one in (history.replaced if history else ())
        ],
        "measured": [m for m in measured if not any(_is_of(m, one) for one in sessions)],
        "limit": None if change is None else change.joules * (1 + change.limit),
    }


def _is_of(measured: Mapping[str, Any], stored: StoredSession) -> bool:
    """Whether a report has measured what `--energy-update` stored: it must not be drawn twice.

    A baseline has six digits of a figure, and is written a moment before the report.
    """
    try:
        apart = datetime.fromisoformat(measured["date"]) - datetime.fromisoformat(stored.date)
    except (TypeError, ValueError):  # a report of another program may have any text there
        return False
    return abs(apart) <= SAME_SESSION and isclose(
        measured["joules"], stored.joules_per_unit, rel_tol=1e-5
    )


def _training(report: SessionReport, result: Result) -> Iterator[dict[str, Any]]:
    """The cost of a training: joules at the meter, kWh with the PUE, as the terminal has them."""
    cost = cost_of(result)
    if cost is not None and isfinite(cost.joules):
        yield {
            "name": printable(result.subject.model or result.subject.short_name),
            "model": printable(result.subject.model),
            "source": "",
            "what": "training",
            "joules": cost.joules,
            "kwh": cost.kwh(report.carbon),
            "pue": report.carbon.pue,
            "scope": "gated",
            "note": "",
        }


def _grid(reports: Sequence[SessionReport]) -> dict[str, Any]:
    """The grid of the latest report, which the page begins with; the world's without one."""
    if not reports:
        carbon = resolve(None, None, None, pue=1.0)
    else:
        carbon = max(reports, key=lambda one: one.date).carbon
    return {
        "grams": carbon.grams_per_kwh,
        "place": printable(carbon.place),
        "pue": carbon.pue,
        "source": printable(carbon.source),
        "year": carbon.year,
    }


def _countries() -> list[tuple[str, float, int]]:
    """Name, gCO2e/kWh and year of every country that has a figure, by name."""
    mixes = (one for one in country_mixes().values() if one.grams_per_kwh > 0)
    return sorted((one.name, one.grams_per_kwh, one.year) for one in mixes)
