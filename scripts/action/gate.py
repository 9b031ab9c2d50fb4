"""Run pytest for the action, and say in outputs what came of it.

Its own exit code is 0 whatever pytest's is, so that the steps behind it run: the action's last step
ends with that. It needs nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

FAILED = ("regressed", "over_budget")
COMPARED = ("ok", "improved", "regressed")


def main() -> int:
    """Run pytest with PYTEST_ARGS, AGAINST and REPORT_FOLDER of the environment."""
    folder = Path(os.environ.get("REPORT_FOLDER") or "energy-reports").absolute()
    try:
        # As in a shell, a backslash at the end of a line goes on; shlex takes it for a word.
        arguments = shlex.split(re.sub(r"\\\r?\n", " ", os.environ.get("PYTEST_ARGS", "")))
        if not str(folder).isprintable():
            raise ValueError("report-folder has a line break or another control character")
        report = prepared(folder)
    except (OSError, ValueError) as error:
        print(f"::error title=pytest-energy::{_data(f'pytest-args or report-folder: {error}')}")
        return 2
    options = [f"--energy-json={report}", f"--energy-markdown={report.with_suffix('.md')}"]
    against = os.environ.get("AGAINST", "")
    if against:
        options.append(f"--energy-against={against}")
    sys.stdout.flush()
    done = subprocess.run([sys.executable, "-m", "pytest", *arguments, *options], check=False)
    # A process that a signal has ended has none that an exit could have.
    code = done.returncode if done.returncode >= 0 else 128 - done.returncode
    found = outcome(report, code)
    if found["verdict"] == "error" and code == 0:
        print("::error title=pytest-energy::pytest ended with 0 and wrote no report", flush=True)
        code = 1
    write_outputs(found | {"report-folder": str(folder), "exit-code": str(code)})
    return 0


def prepared(folder: Path) -> Path:
    """Make the folder, without an earlier run's reports: a machine of one's own keeps its files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("energy.json", "energy.md"):
        (folder / name).unlink(missing_ok=True)
    return folder / "energy.json"


def outcome(report: Path, code: int) -> dict[str, str]:
    """The verdict in one word, the counts behind it, and the report's path."""
    try:
        results = json.loads(report.read_text("utf-8"))["results"]
        found = Counter(result["verdict"]["status"] for result in results)
    except (OSError, ValueError, KeyError, TypeError):
        return {"verdict": "error", "regressions": "0", "compared": "0", "report-path": ""}
    regressions, compared = (sum(found[status] for status in of) for of in (FAILED, COMPARED))
    verdict = "ok" if compared else "nothing-compared"
    if code:
        verdict = "regressed" if regressions else "failed"
    return {
        "verdict": verdict,
        "regressions": str(regressions),
        "compared": str(compared),
        "report-path": str(report),
    }


def write_outputs(outputs: Mapping[str, str]) -> None:
    """Outputs of the step; each value is of one line."""
    with open(os.environ["GITHUB_OUTPUT"], "a", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in outputs.items())


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


if __name__ == "__main__":
    sys.exit(main())
