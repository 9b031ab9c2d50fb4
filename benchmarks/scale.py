"""What many metered tests cost: time and memory per test, the session's end, files, windows.

    python benchmarks/scale.py [tests] [folder] [windows] [--sizes 10 100 1000 10000] [--json OUT]

`tests` runs sessions of so many metered tests over 200 models, with a meter of known joules, three
times: storing their baselines, compared with them, and as the peer the same bodies in plain pytest,
with as many marks and fixtures. What the results take of the memory is what the same tests take
beyond --energy-off.
`folder` starts one metered test beside a baseline folder of 10,000 files, and beside an empty one.
`windows` meters 100,000 windows in one process. Without a name it does all three.

Time is CPU time of the whole session, that of its other processes included: what other programs do
meanwhile lengthens it less than the clock. Memory is the largest resident size of the process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

MODELS = 200

CONFTEST = """
import json, os, resource, time
import pytest
from pytest_energy import Domain, Meter, MeterSource, Method

COUNT = [0]

def spend():
    COUNT[0] += 1_000_000

class Known(Meter):
    name = "known"
    domains = (Domain("known", "system", Method.COUNTER, "known", resolution_seconds=1e-6),)
    covers = frozenset({"cpu", "dram", "gpu"})
    def read(self):
        return (COUNT[0],)

@pytest.fixture
def plain():
    return iter

def pytest_energy_meters(config):
    return [MeterSource("known", Known)]

NOTED = {}

