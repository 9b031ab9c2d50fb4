"""`--energy-against`: head and base are interleaved, and the verdict is the ratio of the two."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import jsonschema
import pytest

from pytest_energy.report.json import SCHEMA_FILE
from support.projects import TEST, flowing

# The verdict


def test_unchanged_code_is_ok_without_any_stored_baseline(repository):
    result = repository.against()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "energy: scripted (counter), *, interleaved with ??????? (main)",
            "energy: 1 compared (1 ok)*",
        ]
    )
    assert repository.baselines() == []


def test_a_rise_over_the_base_fails_with_its_interval_and_says_what_it_is_over(repository):
    repository.set_cost(2.3)
    result = repository.against()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "energy regressed: 2.30 J per inference, base 2.00 J at ??????? (main)",
            "  change     +15.0 %  [[]+1?.? %, +1?.? %] (95 %)   allowed +5 %",
            "  detectable  +?.? %  would have been found, in four of five runs",
            "  processes  +15.0 %, +15.0 %",
            "  pairs           40  pairs of blocks, head and base one after the other, in random *",
            "  cpu        +15.0 %  counter (RAPL)",
            "  CO2e       0.264 g -> 0.303 g per 1,000 inferences at 475 g/kWh (world average*",
            "accept it: pytest test_it.py::test_loop --energy-against main --energy-update",
        ]
    )


def test_a_fall_is_improved(repository):
    repository.set_cost(1.5)
    assert repository.paired()[TEST]["status"] == "improved"


def test_stored_baselines_have_no_say(repository):
    repository.set_cost(1.0)
    repository.run("--energy-update")
    repository.set_cost(2.0)
    repository.against().assert_outcomes(passed=1)
    repository.run().assert_outcomes(failed=1)


def test_a_test_that_only_the_head_has_is_new(repository):
    repository.write(
        test_more="""
        import pytest
        from model import infer

        @pytest.mark.inference(n=10)
        def test_added(energy):
            for _ in energy.each(range(10)):
                infer()
        """
    )
    verdict = repository.paired()["test_more.py::test_added"]
    assert verdict["status"] == "new"
    assert "(main) has no such metered test" in verdict["reason"]
    repository.against("--energy-strict").assert_outcomes(passed=1, failed=1)


def test_a_test_that_only_the_base_has_is_listed(repository):
    text = (repository.path / "test_it.py").read_text()
    (repository.path / "test_it.py").write_text(text.replace("test_loop", "test_other"))
    repository.against().stdout.fnmatch_lines(["energy: only ??????? (main) has: " + TEST])
    assert repository.report("--energy-against=main")["base"]["only_base"] == [TEST]


def test_what_is_deselected_is_not_listed_as_the_bases_own(repository):
    repository.write(
        test_it="""
        def test_one(energy):
            for _ in energy.each(range(5)): pass

        def test_two(energy):
            for _ in energy.each(range(5)): pass
        """
    )
    repository.commit()
    said = repository.against("-k", "two").stdout.str()
    assert "(main)" in said
    assert "only" not in said


def test_a_test_whose_body_differs_is_compared_and_said_to_differ(repository):
    text = (repository.path / "test_it.py").read_text()
    (repository.path / "test_it.py").write_text(text.replace("infer(sample)", "infer(); infer()"))
    verdict = repository.paired()[TEST]
    assert verdict["change"]["value"] == pytest.approx(1.0)
    assert verdict["paired"]["body_differs"] is True
    repository.against().stdout.fnmatch_lines(["  body * the test itself differs from the base's"])


def test_comments_layout_and_marker_are_no_difference_of_the_body(repository):
    text = (repository.path / "test_it.py").read_text()
    (repository.path / "test_it.py").write_text(
        text.replace("infer(sample)", "infer( sample )  # the same").replace(
            'model="tiny"', 'model="tiny", tolerance="3%"'
        )
    )
    assert repository.paired()[TEST]["paired"]["body_differs"] is False


def test_another_n_is_incomparable(repository):
    text = (repository.path / "test_it.py").read_text()
    (repository.path / "test_it.py").write_text(text.replace("n=100", "n=120"))
    verdict = repository.paired()[TEST]
    assert (verdict["status"], verdict["reason"]) == (
        "incomparable",
        "the base's n was 100, now 120",
    )
    # As with a stored baseline: the test was edited, and nothing in the run has failed.
    repository.against().assert_outcomes(passed=1)
    repository.against("--energy-strict").assert_outcomes(failed=1)


def test_regions_are_compared_each_with_its_own(repository):
    repository.write(
        test_it="""
        import pytest
        from model import infer
        from scripted import spend
        from cost import DECODE

        def test_regions(energy):
            with energy.measure("prefill", n=2):
                infer(); infer()
            for _ in energy.each(range(40)):
                infer()
                with energy.measure("decode"):
                    spend(DECODE)
        """,
        cost="DECODE = 1.0",
    )
    repository.commit()
    repository.write(cost="DECODE = 1.5")
    found = repository.paired()
    assert {name.partition("#")[2]: v["status"] for name, v in found.items()} == {
        "": "regressed",
        "prefill": "ok",
        "decode": "regressed",
    }
    assert found["test_it.py::test_regions#decode"]["change"]["value"] == pytest.approx(0.5)


def test_a_region_around_the_loop_holds_nothing_of_the_bases_turns(repository):
    repository.write(
        test_it="""
        from model import infer

        def test_all(energy):
            with energy.measure("all", n=40):
                for _ in energy.each(range(40)):
                    infer()
        """
    )
    repository.commit()
    (_, region) = repository.report("--energy-against=main")["results"]
    # Two of warm-up stand in it as well.
    assert region["measurement"]["joules_per_unit"] == pytest.approx(2.0 * 42 / 40)
    assert region["verdict"]["status"] in {"ok", "inconclusive"}


def test_tokens_are_each_sides_own(repository):
    body = """
        import pytest
        from model import infer

        @pytest.mark.inference(n=20, unit="token")
        def test_tokens(energy):
            for _ in energy.each(range(20)):
                infer()
                energy.add(tokens={tokens})
        """
    repository.write(test_it=body.format(tokens=10))
    repository.commit()
    repository.write(test_it=body.format(tokens=5))
    verdict = repository.paired()["test_it.py::test_tokens"]
    assert (verdict["status"], verdict["change"]["value"]) == ("regressed", pytest.approx(1.0))


def test_quality_is_compared_with_the_bases_and_its_fall_is_nothing_to_accept(repository):
    body = """
        import pytest
        from model import infer

        @pytest.mark.inference(n=20, quality="accuracy")
        def test_graded(energy):
            for _ in energy.each(range(20)):
                infer()
            energy.record(accuracy={accuracy})
        """
    repository.write(test_it=body.format(accuracy=0.8))
    repository.commit()
    repository.write(test_it=body.format(accuracy=0.7))
    repository.set_cost(1.5)
    result = repository.against("--energy-update")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "quality regressed: accuracy fell from 0.800 to 0.700 (-12.5 %), allowed -1 %",
            "  hint       if it is meant, allow it with quality_tolerance in this change",
        ]
    )
    repository.set_cost(2.6)  # a rise could be accepted; with the fall beside it it cannot
    risen = repository.against("--energy-update")
    risen.assert_outcomes(failed=1)
    risen.stdout.fnmatch_lines(["energy regressed: 2.60 J per inference*"])
    assert repository.baselines() == []


def test_a_budget_holds_as_ever(repository):
    text = (repository.path / "test_it.py").read_text()
    (repository.path / "test_it.py").write_text(text.replace("n=100", 'n=100, budget="1 J"'))
    assert repository.paired()[TEST]["status"] == "over_budget"


def test_a_precision_ends_both_loops_early(repository):
    (result,) = repository.report("--energy-against=main", "--energy-precision=2%")["results"]
    assert result["measurement"]["metered_count"] == result["base"]["metered_count"] == 25
    (result,) = repository.report("--energy-against=main", "--energy-precision=verdict")["results"]
    assert result["measurement"]["metered_count"] == result["base"]["metered_count"] == 25
    assert result["verdict"]["status"] == "ok"


def test_a_suspects_second_pair_of_processes_performs_all_samples(repository):
    repository.set_cost(2.3)
    (result,) = repository.report("--energy-against=main", "--energy-precision=verdict")["results"]
    assert result["measurement"]["metered_count"] == result["base"]["metered_count"] == 25 + 100
    assert result["verdict"]["status"] == "regressed"


# Nothing else changes


def test_selection_parameters_and_first_failure_are_pytests(repository):
    repository.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.slow
        @pytest.mark.parametrize("size", [1, 2, 3])
        def test_sizes(energy, size):
            for _ in energy.each(range(20)):
                infer()

        def test_other(energy):
            for _ in energy.each(range(20)):
                infer()
        """
    )
    repository.ini("energy_meter = scripted", "markers = slow")
    repository.commit()
    repository.set_cost(2.3)
    repository.against("-k", "2 or 3").assert_outcomes(failed=2, deselected=2)
    repository.against("-m", "not slow").assert_outcomes(failed=1, deselected=3)
    repository.against("-x").assert_outcomes(failed=1)
    repository.against("test_it.py::test_sizes[3]").assert_outcomes(failed=1)


