"""Loops that end once more inferences would change nothing."""

from __future__ import annotations

from support.projects import store_five

PRECISION = """
import pytest
from model import infer

@pytest.mark.inference(n=1000, warmup=0, precision="verdict", task="t", model="m")
def test_loop(energy):
    for sample in energy.each(range(30)):
        infer(sample)
"""


def test_with_precision_verdict_the_loop_ends_once_more_blocks_can_hardly_change_it(project):
    project.write(test_it=PRECISION)
    assert (
        project.report()["results"][0]["measurement"]["metered_count"] == 1000
    )  # nothing to compare with
    for _ in range(5):
        project.run("--energy-update")
    (result,) = project.report()["results"]
    assert result["verdict"]["status"] == "ok"
    assert result["measurement"]["metered_count"] == 250
    assert result["measurement"]["joules_per_unit"] == 2.0
    project.run("--energy-report").stdout.fnmatch_lines(["*from 250*"])
    project.set_cost(2.4)
    (result,) = project.report()["results"]
    assert result["verdict"]["status"] == "regressed"
    assert result["measurement"]["metered_count"] == 250
    assert len(result["verdict"]["change"]["passes"]) == 2


def test_without_it_the_loop_performs_all_of_n(loop):
    store_five(loop)
    assert loop.report()["results"][0]["measurement"]["metered_count"] == 100


def test_the_session_s_precision_may_be_verdict_too(loop):
    store_five(loop)
    (result,) = loop.report("--energy-precision=verdict")["results"]
    assert result["measurement"]["metered_count"] == 25


def test_precision_ends_the_loop_early_and_says_so(project):
    project.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.inference(n=1000, warmup=0, precision="2%")
        def test_x(energy):
            assert sum(1 for x in energy.each([0]) if not infer(x)) == 6 + 250
        """
    )
    (result,) = project.report("--energy-report")["results"]
    assert result["measurement"]["metered_count"] == 250
    assert result["measurement"]["joules_per_unit"] == 2.0
    project.run("--energy-report").stdout.fnmatch_lines(["*from 250*"])
