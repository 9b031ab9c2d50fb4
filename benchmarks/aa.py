"""Does unchanged code stay green, and is 10 % more work found? On this machine's real noise.

    python benchmarks/aa.py run NAME [--source TREE] [--quiet 20] [--busy 10] [--more 10]
                            [--only WORKLOAD…] [--mode paired stored] [-- PYTEST OPTIONS]
    python benchmarks/aa.py run NAME --mode accept [--quiet 20] [--only minilm loop]
    python benchmarks/aa.py demo NAME [--source TREE] [--quiet 10] [--busy 10]
    python benchmarks/aa.py show

A run is a pytest process of its own on one workload of `aa_models.py`, paired (`--energy-against`)
or against five stored sessions; unchanged, or with 10 % more work; alone, or beside a process that
loads a core. `accept` stores the doubled work over five sessions, with one `--energy-update`, and
`demo` is `make demo`, against the baselines that are shipped. Each run is kept in
`.cache/aa/NAME.jsonl` as it ends, and a second call goes on where the first stopped. NAME is a
variant of the code: `--source` is another checkout's root, and what stands behind `--` goes to
pytest, so that variants stand in one table.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

from gate_live import neighbour

from paired import commit_all

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
CACHE = ROOT / ".cache" / "aa"
WORKLOADS = ("minilm", "efficientnet", "smollm2", "loop", "body")
OTHERS = ("numpy_loop", "numpy_small", "torch_loop", "torch_mlp")
"""Work on one thread in programs whose libraries would use all of them, as they do by default."""

STORED = 5
FRESH_SECONDS = 1200
"""Sessions that were stored longer ago are stored anew before a workload's runs."""

RED_OR_GREEN = ("regressed", "improved")
DOUBLED = 100
"""Per cent more work, to be accepted."""


def repository(place: Path) -> None:
    """A repository whose last commit is unchanged code."""
    place.mkdir(parents=True)
    shutil.copy(HERE / "aa_models.py", place / "test_aa.py")
    (place / "pytest.ini").write_text("[pytest]\n")
    (place / "extra.py").write_text("PERCENT = 0\n")
    commit_all(place)


