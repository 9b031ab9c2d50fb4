"""The house: what imports what, and what a session without metered tests pays."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_energy

ROOT = Path(pytest_energy.__file__).parent

# From the top. A room imports only from rooms below its own line.
STOREYS = [
    {"__main__"},
    {"cli"},
    {"plugin"},
    {"report.json", "report.terminal", "report.live", "report.junit", "report.doctor"}
    | {"report.papers", "report.papers_json"},
    {"report.training", "report.papers_training"},
    {"report.page"},
    {"report.console"},
    {"papers.own"},
    {"papers.run"},
    {"papers.luccioni", "papers.desislavov"},
    {"ledger", "fixture"},
    {"results"},
    {"session", "doctor"},
    {"follower"},
    {"against"},
    {"options"},
    {"arguments"},
    {"region"},
    {"loop"},
    {"turns"},
    {"companion", "worktree", "own_tree"},
    {"channel"},
    {"window"},
    {"synchronise"},
    {"stopping", "ratio", "training"},
    {"verdict"},
    {"quality", "reasons"},
    {"pairing"},
    {"comparison", "comparable"},
    {"estimators"},
    {"work"},
    {"yardstick"},
    {"records"},
    {"accepted"},
    {"baselines"},
    {"baseline_file"},
    {"json_line"},
    {"factors"},
    {"papers.strubell"},
    {"carbon", "checkup", "system_state"},
    {"meters"},
    {"meters.edges"}
    | {f"meters.{name}" for name in ("rapl", "nvml", "amd", "amd_energy", "apple", "cpu_time")}
    | {f"meters.{name}" for name in ("codecarbon", "prometheus")},
    {"meters.sampler", "meters.sysfs", "meters.processes", "meters.prometheus_server"},
    {"meters.promql"},
    {"meters.base"},
    {"meters.alarm"},
    {"neighbours"},
    {"reference"},
    {"machine"},
    {"papers.shipped"},
    {"measurement"},
    {"units"},
    {"hookspecs", "report", "papers"},
]


def module_name(path: Path) -> str:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


def runtime_imports(path: Path) -> set[str]:
    """Rooms that a module imports when it runs; what only type checkers see is no dependency."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in typing_only or not isinstance(node, ast.ImportFrom) or not node.module:
            continue
        if node.module == "pytest_energy":
            found |= {alias.name for alias in node.names}
        elif node.module.startswith("pytest_energy."):
            inside = node.module.removeprefix("pytest_energy.")
            rooms = {f"{inside}.{alias.name}" for alias in node.names}
            known = {module_name(p) for p in ROOT.rglob("*.py")}
            found |= (rooms & known) or {inside}
    return found


MODULES = sorted(p for p in ROOT.rglob("*.py") if p != ROOT / "__init__.py")


def storey(name: str) -> int:
    (found,) = [i for i, rooms in enumerate(STOREYS) if name in rooms]
    return found


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_a_room_imports_only_from_rooms_below_it(path):
    own = storey(module_name(path))
    above = {name for name in runtime_imports(path) if storey(name) <= own}
    # A type of the room above may be needed at run time by nobody: see TYPE_CHECKING blocks.
    assert not above


@pytest.mark.parametrize("name", ["units", "verdict", "measurement"])
def test_the_core_is_pure(name):
    tree = ast.parse((ROOT / f"{name}.py").read_text())
    imported = {
        alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    } | {
        (node.module or "").partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    }
    assert imported <= {"pytest_energy", *sys.stdlib_module_names}
    assert not imported & {"os", "pathlib", "subprocess", "time", "random", "socket", "io"}


def test_only_the_plugin_knows_hooks():
    for path in MODULES:
        if module_name(path) not in {"plugin", "hookspecs"}:
            names = {
                n.name
                for n in ast.walk(ast.parse(path.read_text()))
                if isinstance(n, ast.FunctionDef)
            }
            assert not {name for name in names if name.startswith("pytest_")}, path


def test_a_session_without_metered_tests_loads_no_room_and_nothing_heavy(tmp_path):
    (tmp_path / "test_it.py").write_text(
        "import sys\n"
        "def test_it():\n"
        "    rooms = {m for m in sys.modules if m.startswith('pytest_energy.')}\n"
        "    loaded = {'plugin', 'arguments', 'hookspecs'}\n"
        "    assert rooms == {f'pytest_energy.{room}' for room in loaded}\n"
        "    heavy = {'torch', 'pandas', 'codecarbon', 'pynvml', 'psutil', 'filelock'}\n"
        "    assert not heavy & set(sys.modules)\n"
    )
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_metered_tests_load_neither_torch_nor_codecarbon(tmp_path):
    (tmp_path / "test_it.py").write_text(
        "import pytest, sys\n"
        "@pytest.mark.inference(n=1)\n"
        "def test_it(): sum(range(1000))\n"
        "def test_after(): assert not {'torch', 'pandas', 'codecarbon'} & set(sys.modules)\n"
    )
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_typed_api_is_marked_and_every_public_name_resolves():
    assert (ROOT / "py.typed").exists()
    for name in pytest_energy.__all__:
        assert getattr(pytest_energy, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        pytest_energy.nothing  # noqa: B018
