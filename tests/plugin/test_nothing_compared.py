"""A gate that compared nothing is not green, and what makes it weaker is said."""

from __future__ import annotations

import json
import sys

import pytest

from support.projects import LOOP, TEST, flowing, report_validator

TRACED = LOOP.replace(
    "    for sample", "    import sys\n    sys.setprofile(lambda *_: None)\n    for sample"
)


@pytest.fixture(autouse=True)
def _no_profiler_is_left():
    """The tests of these projects run in this process."""
    yield
    sys.setprofile(None)


@pytest.fixture
def traced(loop):
    """A test that has a baseline, and is watched by a profiler now."""
    loop.run("--energy-update")
    loop.write(
        test_it=TRACED.replace(
            "        infer(sample)", "        infer(sample)\n    sys.setprofile(None)"
        )
    )
    return loop


# What in the run keeps a figure from being compared


def test_a_profiler_fails_what_it_keeps_from_being_compared(traced):
    result = traced.run()
    result.assert_outcomes(failed=1)
    text = flowing(result)
    assert "energy inconclusive" in text
    assert "a tracer (a profiler or a debugger) was running" in text
    assert "--energy-allow=tracer lets it pass without a comparison" in text


@pytest.mark.parametrize("how", ["option", "ini", "among others"])
def test_it_can_be_allowed_and_that_is_said(traced, how):
    given = []
    if how == "ini":
        traced.ini("energy_meter = scripted", "energy_allow = tracer")
    else:
        given = ["--energy-allow=" + ("tracer" if how == "option" else "base, tracer")]
    result = traced.run(*given)
    result.assert_outcomes(passed=1)
    assert "allowed to pass without a comparison:" in flowing(result)
    assert "tracer (a debugger or profiler watched the test)" in flowing(result)


def test_an_unknown_reason_is_refused_and_those_that_there_are_are_listed(loop):
    result = loop.run("--energy-allow=noise")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--energy-allow*no reason 'noise'*tracer (*; workers (*; base*"])


def test_without_a_baseline_there_is_nothing_to_fail(loop):
    loop.write(test_it=TRACED)
    loop.run().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("budget", "verdict", "said"),
    [
        ("0.01 J", "energy over budget", "which cannot do so much"),
        ("1.5 J", "energy inconclusive", "--energy-allow=tracer"),
    ],
)
def test_a_budget_is_exceeded_by_what_a_tracer_cannot_explain_and_else_not_known_to_hold(
    project, budget, verdict, said
):
    project.write(test_it=TRACED.replace("n=100", f"n=100, budget='{budget}'"))
    result = project.run()
    result.assert_outcomes(failed=1)
    assert verdict in flowing(result)
    assert said in flowing(result)


def test_a_test_that_had_a_figure_and_has_none_now_fails(loop):
    loop.run("--energy-update")
    loop.write(test_it=LOOP.replace("        infer(sample)", "        break"))
    result = loop.run()
    result.assert_outcomes(failed=1)
    assert "--energy-allow=unmeasured" in flowing(result)
    loop.run("--energy-allow=unmeasured").assert_outcomes(passed=1)


def test_a_base_that_cannot_be_collected_fails_the_test(repository):
    repository.write(test_it=LOOP.replace("import pytest", "import pytest, nothing_like_it"))
    repository.commit()
    repository.write(test_it=LOOP)
    result = repository.against()
    result.assert_outcomes(failed=1)
    assert "--energy-allow=base lets it pass without a comparison" in flowing(result)
    repository.against("--energy-allow=base").assert_outcomes(passed=1)


OTHER_METER = """
import scripted
from pytest_energy import MeterSource

class Other(scripted.Scripted):
    name = "other"

def pytest_energy_meters(config):
    return [*scripted.sources(), MeterSource("other", Other)]
"""


def test_meters_that_are_others_than_the_baselines_fail_the_test(loop):
    loop.pytester.makeconftest(OTHER_METER)
    loop.run("--energy-update")
    result = loop.run("--energy-meter=other")
    result.assert_outcomes(failed=1)
    assert "the baseline's meters were scripted, now other" in flowing(result)
    loop.run("--energy-meter=other", "--energy-allow=meter").assert_outcomes(passed=1)


def test_what_is_new_or_of_another_machine_passes(loop):
    loop.run().assert_outcomes(passed=1)


# Switches


def test_off_and_strict_exclude_each_other_wherever_they_stand(loop):
    loop.ini("energy_meter = scripted", "energy_off = true")
    result = loop.run("--energy-strict")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--energy-off (or ini energy_off) meters nothing, and *strict*"])


def test_that_nothing_was_metered_is_said_however_quiet(loop):
    loop.ini("energy_off = true")
    result = loop.run("-q")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["energy: off (--energy-off, or energy_off in a conf*: 1 test *"])


