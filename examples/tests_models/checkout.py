"""A copy of the examples, so that a mistake can be made in it and the gate asked."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

from models import CACHE

PLANTED = Path("planted", "test_generation.py")


class Checkout:
    """The examples in a folder of their own, without other tests than the one to be broken.

    Args:
        folder: that does not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        here = Path(__file__).parent
        shutil.copytree(here, folder, ignore=shutil.ignore_patterns("test_*.py", "__pycache__"))
        shutil.copy(here / PLANTED, folder / PLANTED)

    def lose_the_cache(self) -> None:
        """The mistake: one word."""
        test = self.folder / PLANTED
        before = test.read_text("utf-8")
        after = before.replace("USE_CACHE = True", "USE_CACHE = False")
        assert after != before
        test.write_text(after, "utf-8")

    def run(self, *options: str) -> str:
        """Run the test in a process of its own; what pytest said."""
        command = [sys.executable, "-m", "pytest", str(PLANTED), "--rootdir=.", "-q", *options]
        command += ["-p", "no:cacheprovider"]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=os.environ | {"PYTEST_ENERGY_CACHE": str(CACHE), "COLUMNS": "100"},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout + done.stderr


def gate_message(said: str) -> list[str]:
    """The gate's message in what pytest said: its headline and the indented lines below.

    How to accept the change is the last line, where it may be accepted: on a busy machine not.
    """
    _, found, rest = f"\n{said}".partition("\nenergy regressed")
    if not found:
        return []
    first, *lines = rest.split("\n")
    below = list(itertools.takewhile(lambda line: line.startswith(("  ", "accept it")), lines))
    return [f"energy regressed{first}", *below]
