"""`docs/recipes.md`: each recipe as it stands there, run offline, and read by its tracker.

The trackers are in an environment of their own (`make recipes`): they hold back versions that the
other tests want newer.
"""

from __future__ import annotations

import json
import re
import struct
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from support.projects import TEST

RECIPES = Path(__file__).parents[2] / "docs" / "recipes.md"

JOULES, GRAMS = 2.0, 2.0 / 3600 * 475


def recipe(heading):
    """The Python code beneath a heading."""
    _, _, rest = RECIPES.read_text("utf-8").partition(f"\n## {heading}\n")
    found = re.search(r"```python\n(.*?)```", rest, re.DOTALL)
    assert found is not None
    return found[1]


HEADINGS = {"mlflow": "MLflow", "wandb": "Weights & Biases", "trackio": "trackio"}


@pytest.mark.parametrize("tracker", HEADINGS)
def test_a_recipe_has_some_ten_lines_and_imports_its_tracker_late(tracker):
    lines = [line for line in recipe(HEADINGS[tracker]).splitlines() if line.strip()]
    assert len(lines) <= 16
    assert f"    import {tracker}" in lines


@pytest.fixture
def run(loop, monkeypatch):
    """Write a recipe into the project's conftest.py, and export by it in a process of its own."""
    for name, value in {
        "MLFLOW_TRACKING_URI": f"sqlite:///{loop.path}/mlflow.db",
        "WANDB_MODE": "offline",
        "WANDB_SILENT": "true",
        "WANDB_DIR": str(loop.path),
        "TRACKIO_DIR": str(loop.path / "trackio"),
        "HF_HUB_OFFLINE": "1",
    }.items():
        monkeypatch.setenv(name, value)
    loop.own_process = True

    def run(tracker):
        if find_spec(tracker) is None:
            pytest.skip(f"{tracker} is not installed: make recipes")
        conftest = loop.path / "conftest.py"
        conftest.write_text(conftest.read_text() + recipe(HEADINGS[tracker]))
        result = loop.run(f"--energy-export={tracker}", "--energy-json=run.json")
        assert result.ret == pytest.ExitCode.OK, result.stdout.str()
        assert (loop.path / f"{tracker}.txt").exists()
        return loop.path

    return run


ASK_MLFLOW = """
import json
from mlflow.tracking import MlflowClient

client = MlflowClient()
runs = client.search_runs([each.experiment_id for each in client.search_experiments()])
print(json.dumps([[run.info.run_name, run.data.params, run.data.metrics] for run in runs]))
"""


def test_mlflow_has_a_run_per_test_and_takes_an_older_session_as_well(run):
    folder = run("mlflow")
    command = [sys.executable, "-m", "pytest_energy", "report", "run.json", "--to", "mlflow"]
    subprocess.run(command, cwd=folder, check=True)
    ask = [sys.executable, "-c", ASK_MLFLOW]
    found = json.loads(subprocess.run(ask, capture_output=True, check=True).stdout)
    metrics = {
        "energy/joules": pytest.approx(JOULES),
        "energy/gco2e_per_1000": pytest.approx(GRAMS),
    }
    assert found == [[TEST, {"task": "sentiment", "model": "tiny"}, metrics]] * 2


def wandb_records(path):
    """The records of an offline run: a heading, and LevelDB's log of protocol buffers behind it."""
    from wandb.proto import wandb_internal_pb2

    data, offset, parts = path.read_bytes(), 7, b""
    while offset + 7 <= len(data):
        _, size, kind = struct.unpack_from("<IHB", data, offset)
        parts += data[offset + 7 : offset + 7 + size]
        offset += 7 + size
        if kind in (1, 4):  # whole, or the last part
            record = wandb_internal_pb2.Record()
            record.ParseFromString(parts)
            yield record
            parts = b""


def test_wandb_has_a_run_per_test(run):
    folder = run("wandb")
    (path,) = folder.glob("wandb/offline-run-*/*.wandb")
    records = list(wandb_records(path))
    (about,) = (record.run for record in records if record.WhichOneof("record_type") == "run")
    assert (about.project, about.display_name) == ("energy", TEST)
    config = {each.key: each.value_json for each in about.config.update}
    assert (config["task"], config["model"]) == ('"sentiment"', '"tiny"')
    items = [item for record in records for item in record.history.item]
    logged = {"/".join(item.nested_key): json.loads(item.value_json) for item in items}
    assert logged["energy/joules"] == pytest.approx(JOULES)
    assert logged["energy/gco2e_per_1000"] == pytest.approx(GRAMS)


def test_trackio_has_a_run_per_test(run):
    run("trackio")
    for metric, value in (("joules", JOULES), ("gco2e_per_1000", GRAMS)):
        ask = ["get", "metric", "--project=energy", f"--run={TEST}", f"--metric=energy/{metric}"]
        script = Path(sys.executable).with_name("trackio")
        done = subprocess.run([script, *ask, "--json"], capture_output=True, text=True, check=True)
        (point,) = json.loads(done.stdout)["values"]
        assert point["value"] == pytest.approx(value)
