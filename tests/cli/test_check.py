"""`pytest-energy check`: baseline files that no session could read, named before a commit."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_energy.baselines import accepted
from pytest_energy.baselines.counts import CountsStore
from pytest_energy.baselines.store import BaselineStore
from pytest_energy.cli.main import main
from support.baselines import CARBON, MACHINE, addition
from support.counts import counts_addition
from support.examples import ROOT

MEASURED = f"baselines/{MACHINE.slug}/sentiment/tiny.json"
COUNTED = "baselines/counts/sentiment/tiny.json"
ACCEPTED = "baselines/accepted.json"
ALL = (MEASURED, COUNTED, ACCEPTED)

HOOKS = ROOT / ".pre-commit-hooks.yaml"


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A project with one file of each kind."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "baselines"
    BaselineStore(folder, MACHINE, CARBON).store([addition(2.0)])
    CountsStore(folder).store([counts_addition()])
    accepted.store(folder, {"t.py::test_x": accepted.Accepted(0.15, "main", "2026-03-04")})
    return tmp_path


@pytest.fixture
def check(capfd):
    """Call the command; what it has printed, line by line."""

    def call(*arguments, code):
        assert main(["check", *arguments]) == code
        return capfd.readouterr().out.splitlines()

    return call


def test_files_that_can_be_read_are_counted(project, check):
    assert check(code=0) == ["3 baseline files: all can be read"]
    assert check(*ALL, code=0) == ["3 baseline files: all can be read"]
    assert check(MEASURED, "baselines", MEASURED, code=0)[-1].startswith("3 baseline files")


@pytest.mark.parametrize("name", ALL)
def test_a_broken_file_is_named_with_its_line_and_left(project, check, name):
    path = project / name
    text = path.read_text("utf-8")
    broken = re.sub(r'("date": )"[^"]*"', r'\1"yesterday"', text)
    assert broken != text
    path.write_text(broken, "utf-8")
    line = broken[: broken.index('"yesterday"')].count("\n") + 1
    problem, summary = check(code=1)
    assert problem.startswith(
        f'broken: {name}, line {line}: expected an ISO 8601 date, found "yesterday"; the file was'
        " left as it is"
    )
    assert summary == "3 baseline files: 1 broken"
    assert path.read_text("utf-8") == broken


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("marker", ["<<<<<<< HEAD", "||||||| 1a2b3c4", "=======", ">>>>>>> topic"])
def test_markers_of_a_merge_conflict_are_told_by_their_name(project, check, name, marker):
    path = project / name
    lines = path.read_text("utf-8").split("\n")
    path.write_text("\n".join([*lines[:3], marker, *lines[3:]]), "utf-8")
    problem, _ = check(name, code=1)
    assert problem.startswith(
        f"broken: {name}, line 4: markers of a merge conflict: take one side of the file (git"
        " checkout --ours or --theirs) and measure what is merged; the file was left as it is"
    )


@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
def test_a_real_conflict_is_found(project, check):
    def git(*arguments, code=0):
        who = ("-c", "user.name=test", "-c", "user.email=test@localhost")
        done = subprocess.run(["git", *who, *arguments], capture_output=True, check=False)
        assert done.returncode == code, done.stderr

    git("init", "--quiet", "--initial-branch=main")
    git("add", "--all")
    git("commit", "--quiet", "--message=base")
    store = BaselineStore(project / "baselines", MACHINE, CARBON)
    for branch, joules in (("topic", 2.01), ("main", 1.99)):
        git("checkout", "--quiet", *(("-b",) if branch == "topic" else ()), branch)
        store.store([addition(joules)])
        git("commit", "--quiet", "--all", f"--message={branch}")
    git("merge", "--quiet", "topic", code=1)
    problem, summary = check(code=1)
    assert re.match(rf"broken: {MEASURED}, line \d+: markers of a merge conflict: ", problem)
    assert summary == "3 baseline files: 1 broken"
    git("checkout", "--ours", MEASURED)
    assert check(code=0) == ["3 baseline files: all can be read"]


@pytest.mark.parametrize("name", [MEASURED, COUNTED])
def test_an_entry_that_was_edited_is_said_and_fails_where_it_is_asked_for(project, check, name):
    path = project / name
    path.write_text(path.read_text("utf-8").replace('"abc1234"', '"abc1235"'), "utf-8")
    said, summary = check(name, code=0)
    assert re.fullmatch(
        rf"unverified: {name}: t\.py::test_x(?: \(cpu, .*\))?: edited by hand", said
    )
    assert summary == (
        "1 baseline file: all can be read, 1 entry unverified: --energy-strict refuses them"
    )
    assert check("--strict", name, code=1) == [said, summary]


def test_an_entry_that_was_copied_from_another_machine_is_said(project, check):
    other = project / "baselines" / "other-machine-0a1b2c3d"
    (project / MEASURED).parents[1].rename(other)
    said, _ = check(code=0)
    assert said.endswith(f"copied from another machine's folder ({MACHINE.slug})")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("baselines/other.json", b'{"a": 1}'),
        ("baselines/counts/notes.json", b"[]"),
        ("baselines/data/golden/image.json", b'{"entries": [1]}'),
        ("baselines/data/golden/broken.json", b'{"a": '),
        ("baselines/data/golden/form.json", b'{"form": {"schema": 1, "entries": []}}'),
        ("report.json", b'{"schema": 2, "results": []}'),
        ("accepted.json", b'["of others"]'),
    ],
)
def test_json_of_others_is_left_alone(project, check, name, content):
    path = project / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    said = "3 baseline files: all can be read, 1 other file passed over"
    assert check("baselines", name, code=0) == [said]
    assert check(name, code=0) == ["no baseline file: 1 other file passed over"]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]"])
def test_a_file_that_says_nothing_any_more_is_known_by_its_place(project, check, name, content):
    (project / name).write_bytes(content)
    problem, _ = check(name, code=1)
    assert problem.startswith(f"broken: {name}")


def test_a_file_that_was_cut_off_is_one_of_ours_wherever_it_lies(project, check):
    text = (project / MEASURED).read_text("utf-8")
    (project / "x.json").write_text(text[: text.index('"sessions"')], "utf-8")
    problem, _ = check("x.json", code=1)
    assert problem.startswith("broken: x.json, line ")


def test_a_link_out_of_the_folder_is_refused(project, check):
    path = project / MEASURED
    target = path.rename(project / "elsewhere.json")
    path.symlink_to(target)
    problem, _ = check(code=1)
    assert f"a link leads out of baselines, to {target}, and is not followed" in problem


def test_a_path_that_is_not_there_is_an_error(project, capfd):
    assert main(["check", "nowhere.json"]) == 2
    assert capfd.readouterr().err == (
        "pytest-energy: nowhere.json: No such file or directory; name files or folders:"
        " pytest-energy check PATH\n"
    )


def test_hidden_files_are_left_out_and_a_folder_may_hold_none(project, check):
    (project / "baselines" / ".cache").mkdir()
    (project / "baselines" / ".cache" / "x.json").write_text("<<<<<<< HEAD")
    assert check("baselines", code=0) == ["3 baseline files: all can be read"]
    (project / "empty").mkdir()
    assert check("empty", code=0) == ["no baseline file was found"]


def test_reading_loads_neither_pytest_nor_a_meter(project):
    code = (
        "import sys; from pytest_energy.cli.main import main; code = main(['check'])\n"
        "print(sorted({'pytest', 'psutil', 'rich', 'torch'} & set(sys.modules)), code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[] 0"


# The hook for pre-commit


@pytest.fixture
def hook():
    if not HOOKS.exists():
        pytest.skip("not in a source distribution")
    yaml = pytest.importorskip("yaml")
    (found,) = yaml.safe_load(HOOKS.read_text("utf-8"))
    return found


def test_the_hook_is_as_pre_commit_has_them(hook):
    tool = shutil.which("pre-commit", path=Path(sys.executable).parent)
    if tool is None:
        pytest.skip("needs pre-commit")
    done = subprocess.run(
        [tool, "validate-manifest", str(HOOKS)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert hook["entry"] == "pytest-energy check"


def test_the_hook_is_given_the_files_of_baselines_and_no_others(hook):
    pattern = re.compile(hook["files"])
    for name in (*ALL, f"services/rank/{MEASURED}"):
        assert pattern.search(name)
    for name in ("baselines/README.md", "mybaselines/x.json", "report.json", "src/baselines.json"):
        assert not pattern.search(name)


@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
def test_pre_commit_stops_a_commit_of_a_broken_file(project, hook, monkeypatch):
    """With the interpreter that runs this test, since a hook's own environment is downloaded."""
    tool = shutil.which("pre-commit", path=Path(sys.executable).parent)
    if tool is None:
        pytest.skip("needs pre-commit")
    monkeypatch.setenv("PRE_COMMIT_HOME", str(project / "home"))
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)
    entry = hook["entry"].replace("pytest-energy", f"{sys.executable} -m pytest_energy")
    local = {**hook, "entry": entry, "language": "system"}
    config = {"repos": [{"repo": "local", "hooks": [local]}]}
    (project / ".pre-commit-config.yaml").write_text(json.dumps(config))
    subprocess.run(["git", "init", "--quiet"], check=True)
    subprocess.run(["git", "add", "baselines", ".pre-commit-config.yaml"], check=True)

    def run():
        return subprocess.run(
            [tool, "run", "--all-files"], capture_output=True, text=True, check=False
        )

    good = run()
    assert good.returncode == 0, good.stdout + good.stderr
    assert "Passed" in good.stdout
    (project / MEASURED).write_text("<<<<<<< HEAD\n{}\n")
    subprocess.run(["git", "add", "baselines"], check=True)
    bad = run()
    assert bad.returncode == 1
    assert f"{MEASURED}, line 1: markers of a merge conflict" in bad.stdout
