"""Results that come from the workers of pytest-xdist."""

from __future__ import annotations

import pytest


def test_results_come_together_from_xdist_workers(project):
    project.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.parametrize("i", range(6))
        @pytest.mark.inference(n=1, task="t", model="m")
        def test_x(i): infer()
        """
    )
    report = project.report("-n1", "--energy-update")
    assert {r["outcome"] for r in report["results"]} == {"passed"}
    assert len(project.baseline()["entries"]) == 6
    assert report["overhead"]["seconds"] > 0
    project.set_cost(3.0)
    failed = project.run("-n1", "--energy-report")
    failed.assert_outcomes(failed=6)
    failed.stdout.fnmatch_lines(["energy: 6 compared (6 regressed)*"])


def test_workers_side_by_side_disturb_each_other(loop):
    loop.run("--energy-update")
    loop.set_cost(3.0)
    (verdict,) = loop.verdicts("-n2").values()
    assert verdict["status"] == "inconclusive"
    assert "2 pytest-xdist workers ran side by side" in verdict["reason"]
    assert verdict["change"]["value"] == pytest.approx(0.5)


def test_a_wrong_marker_under_xdist_is_said(project):
    project.write(
        test_it="""
        import pytest
        @pytest.mark.inference(n=0)
        def test_wrong(): pass
        """
    )
    result = project.run("-n1")
    assert result.ret != 0
    assert "test_it.py::test_wrong: @pytest.mark.inference: n: expected" in "\n".join(
        result.outlines + result.errlines
    )


def test_a_wrong_option_under_xdist_is_said(loop):
    result = loop.run("-n1", "--energy-meter=watt")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*no meter named 'watt'; there are: auto; rapl*"])


def test_a_wrong_option_leaves_pytests_own_report_whole_under_xdist(loop):
    loop.write(test_broken="def test_broken(): assert False")
    result = loop.run("-n1", "--energy-meter=watt", "--energy-json=o.json")
    result.assert_outcomes(errors=1, failed=1)
    result.stdout.fnmatch_lines_random(["*test_broken*", "*UsageError: no meter named 'watt'*"])


def test_under_xdist_the_header_stands_at_the_end(loop):
    loop.run("-n1").stdout.fnmatch_lines(["energy: scripted (counter), *", "energy: nothing was *"])


METERS_THAT_TELL = """
import os, scripted
from pytest_energy import MeterSource

class Telling(scripted.Scripted):
    def __init__(self):
        self._note("opened")

    def close(self):
        self._note("closed")

    def _note(self, what):
        worker = os.environ.get("PYTEST_XDIST_WORKER", "controller")
        with open("meters.txt", "a") as file:
            file.write(f"{worker} {what}\\n")

def pytest_energy_meters(config):
    return [MeterSource("scripted", Telling)]
"""


def test_the_controller_opens_no_meter_and_each_worker_closes_its_own(loop):
    loop.pytester.makeconftest(METERS_THAT_TELL)
    loop.run("-n1", "--energy-report", "--energy-json=report.json").assert_outcomes(passed=1)
    notes = (loop.path / "meters.txt").read_text().splitlines()
    assert notes == ["gw0 opened", "gw0 closed"]
