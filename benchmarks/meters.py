"""Are the joules right, and what does a window cost: this package's RAPL meter beside its peers.

    python benchmarks/meters.py [--topology NAME ...] [--seconds 4.5] [--windows 3000]

Per topology one simulated powercap tree (`powercap_tree.py`), in which known watts are spent in
real time. Every peer reads it in a process of its own, all of them at once; then the cost of their
windows is timed, alternately. Peers are zeus, codecarbon and landauer-gap (`joules`); what
is not installed is said and left out (pip install zeus landauer-gap).

The truth is package and memory energy, each once. A window is what lies between the return of the
call that begins it and the call that ends it. It is long against what the peers sample, so that it
is not the edges that are compared, and no whole number of seconds: codecarbon leaves out the end of
a window that is less than 50 ms from its last sample, and it samples every second here.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from math import inf, isnan, nan
from pathlib import Path
from textwrap import shorten
from typing import Any

from meters_peers import OURS, PEERS, SETTLE_SECONDS, be_peer
from powercap_tree import Spending, Topology, build, topologies
from short_windows import study

PATIENCE_SECONDS = 60.0
ROUNDS = 10  # in which the peers' windows are timed, interleaved

GOAL_ERROR_PERCENT = 1.0
GOAL_COST_RATIO = 0.1


class Process:
    """A peer's process, for a `with`; everything that it has started ends with it."""

    def __init__(self, name: str, sysfs: Path) -> None:
        self._dead = ""
        self._noise = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._child = subprocess.Popen(
            [sys.executable, __file__, f"--peer={name}", f"--sysfs={sysfs}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._noise,
            start_new_session=True,
        )

    def ask(self, *command: str) -> dict[str, Any]:
        """Its answer; one with `failed` when it has none."""
        if self._dead:
            return {"failed": self._dead}
        line = b""
        with suppress(BrokenPipeError):
            self._child.stdin.write(" ".join(command).encode() + b"\n")
            self._child.stdin.flush()
            ready, _, _ = select.select([self._child.stdout], [], [], PATIENCE_SECONDS)
            if not ready:
                self._dead = f"crashed: no answer to {command[0]!r} in {PATIENCE_SECONDS:.0f} s"
                return {"failed": self._dead}
            line = self._child.stdout.readline()
        if not line:
            self._dead = f"crashed: {self._last_words()}"
            return {"failed": self._dead}
        return json.loads(line)

    def _last_words(self) -> str:
        self._noise.seek(0)
        said = self._noise.read().strip().splitlines()
        return said[-1] if said else f"exit status {self._child.wait()}"

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):  # its own group: the session that it began with
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        self._noise.close()


@dataclass(slots=True)
class Row:
    """What was found of one peer on one topology."""

    peer: str
    import_ms: float = nan
    true: float = nan
    reported: float = nan
    failed: str = ""
    threads: float = nan
    processes: float = nan
    cost: dict[str, list[float]] = field(default_factory=dict)
    """Microseconds of what is timed, round by round."""

    @property
    def error_percent(self) -> float:
        return 100 * (self.reported / self.true - 1)

    def cost_ratio(self, what: str, reference: Row | None) -> float:
        """Over the reference's window, round by round: load slows both down alike."""
        theirs = reference.cost.get("window", []) if reference else []
        ratios = [a / b for a, b in zip(self.cost.get(what, []), theirs, strict=False)]
        return statistics.median(ratios) if ratios else nan


def compare(topology: Topology, peers: list[str], seconds: float, windows: int) -> list[Row]:
    """All peers over the same stretch of the same tree, then the cost of their windows."""
    with ExitStack() as stack:
        sysfs = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "sys"
        build(sysfs, topology)
        spending = stack.enter_context(Spending(sysfs, topology))
        rows: dict[str, Row] = {}
        processes: dict[str, Process] = {}
        for name in peers:
            process = stack.enter_context(Process(name, sysfs))
            answer = process.ask("prepare")
            rows[name] = Row(name, answer.get("import_ms", nan), failed=answer.get("failed", ""))
            if not rows[name].failed:
                processes[name] = process
        time.sleep(SETTLE_SECONDS)
        time.sleep(topology.seconds_until_right(time.monotonic() - spending.began))
        spans = _metered(processes, rows, seconds)
        for _ in range(ROUNDS):
            for name, process in processes.items():
                answer = process.ask("cost", str(windows))
                for what, microseconds in answer.items() if "failed" not in answer else ():
                    rows[name].cost.setdefault(what, []).append(microseconds)
        spending.stop()
        for name, (begin, end) in spans.items():
            rows[name].true = spending.joules(begin, end)
        return list(rows.values())


