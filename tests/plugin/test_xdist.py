"""Results that come from the workers of pytest-xdist."""

from __future__ import annotations

import json

import portalocker
import pytest

from support.projects import FAILS_FIRST


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


def test_under_workers_the_gate_holds(loop):
    loop.run("--energy-update")
    loop.set_cost(3.0)
    (verdict,) = loop.verdicts("-n2").values()
    assert verdict["status"] == "regressed"
    assert verdict["change"]["value"] == pytest.approx(0.5)


@pytest.mark.parametrize("dearer", ["gw0", "gw1"])
def test_where_each_worker_runs_every_test_the_one_that_failed_counts(loop, dearer):
    loop.run("--energy-update")
    loop.write(
        model=f"""
        import os
        from scripted import spend

        def infer(sample=None):
            spend(3.0 if os.environ["PYTEST_XDIST_WORKER"] == "{dearer}" else 2.0)
        """
    )
    options = ("--energy-markdown=o.md", "--energy-json=o.json", "-n2", "--dist=each")
    result = loop.run(*options)
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["energy: 1 compared (1 regressed)*"])
    assert "**Energy: 1 regressed**" in (loop.path / "o.md").read_text("utf-8")
    (stood,) = json.loads((loop.path / "o.json").read_text("utf-8"))["results"]
    assert (stood["outcome"], stood["verdict"]["status"]) == ("failed", "regressed")


def test_a_rerun_in_a_worker_replaces_what_it_measured_first(loop):
    loop.write(test_it=FAILS_FIRST)
    report = loop.report("-n2", "--reruns=1")
    assert [result["outcome"] for result in report["results"]] == ["passed"]
    assert [result["verdict"]["status"] for result in report["results"]] == ["new"]


def test_workers_store_what_they_measure(loop):
    assert loop.run("-n2", "--energy-update").ret == pytest.ExitCode.OK
    (entry,) = loop.baseline()["entries"].values()
    assert len(entry["sessions"]) == 1


def test_a_budget_holds_under_workers(project):
    project.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.inference(n=1, budget="0.02 J")
        def test_x(): infer()
        """
    )
    for more in (), ("--energy-lock=off",):
        assert project.verdicts("-n2", *more)["test_it.py::test_x"]["status"] == "over_budget"


def test_without_the_lock_workers_side_by_side_fail_what_they_keep_from_being_compared(loop):
    loop.run("--energy-update")
    loop.set_cost(3.0)
    result = loop.run("-n2", "--energy-lock=off")
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert "2 pytest-xdist workers ran side by side" in text
    assert "--energy-allow=workers lets it pass without a comparison" in text
    allowed = loop.run("-n2", "--energy-lock=off", "--energy-allow=workers")
    allowed.assert_outcomes(passed=1)
    allowed.stdout.fnmatch_lines(
        ["energy: switched off: the machine's lock (--energy-lock)", "energy: allowed to pass *"]
    )


SPANS = """
import json, time
import pytest
from model import infer

def note(name, begin):
    with open("spans.jsonl", "a") as file:
        file.write(json.dumps([name, begin, time.monotonic()]) + "\\n")

@pytest.mark.parametrize("i", range(4))
@pytest.mark.inference(n=1, task="t", model="m")
def test_metered(i):
    begin = time.monotonic()
    infer()
    time.sleep(0.05)
    note("metered", begin)

@pytest.mark.parametrize("i", range(20))
def test_plain(i):
    begin = time.monotonic()
    time.sleep(0.02)
    note("plain", begin)
