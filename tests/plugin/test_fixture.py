"""What a test's author writes: the marker and the fixture, loops, records, results."""

from __future__ import annotations

import textwrap

import pytest

from support.projects import flowing

ASYNC = ("anyio.pytest_plugin", "pytest_asyncio.plugin")


def test_the_marker_alone_meters_the_whole_body(project):
    project.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.inference(n=4)
        def test_body():
            for _ in range(4):
                infer()
        """
    )
    (result,) = project.report()["results"]
    assert result["verdict"]["status"] == "new"
    assert result["measurement"]["joules_per_unit"] == 2.0
    assert result["subject"] | {"n": 4, "task": "it", "model": "test_body"} == result["subject"]


@pytest.mark.parametrize(
    "body",
    [
        # plain class
        """
        @pytest.mark.inference(n=2)
        class TestIt:
            def test_a(self):
                infer(), infer()
        """,
        # unittest
        """
        import unittest
        class TestIt(unittest.TestCase):
            @pytest.mark.inference(n=2)
            def test_a(self):
                infer(), infer()
                self.assertTrue(True)
        """,
        # parametrised
        """
        @pytest.mark.parametrize("x", [1])
        @pytest.mark.inference(n=2)
        def test_a(x):
            infer(), infer()
        """,
        # pytest-asyncio
        """
        @pytest.mark.asyncio
        @pytest.mark.inference(n=2)
        async def test_a():
            import asyncio
            infer()
            await asyncio.sleep(0)
            infer()
        """,
        # anyio
        """
        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.anyio
        @pytest.mark.inference(n=2)
        async def test_a():
            import anyio
            infer()
            await anyio.sleep(0)
            infer()
        """,
        # the module's mark
        """
        pytestmark = pytest.mark.inference(n=2)
        def test_a():
            infer(), infer()
        """,
        # what fixtures take is not in it
        """
        @pytest.fixture
        def model():
            infer()
            yield
            infer()

        @pytest.mark.inference(n=2)
        def test_a(model):
            infer(), infer()
        """,
    ],
)
def test_every_kind_of_test_can_be_marked(project, body):
    project.plugins = ASYNC
    project.ini("energy_meter = scripted", "asyncio_default_fixture_loop_scope = function")
    project.write(test_it="import pytest\nfrom model import infer\n" + textwrap.dedent(body))
    (result,) = project.report()["results"]
    assert result["outcome"] == "passed"
    assert result["measurement"]["joules_per_unit"] == 2.0


def test_each_yields_exactly_n_samples_after_a_warm_up_that_is_not_metered(project):
    project.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.inference(n=10, warmup=3)
        def test_each(energy):
            seen = [infer(sample) for sample in energy.each(list("abcd"))]
            counted = "aabbbb"  # the first, the middle and the last of ten, each performed before
            assert "".join(seen) == "abc" + counted + "abcdabcdab"
            assert energy.count == 19
            assert energy.result.metered_count == 10
        """
    )
    report = project.report()
    (result,) = report["results"]
    assert result["measurement"]["joules_per_unit"] == 2.0
    assert result["measurement"]["metered_count"] == 10
    assert [block["n"] for block in result["measurement"]["blocks"]] == [1] * 10
    # The gate's own cost holds the warm-up and what is counted: 9 inferences of 2 J.
    assert report["overhead"]["joules"] == pytest.approx(18.0)


def test_a_generator_of_samples_is_read_once_and_comes_round_again(project):
    project.write(
        test_it="""
        import pytest

        @pytest.mark.inference(n=5, warmup=0)
        def test_each(energy):
            from scripted import spend
            seen = [spend(1) or x for x in energy.each(x for x in range(3))]
            counted = [0, 0]
            assert seen == [*counted, 0, 1, 2, 0, 1]
        """
    )
    assert project.verdicts()["test_it.py::test_each"]["status"] == "new"


def test_an_endless_generator_is_read_as_far_as_needed(project):
    project.write(
        test_it="""
        import itertools, pytest
        from model import infer

        @pytest.mark.inference(n=5)
        def test_each(energy):
            for x in energy.each(itertools.count()):
                infer()
        """
    )
    assert project.verdicts()["test_it.py::test_each"]["status"] == "new"


def test_without_a_marker_n_is_the_number_of_samples(project):
    project.write(
        test_sentiment="""
        from model import infer

        def test_tiny(energy):
            for sample in energy.each(iter([1, 2, 3])):
                infer(sample)
        """
    )
    (result,) = project.report()["results"]
    subject = result["subject"]
    assert (subject["n"], subject["task"], subject["model"]) == (3, "sentiment", "test_tiny")


