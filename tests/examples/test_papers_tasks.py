"""The paper's ten tasks, and its general-purpose models beside the task-specific ones.

Comparisons of our own models are in a module of their own: with `--dist loadscope` each module has
a worker, and these two take about as long as each other.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from support.comparisons import run_comparison
from support.examples import ROOT

TOLD = {
    "test_ten_tasks.py": "the ten tasks",
    "test_general_purpose.py": "general-purpose over task-specific",
}
"""By module: what the run says at its end."""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    # One inference each: tasks, and kinds of models, lie further apart than any two of one.
    folder = tmp_path_factory.mktemp("tasks")
    return run_comparison(folder, list(TOLD), 1, "test_ten_tasks or question-answering")


@pytest.mark.parametrize("module", TOLD)
def test_a_comparison_runs_and_tells_what_it_found(run, module):
    run.tells(module, TOLD[module])


def test_the_ten_tasks_say_where_their_weights_come_from_and_plot_beside_the_papers(run, tmp_path):
    models = [result["subject"]["model"] for result in run.results("test_ten_tasks.py")]
    assert len(models) == 10
    origins = (" (random weights)", " (package)", " (package), a linear head")
    assert all(name.endswith(origins) or "/" in name for name in models)
    script = ROOT / "scripts" / "plot_papers.py"
    done = subprocess.run(
        [sys.executable, script, run.report, tmp_path / "plots", "--tasks-of=test_ten_tasks.py"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    drawn = {path.name for path in (tmp_path / "plots").iterdir()}
    assert drawn == {"energy-by-task.png", "both-kinds.png", "energy-against-operations.png"}
    assert "energy-against-accuracy: the run measured too little for it" in done.stderr
