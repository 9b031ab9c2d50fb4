"""codecarbon's offline tracker as a meter: the instrument of the paper, with its models.

It measures the whole machine in codecarbon's own way: a hardware counter where codecarbon can read
one, else a model of the CPU's load; memory is always a constant power. Each domain says which.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from importlib.metadata import version
from io import StringIO
from math import inf
from threading import Timer
from threading import enumerate as living_threads
from typing import Any

from pytest_energy.meters.base import Meter, MeterLostError, MeterUnavailableError
from pytest_energy.meters.readings import shown
from pytest_energy.types.energy import Domain, Method

STALE_SECONDS = 0.05
"""A flush measures anew when the last measurement is as old as this (codecarbon 3.3,
`_measure_power_and_energy_if_stale`)."""

NEVER_SECONDS = 86_400.0
"""Between two measurements that codecarbon makes by itself: it measures when it is read. Its own
thread may do so in the midst of a reading, and both would add the same energy."""

RAPL_WRAPS_SECONDS = 262.0
"""After which a RAPL counter may have gone round unseen: 262 kJ, a common range, at 1,000 W."""

MICROJOULES_PER_KWH = 3.6e12

PARTS = ("cpu", "gpu", "ram")
"""Of codecarbon's sums."""

CPU_MODES = {
    "windows_emi": (Method.COUNTER, "Windows' energy meter"),
    "intel_power_gadget": (Method.SAMPLED, "Intel Power Gadget"),
    "cpu_load": (Method.ESTIMATED, "load of the whole machine, {watts:g} W at full load"),
    "constant": (Method.CONSTANT, "half of {watts:g} W, always"),
}
"""What codecarbon calls its ways to measure a CPU (`CPU._mode`), and what each of them is."""


class CodeCarbon(Meter):
    """CPU, GPUs and memory of the whole machine, as codecarbon measures them.

    What the user set in `.codecarbon.config` or `CODECARBON_*` about the hardware (a CPU's or the
    memory's watts, which GPUs) holds here too. Files, network and the data centre's PUE are off:
    pytest-energy has its own.

    Raises:
        MeterUnavailableError: no codecarbon, one that does not start, or one that does not tell
            how it measures.
    """

    name = "codecarbon"
    covers = frozenset({"cpu", "gpu", "dram"})

    def __init__(self) -> None:
        self._kwh: Mapping[str, float] | None = None
        self._last: tuple[int, ...] = ()
        self._parts: tuple[str, ...] = ()
        self._tracker: Any = None
        # Some of its instruments write down what they sample.
        self._folder = tempfile.TemporaryDirectory(prefix="pytest-energy-")
        self._log_level = logging.getLogger("codecarbon").level
        try:
            with _quietly():
                self._tracker = self._start()
                # The first time loads tables; the next ones take a millisecond.
                self._tracker.flush()
            if self._kwh is None:
                raise MeterUnavailableError("codecarbon's tracker did not start")
            domains = _domains(self._tracker)
        except BaseException:
            self.close()
            raise
        self._parts = tuple(domains)
        self.domains = tuple(domains.values())
        if any(domain.basis.startswith("RAPL") for domain in self.domains):
            self.max_read_interval_seconds = RAPL_WRAPS_SECONDS

    def _start(self) -> Any:
        try:
            from codecarbon import OfflineEmissionsTracker
            from codecarbon.output_methods.base_output import BaseOutput
        except ImportError as error:
            raise MeterUnavailableError(
                f"codecarbon cannot be imported: {error}", "pip install 'pytest-energy[codecarbon]'"
            ) from error

        meter = self

        class Output(BaseOutput):
            """Where the tracker puts its sums at each flush."""

            def out(self, total: Any, delta: Any) -> None:
                meter._kwh = {
                    "cpu": total.cpu_energy,
                    "gpu": total.gpu_energy,
                    "ram": total.ram_energy,
                }

        tracker = OfflineEmissionsTracker(
            tracking_mode="machine",
            measure_power_secs=NEVER_SECONDS,
            output_handlers=[Output()],
            # Any country will do: a fixed intensity is never looked up, and grams are not read.
            country_iso_code="USA",
            country_2letter_iso_code=None,
            region=None,
            cloud_provider=None,
            cloud_region=None,
            force_carbon_intensity_g_co2e_kwh=0.0,
            # Everything else is given lest a configuration file switch it on.
            output_methods=[],
            output_dir=self._folder.name,
            emissions_endpoint=None,
            electricitymaps_api_token="",
            api_call_interval=-1,
            allow_multiple_runs=True,
            log_level="critical",
            logger_preamble="",
            pue=1.0,
            wue=0.0,
        )
        tracker.start()
        return tracker

    def read(self) -> tuple[int, ...]:
        """Microjoules since the meter was opened, part by part; as new as `STALE_SECONDS`."""
        self._kwh = None
        self._tracker.flush()
        sums: Mapping[str, float] | None = self._kwh
        if sums is None:  # codecarbon keeps its exceptions to itself
            raise MeterLostError("the tracker did not answer")
        for part in self._parts:
            if not 0 <= sums[part] < inf:  # not a number is neither
                raise MeterLostError(f"{part} is {shown(sums[part])} kWh, no energy")
        counts = tuple(round(sums[part] * MICROJOULES_PER_KWH) for part in self._parts)
        for domain, last, now in zip(self.domains, self._last, counts, strict=False):
            if now < last:
                raise MeterLostError(f"{domain.name}: went back from {last} to {now} microjoules")
        self._last = counts
        return counts

    def close(self) -> None:
        """Stop the tracker and its threads, and remove what it wrote."""
        if self._tracker is not None:
            with _quietly(), suppress(Exception):
                self._tracker.stop()
            _end_threads(self._tracker)
            self._tracker = None
        logging.getLogger("codecarbon").setLevel(self._log_level)
        self._folder.cleanup()


