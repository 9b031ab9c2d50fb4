"""`pytest-energy init`: a project gets its first metered test, settings and a workflow."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pytest_energy.files import TEMPORARY_SUFFIX
from support import terminals
from support.faults import needs_full_device, to_full_device
from support.newcomers import CI, Newcomer

PYPROJECT = """\
[project]
name = "shop"
version = "1"
dependencies = [{dependencies}]

# Settings of the tests.
[tool.pytest.ini_options]
testpaths = ["tests"]
addopts = "-ra"  # all but what passed

[tool.other]
energy = 1
"""

needs_git = pytest.mark.skipif(not shutil.which("git"), reason="needs git")


@pytest.fixture
def shop(tmp_path: Path) -> Newcomer:
    """A project on GitHub's hosted runners, which runs its models with torch."""
    found = Newcomer(tmp_path)
    found.write("pyproject.toml", PYPROJECT.format(dependencies='"torch>=2"'))
    found.write(".github/workflows/ci.yml", CI.format("ubuntu-latest"))
    found.write("tests/test_shop.py", "def test_shop(): pass\n")
    return found


WRITTEN = [".github/workflows/energy.yml", "pyproject.toml", "tests/test_energy.py"]
"""What is written into `shop`."""


def flowing(text: str) -> str:
    """What was printed as one line, however it was wrapped."""
    return " ".join(text.split())


# What is found, and proposed


def test_it_says_what_it_has_found_and_which_gate_suits_and_why(shop):
    said = flowing(shop.init("--dry-run", code=1).stdout)
    assert "settings: pyproject.toml; tests: tests" in said
    assert "models torch" in said
    assert "CI GitHub Actions (hosted runners)" in said
    assert "machine an estimate only: no counters can be read here" in said
    assert (
        "gate paired. Hosted runners are another machine from job to job: head and base run in one"
        " job, interleaved block by block, and nothing is stored. Others: --gate stored and --gate"
        " counted." in said
    )


def test_a_machine_of_ones_own_has_stored_joules_proposed(shop):
    shop.write(".github/workflows/gpu.yml", CI.format("[self-hosted, linux]"))
    said = flowing(shop.init("--dry-run", code=1).stdout)
    assert "CI GitHub Actions (hosted and self-hosted runners)" in said
    assert "gate stored. A workflow runs on a machine of your own" in said
    assert "runs-on: [self-hosted, linux]" in said


def test_without_ci_and_counters_torch_has_exact_counts_proposed(shop):
    shutil.rmtree(shop.path / ".github")
    said = flowing(shop.init("--dry-run", code=1).stdout)
    assert "CI none found" in said
    assert "gate counted. No CI was found, and joules are only an estimate" in said
    assert 'energy_judge = "counted"' in said
    assert "run: pytest --energy-judge=counted" in said


def test_without_ci_a_machine_with_counters_has_stored_joules_proposed(shop):
    shutil.rmtree(shop.path / ".github")
    zone = shop.powercap = shop.path.parent / "powercap"
    (zone / "intel-rapl:0").mkdir(parents=True)
    for name, text in {"name": "package-0", "max_energy_range_uj": "262143328850"}.items():
        (zone / "intel-rapl:0" / name).write_text(f"{text}\n")
    counter = zone / "intel-rapl:0" / "energy_uj"
    ended = threading.Event()
    counter.write_text("1000000\n")

    def move() -> None:
        began = time.perf_counter()
        while not ended.wait(0.001):
            energy = 1_000_000 + (time.perf_counter() - began) * 40e6
            descriptor = os.open(counter, os.O_WRONLY)
            os.pwrite(descriptor, b"%d\n" % energy, 0)
            os.close(descriptor)

    moving = threading.Thread(target=move)
    moving.start()
    try:
        said = flowing(shop.init("--dry-run", code=1).stdout)
    finally:
        ended.set()
        moving.join()
    assert "machine energy counters: joules are measured" in said
    assert "gate stored. No CI was found, and this machine has energy counters" in said