def test_every_tolerance_above_the_default_is_named(loop):
    loop.run("--energy-update")
    result = loop.run("-q", "--energy-tolerance=500%")
    result.stdout.fnmatch_lines(["energy: tolerance 500 %, not 5 %: test_loop"])
    assert "energy: tolerance" not in flowing(loop.run("--energy-tolerance=4%"))


def test_what_is_switched_off_is_named_and_stands_in_the_report(loop):
    report = loop.report("--energy-pin=off", "--energy-counts=off")
    assert report["notices"] == [
        "switched off: counts (--energy-counts), one CPU (--energy-pin)",
    ]


def test_metered_tests_that_did_not_run_are_named(project):
    project.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.skip
        @pytest.mark.inference(n=1)
        def test_a(): infer()

        @pytest.mark.xfail
        @pytest.mark.inference(n=1)
        def test_b(): assert False

        @pytest.mark.inference(n=1)
        def test_c(): infer()

        @pytest.mark.skip
        def test_d(): pass
        """
    )
    for workers in ((), ("-n1",)):
        project.run(*workers).stdout.fnmatch_lines(
            [
                "energy: metered tests that were skipped: test_a",
                "energy: metered tests that were xfailed: test_b",
            ]
        )


# A session that ended early

BROKEN_OFF = """
import os, pytest, signal
from model import infer

@pytest.mark.inference(n=10)
def test_first(energy):
    energy.run(infer, range(10))

def test_plain():
    END

@pytest.mark.inference(n=10)
def test_second(energy):
    energy.run(infer, range(10))
