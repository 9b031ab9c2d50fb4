"""What the plugin keeps for one pytest session, each made when it is first needed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_energy.settings import WORKER, wants_file, xdist

if TYPE_CHECKING:
    from pytest_energy.gate.evaluate import Evaluation
    from pytest_energy.gate.session import GateSession
    from pytest_energy.machine.lock import MachineLock
    from pytest_energy.machine.served import ServedProcesses
    from pytest_energy.metering.fixture import CountedEnergy, MeteredEnergy
    from pytest_energy.metering.instruments import Instruments
    from pytest_energy.meters.base import MeterSource
    from pytest_energy.paired.interleave import HeadInterleaving
    from pytest_energy.plugin.gate import Gate
    from pytest_energy.report.exports.targets import Target
    from pytest_energy.settings.settings import Settings
    from pytest_energy.types.reporter import Reporter
    from pytest_energy.types.session import TestReport

SETTINGS: pytest.StashKey[Settings] = pytest.StashKey()
GATE: pytest.StashKey[Gate] = pytest.StashKey()
GATE_SESSION: pytest.StashKey[GateSession] = pytest.StashKey()
LOCK: pytest.StashKey[MachineLock | None] = pytest.StashKey()
EXPORTS: pytest.StashKey[tuple[Target, ...]] = pytest.StashKey()

# Of a test.
ENERGY: pytest.StashKey[MeteredEnergy | CountedEnergy] = pytest.StashKey()
EVALUATION: pytest.StashKey[Evaluation] = pytest.StashKey()
INTERLEAVING: pytest.StashKey[HeadInterleaving | None] = pytest.StashKey()
OF_METERING: tuple[pytest.StashKey[Any], ...] = (ENERGY, EVALUATION, INTERLEAVING)
TEST_REPORT: pytest.StashKey[TestReport] = pytest.StashKey()
BUSY: pytest.StashKey[str] = pytest.StashKey()
"""Why the test could not have the machine to itself."""


def settings_of(config: pytest.Config) -> Settings:
    """What the user says; read once, when it is first needed."""
    from pytest_energy.settings import settings

    if SETTINGS not in config.stash:
        config.stash[SETTINGS] = settings.read_settings(config)
    return config.stash[SETTINGS]


def gate_session_of(config: pytest.Config) -> GateSession:
    """The session's machine, grid and baselines; no meter is opened for them."""
    from pytest_energy.gate.session import GateSession

    if GATE_SESSION not in config.stash:
        gate = config.stash.get(GATE, None)
        tests = gate.test_count if gate is not None else 1
        try:
            session = GateSession.of(settings_of(config), config.rootpath, tests)
            # Also in a worker that meters nothing itself, and asks for what the others have.
            session.shared = gate.shared_results() if gate is not None else None
            config.stash[GATE_SESSION] = session
        except ValueError as error:
            raise pytest.UsageError(str(error)) from error
    return config.stash[GATE_SESSION]


def exports_of(config: pytest.Config) -> tuple[Target, ...]:
    """What is to be written beside the JSON report, and where; read once, before any test runs.

    Raises:
        pytest.UsageError: there is no such format, or no such file could be written, of the JSON
            report too.
    """
    if EXPORTS not in config.stash:
        settings = settings_of(config)
        if not wants_file(config):
            return ()
        from pytest_energy.report.exports import targets

        exports = _exports(config, settings)
        written = [(target.option, target.path) for target in exports]
        if settings.json is not None:
            written.insert(0, ("--energy-json", settings.json))
            try:
                targets.checked_path(settings.json)
            except ValueError as error:
                raise pytest.UsageError(f"--energy-json (or ini energy_json): {error}") from error
        try:
            targets.check_distinct(
                [(_with_ini_twin(option), path) for option, path in written],
                _files_of_others(config),
            )
        except ValueError as error:
            raise pytest.UsageError(str(error)) from error
        config.stash[EXPORTS] = tuple(exports)
    return config.stash[EXPORTS]


def _exports(config: pytest.Config, settings: Settings) -> list[Target]:
    plain = {"html": settings.html, "markdown": settings.markdown}
    if not settings.exports and not any(plain.values()):
        return []
    from pytest_energy.report.exports import targets

    reporters, found, option = reporters_of(config), [], ""
    try:
        for option, path in plain.items():
            if path is not None:
                reporter = targets.available(reporters[option])
                where = targets.checked_path(path)
                found.append(targets.Target(reporter, where, f"--energy-{option}"))
        option = "export"
        for text in settings.exports:
            found.append(targets.read_target(text, settings.exports_from, reporters))
    except ValueError as error:
        options = f"--energy-{option} (or ini energy_{option})"
        raise pytest.UsageError(f"{options}: {error}") from error
    return found


def _with_ini_twin(option: str) -> str:
    name = option.split()[0].removeprefix("--energy-")
    return f"{option} (or ini energy_{name})"


