"""The papers' tables for programs, with a run's figures where one is given.

Energies are per 1,000 inferences in kWh or Wh, as the names say; else joules per inference. The
form is described by `papers.schema.json` beside this module.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pytest_energy.papers import desislavov, leaderboards, luccioni, own, strubell
from pytest_energy.papers.run import Measured, Run
from pytest_energy.papers.work import Distance, distances

SCHEMA = 1
"""Version of the JSON's form."""

SCHEMA_FILE = Path(__file__).with_name("papers.schema.json")
"""The JSON Schema of it."""


def as_json(run: Run | None, tests: str = "") -> str:
    """All tables as one JSON text.

    Args:
        run: whose figures stand beside the papers'; None for the papers' alone.
        tests: as for `own.by_task`.
    """
    record = {
        "schema": SCHEMA,
        "plugin": version("pytest-energy"),
        "grams_per_kwh": {
            "used_by_the_paper": luccioni.GRAMS_PER_KWH_USED,
            "stated_by_the_paper": luccioni.GRAMS_PER_KWH_STATED,
        },
        "table2": [asdict(row) for row in luccioni.table2()],
        "table3": [
            {
                **asdict(row),
                "recomputed_grams_per_1000": row.recomputed_grams_per_1000,
                "grams_per_1000_as_stated": row.grams_per_1000_as_stated,
            }
            for row in luccioni.table3()
        ],
        "table5": [
            {**asdict(row), "parity": row.parity, "slip": row.slip} for row in luccioni.table5()
        ],
        "table7": [asdict(row) for row in luccioni.accuracy()],
        "general_over_specific": [
            {
                **asdict(row),
                "ratio": row.ratio,
                "ratio_per_parameter": row.ratio_per_parameter,
            }
            for row in luccioni.comparisons()
        ],
        "strubell_table3": [
            {**asdict(row), "kwh": row.kwh, "pounds": row.pounds} for row in strubell.table()
        ],
        "by_task_and_source": [asdict(row) for row in leaderboards.by_task()],
        "ai_energy_score": [
            {"model": one.model, "wh_per_1000": leaderboards.wh_per_1000(one), "note": one.note}
            for one in leaderboards.ai_energy_score()
        ],
        "joules_per_token": [
            {
                **asdict(row),
                "joules": [
                    {"concurrency": number, "joules": joules}
                    for number, joules in row.joules.items()
                ],
                "times": row.times,
            }
            for row in leaderboards.per_token()
        ],
        "devices": [
            {**asdict(device), "flops_per_joule": device.flops_per_joule}
            for device in desislavov.devices()
        ],
        "published_over_bounds": [_distance(one) for one in distances()],
        "run": None if run is None else _run(run, tests),
    }
    return json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _run(run: Run, tests: str) -> dict[str, Any]:
    return {
        "file": str(run.path),
        "date": run.date,
        "machine": run.machine,
        "per_token": [
            {
                "test": one.subject.test,
                "model": one.subject.model,
                "concurrency": one.subject.concurrency,
                "joules_per_token": one.measurement.joules_per_unit,
                "method": one.method,
            }
            for one in run.per_token
        ],
        "not_compared": run.not_compared,
        "without_role": own.without_role(run),
        "interference": own.interference(run),
        "tasks_of": tests,
        "tasks": {task: asdict(figure) for task, figure in own.by_task(run, tests).items()},
        "general_purpose": {model: asdict(figure) for model, figure in own.by_model(run).items()},
        "rank_correlation": asdict(own.order(run, tests)),
        "general_over_specific": [asdict(kinds) for kinds in own.kinds(run)],
        "trained": [asdict(trained) for trained in run.trained],
        "work": [_work(one, run) for one in run.measured if one.measurement.flops],
    }


def _distance(one: Distance) -> dict[str, Any]:
    return {
        **asdict(one.work),
        "device": one.device.name,
        "precision": one.device.precision,
        "joules": asdict(one.joules),
        "times": asdict(one.operations),
        "times_with_memory": asdict(one.with_memory),
        "times_by_operator": asdict(one.by_operator),
    }


def _work(one: Measured, run: Run) -> dict[str, Any]:
    work = one.measurement.flops
    assert work is not None
    paper, here = own.paper_reality(one), own.own_reality(one, run)
    return {
        "test": one.subject.test,
        "task": one.subject.task,
        "model": one.subject.model,
        "flops": work.count,
        "operator_bytes": one.traffic.bytes_per_inference if one.traffic else None,
        "without_formula": list(work.without_formula),
        "joules": one.measurement.joules_per_unit,
        "method": one.method,
        "of_own_bound": None if here is None else asdict(here),
        "of_the_papers_bound": None if paper is None else asdict(paper),
        "at_least_joules": [_bound(one, work.count, device) for device in desislavov.devices()],
    }


def _bound(one: Measured, flops: int, device: desislavov.Device) -> dict[str, Any]:
    moved = own.bytes_on(one, device)
    known = moved and device.bytes_per_second is not None
    return {
        "device": device.name,
        "precision": device.precision,
        "joules": desislavov.lower_bound_joules(flops, device),
        "joules_with_memory": (
            desislavov.lower_bound_joules(flops, device, moved) if known else None
        ),
    }
