"""Our hooks' specifications, as a plugin of its own.

A conftest's hook is known then, though `-p no:energy` turns the plugin off.

PYTEST_DONT_REWRITE: see the package.
"""

from __future__ import annotations

import pytest


def pytest_plugin_registered(plugin: object, manager: pytest.PytestPluginManager) -> None:
    # The specification of our hook waits until a plugin or a conftest implements it.
    if hasattr(plugin, "pytest_energy_meters") and not manager.hook.pytest_energy_meters.spec:
        from pytest_energy import hookspecs

        manager.add_hookspecs(hookspecs)
