"""Re-measurement: a suspect is measured again in place; what is stored is measured twice."""

from __future__ import annotations

import pytest

from support.projects import TEST, store_five


def once_dearer(project, joules, *, passes=1):
    """The model takes so much in its first passes, and 2 J an inference in all later ones."""
    project.write(
        model=f"""
        from scripted import spend
        calls = []

        def infer(sample=None):
            calls.append(sample)
            # Two of warm-up, then a hundred a pass.
            spend({joules} if len(calls) <= 2 + 100 * {passes} else 2.0)
        """
    )


# Confirmation


def test_a_suspect_is_looked_at_again_in_place_and_only_a_confirmed_one_fails(loop):
    store_five(loop)
    once_dearer(loop, 2.4)
    loop.run().assert_outcomes(passed=1)
    once_dearer(loop, 2.4, passes=2)
    loop.run().assert_outcomes(failed=1)


def test_the_message_shows_both_looks(loop):
    store_five(loop)
    loop.set_cost(2.3)
    loop.run().stdout.fnmatch_lines(
        [
            "energy regressed: 2.30 J per inference, baseline 2.00 J (5 sessions, 2.00 to 2.00)",
            "  change     +15.0 %  [[]*[]]   allowed +5 %",
            "  detectable  +*",
            "  passes     +15.0 %, +15.0 %",
        ]
    )


def test_only_suspects_pay(loop):
    store_five(loop)
    calm = loop.report()["overhead"]["joules"]
    loop.set_cost(2.3)
    suspect = loop.report()["overhead"]["joules"]
    assert suspect == pytest.approx(calm * 1.15 + 230)


def test_the_figure_is_the_mean_of_both_looks(loop):
    store_five(loop)
    once_dearer(loop, 2.4)
    (result,) = loop.report()["results"]
    assert result["measurement"]["joules_per_unit"] == pytest.approx(2.2)
    assert result["measurement"]["metered_count"] == 100
    assert result["verdict"]["change"]["passes"] == [pytest.approx(0.2), pytest.approx(0.0)]
    assert result["verdict"]["status"] == "inconclusive"
    text = " ".join(line.strip() for line in loop.run("--energy-report").outlines)
    assert "two passes over the same samples differ by 20 %" in text
    assert "two passes: +20.0 %, +0.0 %" in text


def test_averages_over_the_loop_stay_right_when_it_goes_round_again(loop):
    loop.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.inference(n=100, task="sentiment", model="tiny")
        def test_loop(energy):
            hits = sum(infer(i) is not None for i in energy.each(range(30)))
            energy.record(accuracy=hits / energy.count)
            assert energy.count in (102, 202)
        """
    )
    store_five(loop)
    loop.set_cost(2.3)
    (result,) = loop.report()["results"]
    assert result["measurement"]["recorded"] == {"accuracy": 1.0}
    assert len(result["verdict"]["change"]["passes"]) == 2


def test_run_returns_the_first_pass_whatever_is_looked_at_again(project):
    project.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.inference(n=6, warmup=1)
        def test_loop(energy):
            assert energy.run(infer, [1, 2, 3, 4]) == [1, 2, 3, 4, 1, 2]
        """
    )
    project.run("--energy-update").assert_outcomes(passed=1)
    project.set_cost(9.0)
    project.run().assert_outcomes(failed=1)
    project.run("--energy-update").assert_outcomes(passed=1)


def test_tokens_of_both_passes_divide_the_energy_of_one(project):
    body = """
        import pytest
        from model import infer

        @pytest.mark.inference(n=10, unit="token", task="t", model="m")
        def test_x(energy):
            tokens = 0
            for i in energy.each(range(10)):
                infer()
                tokens += 5
                energy.record(tokens=tokens)
        """
    project.write(test_it=body)
    for _ in range(5):
        project.run("--energy-update")
    project.set_cost(3.0)
    (result,) = project.report()["results"]
    assert result["verdict"]["status"] == "regressed"
    assert len(result["verdict"]["change"]["passes"]) == 2
    assert result["measurement"]["joules_per_unit"] == pytest.approx(0.6)


def test_a_loop_that_is_left_in_its_second_pass_keeps_the_first_look(loop):
    loop.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.inference(n=100, task="sentiment", model="tiny")
        def test_loop(energy):
            for i, _ in enumerate(energy.each(range(30))):
                infer()
                if i == 150:
                    break
        """
    )
    loop.run("--energy-update").assert_outcomes(passed=1)
    (entry,) = loop.baseline()["entries"].values()
    assert entry["sessions"][0]["repeat_difference"] is None
    loop.set_cost(2.5)
    (result,) = loop.report()["results"]
    assert result["verdict"]["status"] == "regressed"
    assert result["verdict"]["change"]["passes"] == []


def test_a_region_inside_the_loop_is_looked_at_again_with_it(project):
    project.write(
        test_it="""
        import pytest
        from model import infer
        from scripted import spend

        @pytest.mark.inference(n=20)
        def test_x(energy):
            for i in energy.each(range(20)):
                spend(100)
                with energy.measure("decode"):
                    infer()
        """
    )
    for _ in range(5):
        project.run("--energy-update")
    project.set_cost(2.6)
    verdicts = project.verdicts()
    assert verdicts["test_it.py::test_x"]["status"] == "ok"
    region = verdicts["test_it.py::test_x#decode"]
    assert region["status"] == "regressed"
    assert region["change"]["passes"] == [pytest.approx(0.3), pytest.approx(0.3)]


# Capture


def test_update_looks_twice_and_stores_the_mean_and_how_far_they_differed(loop):
    once_dearer(loop, 2.04)
    loop.run("--energy-update")
    (session,) = loop.baseline()["entries"][TEST]["sessions"]
    assert session["joules_per_unit"] == pytest.approx(2.02)
    assert session["repeat_difference"] == pytest.approx(-0.0196, abs=1e-4)
    assert len(session["blocks"]) == 20


def test_update_stores_nothing_when_the_looks_disagree(loop):
    once_dearer(loop, 2.4)
    result = loop.run("--energy-update")
    result.assert_outcomes(passed=1)
    text = " ".join(line.strip() for line in result.outlines)
    assert "not stored: two passes over the same samples differ by 20 %" in text
    assert loop.baselines() == []
