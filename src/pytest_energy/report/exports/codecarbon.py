"""codecarbon's `emissions.csv`: what reads that file reads our results, a row per measurement.

Columns, their order and their units are those of `EmissionsData` (codecarbon 3.3,
`output_methods/emissions_data.py`); energies include the PUE there as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from pytest_energy.report.exports.csv import table_of
from pytest_energy.report.exports.selection import all_results, check_not_empty
from pytest_energy.report.printable import printable
from pytest_energy.types.measurement import Measurement
from pytest_energy.types.result import Subject
from pytest_energy.types.session import SessionReport
from pytest_energy.types.units import kwh

COLUMNS = (
    *("timestamp", "project_name", "run_id", "experiment_id", "duration", "emissions"),
    *("emissions_rate", "cpu_power", "gpu_power", "ram_power", "cpu_energy", "gpu_energy"),
    *("ram_energy", "energy_consumed", "water_consumed", "country_name", "country_iso_code"),
    *("region", "cloud_provider", "cloud_region", "os", "python_version", "codecarbon_version"),
    *("cpu_count", "cpu_model", "gpu_count", "gpu_model", "longitude", "latitude"),
    *("ram_total_size", "tracking_mode", "cpu_utilization_percent", "gpu_utilization_percent"),
    *("ram_utilization_percent", "ram_used_gb", "on_cloud", "pue", "wue"),
)
"""Kilograms, kilowatt-hours, seconds and watts; what we do not know is empty."""

_KINDS = {"cpu": "cpu", "gpu": "gpu", "dram": "ram"}
"""codecarbon's parts of a machine, by the kind of our domains."""


def render(reports: Sequence[SessionReport]) -> str:
    """The file: a heading, and a row for each result of which something was measured.

    The energy is that of the whole window, of the gated domains: constants are left out. A domain
    of another kind, a whole platform for example, is in `energy_consumed` alone.

    Args:
        reports: of one session or of several, in the order of their rows.

    Raises:
        ReportError: no result of several was metered.
    """
    rows = [
        _row(report, result.subject, result.measurement)
        for report, result in all_results(reports)
        if result.measurement is not None
    ]
    check_not_empty(rows, reports, "a figure in joules", "run the tests with a meter")
    return table_of(COLUMNS, rows)


def _row(report: SessionReport, subject: Subject, measurement: Measurement) -> dict[str, Any]:
    machine, carbon, seconds = report.machine, report.carbon, measurement.seconds
    emissions = carbon.grams(measurement.joules) / 1000
    row: dict[str, Any] = {f"{kind}_{what}": 0.0 for kind in _KINDS.values() for what in _PARTS}
    for i in measurement.gated:
        kind = _KINDS.get(measurement.domains[i].kind)
        if kind is not None:
            joules = measurement.domain_joules[i] * carbon.pue
            row[f"{kind}_energy"] += kwh(joules)
            row[f"{kind}_power"] += joules / seconds if seconds else 0.0
    session = printable(f"{report.date} {machine.slug}")
    return row | {
        "timestamp": report.date.removesuffix("Z"),
        "project_name": subject.key,
        # The same result has the same identity however often it is exported.
        "run_id": uuid5(NAMESPACE_URL, f"{session} {printable(subject.key)}"),
        "experiment_id": uuid5(NAMESPACE_URL, session),
        "duration": seconds,
        "emissions": emissions,
        "emissions_rate": emissions / seconds if seconds else 0.0,
        "energy_consumed": kwh(measurement.joules) * carbon.pue,
        "water_consumed": 0.0,
        "country_name": carbon.place,
        "os": f"{machine.system} {machine.architecture}",
        "python_version": measurement.environment.get("python", ""),
        "cpu_count": machine.logical_cpus,
        "cpu_model": machine.cpu,
        "gpu_count": len(machine.gpus) or None,
        "gpu_model": ", ".join(gpu.model for gpu in machine.gpus) or None,
        "tracking_mode": "machine",
        "on_cloud": "N",
        "pue": carbon.pue,
        "wue": 0,
    }


_PARTS = ("energy", "power")