def test_a_gate_that_was_asked_for_is_taken(shop):
    said = flowing(shop.init("--gate=stored", "--dry-run", code=1).stdout)
    assert "gate stored. As asked: joules are compared with sessions that this machine" in said
    assert "Others: --gate paired and --gate counted." in said


def test_another_ci_gets_no_workflow_of_githubs_but_the_command(shop):
    shutil.rmtree(shop.path / ".github")
    shop.write(".gitlab-ci.yml", "test:\n  script: pytest\n")
    done = shop.init("--yes", code=0)
    said = flowing(done.stdout)
    assert "gate paired. Runners of GitLab CI are another machine from job to job" in said
    assert (
        "no workflow is written for GitLab CI: have it run pytest --energy-against origin/main"
        " --energy-report" in said
    )
    assert not (shop.path / ".github").exists()


def test_workers_and_coverage_that_pytest_adds_by_itself_are_left_out_of_the_gate(shop):
    text = shop.read("pyproject.toml").replace('"-ra"', '"-n 2 --cov=shop"')
    shop.write("pyproject.toml", text)
    shop.plugins += ["xdist.plugin", "pytest_cov.plugin"]
    said = flowing(shop.init("--yes", code=0).stdout)
    assert (
        "a paired run takes no workers, and coverage is paused where energy is metered: the gate"
        " runs pytest -n 0 --no-cov" in said
    )
    assert 'run: pytest -n 0 --no-cov --energy-against "$BASE"' in shop.read(WRITTEN[0])


def test_it_says_that_the_plugin_is_no_dependency_yet_and_the_workflow_installs_it(shop):
    assert "pytest-energy is not yet named among" in flowing(shop.init("--yes", code=0).stdout)
    assert "- run: pip install --editable . pytest-energy\n" in shop.read(WRITTEN[0])


# What is written


def test_each_file_is_shown_and_with_yes_written_as_shown(shop):
    before = shop.files()
    done = shop.init("--yes", code=0)
    after = shop.files()
    assert sorted(name for name in after if after[name] != before.get(name)) == WRITTEN
    for name in WRITTEN:
        assert f"written: {name}\n" in done.stdout
    for name in (WRITTEN[0], WRITTEN[2]):
        shown = "".join(f"  {line}\n" if line else "\n" for line in shop.read(name).splitlines())
        assert f"{name} (new)\n{shown}" in done.stdout
    assert '  +energy_tolerance = "5%"\n' in done.stdout
    assert flowing(done.stdout).endswith(
        "put your model into tests/test_energy.py, and commit all compare with the base: pytest"
        " tests/test_energy.py --energy-against main"
    )


def test_settings_are_added_and_every_other_byte_stays(shop):
    before = shop.read("pyproject.toml")
    shop.init("--yes", code=0)
    after = shop.read("pyproject.toml")
    assert after.replace('energy_tolerance = "5%"\n', "") == before
    assert tomllib.loads(after)["tool"]["pytest"]["ini_options"]["energy_tolerance"] == "5%"


def test_a_second_run_has_nothing_to_do_and_changes_no_byte(shop):
    shop.init("--yes", code=0)
    before = shop.files()
    done = shop.init("--yes", code=0)
    assert shop.files() == before
    assert "gate      paired. A workflow that is there runs it: head and base" in done.stdout
    assert "written: " not in done.stdout
    assert "tests/test_energy.py has metered tests already" in done.stdout
    assert "pyproject.toml has these settings already" in done.stdout
    assert ".github/workflows/energy.yml is there already, and is left as it is" in done.stdout


def test_a_dry_run_shows_all_and_writes_nothing(shop):
    before = shop.files()
    done = shop.init("--dry-run", code=1)
    assert "tests/test_energy.py (new)" in done.stdout
    assert done.stdout.endswith("\nnothing was written: run it with --yes for that\n")
    assert shop.files() == before


def test_without_a_terminal_nothing_is_asked_and_nothing_written(shop):
    before = shop.files()
    done = shop.init(code=1)
    assert "write it?" not in done.stdout
    assert "nothing was written: run it with --yes for that" in done.stdout
    assert shop.files() == before


