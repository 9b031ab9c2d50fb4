"""What may be compared with what: unit, n, dataset, meters, methods and more agree. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_energy.types.baseline import Baseline
from pytest_energy.types.energy import Domain
from pytest_energy.types.measurement import Measurement
from pytest_energy.types.result import Subject


@dataclass(frozen=True, slots=True)
class Conditions:
    """What has to agree for two figures to be comparable.

    Args:
        subject: what was measured.
        meters: the meters that were read.
        domains: what they counted, and how.
        reference_workload: the kind of reference workload, or `""`.
        allocator: how the memory allocator was, `steady` or `as-is`.
    """

    subject: Subject
    meters: tuple[str, ...]
    domains: tuple[Domain, ...]
    reference_workload: str
    allocator: str

    @classmethod
    def of_baseline(cls, baseline: Baseline) -> Conditions:
        """The conditions of stored sessions."""
        return cls(
            baseline.subject,
            baseline.meters,
            baseline.domains,
            baseline.reference_workload,
            baseline.allocator,
        )

    @classmethod
    def of_measurement(cls, subject: Subject, measurement: Measurement) -> Conditions:
        """The conditions of a measurement."""
        kind = measurement.reference.kind if measurement.reference else ""
        return cls(subject, measurement.meters, measurement.domains, kind, measurement.allocator)


def why_incomparable(before: Conditions, now: Conditions, name: str = "baseline") -> str:
    """Why two figures cannot be compared, as a clause; empty when they can.

    Args:
        before: the conditions of what is compared with.
        now: the conditions of the measurement.
        name: of what is compared with, in the clause: `baseline` or `base`.
    """
    argument = now.subject.argument
    for what, old, new in (
        ("unit", before.subject.unit, now.subject.unit),
        (argument, f"{before.subject.n:,}", f"{now.subject.n:,}"),
        ("concurrency", f"{before.subject.concurrency:,}", f"{now.subject.concurrency:,}"),
        ("dataset", before.subject.dataset or "none", now.subject.dataset or "none"),
        ("meters", ", ".join(sorted(before.meters)), ", ".join(sorted(now.meters))),
    ):
        if old != new:
            verb = "were" if what in ("meters", "steps") else "was"
            return f"the {name}'s {what} {verb} {old}, now {new}"
    old_domains = {domain.name: domain for domain in before.domains}
    new_domains = {domain.name: domain for domain in now.domains}
    if old_domains.keys() != new_domains.keys():
        return f"the {name} counted {_names(old_domains)}, now {_names(new_domains)}"
    for domain_name, new_domain in new_domains.items():
        old_domain = old_domains[domain_name]
        if old_domain.method != new_domain.method:
            return f"the {name}'s {domain_name} was {old_domain.method}, now {new_domain.method}"
        if (old_domain.source, old_domain.basis) != (new_domain.source, new_domain.basis):
            return (
                f"the {name}'s {domain_name} rests on {_basis(old_domain)}, now on"
                f" {_basis(new_domain)}"
            )
    if before.reference_workload != now.reference_workload:
        return (
            f"the {name}'s reference workload was {before.reference_workload or 'none'}, now"
            f" {now.reference_workload or 'none'} (it follows the library that is loaded before"
            " the test)"
        )
    if before.allocator != now.allocator:
        return (
            f"the {name}'s memory allocator was {before.allocator}, now {now.allocator}"
            " (--energy-allocator)"
        )
    return ""


def _names(domains: dict[str, Domain]) -> str:
    return ", ".join(sorted(domains)) or "nothing"


def _basis(domain: Domain) -> str:
    return f"{domain.source}, {domain.basis}" if domain.basis else domain.source
