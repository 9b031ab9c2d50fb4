"""Our hooks' specifications, as a plugin of its own.

A conftest's hook is known then, though `-p no:energy` turns the plugin off.

PYTEST_DONT_REWRITE: see the package.
"""

from __future__ import annotations

import pytest


def pytest_plugin_registered(plugin: object, manager: pytest.PytestPluginManager) -> None:
    # The specifications of our hooks wait until a plugin or a conftest implements one.
    for name in ("pytest_energy_meters", "pytest_energy_reporters"):
        if hasattr(plugin, name) and not getattr(manager.hook, name).spec:
            from pytest_energy import hookspecs

            manager.add_hookspecs(hookspecs)
            return