"""
FIRST, SECOND = "test_it.py::test_first", "test_it.py::test_second"
END = {
    "a failure under -x": ("assert False", ("-x",)),
    "Ctrl-C": ("os.kill(os.getpid(), signal.SIGINT); __import__('time').sleep(9)", ()),
    "pytest.exit": ("pytest.exit('enough')", ()),
}


@pytest.mark.parametrize("end", END)
def test_what_a_session_did_not_reach_stands_in_every_report(project, end):
    statement, arguments = END[end]
    project.own_process = True
    project.write(test_it=BROKEN_OFF.replace("END", "pass"))
    project.run("--energy-update")
    project.write(test_it=BROKEN_OFF.replace("END", statement))
    arguments = (*arguments, "--energy-markdown=report.md", "--energy-json=report.json")
    text = flowing(project.run(*arguments))
    assert "1 compared (1 ok), 1 did not run to the end;" in text
    assert "metered tests that did not run to the end: test_second" in text
    report = json.loads((project.path / "report.json").read_text())
    report_validator().validate(report)
    assert report["unrun"] == {SECOND: "unfinished"}
    first_line, *_ = (project.path / "report.md").read_text().splitlines()
    assert first_line == (
        "**Energy: no regression in what ran**; 1 compared (1 ok); 1 did not run to the end"
    )


def test_workers_that_ended_early_leave_their_tests_in_every_report(project):
    project.own_process = True
    project.write(test_it=BROKEN_OFF.replace("END", "assert False"))
    report = project.report("-n1", "-x")
    assert [one["subject"]["test"] for one in report["results"]] == [FIRST]
    assert report["unrun"] == {SECOND: "unfinished"}


def test_a_test_that_is_interrupted_itself_has_not_run_to_the_end(project):
    project.own_process = True
    project.write(
        test_it=BROKEN_OFF.replace("END", "pass").replace(
            "(infer, range(10))", "(infer, [0, 1]); raise KeyboardInterrupt", 1
        )
    )
    assert project.report()["unrun"] == {FIRST: "unfinished", SECOND: "unfinished"}


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_tests_without_a_body_that_ran_say_why(project, workers):
    project.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.fixture
        def broken(): raise OSError("no such weights")

        @pytest.mark.inference(n=1)
        def test_broken(energy, broken): infer()

        @pytest.mark.skip
        def test_skipped(energy): infer()

        @pytest.mark.xfail(run=False)
        def test_expected(energy): infer()

        @pytest.mark.inference(n=1)
        def test_left_out(): infer()
        """
    )
    report = project.report("--deselect=test_it.py::test_left_out", *workers)
    assert report["results"] == []
    assert report["unrun"] == {
        "test_it.py::test_broken": "error",
        "test_it.py::test_skipped": "skipped",
        "test_it.py::test_expected": "xfailed",
    }
    said = "nothing was compared, 1 skipped, 1 xfailed, 1 failed in the set-up or at collection;"
    assert said in flowing(project.run("--deselect=test_it.py::test_left_out", *workers))


# A file that pytest could not collect, or was told not to

HUB = LOOP.replace("import pytest", "import pytest{}", 1)
WORKERS = pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["one process", "workers"])


@pytest.fixture
def two(loop):
    """Two metered tests in a file each, both with a baseline."""
    loop.write(test_hub=HUB.format(""))
    loop.run("--energy-update")
    return loop


@WORKERS
@pytest.mark.parametrize("judge", ["both", "counted"])
def test_tests_of_a_file_that_is_skipped_as_it_is_imported_are_named(two, workers, judge):
    two.run("--energy-update", f"--energy-judge={judge}")
    two.write(test_hub=HUB.format("; pytest.importorskip('nothing_like_it')"))
    options = ("--energy-strict", f"--energy-judge={judge}", "--energy-json=o.json", *workers)
    result = two.run(*options)
    assert result.ret == pytest.ExitCode.OK
    assert "energy: 1 compared (1 ok), 1 skipped;" in flowing(result)
    report = json.loads((two.path / "o.json").read_text("utf-8"))
    assert report["unrun"] == {"test_hub.py::test_loop": "skipped"}
    assert "metered tests that were skipped: test_loop" in flowing(result)


@WORKERS
def test_tests_of_a_file_that_cannot_be_imported_are_named(two, workers):
    two.write(test_hub=HUB.format(", nothing_like_it"))
    options = ("--continue-on-collection-errors", "--energy-json=o.json", "--energy-markdown=o.md")
    result = two.run(*options, *workers)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    report = json.loads((two.path / "o.json").read_text("utf-8"))
    assert report["unrun"] == {"test_hub.py::test_loop": "error"}
    assert "1 compared (1 ok), 1 failed in the set-up or at collection;" in flowing(result)
    assert "**Energy: no regression in what ran**" in (two.path / "o.md").read_text("utf-8")


def test_tests_of_a_class_that_cannot_be_collected_are_named_and_are_no_leftovers(project):
    head = "import pytest\nfrom model import infer\n"
    test = "@pytest.mark.inference(n=1)\ndef test_plain(): infer()\n"
    of_class = (
        "class TestIt:\n    @pytest.mark.inference(n=1)\n    def test_inside(self): infer()\n"
    )
    project.write(test_it=head + test + of_class)
    project.run("--energy-update")
    broken = "    @property\n    def pytestmark(self): ...\n    pytestmark = 1\n"
    project.write(test_it=head + test + of_class + broken)
    report = project.report("--continue-on-collection-errors")
    assert report["unrun"] == {"test_it.py::TestIt::test_inside": "error"}
    assert not any("no test claims" in notice for notice in report["notices"])


