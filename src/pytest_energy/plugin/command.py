"""Runs a command of the console script inside pytest's configuration."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_energy import plugin
from pytest_energy.plugin.own_errors import shown_usage_errors
from pytest_energy.settings import COMMAND


class Command:
    """Runs in place of the tests, with the options, ini files and conftests that they would have.

    Args:
        run: gets pytest's configuration; returns the exit code.
    """

    def __init__(self, run: Callable[[pytest.Config], int]) -> None:
        self._run = run

    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests(self, early_config: pytest.Config) -> None:
        # Here it is known what was loaded; without plugin autoload this module was not.
        manager = early_config.pluginmanager
        if not manager.is_registered(plugin):
            manager.register(plugin, "energy")

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int:
        with shown_usage_errors(lines=True):
            return self._run_in(config)

    def _run_in(self, config: pytest.Config) -> int:
        if not config.pluginmanager.is_registered(plugin):
            raise pytest.UsageError("pytest-energy is switched off by -p no:energy")
        for place in config.args:
            if not (config.invocation_params.dir / place.partition("::")[0]).exists():
                raise pytest.UsageError(f"file or directory not found: {place}")
        config.stash[COMMAND] = True
        # As pytest does it itself, since plugins may register their meters' hook only then.
        config.hook.pytest_configure.call_historic(kwargs={"config": config})
        try:
            return self._run(config)
        finally:
            config.hook.pytest_unconfigure(config=config)
