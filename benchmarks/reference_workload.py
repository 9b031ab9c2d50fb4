"""Which reference work drifts with a model: sessions of models and references interleaved.

    python benchmarks/reference_workload.py [--threads 1] [--passive] [--sessions 6] [--blocks 16]

Each session is a process of its own, every other one beside a process that loads a core, with a
steady allocator and, on one thread, held on one CPU, as the plugin does. CPU seconds of three
models and six references are interleaved, block by block. Printed is the standard
deviation, between sessions, of the log of each model's level: as it is, and divided by each
reference, block by block and session by session.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from math import log
from pathlib import Path
from statistics import fmean, median, stdev

import gate_live

from pytest_energy.machine.allocator import hold_steady
from pytest_energy.machine.cpus import CpuHold
from pytest_energy.metering.reference_work import TorchLayer
from pytest_energy.verdict.estimators import location

MODELS = ("distilbert", "gpt2", "resnet50")
REFERENCES = {
    "transformer layer": "the plugin's own, three of them",
    "streaming product": "matrices of 75 MB, once round",
    "matrix-vector": "the same matrices, one row",
    "cached product": "256 x 256 x 256",
    "convolution": "64 x 56 x 56, 3 x 3",
    "tanh": "2.4 million",
}


def session(threads: int, blocks: int) -> None:
    """Print CPU milliseconds of every model and reference, block by block, as JSON."""
    import torch
    from torch.nn.functional import conv2d

    sys.path.insert(0, str(Path(__file__).parent))
    import gate_models

    torch.set_num_threads(threads)
    hold_steady()
    if threads == 1:
        hold = CpuHold()
        hold.hold(hold.choose())
    layer = TorchLayer(torch)
    rows, weights = torch.randn(64, 768), [torch.randn(768, 3072) for _ in range(8)]
    square, image = torch.randn(256, 256), torch.randn(1, 64, 56, 56)
    kernel = torch.randn(64, 64, 3, 3)

    def model(name):
        fixture = getattr(gate_models, name)
        infer = getattr(fixture, "__wrapped__", fixture.__dict__.get("_fixture_function"))()
        return lambda: infer(0)

    work = {
        "distilbert": (model("distilbert"), 3),
        "gpt2": (model("gpt2"), 1),
        "resnet50": (model("resnet50"), 3),
        "transformer layer": (lambda: layer.repeat(3), 4),
        "streaming product": (lambda: [rows @ w for w in weights], 4),
        "matrix-vector": (lambda: [rows[:1] @ w for w in weights], 6),
        "cached product": (lambda: [square @ square for _ in range(20)], 3),
        "convolution": (lambda: [conv2d(image, kernel, padding=1) for _ in range(8)], 3),
        "tanh": (lambda: torch.tanh(weights[0]), 6),
    }
    found = []
    with torch.inference_mode():
        for call, _ in work.values():
            call()
            call()
        for _ in range(blocks):
            row = {}
            for name, (call, times) in work.items():
                began = time.process_time_ns()
                for _ in range(times):
                    call()
                row[name] = (time.process_time_ns() - began) / times / 1e6
            found.append(row)
    print(json.dumps(found))


def show(sessions: list[list[dict[str, float]]], title: str) -> None:
    def level(one: list[dict[str, float]], name: str) -> list[float]:
        return [log(row[name]) for row in one]

    print(f"\n{title}: sd between {len(sessions)} sessions")
    print(f"{'':22}" + "".join(f"{name:>22}" for name in MODELS))
    raw = [stdev(location(level(one, model)) for one in sessions) for model in MODELS]
    print(f"{'as it is':22}" + "".join(f"{100 * sd:20.1f} %" for sd in raw))
    for reference in REFERENCES:
        cells = []
        for model in MODELS:
            blocks, whole = [], []
            for one in sessions:
                a, b = level(one, model), level(one, reference)
                blocks.append(location([x - y for x, y in zip(a, b, strict=True)]))
                whole.append(location(a) - location(b))
            cells.append(f"{100 * stdev(blocks):12.1f} ({100 * stdev(whole):4.1f}) %")
        print(f"{'/ ' + reference:22}" + "".join(f"{cell:>22}" for cell in cells))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--passive", action="store_true", help="OMP_WAIT_POLICY=PASSIVE")
    parser.add_argument("--sessions", type=int, default=6, help="quiet, and as many loaded")
    parser.add_argument("--blocks", type=int, default=16)
    parser.add_argument("--one-session", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one_session:
        session(given.threads, given.blocks)
        return
    found: dict[bool, list[list[dict[str, float]]]] = {False: [], True: []}
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE" if given.passive else "ACTIVE"}
    for _ in range(given.sessions):
        for busy in (False, True):
            with gate_live.neighbour(busy):
                done = subprocess.run(
                    [
                        *(sys.executable, __file__, "--one-session"),
                        *(f"--threads={given.threads}", f"--blocks={given.blocks}"),
                    ],
                    env=environment,
                    capture_output=True,
                    text=True,
                    check=True,
                )
            found[busy].append(json.loads(done.stdout.splitlines()[-1]))
    how = f"{given.threads} thread{'s' * (given.threads > 1)}"
    how += ", passive waiting" if given.passive else ""
    show(found[False], f"{how}, quiet")
    show(found[True], f"{how}, beside a process that loads a core")
    show([*found[False], *found[True]], f"{how}, mixed")
    print("\nblock by block (and session by session); references: ", end="")
    print("; ".join(f"{name}: {what}" for name, what in REFERENCES.items()))
    everything = [row for some in found.values() for one in some for row in one]
    took = {name: fmean(row[name] for row in everything) for name in REFERENCES}
    print(f"median ms of one: {', '.join(f'{name} {ms:.1f}' for name, ms in took.items())}")
    print(f"models, ms: {', '.join(f'{m} {median(r[m] for r in everything):.0f}' for m in MODELS)}")


if __name__ == "__main__":
    main()
