"""The gate on this machine's real noise: sessions of unchanged code, and with 10 % more real work.

Every session is a pytest process of its own, with the plugin as users run it. Five sessions are
stored in a quiet hour; then sessions of unchanged and of heavier code are interleaved and judged
against them, quiet and with a second process that loads a core.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median, stdev
from typing import Any

from pytest_energy.baselines.file_format import read_file
from pytest_energy.types.baseline import Baseline
from pytest_energy.types.codec import decode
from pytest_energy.types.result import Result
from pytest_energy.types.verdict import Rule, Verdict
from pytest_energy.verdict.case import Case
from pytest_energy.verdict.judge import judge

HERE = Path(__file__).parent
STORED = 5
NEIGHBOUR = """
import os, torch
torch.set_num_threads(1)
a, parent = torch.randn(700, 700), os.getppid()
while os.getppid() == parent:  # whatever ends the benchmark ends its neighbour
    a @ a
"""


@contextmanager
def neighbour(busy: bool) -> Iterator[None]:
    """A process that keeps one core busy, or nothing."""
    if not busy:
        yield
        return
    process = subprocess.Popen([sys.executable, "-c", NEIGHBOUR])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def session(model: str, folder: Path, more: bool, *arguments: str) -> dict[str, Any]:
    """One pytest process; its report."""
    report = folder / "session.json"
    report.unlink(missing_ok=True)
    began = time.perf_counter()
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            str(HERE / "gate_models.py"),
            f"-k={model}",
            f"--energy-baselines={folder / 'baselines'}",
            f"--energy-json={report}",
            *arguments,
        ],
        env={**os.environ, "GATE_MORE": str(int(more))},
        capture_output=True,
        text=True,
        check=False,
    )
    if not report.exists():
        sys.exit(f"a session of {model} failed:\n{done.stdout}\n{done.stderr}")
    found: dict[str, Any] = json.loads(report.read_text())
    found["wall_seconds"] = time.perf_counter() - began
    return found


def stored(folder: Path) -> Baseline | None:
    """The one entry that the sessions share."""
    for path in folder.glob("baselines/*/*/*.json"):
        for entry in read_file(path).entries.values():
            return entry
    return None


def collect(model: str, folder: Path, sessions: int, busy: bool) -> None:
    """Store five sessions where there are fewer, then judge as many of both kinds.

    Every session's report is kept in `folder`; sessions that are there already are not run again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for _ in range(3 * STORED):
        entry = stored(folder)
        if entry is not None and len(entry.sessions) >= STORED:
            break
        session(model, folder, False, "--energy-update")
    kind = "loaded" if busy else "quiet"
    with neighbour(busy):
        for number in range(sessions):
            # Which of the two comes first alternates, so that drift hits both alike.
            for more in (False, True) if number % 2 else (True, False):
                path = folder / f"{kind}-{'more' if more else 'same'}-{number:03}.json"
                if not path.exists():
                    path.write_text(json.dumps(session(model, folder, more)))


def show(model: str, folder: Path) -> None:
    """Print the verdicts on the sessions in a folder, with and without the reference workload."""
    entry = stored(folder)
    if entry is None:
        return
    print(f"\n{model}: {len(entry.sessions)} sessions stored, tolerance 5 %")
    for kind in ("quiet", "loaded"):
        reports = {
            more: [json.loads(p.read_text()) for p in sorted(folder.glob(f"{kind}-{more}-*.json"))]
            for more in ("same", "more")
        }
        if not reports["same"]:
            continue
        everything = [report for some in reports.values() for report in some]
        walls = [report["wall_seconds"] for report in everything]
        gates = [
            r["overhead"]["joules"] / energy_of(r)
            for r in everything
            if not result_of(r).verdict.repeat_difference
        ]
        print(f" {kind}: a session takes {median(walls):.0f} s (median)", end="; ")
        print(f"the gate itself {median(gates):.0%} of the metered energy, without second looks")
        for label, reference in (
            ("in units of the reference workload", True),
            ("without it", False),
        ):
            for more, reading in (("same", "unchanged"), ("more", "10 % more work")):
                said, changes = [], []
                for report in reports[more]:
                    result = result_of(report)
                    if result.measurement is None:
                        said.append(result.verdict.status.value)
                        continue
                    decision = judged(result, entry, reference)
                    said.append(decision.status.value)
                    changes.append(100 * (decision.change.value if decision.change else 0.0))
                counts = ", ".join(f"{n} {status}" for status, n in Counter(said).most_common())
                print(
                    f"  {label:26}{reading:16}{median(changes):+6.1f} % ± {stdev(changes):4.1f}"
                    f"  (sd of {len(changes)})  {counts}"
                )


def energy_of(report: dict[str, Any]) -> float:
    """Metered joules of the session's one test."""
    measured = report["results"][0]["measurement"]
    return float(measured["joules_per_unit"] * measured["unit_count"])


def result_of(report: dict[str, Any]) -> Result:
    """The result of a report that holds one test."""
    (found,) = report["results"]
    return decode(Result, found)


def judged(result: Result, entry: Baseline, reference: bool) -> Verdict:
    """What the gate says of a kept session, with or without the reference workload.

    The session's own verdict is in its report; here it is judged once more, so that both columns
    come from the same figures and the same version of the rule.
    """
    measurement = result.measurement
    assert measurement is not None
    if not reference:
        sessions = tuple(replace(s, reference_joules=()) for s in entry.sessions)
        entry = replace(entry, sessions=sessions, reference_workload="")
        measurement = replace(measurement, reference=None)
    passes = [measurement] * (1 if result.verdict.repeat_difference is None else 2)
    return judge(Case(result.subject, passes, Rule(0.05), entry, remeasured=True))
