"""The page of promises names tests that are there, and no more of them than there are."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

from support import plugins

ROOT = Path(__file__).parents[2]
ROW = re.compile(
    r"^\| (?P<promise>.+?) \| (?P<files>`tests/.+`) \| (?P<cases>\d+) \|$", re.MULTILINE
)


def rows():
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    for row in ROW.finditer(text):
        yield row["promise"], re.findall(r"`(tests/[^`]+)`", row["files"]), int(row["cases"])


def test_every_promise_has_at_least_as_many_cases_as_the_page_says():
    named = sorted({file for _, files, _ in rows() for file in files})
    assert len(named) > 10
    # pytest 8.4 collects less of a folder where a file in it is named as well.
    named = [file for file in named if not any(file != up and file.startswith(up) for up in named)]
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *named],
        cwd=ROOT,
        env=os.environ | plugins.only("xdist.plugin"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    cases = Counter(line.partition("::")[0] for line in done.stdout.splitlines() if "::" in line)
    fewer = {
        promise: found
        for promise, files, claimed in rows()
        if (found := sum(n for file, n in cases.items() if file.startswith(tuple(files)))) < claimed
    }
    assert not fewer
