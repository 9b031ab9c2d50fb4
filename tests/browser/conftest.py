"""One browser for the tests of a module: it takes a second to start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.browser import Browser, started


@pytest.fixture(scope="module")
def shared_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with started(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture
def browser(shared_browser: Browser) -> Browser:
    """Chromium as every test finds it: a wide window, and a system that prefers light."""
    shared_browser.viewport(1280)
    shared_browser.color_scheme("light")
    return shared_browser
