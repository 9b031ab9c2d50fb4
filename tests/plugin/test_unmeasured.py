"""A clear verdict, never a made-up number."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("body", "reason", "outcome"),
    [
        ("for _ in energy.each([]): pass", "samples is empty", "passed"),
        (
            # 20 of them are the warm-up
            "for i, _ in enumerate(energy.each([0])):\n        infer()\n        if i == 359: break",
            "the loop was left after 334 of 1,000 inferences",
            "passed",
        ),
        ("next(energy.each([0]))", "the loop was left after 0 of 1,000 inferences", "passed"),
        (
            "for i, _ in enumerate(energy.each([0])):\n        if i == 25: raise KeyError('mine')",
            "the body raised KeyError after 0 of 1,000 inferences",
            "failed",
        ),
        ("infer(); raise KeyError('mine')", "the body raised KeyError", "failed"),
        ("infer(); pytest.fail('mine')", "the body raised Failed", "failed"),
        ("infer(); pytest.skip('not today')", "skipped inside the body", "skipped"),
        ("infer(); pytest.xfail('known')", "xfailed inside the body", "xfailed"),
        ("import scripted; scripted.LOST.append('unplugged')", "scripted: unplugged", "passed"),
        (
            "for i, _ in enumerate(energy.each([0])):\n        infer()\n"
            "        if i == 500: import scripted; scripted.LOST.append('unplugged')",
            "the meter was lost: scripted: unplugged",
            "passed",
        ),
        (
            "with pytest.raises(KeyError):\n        with energy.measure('x'): raise KeyError",
            "the region raised KeyError",
            "passed",
        ),
    ],
)
def test_what_gave_no_figure_is_unmeasured_with_a_reason(project, body, reason, outcome):
    project.write(
        test_it=f"""
import pytest
from model import infer

@pytest.mark.inference(n=1000)
def test_x(energy):
    {body}
"""
    )
    result = project.report()["results"][-1]
    assert result["verdict"]["status"] == "unmeasured"
    assert reason in result["verdict"]["reason"]
    assert result["measurement"] is None
    assert result["outcome"] == outcome
    project.run("--energy-update")
    assert project.baselines() == []


def test_samples_that_run_dry_are_said(project):
    project.write(
        test_it="""
        import pytest
        from model import infer

        class Once:
            items = [1, 2, 3]

            def __iter__(self):
                items, self.items = self.items, []
                return iter(items)

        @pytest.mark.inference(n=5, warmup=0)
        def test_x(energy):
            for sample in energy.each(Once()):
                infer(sample)
        """
    )
    reason = project.verdicts("--energy-counts=off")["test_it.py::test_x"]["reason"]
    assert reason == "samples ran out after 3 of 5 inferences"


def test_the_bodys_own_failure_stays_on_top(project):
    project.write(
        test_it="""
        import pytest

        @pytest.mark.inference(n=10)
        def test_x(energy):
            for _ in energy.each([0]):
                assert 1 == 2, "mine"
        """
    )
    result = project.run("--energy-strict")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*AssertionError: mine*"])
    result.stdout.no_fnmatch_line("*energy unmeasured*")


def test_a_unittest_failure_stays_on_top_too(project):
    project.write(
        test_it="""
        import pytest, unittest

        class TestIt(unittest.TestCase):
            @pytest.mark.inference(n=10)
            def test_x(self):
                self.assertEqual(1, 2)

            @pytest.mark.inference(n=10)
            def test_y(self):
                self.skipTest("not today")
        """
    )
    verdicts = project.verdicts("--energy-strict")
    assert "raised AssertionError" in verdicts["test_it.py::TestIt::test_x"]["reason"]
    assert "skipped inside" in verdicts["test_it.py::TestIt::test_y"]["reason"]
    project.run("--energy-strict").assert_outcomes(failed=1, skipped=1)


def test_a_failed_subtest_is_a_failed_test_and_nothing_is_stored(project):
    project.write(
        test_it="""
        import pytest, unittest
        from model import infer

        @pytest.mark.inference(n=1)
        def test_x(subtests):
            infer()
            with subtests.test("a"):
                assert False

        class TestIt(unittest.TestCase):
            @pytest.mark.inference(n=1)
            def test_y(self):
                infer()
                with self.subTest("a"):
                    self.fail()
        """
    )
    if not hasattr(pytest, "Subtests"):
        pytest.skip("this pytest has no subtests")
    report = project.report("--energy-update")
    assert {result["outcome"] for result in report["results"]} == {"failed"}
    assert project.baselines() == []


def test_exit_in_a_body_is_a_body_that_raised(project):
    project.write(
        test_it="""
        import pytest, sys
        @pytest.mark.inference(n=1)
        def test_x(): sys.exit(1)
        """
    )
    assert "raised SystemExit" in project.verdicts()["test_it.py::test_x"]["reason"]


def test_a_region_that_is_never_left_is_unmeasured(project):
    project.write(
        test_it="""
        def test_x(energy):
            global region
            region = energy.measure("a")
            region.__enter__()
        """
    )
    assert "never left" in project.verdicts()["test_it.py::test_x#a"]["reason"]


def test_the_message_says_why_also_where_counts_can_be_compared(project):
    body = """
import pytest
from model import infer

@pytest.mark.inference(n=1000)
def test_x(energy):
    for i, _ in enumerate(energy.each([0])):
        infer()
"""
    project.write(test_it=body)
    project.run("--energy-update")
    lost = "        if i == 900: import scripted; scripted.LOST.append('unplugged')\n"
    project.write(test_it=body + lost)
    printed = project.run().stdout.str()
    assert "energy unmeasured: the meter was lost: scripted: unplugged" in printed
    assert "counted per inference" not in printed
    assert "  counted     +0.0 %" in printed
