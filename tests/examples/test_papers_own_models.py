"""The papers' comparisons that are of models of our own.

The paper's tasks are in a module of their own: with `--dist loadscope` each module has a worker,
and these two take about as long as each other.
"""

from __future__ import annotations

import pytest

from support.comparisons import run_comparison

TOLD = {
    "test_compute_trends.py": "multiplicative factor",
    "test_compression.py": "distilled to 3 layers",
    "test_training.py": "training of MiniLM-L6-v2-finetuned: 150",
}
"""By module: what the run says at its end."""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    # Without what generates: minutes, for what the other tests of this project show of the gate.
    return run_comparison(tmp_path_factory.mktemp("own"), list(TOLD), 5, "not cache")


@pytest.mark.parametrize("module", TOLD)
def test_a_comparison_runs_and_tells_what_it_found(run, module):
    run.tells(module, TOLD[module])