@contextmanager
def _quietly() -> Iterator[None]:
    """Without codecarbon's log, and without what its import of other libraries prints."""
    # The tracker sets the log's level, but says things before that.

    def nothing(record: logging.LogRecord) -> bool:
        return False

    logger = logging.getLogger("codecarbon")
    logger.addFilter(nothing)
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        logger.removeFilter(nothing)


def _end_threads(tracker: Any) -> None:
    """Wait until the tracker's timers are gone: one that was just ringing sets the next one."""
    for _ in range(3):
        timers = [
            thread
            for thread in living_threads()
            if isinstance(thread, Timer) and _rings_for(thread, tracker)
        ]
        for timer in timers:
            timer.cancel()
            timer.join(timeout=1.0)
        if not timers:
            return


def _rings_for(timer: Timer, tracker: Any) -> bool:
    scheduler = getattr(timer.function, "__self__", None)
    function = getattr(scheduler, "function", None)
    return getattr(function, "__self__", None) is tracker


# What codecarbon chose


def _domains(tracker: Any) -> dict[str, Domain]:
    """Each of codecarbon's sums, and how it comes about. No public call reports the latter."""
    domains: dict[str, Domain] = {}
    try:
        for item in tracker._hardware:
            part, method, basis = _part(item)
            name = "dram" if part == "ram" else part
            domains[part] = Domain(name, name, method, "codecarbon", STALE_SECONDS, basis)
    except (AttributeError, KeyError, TypeError) as error:
        raise _untold() from error
    if not domains:
        raise _untold()
    return {part: domains[part] for part in PARTS if part in domains}


def _untold() -> MeterUnavailableError:
    return MeterUnavailableError(
        f"codecarbon {version('codecarbon')} does not tell how it measures",
        "use the version that pytest-energy was tested with: pip install 'codecarbon==3.3.*'",
    )


def _part(item: Any) -> tuple[str, Method, str]:
    kind = type(item).__name__
    if kind == "RAM":
        return "ram", Method.CONSTANT, f"{item.total_power().W:g} W, always"
    if kind == "GPU":
        return _gpus(item)
    if kind == "CPU":
        if item._mode == "intel_rapl":
            return "cpu", Method.COUNTER, _rapl(item._intel_interface)
        method, basis = CPU_MODES[item._mode]
        return "cpu", method, basis.format(watts=item._tdp)
    # What is left reports power when asked: an Apple chip and a Raspberry Pi.
    source = {"AppleSiliconChip": "powermetrics", "Raspberry": "the board's power chip"}[kind]
    return item.chip_part.lower(), Method.SAMPLED, source


def _rapl(interface: Any) -> str:
    if interface.rapl_prefer_psys:
        return "RAPL, psys where there is one"
    return "RAPL, packages and memory" if interface.rapl_include_dram else "RAPL, packages"


def _gpus(item: Any) -> tuple[str, Method, str]:
    chosen = set(item.gpu_ids)
    boards = [device for device in item.devices.devices if device.gpu_index in chosen]
    many = f"{len(boards)} board{'s' if len(boards) != 1 else ''}"
    if all(device._has_counter for device in boards):
        return "gpu", Method.COUNTER, f"energy counters of {many}"
    return "gpu", Method.SAMPLED, f"power of {many}, a sample a second"
