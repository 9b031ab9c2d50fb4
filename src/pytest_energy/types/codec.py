"""Results as JSON-able values and back: how they cross from one process to another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pytest_energy.types.energy import Domain, Method
from pytest_energy.types.measurement import Block, FlopCount, Measurement, ReferenceReadings
from pytest_energy.types.result import Result, Subject, TrainingRun
from pytest_energy.types.verdict import PairedBase, Quality, Status, Verdict


def to_record(result: Result) -> dict[str, Any]:
    """A result as JSON-able values: how it crosses from a test process to the one that reports."""
    subject, measurement, verdict = result.subject, result.measurement, result.verdict
    return {
        "subject": {name: getattr(subject, name) for name in Subject.__slots__},
        "measurement": None if measurement is None else _measured_record(measurement),
        "base": None if result.base is None else _measured_record(result.base),
        "training": None if result.training_run is None else asdict(result.training_run),
        "verdict": {
            **{name: getattr(verdict, name) for name in Verdict.__slots__},
            "status": verdict.status.value,
            "pairing": None if verdict.pairing is None else asdict(verdict.pairing),
            "quality": None if verdict.quality is None else asdict(verdict.quality),
            "domain_changes": [list(pair) for pair in verdict.domain_changes],
            "passes": list(verdict.passes),
            "outliers": list(verdict.outliers),
        },
    }


def _measured_record(measurement: Measurement) -> dict[str, Any]:
    return {
        "meters": list(measurement.meters),
        "domains": [_domain_record(domain) for domain in measurement.domains],
        "blocks": [[b.n, b.seconds, list(b.joules)] for b in measurement.blocks],
        "metered_count": measurement.metered_count,
        "unit_count": measurement.unit_count,
        "other_cpu_share": measurement.other_cpu_share,
        "interference": list(measurement.interference),
        "recorded": dict(measurement.recorded or {}),
        "reference": _record_of(measurement.reference),
        "flops": _record_of(measurement.flops),
        "flops_unavailable": measurement.flops_unavailable,
        "cpus": measurement.cpus,
        "segments": measurement.segments,
        "update_aligned": measurement.update_aligned,
        "idle_watts": list(measurement.idle_watts),
    }


def from_record(record: Mapping[str, Any]) -> Result:
    """The inverse of `to_record`."""
    measured, base, pairing = (
        record["measurement"],
        record["base"],
        record["verdict"]["pairing"],
    )
    verdict = dict(record["verdict"])
    verdict["status"] = Status(verdict["status"])
    verdict["domain_changes"] = tuple((name, change) for name, change in verdict["domain_changes"])
    verdict["passes"] = tuple(verdict["passes"])
    verdict["outliers"] = tuple(verdict["outliers"])
    verdict["pairing"] = None if pairing is None else PairedBase(**pairing)
    quality = verdict.get("quality")  # records from before there was one have none
    verdict["quality"] = None if quality is None else Quality(**quality)
    return Result(
        Subject(**record["subject"]),
        None if measured is None else _measurement_from(measured),
        Verdict(**verdict),
        None if base is None else _measurement_from(base),
        _training_from(record.get("training")),  # likewise
    )


def _training_from(record: Mapping[str, Any] | None) -> TrainingRun | None:
    return None if record is None else TrainingRun(**record)


def _measurement_from(measured: Mapping[str, Any]) -> Measurement:
    return Measurement(
        meters=tuple(measured["meters"]),
        domains=tuple(
            Domain(**{**domain, "method": Method(domain["method"])})
            for domain in measured["domains"]
        ),
        blocks=tuple(Block(n, seconds, tuple(js)) for n, seconds, js in measured["blocks"]),
        metered_count=measured["metered_count"],
        unit_count=measured["unit_count"],
        other_cpu_share=measured["other_cpu_share"],
        interference=tuple(measured["interference"]),
        recorded=measured["recorded"],
        reference=_yardstick_from(measured["reference"]),
        flops=_flops_from(measured["flops"]),
        flops_unavailable=measured["flops_unavailable"],
        cpus=measured["cpus"],
        segments=measured["segments"],
        update_aligned=measured["update_aligned"],
        idle_watts=tuple(measured["idle_watts"]),
    )


def _domain_record(domain: Domain) -> dict[str, Any]:
    record = {name: getattr(domain, name) for name in Domain.__slots__}
    record["method"] = domain.method.value
    return record


def _record_of(part: ReferenceReadings | FlopCount | None) -> dict[str, Any] | None:
    if part is None:
        return None
    members = {name: getattr(part, name) for name in part.__slots__}
    return {k: list(v) if isinstance(v, tuple) else v for k, v in members.items()}


def _yardstick_from(record: Mapping[str, Any] | None) -> ReferenceReadings | None:
    if record is None:
        return None
    return ReferenceReadings(record["kind"], record["threads"], tuple(record["joules"]))


def _flops_from(record: Mapping[str, Any] | None) -> FlopCount | None:
    return FlopCount(record["count"], tuple(record["without_formula"])) if record else None
