"""The example of a served model: its own lines, run as they stand."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from support.examples import ROOT
from support.prometheus import NEEDS_PROMETHEUS, free_port

EXAMPLE = ROOT / "examples" / "served"


@contextmanager
def ended(process: subprocess.Popen):
    """Whatever it started ends with it."""
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


THROUGH_PROMETHEUS = """
python server.py --port 8008 &
prometheus --config.file=prometheus.yml --storage.tsdb.path="$(mktemp -d)" \\
  --web.listen-address=127.0.0.1:9091 &
until promtool query instant http://127.0.0.1:9091 classifier_joules_total | grep -q .
do sleep 1; done
pytest --energy-report {options}
kill %1 %2
"""


@pytest.mark.parametrize("meter", ["metrics", pytest.param("prometheus", marks=NEEDS_PROMETHEUS)])
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_examples_own_lines_meter_its_server(tmp_path, meter):
    pytest.importorskip("numpy")
    folder = tmp_path / "served"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__", "data"))
    ports = {"8008": str(free_port()), "9091": str(free_port())}
    for path in folder.iterdir():
        text = path.read_text()
        for written, free in ports.items():
            text = text.replace(written, free)
        path.write_text(text)
    readme = (folder / "README.md").read_text()
    (lines,) = re.findall(r"```sh\n(.*?)```", readme, re.DOTALL)
    if meter == "prometheus":
        (options,) = re.findall(r"`(--energy-meter=prometheus .*?)`", readme, re.DOTALL)
        lines = THROUGH_PROMETHEUS.format(options=" ".join(options.split()))
        lines = lines.replace("9091", ports["9091"]).replace("8008", ports["8008"])
    report = tmp_path / "report.json"
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTEST_ADDOPTS": f"-p no:cacheprovider --energy-json={report}",
    }
    with ended(
        subprocess.Popen(
            ["bash", "-c", lines],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    ) as process:
        output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert "1 passed" in output, output
    (result,) = json.loads(report.read_text())["results"]
    assert result["verdict"]["status"] in {"new", "unresolved", "inconclusive"}, output
    measured = result["measurement"]
    assert measured["meters"] == [meter]
    assert measured["joules_per_unit"] > 0
    named = {"metrics": "metrics", "prometheus": "Prometheus"}[meter]
    assert f"cpu_of_server: counter ({named}): classifier_joules_total" in output
