"""CPU and memory allocator while a test is metered: held, said, compared."""

from __future__ import annotations

import os
import sys

import pytest

from pytest_energy.machine import allocator
from pytest_energy.types.measurement import STEADY_VARIABLES

glibc = pytest.mark.skipif(
    not (sys.platform == "linux" and allocator._is_glibc()), reason="the C library is not glibc"
)
pinning = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="there is no choice of CPUs",
)

LARGE = """
import pytest
from scripted import spend

@pytest.mark.inference(n=5, task="images", model="large", warmup=2)
def test_loop(energy):
    for _ in energy.each(range(5)):
        bytearray(40 << 20)  # given back to the system each time, unless it is kept
        spend(2)
"""


@glibc
def test_page_faults_are_counted_and_gone_with_a_steady_allocator(project):
    project.own_process = True
    project.write(test_it=LARGE)
    faults = {}
    for how in ("as-is", "steady"):
        (result,) = project.report(f"--energy-allocator={how}")["results"]
        measurement = result["measurement"]
        assert measurement["allocator"] == how
        faults[how] = sum(block["page_faults"] for block in measurement["blocks"]) / 5
    assert faults["as-is"] > 10_000
    assert faults["steady"] < 100


@glibc
def test_what_a_steady_allocator_saves_is_said_once_with_how_to_have_it(project):
    project.own_process = True
    project.write(test_it=LARGE, test_other=LARGE)
    result = project.run("--energy-report")
    said = " ".join(result.stdout.str().split())
    assert said.count(f"with {STEADY_VARIABLES} in the environment it took") == 1
    assert "test_loop: 10,2" in said
    assert "page faults in an inference: memory is given back to the system and taken again" in said
    assert "% less CPU time" in said


def test_nothing_is_said_where_little_is_given_back(loop):
    loop.own_process = True
    result = loop.run("--energy-report")
    result.assert_outcomes(passed=1)
    assert "page faults" not in result.stdout.str()


@glibc
def test_how_the_allocator_was_has_to_agree_with_the_baseline(loop):
    loop.own_process = True
    loop.run("--energy-update", "--energy-allocator=as-is")
    (entry,) = loop.baseline()["entries"].values()
    assert entry["allocator"] == "as-is"
    assert entry["sessions"][0]["page_faults"] is not None
    verdict = loop.verdicts()["test_it.py::test_loop"]
    assert verdict["status"] == "incomparable"
    assert verdict["reason"] == (
        "the baseline's memory allocator was as-is, now steady (--energy-allocator)"
    )


def test_more_page_faults_than_the_baseline_had_stand_in_the_failure(project):
    project.own_process = True
    project.write(test_it=LARGE.replace("bytearray(40 << 20)", "pass"))
    project.run("--energy-update", "--energy-allocator=as-is")
    project.write(test_it=LARGE.replace("spend(2)", "spend(3)"))
    result = project.run("--energy-allocator=as-is")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["  memory     * -> 10,2?? page faults per inference: memory is given back to the system*"]
    )


@pinning
def test_work_on_one_thread_is_held_on_one_cpu_and_let_go_afterwards(project):
    project.write(
        test_it="""
        import os, pytest

        def test_loop(energy):
            before = os.sched_getaffinity(0)
            held = [os.sched_getaffinity(0) for _ in energy.each(range(20))]
            assert len(set().union(*held[-20:])) == 1
            assert os.sched_getaffinity(0) == before

        def test_that_fails(energy):
            for i in energy.each(range(20)):
                assert i < 10

        def test_afterwards():
            assert len(os.sched_getaffinity(0)) > 1
        """
    )
    project.run().assert_outcomes(passed=2, failed=1)
    (result, _) = project.report()["results"]
    assert result["measurement"]["cpu"] in os.sched_getaffinity(0)


@pinning
def test_holding_can_be_switched_off(loop):
    (result,) = loop.report()["results"]
    assert result["measurement"]["cpu"] is not None
    (result,) = loop.report("--energy-pin=off")["results"]
    assert result["measurement"]["cpu"] is None


def test_a_loop_without_a_warm_up_is_not_held_since_nothing_is_known_of_it(project):
    project.write(
        test_it="""
        import pytest

        @pytest.mark.inference(n=20, warmup=0)
        def test_loop(energy):
            list(energy.each(range(20)))
        """
    )
    (result,) = project.report()["results"]
    assert result["measurement"]["cpu"] is None


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (
            "--energy-allocator=fast",
            "--energy-allocator (or ini energy_allocator): expected steady",
        ),
        ("--energy-pin=yes", "--energy-pin (or ini energy_pin): expected auto or off, found 'yes'"),
        ("--energy-processes=0", "--energy-processes (or ini energy_processes): expected a whole"),
        ("--energy-processes=many", "expected a whole number from 1 to 100, found 'many'"),
    ],
)
def test_a_wrong_value_is_a_usage_error(loop, option, message):
    result = loop.run(option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert message in result.stderr.str()
