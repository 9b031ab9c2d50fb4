"""Budgets in joules and grams."""

from __future__ import annotations

from support.projects import TEST


def test_an_over_budget_test_fails_without_any_baseline_and_is_not_stored(project):
    project.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.inference(n=1, budget="1.5 J")
        def test_x():
            infer()
        """
    )
    result = project.run("--energy-update")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "energy over budget: 2.00 J per inference, allowed 1.50 J",
            "  reason     the budget is 1.5 J",
        ]
    )
    assert project.baselines() == []


def test_a_budget_in_grams_is_judged_at_todays_intensity(project):
    # 2 J x 1,000 at 475 g/kWh are 0.264 g.
    project.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.inference(n=1, budget="0.2 gCO2e/1000")
        def test_x():
            infer()
        """
    )
    assert project.verdicts()["test_it.py::test_x"]["status"] == "over_budget"
    cleaner = project.verdicts("--energy-carbon-intensity=300")
    assert cleaner["test_it.py::test_x"]["status"] == "new"
    with_pue = project.verdicts("--energy-carbon-intensity=300", "--energy-pue=1.5")
    assert with_pue["test_it.py::test_x"]["status"] == "over_budget"


def test_a_cleaner_grid_is_no_improvement(loop):
    loop.run("--energy-update", "--energy-country=USA")
    verdict = loop.verdicts("--energy-country=FRA")[TEST]
    assert (verdict["status"], verdict["change"]["value"]) == ("ok", 0.0)


def test_within_its_budget_a_test_needs_no_baseline_even_under_strict(project):
    project.write(
        test_it="""
        import pytest
        from model import infer
        @pytest.mark.inference(n=1, budget="9 J")
        def test_x(): infer()
        """
    )
    project.run("--energy-strict").assert_outcomes(passed=1)


def test_a_budget_in_grams_binds_nobody_on_a_grid_without_carbon(project):
    project.write(
        test_it="""
        import pytest
        from model import infer
        @pytest.mark.inference(n=1, budget="0.6 gCO2e/1000")
        def test_x(): infer()
        """
    )
    (result,) = project.report("--energy-carbon-intensity=0")["results"]
    assert (result["verdict"]["status"], result["rule"]["budget_joules"]) == ("new", None)