"""


@pytest.mark.parametrize("how", ["load", "loadscope", "loadfile", "loadgroup", "worksteal"])
def test_nothing_of_a_run_overlaps_a_metered_test(project, how):
    project.write(test_it=SPANS)
    report = project.report("-n3", f"--dist={how}")
    assert len(report["results"]) == 4
    spans = [json.loads(line) for line in (project.path / "spans.jsonl").read_text().splitlines()]
    assert len(spans) == 24
    for name, begin, end in spans:
        others = [one for one in spans if one != [name, begin, end]]
        if name == "metered":
            assert not [one for one in others if one[1] < end and begin < one[2]]


def test_a_machine_that_is_not_left_in_time_fails_metered_tests_and_no_others(project):
    project.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.parametrize("i", range(3))
        @pytest.mark.inference(n=1)
        def test_x(i): infer()

        def test_plain(): pass
        """
    )
    with portalocker.Lock(project.path.parent / "pytest-energy.lock"):
        result = project.run("--energy-lock-timeout=2")
    result.assert_outcomes(errors=3, passed=1)
    # The first one has waited for as long as was asked for, the others a moment each.
    for seconds in ("2 s", "1 s", "1 s"):
        result.stdout.fnmatch_lines_random([f"*the machine was not free within {seconds}: *"])


COMPARING = """
import pytest
from model import infer

@pytest.mark.parametrize("model", ["a", "b", "c"])
@pytest.mark.inference(n=1)
def test_x(model):
    infer()

def test_they_are_all_here(energy_results):
    assert len(energy_results) == 3
"""


@pytest.mark.parametrize("how", ["load", "loadscope", "loadfile", "worksteal", "each"])
def test_a_test_that_compares_waits_for_what_other_workers_measure(project, how):
    project.write(test_it=COMPARING)
    result = project.run("-n3", f"--dist={how}")
    result.assert_outcomes(passed=12 if how == "each" else 4)


@pytest.mark.parametrize("option", ["--energy-judge=counted", "--energy-lock=off"])
def test_it_waits_for_them_where_tests_need_no_machine_to_themselves(project, option):
    slow = COMPARING.replace("    infer()", "    time.sleep(model == 'b' and 4); infer()")
    seen = "len([*energy_results])" if "counted" in option else "len(energy_results)"
    slow = slow.replace("len(energy_results)", seen)
    project.write(test_it=f"import time\n{slow.strip()}")
    project.run("-n3", option).assert_outcomes(passed=4)


@pytest.mark.parametrize("option", ["--energy-judge=counted", "--energy-judge=both"])
def test_it_does_not_wait_forever_for_a_worker_that_died(project, option):
    dying = COMPARING.replace("    infer()", "    infer(model == 'a' and abort())")
    dying = dying.replace("len(energy_results)", "len([*energy_results])")
    project.write(test_it=f"from os import abort\n{dying.strip()}")
    result = project.run("-n2", option)
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines_random(["*worker 'gw?' crashed*", "*assert 2 == 3*"])


def test_a_group_of_xdist_is_no_part_of_a_tests_name(project):
    project.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.xdist_group("gpu")
        @pytest.mark.inference(n=100, task="t", model="m")
        def test_x(energy):
            energy.run(infer, range(10))
        """
    )
    project.run("--energy-update")
    project.set_cost(3.0)
    assert (
        project.verdicts("-n1", "--dist=loadgroup")["test_it.py::test_x"]["status"] == "regressed"
    )


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


def test_under_xdist_the_header_stands_behind_the_tests(loop):
    loop.run("-n1").stdout.fnmatch_lines(["energy: scripted (counter), *", "energy: nothing was *"])


def test_where_no_worker_metered_the_header_names_no_meter(project):
    project.write(
        test_it="""
        import pytest

        @pytest.mark.skip
        @pytest.mark.inference(n=1)
        def test_x(): pass
        """
    )
    text = project.run("-n1").stdout.str()
    assert "no meter" not in text
    assert "baselines in baselines/" in text


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


def test_a_worker_that_meters_nothing_sees_what_the_others_have_measured(project):
    project.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.inference(n=1, task="t", model="m")
        def test_metered():
            infer()

        def test_comparison(energy_results):
            assert len(energy_results.where(model="m")) == 1
        """
    )
    for workers in (2, 4):
        assert project.run(f"-n{workers}").ret == 0


def test_what_was_metered_with_stands_above_the_failures(loop):
    loop.run("--energy-update")
    loop.set_cost(3.0)
    lines = loop.run("-n1").outlines
    (header,) = [i for i, line in enumerate(lines) if line.startswith("energy: scripted (counter)")]
    (failures,) = [i for i, line in enumerate(lines) if " FAILURES " in line]
    assert header < failures
