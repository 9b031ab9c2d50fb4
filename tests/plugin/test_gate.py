"""The gate as a user meets it: compare, fail, accept."""

from __future__ import annotations

import subprocess
import sys

import pytest

from support.projects import TEST, flowing


def test_new_then_ok_then_regressed_then_accepted(loop):
    assert loop.verdicts()[TEST]["status"] == "new"
    loop.run("--energy-update").assert_outcomes(passed=1)
    assert loop.verdicts()[TEST]["status"] == "ok"

    loop.set_cost(2.3)
    failed = loop.run()
    failed.assert_outcomes(failed=1)
    assert failed.ret == pytest.ExitCode.TESTS_FAILED
    failed.stdout.fnmatch_lines(
        [
            "energy regressed: 2.30 J per inference, baseline 2.00 J (1 session)",
            "  change     +15.0 %  [[]+9.6 %, +20.7 %[]] (95 %)   allowed +5.8 % (asked: 5 %)",
            "  detectable  +8.2 %  would have been found, in four of five sessions",
            "  processes  +15.0 %, +15.0 %",
            "  cpu        +15.0 %  counter (RAPL)",
            "  CO2e       0.264 g -> 0.303 g per 1,000 inferences at 475 g/kWh (world average*",
            f"accept it: pytest {TEST} --energy-update",
            "energy: 1 compared (1 regressed); the gate itself, warm-up included, took *",
            "FAILED test_it.py::test_loop - Failed: energy regressed: 2.30 J per inference*",
        ]
    )

    accepted = loop.run("--energy-update")
    accepted.assert_outcomes(passed=1)
    accepted.stdout.fnmatch_lines([f"energy: {TEST}: replaced (was 2.00 J, +15.0 %)"])
    assert loop.verdicts()[TEST]["status"] == "ok"


def test_an_improvement_passes_and_is_said(loop):
    loop.run("--energy-update")
    loop.set_cost(1.5)
    result = loop.run()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["energy: 1 compared (1 improved); *"])


def test_update_adds_a_session_that_agrees(loop):
    loop.run("--energy-update")
    loop.set_cost(2.04)
    loop.run("--energy-update").stdout.fnmatch_lines([f"energy: {TEST}: added to 1 session"])
    entry = loop.baseline()["entries"][TEST]
    assert [s["joules_per_unit"] for s in entry["sessions"]] == [2.0, 2.04]
    assert entry["joules_per_unit"] == 2.02


def test_each_domain_is_named_with_its_own_change(loop):
    loop.set_cost(1.0, gpu=10.0)
    loop.run("--energy-update")
    loop.set_cost(1.0, gpu=12.0)
    loop.run().stdout.fnmatch_lines(
        ["  gpu:0      +20.0 %  counter (NVML)", "  cpu         +0.0 %  counter (RAPL)"]
    )


@pytest.mark.parametrize("status", ["new", "unresolved", "unmeasured", "incomparable"])
def test_strict_also_fails_what_could_not_be_compared(loop, status):
    if status == "unresolved":
        loop.set_cost(0.0)
    elif status == "unmeasured":
        loop.write(model="import scripted\ndef infer(x): scripted.LOST.append('gone')")
    elif status == "incomparable":
        loop.run("--energy-update")
        loop.write(test_it=(loop.path / "test_it.py").read_text().replace("n=100", "n=50"))
    loop.run().assert_outcomes(passed=1)
    failed = loop.run("--energy-strict")
    failed.assert_outcomes(failed=1)
    failed.stdout.fnmatch_lines([f"energy {status}: *"])


def test_strict_lets_through_what_update_is_about_to_store(loop):
    loop.run("--energy-strict", "--energy-update").assert_outcomes(passed=1)
    loop.run("--energy-strict").assert_outcomes(passed=1)


def test_off_runs_the_tests_without_metering(loop):
    loop.write(
        test_it=(loop.path / "test_it.py").read_text()
        + "\n\n@pytest.mark.inference(n=3)\ndef test_more(energy, energy_results):\n"
        "    assert energy.run(infer, [1, 2]) == [1, 2, 1]\n"
        "    with energy.measure('x'): infer()\n"
        "    energy.record(accuracy=1)\n"
        "    assert (energy.count, energy.result, len(energy_results)) == (3, None, 0)\n"
    )
    result = loop.run("--energy-off", "--energy-update", "--energy-report")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["energy: off (--energy-off): nothing is metered"])
    assert loop.baselines() == []


