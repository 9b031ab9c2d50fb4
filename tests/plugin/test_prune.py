"""Baselines of tests that are gone."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from pytest_energy.baselines.counts import CountsStore
from pytest_energy.baselines.counts_format import read_counts
from support.baselines import subject
from support.counts import counts, counts_addition
from support.projects import LOOP, TEST


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
    project.run("--energy-prune=delete", "-k", "three", "test_b.py")
    assert len(project.baselines()) == 4

    result = project.run("--energy-prune=delete", "-k", "nothing")
    result.stdout.fnmatch_lines(
        [
            "energy: pruned *four.json: test_c.py::test_four: its file is deleted",
            "energy: pruned *two.json: test_a.py::test_two: there is no test 'test_two'",
        ]
    )
    assert [p.stem for p in project.baselines()] == ["one", "three"]
    project.run("--energy-prune=delete").stdout.fnmatch_lines(["energy: nothing to prune"])


def test_a_file_that_may_not_be_looked_for_is_not_taken_for_deleted(project, monkeypatch):
    project.write(**{f"test_{name}": LOOP.replace("tiny", name) for name in ("here", "behind")})
    project.run("--energy-update")
    hidden = project.path / "test_behind.py"
    hidden.unlink()
    stat = Path.stat

    def refuse(path, **options):
        if path == hidden:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", refuse)
    project.run("--energy-prune=delete").stdout.fnmatch_lines(["energy: nothing to prune"])
    monkeypatch.undo()
    assert [path.stem for path in project.baselines()] == ["behind", "here"]


def test_what_could_not_be_deleted_is_not_said_to_be_pruned(project, monkeypatch):
    test = "\n\n@pytest.mark.inference(n=1, task='t', model='{0}')\ndef test_{0}(): infer()\n"
    head = "import pytest\nfrom model import infer\n"
    project.write(test_it=head + test.format("one") + test.format("two"))
    project.run("--energy-update")
    project.write(test_it="")
    unlink = Path.unlink

    def fail_at_two(path, *arguments, **options):
        if path.name == "two.json":
            raise OSError(errno.EROFS, "Read-only file system")
        unlink(path, *arguments, **options)

    monkeypatch.setattr(Path, "unlink", fail_at_two)
    result = project.run("--energy-prune=delete")
    assert [line for line in result.outlines if "pruned" in line and "two.json" in line] == []
    result.stdout.fnmatch_lines(
        [
            "energy: pruned *one.json: test_it.py::test_one: there is no test 'test_one'",
            "energy: pruning stopped: *two.json: Read-only file system; nothing was written",
        ]
    )
    assert [path.stem for path in project.baselines()] == ["two"]


def test_without_prune_nothing_is_deleted(loop):
    loop.run("--energy-update")
    loop.write(test_it="def test_other(): pass")
    loop.run("--energy-update", "--energy-report")
    assert len(loop.baselines()) == 1


def test_prune_works_when_no_metered_test_is_left(loop):
    loop.run("--energy-update")
    loop.write(test_it="def test_other(): pass")
    loop.run("--energy-prune=delete")
    assert loop.baselines() == []
    assert [p.name for p in (loop.path / "baselines").iterdir() if p.is_dir()] == []


def test_prune_leaves_the_tests_of_a_module_that_fails_to_import(loop):
    loop.run("--energy-update")
    loop.write(test_it="import nothing_like_it")
    loop.run("--energy-prune=delete", "--continue-on-collection-errors")
    assert len(loop.baselines()) == 1


@pytest.mark.parametrize("argument", [TEST, "--lf", "-n1"])
def test_prune_is_refused_where_not_all_tests_are_collected(loop, argument):
    loop.run("--energy-update")
    loop.load_plugins(argument)
    result = loop.pytester.runpytest("--energy-prune=delete", argument)  # with a cache, for --lf
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--energy-prune looks for baselines of tests that were not*"])
    assert len(loop.baselines()) == 1


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
    project.run("--energy-prune=delete")
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
    project.run("--energy-prune=delete", "--continue-on-collection-errors")
    assert len(project.baselines()) == 1


def test_what_no_test_claims_is_named_before_anything_is_deleted(loop):
    loop.run("--energy-update")
    (path,) = loop.baselines()
    source = loop.path / "test_it.py"
    source.write_text(source.read_text().replace("test_loop", "test_round"))
    shown = loop.run("--energy-prune=show")
    assert shown.ret == pytest.ExitCode.OK
    shown.stdout.fnmatch_lines(
        [
            f"energy: *{path.name}: {TEST}: there is no test 'test_loop'",
            "energy: nothing was deleted; --energy-prune=delete deletes them",
        ]
    )
    assert path.exists()
    loop.run("--energy-prune=delete").stdout.fnmatch_lines(
        [f"energy: pruned *{path.name}: {TEST}*"]
    )
    assert not path.exists()


def test_a_model_that_is_renamed_in_its_marker_leaves_its_entry_to_be_pruned(loop):
    loop.run("--energy-update")
    source = loop.path / "test_it.py"
    source.write_text(source.read_text().replace('model="', 'model="new-'))
    text = loop.run().stdout.str()
    assert "stored, and no test claims them: test_it.py::test_loop" in " ".join(text.split())
    loop.run("--energy-prune=show").stdout.fnmatch_lines(["*the test's model is 'new-*' now"])


def test_a_test_that_is_metered_no_more_leaves_its_entry_to_be_pruned(loop):
    loop.run("--energy-update")
    loop.write(test_it="def test_loop(): pass")
    loop.run("--energy-prune=show").stdout.fnmatch_lines(["*the test is no longer metered"])


def test_json_of_others_in_the_folder_is_left_alone(loop):
    loop.run("--energy-update")
    theirs = loop.path / "baselines" / "bert" / "fp32" / "config.json"
    theirs.parent.mkdir(parents=True)
    theirs.write_text('{"hidden_size": 768}')
    result = loop.run("--energy-prune=delete")
    result.stdout.fnmatch_lines(["energy: nothing to prune"])
    assert result.ret == pytest.ExitCode.OK
    assert theirs.exists()


def test_anything_but_show_and_delete_is_refused(loop):
    result = loop.run("--energy-prune=test_it.py")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--energy-prune*expected show or delete, found 'test_it.py'*"])


def test_without_a_value_it_shows_and_a_path_in_its_place_is_refused(loop):
    loop.run("--energy-update")
    loop.write(test_it="def test_other(): pass")
    loop.run("--energy-prune").stdout.fnmatch_lines(
        ["energy: nothing was deleted; --energy-prune=delete deletes them"]
    )
    assert len(loop.baselines()) == 1
    result = loop.run("--energy-prune", "test_it.py")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*found 'test_it.py'; before a path write --energy-prune=show"])


def _count(project, *tests, **of_counts):
    """Store counts of tests of the task `t` and the model `m`."""
    store = CountsStore(project.path / "baselines")
    subjects = [subject(f"test_it.py::{test}", task="t", model="m") for test in tests]
    store.store([counts_addition(counts(**of_counts), of) for of in subjects])


def _counted(project):
    return [test for path in project.counts() for test in read_counts(path).entries]


METERED = """
import pytest
from model import infer
@pytest.mark.parametrize("size", {0})
@pytest.mark.inference(n=1, task="t", model="m")
def test_x(size): infer()
"""


def test_counts_of_tests_that_are_gone_are_named_and_deleted(project):
    project.write(test_it=METERED.format([1]))
    _count(project, "test_x[1]", "test_x[2]", "test_gone")
    text = " ".join(project.run().stdout.str().split())
    assert "stored, and no test claims them: test_it.py::test_gone" in text
    gone = [
        "energy: {}*counts/t/m.json: test_it.py::test_gone: there is no test 'test_gone'",
        "energy: {}*counts/t/m.json: test_it.py::test_x[[]2]: there is no test 'test_x[[]2]'",
    ]
    shown = [line.format("") for line in gone]
    project.run("--energy-prune=show").stdout.fnmatch_lines(shown)
    assert len(_counted(project)) == 3
    pruned = [line.format("pruned ") for line in gone]
    project.run("--energy-prune=delete").stdout.fnmatch_lines(pruned)
    assert _counted(project) == ["test_it.py::test_x[1]"]
    project.run("--energy-prune=delete").stdout.fnmatch_lines(["energy: nothing to prune"])


def test_the_last_counts_that_are_deleted_take_their_folder_along(project):
    project.write(test_it="def test_other(): pass")
    _count(project, "test_x")
    project.run("--energy-prune=delete")
    assert not (project.path / "baselines" / "counts").exists()


def test_counts_of_parameters_that_only_a_gpu_has_stay_as_long_as_the_test(project):
    project.write(test_it=METERED.format([1]))
    _count(project, "test_x[2]", device="cuda")
    project.run("--energy-prune=delete").stdout.fnmatch_lines(["energy: nothing to prune"])
    project.write(test_it="def test_other(): pass")
    project.run("--energy-prune=delete")
    assert _counted(project) == []


def test_a_file_of_counts_that_cannot_be_read_stops_the_pruning_by_name(project):
    project.write(test_it=METERED.format([1]))
    _count(project, "test_gone")
    (path,) = project.counts()
    path.write_text(path.read_text("utf-8").replace('"n": 100', '"n": 0'), "utf-8")
    result = project.run("--energy-prune=delete")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["energy: pruning stopped: *m.json, line *: expected a whole*"])
