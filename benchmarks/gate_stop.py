"""How much of a loop of 1,000 inferences a 5 % gate needs, and what a verdict costs."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

import gate_live

from pytest_energy.baselines.store import session_of
from pytest_energy.types.baseline import Baseline
from pytest_energy.types.measurement import Block, Measurement
from pytest_energy.types.result import Subject
from pytest_energy.types.verdict import Rule, Status
from pytest_energy.verdict import early_stop
from pytest_energy.verdict.case import Case
from pytest_energy.verdict.judge import judge

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples" / "tests_models" / "test_sentiment.py"
TESTS = {
    "minilm": (EXAMPLES, "task_specific", {"SENTIMENT_N": "1000"}),
    "smollm2": (EXAMPLES, "test_general_purpose and not costs", {"SENTIMENT_N": "1000"}),
    "distilbert": (Path(__file__).with_name("gate_models.py"), "distilbert", {"GATE_N": "1000"}),
}
RULE = Rule(0.05)
RESAMPLED = 400


def whole_loops(model: str, folder: Path, sessions: int) -> list[tuple[Subject, Measurement]]:
    """Measurements of all 1,000 inferences, a process each; kept in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    file, wanted, environment = TESTS[model]
    found = []
    for number in range(sessions):
        path = folder / f"{number:02}.json"
        if not path.exists():
            command = [
                *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(file)),
                *("-k", wanted, f"--energy-baselines={folder / 'none'}"),
                f"--energy-json={path}",
            ]
            subprocess.run(
                command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, check=True
            )
        found.append(path)
    return read_loops(found)


def read_loops(paths: Iterable[Path]) -> list[tuple[Subject, Measurement]]:
    """Measurements of reports that hold one test, as `gate.py live` keeps them."""
    loops = []
    for path in paths:
        report: dict[str, Any] = json.loads(path.read_text())
        result = gate_live.result_of(report)
        if result.measurement is not None and result.verdict.repeat_difference is None:
            loops.append((result.subject, result.measurement))
    return loops


def first(measurement: Measurement, count: int) -> Measurement:
    """The measurement as it stood after so many blocks."""
    blocks = measurement.blocks[:count]
    done = sum(block.n for block in blocks)
    reference = measurement.reference
    if reference is not None:
        reference = replace(reference, joules=reference.joules[:count])
    return replace(
        measurement, blocks=blocks, metered_count=done, unit_count=float(done), reference=reference
    )


def stop_at(subject: Subject, measurement: Measurement, baseline: Baseline) -> Measurement:
    """As much of a loop as `precision="verdict"` performs."""
    planned = len(measurement.blocks)
    for count in range(1, planned):
        some = first(measurement, count)
        if early_stop.settled(subject, some, baseline, RULE, planned):
            return some
    return measurement


def shuffled(measurement: Measurement, rise: float, draw: random.Random) -> Measurement:
    """A session like this one, its blocks' noise dealt out anew, with so much more energy."""
    picks = [draw.randrange(len(measurement.blocks)) for _ in measurement.blocks]
    blocks, joules = [], []
    reference = measurement.reference
    for pick in picks:
        block = measurement.blocks[pick]
        blocks.append(Block(block.n, block.seconds, tuple(j * (1 + rise) for j in block.joules)))
        if reference is not None:
            joules.append(reference.joules[pick])
    beside = replace(reference, joules=tuple(joules)) if reference is not None else None
    return replace(measurement, blocks=tuple(blocks), reference=beside)


def show(name: str, loops: Sequence[tuple[Subject, Measurement]]) -> None:
    """Print the share of n inferences that was performed, and the verdicts either way."""
    subject, _ = loops[0]
    now = datetime.now(UTC)
    print(f"\n{name}: {len(loops)} loops of {subject.n:,}, replayed; 5 % gate")
    print(f"  {'':12}{'performed':>11}{'red, stopped early':>20}{'red, whole loop':>17}")
    draw = random.Random(0)
    for rise in (0.0, 0.05, 0.10):
        shares, early_red, whole_red = [], [], []
        for _ in range(RESAMPLED):
            order = draw.sample(range(len(loops)), min(6, len(loops)))
            # All but one are stored; the last one is judged, its blocks dealt out anew.
            past = tuple(session_of(loops[i][1], now, None) for i in order[:-1])
            measured = loops[order[-1]][1]
            kind = measured.reference.kind if measured.reference else ""
            flat = tuple(_flat(session) for session in past)
            baseline = Baseline(subject, measured.meters, measured.domains, flat, kind)
            whole = shuffled(measured, rise, draw)
            early = stop_at(subject, whole, baseline)
            shares.append(early.metered_count / subject.n)
            for red, one in ((early_red, early), (whole_red, whole)):
                decision = judge(Case(subject, [one], RULE, baseline, remeasured=True))
                red.append(decision.status is Status.REGRESSED)
        label = f"+{rise:.0%}" if rise else "unchanged"
        print(
            f"  {label:12}{fmean(shares):10.0%} {100 * fmean(early_red):18.1f} %"
            f"{100 * fmean(whole_red):15.1f} %"
        )


def _flat(session: Any) -> Any:
    """Blocks that are dealt out anew have no place: each stored one is the session's mean."""
    count = len(session.blocks)
    figure = session.joules_per_unit
    reference = (fmean(session.reference_joules),) * count if session.reference_joules else ()
    return replace(session, blocks=(figure,) * count, reference_joules=reference)


COST = """
import pytest, torch
torch.set_num_threads(1)
a = torch.randn(400, 400)

def infer(_=None):
    for _ in range(4):
        a @ a

@pytest.mark.inference(n=400, task="cost", model="product", tolerance="15%")
def test_energy(energy):
    for sample in energy.each(range(400)):
        infer(sample)

def test_benchmark(benchmark):
    benchmark.pedantic(infer, rounds=400, iterations=1, warmup_rounds=8)
"""
COMPARE = ("--benchmark-compare", "--benchmark-compare-fail=mean:5%")


def cost() -> None:
    """Print seconds and joules per verdict beside the same test under pytest-benchmark."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "test_cost.py").write_text(COST)

        def run(*arguments: str) -> tuple[float, str]:
            began = time.perf_counter()
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            return time.perf_counter() - began, done.stdout

        benchmark = ("-k", "benchmark", "-p", "no:energy")
        energy = ("-k", "energy", "--energy-json=report.json")
        for _ in range(5):
            run(*energy, "--energy-update")
        run(*benchmark, "--benchmark-save=base")
        pairs, gates, metered = [], [], []
        for _ in range(7):
            ours, _text = run(*energy)
            theirs, text = run(
                *benchmark, "--benchmark-compare", "--benchmark-compare-fail=mean:5%"
            )
            if "test_benchmark" not in text:
                sys.exit(f"needs pytest-benchmark (pip install pytest-benchmark):\n{text}")
            pairs.append(ours / theirs)
            report = json.loads((folder / "report.json").read_text())
            gates.append((report["overhead"]["seconds"], report["overhead"]["joules"]))
            metered.append(gate_live.energy_of(report))
        seconds, joules = (sorted(values)[3] for values in zip(*gates, strict=True))
        print(
            "a verdict on 400 inferences of some 4 ms, beside the same test under pytest-benchmark"
        )
        print(f"  the whole session: {sorted(pairs)[3]:.2f} times  (median of 7 pairs)")
        print(f"  the gate itself: {joules:.2f} J and {seconds:.2f} s, estimated;", end=" ")
        print(f"{joules / sorted(metered)[3]:.0%} of the metered energy")
