"""The marker: what it takes, what it refuses."""

from __future__ import annotations

import pytest

from support.projects import flowing


def test_the_closest_mark_wins_argument_by_argument(project):
    project.write(
        test_it="""
        import pytest
        from model import infer
        pytestmark = pytest.mark.inference(n=5, task="qa", model="base")

        @pytest.mark.inference(model="large")
        class TestIt:
            @pytest.mark.inference(n=2)
            def test_a(self):
                infer(), infer()
        """
    )
    (result,) = project.report()["results"]
    subject = result["subject"]
    assert (subject["n"], subject["task"], subject["model"]) == (2, "qa", "large")


def test_a_marker_counts_wherever_it_stands(project):
    project.pytester.makeconftest(
        """
        import pytest, scripted

        def pytest_energy_meters(config):
            return scripted.sources()

        def pytest_collection_modifyitems(items):
            for item in items:
                if item.name == "test_by_a_hook":
                    item.add_marker(pytest.mark.inference(n=1))
                if item.name == "test_appended":  # unseen by pytest's keywords
                    item.own_markers.append(pytest.mark.inference(n=1).mark)
        """
    )
    project.write(
        test_it="""
        import pytest
        from model import infer

        def test_by_a_hook(): infer()
        def test_appended(): infer()
        def test_plain(): infer()

        @pytest.mark.inference(n=1)
        class TestMarked:
            def test_by_its_class(self): infer()
        """,
        test_module="""
        import pytest
        from model import infer
        pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.inference(n=1)]
        def test_by_its_module(): infer()
        """,
    )
    metered = [result["subject"]["test"] for result in project.report()["results"]]
    assert [name.rpartition("::")[2] for name in metered] == [
        "test_by_a_hook",
        "test_appended",
        "test_by_its_class",
        "test_by_its_module",
    ]


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


LONG = "x" * 10_001


@pytest.mark.parametrize("workers", [(), ("-n1",)])
@pytest.mark.parametrize(
    ("mark", "body", "problem"),
    [
        (f"task={LONG!r}", "energy.record(a=1)", "task: 10,000 characters at most, found 10,001"),
        ("task='t'", f"energy.measure({LONG!r})", "the name has 10,001 characters, 10,000 at most"),
    ],
    ids=["marker", "region"],
)
def test_a_name_that_no_baseline_can_have_is_refused_before_it_is_stored(
    project, workers, mark, body, problem
):
    project.write(
        test_it=f"import pytest\n\n@pytest.mark.inference(n=1, {mark})\n"
        f"def test_x(energy):\n    {body}"
    )
    result = project.run("--energy-update", *workers)
    assert result.ret != pytest.ExitCode.OK
    assert problem in flowing(result) + " ".join(result.errlines)
    assert project.baselines() == []


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_a_parameter_that_makes_the_tests_name_too_long_is_refused_with_the_remedy(
    project, workers
):
    project.write(
        test_it=f"""
        import pytest

        @pytest.mark.inference(n=1)
        @pytest.mark.parametrize("prompt", [1], ids=[{LONG!r}])
        def test_x(prompt): pass
        """
    )
    result = project.run("--energy-update", *workers)
    said = " ".join(flowing(result).split() + " ".join(result.errlines).split())
    assert result.ret != pytest.ExitCode.OK
    assert "characters, 10,000 at most: a baseline is stored under it; give its parameters" in said
    project.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.inference(n=1)
        @pytest.mark.parametrize("prompt", [1], ids=["x" * 9_970])
        def test_x(prompt): infer()
        """
    )
    for _ in range(2):  # what is stored is read again
        project.run("--energy-update", *workers).assert_outcomes(passed=1)