def _metered(
    processes: dict[str, Process], rows: dict[str, Row], seconds: float
) -> dict[str, tuple[float, float]]:
    """Fill in what the peers report of a window, and return when each began and ended."""
    # One after the other, so that no peer's beginning disturbs another's.
    began = {name: process.ask("begin") for name, process in processes.items()}
    spans = {}
    for name, process in processes.items():
        row = rows[name]
        row.failed = began[name].get("failed", "")
        if not row.failed:
            time.sleep(max(0.0, began[name]["began"] + seconds - time.monotonic()))
            answer = process.ask("end")
            row.failed = answer.get("failed", "")
        if not row.failed:
            row.reported = answer["joules"]
            row.threads, row.processes = answer["threads"], answer["processes"]
            spans[name] = (began[name]["began"], answer["ended"])
    return spans


def show(topology: Topology, rows: list[Row]) -> None:
    counted = [zone for zone in topology.zones if zone.counted]
    parts = " + ".join(f"{zone.name} {zone.watts:g} W" for zone in counted)
    print(f"\n{topology.name}: {parts}", end="")
    others = [f"{zone.name} ({zone.control_type})" for zone in topology.zones if not zone.counted]
    print(f"; not counted again: {', '.join(others)}" if others else "")
    print(
        f"  {'':28}{'true J':>9}{'reported':>10}{'error':>10}"
        f"{'window':>12}{'of zeus':>9}{'threads':>9}{'processes':>11}"
    )
    reference = next((row for row in rows if row.peer == "zeus"), None)
    for row in rows:
        for what, rounds in (row.cost or {"window": [nan]}).items():
            cost = f"{statistics.median(rounds):>9,.1f} µs{row.cost_ratio(what, reference):>9.3f}"
            if not row.cost:
                cost = ""
            if what != "window":
                print(f"  {f'{row.peer}, {what}':57}{cost}")
            elif row.failed:
                print(f"  {row.peer:28}{shorten(row.failed, 70):<29}{cost}")
            else:
                print(
                    f"  {row.peer:28}{row.true:>9.2f}{row.reported:>10.2f}"
                    f"{row.error_percent:>+8.2f} %{cost}{row.threads:>9.0f}{row.processes:>11.0f}"
                )
    sys.stdout.flush()


def show_imports(found: dict[str, list[Row]]) -> None:
    print("\nimport, median over the topologies, each in a process of its own:")
    for name in PEERS:
        rows = [row for rows in found.values() for row in rows if row.peer == name]
        times = [row.import_ms for row in rows if not isnan(row.import_ms)]
        if times:
            print(f"  {name:28}{statistics.median(times):>9,.0f} ms")


def show_goals(found: dict[str, list[Row]]) -> None:
    by_peer = {
        peer: {name: row for name, rows in found.items() for row in rows if row.peer == peer}
        for peer in PEERS
    }
    ours, zeus = by_peer[OURS], by_peer["zeus"]

    def goal(what: str, by_topology: dict[str, float], limit: float, form: str) -> None:
        # What is not a number was refused, crashed or could not be compared.
        key = lambda pair: inf if isnan(pair[1]) else pair[1]  # noqa: E731
        name, worst = max(by_topology.items(), key=key)
        reached = "reached" if worst <= limit else "NOT reached"
        figure = "no figure" if isnan(worst) else form.format(worst)
        print(f"  {what}: {reached}, at worst {figure} ({name})")

    print("\ngoals:")
    errors = {name: abs(row.error_percent) for name, row in ours.items()}
    goal("error within 1 % on every topology", errors, GOAL_ERROR_PERCENT, "{:.2f} %")
    for what in ("meters alone", "window"):
        ratios = {
            name: row.cost_ratio(what, zeus[name]) for name, row in ours.items() if name in zeus
        }
        if ratios:
            goal(f"{what} at most a tenth of zeus's window", ratios, GOAL_COST_RATIO, "{:.3f}")
        else:
            print(f"  {what} at most a tenth of zeus's window: unknown, zeus is not installed")
    running = {name: row.threads + row.processes for name, row in ours.items()}
    goal("no threads and no processes while counters are read", running, 0, "{:.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--topology",
        action="append",
        choices=[topology.name for topology in topologies(1.0)],
        help="only this one; may be repeated",
    )
    parser.add_argument("--seconds", type=float, default=4.5, help="length of a metered window")
    parser.add_argument("--windows", type=int, default=3000, help="windows timed, per peer")
    parser.add_argument("--short", type=int, default=20, help="short windows of each length")
    parser.add_argument("--no-short", action="store_true", help="leave the short windows out")
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    parser.add_argument("--sysfs", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.peer:
        be_peer(given.peer, given.sysfs)
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # so that it cleans up
    peers = []
    for name, peer in PEERS.items():
        if find_spec(peer.modules[0].partition(".")[0]) is None:
            print(f"{name} is not installed: left out")
        else:
            peers.append(name)
    print(", ".join(f"{name} {version(PEERS[name].distribution)}" for name in peers))
    found = {}
    for topology in topologies(given.seconds):
        if given.topology is None or topology.name in given.topology:
            found[topology.name] = compare(
                topology, peers, given.seconds, max(1, given.windows // ROUNDS)
            )
            show(topology, found[topology.name])
    show_imports(found)
    if not given.no_short:
        print()
        study(given.short)
    show_goals(found)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("interrupted")
