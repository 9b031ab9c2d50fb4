"""Does the gate of a served language model stay quiet on the same code, and find what is planted?

    python benchmarks/served_llm.py [--runs 10] [--n 16] [--plant more-tokens ...]

It stores a baseline of joules per request at concurrency 4 with examples/served_llm, whose server
is `transformers serve` with SmolLM2-135M, then runs the same test again and again, and each planted
change as often. Every run starts a server of its own. It needs the extra `served-llm`, and the
machine for itself: some 100 s a run on two cores and twice that for a suspect, an hour in all.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

EXAMPLE = Path(__file__).parents[1] / "examples" / "served_llm"


def run(folder: Path, n: int, *arguments: str) -> dict[str, object]:
    """One session; what the report says of the test.

    Args:
        folder: of the baselines and the report.
        n: requests that are metered.
        arguments: of pytest.
    """
    report = folder / "report.json"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"]
    command += [
        "--energy-counts=off",
        "-ktest_requests",
        f"--energy-baselines={folder}",
        f"--energy-json={report}",
    ]
    began = time.monotonic()
    done = subprocess.run(
        [*command, *arguments],
        cwd=EXAMPLE,
        env=os.environ | {"SERVED_N": str(n), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if not report.exists():
        sys.exit(done.stdout)
    (result,) = json.loads(report.read_text())["results"]
    report.unlink()
    verdict, measured = result["verdict"], result["measurement"]
    change = verdict["change"]
    line = f"{verdict['status']:13}"
    if measured is not None:
        line += f" {measured['joules_per_unit']:.4g} J per request"
    if change is not None:
        line += f", {change['value']:+.1%} [{change['low']:+.1%}, {change['high']:+.1%}]"
    print(f"  {line}  {time.monotonic() - began:.0f} s  {verdict['reason']}", flush=True)
    return verdict


def main() -> None:
    """Print each verdict, and how many there were of each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--stored", type=int, default=5, help="sessions of the baseline")
    parser.add_argument("--n", type=int, default=40)
    parser.add_argument("--plant", nargs="*", default=["more-tokens"])
    known = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print("stored:")
        for _ in range(known.stored):
            run(folder, known.n, "--energy-update")
        for plant in ("", *known.plant):
            print(f"{plant or 'the same code'}:")
            arguments = [f"--plant={plant}"] if plant else []
            found = Counter(
                str(run(folder, known.n, *arguments)["status"]) for _ in range(known.runs)
            )
            print(f"{plant or 'the same code'}: {dict(found)}")


if __name__ == "__main__":
    main()
