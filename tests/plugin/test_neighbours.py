"""Beside other plugins, all in one environment: a rise is found, a figure is stored."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.projects import LOOP, TEST, flowing

PLUGINS = {
    "pytest-asyncio": ("pytest_asyncio.plugin",),
    "pytest-bdd": ("pytest_bdd.plugin",),
    "pytest-benchmark": ("pytest_benchmark.plugin",),
    "pytest-codspeed": ("pytest_codspeed.plugin",),
    "pytest-cov": ("pytest_cov.plugin", "--cov=model"),
    "pytest-freezer": ("pytest_freezer",),
    "pytest-html": ("pytest_metadata.plugin", "pytest_html.plugin", "--html=report.html"),
    "pytest-instafail": ("pytest_instafail", "--instafail"),
    "pytest-json-report": ("pytest_jsonreport.plugin", "--json-report"),
    "pytest-memray": ("pytest_memray.plugin",),
    "pytest-randomly": ("pytest_randomly",),
    "pytest-repeat": ("pytest_repeat", "--count=1"),
    "pytest-rerunfailures": ("pytest_rerunfailures", "--reruns=1"),
    "pytest-retry": ("pytest_retry.retry_plugin", "--retries=1"),
    "pytest-run-parallel": ("pytest_run_parallel.plugin", "--parallel-threads=4"),
    "pytest-socket": ("pytest_socket", "--disable-socket", "--allow-unix-socket"),
    "pytest-subtests": ("pytest_subtests.plugin",),
    "pytest-sugar": ("pytest_sugar",),
    "pytest-timeout": ("pytest_timeout", "--timeout=60"),
    "pytest-xdist": ("xdist.plugin", "-n2"),
    "allure-pytest": ("allure_pytest.plugin", "--alluredir=allure"),
    "hypothesis": ("_hypothesis_pytestplugin",),
    "pyfakefs": ("pyfakefs.pytest_plugin",),
    "syrupy": ("syrupy",),
}
"""Distributions, with the modules of their plugins and the options that have them do something."""


def needs(distribution):
    """Skip where a distribution is not installed."""
    module = PLUGINS[distribution][0]
    if importlib.util.find_spec(module.partition(".")[0]) is None:
        pytest.skip(f"needs {distribution}")


@pytest.fixture
def beside(project):
    """A project whose runs load another plugin."""
    project.own_process = True  # some of them cannot be loaded twice in a process

    def load(distribution):
        needs(distribution)
        project.plugins = tuple(one for one in PLUGINS[distribution] if one[0] != "-")
        return [one for one in PLUGINS[distribution] if one[0] == "-"]

    project.beside = load
    return project


@pytest.mark.parametrize("distribution", PLUGINS)
def test_beside_another_plugin_the_gate_holds(beside, distribution):
    options = beside.beside(distribution)
    beside.write(test_it=LOOP)
    assert beside.run("--energy-update", *options).ret == pytest.ExitCode.OK
    (entry,) = beside.baseline()["entries"].values()
    assert entry["joules_per_unit"] == 2.0
    beside.set_cost(3.0)
    verdict = beside.verdicts(*options)[TEST]
    assert verdict["status"] == "regressed"
    assert verdict["change"]["value"] == pytest.approx(0.5)


# What some of them do to a test


def test_a_test_that_is_retried_reports_its_last_attempt(beside):
    options = beside.beside("pytest-retry")
    beside.write(
        test_it="""
        import pytest
        from scripted import spend

        attempts = []

        @pytest.mark.inference(n=10, task="t", model="m")
        def test_x(energy):
            attempts.append(1)
            for _ in energy.each(range(10)):
                spend(5.0 if len(attempts) < 2 else 2.0)
            assert len(attempts) > 1
        """
    )
    (result,) = beside.report(*options)["results"]
    assert result["measurement"]["joules_per_unit"] == 2.0
    assert result["outcome"] == "passed"


FROZEN = """
import pytest
from model import infer

@pytest.mark.inference(n=100, task="t", model="loop")
def test_loop(energy, freezer):
    energy.run(infer, range(10))

@pytest.mark.inference(n=100, task="t", model="body")
def test_body(freezer):
    for _ in range(100):
        infer()
