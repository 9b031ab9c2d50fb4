"""`pytest-energy bisect`: the commit with which an inference began to take more."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from pytest_energy.bisect import runs
from pytest_energy.cli.bisect import split
from pytest_energy.cli.main import main
from support.histories import History, sides

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


@pytest.fixture
def history(tmp_path) -> History:
    return History(tmp_path / "project", tmp_path / "tmp")


# By counts


def test_the_commit_is_found_by_counts_and_named_with_what_changed(history):
    made = history.commits(4, planted=3, calls=80)
    done = history.bisect(made[0])
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"bisecting {made[0][:7]}..{made[-1][:7]}: 4 commits, about 2 runs")
    assert sides(done.stdout) == ["good", "bad", "good", "bad"]
    assert " µJ of counted energy per inference, +95.2 %" in done.stdout
    assert any(line.endswith("number 3") and "+95.2 % (counted), " in line for line in lines)
    assert f"first bad commit: {made[3]} number 3 (Ada, " in done.stdout
    assert "model.py:infer calls model.py:step 40 -> 80 times" in done.stdout
    assert lines[-1] == f"see it: git show {made[3][:7]}"
    assert history.left() == set()


def test_a_commit_that_takes_less_is_found_as_well(history):
    made = history.commits(3, planted=2, calls=10)
    done = history.bisect(made[0], "HEAD", "--by=counts")
    assert f"first bad commit: {made[2]}" in done.stdout
    assert "-71.4 %" in done.stdout


def test_the_users_tree_index_stash_and_own_bisect_are_not_touched(history):
    made = history.commits(3, planted=2, calls=80)
    history.write("notes.txt", "stashed")
    history.git("add", "notes.txt")
    history.git("stash")
    history.git("bisect", "start", "HEAD", made[0])
    history.write("staged.txt", "staged")
    history.git("add", "staged.txt")
    history.write("untracked.txt", "untracked")
    hook = history.path / ".git" / "hooks" / "post-checkout"
    hook.write_text("#!/bin/sh\ntouch ran\n")
    hook.chmod(0o755)

    def of_the_user() -> list[str]:
        asked = ("status --porcelain", "stash list", "bisect log", "rev-parse HEAD", "for-each-ref")
        return [history.git(*each.split()) for each in asked]

    before = of_the_user()
    done = history.bisect(made[0], made[-1])
    assert f"first bad commit: {made[2]}" in done.stdout
    assert "uncommitted changes belong to no commit" in done.stdout
    assert of_the_user() == before
    assert not (history.path / "ran").exists()


def test_another_n_is_said_and_the_commit_is_judged_all_the_same(history):
    made = [history.commit("good")]
    history.write("test_it.py", (history.path / "test_it.py").read_text().replace("100", "50"))
    made += [history.commit("n"), history.commit("more", calls=80), history.commit("last", 80)]
    done = history.bisect(made[0])
    assert "+0.0 % (counted) (n is 50, not 100)" in done.stdout
    assert f"first bad commit: {made[2]}" in done.stdout


def test_of_several_tests_the_one_that_rose_most_or_that_is_named_is_followed(history):
    history.write(
        "test_two.py",
        "from model import infer, step\n"
        "def test_plain(): raise AssertionError('it is not metered')\n"
        "def test_few(energy):\n"
        "    for x in energy.each(range(9)):\n"
        "        [step(x) for _ in range(FEW)]\n".replace("FEW", "20"),
    )
    made = [history.commit("good"), history.commit("many", calls=80)]
    two = history.path / "test_two.py"
    two.write_text(two.read_text().replace("range(20)", "range(30)"))
    made.append(history.commit("few", calls=80))
    done = history.bisect(made[0])
    assert f"first bad commit: {made[1]}" in done.stdout
    assert "1 more changed, --test names another" in done.stdout
    done = history.bisect(made[0], "--test", "few")
    assert f"first bad commit: {made[2]}" in done.stdout
    done = history.bisect(made[0], "--test", "plain")
    assert (done.returncode, "no test of both GOOD and BAD is called 'plain'" in done.stderr) == (
        2,
        True,
    )


# Commits that do not run


def test_commits_that_do_not_run_are_skipped_with_the_reason(history):
    made = [history.commit("good")]
    broken = history.path / "test_it.py"
    text = broken.read_text()
    for wrong, message in (
        ("import nowhere", "imports nothing"),
        (text.replace("test_loop", "test_other"), "has another test"),
        (text.replace("        infer(sample)", "        infer(sample)\n    assert 0"), "fails"),
        ("def test_loop(energy): pass", "counts nothing"),
    ):
        broken.write_text(wrong)
        made.append(history.commit_all(message))
    broken.write_text(text)
    made += [history.commit("fine"), history.commit("more", calls=80), history.commit("last", 80)]
    done = history.bisect(made[0])
    assert f"first bad commit: {made[6]}" in done.stdout, done.stdout + done.stderr

    # With the change among them they cannot be told apart.
    git = history.git
    git("checkout", "--quiet", "-b", "other", made[4])
    broken.write_text(text)
    made[5:] = [history.commit("more", calls=80)]
    done = history.bisect(made[0], "other")
    assert done.returncode == 1
    assert sides(done.stdout) == ["good", "bad", "skip", "skip", "skip", "skip"]
    for reason in (
        "No module named 'nowhere'",
        "the test is not there",
        "failed: assert 0",
        "nothing was counted: loop over energy.each(samples)",
    ):
        assert reason in done.stdout
    assert "each of these 5 commits may be the first bad one" in done.stdout
    for sha in made[1:]:
        assert f"\n  {sha[:7]} " in done.stdout
    assert history.left() == set()


def test_a_commit_that_hangs_is_skipped(history):
    made = [history.commit("good")]
    history.write("model.py", "import time\ntime.sleep(600)\n")
    made += [history.commit_all("hangs"), history.commit("more", calls=80)]
    done = history.bisect(made[0], "--timeout=12")
    assert "skip it took longer than 12.0 s (--timeout)" in done.stdout
    assert done.returncode == 1


@pytest.mark.parametrize("end", ["GOOD", "BAD"])
def test_an_end_that_does_not_run_is_an_error_with_what_pytest_printed(history, end):
    made = [history.commit("good"), history.commit("bad")]
    history.git("checkout", "--quiet", "-b", "other")
    history.write("conftest.py", "import nowhere\n")
    made.append(history.commit("broken"))
    history.write("conftest.py", "")
    made.append(history.commit("not broken"))
    ends = (made[2], made[3]) if end == "GOOD" else (made[0], made[2])
    done = history.bisect(*ends)
    assert done.returncode == 2
    assert f"{end} ({made[2][:7]}) does not run: pytest ended with exit status 4: " in done.stderr
    assert "No module named 'nowhere'" in done.stderr
    assert "--resume" not in done.stderr
    assert history.left() == set()


# By measuring


def test_what_does_not_show_in_counts_is_found_by_paired_runs(history):
    made = history.commits(4, planted=3, joules=2.3)
    done = history.bisect(made[0])
    assert done.returncode == 0, done.stderr
    assert "it does not show in exact counts (at most +0.0 %): going on by paired runs" in (
        done.stdout
    )
    assert "+15.0 % [+" in done.stdout
    assert "(measured)" in done.stdout
    assert f"first bad commit: {made[3]} number 3" in done.stdout
    assert history.left() == set()


def test_by_joules_alone_counts_are_not_looked_at(history):
    made = [history.commit("good"), history.commit("calls", 80), history.commit("joules", 80, 3.0)]
    done = history.bisect(made[0], "--by=joules")
    assert f"first bad commit: {made[2]}" in done.stdout
    assert "counted" not in done.stdout


@pytest.mark.parametrize(
    ("by", "how"), [("counts", "counted"), ("joules", "measured"), ("auto", "measured")]
)
def test_where_nothing_changed_that_is_said(history, by, how):
    made = history.commits(2, planted=3)
    done = history.bisect(made[0], f"--by={by}", "--runs=1")
    assert done.returncode == 1
    assert f"GOOD and BAD take the same: no {how} change" in done.stdout
    assert not (history.path / ".git" / "pytest-energy" / "bisect.json").exists()


def test_a_change_below_the_tolerance_is_none_unless_it_is_asked_for(history):
    made = history.commits(2, planted=2, calls=41)
    assert history.bisect(made[0], "--by=counts").returncode == 1
    done = history.bisect(made[0], "--by=counts", "--tolerance=1%")
    assert f"first bad commit: {made[2]}" in done.stdout


# Where pytest runs


def test_a_folder_below_the_top_and_absolute_paths_are_those_of_the_commit(history):
    for name in ("conftest.py", "scripted.py", "pytest.ini", "test_it.py"):
        history.write(f"inner/{name}", (history.path / name).read_text())
        (history.path / name).unlink()
    made = []
    for calls in (40, 40, 80):
        history.write("inner/model.py", f"def infer(x):\n    [abs(x) for _ in range({calls})]\n")
        made.append(history.commit_all(f"calls {calls}"))
    place = history.path / "inner" / "test_it.py"
    done = history.bisect(made[0], "--", f"{place}::test_loop", folder="inner")
    assert f"first bad commit: {made[2]}" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["path", "finder"])
@pytest.mark.parametrize("by", ["counts", "joules"])
def test_an_editable_install_of_the_users_tree_leads_to_the_commits(history, tmp_path, kind, by):
    history.write(
        "test_it.py", (history.path / "test_it.py").read_text().replace("from model", "from lite")
    )
    made = []
    for calls, joules in ((40, 2.0), (40, 2.0), (80, 2.6)):
        (history.path / "lib").mkdir(exist_ok=True)
        history.write(
            "lib/lite.py",
            "from scripted import spend\ndef infer(x):\n"
            f"    spend({joules})\n    [abs(x) for _ in range({calls})]\n",
        )
        made.append(history.commit_all(f"calls {calls}"))
    lib = str(history.path / "lib")
    site = tmp_path / "site"
    information = site / "lite-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: lite\n")
    (information / "RECORD").write_text("lite.py,,\n")
    (information / "direct_url.json").write_text(
        json.dumps({"url": history.path.as_uri(), "dir_info": {"editable": True}})
    )
    if kind == "path":
        text = f"import sys\nsys.path.append({lib!r})\n"
    else:
        text = (
            "import sys\n"
            "from importlib.util import spec_from_file_location\n"
            "class Finder:\n"
            "    @classmethod\n"
            "    def find_spec(cls, name, path=None, target=None):\n"
            "        if name == 'lite':\n"
            f"            return spec_from_file_location(name, {lib + '/lite.py'!r})\n"
            "sys.meta_path.append(Finder)\n"
        )
    (site / "sitecustomize.py").write_text(text)
    path = os.pathsep.join([str(site), history.environment["PYTHONPATH"]])
    done = history.bisect(made[0], f"--by={by}", PYTHONPATH=path)
    assert f"first bad commit: {made[2]}" in done.stdout, done.stdout + done.stderr


def test_a_copy_that_all_commits_would_share_is_found_out(history, tmp_path):
    history.write("pyproject.toml", '[project]\nname = "model"\n')
    made = history.commits(2, planted=2, calls=80)
    site = tmp_path / "site"
    information = site / "model-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: model\n")
    (information / "RECORD").write_text("model.py,,\n")
    shutil.copy(history.path / "model.py", site)
    (site / "sitecustomize.py").write_text("import sys\nimport model\n")
    (site / "scripted.py").write_text((history.path / "scripted.py").read_text())
    path = os.pathsep.join([str(site), history.environment["PYTHONPATH"]])
    done = history.bisect(made[0], PYTHONPATH=path)
    assert done.returncode == 2
    assert f"model was imported from {site}/model.py" in done.stderr
    assert "pip install -e ." in done.stderr


def test_nothing_of_one_commit_is_left_for_the_next(history):
    """A file that a test has left, and a compiled module of the same size and second."""
    history.write(
        "test_it.py",
        (history.path / "test_it.py").read_text()
        + "    import pathlib\n"
        + "    assert not pathlib.Path('left.txt').exists()\n"
        + "    pathlib.Path('left.txt').write_text('left')\n"
        + "    pathlib.Path('scripted.py').write_text('changed')\n",
    )
    made = history.commits(5, planted=4, calls=80)
    done = history.bisect(made[0])
    assert "skip" not in sides(done.stdout)
    assert f"first bad commit: {made[4]}" in done.stdout


def test_a_set_up_builds_each_commit_and_its_environment_is_taken(history):
    history.write(".gitignore", "built.py\n.venv\nused\n")
    history.write(
        "test_it.py", (history.path / "test_it.py").read_text().replace("from model", "from built")
    )
    made = history.commits(3, planted=2, calls=80)
    (history.path / "used").write_text("")
    python = history.path.parent / "python"
    python.write_text(f'#!/bin/sh\necho >> {history.path}/used\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    setup = "cp model.py built.py; mkdir -p .venv/bin; cp $PYTEST_ENERGY_HEAD/../python .venv/bin/"
    done = history.bisect(made[0], f"--setup={setup}")
    assert f"first bad commit: {made[2]}" in done.stdout, done.stdout + done.stderr
    runs_made = len(sides(done.stdout))
    assert len((history.path / "used").read_text()) == runs_made
    done = history.bisect(made[0], "--setup=echo no compiler; exit 3")
    assert done.returncode == 2
    assert "GOOD" in done.stderr
    assert "the set-up ended with exit status 3: no compiler" in done.stderr


# What cannot be bisected


@pytest.fixture
def here(history, monkeypatch) -> History:
    """A history in whose folder `main` is called in this process."""
    history.commits(2, planted=2, calls=80)
    monkeypatch.chdir(history.path)
    return history


def refused(capsys, *arguments: str) -> str:
    """What is said of a bisection that ends before anything ran."""
    try:
        code: object = main(["bisect", *arguments])
    except SystemExit as error:  # of argparse
        code = error.code
    assert code == 2
    said = capsys.readouterr()
    assert "[1]" not in said.out
    return said.err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["HEAD"], "GOOD and BAD are the same commit"),
        (["HEAD", "HEAD~1"], "name the earlier commit first"),
        (["nowhere"], "'nowhere' is no revision that git knows"),
        (["HEAD~1", "tests"], "pytest's arguments stand behind --"),
        (["--", "tests"], "name a commit before the change"),
        (["HEAD~1", "-k", "loop"], "unrecognized arguments: -k loop"),
        (["HEAD~1", "--", "--energy-json=x.json"], "--energy-json is set by the bisection itself"),
        (["HEAD~1", "--", "--energy-against-setup=make"], "say --setup"),
        (["HEAD~1", "--tolerance=5"], "expected a percentage"),
        (["HEAD~1", "--runs=0"], "expected a whole number of 1 or more"),
        (["HEAD~1", "--timeout=nan"], "expected a number above 0"),
        (["--resume"], "there is no interrupted bisect in this tree"),
        (["--resume", "HEAD~1"], "goes on with the arguments that were given before"),
    ],
)
def test_what_cannot_be_meant_is_said(here, capsys, arguments, why):
    assert why in refused(capsys, *arguments)


def test_branches_that_part_are_bisected_from_where_they_part(here, capsys):
    here.git("checkout", "--quiet", "-b", "side", "HEAD~1")
    here.commit("on the side")
    said = refused(capsys, "side", "main")
    base = here.git("rev-parse", "--short", "main~1")
    assert "is no ancestor of BAD (" in said
    assert f"begin where the two part, at {base} (number 1)" in said


def test_a_shallow_clone_is_told_how_to_get_the_rest(here, capsys, monkeypatch, tmp_path):
    first = here.git("rev-parse", "HEAD~2")
    clone = tmp_path / "clone"
    here.git("clone", "--quiet", "--depth=1", here.path.as_uri(), str(clone))
    monkeypatch.chdir(clone)
    assert "this clone is shallow, git fetch --unshallow brings the rest" in refused(capsys, first)


def test_without_git_and_outside_of_a_repository_that_is_said(here, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert "not a git repository" in refused(capsys, "HEAD~1")
    monkeypatch.setenv("PATH", "")
    assert "git cannot be run" in refused(capsys, "HEAD~1")


def test_a_folder_that_cannot_be_written_is_said(here, capsys):
    (here.path / ".git" / "pytest-energy").write_text("in the way")
    assert "pytest-energy cannot be written: " in refused(capsys, "HEAD~1")


def test_no_room_for_a_worktree_is_said_with_a_remedy(here, capsys, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(here.path / "nowhere"))
    assert "no room for a copy of the repository" in refused(capsys, "HEAD~1")


def test_a_full_disk_is_not_blamed_on_a_commit(here, capsys, monkeypatch):
    monkeypatch.setattr(runs, "LEAST_FREE_BYTES", 2**80)
    assert "there is no room left in " in refused(capsys, "HEAD~1", "HEAD", "--setup=exit 1")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["-k", "nothing"], "pytest selected no test"),
        (["test_plain.py"], "none of the tests is metered"),
        (["missing.py"], "file or directory not found: missing.py"),
    ],
)
def test_a_selection_without_metered_tests_is_an_error(history, arguments, why):
    history.write("test_plain.py", "def test_it(): pass\n")
    made = history.commits(1, planted=1, calls=80)
    done = history.bisect(made[0], "--", *arguments)
    assert done.returncode == 2
    assert f"GOOD ({made[0][:7]}) does not run: " in done.stderr
    assert why in done.stderr


def test_a_test_that_good_lacks_is_an_error(history):
    text = (history.path / "test_it.py").read_text()
    history.write("test_it.py", text.replace("test_loop", "test_before"))
    made = [history.commit("good")]
    history.write("test_it.py", text)
    made.append(history.commit("bad"))
    done = history.bisect(made[0], "--by=counts")
    assert (done.returncode, "counted both at GOOD and at BAD" in done.stderr) == (2, True)
    done = history.bisect(made[0])
    assert done.returncode == 2
    assert "BAD was not compared with GOOD: test_it.py::test_loop: " in done.stderr


def test_a_commit_that_came_in_by_a_merge_is_found(history):
    made = [history.commit("good")]
    history.git("checkout", "--quiet", "-b", "side")
    made += [history.commit("side 1"), history.commit("side 2", calls=80)]
    history.git("checkout", "--quiet", "main")
    history.write("notes.txt", "notes")
    made.append(history.commit_all("main 1"))
    history.git("merge", "--quiet", "--no-edit", "side")
    history.write("notes.txt", "more notes")
    made.append(history.commit_all("main 2"))
    done = history.bisect(made[0])
    assert f"first bad commit: {made[2]} side 2" in done.stdout, done.stdout + done.stderr


# Interrupted


@pytest.fixture
def halted(history):
    """A bisection that waits in the middle for a file to go: the process and the commits."""
    history.write(
        "conftest.py",
        (history.path / "conftest.py").read_text()
        + f"""