@pytest.mark.parametrize("option", ["--energy-off", "--energy-judge=counted"])
def test_what_compares_measurements_is_skipped_where_nothing_is_metered(loop, option):
    loop.write(
        test_other="""
        def test_ratio(energy_results):
            energy_results.where(task="t").ratio(energy_results)

        def test_cost(energy_results):
            energy_results.training()
        """
    )
    result = loop.run(option, "-rs")
    result.assert_outcomes(passed=1, skipped=2)
    said = f"{option} meters nothing: there are no energies to compare"
    assert said in flowing(result)


def test_a_gate_that_compared_nothing_says_so_in_red(loop):
    result = loop.run("--color=yes")
    (line,) = [line for line in result.outlines if "nothing was compared, 1 new" in line]
    assert "\x1b[31m" in line


def test_a_session_without_metered_tests_says_nothing(project):
    project.write(test_it="def test_x(): pass")
    result = project.run("--energy-report", "--energy-update")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*energy*:*")


def test_update_touches_only_what_was_selected_and_passed(project):
    project.write(
        test_it="""
        import pytest
        from model import infer
        pytestmark = pytest.mark.inference(n=1, task="t", model="m")

        def test_good(): infer()
        def test_other(): infer()

        @pytest.mark.xfail
        def test_xfails(): infer(); assert False

        @pytest.mark.xfail
        def test_xpasses(): infer()

        def test_bad(): infer(); assert False

        @pytest.fixture
        def breaks():
            yield
            assert False

        def test_teardown(breaks): infer()
        """
    )
    result = project.run("--energy-update", "-k", "not other")
    assert list(project.baseline()["entries"]) == ["test_it.py::test_good"]
    result.stdout.fnmatch_lines(
        [
            "energy: test_it.py::test_xfails: not stored: the test xfailed",
            "energy: test_it.py::test_xpasses: not stored: the test xpassed",
            "energy: test_it.py::test_bad: not stored: the test failed",
            "energy: test_it.py::test_teardown: not stored: its teardown failed",
        ]
    )


def test_the_header_names_meters_machine_and_folder(loop):
    loop.run().stdout.fnmatch_lines(["energy: scripted (counter), *cpu-*"])
    loop.run("-q").stdout.no_fnmatch_line("energy: scripted*")


def test_a_gate_whose_tests_were_all_skipped_says_so(project):
    project.write(
        test_it="""
        import pytest
        @pytest.mark.skip
        @pytest.mark.inference(n=1)
        def test_x(): pass
        """
    )
    project.run().stdout.fnmatch_lines(
        ["energy: metered tests that were skipped: test_x", "energy: nothing was compared*"]
    )


def test_the_command_can_be_typed_where_the_user_stands(loop, monkeypatch):
    below = loop.path / "below"
    below.mkdir()
    loop.run("--energy-update")
    loop.set_cost(3.0)
    monkeypatch.chdir(below)
    loop.run("..").stdout.fnmatch_lines([f"accept it: pytest ../{TEST} --energy-update"])
    assert loop.run(f"../{TEST}", "--energy-update").ret == pytest.ExitCode.OK


def test_the_module_can_be_run_as_users_run_it(loop):
    """A process of its own, with the plugin found by its entry point."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--energy-report"],
        cwd=loop.path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "2.00 J" in done.stdout


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
        limits.append(project.verdicts()["test_it.py::test_x[0]"]["change"]["limit"])
    assert limits[1] > 1.2 * limits[0]


def test_a_baseline_is_looked_up_once_per_test_and_region(loop, monkeypatch):
    from pytest_energy.baselines.store import BaselineStore

    loop.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.inference(n=40, task="sentiment", model="tiny", precision="verdict")
        def test_loop(energy):
            for sample in energy.each(range(30)):
                with energy.measure("decode"):
                    infer(sample)
        """
    )
    loop.run("--energy-update")
    loop.set_cost(3.0)
    found, find = [], BaselineStore.find
    monkeypatch.setattr(
        BaselineStore,
        "find",
        lambda store, subject: found.append(subject.key) or find(store, subject),
    )
    loop.run("--energy-report").assert_outcomes(failed=1)
    assert sorted(found) == ["test_it.py::test_loop", "test_it.py::test_loop#decode"]


def test_a_report_has_what_was_stored_before_it(loop):
    assert loop.report()["results"][0]["history"] is None
    loop.run("--energy-update")
    loop.set_cost(2.04)
    loop.run("--energy-update")
    loop.set_cost(3.0)
    loop.run("--energy-update", "--energy-reason=a larger model")
    history = loop.report()["results"][0]["history"]
    assert [one["joules_per_unit"] for one in history["sessions"]] == [3.0]
    (replaced,) = history["replaced"]
    assert replaced["joules_per_unit"] == 2.02
    assert replaced["sessions"] == 2
    assert replaced["reason"] == "+48.5 %, accepted with --energy-update: a larger model"