"""


@pytest.mark.parametrize(
    ("distribution", "fixture"), [("pytest-freezer", "freezer"), ("pyfakefs", "fs")]
)
def test_neither_a_frozen_clock_nor_a_fake_file_system_hides_a_rise(beside, distribution, fixture):
    options = beside.beside(distribution)
    beside.write(test_it=FROZEN.replace("freezer", fixture))
    assert beside.run("--energy-update", *options).ret == pytest.ExitCode.OK
    beside.set_cost(3.0)
    statuses = {verdict["status"] for verdict in beside.verdicts(*options).values()}
    assert statuses == {"regressed"}


def test_an_estimate_is_made_in_a_fake_file_system_too(beside):
    options = beside.beside("pyfakefs")
    beside.ini("energy_meter = cpu_time")
    beside.write(
        test_it="""
        import pytest

        @pytest.mark.inference(n=100, task="t", model="loop")
        def test_loop(energy, fs):
            energy.run(lambda _: sum(range(20_000)), range(10))
        """
    )
    (result,) = beside.report(*options)["results"]
    assert result["measurement"]["joules_per_unit"] > 0


def test_coverage_is_paused_while_something_is_metered_and_goes_on_after(beside):
    options = beside.beside("pytest-cov")
    beside.write(
        test_it="""
        import pytest
        from model import infer

        def after(): return 1

        @pytest.mark.inference(n=100, task="t", model="loop")
        def test_loop(energy):
            energy.run(infer, range(10))

        def test_plain():
            assert after()
        """
    )
    report = beside.report("--cov=test_it", "--cov-report=json:cov.json", *options)
    (result,) = report["results"]
    assert result["measurement"]["interference"] == []
    assert report["notices"][0].startswith("coverage was paused in metered windows")
    files = json.loads((beside.path / "cov.json").read_text())["files"]
    assert files["model.py"]["missing_lines"] == []  # the warm-up is covered
    assert 5 not in files["test_it.py"]["missing_lines"]


def test_in_several_threads_a_metered_test_runs_once(beside):
    options = beside.beside("pytest-run-parallel")
    beside.write(test_it=FROZEN.replace(", freezer", "").replace("freezer", ""))
    results = beside.report(*options, "--iterations=3")["results"]
    assert {result["measurement"]["joules_per_unit"] for result in results} == {2.0}


THREADS = """
import threading

def pytest_itemcollected(item):
    function = item.obj

    def in_threads(*args, **kwargs):
        threads = [threading.Thread(target=function, args=args, kwargs=kwargs) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    item.obj = in_threads
"""


def test_a_function_that_something_runs_in_threads_is_no_comparison(project):
    body = """
    import pytest
    from model import infer

    @pytest.mark.inference(n=10, task="t", model="m")
    def test_body():
        for _ in range(10):
            infer()
    """
    project.write(test_it=body)
    assert project.run("--energy-update").ret == pytest.ExitCode.OK
    conftest = project.path / "conftest.py"
    conftest.write_text(conftest.read_text() + THREADS)
    result = project.run()
    result.assert_outcomes(failed=1)
    assert "another plugin ran the test's function 4 times in one window" in flowing(result)
    project.run("--energy-allow=repeated").assert_outcomes(passed=1)


def test_a_deleted_working_folder_ends_nothing(project, monkeypatch):
    project.write(
        test_it="""
        import os, shutil
        import pytest
        from model import infer

        @pytest.mark.inference(n=10, task="t", model="m")
        def test_x(energy, tmp_path_factory):
            place = tmp_path_factory.mktemp("gone")
            os.chdir(place)
            energy.run(infer, range(10))
            shutil.rmtree(place)

        @pytest.mark.inference(n=10, task="t", model="m")
        def test_y(energy):
            energy.run(infer, range(10))
        """
    )
    project.own_process = True
    result = project.run("--energy-update")
    result.assert_outcomes(passed=2)
    assert "2 new" in flowing(result)


STRICT = (
    "energy_meter = scripted",
    "asyncio_default_fixture_loop_scope = function",
    "filterwarnings =",
    "    error",
)


@pytest.fixture
def as_installed(repository):
    """A repository whose warnings are errors, with every plugin that is installed."""
    repository.plugins = None
    repository.own_process = True
    repository.ini(*STRICT)
    repository.write(test_it=LOOP)
    repository.commit()
    return repository


def test_warnings_that_are_errors_break_no_base(as_installed):
    as_installed.set_cost(3.0)
    assert as_installed.paired()[TEST]["status"] == "regressed"


def test_warnings_that_are_errors_break_no_doctor(as_installed):
    command = [Path(sys.executable).with_name("pytest-energy"), "doctor"]
    done = subprocess.run(
        command, cwd=as_installed.path, capture_output=True, text=True, check=False
    )
    assert "scripted" in done.stdout
    assert "Traceback" not in done.stderr
