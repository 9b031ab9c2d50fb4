"""Which entry a test has: its file, its name and its parameters, whatever is done to its id."""

from __future__ import annotations

import pytest

from support.projects import LOOP, TEST


def package(project, name, cost, ini="energy_meter = scripted\n"):
    """A package of a monorepo, with a model of its own."""
    folder = project.path / name
    (folder / "tests").mkdir(parents=True)
    (folder / "tests" / "test_it.py").write_text(LOOP.replace("from model", f"from {name}_model"))
    (project.path / f"{name}_model.py").write_text(
        (project.path / "model.py").read_text().replace("2.0", str(cost))
    )
    # What a project has of its own (its meter) is found from the package as well.
    (folder / "pytest.ini").write_text(f"[pytest]\naddopts = --confcutdir={project.path}\n{ini}")
    return folder


def test_packages_that_share_a_folder_share_no_entry(project, monkeypatch):
    ini = "energy_meter = scripted\nenergy_baselines = ../baselines\n"
    folders = [package(project, "one", 2.0, ini), package(project, "two", 3.0, ini)]
    project.pytester.syspathinsert(str(project.path))
    for folder in folders:
        monkeypatch.chdir(folder)
        result = project.run("--energy-update", "--energy-report")
        result.stdout.fnmatch_lines(["*nothing was compared, 1 new*"])
    assert sorted(project.baseline()["entries"]) == [
        "one/tests/test_it.py::test_loop",
        "two/tests/test_it.py::test_loop",
    ]
    monkeypatch.chdir(folders[0])
    project.run("--energy-prune=delete").stdout.fnmatch_lines(["energy: nothing to prune"])


def test_from_above_a_package_its_own_folder_is_found(project, monkeypatch):
    folder = package(project, "one", 2.0)
    project.pytester.syspathinsert(str(project.path))
    monkeypatch.chdir(folder)
    project.run("--energy-update")
    monkeypatch.chdir(project.path)
    result = project.run("-p", "no:cacheprovider", "--rootdir=.", "-c", "tox.ini", "one/tests")
    result.stdout.fnmatch_lines(["energy: 1 compared (1 ok)*"])


def test_from_inside_a_package_the_folder_above_is_found(project, monkeypatch):
    folder = package(project, "one", 2.0)
    project.pytester.syspathinsert(str(project.path))
    (project.path / ".git").mkdir()
    project.run("--energy-update", "--rootdir=.", "-c", "tox.ini", "one/tests")
    assert list(project.baseline()["entries"]) == ["one/tests/test_it.py::test_loop"]
    monkeypatch.chdir(folder)
    project.run().stdout.fnmatch_lines(["energy: 1 compared (1 ok)*"])


def test_tests_of_another_package_are_stored_in_that_one(project, monkeypatch):
    folders = [package(project, "one", 2.0), package(project, "two", 3.0)]
    (project.path / ".git").mkdir()
    project.pytester.syspathinsert(str(project.path))
    monkeypatch.setenv("PYTHONPATH", str(project.path))  # of a second process
    (project.path / "tox.ini").unlink()
    # Of two folders pytest takes the first one's file, and that one for rootdir.
    project.run("--energy-update", "--import-mode=importlib", "-c", "one/pytest.ini", "one", "two")
    for folder in folders:
        monkeypatch.chdir(folder)
        project.run().stdout.fnmatch_lines(["energy: 1 compared (1 ok)*"])


def test_a_folder_of_that_name_that_holds_other_things_is_none(project, monkeypatch):
    folder = package(project, "one", 2.0)
    theirs = folder / "baselines" / "bert" / "fp32" / "config.json"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("{}")
    project.pytester.syspathinsert(str(project.path))
    project.run("--energy-update", "--rootdir=.", "-c", "tox.ini", "one/tests")
    assert list(project.baseline()["entries"]) == ["one/tests/test_it.py::test_loop"]


REWRITES = """
def pytest_collection_modifyitems(items):
    for item in items:
        item.name = item.name.encode("utf-8").decode("unicode_escape")
        item._nodeid = item.nodeid.encode("utf-8").decode("unicode_escape")
"""


def test_ids_that_a_hook_rewrites_change_no_name(project):
    project.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.parametrize("prompt", ["你好", "plain"])
        @pytest.mark.inference(n=1, task="t", model="m")
        def test_x(prompt): infer()
        """
    )
    project.run("--energy-update")
    conftest = project.path / "conftest.py"
    conftest.write_text(conftest.read_text() + REWRITES)
    project.run("--energy-prune=show").stdout.fnmatch_lines(["energy: nothing to prune"])
    project.set_cost(3.0)
    assert {v["status"] for v in project.verdicts().values()} == {"regressed"}


def test_two_tests_of_one_name_are_refused_and_both_are_named(project):
    conftest = project.path / "conftest.py"
    conftest.write_text(
        conftest.read_text()
        + """
def pytest_collection_modifyitems(items):
    items.append(items[0].__class__.from_parent(
        items[0].parent, name="test_loop", callobj=items[0].obj
    ))
"""
    )
    project.write(test_it=LOOP)
    result = project.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*two metered tests are called {TEST}*: {TEST} and {TEST}*"])


# Marks


def test_the_closest_mark_wins_argument_by_argument(project):
    project.write(
        test_it="""
        import pytest
        from model import infer

        pytestmark = pytest.mark.inference(model="module", task="module", n=1, dataset="module")

        @pytest.mark.inference(model="base", task="base", dataset="base")
        class TestBase:
            def test_x(self): infer()

        @pytest.mark.inference(model="sub")
        class TestSub(TestBase):
            @pytest.mark.inference(model="function", role="task-specific")
            @pytest.mark.parametrize("i", [
                0, pytest.param(1, marks=pytest.mark.inference(model="parameter")),
            ])
            def test_y(self, i): infer()
        """
    )
    subjects = {r["subject"]["test"]: r["subject"] for r in project.report()["results"]}
    found = {
        test.partition("::")[2]: (one["model"], one["task"], one["role"])
        for test, one in subjects.items()
    }
    assert found == {
        "TestBase::test_x": ("base", "base", ""),
        "TestSub::test_x": ("sub", "base", ""),
        "TestSub::test_y[0]": ("function", "base", "task-specific"),
        "TestSub::test_y[1]": ("parameter", "base", "task-specific"),
    }
    assert {one["dataset"] for one in subjects.values()} == {"base"}