def test_json_and_junit_carry_the_base(repository):
    repository.set_cost(2.3)
    report = repository.report("--energy-against=main", "--junitxml=junit.xml")
    jsonschema.validate(report, json.loads(SCHEMA_FILE.read_text()))
    (result,) = report["results"]
    assert result["base"]["joules_per_unit"] == pytest.approx(2.0)
    assert len(result["base"]["blocks"]) == len(result["measurement"]["blocks"]) == 2 * 20
    assert result["verdict"]["paired"]["pairs"] == 2 * 20
    case = ElementTree.parse(repository.path / "junit.xml").find(".//testcase")
    assert case is not None
    properties = {p.get("name"): p.get("value") for p in case.iter("property")}
    assert properties["energy.base"].endswith("(main)")
    assert float(properties["energy.base_joules_per_unit"]) == pytest.approx(2.0)
    failure = case.find("failure")
    assert failure is not None
    assert "energy regressed" in failure.get("message", "")


def test_the_table_says_what_the_base_took(repository):
    repository.against("--energy-report").stdout.fnmatch_lines(
        ["test_loop: base 2.00 J at ??????? (main), 20 pairs of blocks"]
    )


def test_the_base_writes_no_reports_and_no_baselines(repository):
    repository.ini("energy_meter = scripted", "energy_update = true", "energy_json = base.json")
    repository.commit()
    repository.ini("energy_meter = scripted")
    repository.set_cost(2.3)
    repository.against(f"--junitxml={repository.path / 'junit.xml'}").assert_outcomes(failed=1)
    assert 'failures="1"' in (repository.path / "junit.xml").read_text()
    assert not (repository.path / "base.json").exists()
    assert repository.baselines() == []


