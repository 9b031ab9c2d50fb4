"""How often `pytest-energy bisect` finds the planted commit, after how many runs, and how long.

    python benchmarks/bisect_commits.py [--repetitions 20] [--commits 30] [--seed 1]
    python benchmarks/bisect_commits.py --joules [--repetitions 10] [--rise 15%]

Each repetition makes a repository in which one commit out of 30, at a random place, makes an
inference take more. By counts the model calls a function of its own once more for each token, and
the other commits change what does not matter. By joules it takes `--rise` more real work that no
count shows: more turns of a loop, which call nothing. Metered is by what this machine has.
"""

from __future__ import annotations

import argparse
import random
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from pytest_energy.types.units import parse_percent

TEST = """
import pytest
from model import infer

@pytest.mark.inference(n=100, task="sentiment", model="tiny")
def test_loop(energy):
    for sample in energy.each(range(30)):
        infer(sample)
"""

COUNTED = """
def normalised(token):
    return token.strip().lower()

def embedded(token):
    return len(normalised(token)) * {scale}

def infer(sample):
    tokens = f"Sample {{sample}} is as good as any other".split()
    return sum(embedded({argument}) for token in tokens)
"""

MEASURED = """
def infer(sample):
    total = {scale}
    for i in range({turns}):
        total += i * sample
    return total
"""
TURNS = 100_000


@dataclass(frozen=True)
class Outcome:
    """One bisection.

    Args:
        right: whether it named the planted commit.
        commits: that it ran beside GOOD and BAD.
        runs: of pytest, those at GOOD and BAD included.
        seconds: that it took.
    """

    right: bool
    commits: int
    runs: int
    seconds: float


def git(place: Path, *arguments: str) -> str:
    who = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")
    command = ["git", "-C", str(place), *who, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def repository(place: Path, commits: int, planted: int, rise: float | None) -> tuple[str, str]:
    """A repository with a planted change; its first commit, and the planted one."""
    place.mkdir()
    git(place, "init", "--quiet", "--initial-branch=main")
    (place / "pytest.ini").write_text("[pytest]\n")
    (place / "test_it.py").write_text(TEST)
    made = []
    for number in range(commits + 1):
        more = number >= planted
        if rise is None:
            argument = "normalised(token)" if more else "token"
            text = COUNTED.format(scale=number, argument=argument)
        else:
            turns = round(TURNS * (1 + rise)) if more else TURNS
            text = MEASURED.format(scale=number, turns=turns)
        (place / "model.py").write_text(text)
        git(place, "add", ".")
        git(place, "commit", "--quiet", "--message", f"Change number {number}")
        made.append(git(place, "rev-parse", "HEAD"))
    return made[0], made[planted]


def bisect(place: Path, good: str, planted: str, joules: bool) -> Outcome:
    """Bisect it, and see whether that is right."""
    command = [sys.executable, "-P", "-m", "pytest_energy", "bisect", good]
    if joules:
        command.append("--by=joules")
    began = time.perf_counter()
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    lines = [line for line in done.stdout.splitlines() if line.startswith("[")]
    between = {line.split()[1] for line in lines} - {good[:7], git(place, "rev-parse", "HEAD")[:7]}
    runs = sum(
        int(m[1]) if (m := re.search(r"(\d+) (?:paired )?runs", each)) else 1 for each in lines
    )
    right = f"first bad commit: {planted}" in done.stdout
    if not right:
        print(done.stdout, done.stderr, sep="\n")
    return Outcome(right, len(between), runs, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--joules", action="store_true", help="by paired runs")
    parser.add_argument("--rise", type=parse_percent, default=0.15, help="of real work")
    parser.add_argument("--repetitions", type=int, help="20, or 10 by joules")
    parser.add_argument("--commits", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    known = parser.parse_args()
    repetitions = known.repetitions or (10 if known.joules else 20)
    chance = random.Random(known.seed)
    outcomes = []
    for number in range(1, repetitions + 1):
        planted = chance.randint(1, known.commits)
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "repository"
            rise = known.rise if known.joules else None
            good, sha = repository(place, known.commits, planted, rise)
            outcome = bisect(place, good, sha, known.joules)
        outcomes.append(outcome)
        said = "right" if outcome.right else "WRONG"
        print(
            f"{number:3} planted at {planted:2}: {said}, {outcome.commits} commits beside GOOD and"
            f" BAD, {outcome.runs} runs of pytest, {outcome.seconds:.1f} s",
            flush=True,
        )
    right = sum(outcome.right for outcome in outcomes)
    commits = [outcome.commits for outcome in outcomes]
    print(
        f"right in {right} of {repetitions}; {fmean(commits):.1f} commits beside GOOD and BAD, at"
        f" most {max(commits)}; {fmean(o.runs for o in outcomes):.1f} runs of pytest,"
        f" {fmean(o.seconds for o in outcomes):.1f} s each"
    )


if __name__ == "__main__":
    main()
