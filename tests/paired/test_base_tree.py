"""The base's tree and process: what each side imports, and what may go wrong on the way."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from pytest_energy.paired.channel import Channel, ChannelClosedError, ChannelTimeoutError
from pytest_energy.paired.import_redirect import RedirectFinder, Trees, redirected_paths
from pytest_energy.paired.worktree import PREFIX, BaseError, BaseTree, find_revision

TEST = "test_it.py::test_loop"


def leftovers() -> set[str]:
    return {path.name for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*")}


@pytest.fixture
def clean(repository, tmp_path, monkeypatch):
    """Temporary folders of this test alone, so that what is left behind is seen."""
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield repository
    monkeypatch.setattr(tempfile, "tempdir", None)


def package(repository, place: str, joules: float) -> None:
    """A package `sentiment` in some folder, whose inference takes so much."""
    folder = repository.path / place / "sentiment"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "__init__.py").write_text("from sentiment.model import infer\n")
    (folder / "model.py").write_text(
        f"from scripted import spend\n\ndef infer(sample=None):\n    spend({joules})\n"
    )
    repository.write(
        test_it="""
        from sentiment import infer

        def test_loop(energy):
            for sample in energy.each(range(40)):
                infer(sample)
        """
    )


# Each imports its own


def test_a_src_layout_with_pythonpath(repository):
    repository.ini("energy_meter = scripted", "pythonpath = src")
    package(repository, "src", 2.0)
    repository.commit()
    package(repository, "src", 2.3)
    assert repository.paired()[TEST]["change"] == pytest.approx(0.15)


def test_a_flat_layout_beside_a_folder_of_tests(repository):
    repository.ini("energy_meter = scripted", "pythonpath = .")
    package(repository, ".", 2.0)
    tests = repository.path / "tests"
    tests.mkdir()
    (repository.path / "test_it.py").rename(tests / "test_it.py")
    repository.commit()
    (repository.path / "sentiment" / "model.py").write_text(
        "from scripted import spend\n\ndef infer(sample=None):\n    spend(2.3)\n"
    )
    assert repository.paired(str(tests))["tests/test_it.py::test_loop"]["change"] == pytest.approx(
        0.15
    )


@pytest.mark.parametrize("kind", ["path", "finder"])
def test_an_editable_install(repository, tmp_path, kind, monkeypatch):
    """Both kinds that build backends make: a path in a .pth file, and a finder with a mapping."""
    package(repository, "lib", 2.0)
    repository.commit()
    package(repository, "lib", 2.3)
    site = tmp_path / "site"
    site.mkdir()
    if kind == "path":
        (site / "sitecustomize.py").write_text(
            f"import sys\nsys.path.append({str(repository.path / 'lib')!r})\n"
        )
    else:
        (site / "sitecustomize.py").write_text(
            "import sys\n"
            "from importlib.util import spec_from_file_location\n"
            f"FOLDER = {str(repository.path / 'lib' / 'sentiment')!r}\n"
            "class Finder:\n"
            "    @classmethod\n"
            "    def find_spec(cls, name, path=None, target=None):\n"
            "        if name == 'sentiment':\n"
            "            return spec_from_file_location(name, FOLDER + '/__init__.py',\n"
            "                submodule_search_locations=[FOLDER])\n"
            "sys.meta_path.append(Finder)\n"
        )
    repository.own_process = True
    monkeypatch.setenv("PYTHONPATH", str(site))
    assert repository.paired()[TEST]["change"] == pytest.approx(0.15)


def test_a_plain_script_beside_the_tests(repository):
    repository.set_cost(2.3)  # model.py
    assert repository.paired()[TEST]["change"] == pytest.approx(0.15)


def test_processes_that_a_test_starts_import_their_own_tree_too(repository, monkeypatch):
    repository.ini("energy_meter = scripted", "pythonpath = src")
    package(repository, "src", 2.0)
    (repository.path / "src" / "sentiment" / "cost.py").write_text("JOULES = 2.0\n")
    repository.write(
        test_it="""
        import subprocess, sys
        from scripted import spend

        def test_loop(energy):
            code = "import sentiment.cost; print(sentiment.cost.JOULES)"
            for sample in energy.each(range(2)):
                said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
                spend(float(said.stdout))
        """
    )
    (repository.path / "src" / "sentiment" / "__init__.py").write_text("")
    repository.commit()
    (repository.path / "src" / "sentiment" / "cost.py").write_text("JOULES = 2.3\n")
    repository.own_process = True
    monkeypatch.setenv("PYTHONPATH", str(repository.path / "src"))
    assert repository.paired()[TEST]["change"] == pytest.approx(0.15)


def test_a_copy_that_both_sides_would_share_is_found_out(repository, tmp_path, monkeypatch):
    """The project installed without --editable: both would run the same code and agree."""
    package(repository, "src", 2.0)
    (repository.path / "pyproject.toml").write_text('[project]\nname = "sentiment-model"\n')
    repository.commit()
    package(repository, "src", 2.3)
    site = tmp_path / "site"
    information = site / "sentiment_model-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: sentiment-model\n")
    (information / "RECORD").write_text("sentiment/__init__.py,,\nsentiment/model.py,,\n")
    (repository.path / "src" / "sentiment").rename(site / "sentiment")
    package(repository, "src", 2.3)
    repository.own_process = True
    monkeypatch.setenv("PYTHONPATH", str(site))
    verdict = repository.paired()[TEST]
    assert verdict["status"] == "incomparable"
    assert "the base imported sentiment" in verdict["reason"]
    assert str(site) in verdict["reason"]
    assert "pip install -e ." in verdict["reason"]


@pytest.mark.parametrize("name", ["corp.model", "sentiment._core"])
def test_a_copy_below_the_top_is_found_out_too(repository, tmp_path, monkeypatch, name):
    """A namespace package has no file of its own, and a compiled module may lie elsewhere."""
    package, _, module = name.partition(".")
    (repository.path / "pyproject.toml").write_text('[project]\nname = "our-model"\n')
    repository.write(
        test_it=f"""
        import {name} as model

        def test_loop(energy):
            for sample in energy.each(range(40)):
                model.infer(sample)
        """
    )
    site = tmp_path / "site"
    (site / package).mkdir(parents=True)
    if package == "sentiment":
        (site / package / "__init__.py").write_text("")
    (site / package / f"{module}.py").write_text(
        "from scripted import spend\n\ndef infer(sample=None):\n    spend(2.0)\n"
    )
    information = site / "our_model-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: our-model\n")
    (information / "RECORD").write_text(f"{package}/{module}.py,,\n")
    repository.commit()
    repository.own_process = True
    monkeypatch.setenv("PYTHONPATH", str(site))
    verdict = repository.paired()[TEST]
    assert verdict["status"] == "incomparable"
    assert f"the base imported {package}" in verdict["reason"]


def test_what_only_the_heads_tree_has_is_not_lent_to_the_base(repository, tmp_path, monkeypatch):
    package(repository, "lib", 2.0)
    (repository.path / ".gitignore").open("a").write("generated.py\n")
    (repository.path / "lib" / "sentiment" / "__init__.py").write_text(
        "from sentiment.generated import infer\n"
    )
    repository.commit()
    (repository.path / "lib" / "sentiment" / "generated.py").write_text(
        "from sentiment.model import infer\n"
    )
    repository.own_process = True
    monkeypatch.setenv("PYTHONPATH", str(repository.path / "lib"))
    verdict = repository.paired()[TEST]
    assert verdict["status"] == "incomparable"
    assert "No module named 'sentiment.generated'" in verdict["reason"]
    made = "cp $PYTEST_ENERGY_HEAD/lib/sentiment/generated.py lib/sentiment/"
    assert repository.paired(f"--energy-against-setup={made}")[TEST]["status"] == "ok"


def test_a_virtual_environment_inside_the_tree_is_not_the_project(tmp_path, monkeypatch):
    head, base = tmp_path / "head", tmp_path / "base"
    environment = head / ".venv"
    (environment / "lib").mkdir(parents=True)
    base.mkdir()
    monkeypatch.setattr(sys, "prefix", str(environment))
    trees = Trees(head, base)
    assert trees.in_head(str(head / "src" / "model.py"))
    assert not trees.in_head(str(environment / "lib" / "torch" / "__init__.py"))
    assert not trees.in_head(str(tmp_path / "elsewhere.py"))
    paths = [str(head / "src"), str(environment / "lib"), "", "/usr/lib"]
    assert redirected_paths(trees, paths) == [str(base / "src"), *paths[1:]]


def test_a_namespace_package_is_turned_as_well(tmp_path, monkeypatch):
    head, base = tmp_path / "head", tmp_path / "base"
    for tree in (head, base):
        (tree / "corp" / "model").mkdir(parents=True)
        (tree / "corp" / "model" / "__init__.py").write_text(f"TREE = {tree.name!r}\n")
    trees = Trees(head, base)
    monkeypatch.setattr(sys, "meta_path", [RedirectFinder(trees), *sys.meta_path])
    monkeypatch.syspath_prepend(str(head))
    try:
        import corp.model  # type: ignore[import-not-found]

        assert corp.model.TREE == "base"
    finally:
        for name in ("corp", "corp.model"):
            sys.modules.pop(name, None)


# The user's tree is left alone


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


# The base fails


def with_base(repository, body: str, *, more: str = "") -> None:
    """A base whose one test has this body; the head's is in order, and so is a second test."""
    good = (repository.path / "test_it.py").read_text()
    second = good.replace("test_loop", "test_second")
    (repository.path / "test_second.py").write_text(second)
    (repository.path / "test_it.py").write_text(
        f"import os, signal, sys, time\nimport pytest\n{more}\n"
        f"def test_loop(energy):\n    {body}\n    for _ in energy.each(range(100)):\n        pass\n"
    )
    repository.commit()
    (repository.path / "test_it.py").write_text(good)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise RuntimeError('no weights')", "failed: RuntimeError: no weights (test_it.py:5)"),
        ("assert energy is None", "the base's test failed: assert <"),
        ("pytest.skip('no GPU')", "the base's test was skipped: "),
        ("pytest.xfail('known')", "the base's test xfailed"),
        ("sys.exit(2)", "the base's test failed: SystemExit: 2"),
        ("os._exit(7)", "the base's process ended with exit status 7"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "the base's process was ended by SIGSEGV"),
    ],
)
def test_what_goes_wrong_on_the_base_is_said_and_the_others_go_on(repository, body, words):
    with_base(repository, body)
    found = repository.paired()
    assert found[TEST]["status"] == "incomparable"
    assert words in found[TEST]["reason"]
    assert found["test_second.py::test_second"]["status"] == "ok"


