"""Head against base interleaved, on this machine's real noise; beside it, what others make of it.

    python benchmarks/paired.py collect [--sessions 30] [--busy]
    python benchmarks/paired.py joules [--sessions 8]
    python benchmarks/paired.py show

A session is a pytest process with `--energy-against main` in a repository whose working tree does
more real work than its last commit: none in one test, 10 % in the second, 5 % in the third (there
with a tolerance of 2 %). `joules` runs landauer-gap's `joules ci` on the same tests, with about as
much time as a pair takes. Every session's report is kept under `.cache/paired/`; `show` prints what
was said, and judges the same figures against stored sessions as well.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, median, stdev

from gate_live import neighbour

from pytest_energy.baselines.store import session_of
from pytest_energy.types.baseline import Baseline
from pytest_energy.types.codec import decode
from pytest_energy.types.measurement import Measurement
from pytest_energy.types.result import Result
from pytest_energy.types.verdict import Verdict
from pytest_energy.verdict.case import Base, Case
from pytest_energy.verdict.judge import judge

HERE = Path(__file__).parent
CACHE = HERE.parent / ".cache" / "paired"
STORED = 5
TESTS = {"0": "unchanged, 5 %", "10": "+10 % work, 5 %", "5": "+5 % work, 2 %"}


def repository(folder: Path) -> Path:
    """A repository whose working tree does more than its last commit."""
    place = folder / "repository"
    if place.exists():
        return place
    place.mkdir(parents=True)
    shutil.copy(HERE / "paired_models.py", place / "test_models.py")
    (place / "pytest.ini").write_text("[pytest]\n")
    (place / "extra.py").write_text("WORK = False\n")
    commit_all(place)
    (place / "extra.py").write_text("WORK = True\n")
    return place


def commit_all(place: Path) -> None:
    """Make a folder a repository whose only commit, on main, has all its files."""
    for command in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "."],
        ["-c", "user.name=bench", "-c", "user.email=bench@localhost", "commit", "-qm", "base"],
    ):
        subprocess.run(["git", "-C", str(place), *command], check=True)


def pytest_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]


def collect(folder: Path, sessions: int, busy: bool) -> None:
    """Run sessions; those that are there already are not run again."""
    place = repository(folder)
    kind = "busy" if busy else "quiet"
    with neighbour(busy):
        for number in range(sessions):
            report = folder / f"{kind}-{number:03}.json"
            if report.exists():
                continue
            began = time.perf_counter()
            command = pytest_command("--energy-against=main", f"--energy-json={report}.part")
            done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
            part = Path(f"{report}.part")
            if not part.exists():
                sys.exit(f"a session failed:\n{done.stdout}\n{done.stderr}")
            found = json.loads(part.read_text())
            found["wall_seconds"] = time.perf_counter() - began
            report.write_text(json.dumps(found))
            part.unlink()


def results(path: Path) -> dict[str, tuple[Result, Result]]:
    """A session's results by parameter: the head's, and the base's in its place."""
    found = {}
    for record in json.loads(path.read_text())["results"]:
        parameters = re.search(r"\[(.+)\]", record["subject"]["test"])
        assert parameters is not None
        sides = []
        for side in ("measurement", "base"):
            plain = {**record, "measurement": record[side], "base": None}
            sides.append(decode(Result, plain))
        found[parameters[1]] = (sides[0], sides[1])
    return found


def in_turns(head: Result, base: Result) -> Verdict:
    """What the gate says of a kept pair: by today's rule, whatever it was when it was collected."""
    paired = head.verdict.paired
    assert head.measurement is not None
    assert base.measurement is not None
    assert paired is not None
    against = Base(base.subject, base.measurement, paired)
    return judge(Case(head.subject, [head.measurement], head.rule, against))


def by_stored(head: Result, base: Result, stored: Sequence[Measurement]) -> Verdict:
    """What it says of the head alone, against the base's figures of earlier sessions."""
    assert head.measurement is not None
    return judge(Case(head.subject, [head.measurement], head.rule, entry_of(base, stored)))