@WORKERS
@pytest.mark.parametrize("strict", [False, True])
def test_where_all_metered_tests_stand_in_such_files_nothing_was_compared(two, workers, strict):
    two.write(test_plain="def test_plain(): pass")
    for file in ("test_it", "test_hub"):
        two.write(**{file: HUB.format("; pytest.importorskip('nothing_like_it')")})
    result = two.run(*["--energy-strict"] * strict, *workers)
    assert result.ret == (pytest.ExitCode.TESTS_FAILED if strict else pytest.ExitCode.OK)
    assert "energy: nothing was compared, 2 skipped;" in flowing(result)


@WORKERS
@pytest.mark.parametrize(
    "chosen",
    [("-k", "plain"), ("-m", "not inference"), ("--deselect=test_hub.py",), ("test_plain.py",)],
    ids=" ".join,
)
def test_what_would_not_have_run_anyway_is_not_missed(two, workers, chosen):
    two.write(test_hub=HUB.format("; pytest.importorskip('nothing_like_it')"))
    (two.path / "test_it.py").unlink()
    two.write(test_plain="def test_plain(): pass")
    assert "energy:" not in flowing(two.run(*chosen, *workers))


@WORKERS
def test_a_file_without_a_stored_entry_may_be_skipped_and_nothing_is_said(loop, workers):
    loop.run("--energy-update")
    loop.write(test_unit="import pytest; pytest.importorskip('nothing_like_it')")
    result = loop.run(*workers)
    assert "energy: 1 compared (1 ok); " in flowing(result)
    assert "skipped:" not in flowing(result)


# A strict session that compared nothing