def test_the_bases_own_error_is_shown(repository):
    with_base(repository, "raise RuntimeError('no weights')")
    result = repository.against()
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [
            "energy: incomparable: the base's test failed: RuntimeError: no weights (test_it.py:5)",
            "*energy: what the base said*",
            ">       raise RuntimeError('no weights')",
            "energy: 1 compared (1 ok), 1 incomparable*",
        ]
    )
    repository.against("--energy-strict").assert_outcomes(passed=1, failed=1)


def test_a_failure_is_said_on_a_busy_machine_too(repository, monkeypatch):
    def busy(window):
        window._other_cpu_share = 0.6

    monkeypatch.setattr("pytest_energy.metering.window.Window.look_around", busy)
    with_base(repository, "raise RuntimeError('no weights')")
    found = repository.paired()
    assert "no weights" in found[TEST]["reason"]
    assert "others used 60 %" in found["test_second.py::test_second"]["reason"]


def test_a_module_that_is_skipped_on_the_base_is_not_new(repository):
    with_base(repository, "pass", more="pytest.importorskip('nothing_of_this_name')")
    verdict = repository.paired()[TEST]
    assert verdict["status"] == "incomparable"
    assert "could not import 'nothing_of_this_name'" in verdict["reason"]


def test_a_test_that_the_head_skips_leaves_the_base_ready_for_the_next_module(repository):
    repository.write(
        test_it="""
        import os
        import pytest
        from model import infer

        @pytest.fixture(scope="module", autouse=True)
        def weights():
            yield

        def test_loop(energy):
            for _ in energy.each(range(20)):
                infer()

        @pytest.mark.skipif("tree" not in os.getcwd(), reason="on the head")
        def test_skipped(energy):
            for _ in energy.each(range(20)):
                infer()
        """,
        test_third="""
        from model import infer

        def test_third(energy):
            for _ in energy.each(range(20)):
                infer()
        """,
    )
    repository.commit()
    found = repository.paired()
    assert {name.partition("::")[2]: verdict["status"] for name, verdict in found.items()} == {
        "test_loop": "ok",
        "test_third": "ok",
    }