_OPTIONS_OF_OTHERS = {
    "xmlpath": "--junitxml",
    "htmlpath": "--html",  # pytest-html
    "report_log": "--report-log",  # pytest-reportlog
    "log_file": "--log-file",
}
"""Options by which pytest and other plugins write a file, by the name of their value."""


def _files_of_others(config: pytest.Config) -> Iterator[tuple[str, Path]]:
    for name, option in _OPTIONS_OF_OTHERS.items():
        written = config.getoption(name, default=None)
        if isinstance(written, str) and written:
            # As pytest and pytest-html read theirs.
            yield option, Path(os.path.expandvars(written)).expanduser()


def reporters_of(config: pytest.Config) -> Mapping[str, Reporter]:
    """The formats that there are, by name: built in, and those of other plugins and conftests.

    Raises:
        pytest.UsageError: a plugin's hook has a defect.
    """
    from pytest_energy.report.exports import reporters_by_name
    from pytest_energy.types.reporter import Reporter

    try:
        hook = getattr(config.hook, "pytest_energy_reporters", None)  # absent where none is added
        added = hook(config=config) if hook is not None else []
        by_hook = [[one] if isinstance(one, Reporter) else one for one in added]
        return reporters_by_name(reporter for several in by_hook for reporter in several)
    except Exception as error:  # a third-party hook: its defect is named, not pytest's internals
        raise pytest.UsageError(
            f"pytest_energy_reporters: {type(error).__name__}: {error}"
        ) from error


def machine_lock(config: pytest.Config) -> MachineLock | None:
    """What a metered test has the machine to itself by; None where tests wait for nothing.

    The other processes of a paired run work while their head holds it.
    """
    from pytest_energy.machine.lock import MachineLock
    from pytest_energy.types.counts import Judge

    if LOCK not in config.stash:
        settings = settings_of(config)
        # Counts are the same beside others.
        wanted = (
            settings.lock and settings.judge is not Judge.COUNTED and WORKER not in config.stash
        )
        config.stash[LOCK] = MachineLock() if wanted else None
    return config.stash[LOCK]


def side_by_side(config: pytest.Config) -> int:
    """Test processes that meter at once: workers of pytest-xdist, unless the lock holds them."""
    lock = machine_lock(config)
    return xdist.workers(config) if lock is None or lock.problem else 1


def open_instruments(config: pytest.Config) -> Instruments:
    """Open the meters that the settings name."""
    from pytest_energy.metering.instruments import Instruments
    from pytest_energy.types.counts import Judge

    settings = settings_of(config)
    sources = meter_sources(config, settings)
    try:
        if settings.processes_of:
            _served(settings.processes_of)  # `auto` would pass over an estimate that cannot be had
        instruments = Instruments(
            () if settings.judge is Judge.COUNTED else settings.meters,
            sources,
            reference=settings.reference,
            counts=settings.counts,
            idle_seconds=settings.idle,
            workers=side_by_side(config),
            steady_allocator=settings.steady_allocator,
            pin=settings.pin,
        )
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error
    meters = instruments.meters
    if settings.processes_of and meters.names and "cpu_time" not in meters.names:
        instruments.close()
        raise pytest.UsageError(
            "--energy-processes-of (or ini energy_processes_of) is for the estimate of CPU time,"
            f" and {', '.join(meters.names)} is read instead, which counts a server on this machine"
            " anyway where it counts hardware: leave the option out, or add --energy-meter=cpu_time"
        )
    return instruments


def meter_sources(config: pytest.Config, settings: Settings) -> list[MeterSource]:
    """The meters that there are: built in, and those of other plugins and of conftests."""
    from pytest_energy.meters import builtin_sources
    from pytest_energy.meters.base import MeterSource

    try:
        hook = getattr(config.hook, "pytest_energy_meters", None)  # absent where nothing adds any
        added = hook(config=config) if hook is not None else []
        by_hook = [
            [contribution] if isinstance(contribution, MeterSource) else contribution
            for contribution in added
        ]
        sources = [source for contribution in by_hook for source in contribution]
        strange = [source for source in sources if not isinstance(source, MeterSource)]
        if strange:
            raise TypeError(f"expected a MeterSource, found {strange[0]!r}")
    except Exception as error:  # a third-party hook: its defect is named, not pytest's internals
        raise pytest.UsageError(f"pytest_energy_meters: {type(error).__name__}: {error}") from error
    served = partial(_served, settings.processes_of) if settings.processes_of else None
    builtin = builtin_sources(settings.prometheus, settings.metrics, settings.http, served)
    return [*builtin, *sources]


def _served(server: tuple[str, int]) -> ServedProcesses:
    from pytest_energy.machine.served import ServedProcesses

    try:
        return ServedProcesses(*server)
    except ValueError as error:
        raise ValueError(f"--energy-processes-of (or ini energy_processes_of): {error}") from error