def test_run_returns_the_outputs_of_the_metered_calls(project):
    project.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.inference(n=5, warmup=2)
        def test_run(energy):
            assert energy.run(infer, [1, 2, 3]) == [1, 2, 3, 1, 2]
            assert energy.count == 2 + 2 + 5
        """
    )
    (result,) = project.report()["results"]
    assert result["outcome"] == "passed"
    assert result["measurement"]["joules_per_unit"] == 2.0


@pytest.mark.parametrize("callee", ["infer_async", "lambda x: infer_async(x)"])
def test_run_refuses_a_coroutine_function_instead_of_timing_its_creation(project, callee):
    project.write(
        test_it=f"""
        import pytest

        async def infer_async(x):
            return x

        @pytest.mark.inference(n=5)
        def test_run(energy):
            energy.run({callee}, [1, 2, 3])
        """
    )
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*energy.run got a * write: await energy.arun(fn, samples)*"])


def test_the_loop_works_in_an_async_test(project):
    project.plugins = ASYNC
    project.ini("energy_meter = scripted", "asyncio_default_fixture_loop_scope = function")
    project.write(
        test_it="""
        import asyncio, pytest
        from model import infer

        @pytest.mark.asyncio
        @pytest.mark.inference(n=5)
        async def test_loop(energy):
            for sample in energy.each([1, 2]):
                await asyncio.sleep(0)
                infer(sample)
        """
    )
    (result,) = project.report()["results"]
    assert result["outcome"] == "passed"
    assert result["measurement"]["joules_per_unit"] == 2.0


def test_a_second_loop_needs_a_name(project):
    project.write(
        test_it="""
        def test_x(energy):
            list(energy.each([1]))
            list(energy.each([1]))
        """
    )
    project.run().stdout.fnmatch_lines(
        ["*energy.each or energy.run was used twice*energy.measure*"]
    )


@pytest.mark.parametrize("samples", ["5", "None"])
def test_what_cannot_be_looped_over_is_refused(project, samples):
    project.write(test_it=f"def test_x(energy):\n    list(energy.each({samples}))\n")
    project.run().stdout.fnmatch_lines(["*energy.each: expected samples to loop over, found*"])


def test_what_the_energy_bought_is_recorded(project):
    project.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.inference(n=2)
        def test_x(energy):
            infer(), infer()
            energy.record(accuracy=0.5, f1=0.25)
            energy.record(accuracy=0.75)
        """
    )
    (result,) = project.report()["results"]
    assert result["measurement"]["recorded"] == {"accuracy": 0.75, "f1": 0.25}


@pytest.mark.parametrize("value", ["'many'", "float('nan')", "None", "[]"])
def test_only_finite_numbers_can_be_recorded(project, value):
    project.write(test_it=f"def test_x(energy):\n    energy.record(accuracy={value})\n")
    project.run().stdout.fnmatch_lines(["*energy.record(accuracy=…): expected a finite number*"])


def test_another_unit_divides_by_what_was_recorded(project):
    project.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.inference(n=4, warmup=1, unit="token")
        def test_loop(energy):
            for _ in energy.each([0]):
                energy.add(tokens=infer(5))  # in the warm-up too, where it does not count

        @pytest.mark.inference(n=4, warmup=2, unit="token")
        def test_recorded(energy):
            for _ in energy.each([0]):
                infer(5)
            energy.record(tokens=20)

        @pytest.mark.inference(n=4, unit="token")
        def test_run(energy):
            energy.record(tokens=sum(energy.run(lambda _: infer(5), [0])))

        @pytest.mark.inference(n=1, unit="token")
        def test_body(energy):
            energy.record(tokens=infer(5))

        @pytest.mark.inference(n=1, unit="token")
        def test_none(energy):
            infer(5)
        """.replace("tokens=infer(5))  #", "tokens=infer() or 5)  #")
        .replace("lambda _: infer(5)", "lambda _: infer() or 5")
        .replace("tokens=infer(5)", "tokens=infer() or 5")
    )
    results = {r["subject"]["test"].rpartition("::")[2]: r for r in project.report()["results"]}
    for name in ("test_loop", "test_recorded", "test_run", "test_body"):
        assert results[name]["measurement"]["joules_per_unit"] == pytest.approx(0.4), name
    assert results["test_none"]["verdict"]["status"] == "unmeasured"
    assert "energy.add(tokens=…) added none or 0" in results["test_none"]["verdict"]["reason"]


def test_a_divisor_that_is_recorded_around_a_loop_is_warned_about(project):
    project.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.inference(n=4, unit="token")
        def test_each(energy):
            tokens = 0
            for _ in energy.each([0]):
                infer()
                tokens += 5
            energy.record(tokens=tokens)

        @pytest.mark.inference(n=4, unit="token")
        def test_run(energy):
            energy.record(tokens=5 * len(energy.run(infer, [0])))
        """
    )
    result = project.run()
    result.assert_outcomes(passed=2, warnings=1)
    text = flowing(result)
    assert "energy.record(tokens=…) is taken for what the metered inferences produced" in text
    assert "energy.add(tokens=…) inside it counts them by itself" in text


