"""Corners that users reach: other plugins, odd bodies, odd places, meters with defects."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from test_reports import COMMAND, screen_of

TEST = "test_it.py::test_loop"


def test_markers_that_a_conftest_adds_count(project):
    project.pytester.makeconftest(
        """
        import pytest, scripted

        def pytest_energy_meters(config):
            return scripted.sources()

        def pytest_collection_modifyitems(items):
            for item in items:
                item.add_marker(pytest.mark.inference(n=1, budget="1 J"))
        """
    )
    project.write(test_it="from model import infer\ndef test_x(): infer()")
    assert project.verdicts()["test_it.py::test_x"]["status"] == "over_budget"


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


def test_a_session_that_is_ended_from_inside_stores_nothing(project):
    project.write(
        test_it="""
        import pytest
        from model import infer
        @pytest.mark.inference(n=1)
        def test_x(): infer()
        def test_y(): pytest.exit("enough", returncode=7)
        """
    )
    assert project.run("--energy-update").ret == 7
    assert project.baselines() == []


def test_a_gate_whose_tests_were_all_skipped_says_so(project):
    project.write(
        test_it="""
        import pytest
        @pytest.mark.skip
        @pytest.mark.inference(n=1)
        def test_x(): pass
        """
    )
    project.run().stdout.fnmatch_lines(["energy: nothing was compared: no metered test ran"])


@pytest.mark.parametrize("workers", [[], ["-n2"]])
def test_collecting_alone_opens_and_writes_nothing(loop, workers):
    result = loop.run("--collect-only", "--energy-json=o.json", "--energy-update", *workers)
    assert result.ret == pytest.ExitCode.OK
    assert not (loop.path / "o.json").exists()
    result.stdout.no_fnmatch_line("energy: scripted*")


def test_a_fixture_of_the_projects_own_is_left_alone(project):
    project.write(
        test_it="""
        import pytest

        @pytest.fixture
        def energy():
            return 13.6

        def test_hydrogen(energy):
            assert energy == 13.6
        """
    )
    result = project.run("--energy-strict")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("energy:*")


def test_the_command_can_be_typed_where_the_user_stands(loop, monkeypatch):
    below = loop.path / "below"
    below.mkdir()
    loop.run("--energy-update")
    loop.set_cost(3.0)
    monkeypatch.chdir(below)
    loop.run("..").stdout.fnmatch_lines([f"accept it: pytest ../{TEST} --energy-update"])
    assert loop.run(f"../{TEST}", "--energy-update").ret == pytest.ExitCode.OK


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
    verdict = project.verdicts("--energy-carbon-intensity=0")["test_it.py::test_x"]
    assert (verdict["status"], verdict["budget_joules"]) == ("new", None)


def test_every_rerun_has_one_set_of_junit_properties_of_its_own(project):
    project.write(
        test_it="""
        import pytest
        from model import infer
        runs = []
        @pytest.mark.inference(n=1)
        def test_x():
            infer()
            runs.append(1)
            assert len(runs) > 2
        """
    )
    project.run("--reruns=3", "--junitxml=junit.xml")
    text = (project.path / "junit.xml").read_text()
    # pytest writes the properties of each of the three runs, the last one last.
    verdicts = re.findall(r'name="energy.verdict" value="(\w+)"', text)
    assert verdicts == ["unmeasured", "unmeasured", "new"]


# Regions


REGION = """
import pytest
from scripted import spend

@pytest.mark.inference(n=200, warmup=4, unit="token"{more})
def test_x(energy):
    cold = iter([1000] * 4)
    for _ in energy.each([0]):
        spend(1)
        with energy.measure("decode"):
            spend(next(cold, 2))
    energy.record(tokens=10 * energy.count)
