"""What may be compared with what: unit, n, dataset, meters, methods and yardstick agree. Pure."""

from __future__ import annotations

from pytest_energy.types.baseline import Baseline
from pytest_energy.types.energy import Domain
from pytest_energy.types.measurement import Measurement
from pytest_energy.types.result import Subject


def why_incomparable(
    subject: Subject, measurement: Measurement, baseline: Baseline, whose: str = "baseline"
) -> str:
    """Why a measurement cannot be set against a baseline; empty when it can.

    Args:
        subject: what was measured now.
        measurement: the figures.
        baseline: the stored entry, or what the base has just measured.
        whose: what to call it.
    """
    stored = baseline.subject
    for what, was, now in (
        ("unit", stored.unit, subject.unit),
        (subject.argument, f"{stored.n:,}", f"{subject.n:,}"),
        ("dataset", stored.dataset or "none", subject.dataset or "none"),
        (
            "meters",
            ", ".join(sorted(baseline.meters)),
            ", ".join(sorted(measurement.meters)),
        ),
    ):
        if was != now:
            verb = "were" if what in ("meters", "steps") else "was"
            return f"the {whose}'s {what} {verb} {was}, now {now}"
    before = {domain.name: domain for domain in baseline.domains}
    after = {domain.name: domain for domain in measurement.domains}
    if before.keys() != after.keys():
        return f"the {whose} counted {_names(before)}, now {_names(after)}"
    for name, now_domain in after.items():
        was_domain = before[name]
        if was_domain.method != now_domain.method:
            return f"the {whose}'s {name} was {was_domain.method}, now {now_domain.method}"
        if (was_domain.source, was_domain.basis) != (now_domain.source, now_domain.basis):
            return (
                f"the {whose}'s {name} rests on {_basis(was_domain)}, now on {_basis(now_domain)}"
            )
    reference = measurement.reference.kind if measurement.reference else ""
    if baseline.reference_workload != reference:
        return (
            f"the {whose}'s yardstick was {baseline.reference_workload or 'none'}, now"
            f" {reference or 'none'} (it follows the library that is loaded before the test)"
        )
    return ""


def _names(domains: dict[str, Domain]) -> str:
    return ", ".join(sorted(domains)) or "nothing"


def _basis(domain: Domain) -> str:
    return f"{domain.source}, {domain.basis}" if domain.basis else domain.source
