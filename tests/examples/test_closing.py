"""What the examples say at the end of a run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec

import pytest

from support import plugins
from support.examples import EXAMPLES, lean

CONFTEST = """
import pytest
from closing import Closing

closing = Closing()

@pytest.fixture(scope="session")
def say():
    return closing.say

def pytest_terminal_summary(terminalreporter):
    closing.write(terminalreporter)
"""


def test_what_tests_say_stands_at_the_end_without_a_flag(examples, pytester, monkeypatch):
    for name, value in plugins.only().items():
        monkeypatch.setenv(name, value)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(
        """
        def test_first(say): say("compute", "a line", "two\\nmore")
        def test_second(say): say("savings", "another heading")
        def test_third(say): say("compute", "below the first")
        """
    )
    said = pytester.runpytest("-p", "no:cacheprovider").outlines
    where = next(i for i, line in enumerate(said) if line.strip("- ") == "compute")
    assert said[where + 1 : where + 5] == ["a line", "two", "more", "below the first"]
    assert said[where + 5].strip("- ") == "savings"


def run_in_workers(workers, folder, test):
    """Run a test beside the examples' conftest in workers of pytest-xdist; what pytest said."""
    if find_spec("xdist") is None or find_spec("torch") is None:
        pytest.skip("needs pytest-xdist and the example models' packages")
    for name in ("conftest.py", "closing.py", "extras.py", "shelf.py"):
        shutil.copy(EXAMPLES / name, folder / name)
    (folder / "test_it.py").write_text(test)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"-n{workers}"]
    done = subprocess.run(
        [*command, "--rootdir=."],
        cwd=folder,
        env=lean("xdist.plugin"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_workers_of_xdist_have_said_reaches_the_terminal(tmp_path):
    test = "def test_it(say, size): say('compute', f'said in a worker: {size}')\n"
    assert "\nsaid in a worker: small\n" in run_in_workers(1, tmp_path, test)


def test_where_models_came_from_is_said_once_also_when_workers_of_xdist_loaded_them(tmp_path):
    test = (
        "import pytest\n"
        "from shelf import loads\n"
        "loads('body')(lambda: (object(), 'body from afar'))\n"
        "@pytest.mark.models('body')\n"
        "@pytest.mark.parametrize('n', range(4))\n"
        "def test_it(shelf, n): assert shelf['body']\n"
    )
    assert run_in_workers(2, tmp_path, test).count("model: body from afar\n") == 1


def test_the_planted_mistake_is_run_by_its_path_alone(tmp_path):
    if find_spec("torch") is None or find_spec("transformers") is None:
        pytest.skip("needs the example models' packages")
    for name in ("conftest.py", "closing.py", "extras.py", "shelf.py"):
        shutil.copy(EXAMPLES / name, tmp_path / name)
    (tmp_path / "planted").mkdir()
    for path in ("test_it.py", "planted/test_generation.py"):
        (tmp_path / path).write_text(
            f"def test_of_{path.partition('/')[0]}(): pass\n".replace(".", "_")
        )
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    whole, path = (
        subprocess.run(
            [*command, "--rootdir=.", target],
            cwd=tmp_path,
            env=lean(),
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        for target in (".", "planted/test_generation.py")
    )
    assert "test_of_planted" in path
    assert "test_of_test_it_py" in whole
    assert "test_of_planted" not in whole


def test_tables_have_names_on_the_left_and_figures_on_the_right(examples):
    from closing import columns

    assert list(columns([["model", "J"], ["tiny", "0.5"], ["larger", "12"]])) == [
        "model     J",
        "tiny    0.5",
        "larger   12",
    ]


def test_what_looks_like_markup_is_printed_as_it_is_and_without_colours(examples, monkeypatch):
    from closing import columns

    monkeypatch.setenv("FORCE_COLOR", "1")
    assert list(columns([["model", "J"], ["[bold]tiny :cat:", "0.5"]])) == [
        "model               J",
        "[bold]tiny :cat:  0.5",
    ]


def test_a_table_with_a_row_too_short_too_long_or_too_wide_is_an_error(examples):
    from closing import columns

    with pytest.raises(ValueError, match=r"row 1 is shorter than the head: \['tiny'\]"):
        list(columns([["model", "J"], ["tiny"]]))
    with pytest.raises(ValueError, match="row 1 is longer"):
        list(columns([["model", "J"], ["tiny", "1", "2"]]))
    assert len(list(columns([["model", "J"], ["x" * 97, "1"]]))) == 2  # 100 columns are not
    with pytest.raises(ValueError, match="wider than 100 columns"):
        list(columns([["model", "J"], ["x" * 98, "1"]]))