SKIPPED = """
import pytest
from model import infer

@pytest.mark.SKIP
@pytest.mark.inference(n=1)
def test_marked(): infer()

@pytest.mark.inference(n=1)
def test_inside():
    pytest.skip("no GPU here")

def test_plain(): pass
"""


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_strict_fails_a_session_whose_metered_tests_were_all_skipped(project, workers):
    project.write(test_it=SKIPPED.replace("SKIP", "skip"))
    assert project.run(*workers).ret == pytest.ExitCode.OK
    project.ini("energy_meter = scripted", "energy_strict = true")
    result = project.run(*workers)
    result.assert_outcomes(passed=1, skipped=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "--energy-strict: nothing was compared: 2 skipped" in flowing(result)


def test_strict_passes_a_skipped_test_beside_one_that_was_compared(project):
    project.write(test_it=SKIPPED.replace("SKIP", "usefixtures"))
    project.run("--energy-update")
    result = project.run("--energy-strict")
    assert result.ret == pytest.ExitCode.OK
    assert "metered tests that were skipped: test_inside" in flowing(result)


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_strict_on_the_command_line_fails_a_session_without_a_metered_test(project, workers):
    project.write(test_it="def test_plain(): pass")
    result = project.run("--energy-strict", *workers)
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "--energy-strict: nothing was compared: no metered test was selected" in flowing(result)
    project.run("--energy-strict", "--collect-only").assert_outcomes()
    project.ini("energy_strict = true")  # of every session, of unit tests alone as well
    assert project.run(*workers).ret == pytest.ExitCode.OK


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_strict_fails_a_session_that_was_ended_from_inside_as_if_it_had_passed(project, workers):
    project.own_process = True
    project.write(test_it=BROKEN_OFF.replace("END", "pass"))
    project.run("--energy-update")
    project.write(test_it=BROKEN_OFF.replace("END", "pytest.exit('enough', returncode=0)"))
    if not workers:  # of pytest-xdist's workers one that ends so is a crash
        assert project.run().ret == 0
    result = project.run("--energy-strict", *workers)
    assert result.ret != 0
    if not workers:
        assert "--energy-strict: 1 metered test did not run to the end" in flowing(result)


EXPECTED = """
import pytest
from model import infer

@pytest.mark.inference(n=10)
def test_compared(energy):
    energy.run(infer, range(10))

@pytest.mark.xfail(strict=True, reason="a bug"MORE)
@pytest.mark.inference(n=10)
def test_expected(energy):
    energy.run(infer, range(10))
"""


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_that_nothing_was_compared_is_not_the_failure_that_was_expected(project, workers):
    """Else --energy-strict would turn the red of a bug that is mended green."""
    project.write(test_it=EXPECTED.replace("MORE", ""))
    project.run("--energy-update", "--deselect=test_it.py::test_expected")
    for strict in ((), ("--energy-strict",)):
        result = project.run(*strict, *workers)
        result.assert_outcomes(passed=1, failed=1)
        assert "[XPASS(strict)] a bug" in flowing(result)
    # Where its condition does not hold, or marks are ignored, nothing is expected.
    project.write(test_it=EXPECTED.replace('"a bug"MORE', '"a bug", condition=False'))
    result = project.run("--energy-strict", *workers)
    result.assert_outcomes(passed=1, failed=1)
    assert "energy new" in flowing(result)


def test_a_regression_may_be_expected(project):
    project.write(test_it=EXPECTED.replace("MORE", "").replace("strict=True, ", ""))
    project.run("--energy-update", "--runxfail")
    project.set_cost(4.0)
    project.run("--energy-strict").assert_outcomes(failed=1, xfailed=1)


@pytest.mark.parametrize("where", ["addopts", "PYTEST_ADDOPTS"])
def test_strict_in_every_sessions_options_is_not_typed_for_this_one(project, monkeypatch, where):
    project.write(test_it="def test_plain(): pass")
    if where == "addopts":
        project.ini("addopts = --energy-strict")
    else:
        monkeypatch.setenv(where, "--energy-strict")
    assert project.run().ret == pytest.ExitCode.OK
    assert project.run("--energy-strict").ret == pytest.ExitCode.TESTS_FAILED


def test_strict_passes_what_is_stored_now_or_held_against_a_budget(project):
    project.write(test_it=LOOP)
    assert project.run("--energy-strict", "--energy-update").ret == pytest.ExitCode.OK
    project.write(test_it=LOOP.replace("n=100", "n=100, budget='3 J'").replace("tiny", "new"))
    assert project.run("--energy-strict").ret == pytest.ExitCode.OK


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_entries_that_no_test_claims_are_named(loop, workers):
    loop.run("--energy-update")
    source = loop.path / "test_it.py"
    source.write_text(source.read_text().replace("test_loop", "test_round"))
    text = flowing(loop.run(*workers))
    assert f"stored, and no test claims them: {TEST}" in text


def test_a_rise_that_was_accepted_is_named_where_it_is_used(repository):
    repository.set_cost(2.3)
    repository.against("--energy-update", "--energy-reason=a larger context")
    result = repository.against()
    result.assert_outcomes(passed=1)
    text = flowing(result)
    assert "test_loop: +15.0 % was accepted before (" in text
    assert ": a larger context), and is used" in text


def test_an_accepted_rise_out_of_all_bounds_is_refused(repository):
    repository.set_cost(2.3)
    repository.against("--energy-update")
    path = repository.path / "baselines" / "accepted.json"
    path.write_text(path.read_text().replace("0.15", "1e300"))
    result = repository.against()
    assert result.ret != pytest.ExitCode.OK
    assert "expected a rise such as 0.15, 10 at most, found 1e+300" in flowing(result) + " ".join(
        result.errlines
    )