def test_options_of_a_new_conftest_are_no_error_on_the_base(repository):
    conftest = (repository.path / "conftest.py").read_text()
    (repository.path / "conftest.py").write_text(
        conftest + "\ndef pytest_addoption(parser):\n    parser.addoption('--size')\n"
    )
    repository.against("--size", "small").assert_outcomes(passed=1)


def test_an_option_that_is_a_path_goes_to_the_bases_tree(repository):
    (repository.path / "conftest.py").open("a").write(
        "\nfrom pathlib import Path\n"
        "def pytest_addoption(parser):\n    parser.addoption('--weights', type=Path)\n"
    )
    repository.write(
        test_it="""
        from model import infer

        def test_loop(energy, request):
            text = request.config.getoption("--weights").read_text()
            for _ in energy.each(range(float(text) and 10)):
                infer()
        """
    )
    weights = repository.path / "weights.txt"
    weights.write_text("1.0")
    repository.commit()
    repository.against(f"--weights={weights}").assert_outcomes(passed=1)
    weights.write_text("0.5")
    assert repository.paired(f"--weights={weights}")[TEST]["status"] == "ok"


def test_fixtures_that_the_next_test_needs_stay_on_the_base(repository, monkeypatch):
    repository.write(
        test_it="""
        import os, pytest
        from model import infer

        @pytest.fixture(scope="module")
        def model():
            with open(os.environ["LOADED"], "a") as file:
                file.write("loaded ")

        @pytest.mark.parametrize("i", range(3))
        def test_it(energy, model, i):
            for _ in energy.each(range(5)):
                infer()
        """
    )
    repository.commit()
    log = repository.path / "loaded.txt"
    monkeypatch.setenv("LOADED", str(log))
    repository.against().assert_outcomes(passed=3)
    assert log.read_text().split() == ["loaded", "loaded"]  # once on each side


def test_another_revision_or_a_folder_can_be_named(repository):
    repository.git("tag", "old")
    repository.set_cost(4.0)
    repository.commit("dearer")
    repository.against().assert_outcomes(passed=1)
    repository.against(base="old").assert_outcomes(failed=1)
    repository.against(base="HEAD~1").assert_outcomes(failed=1)
    other = repository.path.with_name(f"{repository.path.name}-other")
    repository.git("clone", "--quiet", ".", str(other))
    repository.git("-C", str(other), "checkout", "--quiet", "old")
    result = repository.against(base=str(other))
    result.stdout.fnmatch_lines([f"energy regressed: 4.00 J*, base 2.00 J at {other}"])
    assert (other / "model.py").exists()


def test_the_ini_twin_does_the_same(repository):
    repository.ini("energy_meter = scripted", "energy_against = main")
    repository.set_cost(2.3)
    result = repository.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["accept it: pytest test_it.py::test_loop --energy-update"])


def test_the_worker_judges_nothing(repository):
    """Its process would fail every test if it did."""
    conftest = (repository.path / "conftest.py").read_text()
    repository.pytester.makeconftest(
        conftest
        + """
def pytest_configure(config):
    from pytest_energy.settings import WORKER

    if WORKER in config.stash:
        from pytest_energy.gate import evaluate
        from pytest_energy.baselines.store import BaselineStore

        def refuse(*_):
            raise RuntimeError("the worker judged")

        evaluate.judge = evaluate.Evaluation = refuse
        BaselineStore.find = refuse
"""
    )
    repository.commit()
    assert repository.paired()[TEST]["status"] == "ok"


GRADED = """
import pytest
from model import infer

@pytest.mark.inference(n=100, task="sentiment", model="tiny", quality="accuracy")
def test_loop(energy):
    for sample in energy.each(range(30)):
        infer(sample)
    energy.record(accuracy={accuracy})
"""


def test_a_quality_that_fell_is_set_against_the_bases(repository):
    repository.write(test_it=GRADED.format(accuracy=0.81))
    repository.commit()
    repository.write(test_it=GRADED.format(accuracy=0.7))
    result = repository.against("--junitxml=junit.xml")
    result.assert_outcomes(failed=1)
    assert "accuracy 0.700, base 0.810; allowed -1 %" in flowing(result)
    xml = (repository.path / "junit.xml").read_text()
    assert "accuracy_base" in xml
    assert "accuracy_stored" not in xml
