"""What a session pays for the plugin: which modules it loads, what it opens and writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import pytest_energy


@pytest.mark.parametrize("workers", [[], ["-n2"]])
def test_collecting_alone_opens_and_writes_nothing(loop, workers):
    result = loop.run("--collect-only", "--energy-json=o.json", "--energy-update", *workers)
    assert result.ret == pytest.ExitCode.OK
    assert not (loop.path / "o.json").exists()
    result.stdout.no_fnmatch_line("energy: scripted*")


LIGHT = {"plugin", "plugin.specs", "plugin.uncollected", "settings"}
"""All modules of the package that a session without metered tests may load."""


def run_pytest(folder: Path, test: str) -> None:
    """Run a test in a process of its own, in which nothing has been imported yet."""
    (folder / "test_it.py").write_text(test)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_session_without_metered_tests_loads_few_light_modules_and_nothing_heavy(tmp_path):
    run_pytest(
        tmp_path,
        f"""
import sys

def test_it():
    ours = {{name for name in sys.modules if name.startswith("pytest_energy.")}}
    assert ours <= {{f"pytest_energy.{{name}}" for name in {sorted(LIGHT)}}}
    heavy = {{"torch", "pandas", "codecarbon", "pynvml", "psutil", "portalocker"}}
    assert not heavy & set(sys.modules)
""",
    )


def test_metered_tests_load_neither_torch_nor_codecarbon(tmp_path):
    run_pytest(
        tmp_path,
        """
import pytest, sys

@pytest.mark.inference(n=1)
def test_it(): sum(range(1000))

def test_after(): assert not {"torch", "pandas", "codecarbon"} & set(sys.modules)
""",
    )


def test_every_public_name_resolves_and_has_a_docstring():
    for name in pytest_energy.__all__:
        assert getattr(pytest_energy, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        pytest_energy.nothing  # noqa: B018


def test_the_package_is_marked_as_typed():
    assert (Path(pytest_energy.__file__).parent / "py.typed").exists()


def test_a_file_that_is_skipped_at_collection_costs_a_project_without_baselines_nothing(tmp_path):
    (tmp_path / "test_a.py").write_text("import pytest\npytest.importorskip('nothing_like_it')")
    (tmp_path / "conftest.py").write_text(
        "import sys\n\ndef pytest_unconfigure():\n"
        "    assert not [name for name in sys.modules if name.startswith('pytest_energy.gate')]\n"
    )
    run_pytest(tmp_path, "def test_plain(): pass")
