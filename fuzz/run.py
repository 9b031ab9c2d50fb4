"""Every target for its share of some minutes: `make fuzz FUZZ_MINUTES=10`.

Prints one line per target. Exit code 1 where something was found; it lies in `build/fuzz/found`,
with the line that makes a test of it. What the targets have reached is kept in `build/fuzz/corpus`
and is where the next run begins.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.hostile import TARGETS  # noqa: E402

STORES = ("stores", "faults")

GRACE_SECONDS = 120
"""A target that has not ended so long after its time hangs; a slow input ends it before."""


def main() -> int:
    """Run the targets, one after the other."""
    parser = argparse.ArgumentParser(description="Look for input that a reader cannot bear.")
    parser.add_argument("--minutes", type=float, default=5.0, help="in all (default: 5)")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "fuzz")
    parser.add_argument("targets", nargs="*", help=f"of {', '.join([*TARGETS, *STORES])}")
    known = parser.parse_args()
    if unknown := set(known.targets) - {*TARGETS, *STORES}:
        parser.error(f"no target is called {', '.join(sorted(unknown))}")
    targets = known.targets or [*TARGETS, *STORES]
    if find_spec("atheris") is None:
        print("no build of atheris for this Python and system: inputs are varied blindly")
    found = [_run(name, known.minutes * 60 / len(targets), known.folder) for name in targets]
    return 1 if any(found) else 0


def _run(name: str, seconds: float, folder: Path) -> int:
    """One target in a process of its own; how much it found."""
    place = folder / "found"
    place.mkdir(parents=True, exist_ok=True)
    count = place / f"{name}.json"
    count.unlink(missing_ok=True)
    script = "stores.py" if name in STORES else "one.py"
    log = folder / f"{name}.log"
    began = time.monotonic()
    with log.open("wb") as output:
        command = [sys.executable, Path(__file__).with_name(script), name, str(seconds), place]
        try:
            code = subprocess.run(
                list(map(str, command)),
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=seconds + GRACE_SECONDS,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            code = -1
    told = json.loads(count.read_text()) if count.exists() else {"inputs": 0, "found": {}}
    count.unlink(missing_ok=True)
    found = told["found"]
    if code:
        found[f"ended with {code}, see {log}"] = _input_of(name, place)
    took = time.monotonic() - began
    print(f"{name:12} {told['inputs']:>9,} inputs in {took:4.0f} s, {len(found)} found", flush=True)
    for shown, file in found.items():
        print(f"    {shown}")
        print(f"    {_hint(name, place / file)}" if file else "    no input was kept")
    return len(found)


def _input_of(name: str, place: Path) -> str:
    """The input that a crash, a hang or a lack of memory has left."""
    kinds = ("crash", "timeout", "oom", "leak")
    left = [path for kind in kinds for path in place.glob(f"{name}-{kind}-*")]
    return max(left, key=lambda path: path.stat().st_mtime).name if left else ""


def _hint(name: str, path: Path) -> str:
    if name in STORES:
        return f"make it a test: {path} has the schedule or the shortest run that shows it"
    return f"make it a test: cp {path} tests/data/fuzz/{name}-WHAT-IS-IN-IT.json"


if __name__ == "__main__":
    sys.exit(main())
