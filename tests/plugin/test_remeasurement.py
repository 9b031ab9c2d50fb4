"""Second looks, early stops, work and the yardstick, as a user meets them."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec

import pytest

TEST = "test_it.py::test_loop"


def store_five(project):
    for _ in range(5):
        project.run("--energy-update")


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
            "  change  +15.0 %  [[]*[]]   allowed +5 %",
            "  notice   +*",
            "  looks   +15.0 %, +15.0 %",
        ]
    )


def test_only_suspects_pay(loop):
    store_five(loop)
    calm = loop.report()["gate"]["joules"]
    loop.set_cost(2.3)
    suspect = loop.report()["gate"]["joules"]
    assert suspect == pytest.approx(calm * 1.15 + 230)


def test_the_figure_is_the_mean_of_both_looks(loop):
    store_five(loop)
    once_dearer(loop, 2.4)
    (result,) = loop.report()["results"]
    assert result["measurement"]["joules_per_unit"] == pytest.approx(2.2)
    assert result["measurement"]["metered_count"] == 100
    assert result["verdict"]["passes"] == [pytest.approx(0.2), pytest.approx(0.0)]
    assert result["verdict"]["status"] == "inconclusive"
    text = " ".join(line.strip() for line in loop.run("--energy-report").outlines)
    assert "two looks at the same samples differ by 20 %" in text
    assert "looked twice: +20.0 %, +0.0 %" in text


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
    assert len(result["verdict"]["passes"]) == 2


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
    assert len(result["verdict"]["passes"]) == 2
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
    assert entry["sessions"][0]["passes"] is None
    loop.set_cost(2.5)
    (result,) = loop.report()["results"]
    assert result["verdict"]["status"] == "regressed"
    assert result["verdict"]["passes"] == []


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
    assert region["passes"] == [pytest.approx(0.3), pytest.approx(0.3)]


# Capture


def test_update_looks_twice_and_stores_the_mean_and_how_far_they_differed(loop):
    once_dearer(loop, 2.04)
    loop.run("--energy-update")
    (session,) = loop.baseline()["entries"][TEST]["sessions"]
    assert session["joules_per_unit"] == pytest.approx(2.02)
    assert session["passes"] == pytest.approx(-0.0196, abs=1e-4)
    assert len(session["blocks"]) == 20


def test_update_stores_nothing_when_the_looks_disagree(loop):
    once_dearer(loop, 2.4)
    result = loop.run("--energy-update")
    result.assert_outcomes(passed=1)
    text = " ".join(line.strip() for line in result.outlines)
    assert "not stored: two looks at the same samples differ by 20 %" in text
    assert loop.baselines() == []


# Early stop


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
    assert len(result["verdict"]["passes"]) == 2


def test_without_it_the_loop_performs_all_of_n(loop):
    store_five(loop)
    assert loop.report()["results"][0]["measurement"]["metered_count"] == 100


def test_the_session_s_precision_may_be_verdict_too(loop):
    store_five(loop)
    (result,) = loop.report("--energy-precision=verdict")["results"]
    assert result["measurement"]["metered_count"] == 25


# Many tests


def test_every_test_of_the_session_widens_the_limit_of_each(project):
    project.ini("energy_meter = scripted", "energy_tolerance = 1%")
    body = """
        import pytest
        from model import infer

        @pytest.mark.parametrize("i", range({count}))
        @pytest.mark.inference(n=1, task="t", model="m")
        def test_x(i): infer()
        """
    limits = []
    for count in (1, 20):
        project.write(test_it=body.format(count=count))
        project.run("--energy-update")
        limits.append(project.verdicts()["test_it.py::test_x[0]"]["limit"])
    assert limits[1] > 1.2 * limits[0]


# Work


TORCH = """
import pytest, torch
from scripted import spend

layer = torch.nn.Linear({inner}, 20)

@pytest.mark.inference(n=10, task="t", model="m"{more})
def test_loop(energy):
    for i in energy.each(range(10)):
        layer(torch.ones(3, {inner}))
        spend({joules})