"""


def test_a_region_in_the_loop_leaves_the_warm_up_out_and_has_the_loops_blocks(project):
    project.write(test_it=REGION.format(more=""))
    results = {r["subject"]["region"]: r for r in project.report()["results"]}
    decode = results["decode"]
    assert (decode["subject"]["n"], decode["subject"]["unit"]) == (200, "inference")
    assert decode["measurement"]["joules_per_unit"] == 2.0
    assert [block["n"] for block in decode["measurement"]["blocks"]] == [10] * 20
    assert results[""]["measurement"]["joules_per_unit"] == pytest.approx(0.3)


def test_after_an_early_stop_a_region_is_still_comparable(project):
    project.write(test_it=REGION.format(more=""))
    project.run("--energy-update")
    project.write(test_it=REGION.format(more=", precision='2%'"))
    verdicts = project.verdicts()
    assert verdicts["test_it.py::test_x#decode"]["status"] == "ok"
    assert verdicts["test_it.py::test_x"]["status"] == "ok"


def test_a_region_beside_the_marker_keeps_the_bodys_gate(project):
    body = "import pytest\nfrom scripted import spend\n\n@pytest.mark.inference(n=10)\n"
    project.write(test_it=f"{body}def test_x(energy):\n    spend(20)\n")
    project.run("--energy-update")
    project.write(
        test_it=f"{body}def test_x(energy):\n    spend(40)\n    with energy.measure('a'): spend(1)"
    )
    assert project.verdicts()["test_it.py::test_x"]["status"] == "regressed"


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


# The live line and loops that are kept


def test_the_live_line_is_erased_when_the_body_raises(project):
    project.write(
        test_it="""
        import pytest, time
        calls = []

        def slow(sample):
            time.sleep(0.05)
            calls.append(1)
            assert len(calls) < 15

        @pytest.mark.inference(n=60, warmup=0)
        def test_live(energy):
            energy.run(slow, [0])

        def test_after(): pass
        """
    )
    drawn, last = screen_of(COMMAND, project.path)
    assert any(" left" in screen for screen in drawn)
    assert " left" not in last
    assert "test_it.py F." in last


def test_a_loop_that_somebody_holds_on_to_is_whole(project):
    project.write(
        test_it="""
        import pytest
        from model import infer
        kept = []

        @pytest.mark.inference(n=5, warmup=0)
        def test_x(energy):
            kept.append(energy.each([0]))
            for _ in range(5):
                infer(next(kept[0]))
        """
    )
    assert project.verdicts()["test_it.py::test_x"]["status"] == "new"


# Meters of others


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        ("return scripted.sources()[0]", None),
        ("return None", None),
        ("return 1 / 0", "pytest_energy_meters: ZeroDivisionError"),
        ("return 3", "pytest_energy_meters: TypeError: 'int' object is not iterable"),
    ],
)
def test_a_hook_with_a_defect_is_named(project, hook, said):
    project.pytester.makeconftest(
        f"import scripted\ndef pytest_energy_meters(config):\n    {hook}\n"
    )
    project.write(
        test_it="""
        import pytest
        from model import infer
        @pytest.mark.inference(n=1)
        def test_x(): infer()
        """
    )
    result = project.run("--energy-meter=cpu_time" if hook == "return None" else "-v")
    if said is None:
        result.assert_outcomes(passed=1)
    else:
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"*{said}*"])


# Pruning


def test_prune_leaves_what_another_machine_has_more_of(project):
    project.write(
        test_it="""
        import pytest
        from model import infer
        @pytest.mark.parametrize("device", ["cpu", "cuda"])
        @pytest.mark.inference(n=1, task="t", model="m")
        def test_x(device): infer()
        """
    )
    project.run("--energy-update")
    (path,) = project.baselines()
    elsewhere = path.parents[2] / "gpu-machine" / "t" / "m.json"
    elsewhere.parent.mkdir(parents=True)
    elsewhere.write_text(path.read_text())
    source = project.path / "test_it.py"
    source.write_text(source.read_text().replace('["cpu", "cuda"]', '["cpu"]'))
    project.run("--energy-prune")
    assert list(json.loads(path.read_text())["entries"]) == ["test_it.py::test_x[cpu]"]
    assert len(json.loads(elsewhere.read_text())["entries"]) == 2


def test_prune_leaves_a_class_that_could_not_be_collected(project):
    good = """
    import pytest
    from model import infer
    class TestC:
        @pytest.mark.inference(n=1)
        def test_x(self): infer()
    """
    project.write(test_it=good)
    project.run("--energy-update")
    project.write(
        test_it=good.replace(
            "@pytest.mark.inf", "@pytest.mark.parametrize('a', 3)\n        @pytest.mark.inf"
        )
    )
    project.run("--energy-prune", "--continue-on-collection-errors")
    assert len(project.baselines()) == 1


def test_a_wrong_option_leaves_pytests_own_report_whole_under_xdist(loop):
    loop.write(test_broken="def test_broken(): assert False")
    result = loop.run("-n1", "--energy-meter=watt", "--energy-json=o.json")
    result.assert_outcomes(errors=1, failed=1)
    result.stdout.fnmatch_lines(["*test_broken*", "energy: no meter named 'watt'*"])


def test_under_xdist_the_header_stands_at_the_end(loop):
    loop.run("-n1").stdout.fnmatch_lines(["energy: scripted (counter), *", "energy: nothing was *"])


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