@pytest.mark.parametrize(
    ("answers", "code", "written"),
    [
        (b"y\nyes\nY\n", 0, WRITTEN),
        (b"n\n\ny\n", 1, WRITTEN[:1]),
        (b"y\n\x04\x04", 1, WRITTEN[2:]),
    ],
    ids=["all", "the last", "the end of all answers"],
)
def test_on_a_terminal_each_file_is_asked_for(shop, answers, code, written):
    pty = pytest.importorskip("pty")
    before = shop.files()
    parent, child = pty.openpty()
    process = subprocess.Popen(
        shop.command,
        cwd=shop.path,
        env=shop.environment | {"TERM": "xterm"},
        stdin=child,
        stdout=child,
        stderr=subprocess.DEVNULL,
    )
    os.close(child)
    drawn = b""
    waiting = re.findall(rb"[^\n\x04]*\n|\x04", answers)
    for data in terminals.written_to(parent):
        drawn += data
        if waiting and drawn.count(b"write it? [y/N] ") > 3 - len(waiting):
            os.write(parent, waiting.pop(0))
    os.close(parent)
    assert process.wait() == code, drawn.decode()
    assert b"\x1b[" in drawn  # colours
    after = shop.files()
    assert sorted(name for name in after if after[name] != before.get(name)) == written


# The example runs


