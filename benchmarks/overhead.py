"""What the plugin costs: a session without metered tests, a window, and a metered empty test.

    python benchmarks/overhead.py [--sessions 7] [--windows 3000] [--instructions]

A ratio of whole sessions within 2 % drowns in the noise of a shared machine; `--instructions`
counts the instructions of both under valgrind (Debian: valgrind) as well.

Every figure stands beside a peer's from the same run, since absolute times mean little on a shared
machine. Sessions are whole processes that are interleaved with their peer, and are compared pair by
pair; windows are medians over many.

zeus and codecarbon are peers for the window; what is not installed is said and left out
(pip install zeus 'pytest-energy[codecarbon]').
"""

from __future__ import annotations

import argparse
import itertools
import logging
import multiprocessing
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

EMPTY = "import pytest\n\n" + "".join(f"def test_{i}(): pass\n" for i in range(1000))
METERED = EMPTY.replace(
    "import pytest\n",
    "import pytest\n"
    "pytestmark = pytest.mark.inference(n=1, task='empty', model='none', tolerance='100000%')\n",
)

# As users run it: byte code is kept from one session to the next.
ENV = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


WITHOUT = ["-p", "no:energy"]
"""A session of plain pytest."""


def environment(arguments: Sequence[str]) -> dict[str, str]:
    """Of a session, with this plugin alone unless the arguments are `WITHOUT`.

    Other plugins of this environment are no part of the question. Nor is how a plugin is found:
    `-p NAME` searches all installed distributions, which a session that loads plugins by itself
    does with and without this one.
    """
    env = ENV | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONHASHSEED": "0"}
    return env if list(arguments) == WITHOUT else env | {"PYTEST_PLUGINS": "pytest_energy.plugin"}


def session(folder: Path, *arguments: str) -> tuple[float, str]:
    """One pytest session in a process of its own.

    Returns:
        CPU seconds of the process, which the neighbours lengthen less than the clock, and its
        output.
    """
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    env = environment(arguments)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, done.stdout


def turns(n: int, ours: tuple[Path, list[str]], peer: tuple[Path, list[str]]) -> list[list[float]]:
    """Alternate two kinds of session, after one of each to warm up.

    Returns:
        CPU seconds: ours and the peer's, run by run.
    """
    seconds: list[list[float]] = [[], []]
    for i in range(n + 1):
        kinds = [(0, ours), (1, peer)]
        for which, (folder, arguments) in kinds if i % 2 else reversed(kinds):
            spent, _ = session(folder, *arguments)
            if i:
                seconds[which].append(spent)
    return seconds


def unmetered_session(root: Path, n: int) -> None:
    (root / "test_empty.py").write_text(EMPTY)
    ours, peer = turns(n, (root, []), (root, WITHOUT))
    ratio = statistics.median(a / b for a, b in zip(ours, peer, strict=True))
    print(
        f"1,000 empty tests, with the plugin over -p no:energy: {ratio:.3f} times"
        f"  ({statistics.median(ours):.3f} s over {statistics.median(peer):.3f} s CPU,"
        f" median of {n} pairs; goal 1.02)"
    )
    (root / "test_modules.py").write_text(
        "import sys\ndef test_modules():\n"
        "    found = {'torch', 'pandas', 'codecarbon', 'pynvml'} & set(sys.modules)\n"
        "    assert not found, found\n"
    )
    session(root, "test_modules.py")
    (root / "test_modules.py").unlink()
    print("torch, pandas, codecarbon, pynvml in sys.modules of such a session: none")


