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


@NEEDS_PROMETHEUS
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_examples_own_lines_meter_its_server(tmp_path):
    pytest.importorskip("numpy")
    folder = tmp_path / "served"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__", "data"))
    ports = {"8008": str(free_port()), "9091": str(free_port())}
    for path in folder.iterdir():
        text = path.read_text()
        for written, free in ports.items():
            text = text.replace(written, free)
        path.write_text(text)
    (lines,) = re.findall(r"```sh\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
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
    assert measured["meters"] == ["prometheus"]
    assert measured["joules_per_unit"] > 0
    assert "cpu_of_server: counter (Prometheus): classifier_joules_total" in output