def answer_completions() -> ThreadingHTTPServer:
    """A server that answers every question with three tokens."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = (
                b'{"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices":'
                b' [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant",'
                b' "content": "a b c"}}], "usage": {"prompt_tokens": 2, "completion_tokens": 3,'
                b' "total_tokens": 5}}'
            )
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.mark.parametrize(
    ("dependency", "module"),
    [
        ("numpy", ""),
        ("torch", "torch"),
        ("transformers", "transformers"),
        ("scikit-learn", "sklearn"),
    ],
    ids=["plain", "torch", "transformers", "scikit-learn"],
)
def test_the_example_is_green_and_new_and_once_it_is_stored_it_is_ok(shop, dependency, module):
    if module:
        pytest.importorskip(module)
    shop.write("pyproject.toml", PYPROJECT.format(dependencies=f'"{dependency}"'))
    shop.init("--yes", "--gate=counted", code=0)
    first = shop.pytest("--energy-report", "tests/test_energy.py")
    assert first.returncode == 0, first.stdout
    assert "1 passed" in first.stdout
    assert "1 new" in first.stdout
    stored = shop.pytest("--energy-update", "tests/test_energy.py")
    assert stored.returncode == 0, stored.stdout
    again = shop.pytest("tests/test_energy.py", "--energy-strict")
    assert again.returncode == 0, again.stdout
    assert "1 compared (1 ok)" in again.stdout


@pytest.mark.parametrize("plugins", [[], ["pytest_asyncio.plugin"]], ids=["", "asyncio"])
def test_the_example_of_a_served_model_is_green_and_new(shop, monkeypatch, plugins):
    """What a client does is not the same in every process: its counts are not compared again."""
    pytest.importorskip("openai")
    shop.plugins += plugins
    shop.write("pyproject.toml", PYPROJECT.format(dependencies='"openai"'))
    shop.init("--yes", "--gate=counted", code=0)
    assert ("await energy.arun(" in shop.read("tests/test_energy.py")) == bool(plugins)
    server = answer_completions()
    host, port = server.server_address[:2]
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://{host}:{port}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    try:
        done = shop.pytest("--energy-report", "tests/test_energy.py")
    finally:
        server.shutdown()
        server.server_close()
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
    assert "1 new" in done.stdout


def test_without_a_server_the_example_of_a_served_model_is_skipped(shop, monkeypatch):
    pytest.importorskip("openai")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    shop.write("pyproject.toml", PYPROJECT.format(dependencies='"openai"'))
    said = flowing(shop.init("--yes", code=0).stdout)
    assert "name a meter that sees it (docs/served-models.md)" in said
    done = shop.pytest("-rs", "tests/test_energy.py")
    assert "OPENAI_BASE_URL does not say where the model is served" in done.stdout


def test_names_of_files_and_tests_are_those_that_pytest_collects(shop):
    shop.write("pyproject.toml", PYPROJECT.format(dependencies='"numpy"'))
    settings = 'python_files = ["*_check.py"]\npython_functions = ["check_*"]\naddopts'
    shop.write("pyproject.toml", shop.read("pyproject.toml").replace("addopts", settings))
    shop.init("--yes", code=0)
    assert "def check_inference(" in shop.read("tests/energy_check.py")
    done = shop.pytest("--collect-only", "-q", "tests/energy_check.py")
    assert "check_inference" in done.stdout


# Nothing is written over


@pytest.mark.parametrize("name", [WRITTEN[0], WRITTEN[2]])
def test_a_file_that_is_there_is_named_and_left(shop, name):
    shop.write(name, "mine\n")
    done = shop.init("--yes", code=0)
    assert f"{name} is there already, and is left as it is" in done.stdout
    assert shop.read(name) == "mine\n"
    assert f"written: {name}" not in done.stdout


def test_a_link_that_leads_to_nothing_is_there_as_well(shop):
    link = shop.path / WRITTEN[2]
    link.symlink_to("nowhere.py")
    done = shop.init("--yes", code=0)
    assert "tests/test_energy.py is there already" in done.stdout
    assert link.is_symlink()
    assert not (shop.path / "tests" / "nowhere.py").exists()


def test_a_folder_that_is_a_link_out_of_the_project_gets_nothing(shop, tmp_path):
    outside = tmp_path / "outside"
    (shop.path / "tests").rename(outside)
    (shop.path / "tests").symlink_to(outside)
    before = sorted(outside.iterdir())
    done = shop.init("--yes", code=1)
    assert f"a link leads out of {shop.path}, to {outside}/test_energy.py, and is not" in (
        flowing(done.stdout).replace(" .,", f" {shop.path},")
    )
    assert sorted(outside.iterdir()) == before
    assert "energy_tolerance" in shop.read("pyproject.toml")


def test_a_project_that_lies_behind_a_link_is_written_into(shop, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(shop.path)
    shop.init("--yes", code=0, cwd=link)
    assert (shop.path / WRITTEN[2]).exists()


def test_settings_in_a_file_of_another_form_are_to_be_pasted(shop):
    text = PYPROJECT.format(dependencies="")
    table = text[text.index("# Settings") : text.index("[tool.other]")]
    text = text.replace(table, "").replace("[tool.other]", "[tool]")
    text += 'pytest = {ini_options = {testpaths = ["tests"]}}\n'
    shop.write("pyproject.toml", text)
    done = shop.init("--yes", code=1)
    assert shop.read("pyproject.toml") == text
    assert (
        "pyproject.toml is left as it is (the table cannot be told from the rest of the file for"
        ' certain); paste: [tool.pytest.ini_options] energy_tolerance = "5%"'
        in flowing(done.stdout)
    )


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("pytest.ini", "[pytest]\n", "[pytest]\nenergy_tolerance = 5%\n"),
        ("tox.ini", "[tox]\n\n[pytest]\n", "[tox]\n\n[pytest]\nenergy_tolerance = 5%\n"),
        ("setup.cfg", "[tool:pytest]\n", "[tool:pytest]\nenergy_tolerance = 5%\n"),
    ],
)
def test_settings_go_into_the_file_that_pytest_reads(shop, name, text, expected):
    (shop.path / "pyproject.toml").unlink()
    shop.write("setup.py")
    shop.write(name, text)
    assert f"settings: {name};" in shop.init("--yes", code=0).stdout
    assert shop.read(name) == expected
    assert "--energy" in shop.pytest("--help").stdout


def test_a_project_without_any_settings_gets_a_file_of_them(shop):
    (shop.path / "pyproject.toml").unlink()
    shop.write("requirements.txt", "torch\npytest-energy==0.1\n")
    shop.init("--yes", code=0)
    assert shop.read("pytest.ini") == "[pytest]\nenergy_tolerance = 5%\n"
    assert "- run: pip install --requirement requirements.txt\n" in shop.read(WRITTEN[0])


# git


@needs_git
def test_baselines_that_git_ignores_are_let_in(shop):
    shop.git("init", "--quiet", "--initial-branch=trunk")
    shop.write(".gitignore", "*.json\n.cache")
    done = shop.init("--yes", "--gate=stored", code=0)
    assert "written: .gitignore" in done.stdout
    assert shop.read(".gitignore").startswith("*.json\n.cache\n#")
    shop.write("baselines/machine/task/model.json", "{}")
    ignored = subprocess.run(
        ["git", "check-ignore", "baselines/machine/task/model.json", "other.json"],
        cwd=shop.path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ignored.stdout == "other.json\n"
    assert ".gitignore" not in shop.init("--yes", code=0).stdout


@needs_git
def test_in_a_folder_of_a_repository_the_workflow_lies_at_its_top(shop):
    shop.git("init", "--quiet", "--initial-branch=trunk")
    shop.git("commit", "--quiet", "--allow-empty", "--message=x")
    shop.git("branch", "--quiet", "master")
    inner = shop.path / "services" / "rank"
    inner.mkdir(parents=True)
    for name in ("pyproject.toml", "tests"):
        (shop.path / name).rename(inner / name)
    text = (inner / "pyproject.toml").read_text().replace('"torch>=2"', '"transformers"')
    (inner / "pyproject.toml").write_text(text)
    shop.init("--yes", code=0, cwd=inner)
    assert (inner / "tests" / "test_energy.py").exists()
    assert not (inner / ".github").exists()
    workflow = shop.read(WRITTEN[0])
    assert "defaults:\n  run:\n    working-directory: services/rank\n" in workflow
    assert "path: services/rank/energy.json\n" in workflow
    assert "hashFiles('services/rank/pyproject.toml', 'services/rank/tests/**/*.py')" in workflow
    assert "branches: [master]" in workflow


@needs_git
def test_a_change_is_compared_with_the_default_branch_of_the_remote_or_else_of_this_repository(
    shop,
):
    shutil.rmtree(shop.path / ".github")
    shop.write("pyproject.toml", PYPROJECT.format(dependencies='"numpy"'))
    assert (
        "needs a git repository, and here is none: git init"
        in shop.init("--dry-run", code=1).stdout
    )
    shop.git("init", "--quiet", "--initial-branch=master")
    shop.git("commit", "--quiet", "--allow-empty", "--message=x")
    done = shop.init("--yes", "--gate=paired", code=0)
    assert "here is none" not in done.stdout
    assert done.stdout.endswith(" tests/test_energy.py --energy-against master\n")
    shop.git("remote", "add", "origin", "https://github.com/o/shop.git")
    done = shop.init("--yes", "--gate=paired", code=0)
    assert "CI        GitHub Actions (hosted runners)\n" in done.stdout
    assert done.stdout.endswith(" tests/test_energy.py --energy-against origin/master\n")


@needs_git
def test_without_a_remote_no_revision_of_one_is_named_whatever_the_branch_is_called(shop):
    shop.git("init", "--quiet", "--initial-branch=trunk")
    for _ in range(2):  # there is a workflow the second time
        done = shop.init("--yes", "--gate=paired", code=0)
        assert done.stdout.endswith(" tests/test_energy.py --energy-against trunk\n")


# What goes wrong


def test_what_is_no_project_is_an_error(shop, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    done = shop.init("--yes", code=2, cwd=empty)
    assert done.stdout == ""
    assert (
        f"{empty} holds no Python project (no pyproject.toml, no tests, no module)" in done.stderr
    )
    assert list(empty.iterdir()) == []


def test_broken_toml_that_pytest_reads_is_named_with_its_line(shop):
    shop.write("pyproject.toml", "[project]\nname = shop\n")
    before = shop.files()
    done = shop.init("--yes", code=2)
    assert re.search(r"pyproject\.toml: .*\(at line 2, column 8\)", done.stderr)
    assert "nothing was looked at (see above); options that it does not know" in done.stderr
    assert shop.files() == before


def test_broken_toml_that_pytest_does_not_read_is_named_with_its_line(shop):
    shop.write("pytest.ini", "[pytest]\n")
    shop.write("pyproject.toml", "[project]\nname = shop\n")
    before = shop.files()
    done = shop.init("--yes", "-c", "pytest.ini", code=2)
    assert "pytest-energy: pyproject.toml, line 2: " in done.stderr
    assert shop.files() == before


def test_a_conftest_that_cannot_be_imported_is_shown_and_may_be_left_out(shop):
    shop.write("conftest.py", "import nothing_like_it\n")
    done = shop.init("--yes", code=2)
    assert "nothing_like_it" in done.stderr
    assert "where a conftest file fails, --noconftest leaves it out" in done.stderr
    shop.init("--yes", "--noconftest", code=0)


def test_what_conftests_print_stands_on_standard_error(shop):
    shop.write("conftest.py", "print('hello')\n")
    done = shop.init("--dry-run", code=1)
    assert "hello" not in done.stdout
    assert "hello" in done.stderr


def test_an_unknown_argument_is_an_error(shop):
    done = shop.init("--yess", code=2)
    assert "unrecognized arguments: --yess" in done.stderr


def test_yes_and_dry_run_exclude_each_other(shop):
    assert "not allowed with argument" in shop.init("--yes", "--dry-run", code=2).stderr


@pytest.mark.skipif(
    sys.platform == "win32" or (os.geteuid() == 0 and not shutil.which("setpriv")),
    reason="needs a user whom the system refuses something",
)
def test_what_may_not_be_written_is_said_and_the_rest_is_written(shop, tmp_path):
    tests = shop.path / "tests"
    tests.chmod(0o555)
    for place in (shop.path, *shop.path.rglob("*")):
        if place != tests:
            place.chmod(0o777 if place.is_dir() else 0o666)
    command = shop.command
    if os.geteuid() == 0:
        for place in (tmp_path, *list(tmp_path.parents)[:3]):
            place.chmod(place.stat().st_mode | 0o055)
        command = ["setpriv", "--reuid=65534", "--clear-groups", *command]
    done = subprocess.run(
        [*command, "--yes"],
        cwd=shop.path,
        env=shop.environment | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    tests.chmod(0o755)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "tests/test_energy.py: Permission denied; nothing was written there" in done.stderr
    assert "written: pyproject.toml" in done.stdout
    assert "written: .github/workflows/energy.yml" in done.stdout


@needs_full_device
def test_what_cannot_be_shown_is_not_written(shop):
    before = shop.files()
    done = to_full_device([*shop.command, "--yes"], shop.path, shop.environment)
    assert done.returncode == 2
    assert "could not be written" in done.stderr
    assert shop.files() == before


@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")
def test_a_killed_run_leaves_each_file_old_or_new_and_the_next_does_the_rest(shop):
    before = shop.files()
    (shop.path.parent / "twin").mkdir()
    twin = Newcomer(shop.path.parent / "twin")
    for name, content in before.items():
        twin.write(name, content)
    twin.init("--yes", code=0)
    whole = twin.files()
    chance = random.Random(1)
    for _ in range(3):
        process = subprocess.Popen(
            [*shop.command, "--yes"],
            cwd=shop.path,
            env=shop.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        process.stdout.read(1)  # what was found is shown, and writing begins
        time.sleep(chance.random() / 20)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        for name, content in shop.files().items():
            if not name.endswith(TEMPORARY_SUFFIX):
                assert content in (before.get(name), whole[name]), name
    shop.init("--yes", code=0)
    kept = {n: c for n, c in shop.files().items() if not n.endswith(TEMPORARY_SUFFIX)}
    assert kept == whole


def test_two_runs_at_once_write_each_line_once(shop):
    both = [
        subprocess.Popen(
            [*shop.command, "--yes"],
            cwd=shop.path,
            env=shop.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert shop.read("pyproject.toml").count("energy_tolerance") == 1
    assert shop.read(WRITTEN[2]).count("def test_inference") == 1
    shop.init("--yes", code=0)
