"""What the example tests share: sizes, one thread, the models' shelf, the reviews."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import extras
import pytest
from closing import Closing
from shelf import Shelf

try:
    import torch
    import transformers
except ImportError:
    extras.require("torch", "transformers", "datasets")
    raise
extras.require("datasets")

collect_ignore = ["planted"]  # its test is there to be broken; by its path it runs

_closing_key = pytest.StashKey[Closing]()
_origins_key = pytest.StashKey[dict[str, None]]()
_shelf_key = pytest.StashKey[Shelf]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--size",
        choices=("small", "paper"),
        default="small",
        help="small: one model a task, minutes on two cores (default); paper: the papers' own"
        " models and datasets, 1,000 inferences each, which takes a GPU and a model hub",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "models(*names): models that the test takes from the fixture shelf"
    )
    config.addinivalue_line("markers", "early: before all others; its model leaves them no room")
    config.addinivalue_line("markers", "late: after all others, whose results it compares")
    origins = config.stash[_origins_key] = {}
    config.stash[_closing_key] = Closing()
    config.stash[_shelf_key] = Shelf(lambda origin: origins.setdefault(origin))
    # One thread: idle threads of a pool spin while they wait, so that CPU seconds count waiting as
    # work, and count more of it the busier the neighbours are.
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


def _names(item: pytest.Item) -> list[str]:
    return [name for mark in item.iter_markers("models") for name in mark.args]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Stable: otherwise tests stay in their modules' order.
    items.sort(key=lambda item: (not _is(item, "early")) + _is(item, "late"))


def _is(item: pytest.Item, mark: str) -> bool:
    return item.get_closest_marker(mark) is not None


def pytest_collection_finish(session: pytest.Session) -> None:
    for item in session.items:  # after deselection: only who runs is waited for
        session.config.stash[_shelf_key].expect(_names(item))


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    item.config.stash[_shelf_key].done(_names(item))


def pytest_sessionfinish(session: pytest.Session) -> None:
    sent = getattr(session.config, "workeroutput", None)  # where pytest-xdist runs the tests
    if sent is not None:
        sent["said"] = session.config.stash[_closing_key].said
        sent["origins"] = list(session.config.stash[_origins_key])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    sent = getattr(node, "workeroutput", {})
    node.config.stash[_closing_key].take_over(sent.get("said", {}))
    node.config.stash[_origins_key].update(dict.fromkeys(sent.get("origins", ())))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.config.stash[_closing_key].write(terminalreporter)
    for origin in terminalreporter.config.stash[_origins_key]:
        terminalreporter.write_line(f"model: {origin}")


@pytest.fixture(scope="session")
def size(pytestconfig: pytest.Config) -> str:
    """`small` or `paper`."""
    return pytestconfig.getoption("size")


@pytest.fixture
def shelf(pytestconfig: pytest.Config) -> Shelf:
    """The models that the test's marker names: `shelf["minilm"]`."""
    return pytestconfig.stash[_shelf_key]


@pytest.fixture(scope="session")
def say(pytestconfig: pytest.Config) -> Callable[..., None]:
    """Print lines under a heading when the run ends: `say("compute and energy", "…")`."""
    return pytestconfig.stash[_closing_key].say