import pathlib, time
while pathlib.Path({str(history.path.parent / "wait")!r}).exists():
    time.sleep(0.05)
""",
    )
    made = history.commits(7, planted=6, calls=80)
    process = history.start(made[0])
    lines = []
    while not lines or not lines[-1].startswith("[3]"):
        lines.append(process.stdout.readline())
        if not lines[-1]:
            pytest.fail(process.stderr.read())
    (history.path.parent / "wait").write_text("")
    yield history, process, made
    process.kill()
    process.communicate()


def resumed(history, made) -> None:
    """It goes on, and runs no commit again."""
    (history.path.parent / "wait").unlink()
    state = json.loads((history.path / ".git" / "pytest-energy" / "bisect.json").read_text())
    known = [one["commit"] for one in state["tested"]]
    assert known
    done = history.bisect("--resume")
    assert f"first bad commit: {made[6]}" in done.stdout, done.stdout + done.stderr
    assert f"commits that are known already: {len(known)}" in done.stdout
    again = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("[")}
    assert not again & {sha[:7] for sha in (made[0], made[7], *known)}
    assert history.left() == set()
    assert not (history.path / ".git" / "pytest-energy" / "bisect.json").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_cleans_up_and_goes_on_later(halted, number):
    history, process, made = halted
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "go on with: pytest-energy bisect --resume" in said
    assert history.left() == set()
    resumed(history, made)


def test_what_a_killed_one_left_is_cleaned_by_the_next(halted):
    history, process, made = halted
    process.kill()
    process.communicate()
    assert history.left()
    resumed(history, made)


def test_two_at_once_are_refused(halted):
    history, process, made = halted
    done = history.bisect(made[0])
    assert done.returncode == 2
    assert "another pytest-energy bisect runs in this tree" in done.stderr
    (history.path.parent / "wait").unlink()
    said, _ = process.communicate(timeout=120)
    assert f"first bad commit: {made[6]}" in said


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ('{"schema": 9, "plugin": "9.9"}', "cannot be read"),
    ],
)
def test_a_state_that_cannot_be_read_is_said(here, capsys, text, why):
    folder = here.path / ".git" / "pytest-energy"
    folder.mkdir()
    (folder / "bisect.json").write_text(text)
    said = refused(capsys, "--resume")
    assert why in said
    assert "begin anew with pytest-energy bisect GOOD" in said


def test_the_arguments_of_pytest_stand_behind_the_first_two_dashes():
    assert split(["bisect", "main", "--", "-k", "x", "--", "y"]) == (
        ["bisect", "main"],
        ["-k", "x", "--", "y"],
    )
    assert split(["bisect", "main"]) == (["bisect", "main"], [])
    assert split(["migrate", "--", "-folder"]) == (["migrate", "--", "-folder"], [])


def test_the_command_stands_in_the_help():
    command = [sys.executable, "-m", "pytest_energy", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said = " ".join(done.stdout.split())
    assert "bisect find the commit with which an inference began to take more" in said