def test_what_is_added_is_shown_like_what_is_recorded(project):
    project.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.inference(n=1)
        def test_body(energy):
            infer()
            energy.add(tokens=3, images=1)
            energy.add(tokens=4)
            energy.record(accuracy=0.5)
        """
    )
    (result,) = project.report()["results"]
    assert result["measurement"]["recorded"] == {"accuracy": 0.5, "images": 1, "tokens": 7}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("energy.add(tokens='many')", "energy.add(tokens=…): expected a finite number"),
        ("list(energy.each([1])); energy.add(tokens=1)", "the loop has ended; call it inside"),
        ("energy.record(tokens=1); energy.add(tokens=1)", "tokens was recorded already"),
        ("energy.add(tokens=1); energy.record(tokens=1)", "tokens was added up already"),
    ],
)
def test_what_cannot_be_added_is_an_error(project, body, message):
    project.write(test_it=f"def test_x(energy):\n    {body}\n")
    project.run().stdout.fnmatch_lines([f"*{message}*"])
    if "ended" not in message:
        project.run("--energy-off").stdout.fnmatch_lines([f"*{message}*"])


def test_results_of_the_session_can_be_compared(project):
    project.write(
        test_it="""
        import pytest
        from scripted import spend

        @pytest.mark.inference(n=40, task="qa", role="task-specific")
        def test_small(energy):
            for _ in energy.each([0]):
                spend(2)

        @pytest.mark.inference(n=40, task="qa", role="general-purpose")
        def test_large(energy):
            for _ in energy.each([0]):
                spend(7)

        def test_ratio(energy_results):
            qa = energy_results.where(task="qa")
            general, specific = qa.where(role="general-purpose"), qa.where(role="task-specific")
            ratio = general.ratio(specific)
            assert (ratio.value, ratio.low, ratio.high) == pytest.approx((3.5, 3.5, 3.5))
            assert [r.subject.model for r in qa] == ["test_small", "test_large"]
            assert len(energy_results) == 2
            assert general[0].measurement.joules_per_unit == 7.0
            with pytest.raises(LookupError, match="numerator: no results"):
                qa.where(model="none").ratio(specific)
            with pytest.raises(TypeError, match="unknown name 'colour'; there are: test, region"):
                qa.where(colour="red")
        """
    )
    project.run("-v").assert_outcomes(passed=3)


def test_a_fixture_that_is_asked_for_and_not_used_says_what_to_do(project):
    project.write(test_it="def test_x(energy): pass")
    verdict = project.verdicts()["test_it.py::test_x"]
    assert verdict["status"] == "unmeasured"
    assert "loop over energy.each(samples)" in verdict["reason"]


def test_a_loop_that_counts_for_itself_is_still_whole(project):
    project.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.inference(n=5, warmup=0)
        def test_x(energy):
            samples = energy.each([0])
            for _ in range(2 + 5):
                infer(next(samples))
            samples.close()
        """
    )
    (result,) = project.report()["results"]
    assert result["measurement"]["joules_per_unit"] == 2.0


def test_a_late_request_for_the_fixture_is_refused(project):
    project.write(test_it="def test_x(request):\n    request.getfixturevalue('energy')\n")
    project.run().stdout.fnmatch_lines(["*energy was asked for with getfixturevalue*usefixtures*"])


def test_usefixtures_is_as_good_as_an_argument(project):
    project.write(
        test_it="""
        import pytest
        @pytest.mark.usefixtures("energy")
        def test_x(request):
            list(request.getfixturevalue("energy").each([1, 2]))
        """
    )
    assert project.verdicts()["test_it.py::test_x"]["status"] == "unresolved"  # it took nothing


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
    result = project.run()
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("energy:*")


def test_a_loop_that_somebody_holds_on_to_is_whole(project):
    project.write(
        test_it="""
        import pytest
        from model import infer
        kept = []

        @pytest.mark.inference(n=5, warmup=0)
        def test_x(energy):
            kept.append(energy.each([0]))
            for _ in range(2 + 5):
                infer(next(kept[0]))
        """
    )
    assert project.verdicts()["test_it.py::test_x"]["status"] == "new"