def test_a_flaky_base_does_not_get_out_of_step(repository):
    good = (repository.path / "test_it.py").read_text()
    (repository.path / "test_it.py").write_text(
        good.replace("@pytest", "@pytest.mark.flaky(reruns=2)\n@pytest", 1) + "\n    assert False\n"
    )
    (repository.path / "test_second.py").write_text(good.replace("test_loop", "test_second"))
    repository.commit()
    (repository.path / "test_it.py").write_text(good)
    found = repository.paired()
    assert "the base's test failed" in found[TEST]["reason"]
    assert found["test_second.py::test_second"]["status"] == "ok"


def test_a_process_that_a_dead_base_leaves_behind_keeps_nobody_waiting(repository):
    with_base(
        repository,
        "print('last words', flush=True); os.fork() or time.sleep(600); os._exit(7)",
    )
    began = time.monotonic()
    report = repository.report("--energy-against=main", "--energy-against-timeout=300")
    assert time.monotonic() - began < 200  # neither for the sleeper nor for the time-out
    verdict = next(r["verdict"] for r in report["results"] if r["subject"]["test"] == TEST)
    assert verdict["reason"] == "the base's process ended with exit status 7"
    assert verdict["pairing"]["error"].endswith("last words")


def test_a_base_that_ends_its_session_says_with_what_status(repository):
    with_base(repository, "pytest.exit('enough', returncode=9)")
    assert repository.paired()[TEST]["reason"] == "the base's process ended with exit status 9"


