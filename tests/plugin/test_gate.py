"""The gate as a user meets it: compare, fail, accept, prune; wrong arguments and broken files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

TEST = "test_it.py::test_loop"


# Compare, fail, accept


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
            "  change  +15.0 %  [[]+8.8 %, +21.6 %[]]   allowed +6.7 % (asked: 5 %)",
            "  notice   +9.5 %  would have been found, in four of five sessions",
            "  looks   +15.0 %, +15.0 %",
            "  cpu     +15.0 %  counter (RAPL)",
            "  CO2e    0.264 g -> 0.303 g per 1,000 inferences at 475 g/kWh (world average, 2018)",
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
        ["  gpu:0   +20.0 %  counter (NVML)", "  cpu      +0.0 %  counter (RAPL)"]
    )


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
            "  reason  the budget is 1.5 J",
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
    assert (verdict["status"], verdict["change"]) == ("ok", 0.0)


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


def test_off_skips_what_compares_measurements(loop):
    loop.write(
        test_other="""
        def test_ratio(energy_results):
            energy_results.where(task="t").ratio(energy_results)
        """
    )
    loop.run("--energy-off").assert_outcomes(passed=1, skipped=1)


def test_a_gate_that_compared_nothing_says_so_in_red(loop):
    result = loop.run("--color=yes")
    (line,) = [line for line in result.outlines if "nothing was compared, 1 new" in line]
    assert "\x1b[31m" in line


def test_a_session_without_metered_tests_says_nothing(project):
    project.write(test_it="def test_x(): pass")
    result = project.run("--energy-report", "--energy-strict", "--energy-update")
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


def test_ini_values_apply_and_the_command_line_wins(loop):
    loop.run("--energy-update")
    loop.set_cost(2.3)
    loop.ini("energy_meter = scripted", "energy_tolerance = 20%")
    assert loop.verdicts()[TEST]["status"] == "ok"
    assert loop.verdicts("--energy-tolerance=10%")[TEST]["status"] == "regressed"
    loop.ini(
        "energy_meter = scripted",
        "energy_update = true",
        "energy_baselines = elsewhere",
        "energy_strict = true",
        "energy_country = FRA",
        "energy_pue = 1.5",
    )
    loop.run().assert_outcomes(passed=1)
    (path,) = (loop.path / "elsewhere").glob("*/*/*.json")
    (entry,) = json.loads(path.read_text())["entries"].values()
    assert entry["carbon_intensity"]["place"] == "France"
    assert entry["carbon_intensity"]["pue"] == 1.5


def test_paths_are_read_from_where_the_user_stands_and_ini_paths_from_the_rootdir(
    loop, monkeypatch
):
    below = loop.path / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    loop.run("--energy-update", "--energy-baselines=here", "--energy-json=report.json", "..")
    assert list((below / "here").glob("*/*/*.json"))
    assert (below / "report.json").exists()
    loop.run("--energy-update", "..")
    assert len(loop.baselines()) == 1


def test_the_markers_tolerance_wins_over_the_sessions(loop):
    loop.write(
        test_it=(loop.path / "test_it.py").read_text().replace("n=100", "n=100, tolerance='50%'")
    )
    loop.run("--energy-update")
    loop.set_cost(2.8)
    assert loop.verdicts("--energy-tolerance=1%")[TEST]["status"] == "ok"


def test_every_option_has_an_ini_twin_and_stands_in_help_and_readme(project, request):
    result = project.run("--help")
    text = result.stdout.str()
    readme = (request.config.rootpath / "README.md").read_text()
    from pytest_energy.settings import options as arguments

    for name, *_ in arguments.OPTIONS:
        assert f"--energy-{name}" in text
        assert f"energy_{name.replace('-', '_')} (" in text
        assert f"`--energy-{name}" in readme


def test_markers_reads_like_a_manual(project):
    project.run("--markers").stdout.fnmatch_lines(
        ["@pytest.mark.inference(n, task, model, *): *tolerance: allowed rise*"]
    )


@pytest.mark.parametrize("flag", ["report", "update", "off", "prune"])
def test_no_option_swallows_the_path_behind_it(loop, flag):
    loop.write(test_other="def test_other(): pass")
    loop.run(f"--energy-{flag}", "test_it.py").assert_outcomes(passed=1)


def test_the_header_names_meters_machine_and_folder(loop):
    loop.run().stdout.fnmatch_lines(["energy: scripted (counter), *cpu-*"])
    loop.run("-q").stdout.no_fnmatch_line("energy: scripted*")


# Wrong arguments


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ("colour='red'", "unknown argument 'colour'; there are: n, task"),
        ("n=0", "n: expected a whole number of 1 or more, found 0"),
        ("n=-1", "found -1"),
        ("n='many'", "found 'many'"),
        ("n=True", "found True"),
        ("n=1.5", "found 1.5"),
        ("1000", "write its arguments as keywords, such as n=1000, found (1000,)"),
        ("n=1, task=''", "task: expected a text, found ''"),
        ("n=1, model=3", "model: expected a text, found 3"),
        ("n=1, role='teacher'", "role: expected one of ('task-specific', 'general-purpose')"),
        ("n=1, warmup=-1", "warmup: expected a whole number of 0 or more, found -1"),
        ("n=1, tolerance='abc'", "tolerance: expected a percentage such as \"5%\", found 'abc'"),
        ("n=1, tolerance=0.05", "found 0.05"),
        ("n=1, budget='2 kg'", 'budget: expected a budget such as "2 J"'),
        ("n=1, precision='0%'", "precision: expected a percentage above 0"),
        ("", "n is missing"),
    ],
)
def test_a_wrong_marker_is_a_usage_error_that_names_the_test(project, arguments, problem):
    project.write(
        test_it=f"""
        import pytest

        @pytest.mark.inference({arguments})
        def test_wrong(): pass

        def test_right(): pass
        """
    )
    result = project.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    line = f"test_it.py::test_wrong: @pytest.mark.inference: *{problem.replace('[', '[[]')}*"
    result.stderr.fnmatch_lines([f"*{line}"])


def test_all_wrong_markers_are_named_at_once(project):
    project.write(
        test_it="""
        import pytest
        @pytest.mark.inference(n=0)
        def test_a(): pass
        @pytest.mark.inference(n=0)
        def test_b(): pass
        """
    )
    project.run().stderr.fnmatch_lines(["*test_it.py::test_a: *", "*test_it.py::test_b: *"])


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ("--energy-tolerance=abc", '--energy-tolerance (or ini energy_tolerance): *such as "5%"'),
        ("--energy-precision=0%", "--energy-precision*above 0"),
        ("--energy-pue=0.5", "--energy-pue*a ratio of 1 or more such as 1.2, found '0.5'"),
        ("--energy-carbon-intensity=green", "--energy-carbon-intensity*grams of CO2e per kWh"),
        ("--energy-carbon-intensity=-1", "--energy-carbon-intensity*found '-1'"),
        ("--energy-country=Atlantis", "energy_country: no carbon intensity for 'Atlantis'"),
        ("--energy-region=texas", "energy_region needs energy_country"),
        (
            "--energy-meter=watt",
            "no meter named 'watt'; there are: auto; rapl (",
        ),
        ("--energy-meter=scripted,rapl", "meter 'rapl' is unavailable: there is no folder"),
    ],
)
def test_a_wrong_option_is_a_usage_error_with_the_remedy(loop, option, problem, monkeypatch):
    monkeypatch.setenv("PYTEST_ENERGY_POWERCAP", "/nonexistent")
    result = loop.run(option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{problem}*"])


# Broken files, no permission, killed half-way


def test_a_broken_baseline_is_named_with_its_line_and_left_alone(loop):
    loop.run("--energy-update")
    (path,) = loop.baselines()
    path.write_text(path.read_text()[:200])
    before = path.read_bytes()
    result = loop.run("--energy-update")
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    text = " ".join(result.outlines)
    assert f"{path.name}, line " in text
    assert "the file was left as it is" in text
    assert path.read_bytes() == before
    strict = loop.run("--energy-strict")
    strict.assert_outcomes(failed=1)


def test_a_folder_that_cannot_be_written_leaves_the_results_and_says_what_was_not_stored(loop):
    setpriv = shutil.which("setpriv")
    root = os.geteuid() == 0
    if root and setpriv is None:
        pytest.skip("root may write anywhere: needs setpriv (Debian: util-linux)")
    loop.run("--energy-update")
    (path,) = loop.baselines()
    before = path.read_bytes()
    for folder in (path.parent, path.parent.parent, path.parent.parent.parent):
        folder.chmod(0o555)
    # Without this capability root is bound by permissions as everybody is.
    drop = [setpriv, "--bounding-set=-dac_override", "--inh-caps=-dac_override"] if root else []
    done = subprocess.run(
        [*drop, sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--energy-update"],
        cwd=loop.path,
        capture_output=True,
        text=True,
        check=False,
    )
    for folder in (path.parent.parent.parent, path.parent.parent, path.parent):
        folder.chmod(0o755)
    assert "1 passed" in done.stdout
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert f"not stored: {TEST}" in done.stdout
    assert "Permission denied; nothing was written" in done.stdout.replace("\n ", "")
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_report_that_cannot_be_written_is_said_and_the_results_stand(loop):
    result = loop.run("--energy-json=test_it.py/report.json")
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["energy: --energy-json: test_it.py/report.json: *; the report was not written"]
    )


def test_control_c_stores_nothing_and_leaves_no_half_written_file(loop):
    loop.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.inference(n=1, model="first")
        def test_first(): infer()

        @pytest.mark.inference(n=1000, model="second")
        def test_second(energy):
            for i, _ in enumerate(energy.each([0])):
                infer()
                if i == 500:
                    raise KeyboardInterrupt
        """
    )
    result = loop.pytester.runpytest_subprocess("--energy-update")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["energy: the session was interrupted: nothing was stored"])
    assert loop.baselines() == []


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_killed_session_leaves_the_stored_files_whole(loop):
    loop.run("--energy-update")
    (path,) = loop.baselines()
    before = path.read_bytes()
    loop.write(
        model="""
        import pathlib, time
        def infer(sample=None):
            pathlib.Path("running").touch()
            time.sleep(60)
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--energy-update"],
        cwd=loop.path,
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not (loop.path / "running").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    loop.set_cost(2.0)
    loop.run("--energy-update").assert_outcomes(passed=1)  # the lock died with the process


# Other plugins


def test_a_rerun_replaces_what_the_failed_run_measured(loop):
    loop.write(
        test_it="""
        import pytest
        from model import infer
        runs = []

        @pytest.mark.inference(n=1)
        def test_x():
            infer()
            runs.append(1)
            assert len(runs) > 1
        """
    )
    report = loop.report("-p", "rerunfailures", "--reruns=2", "--energy-update")
    (result,) = report["results"]
    assert (result["outcome"], result["stored"]) == ("passed", "stored")


def test_a_regression_can_be_rerun_too(loop):
    loop.run("--energy-update")
    loop.set_cost(2.3)
    loop.run("--reruns=1").stdout.fnmatch_lines(["*1 failed, 1 rerun*"])


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
    assert report["gate"]["seconds"] > 0
    project.set_cost(3.0)
    failed = project.run("-n1", "--energy-report")
    failed.assert_outcomes(failed=6)
    failed.stdout.fnmatch_lines(["energy: 6 compared (6 regressed)*"])


def test_workers_side_by_side_disturb_each_other(loop):
    loop.run("--energy-update")
    loop.set_cost(3.0)
    (verdict,) = loop.verdicts("-n2").values()
    assert verdict["status"] == "inconclusive"
    assert "2 pytest-xdist workers ran side by side" in verdict["reason"]
    assert verdict["change"] == pytest.approx(0.5)


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


# Pruning


def test_prune_deletes_only_tests_that_were_collected_and_are_gone(project):
    test = "\n\n@pytest.mark.inference(n=1, task='t', model='{0}')\ndef test_{0}(): infer()\n"
    head = "import pytest\nfrom model import infer\n"
    project.write(test_a=head + test.format("one") + test.format("two"))
    project.write(test_b=head + test.format("three"), test_c=head + test.format("four"))
    project.run("--energy-update")
    assert [p.stem for p in project.baselines()] == ["four", "one", "three", "two"]

    # Deselected is not gone, nor is what was not collected.
    project.write(test_a=head + test.format("one"))
    (project.path / "test_c.py").unlink()
    project.run("--energy-prune", "-k", "three", "test_b.py")
    assert len(project.baselines()) == 4

    result = project.run("--energy-prune", "-k", "nothing")
    result.stdout.fnmatch_lines(["energy: pruned *four.json: *", "energy: pruned *two.json: *"])
    assert [p.stem for p in project.baselines()] == ["one", "three"]
    project.run("--energy-prune").stdout.fnmatch_lines(["energy: nothing to prune"])


def test_without_prune_nothing_is_deleted(loop):
    loop.run("--energy-update")
    loop.write(test_it="def test_other(): pass")
    loop.run("--energy-update", "--energy-report")
    assert len(loop.baselines()) == 1


def test_prune_works_when_no_metered_test_is_left(loop):
    loop.run("--energy-update")
    loop.write(test_it="def test_other(): pass")
    loop.run("--energy-prune")
    assert loop.baselines() == []
    assert [p.name for p in (loop.path / "baselines").iterdir() if p.is_dir()] == []


def test_prune_leaves_the_tests_of_a_module_that_fails_to_import(loop):
    loop.run("--energy-update")
    loop.write(test_it="import nothing_like_it")
    loop.run("--energy-prune", "--continue-on-collection-errors")
    assert len(loop.baselines()) == 1


@pytest.mark.parametrize("argument", [TEST, "--lf", "-n1"])
def test_prune_is_refused_where_not_all_tests_are_collected(loop, argument):
    loop.run("--energy-update")
    result = loop.pytester.runpytest("--energy-prune", argument)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--energy-prune deletes the baselines*"])
    assert len(loop.baselines()) == 1