"""


@pytest.fixture
def torch_project(project):
    if find_spec("torch") is None:
        pytest.skip("needs torch")
    project.own_process = True

    def write(inner=10, joules=2.0, more=""):
        project.write(test_it=TORCH.format(inner=inner, joules=joules, more=more))
        return project

    return write


def test_work_is_counted_once_outside_the_windows_and_stored(torch_project):
    project = torch_project()
    (result,) = project.report("--energy-update")["results"]
    assert result["measurement"]["flops"] == {"count": 1200, "without_formula": []}
    assert result["measurement"]["joules_per_unit"] == 2.0
    entry = project.baseline()["entries"][TEST]
    assert entry["flops_per_inference"] == 1200
    assert entry["sessions"][0]["flops"] == 1200


def test_a_failing_test_says_whether_the_model_or_the_way_it_runs_has_changed(torch_project):
    project = torch_project()
    for _ in range(5):
        project.run("--energy-update")
    torch_project(inner=20, joules=3.0).run().stdout.fnmatch_lines(
        ["  work    +100.0 %  2.40 kFLOP per inference: the model has changed: it does more work"]
    )
    torch_project(joules=3.0).run().stdout.fnmatch_lines(
        [
            "  work     +0.0 %  1.20 kFLOP per inference: the model is the same, the way it runs"
            " is not"
        ]
    )
    report = torch_project(inner=20).run("--energy-report")
    report.assert_outcomes(passed=1)
    text = " ".join(line.strip() for line in report.outlines)
    assert "work +100.0 %: more work for the same energy: worth knowing" in text


def test_max_flops_gates_exactly_and_needs_no_baseline(torch_project):
    project = torch_project(more=', max_flops="1 kFLOP"')
    result = project.run("--energy-strict")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["  reason  1.20 kFLOP per inference, allowed 1.00 kFLOP"])
    torch_project(more=", max_flops=1200").run().assert_outcomes(passed=1)


def test_a_ceiling_that_could_not_be_checked_does_not_pass_for_one_that_held(torch_project):
    project = torch_project(more=", max_flops=1200")
    (result,) = project.report("--energy-work=off")["results"]
    assert result["verdict"]["status"] == "inconclusive"
    assert "max_flops" in result["verdict"]["reason"]
    assert result["measurement"]["flops"] is None


# The yardstick


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


@pytest.fixture
def undisturbed(monkeypatch):
    """Whatever else runs on this machine, no window is long enough to see it."""
    monkeypatch.setattr("pytest_energy.metering.window.SHORTEST_SHARE_SECONDS", 1e9)


def test_an_estimate_is_measured_beside_reference_work_and_a_counter_is_not(project, undisturbed):
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
        assert verdict["reference_change"] is not None


def test_it_can_be_switched_off_and_is_part_of_what_must_agree(project, undisturbed):
    project.ini("energy_meter = cpu_time", "energy_yardstick = off")
    project.write(test_it=CPU_BOUND)
    for result in project.report("--energy-update")["results"]:
        assert result["measurement"]["reference"] is None
    verdict = project.verdicts("--energy-yardstick=auto")[TEST]
    assert verdict["status"] == "incomparable"
    assert "the baseline's yardstick was none, now " in verdict["reason"]


@pytest.mark.parametrize("option", ["--energy-yardstick=on", "--energy-work=yes"])
def test_a_switch_that_is_neither_auto_nor_off_is_a_usage_error(loop, option):
    result = loop.run(option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*expected auto or off, found *"])


def test_a_run_that_is_killed_half_way_stores_nothing_and_leaves_the_baseline_whole(loop):
    loop.run("--energy-update")
    before = [path.read_bytes() for path in loop.baselines()]
    loop.write(
        model="""
        import os, signal
        from scripted import spend
        calls = []

        def infer(sample=None):
            spend(2.0)
            calls.append(sample)
            if len(calls) == 150:  # in the second look
                os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--energy-update"],
        cwd=loop.path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == -9
    assert [path.read_bytes() for path in loop.baselines()] == before


def test_what_a_test_with_regions_is_judged_by_it_is_stored_by(project):
    # A region is one more comparison: +7.2 % is within the limit of two, and beyond that of one.
    project.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.inference(n=20, tolerance="1%")
        def test_x(energy):
            for _ in energy.each(range(20)):
                with energy.measure("all"):
                    infer()
        """
    )
    project.run("--energy-update")
    project.set_cost(2.144)
    assert project.verdicts()["test_it.py::test_x"]["status"] == "inconclusive"
    project.run("--energy-update").stdout.fnmatch_lines(
        [
            "energy: test_it.py::test_x: added to 1 session",
            "energy: test_it.py::test_x#all: added to 1 session",
        ]
    )