def test_a_base_that_fails_half_way_leaves_the_head_its_figure(repository):
    with_base(repository, "pass", more="import model\nmodel.left = 50")
    (repository.path / "model.py").write_text(
        "from scripted import spend\nleft = None\n\ndef infer(sample=None):\n    spend(2.0)\n"
    )
    text = (repository.path / "test_it.py").read_text()
    (repository.path / "test_it.py").write_text(text)
    base = text.replace("infer(sample)", "infer(sample)\n        assert energy.count < 30")
    (repository.path / "test_it.py").write_text(base)
    repository.commit()
    (repository.path / "test_it.py").write_text(text)
    report = repository.report("--energy-against=main")
    result = next(r for r in report["results"] if r["subject"]["test"] == TEST)
    assert result["verdict"]["status"] == "incomparable"
    assert "assert 30 < 30" in result["verdict"]["reason"]
    assert result["measurement"]["metered_count"] == 100


def test_a_base_that_fails_in_a_fixture_says_where(repository):
    with_base(
        repository,
        "pass",
        more="@pytest.fixture(autouse=True)\ndef weights():\n    raise OSError('no network')\n",
    )
    reason = repository.paired()[TEST]["reason"]
    assert "the base's test failed in its setup: OSError: no network" in reason


def test_a_base_that_cannot_be_imported_takes_only_its_own_module_along(repository):
    with_base(repository, "pass", more="import nothing_of_this_name")
    found = repository.paired()
    assert found[TEST]["status"] == "incomparable"
    assert "could not be collected" in found[TEST]["reason"]
    assert "No module named 'nothing_of_this_name'" in found[TEST]["reason"]
    assert found["test_second.py::test_second"]["status"] == "ok"


@pytest.mark.parametrize("break_", ["raise ValueError('broken')", "def broken(:"])
def test_a_base_whose_conftest_is_broken_is_incomparable_as_a_whole(repository, break_):
    conftest = (repository.path / "conftest.py").read_text()
    (repository.path / "conftest.py").write_text(f"{conftest}\n{break_}\n")
    repository.commit()
    (repository.path / "conftest.py").write_text(conftest)
    result = repository.against("--energy-report")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*pytest failed on the base: *", "*energy: what the base said*"])


def test_a_base_that_hangs_is_given_up_after_the_time_for_one_turn(repository):
    with_base(repository, "time.sleep(600)")
    began = time.monotonic()
    found = repository.paired("--energy-against-timeout=3")
    assert found[TEST]["reason"] == (
        "the base did not answer within 3.00 s (--energy-against-timeout)"
    )
    assert found["test_second.py::test_second"]["status"] == "ok"
    assert time.monotonic() - began < 300  # it did not wait for the sleeper


