"""Tests that are run again."""

from __future__ import annotations

import re

from support.projects import FAILS_FIRST


def test_a_rerun_replaces_what_the_failed_run_measured(loop):
    loop.write(test_it=FAILS_FIRST)
    report = loop.report("--reruns=2", "--energy-update")
    (result,) = report["results"]
    assert (result["outcome"], result["stored"]) == ("passed", "stored")


def test_a_regression_can_be_rerun_too(loop):
    loop.run("--energy-update")
    loop.set_cost(2.3)
    loop.run("--reruns=1").stdout.fnmatch_lines(["*1 failed, 1 rerun*"])


def test_every_rerun_has_one_set_of_junit_properties_of_its_own(project):
    project.write(test_it=FAILS_FIRST.replace("> 1", "> 2"))
    project.run("--reruns=3", "--junitxml=junit.xml")
    text = (project.path / "junit.xml").read_text()
    # pytest writes the properties of each of the three runs, the last one last.
    verdicts = re.findall(r'name="energy.verdict" value="(\w+)"', text)
    assert verdicts == ["unmeasured", "unmeasured", "new"]
