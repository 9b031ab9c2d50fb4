"""What a process adds as long as it lives: the same work in several, on one CPU, in turns.

    python benchmarks/processes.py [--processes 5] [--rounds 100] [--only WORKLOAD…]

Every process holds itself on the same CPU and keeps its allocator steady, as the plugin does. They
take turns block by block, in random order; a process's level is the median of its log ratios to the
others of the same round. Printed beside it: how well the levels are known, from two halves.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import subprocess
import sys
from pathlib import Path
from statistics import fmean, median, stdev

ROOT = Path(__file__).resolve().parents[1]
SET_UP = {
    "minilm": """
encoder, _ = models.load_minilm()
tokens = torch.arange(1000, 1064).unsqueeze(0)
work = lambda: encoder.model(input_ids=tokens, attention_mask=torch.ones_like(tokens))
""",
    "efficientnet": """
classifier, _ = families._efficientnet("efficientnet-lite0")
image = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
work = lambda: classifier(image)
""",
    "smollm2": """
language, _ = models.load_smollm2()
tokens = torch.arange(1000, 1060).unsqueeze(0)
work = lambda: language.model(tokens, logits_to_keep=1)
""",
    "loop": """
def work():
    total = 0
    for i in range(400_000):
        total += i * 3 % 7
""",
}
PROGRAM = """
import sys, time
import families, models, torch
from pytest_energy.machine.allocator import hold_steady
from pytest_energy.machine.cpus import CpuHold

torch.set_num_threads(1)
hold_steady()
CpuHold().hold(int(sys.argv[1]))
{set_up}
with torch.inference_mode():
    for _ in range(5):
        work()
    print("ready", flush=True)
    for line in sys.stdin:
        began = time.process_time()
        for _ in range(int(line)):
            work()
        print(time.process_time() - began, flush=True)
"""


def levels(times: list[list[float]], rounds: range) -> list[float]:
    """Each process over the median of the others, as a log, less the mean of these."""
    found = []
    for number, process in enumerate(times):
        others = [*times[:number], *times[number + 1 :]]
        ratios = [math.log(process[r] / median(other[r] for other in others)) for r in rounds]
        found.append(median(ratios))
    return [level - fmean(found) for level in found]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--only", nargs="+", choices=SET_UP, default=list(SET_UP))
    given = parser.parse_args()
    path = os.pathsep.join(map(str, (ROOT / "src", ROOT / "examples" / "tests_models")))
    print(f"{'workload':14}{'sd of a process':>16}{'of a pair':>11}{'known to':>10}")
    for name in given.only:
        cpu = random.choice(sorted(os.sched_getaffinity(0)))
        command = [sys.executable, "-c", PROGRAM.format(set_up=SET_UP[name]), str(cpu)]
        processes = [
            subprocess.Popen(
                command,
                env=os.environ | {"PYTHONPATH": path},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            for _ in range(given.processes)
        ]
        times: list[list[float]] = [[] for _ in processes]

        def answer(number: int, processes: list[subprocess.Popen[str]] = processes) -> str:
            out = processes[number].stdout
            assert out is not None
            return out.readline()

        for number in range(given.processes):
            answer(number)
        for _ in range(given.rounds):
            for number in random.sample(range(given.processes), given.processes):
                to = processes[number].stdin
                assert to is not None
                to.write("2\n")
                to.flush()
                times[number].append(float(answer(number)))
        for process in processes:
            process.communicate()
        whole = levels(times, range(given.rounds))
        halves = [levels(times, range(first, given.rounds, 2)) for first in (0, 1)]
        apart = fmean((a - b) ** 2 for a, b in zip(*halves, strict=True))
        sd = stdev(whole)
        print(f"{name:14}{sd:>16.2%}{sd * math.sqrt(2):>11.2%}{math.sqrt(apart) / 2:>10.2%}")


if __name__ == "__main__":
    main()
