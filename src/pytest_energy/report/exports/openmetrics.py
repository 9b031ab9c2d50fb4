"""OpenMetrics text: for GitLab's metrics report, a push gateway or a textfile collector.

OpenMetrics 1.0: families with their type, escaped labels, `# EOF` at the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from pytest_energy.report.exports.selection import (
    counted_figures,
    latest_results,
    method_of,
    ratios_by_machine,
)
from pytest_energy.report.printable import printable
from pytest_energy.types.energy import gated_domains
from pytest_energy.types.result import Result
from pytest_energy.types.session import SessionReport
from pytest_energy.types.verdict import Status

_COUNTED = {
    "flops": "Floating-point operations",
    "bytes": "Bytes that operators read and wrote",
    "operator_calls": "Calls of operators",
    "python_calls": "Calls of Python functions",
}

FAMILIES: Mapping[str, tuple[str, str]] = {
    "pytest_energy_joules_per_unit": ("gauge", "Gated joules per inference, or per other unit."),
    "pytest_energy_gco2e_per_1000": ("gauge", "Grams of CO2e per 1,000 units."),
    "pytest_energy_seconds_per_unit": ("gauge", "Metered seconds per unit."),
    "pytest_energy_change_ratio": ("gauge", "Measured over compared, less one."),
    **{
        f"pytest_energy_{name}_per_{act}": ("gauge", f"{about} per {what}, counted exactly.")
        for act, what in (("inference", "inference"), ("step", "training step"))
        for name, about in _COUNTED.items()
    },
    "pytest_energy_joules": ("counter", "Joules of the metered window, by domain."),
    "pytest_energy_role_ratio": (
        "gauge",
        "Energy of general-purpose over task-specific models of a task.",
    ),
    "pytest_energy_verdicts": ("gauge", "Number of results by verdict."),
}
"""Type and help of each family, in the order in which they are written."""

_EXACT = "counted"
"""The label `method` of what was counted exactly; joules have those of their domains."""

_Sample = tuple[Mapping[str, str], float]


def render(reports: Sequence[SessionReport]) -> str:
    """The text: each family with the latest measurement of each test of each machine class.

    Args:
        reports: of one session or of several.
    """
    families: dict[str, list[_Sample]] = {name: [] for name in FAMILIES}
    verdicts: Counter[tuple[str, Status]] = Counter()
    found = latest_results(reports)
    for report, result in found:
        verdicts[report.machine.slug, result.verdict.status] += 1
        for name, labels, value in _samples(report, result):
            families[name].append((labels, value))
    families["pytest_energy_role_ratio"] = [
        ({"machine": machine, "task": roles.task}, roles.ratio.value)
        for machine, roles in ratios_by_machine(found)
    ]
    families["pytest_energy_verdicts"] = [
        ({"machine": machine, "verdict": status.value}, float(number))
        for (machine, status), number in verdicts.items()
    ]
    return "".join(f"{line}\n" for line in (*_lines(families), "# EOF"))


def _samples(
    report: SessionReport, result: Result
) -> Iterator[tuple[str, Mapping[str, str], float]]:
    subject, measurement, change = result.subject, result.measurement, result.verdict.change
    labels = {
        "test": subject.test,
        "region": subject.region,
        "task": subject.task,
        "model": subject.model,
        "unit": subject.unit,
        "method": method_of(measurement) if measurement is not None else _EXACT,
        "machine": report.machine.slug,
    }
    counts = counted_figures(result.counts)
    if measurement is not None and measurement.flops is not None:
        counts = {**counts, "flops": float(measurement.flops.count)}
    # Exact on any machine, whatever meters the joules beside them, and never per token.
    exact = {**labels, "unit": subject.act, "method": _EXACT}
    for name, number in counts.items():
        yield f"pytest_energy_{name}_per_{subject.act}", exact, number
    if measurement is None:
        return
    grams = report.carbon.grams_per_1000(measurement.joules_per_unit)
    yield "pytest_energy_joules_per_unit", labels, measurement.joules_per_unit
    yield "pytest_energy_gco2e_per_1000", labels, grams
    yield "pytest_energy_seconds_per_unit", labels, measurement.seconds_per_unit
    if change is not None:
        yield "pytest_energy_change_ratio", labels, change.value
    gated = gated_domains(measurement.domains)
    for i, (domain, joules) in enumerate(
        zip(measurement.domains, measurement.domain_joules, strict=True)
    ):
        of_domain = {
            **labels,
            "method": domain.method.value,
            "domain": domain.name,
            "gated": "true" if i in gated else "false",
        }
        yield "pytest_energy_joules", of_domain, max(0.0, joules)


def _lines(families: Mapping[str, Sequence[_Sample]]) -> Iterator[str]:
    for name, samples in families.items():
        if not samples:
            continue
        kind, about = FAMILIES[name]
        yield f"# TYPE {name} {kind}"
        if name.endswith("_joules"):
            yield f"# UNIT {name} joules"
        yield f"# HELP {name} {about}"
        suffix = "_total" if kind == "counter" else ""
        for labels, value in samples:
            pairs = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
            yield f"{name}{suffix}{{{pairs}}} {value!r}"


def _escaped(text: str) -> str:
    """A label's value; line feeds are escaped by `printable` already."""
    return printable(text).replace("\\", "\\\\").replace('"', '\\"')