class Variant:
    """One state of the code, or one set of options, and the runs that were made of it.

    Args:
        name: in the table, and of its files.
        source: root of the checkout whose plugin is run.
        options: for pytest.
    """

    def __init__(self, name: str, source: Path, options: Sequence[str]) -> None:
        self.kept = CACHE / f"{name}.jsonl"
        self.place = CACHE / name
        self.options = options
        self.environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(
                map(str, (source / "src", ROOT / "examples" / "tests_models"))
            ),
            "PYTEST_ENERGY_CACHE": str(ROOT / ".cache"),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTEST_PLUGINS": "pytest_energy.plugin",
        }
        if not self.place.exists():
            repository(self.place)

    def run(self, workload: str, *options: str) -> dict[str, Any]:
        """One pytest process; what it found."""
        report = self.place / "report.json"
        report.unlink(missing_ok=True)
        command = [sys.executable, "-m", "pytest", f"test_aa.py::test_{workload}", "-q"]
        command += ["-p", "no:cacheprovider", f"--energy-json={report}", *options, *self.options]
        began = time.perf_counter()
        done = subprocess.run(
            command,
            cwd=self.place,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if not report.exists():
            sys.exit(f"a run failed:\n{done.stdout}\n{done.stderr}")
        (result,) = json.loads(report.read_text())["results"]
        verdict = result["verdict"]
        change = verdict["change"] or {}
        return {
            "status": verdict["status"],
            "reason": verdict["reason"],
            "change": change.get("value"),
            "low": change.get("low"),
            "high": change.get("high"),
            "exit": done.returncode,
            "wall_seconds": time.perf_counter() - began,
            "said": done.stdout[-3000:] if verdict["status"] != "ok" else "",
        }

    def missing(self, cell: dict[str, Any], wanted: int) -> int:
        """How many runs of a cell are still to be made."""
        return wanted - sum(kept["cell"] == cell for kept in runs(self.kept))

    def collect(self, cell: dict[str, Any], wanted: int) -> None:
        """Make the runs of one cell of the table that are not there yet."""
        missing = self.missing(cell, wanted)
        if missing <= 0:
            return
        (self.place / "extra.py").write_text(f"PERCENT = {cell['percent']}\n")
        with neighbour(cell["busy"]):
            for _ in range(missing):
                if cell["mode"] == "paired":
                    found = self.run(cell["workload"], "--energy-against=main")
                elif cell["mode"] == "stored":
                    stored = f"--energy-baselines={self.place / 'stored'}"
                    found = self.run(cell["workload"], stored)
                else:
                    found = self.accept(cell["workload"])
                keep(self.kept, cell, found)

    def accept(self, workload: str) -> dict[str, Any]:
        """One update with other work than is stored: `ok` where it has taken its place."""
        accepted = self.place / "accepted"
        shutil.rmtree(accepted, ignore_errors=True)
        shutil.copytree(self.place / "stored", accepted)
        found = self.run(workload, f"--energy-baselines={accepted}", "--energy-update")
        (sessions,) = [entry["sessions"] for entry in entries(accepted, workload)]
        taken = found["exit"] == 0 and len(sessions) == 1
        return {**found, "status": "ok" if taken else f"refused ({found['status']})"}

    def store(self, workload: str) -> None:
        """Store the sessions that runs are compared with, of this hour: an estimate drifts."""
        (self.place / "extra.py").write_text("PERCENT = 0\n")
        for path, entry in stored_in(self.place / "stored", workload):
            last = datetime.fromisoformat(entry["sessions"][-1]["date"])
            if (datetime.now(UTC) - last).total_seconds() > FRESH_SECONDS:
                path.unlink()
        for _ in range(4 * STORED):  # a busy machine may refuse one
            stored_so_far = entries(self.place / "stored", workload)
            if any(len(entry["sessions"]) >= STORED for entry in stored_so_far):
                return
            stored = f"--energy-baselines={self.place / 'stored'}"
            found = self.run(workload, stored, "--energy-update")
            print("stored", workload, found["status"], found["reason"])
        sys.exit(f"{workload}: {STORED} sessions could not be stored")


def stored_in(folder: Path, workload: str) -> list[tuple[Path, dict[str, Any]]]:
    """What a baseline folder has of a workload: the file, and its entry."""
    return [
        (path, entry)
        for path in folder.glob("**/*.json")
        for key, entry in json.loads(path.read_text())["entries"].items()
        if key.endswith(f"::test_{workload}")
    ]


def entries(folder: Path, workload: str) -> list[dict[str, Any]]:
    """What a baseline folder has of a workload."""
    return [entry for _, entry in stored_in(folder, workload)]


def keep(path: Path, cell: dict[str, Any], found: dict[str, Any]) -> None:
    """Add a run to its variant's file, and show it."""
    with path.open("a") as file:
        file.write(json.dumps({"cell": cell, **found}) + "\n")
    said = "" if found["change"] is None else f"{found['change']:+.1%}"
    print(*cell.values(), found["status"], said, f"{found['wall_seconds']:.0f} s", flush=True)


def demo(name: str, source: Path, busy: bool, wanted: int) -> None:
    """`make demo` so many times: `ok` where it ends well, with what its tests said."""
    cell = {"mode": "demo", "busy": busy, "percent": 0, "workload": "demo"}
    kept, report = CACHE / f"{name}.jsonl", CACHE / f"{name}-demo.json"
    CACHE.mkdir(parents=True, exist_ok=True)
    with neighbour(busy):
        for _ in range(wanted - sum(one["cell"] == cell for one in runs(kept))):
            began = time.perf_counter()
            command = ["make", "demo", f"DEMO_ARGS=--energy-json={report}"]
            done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
            verdicts = [one["verdict"] for one in json.loads(report.read_text())["results"]]
            statuses = ", ".join(verdict["status"] for verdict in verdicts)
            found = {
                "status": "ok" if done.returncode == 0 else f"exit {done.returncode}",
                "reason": statuses,
                "change": None,
                "exit": done.returncode,
                "wall_seconds": time.perf_counter() - began,
                "said": done.stdout[-5000:],
            }
            keep(kept, cell, found)


def runs(path: Path) -> Iterator[dict[str, Any]]:
    """The runs that were kept."""
    if path.exists():
        for line in path.read_text().splitlines():
            yield json.loads(line)


def show() -> None:
    """One table: a row per variant, kind of run and workload."""
    print(
        f"{'variant':12}{'mode':8}{'load':7}{'work':>6}  {'workload':14}"
        f"{'ok':>4}{'red':>5}{'impr':>5}{'inc':>5}{'other':>6}{'mean':>8}{'sd':>7}{'wall':>7}"
    )
    for path in sorted(CACHE.glob("*.jsonl")):
        cells = defaultdict(list)
        for run in runs(path):
            cell = run["cell"]
            load = "busy" if cell["busy"] else "quiet"
            cells[cell["mode"], load, cell["percent"], cell["workload"]].append(run)
        false = Counter[tuple[str, str]]()
        for (mode, load, percent, workload), found in sorted(cells.items()):
            count = Counter(run["status"] for run in found)
            known = [run["change"] for run in found if run["change"] is not None]
            mean = f"{fmean(known):+.1%}" if known else ""
            sd = f"{stdev(known):.1%}" if len(known) > 1 else ""
            names = ("ok", "regressed", "improved", "inconclusive")
            if not percent:
                false[mode, load] += sum(count[name] for name in RED_OR_GREEN)
            print(
                f"{path.stem:12}{mode:8}{load:7}{percent:5}%  {workload:14}{count['ok']:4}"
                f"{count['regressed']:5}{count['improved']:5}{count['inconclusive']:5}"
                f"{len(found) - sum(count[name] for name in names):6}{mean:>8}{sd:>7}"
                f"{median(run['wall_seconds'] for run in found):5.0f} s"
            )
        for (mode, load), number in sorted(false.items()):
            total = sum(len(f) for c, f in cells.items() if c[:3] == (mode, load, 0))
            print(f"{path.stem:12}{mode:8}{load:7} unchanged: {number} of {total} red or improved")


def main() -> None:
    given, options = sys.argv[1:], []
    if "--" in given:
        where = given.index("--")
        given, options = given[:where], given[where + 1 :]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("show", help="print the table")
    run = commands.add_parser("run", help="make the runs of a variant")
    run.add_argument("name", help="of the variant")
    run.add_argument("--source", type=Path, default=ROOT, help="root of another checkout")
    run.add_argument("--quiet", type=int, default=20, help="runs of unchanged code, alone")
    run.add_argument("--busy", type=int, default=10, help="beside a process that loads a core")
    run.add_argument("--more", type=int, default=10, help="runs of 10 % more work, of each load")
    run.add_argument("--only", nargs="+", choices=WORKLOADS + OTHERS, default=WORKLOADS)
    run.add_argument(
        "--mode", nargs="+", choices=("paired", "stored", "accept"), default=("paired",)
    )
    shipped = commands.add_parser("demo", help="make the demo so many times")
    shipped.add_argument("name", help="of the variant")
    shipped.add_argument("--source", type=Path, default=ROOT, help="root of another checkout")
    shipped.add_argument("--quiet", type=int, default=10, help="times, alone")
    shipped.add_argument("--busy", type=int, default=10, help="beside a process that loads a core")
    wanted = parser.parse_args(given)
    if wanted.command == "demo":
        for busy, count in ((False, wanted.quiet), (True, wanted.busy)):
            demo(wanted.name, wanted.source.resolve(), busy, count)
    if wanted.command == "run":
        if not re.fullmatch(r"[\w.-]+", wanted.name):
            parser.error(f"a name of letters, digits, dots and dashes, not {wanted.name!r}")
        variant = Variant(wanted.name, wanted.source.resolve(), options)
        plan = [(False, 0, wanted.quiet), (True, 0, wanted.busy)]
        plan += [(False, 10, wanted.more), (True, 10, wanted.more)]
        doubled = [(False, DOUBLED, wanted.quiet)]
        for mode in wanted.mode:
            for workload in wanted.only:
                cells = [
                    ({"mode": mode, "busy": busy, "percent": percent, "workload": workload}, count)
                    for busy, percent, count in (plan if mode != "accept" else doubled)
                ]
                if mode != "paired" and any(variant.missing(*cell) > 0 for cell in cells):
                    variant.store(workload)
                for cell in cells:
                    variant.collect(*cell)
    show()


if __name__ == "__main__":
    main()
