"""What the tests share: a project with a scripted meter of known joules.

No outcome may hang on this machine's noise, so tests of the gate meter through a meter that a test
tells what to count. It comes in through the public hook, as anybody's would.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress

import pytest

import pytest_energy
from pytest_energy.meters.prometheus import server as prometheus
from support.projects import LOOP, Project, Repository

pytest_plugins = ["pytester"]

# Where the system puts two threads of torch on one CPU, the one that spins keeps the other from its
# work until the next tick: an operator of 5 µs takes 8 ms, and the tests of counts ten minutes.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# pytester forgets what a run inside this process has imported. What is imported here stays: every
# run sees the same classes, and none pays for the import again.
for _module in pkgutil.walk_packages(pytest_energy.__path__, "pytest_energy."):
    importlib.import_module(_module.name)
_OTHERS = ("hypothesis.internal.observability", "portalocker", "psutil", "requests", "rich.console")
for _name in (*_OTHERS, "rich.table", "pandas"):  # pandas breaks where it is imported twice
    with suppress(ModuleNotFoundError):  # of an extra that is not installed
        importlib.import_module(_name)


@pytest.fixture
def repository(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A committed project with one metered loop in test_it.py."""
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    if shutil.which("git") is None:
        pytest.skip("needs git")
    found = Repository(pytester, monkeypatch)
    found.write(test_it=LOOP)
    found.commit()
    return found


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("COLUMNS", "120")
    # What another test has imported is no matter of this project's.
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    return Project(pytester, monkeypatch)


@pytest.fixture
def loop(project: Project) -> Project:
    """A project with one metered loop in test_it.py."""
    project.write(test_it=LOOP)
    return project


@pytest.fixture(autouse=True, scope="session")
def _machine_of_their_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The pytest processes that a test starts wait for none of another worker's tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_ENERGY_LOCK_DIR", str(tmp_path_factory.getbasetemp()))
        yield


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own credentials for a Prometheus server must not decide here."""
    names = [prometheus.TOKEN, prometheus.USER, prometheus.PASSWORD]
    names += [name.replace("PROMETHEUS", meter) for name in names for meter in ("METRICS", "HTTP")]
    for name in names:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def no_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where these tests run in GitHub's runner, what they run must not write to its summary."""
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def no_hang() -> Iterator[None]:
    """A test that waits for ever fails after two minutes; where there is no alarm it waits."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def give_up(*_: object) -> None:
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
