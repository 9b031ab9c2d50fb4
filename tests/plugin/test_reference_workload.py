"""Estimates in units of reference work."""

from __future__ import annotations

import json

import pytest

from support.projects import TEST

CPU_BOUND = """
import pytest

@pytest.mark.inference(n=60, task="t", model="m", tolerance="9000%")
def test_loop(energy):
    for i in energy.each(range(60)):
        sum(range(100_000))

@pytest.mark.inference(n=1, task="t", model="body", tolerance="9000%")
def test_body():
    sum(range(3_000_000))
"""


def test_an_estimate_is_measured_beside_reference_work_and_a_counter_is_not(project):
    project.write(test_it=CPU_BOUND)
    (counted, _) = project.report()["results"]
    assert counted["measurement"]["reference"] is None
    project.ini("energy_meter = cpu_time")
    for result in project.report("--energy-update")["results"]:
        measured = result["measurement"]
        assert len(measured["reference"]["joules"]) == len(measured["blocks"])
    for path in project.baselines():
        (entry,) = json.loads(path.read_text())["entries"].values()
        assert entry["reference_workload"] == measured["reference"]["kind"]
    for verdict in project.verdicts().values():
        assert verdict["change"]["reference_change"] is not None


def test_it_can_be_switched_off_and_is_part_of_what_must_agree(project):
    project.ini("energy_meter = cpu_time", "energy_yardstick = off")
    project.write(test_it=CPU_BOUND)
    for result in project.report("--energy-update")["results"]:
        assert result["measurement"]["reference"] is None
    verdict = project.verdicts("--energy-yardstick=auto")[TEST]
    assert verdict["status"] == "incomparable"
    assert "the baseline's reference workload was none, now " in verdict["reason"]


def test_the_library_of_its_work_can_be_named_where_the_metered_work_is_a_servers(project):
    project.ini("energy_meter = cpu_time", "energy_yardstick = python")
    project.write(test_it="import numpy\n" + CPU_BOUND)
    for result in project.report("--energy-update")["results"]:
        assert result["measurement"]["reference"]["kind"].startswith("python integer loop")
    verdict = project.verdicts("--energy-yardstick=numpy")[TEST]
    assert verdict["status"] == "incomparable"
    assert "the baseline's reference workload was python integer loop" in verdict["reason"]


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("--energy-yardstick=on", "auto, off, torch, numpy or python"),
        ("--energy-counts=yes", "auto or off"),
    ],
)
def test_a_value_that_a_switch_does_not_know_is_a_usage_error(loop, option, expected):
    result = loop.run(option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*expected {expected}, found *"])