def instructions(root: Path) -> None:
    """The same two sessions in instructions, which no neighbour changes."""
    if shutil.which("valgrind") is None:
        print("  valgrind is not installed: no instructions are counted")
        return
    counts = []
    for arguments in ([], WITHOUT):
        session(root, *arguments)  # writes the byte code
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={root / 'callgrind.out'}"]
        command += [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
        done = subprocess.run(
            command,
            cwd=root,
            env=environment(arguments),
            capture_output=True,
            text=True,
            check=True,
        )
        found = re.search(r"refs:\s+([\d,]+)", done.stderr)
        if found is None:
            raise SystemExit(done.stderr)
        counts.append(int(found[1].replace(",", "")))
    print(
        f"the same in instructions: {counts[0] / counts[1]:.4f} times"
        f"  ({counts[0] / 1e6:,.0f} over {counts[1] / 1e6:,.0f} million)"
    )


def own_import(n: int) -> None:
    """The plugin's own import, in processes where pytest is there already."""
    code = (
        "import pytest, time; t = time.perf_counter(); import pytest_energy.plugin;"
        "import pytest_energy.hookspecs; a = time.perf_counter() - t;"
        "t = time.perf_counter(); import {peer}; print(a * 1e3, (time.perf_counter() - t) * 1e3)"
    )
    # rich comes with the plugin; the import of it is something to compare with in any case.
    there = "rich.console" if find_spec("codecarbon") is None else "codecarbon"
    rows = []
    for _ in range(n + 1):
        command = [sys.executable, "-c", code.format(peer=there)]
        done = subprocess.run(command, env=ENV, capture_output=True, text=True, check=True)
        rows.append([float(part) for part in done.stdout.splitlines()[-1].split()])
    ours, peer = (statistics.median(column) for column in zip(*rows[1:], strict=True))
    print(f"import of the plugin: {ours:.1f} ms; of {there}: {peer:.0f} ms  (goal: under 15 ms)")


def window(n: int) -> None:
    """Opening and closing one window, beside zeus's and codecarbon's."""
    from pytest_energy.metering.window import Window
    from pytest_energy.meters.cpu_time import CpuTime
    from pytest_energy.meters.meter_set import MeterSet

    meters = MeterSet([CpuTime()])

    def ours() -> None:
        metered = Window(meters)
        metered.open()
        metered.close(1)

    figures = {"pytest-energy, cpu_time": _median_us(ours, n)}
    figures.update(_zeus(n))
    figures.update(_codecarbon(min(n, 200)))
    base = figures["pytest-energy, cpu_time"]
    print("one window, open and close together, median (goal: under 30 µs):")
    for name, microseconds in figures.items():
        print(f"  {name:<48} {microseconds:>9,.1f} µs  {microseconds / base:>8,.1f} times")


def loop(n: int, rounds: int) -> None:
    """What `energy.each` adds to a loop with an empty body, per sample."""
    from pytest_energy.gate.evaluate import NoPolicy
    from pytest_energy.metering.fixture import MeteredEnergy
    from pytest_energy.metering.instruments import Instruments
    from pytest_energy.meters.base import MeterSource
    from pytest_energy.meters.cpu_time import CpuTime
    from pytest_energy.types.inference import Inference

    more = []
    sources = [MeterSource("cpu_time", CpuTime)]
    instruments = Instruments(["cpu_time"], sources, use_reference=False, counts=False)
    for _ in range(rounds):
        began = time.thread_time_ns()
        for _ in itertools.repeat(None, n):
            pass
        plain = time.thread_time_ns() - began
        inference = Inference(n=n, warmup=2)
        energy = MeteredEnergy("t::t", inference, "task", "model", instruments, NoPolicy())
        samples = energy.each([None])
        while energy.count <= 2:  # the warm-up, and the sample with which the window opens
            next(samples)
        began = time.thread_time_ns()
        for _ in samples:
            pass
        more.append((time.thread_time_ns() - began - plain) / n)
        energy.conclude()
    print(f"energy.each over a plain loop: {statistics.median(more):.0f} ns per sample (CPU)")


def _median_us(call: object, n: int) -> float:
    times = []
    for _ in range(n):
        start = time.perf_counter_ns()
        call()  # type: ignore[operator]
        times.append(time.perf_counter_ns() - start)
    return statistics.median(times) / 1000


def _zeus(n: int) -> dict[str, float]:
    """Zeus has no meter for CPU time: it reads a RAPL tree of plain files, and so do we then."""
    from pytest_energy.metering.window import Window
    from pytest_energy.meters.meter_set import MeterSet
    from pytest_energy.meters.rapl import Rapl

    with tempfile.TemporaryDirectory() as folder:
        zone = Path(folder) / "intel-rapl" / "intel-rapl:0"
        zone.mkdir(parents=True)
        (zone / "name").write_text("package-0\n")
        (zone / "energy_uj").write_text("1000\n")
        (zone / "max_energy_range_uj").write_text("262143328850\n")
        meters = MeterSet([Rapl(zone.parent)])

        def ours() -> None:
            metered = Window(meters)
            metered.open()
            metered.close(1)

        figures = {"pytest-energy, one RAPL package": _median_us(ours, n)}
        try:
            from zeus.device.cpu import rapl
            from zeus.monitor import ZeusMonitor

            logging.disable(logging.WARNING)
            rapl.RAPL_DIR = str(zone.parent)
            monitor = ZeusMonitor(gpu_indices=[], cpu_indices=[0])
        except ImportError:
            print("  zeus is not installed: left out")
            return figures
        except Exception as error:
            print(f"  zeus could not be started here: {type(error).__name__}: {error}")
            return figures

        def theirs() -> None:
            monitor.begin_window("w", sync_execution=False)
            monitor.end_window("w", sync_execution=False)

        figures["zeus, the same RAPL package"] = _median_us(theirs, n)
        for process in multiprocessing.active_children():  # its poller of the counter
            process.terminate()
            process.join()
    return figures


def _codecarbon(n: int) -> dict[str, float]:
    try:
        from codecarbon import OfflineEmissionsTracker
    except ImportError:
        print("  codecarbon is not installed: left out")
        return {}
    with tempfile.TemporaryDirectory() as folder:
        tracker = OfflineEmissionsTracker(
            country_iso_code="USA",
            measure_power_secs=3600,
            save_to_file=False,
            log_level="critical",
            output_dir=folder,
            allow_multiple_runs=True,
        )

        def theirs() -> None:
            tracker.start_task("w")
            tracker.stop_task("w")

        figure = _median_us(theirs, n)
        tracker.stop()
    return {"codecarbon, start_task and stop_task": figure}


def metered_tests(root: Path, n: int) -> None:
    """A thousand metered empty tests, compared with stored baselines, over plain ones."""
    plain, metered = root / "plain", root / "metered"
    for folder, text in ((plain, EMPTY), (metered, METERED)):
        folder.mkdir()
        (folder / "test_empty.py").write_text(text)
    arguments = ["--energy-meter=cpu_time"]
    session(metered, *arguments, "--energy-update")
    _, output = session(metered, *arguments)
    found = re.search(r"^energy: ([\d,]+) compared.*$", output, re.MULTILINE)
    if found is None:
        raise SystemExit(f"nothing was compared:\n{output}")
    print(f"metered session: {found[0]}")
    ours, peer = turns(n, (metered, arguments), (plain, WITHOUT))
    extra = statistics.median(a - b for a, b in zip(ours, peer, strict=True))
    ratio = statistics.median(a / b for a, b in zip(ours, peer, strict=True))
    print(
        f"1,000 metered empty tests, compared with stored baselines: {extra:.3f} ms each over plain"
        f" pytest, {ratio:.2f} times  (CPU, median of {n} pairs; goal: under 1 ms)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=7, help="pairs of sessions")
    parser.add_argument("--instructions", action="store_true", help="count under valgrind, too")
    parser.add_argument("--windows", type=int, default=3000, help="windows")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "unmetered").mkdir()
        unmetered_session(root / "unmetered", arguments.sessions)
        if arguments.instructions:
            instructions(root / "unmetered")
        own_import(arguments.sessions)
        window(arguments.windows)
        loop(100 * arguments.windows, arguments.sessions)
        metered_tests(root, arguments.sessions)


if __name__ == "__main__":
    main()
