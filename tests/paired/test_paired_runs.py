"""`--energy-against`: head and base take turns, and the verdict is the ratio of the two."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from xml.etree import ElementTree

import jsonschema
import pytest

from pytest_energy.report.json import SCHEMA_FILE

TEST = "test_it.py::test_loop"


# The verdict


def test_unchanged_code_is_ok_without_any_stored_baseline(repository):
    result = repository.against()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "energy: scripted (counter), *, in turns with ??????? (main)",
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
            "  change  +15.0 %  [[]+1?.? %, +1?.? %]   allowed +5 %",
            "  notice   +?.? %  would have been found, in four of five runs",
            "  pairs        20  turns of each side, one after the other, in random order",
            "  cpu     +15.0 %  counter (RAPL)",
            "  CO2e    0.264 g -> 0.303 g per 1,000 inferences at 475 g/kWh (world average, 2018)",
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
    assert repository.report("--energy-against=main")["against"]["only_base"] == [TEST]


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
    assert verdict["change"] == pytest.approx(1.0)
    assert verdict["pairing"]["body_differs"] is True
    repository.against().stdout.fnmatch_lines(["  body * the test itself differs from the base's"])


def test_comments_layout_and_marker_are_no_difference_of_the_body(repository):
    text = (repository.path / "test_it.py").read_text()
    (repository.path / "test_it.py").write_text(
        text.replace("infer(sample)", "infer( sample )  # the same").replace(
            'model="tiny"', 'model="tiny", tolerance="3%"'
        )
    )
    assert repository.paired()[TEST]["pairing"]["body_differs"] is False


def test_another_n_is_incomparable(repository):
    text = (repository.path / "test_it.py").read_text()
    (repository.path / "test_it.py").write_text(text.replace("n=100", "n=120"))
    verdict = repository.paired()[TEST]
    assert (verdict["status"], verdict["reason"]) == (
        "incomparable",
        "the base's n was 100, now 120",
    )


def test_a_body_without_a_loop_takes_turns_as_a_whole_and_says_how_little_that_tells(repository):
    repository.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.inference(n=2, tolerance="2%")
        def test_body():
            infer()
            infer()
        """
    )
    repository.commit()
    verdict = repository.paired()["test_it.py::test_body"]
    assert (verdict["status"], verdict["pairing"]["pairs"]) == ("inconclusive", 1)
    assert "1 pair of turns can tell little" in verdict["reason"]
    assert "loop over energy.each" in verdict["hint"]
    repository.set_cost(3.0)
    assert repository.paired()["test_it.py::test_body"]["status"] == "regressed"


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
    assert found["test_it.py::test_regions#decode"]["change"] == pytest.approx(0.5)


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
            energy.record(tokens={tokens} * energy.count)
        """
    repository.write(test_it=body.format(tokens=10))
    repository.commit()
    repository.write(test_it=body.format(tokens=5))
    verdict = repository.paired()["test_it.py::test_tokens"]
    assert (verdict["status"], verdict["change"]) == ("regressed", pytest.approx(1.0))


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
            "  hint    if it is meant, allow it with quality_tolerance in this change",
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
    repository.set_cost(2.3)
    (result,) = repository.report("--energy-against=main", "--energy-precision=2%")["results"]
    assert result["measurement"]["metered_count"] == result["base"]["metered_count"] == 25
    (result,) = repository.report("--energy-against=main", "--energy-precision=verdict")["results"]
    assert result["measurement"]["metered_count"] == result["base"]["metered_count"] == 25
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
    assert len(result["base"]["blocks"]) == len(result["measurement"]["blocks"]) == 20
    assert result["verdict"]["pairing"]["pairs"] == 20
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
        ["test_loop: base 2.00 J at ??????? (main), 20 pairs of turns"]
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


# Accepting a rise


def test_an_accepted_rise_is_ok_until_the_base_has_it_and_more_than_it_is_not(repository):
    repository.set_cost(2.3)
    result = repository.against("--energy-update")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [f"energy: {TEST}: accepted: +15.0 % over ??????? (main) (baselines/accepted.json)"]
    )
    entry = json.loads((repository.path / "baselines" / "accepted.json").read_text())
    assert entry["accepted"][TEST]["change"] == pytest.approx(0.15)
    assert entry["accepted"][TEST]["base"].endswith("(main)")

    verdict = repository.paired()[TEST]
    assert (verdict["status"], verdict["pairing"]["accepted"]) == ("ok", pytest.approx(0.15))
    repository.set_cost(2.6)
    assert repository.paired()[TEST]["status"] == "regressed"

    repository.set_cost(2.3)
    repository.commit("merged")
    assert repository.paired()[TEST]["status"] == "ok"
    repository.set_cost(2.6)
    verdict = repository.paired()[TEST]
    assert (verdict["status"], verdict["pairing"]["accepted"]) == ("regressed", None)


def test_what_is_accepted_outside_of_the_repository_would_never_be_used_up(repository, tmp_path):
    repository.set_cost(2.3)
    elsewhere = tmp_path.with_name(f"{tmp_path.name}-elsewhere")
    result = repository.against("--energy-update", f"--energy-baselines={elsewhere}")
    said = " ".join(line.strip() for line in result.outlines)
    assert f"not accepted: {elsewhere} lies outside of {repository.path}" in said
    assert not elsewhere.exists()


def test_nothing_is_accepted_where_nothing_rose(repository):
    repository.against("--energy-update").stdout.fnmatch_lines(
        [f"energy: {TEST}: nothing was accepted: no rise"]
    )
    assert not (repository.path / "baselines" / "accepted.json").exists()


def test_a_test_that_fails_otherwise_accepts_nothing(repository):
    text = (repository.path / "test_it.py").read_text()
    (repository.path / "test_it.py").write_text(f"{text}\n    assert False\n")
    repository.set_cost(2.3)
    repository.against("--energy-update").assert_outcomes(failed=1)
    assert not (repository.path / "baselines" / "accepted.json").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "Expecting property name"),
        ('{"schema": 9, "accepted": {}}', "schema 9 is not 1"),
        ('{"schema": 1}', "'accepted' is missing"),
        (
            '{"schema": 1, "accepted": {"x": {"change": -1.0, "base": "", "date": ""}}}',
            "found -1.0",
        ),
        ('{"schema": 1, "accepted": {"x": {"rise": 1.0}}}', "unexpected keyword argument 'rise'"),
    ],
)
def test_a_broken_file_of_accepted_rises_is_named_and_left_alone(repository, content, words):
    path = repository.path / "baselines" / "accepted.json"
    path.parent.mkdir()
    path.write_text(content)
    result = repository.against()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: *accepted.json: *{words}*"])
    assert path.read_text() == content


# What cannot be


def test_under_xdist_it_is_refused_with_the_reason(repository):
    repository.own_process = True
    result = repository.against("-n", "2")
    text = result.stdout.str() + result.stderr.str()
    assert "pytest-xdist's workers would all run at once and disturb both: use -n 0" in text
    repository.against("-n", "0").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--energy-against="], "no revision is given (an empty variable?)"),
        (["--energy-against=nothing"], "'nothing' is neither a folder nor a revision"),
        (["--energy-against=--help"], "'--help' is neither a folder nor a revision"),
        (["--energy-against=."], "'.' is or holds the tree that is tested"),
        (["--energy-against=main", "--energy-against-timeout=soon"], "expected seconds"),
        (["--energy-against=main", "--energy-meter=nothing"], "no meter named 'nothing'"),
    ],
)
def test_a_wrong_argument_is_a_usage_error_that_says_what_is_meant(repository, arguments, words):
    result = repository.run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert words in result.stderr.str()


def test_a_revision_that_was_not_fetched_is_named_with_the_remedy(repository):
    result = repository.against(base="origin/main")
    result.stderr.fnmatch_lines(["*'origin/main' is neither*git fetch origin main*fetch-depth: 0"])


def test_outside_of_git_a_folder_will_do_and_a_revision_will_not(loop):
    result = loop.run("--energy-against=main")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "not a git repository" in result.stderr.str()
    other = loop.path.with_name(f"{loop.path.name}-other")
    other.mkdir()
    for name in ("conftest.py", "scripted.py", "model.py", "test_it.py", "tox.ini"):
        (other / name).write_bytes((loop.path / name).read_bytes())
    loop.set_cost(2.3)
    loop.run(f"--energy-against={other}").assert_outcomes(failed=1)


def test_metered_tests_switched_off_need_no_base(repository):
    repository.against("--energy-off", base="nothing").assert_outcomes(passed=1)


def test_a_session_without_metered_tests_starts_nothing(repository):
    repository.write(test_it="def test_plain(): pass")
    repository.against(base="nothing").assert_outcomes(passed=1)


def test_installed_modules_by_name_are_refused_with_the_reason(repository):
    result = repository.against("--pyargs", "test_it")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "installed modules are the same on both sides" in result.stderr.str()


# Turns


def test_the_two_never_run_at_once_and_chance_says_who_is_first(repository, monkeypatch):
    repository.write(
        test_it="""
        import os, time
        from model import infer

        def test_loop(energy):
            with open(os.environ["LOG"], "a") as log:
                for _ in energy.each(range(40)):
                    began = time.monotonic()
                    infer()
                    time.sleep(0.001)
                    log.write(f"{began} {time.monotonic()} {os.getpid()}\\n")
                    log.flush()
        """
    )
    repository.commit()
    log = repository.path / "log.txt"
    monkeypatch.setenv("LOG", str(log))
    repository.against().assert_outcomes(passed=1)
    entries = sorted(
        (float(began), float(ended), pid)
        for began, ended, pid in (line.split() for line in log.read_text().splitlines())
    )
    assert all(before[1] <= after[0] for before, after in pairwise(entries))
    assert Counter(Counter(pid for _, _, pid in entries).values()) == {42: 2}
    # After two of warm-up each: twenty pairs of turns, two inferences a turn.
    turns = [pid for _, _, pid in entries[4::2]]
    pairs = [tuple(turns[i : i + 2]) for i in range(0, 40, 2)]
    assert all(len(set(pair)) == 2 for pair in pairs)
    assert sorted(Counter(pairs).values()) == [10, 10]


def test_the_order_is_not_taken_from_the_tests_own_random_numbers(repository):
    repository.write(
        test_it="""
        import random
        from model import infer

        def test_loop(energy):
            random.seed(7)
            drawn = [random.random() for _ in energy.each(range(20))]
            random.seed(7)
            assert drawn == [random.random() for _ in drawn]
        """
    )
    repository.commit()
    repository.against().assert_outcomes(passed=1)
