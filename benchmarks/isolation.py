"""Has a metered test the machine to itself, and what does the waiting cost?

    python benchmarks/isolation.py workers [--workers 4]
    python benchmarks/isolation.py processes [--count 8]
    python benchmarks/isolation.py killed [--times 20]

`workers`: 12 metered tests of 2 s and 200 unmetered ones of 0.1 s under pytest-xdist. Each test
notes when it began and ended; printed is how many metered ones overlap anything, and the wall time
over the sum of the metered tests and a worker's share of the others. `processes`: so many pytest
processes at once, with three metered tests each; printed is how many overlap, and when the last of
them came to its first. `killed`: a process that holds the lock is killed; printed is how soon
another one has it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

METERED, METERED_SECONDS = 12, 2.0
PLAIN, PLAIN_SECONDS = 200, 0.1

TESTS = """
import json, os, time
import pytest

def note(kind, began):
    with open(os.environ["SPANS"], "a") as file:
        file.write(json.dumps([kind, began, time.monotonic(), os.getpid()]) + "\\n")

@pytest.mark.parametrize("i", range(int(os.environ["METERED"])))
@pytest.mark.inference(n=1, task="t", model="m")
def test_metered(i):
    began = time.monotonic()
    time.sleep(float(os.environ["SECONDS"]))
    note("metered", began)

@pytest.mark.parametrize("i", range(int(os.environ["PLAIN"])))
def test_plain(i):
    began = time.monotonic()
    time.sleep(0.1)
    note("plain", began)
"""

HOLDER = """
import sys, time
from pathlib import Path
from pytest_energy.machine.lock import MachineLock
lock = MachineLock(Path(sys.argv[1]))
lock.acquire(True, "holder", 60)
print("has it", flush=True)
time.sleep(float(sys.argv[2]))
"""


def start(
    place: Path, metered: int, seconds: float, plain: int, *options: str
) -> subprocess.Popen[bytes]:
    """A pytest process on the tests, alone or with workers."""
    (place / "test_it.py").write_text(TESTS)
    (place / "pytest.ini").write_text("[pytest]\n")
    environment = os.environ | {
        "SPANS": str(place / "spans.jsonl"),
        "METERED": str(metered),
        "SECONDS": str(seconds),
        "PLAIN": str(plain),
        "PYTEST_ENERGY_LOCK_DIR": str(place),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_PLUGINS": "pytest_energy.plugin,xdist.plugin",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    return subprocess.Popen(command, cwd=place, env=environment, stdout=subprocess.DEVNULL)


def spans(place: Path) -> list[tuple[str, float, float, int]]:
    """What each test noted: kind, begin, end, process."""
    lines = (place / "spans.jsonl").read_text().splitlines()
    return [tuple(json.loads(line)) for line in lines]


def overlapping(found: list[tuple[str, float, float, int]]) -> int:
    """Metered tests that ran at the same time as anything else."""
    return sum(
        any(other is not one and other[1] < one[2] and one[1] < other[2] for other in found)
        for one in found
        if one[0] == "metered"
    )


def workers(count: int) -> None:
    """One run under pytest-xdist."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        began = time.perf_counter()
        report = f"--energy-json={place / 'report.json'}"
        process = start(place, METERED, METERED_SECONDS, PLAIN, f"-n{count}", report)
        process.wait()
        wall = time.perf_counter() - began
        found = spans(place)
        results = json.loads((place / "report.json").read_text())["results"]
    ideal = METERED * METERED_SECONDS + PLAIN * PLAIN_SECONDS / count
    print(
        f"{count} workers: {overlapping(found)} of {METERED} metered tests overlapped anything,"
        f" {len(results)} in the report; {wall:.1f} s, {wall / ideal:.2f} times {ideal:.0f} s"
    )


def processes(count: int) -> None:
    """So many runs at once, three metered tests of half a second each."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        began = time.monotonic()
        running = [start(place, 3, 0.5, 5) for _ in range(count)]
        for process in running:
            process.wait()
        found = spans(place)
    metered = sorted(one for one in found if one[0] == "metered")
    first: dict[int, float] = {}
    for _, begun, _, pid in sorted(metered, key=lambda one: one[1]):
        first.setdefault(pid, begun - began)
    total = sum(end - begun for _, begun, end, _ in metered)
    print(
        f"{count} processes: {overlapping(found)} of {len(metered)} metered tests overlapped"
        f" anything; the last process came to its first one after {max(first.values()):.1f} s,"
        f" all metered tests together took {total:.1f} s"
    )


def killed(times: int) -> None:
    """How soon a dead holder's lock is free."""
    from pytest_energy.machine.lock import MachineLock

    waits = []
    with tempfile.TemporaryDirectory() as folder:
        lock = MachineLock(Path(folder))
        for _ in range(times):
            holder = subprocess.Popen(
                [sys.executable, "-c", HOLDER, folder, "60"], stdout=subprocess.PIPE
            )
            assert holder.stdout is not None
            holder.stdout.readline()
            began = time.perf_counter()
            os.kill(holder.pid, signal.SIGKILL)
            lock.acquire(True, "benchmark", 10)
            waits.append(time.perf_counter() - began)
            lock.release()
            holder.wait()
    slowest = max(waits) * 1e3
    print(f"killed {times} times: another process had the lock after {slowest:.1f} ms at most")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("workers", "processes", "killed"))
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--times", type=int, default=20)
    given = parser.parse_args()
    if given.what == "workers":
        workers(given.workers)
    elif given.what == "processes":
        processes(given.count)
    else:
        killed(given.times)


if __name__ == "__main__":
    main()
