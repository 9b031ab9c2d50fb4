"""What the example tests share: one thread, the reviews, and a word on where models came from."""

from __future__ import annotations

import models
import pytest
import torch
import transformers
from datasets import Dataset

origins_key = pytest.StashKey[dict[str, None]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[origins_key] = {}
    # One thread: idle threads of a pool spin while they wait, so that CPU seconds count waiting as
    # work, and count more of it the busier the neighbours are.
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for origin in terminalreporter.config.stash[origins_key]:
        terminalreporter.write_line(f"model: {origin}")


@pytest.fixture(scope="session")
def say_origin(pytestconfig: pytest.Config):
    """Call it with where a model came from; it stands at the end of the report."""

    def say(origin: str) -> None:
        pytestconfig.stash[origins_key][origin] = None

    return say


@pytest.fixture(scope="session")
def reviews() -> Dataset:
    """Movie-review snippets with a binary label."""
    try:
        return models.load_reviews()
    except LookupError as error:
        pytest.fail(str(error), pytrace=False)
