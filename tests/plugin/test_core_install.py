"""An environment of the core alone: what it holds, that it works, what a missing extra says.

The environment is a real one, made of the distributions that this one has: those that pytest-energy
and they themselves require, and no others. Nothing is downloaded.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import venv
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "tests_models"

MOST_DISTRIBUTIONS = 14

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def closure(requirements: list[str]) -> set[str]:
    """Names of the distributions that these requirements bring here, without extras."""
    found: set[str] = set()
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if wanted and name not in found:
            found.add(name)
            waiting += [Requirement(text) for text in distribution(name).requires or ()]
    return found


def link(name: str, target: Path) -> None:
    """Have an installed distribution's modules and metadata in another folder as well."""
    found = distribution(name)
    for top in {path.parts[0] for path in found.files or ()} - {"..", "__pycache__"}:
        (target / top).symlink_to(Path(str(found.locate_file(top))).resolve())


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that holds the core alone."""
    if sys.platform == "win32":
        pytest.skip("makes symbolic links, which Windows leaves to administrators")
    folder = tmp_path_factory.mktemp("core")
    venv.create(folder, with_pip=False, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    for name in {*closure(PROJECT["dependencies"]), "pytest-energy"}:
        link(name, packages)
    return folder / "bin" / "python"


@pytest.fixture
def run(python: Path, tmp_path: Path) -> Run:
    """Run the core's interpreter in an empty folder."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    env |= {"PYTHONPATH": str(ROOT / "src"), "COLUMNS": "200"}

    def start(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(python), *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )

    return start


METERED = """
import pytest

@pytest.mark.inference(n=200, task="arithmetic", model="sum")
def test_sum(energy):
    for _ in energy.each(range(200)):
        sum(range(20_000))
"""


@pytest.fixture
def metered(tmp_path: Path) -> Path:
    path = tmp_path / "test_metered.py"
    path.write_text(METERED)
    return path


# What it holds


def test_the_core_is_at_most_fourteen_distributions_and_none_of_an_extra(run):
    code = "import importlib.metadata as m; print(*{d.name for d in m.distributions()})"
    names = {canonicalize_name(name) for name in run("-c", code).stdout.split()}
    assert {"pytest-energy", "pytest", "rich", "nvidia-ml-py"} <= names
    assert len(names) <= MOST_DISTRIBUTIONS, sorted(names)
    assert not {"codecarbon", "requests", "pandas", "numpy", "torch"} & names


def test_what_the_core_requires_is_what_it_is_said_to_require():
    names = {canonicalize_name(Requirement(text).name) for text in PROJECT["dependencies"]}
    assert names == {"pytest", "pluggy", "rich", "psutil", "portalocker", "nvidia-ml-py"}


def test_the_tables_lie_in_the_package_with_the_licence_of_their_origin():
    names = {path.name for path in (ROOT / "src/pytest_energy/carbon/data").iterdir()}
    assert names == {"cpu_power.csv", "grid_intensity.json", "LICENSE-codecarbon.txt"}
    assert any(path.endswith("LICENSE-codecarbon.txt") for path in PROJECT["license-files"])


# That it works


def test_a_metered_session_with_a_region_of_the_grid_works(run, metered, tmp_path):
    report = tmp_path / "report.json"
    place = ("--energy-country=USA", "--energy-region=california")
    done = run("-m", "pytest", str(metered), "--energy-report", f"--energy-json={report}", *place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "(california, USA, 2023); source: codecarbon 3." in done.stdout
    (result,) = json.loads(report.read_text("utf-8"))["results"]
    assert result["measurement"]["joules_per_unit"] > 0


def test_the_papers_tables_and_the_doctor_work(run):
    papers = run("-m", "pytest_energy", "papers")
    assert papers.returncode == 0, papers.stderr
    assert "Strubell" in papers.stdout
    doctor = run("-m", "pytest_energy", "doctor")
    assert doctor.returncode in (0, 1), doctor.stderr
    assert "cpu_time" in doctor.stdout


# What a missing extra says


def test_the_meter_codecarbon_names_its_extra(run, metered):
    done = run("-m", "pytest", str(metered), "--energy-meter=codecarbon")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert (
        "meter 'codecarbon' is unavailable: codecarbon cannot be imported: No module named"
        " 'codecarbon'; pip install 'pytest-energy[codecarbon]'"
    ) in done.stderr


def test_the_meter_prometheus_names_its_extra(run, metered):
    options = ("--energy-meter=prometheus", "--energy-prometheus-query=dcgm")
    done = run("-m", "pytest", str(metered), *options)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert (
        "meter 'prometheus' is unavailable: requests cannot be imported: No module named"
        " 'requests'; pip install 'pytest-energy[prometheus]'"
    ) in done.stderr


def test_an_unknown_meter_is_refused_and_those_of_missing_extras_are_listed(run, metered):
    done = run("-m", "pytest", str(metered), "--energy-meter=nothing")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "codecarbon (codecarbon cannot be imported: No module named" in done.stderr


@pytest.mark.parametrize(
    ("script", "library", "extra"),
    [
        ("plot_papers.py", "matplotlib", "examples"),
        ("update_tables.py", "codecarbon", "codecarbon"),
    ],
)
def test_a_script_names_the_extra_that_it_needs(run, script, library, extra):
    done = run(str(ROOT / "scripts" / script), "report.json", "plots")
    assert done.returncode == 1
    assert done.stderr == (
        f"{library} cannot be imported: No module named '{library}'; the extra {extra} brings it:"
        f" pip install 'pytest-energy[{extra}]' (in a clone: pip install '.[{extra}]')\n"
    )


def test_the_example_models_name_their_extra(run):
    done = run("-m", "pytest", str(EXAMPLES / "test_sentiment.py"), "-p", "no:cacheprovider")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert (
        "these examples need torch, transformers, datasets, which the extra examples brings:"
        " pip install 'pytest-energy[examples]'"
    ) in done.stderr


def test_an_example_that_needs_more_than_the_others_names_the_distributions(run):
    code = f"import sys; sys.path.insert(0, {str(EXAMPLES)!r}); import extras;"
    done = run("-c", f"{code} extras.require('json', 'PIL', 'skimage', extra='papers')")
    assert done.returncode == 1
    assert (
        "ModuleNotFoundError: these examples need pillow, scikit-image, which the extra papers"
        " brings: pip install 'pytest-energy[papers]' (in a clone: pip install '.[papers]')"
    ) in done.stderr
