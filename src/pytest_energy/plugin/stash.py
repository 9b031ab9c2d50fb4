"""What the plugin keeps for one pytest session, each made when it is first needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_energy.settings import options, xdist

if TYPE_CHECKING:
    from pytest_energy.metering.fixture import Energy
    from pytest_energy.meters.base import MeterSource
    from pytest_energy.plugin.gate import Gate
    from pytest_energy.settings.settings import Settings

REPORTER = "energy-reporter"

SETTINGS: pytest.StashKey[Settings] = pytest.StashKey()
GATE: pytest.StashKey[Gate] = pytest.StashKey()
ENERGY: pytest.StashKey[Energy] = pytest.StashKey()
PAYLOAD: pytest.StashKey[dict[str, Any]] = pytest.StashKey()


def gather_results(config: pytest.Config) -> None:
    """Have results gathered in this process, unless it is a worker's or that is arranged."""
    from pytest_energy.plugin.reporter import Reporter

    told = xdist.is_xdist_worker(config) or options.WORKER in config.stash
    if told or config.pluginmanager.has_plugin(REPORTER):
        return
    config.pluginmanager.register(Reporter(config), REPORTER)


def gate_of(config: pytest.Config) -> Gate:
    """This process's gate; with pytest-xdist the controller has one for the baselines alone."""
    from pytest_energy.plugin.gate import Gate

    if GATE not in config.stash:
        config.stash[GATE] = Gate(config, {}, {}, [])
    return config.stash[GATE]


def settings_of(config: pytest.Config) -> Settings:
    """What the user said; read once, when it is first needed."""
    from pytest_energy.settings import settings

    if SETTINGS not in config.stash:
        config.stash[SETTINGS] = settings.read_settings(config)
    return config.stash[SETTINGS]


def meter_sources(config: pytest.Config, settings: Settings) -> list[MeterSource]:
    """The meters that there are: built in, and those of other plugins and of conftests."""
    from pytest_energy.meters import builtin_sources
    from pytest_energy.meters.base import MeterSource

    try:
        added = config.hook.pytest_energy_meters(config=config)
        theirs = [[found] if isinstance(found, MeterSource) else found for found in added]
        sources = [source for found in theirs for source in found]
        strange = [source for source in sources if not isinstance(source, MeterSource)]
        if strange:
            raise TypeError(f"expected a MeterSource, found {strange[0]!r}")
    except Exception as error:  # somebody else's hook: its defect is named, not pytest's internals
        raise pytest.UsageError(f"pytest_energy_meters: {type(error).__name__}: {error}") from error
    return [*builtin_sources(settings.prometheus), *sources]