def spent():
    return time.process_time()

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection(session):
    started = spent()
    try:
        return (yield)
    finally:
        NOTED["collection"] = spent() - started

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop(session):
    own, children = spent(), resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        return (yield)
    finally:
        NOTED["loop"] = spent() - own
        NOTED["kilobytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session):
    NOTED["finish began"] = spent()
    return (yield)

def pytest_unconfigure(config):
    if "finish began" in NOTED and os.environ.get("SCALE_NOTES"):
        NOTED["end"] = spent() - NOTED.pop("finish began")
        NOTED["kilobytes at the end"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with open(os.environ["SCALE_NOTES"], "w") as file:
            json.dump(NOTED, file)
"""

METERED = """
@pytest.mark.inference(n=20, task="task{task}", model="organisation/model-{model}")
def test_{i}(energy):
    for _ in energy.each(range(20)):
        spend()
"""

# The peer: as many marks and fixtures, which pytest keeps as well.
PLAIN = """
@pytest.mark.other(n=20, task="task{task}", model="organisation/model-{model}")
def test_{i}(plain):
    for _ in plain(range(20)):
        spend()
"""


@dataclass(frozen=True)
class Noted:
    """What one session took.

    Args:
        seconds: CPU time of the tests, in seconds, its other processes included.
        end_seconds: CPU time from the last test to the end of the session.
        kilobytes: largest resident size when the last test had ended.
        end_kilobytes: the same at the session's end.
    """

    seconds: float
    end_seconds: float
    kilobytes: int
    end_kilobytes: int


def project(folder: Path, size: int, body: str) -> Path:
    """A project of so many tests, 500 a file."""
    folder.mkdir()
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "pytest.ini").write_text("[pytest]\nenergy_meter = known\nmarkers = other\n")
    for first in range(0, size, 500):
        tests = "".join(
            body.format(i=i, model=i % MODELS, task=i % MODELS % 10)
            for i in range(first, min(first + 500, size))
        )
        text = f"import pytest\nfrom conftest import spend\n{tests}"
        (folder / f"test_{first:05}.py").write_text(text)
    return folder


def session(folder: Path, *arguments: str) -> Noted:
    """Run pytest there, with this plugin and no other."""
    notes = folder / "notes.json"
    env = os.environ | {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_PLUGINS": "pytest_energy.plugin",
        "SCALE_NOTES": str(notes),
    }
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}\n{done.stderr}")
    noted = json.loads(notes.read_text())
    whole = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Noted(
        whole - noted["end"] - noted["collection"],
        noted["end"],
        noted["kilobytes"],
        noted["kilobytes at the end"],
    )


def tests(root: Path, sizes: list[int]) -> list[dict[str, float]]:
    """Sessions of many sizes; prints a line for each."""
    print(
        "  tests   kind      ms/test   beyond plain   kB/result   s at the end   JSON/test, bytes",
        flush=True,
    )
    rows = []
    # What a session takes whatever its size: of one test, in the same way.
    one = project(root / "one", 1, METERED)
    empty = {
        "plain": session(project(root / "one-plain", 1, PLAIN)),
        "off": session(one, "--energy-off"),
        "storing": session(one, "--energy-update"),
        "gate": sorted((session(one) for _ in range(7)), key=lambda each: each.seconds)[3],
    }
    for size in sizes:
        plain = session(project(root / f"plain-{size}", size, PLAIN))
        ours = project(root / f"metered-{size}", size, METERED)
        of_plain = (plain.seconds - empty["plain"].seconds) / size
        kb_plain = (plain.kilobytes - empty["plain"].kilobytes) / size
        kb_off = (session(ours, "--energy-off").kilobytes - empty["off"].kilobytes) / size
        print(
            f"  {size:6,}  plain    {1e3 * of_plain:8.2f}                {kb_plain:11.1f}"
            f"   {plain.end_seconds:10.2f}",
            flush=True,
        )
        for kind, more in (("storing", ["--energy-update"]), ("gate", [])):
            report = ours / "report.json"
            arguments = ["--energy-report", f"--energy-json={report}", *more]
            # A session of a second or two differs from itself by more than what is asked for.
            several = []
            for _ in range(7 if size <= 100 else 1):
                if kind == "storing":
                    shutil.rmtree(ours / "baselines", ignore_errors=True)
                several.append(session(ours, *arguments))
            noted = several[-1]
            each = (median(one.seconds for one in several) - empty[kind].seconds) / size
            kilobytes = (noted.kilobytes - empty[kind].kilobytes) / size - kb_off
            row = {
                "tests": size,
                "kind": kind,
                "ms": 1e3 * each,
                "ms beyond plain": 1e3 * (each - of_plain),
                "kilobytes": kilobytes,
                "end seconds": noted.end_seconds,
                "json bytes": report.stat().st_size / size,
            }
            rows.append(row)
            print(
                f"  {size:6,}  {kind:7}  {row['ms']:8.2f}   {row['ms beyond plain']:10.2f}"
                f"   {kilobytes:11.1f}   {noted.end_seconds:10.2f}   {row['json bytes']:12,.0f}",
                flush=True,
            )
    for kind in ("storing", "gate"):
        flat = [row["ms beyond plain"] for row in rows if row["kind"] == kind and row["tests"] > 99]
        if len(flat) > 1:
            print(
                f"  {kind}: time per test from 100 on, most over least: {max(flat) / min(flat):.2f}"
            )
    return rows


OPENED = """
import sys
NAMES = []
def hook(event, arguments):
    if event == "open" and str(arguments[0]).endswith(".json") and "baselines" in str(arguments[0]):
        NAMES.append(arguments[0])
sys.addaudithook(hook)
import atexit
atexit.register(lambda: print(f"opened {len(set(NAMES))} baseline files", file=sys.stderr))
"""


def folder(root: Path) -> None:
    """One metered test beside 10,000 files of baselines, and beside its own alone."""
    ours = project(root / "folder", 1, METERED)
    (ours / "conftest.py").write_text(OPENED + CONFTEST)
    session(ours, "--energy-update")
    seconds = {}
    for files in (1, 10_000):
        (stored,) = (ours / "baselines").glob("*/task0/*model-0*.json")
        text = stored.read_text()
        for i in range(1, files):
            name = f"model-x{i}"
            (stored.parent / f"{name}.json").write_text(
                text.replace("organisation/model-0", name).replace("test_00000.py", f"test_x{i}.py")
            )
        runs = []
        for _ in range(3):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            done = subprocess.run(
                [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
                cwd=ours,
                env=os.environ
                | {
                    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                    "PYTEST_PLUGINS": "pytest_energy.plugin",
                },
                capture_output=True,
                text=True,
                check=True,
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            runs.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        seconds[files] = min(runs)
        opened = next(line for line in done.stderr.splitlines() if line.startswith("opened"))
        print(f"  {files:6,} files in the folder: {seconds[files]:.2f} s CPU, {opened}", flush=True)
    print(f"  ratio {seconds[10_000] / seconds[1]:.2f}")


def windows(root: Path) -> None:
    """Resident size after 10,000 and after 100,000 windows of one process, two ways."""
    ours = project(root / "windows", 1, METERED)
    (ours / "test_windows.py").write_text(
        """
import gc, os, pytest
from conftest import spend

def kilobytes():
    gc.collect()
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024

@pytest.mark.inference(n=100_000, task="t", model="m")
def test_regions(energy):
    sizes = []
    for i in range(100_000):
        with energy.measure("part"):
            spend()
        if i in (9_999, 99_999):
            sizes.append(kilobytes())
    print(f"regions {sizes[0]} {sizes[1]}")

@pytest.mark.inference(n=100_000, task="t", model="m")
def test_loop(energy):
    sizes = []
    for i in energy.each(range(100_000)):
        spend()
        if i in (9_999, 99_999):
            sizes.append(kilobytes())
    print(f"loop {sizes[0]} {sizes[1]}")
"""
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "test_windows.py"],
        cwd=ours,
        env=os.environ
        | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "pytest_energy.plugin"},
        capture_output=True,
        text=True,
        check=False,
    )
    for line in done.stdout.splitlines():
        for kind in ("regions", "loop"):
            if kind + " " in line and line.split()[-1].isdigit():
                early, late = map(int, line.split()[-2:])
                print(
                    f"  {kind}: {early:,} kB after 10,000, {late:,} kB after 100,000 windows:"
                    f" {1024 * (late - early) / 90_000:+.1f} bytes each",
                    flush=True,
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", default=["tests", "folder", "windows"])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 100, 1000, 10_000])
    parser.add_argument("--json", type=Path, help="also write the figures there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        if "tests" in arguments.what:
            rows = tests(root, arguments.sizes)
            if arguments.json:
                arguments.json.write_text(json.dumps(rows, indent=2))
        if "folder" in arguments.what:
            folder(root)
        if "windows" in arguments.what:
            windows(root)


if __name__ == "__main__":
    main()
