"""Page faults and CPU time of an inference by how glibc's allocator is held, in new processes.

python benchmarks/allocator.py [--processes 5] [--pixels 224]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from statistics import median, stdev

ROOT = Path(__file__).resolve().parents[1]
WAYS = {
    "as it is": {},
    "MALLOC_TRIM_THRESHOLD_ alone": {"MALLOC_TRIM_THRESHOLD_": "4294967296"},
    "both thresholds, 32 MB at most": {
        "MALLOC_MMAP_THRESHOLD_": "33554432",
        "MALLOC_TRIM_THRESHOLD_": "4294967296",
    },
    "MALLOC_MMAP_MAX_=0 and trim": {
        "MALLOC_MMAP_MAX_": "0",
        "MALLOC_TRIM_THRESHOLD_": "4294967296",
    },
    "mallopt, as the plugin": {"HOLD": "1"},
}
PROGRAM = """
import os, sys, time
import torch
import families
from pytest_energy.machine.allocator import hold_steady, page_faults

torch.set_num_threads(1)
classifier, _ = families._efficientnet("efficientnet-lite0")
image = torch.randn(1, 3, *[int(sys.argv[1])] * 2, generator=torch.Generator().manual_seed(0))
for _ in range(3):
    classifier(image)
if os.environ.get("HOLD"):
    assert hold_steady()
for _ in range(5):
    classifier(image)
faults, began = page_faults(), time.process_time()
for _ in range(30):
    classifier(image)
print((page_faults() - faults) / 30, (time.process_time() - began) / 30)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--pixels", type=int, default=224)
    given = parser.parse_args()
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    for _ in range(given.processes):  # in turns: the machine changes its speed
        for name, variables in WAYS.items():
            path = os.pathsep.join(map(str, (ROOT / "src", ROOT / "examples" / "tests_models")))
            done = subprocess.run(
                [sys.executable, "-c", PROGRAM, str(given.pixels)],
                env=os.environ | variables | {"PYTHONPATH": path},
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            faults, seconds = map(float, done.stdout.split())
            found[name].append((faults, seconds))
    usual = median(seconds for _, seconds in found["as it is"])
    print(f"EfficientNet-Lite0, {given.pixels} pixels, {given.processes} processes each")
    print(f"{'allocator':32}{'page faults':>20}{'CPU time':>10}{'sd':>8}")
    for name, figures in found.items():
        faults = [each for each, _ in figures]
        seconds = [each / usual for _, each in figures]
        span = f"{min(faults):,.0f} to {max(faults):,.0f}"
        sd = f"{stdev(seconds):.1%}" if len(seconds) > 1 else ""
        print(f"{name:32}{span:>20}{median(seconds):>10.2f}{sd:>8}")


if __name__ == "__main__":
    main()
