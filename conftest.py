"""Settings of plugins that not every environment of this project has."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    # `make demo` installs no pytest-asyncio; without this its setting would be an unknown one.
    if not pluginmanager.has_plugin("asyncio"):
        parser.addini("asyncio_default_fixture_loop_scope", "see pytest-asyncio")
