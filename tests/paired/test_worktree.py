"""The base's tree: made without touching the user's, set up, labelled."""

from __future__ import annotations

import sys
import tempfile

import pytest

from pytest_energy.paired.worktree import PREFIX, BaseError, BaseTree, find_revision
from support.packages import leftovers
from support.projects import TEST


def test_the_users_tree_index_stash_and_hooks_are_not_touched(clean):
    repository = clean
    (repository.path / "notes.txt").write_text("one")
    repository.git("add", "notes.txt")
    repository.git("stash")
    repository.set_cost(2.3)
    (repository.path / "staged.txt").write_text("staged")
    repository.git("add", "staged.txt")
    (repository.path / "untracked.txt").write_text("untracked")
    hook = repository.path / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\ntouch ran\n")
    hook.chmod(0o755)
    before = [repository.git("status", "--porcelain"), repository.git("stash", "list")]
    repository.against().assert_outcomes(failed=1)
    after = [repository.git("status", "--porcelain"), repository.git("stash", "list")]
    assert after == before
    assert not (repository.path / "ran").exists()
    assert len(repository.git("worktree", "list").splitlines()) == 1
    assert leftovers() == set()


def test_inside_a_git_hook_the_index_of_the_commit_is_not_touched(clean, monkeypatch):
    repository = clean
    repository.set_cost(2.3)
    repository.git("add", "model.py")
    monkeypatch.setenv("GIT_INDEX_FILE", str(repository.path / ".git" / "index"))
    monkeypatch.setenv("GIT_DIR", str(repository.path / ".git"))
    repository.against().assert_outcomes(failed=1)
    assert repository.git("diff", "--cached", "--name-only") == "model.py"


def test_a_folder_below_gits_top_level_is_a_project_too(repository, monkeypatch):
    inner = repository.path / "inner"
    inner.mkdir()
    for name in ("conftest.py", "scripted.py", "model.py", "test_it.py", "tox.ini"):
        (repository.path / name).rename(inner / name)
    repository.commit("moved")
    text = (inner / "model.py").read_text()
    (inner / "model.py").write_text(text.replace("2.0", "2.3"))
    monkeypatch.chdir(inner)
    repository.against().assert_outcomes(failed=1)


# A set-up of the base's own


def test_a_set_up_runs_in_the_bases_tree_and_its_failure_is_shown_whole(clean):
    repository = clean
    result = repository.against("--energy-against-setup", "pwd; echo compiling; exit 3")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            "ERROR: --energy-against: the set-up of the base failed with exit status 3: pwd; *",
            f"*/{PREFIX}*/tree",
            "compiling",
        ]
    )
    assert leftovers() == set()


def test_a_set_up_works_where_the_base_lacks_the_projects_folder(repository, monkeypatch):
    inner = repository.path / "inner"
    inner.mkdir()
    for name in ("conftest.py", "scripted.py", "model.py", "test_it.py", "tox.ini"):
        (inner / name).write_bytes((repository.path / name).read_bytes())
    monkeypatch.chdir(inner)
    found = repository.paired("--energy-against-setup=pwd")
    assert [verdict["status"] for verdict in found.values()] == ["new"]


def test_a_virtual_environment_that_the_set_up_makes_is_the_bases(repository):
    repository.write(
        test_it="""
        import os
        from model import infer

        def test_loop(energy):
            for _ in energy.each(range(10)):
                infer()
            print(os.environ["OWN"] if "tree" in os.getcwd() else "the head")
        """
    )
    repository.commit()
    wrapper = repository.path / "python"
    wrapper.write_text(f'#!/bin/sh\nexport OWN=.venv\nexec {sys.executable} "$@"\n')
    wrapper.chmod(0o755)
    made = "mkdir -p .venv/bin && cp $PYTEST_ENERGY_HEAD/python .venv/bin/"
    assert repository.paired(f"--energy-against-setup={made}")[TEST]["status"] == "ok"
    # Without a set-up nothing in the base's tree is trusted to be an environment.
    verdict = repository.paired()[TEST]
    assert (verdict["status"], "KeyError" in verdict["reason"]) == ("incomparable", True)


def test_no_room_for_a_copy_is_said_with_a_remedy(repository, monkeypatch):
    revision = find_revision(repository.path, "main", repository.path)
    monkeypatch.setattr(tempfile, "tempdir", str(repository.path / "nowhere"))
    with pytest.raises(BaseError, match="set TMPDIR to another folder"):
        BaseTree(revision)


def test_a_revision_is_labelled_with_its_commit_and_its_name(repository):
    commit = repository.git("rev-parse", "HEAD")
    short = repository.git("rev-parse", "--short", "HEAD")
    assert find_revision(repository.path, "main", repository.path).label == f"{short} (main)"
    assert find_revision(repository.path, short, repository.path).label == short
    assert find_revision(repository.path, commit, repository.path).commit == commit


def test_without_git_on_the_path_the_message_says_so(repository, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BaseError, match="git cannot be run"):
        find_revision(repository.path, "main", repository.path)