def entry_of(base: Result, measured: Sequence[Measurement]) -> Baseline:
    """Figures of the base as if they were stored."""
    sessions = tuple(session_of(one, datetime.now(UTC), None) for one in measured)
    return Baseline(base.subject, measured[0].meters, measured[0].domains, sessions)


def show(folder: Path) -> None:
    """Print what was said of the collected sessions."""
    for kind in ("quiet", "busy"):
        sessions = [results(path) for path in sorted(folder.glob(f"{kind}-*.json"))]
        if len(sessions) < STORED + 2:
            continue
        print(f"\n{kind}: {len(sessions)} sessions")
        for name, label in TESTS.items():
            seconds, turns, against_stored = [], [], []
            for number, session in enumerate(sessions):
                head, base = session[name]
                assert head.measurement is not None
                assert base.measurement is not None
                seconds.append(head.measurement.seconds + base.measurement.seconds)
                turns.append(in_turns(head, base))
                if number >= STORED:
                    first = [s[name][1].measurement for s in sessions[:STORED]]
                    against_stored.append(by_stored(head, base, [m for m in first if m]))
            print(f"  {label:18} interleaved     {_line(turns)}")
            print(f"  {'':18}   both sides together {median(seconds):.0f} s (median)")
            print(f"  {'':18} against stored  {_line(against_stored)}")
    for path in sorted(folder.glob("joules-*.json")):
        kept = json.loads(path.read_text())
        changes = [math.log1p(run["change"] / 100) for run in kept["runs"]]
        failed = sum(run["failed"] for run in kept["runs"])
        seconds = fmean(run["seconds"] for run in kept["runs"])
        print(
            f"\njoules ci {path.stem.removeprefix('joules-')}: sd {100 * stdev(changes):.2f} %,"
            f" mean {100 * fmean(changes):+.2f} %, failed {failed} of {len(changes)},"
            f" {seconds:.0f} s each"
        )


def _line(verdicts: Sequence[Verdict]) -> str:
    counts = Counter(decision.status.value for decision in verdicts)
    words = ", ".join(f"{count} {status}" for status, count in counts.most_common())
    changes = [
        100 * math.log1p(decision.change.value if decision.change else 0.0) for decision in verdicts
    ]
    return f"{fmean(changes):+6.2f} % (sd {stdev(changes):.2f} of {len(changes)})  {words}"


def joules(folder: Path, sessions: int) -> None:
    """landauer-gap on the same tests: whole commands interleaved, medians, ranges that overlap."""
    place = repository(folder)
    for name in ("0", "10"):
        runs = []
        for _ in range(sessions):
            began = time.perf_counter()
            test = f"test_models.py::test_distilbert[{name}]"
            measure = [sys.executable, "-m", "joules", "ci", "--base", "main", "--budget", "5"]
            measure += ["--runs", "1", "--warmup", "0", "--no-track", "--"]
            environment = {**os.environ, "GITHUB_OUTPUT": str(folder / "output"), "CI": "1"}
            Path(environment["GITHUB_OUTPUT"]).unlink(missing_ok=True)
            done = subprocess.run(
                [*measure, *pytest_command("--energy-off", test)],
                cwd=place,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            said = dict(
                line.split("=", 1)
                for line in Path(environment["GITHUB_OUTPUT"]).read_text().splitlines()
            )
            if "change-pct" not in said:
                sys.exit(f"joules ci failed:\n{done.stdout}\n{done.stderr}")
            runs.append(
                {
                    "change": float(said["change-pct"]),
                    "failed": done.returncode != 0,
                    "seconds": time.perf_counter() - began,
                }
            )
        (folder / f"joules-{name}.json").write_text(json.dumps({"runs": runs}))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["collect", "joules", "show"])
    parser.add_argument("--sessions", type=int, default=None, help="30, of joules 8")
    parser.add_argument("--busy", action="store_true", help="with a second process on one core")
    parser.add_argument("--folder", type=Path, default=CACHE)
    given = parser.parse_args()
    if given.command == "collect":
        collect(given.folder, given.sessions or 30, given.busy)
    elif given.command == "joules":
        joules(given.folder, given.sessions or 8)
    if given.command != "joules":
        show(given.folder)


if __name__ == "__main__":
    main()