def test_what_the_base_prints_disturbs_nothing(repository):
    with_base(
        repository,
        "print('{\"said\": \"finished\"}', flush=True); os.write(1, b'noise'); os.write(2, b'x')",
    )
    text = (repository.path / "test_it.py").read_text()
    (repository.path / "test_it.py").write_text(text)
    found = repository.paired("-s")
    assert found[TEST]["status"] != "incomparable"


def test_a_head_that_fails_leaves_the_base_ready_for_the_next_test(repository):
    second = (repository.path / "test_it.py").read_text().replace("test_loop", "test_second")
    (repository.path / "test_second.py").write_text(second)
    repository.commit()
    text = (repository.path / "test_it.py").read_text()
    (repository.path / "test_it.py").write_text(
        text.replace("infer(sample)", "infer(sample); assert energy.count < 50")
    )
    result = repository.against()
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["energy: 1 compared (1 ok), 1 unmeasured*"])


# The run is ended


SLOW = """
import os, time
from model import infer

def test_slow(energy):
    for _ in energy.each(range(20)):
        infer()
        with open(os.environ["PIDS"], "a") as file:
            file.write(f"{os.getpid()}\\n")
        time.sleep(0.1)
"""


@pytest.fixture
def running(clean, monkeypatch):
    """A paired run in the middle of its turns: the process, and the ids of both sides."""
    clean.write(test_it=SLOW)
    clean.commit()
    pids = clean.path.with_name("pids.txt")
    pids.write_text("")
    environment = {**os.environ, "PIDS": str(pids)}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--energy-against=main"]
    process = subprocess.Popen(
        command,
        cwd=clean.path,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        # Where the tests run in a shell's background, what they start would not hear of Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while len(set(pids.read_text().split())) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    both = {int(pid) for pid in pids.read_text().split()}
    assert len(both) == 2
    assert leftovers()
    yield clean, process, both
    process.kill()
    process.wait()


def gone(pids, seconds=30.0) -> bool:
    """Whether all these processes have ended, or do within some seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        alive = [pid for pid in pids if Path(f"/proc/{pid}/cmdline").exists()]
        states = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2] for pid in alive]
        if all(state.split()[0] == "Z" for state in states):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_ctrl_c_ends_both_and_leaves_nothing_behind(running):
    repository, process, both = running
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == pytest.ExitCode.INTERRUPTED, said
    assert gone(both)
    assert leftovers() == set()
    assert len(repository.git("worktree", "list").splitlines()) == 1


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_what_a_killed_run_left_is_ended_and_cleaned_by_the_next(running):
    repository, process, both = running
    process.kill()
    process.communicate()
    assert gone(both)  # the base does not outlive the head
    assert len(leftovers()) == 1
    assert len(repository.git("worktree", "list").splitlines()) == 2
    repository.write(test_it="def test_it(energy):\n    for _ in energy.each(range(5)): pass\n")
    repository.against()
    assert leftovers() == set()
    assert len(repository.git("worktree", "list").splitlines()) == 1


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_the_next_run_does_not_touch_one_that_is_alive(running):
    repository, process, _ = running
    environment = {**os.environ, "PIDS": os.devnull}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--energy-against=main"]
    subprocess.run(command, cwd=repository.path, env=environment, check=False, capture_output=True)
    said, _ = process.communicate(timeout=60)
    assert "incomparable" not in said
    assert process.returncode == 0, said


# Messages


def test_messages_of_any_size_arrive_whole_and_in_order():
    ours, theirs = map(Channel, socket.socketpair())
    sent = [{"said": "x" * 3_000_000}, {"said": "äöü\n"}, {"blocks": [0.1, 1e-300]}]
    writer = threading.Thread(target=lambda: [ours.send(message) for message in sent])
    writer.start()
    assert [theirs.receive() for _ in sent] == sent
    writer.join()


def test_silence_and_a_closed_end_are_told_apart():
    ours, theirs = map(Channel, socket.socketpair())
    with pytest.raises(ChannelTimeoutError):
        ours.receive(0.01)
    theirs.send({"said": "late"})
    assert ours.receive(1.0) == {"said": "late"}
    theirs.close()
    with pytest.raises(ChannelClosedError):
        ours.receive(1.0)
    with pytest.raises(ChannelClosedError):
        ours.send({"do": "run" * 1_000_000})


# Revisions


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
