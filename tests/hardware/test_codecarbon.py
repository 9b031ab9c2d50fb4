"""codecarbon's offline tracker as a meter: the real one, on whatever machine this is.

What it makes of a machine hangs on the machine, so methods are checked against what codecarbon says
that it does, and amounts only where they are a constant power.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import textwrap
import threading
import time
from types import SimpleNamespace

import pytest

from pytest_energy.meters import builtin_sources, codecarbon, open_meters
from pytest_energy.meters.base import Meter, MeterLostError, MeterUnavailableError
from pytest_energy.meters.codecarbon import CodeCarbon
from pytest_energy.meters.meter_set import MeterSet
from pytest_energy.types.energy import Domain, Method


@pytest.fixture
def settings(monkeypatch, tmp_path):
    """No settings of this machine's user, and a folder of one's own."""
    for name in list(os.environ):
        if name.lower().startswith("codecarbon_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return monkeypatch


@pytest.fixture
def meter(settings):
    found = CodeCarbon()
    yield found
    found.close()


def by_name(meter: Meter) -> dict[str, Domain]:
    return {domain.name: domain for domain in meter.domains}


def test_memory_is_a_constant_power_and_says_which(meter):
    memory = by_name(meter)["dram"]
    assert (memory.kind, memory.method) == ("dram", Method.CONSTANT)
    assert memory.basis.endswith(" W, always")


def test_every_domain_says_how_codecarbon_comes_by_it(meter):
    assert {"cpu", "dram"} <= set(by_name(meter)) <= {"cpu", "gpu", "dram"}
    assert all(domain.basis for domain in meter.domains)
    assert {domain.source for domain in meter.domains} == {"codecarbon"}


def test_a_constant_power_flows_as_long_as_time_passes(settings):
    settings.setenv("CODECARBON_FORCE_RAM_POWER", "40")
    settings.setenv("CODECARBON_PUE", "2.5")  # pytest-energy has its own
    meter = CodeCarbon()
    try:
        position = [domain.name for domain in meter.domains].index("dram")
        assert meter.domains[position].basis == "40 W, always"
        time.sleep(codecarbon.STALE_SECONDS)
        outside = time.perf_counter()
        before = meter.read()
        inside = time.perf_counter()
        time.sleep(0.4)
        shortest = time.perf_counter() - inside
        after = meter.read()
        longest = time.perf_counter() - outside
    finally:
        meter.close()
    joules = (after[position] - before[position]) / 1e6
    assert 40 * shortest <= joules <= 40 * (longest + 0.01)


def test_a_user_who_knows_the_cpus_watts_is_heard(settings):
    settings.setenv("CODECARBON_FORCE_CPU_POWER", "123")
    meter = CodeCarbon()
    meter.close()
    cpu = by_name(meter)["cpu"]
    assert cpu.method is Method.ESTIMATED
    assert cpu.basis == "load of the whole machine, 123 W at full load"


def test_counts_never_go_back_and_are_as_new_as_it_says(meter):
    first = meter.read()
    time.sleep(2 * codecarbon.STALE_SECONDS)
    second = meter.read()
    assert all(b >= a for a, b in zip(first, second, strict=True))
    assert second != first
    assert {domain.resolution_seconds for domain in meter.domains} == {codecarbon.STALE_SECONDS}


def test_a_tracker_that_does_not_answer_is_a_lost_meter(meter):
    meter._tracker.stop()  # as when its instrument fails: it keeps its exceptions to itself
    with pytest.raises(MeterLostError, match="did not answer"):
        meter.read()


@pytest.mark.parametrize("kwh", [float("nan"), float("inf"), -1.0])
def test_a_sum_that_is_no_energy_is_a_lost_meter(meter, monkeypatch, kwh):
    def flush():
        meter._kwh = {"cpu": kwh, "gpu": 0.0, "ram": 0.0}

    monkeypatch.setattr(meter._tracker, "flush", flush)
    with pytest.raises(MeterLostError, match=r"cpu is (nan|inf|-1\.0) kWh, no energy"):
        meter.read()


def test_a_count_that_goes_back_is_a_lost_meter(meter):
    meter.read()
    meter._last = tuple(count + 10**12 for count in meter._last)
    with pytest.raises(MeterLostError, match="cpu: went back"):
        meter.read()


def test_closing_leaves_no_threads_no_files_and_the_log_as_it_was(settings, tmp_path):
    level = logging.getLogger("codecarbon").level
    threads = set(threading.enumerate())
    meter = CodeCarbon()
    folder = meter._folder.name
    meter.read()
    assert os.path.isdir(folder)  # noqa: PTH112
    meter.close()
    meter.close()
    assert set(threading.enumerate()) <= threads
    assert not os.path.exists(folder)  # noqa: PTH110
    assert list(tmp_path.iterdir()) == []
    assert logging.getLogger("codecarbon").level == level


def test_a_timer_that_was_ringing_while_it_closed_is_ended_too(settings):
    meter = CodeCarbon()
    scheduler = meter._tracker._scheduler_monitor_power
    threads = set(threading.enumerate())
    meter._tracker.stop()
    scheduler.start(from_run=True)  # what the timer's own thread does when it rings
    assert set(threading.enumerate()) - threads
    meter.close()
    assert not [t for t in threading.enumerate() if isinstance(t, threading.Timer)]


ALONE = """
import socket, sys

def refuse(*arguments, **more):
    print("network", arguments)
    raise OSError("no network here")

socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
from pytest_energy.meters.codecarbon import CodeCarbon
one, other = CodeCarbon(), CodeCarbon()
for meter in (one, other):
    meter.read()
    meter.close()
"""


def test_it_prints_nothing_writes_nothing_and_asks_nobody_whatever_is_configured(
    settings, tmp_path
):
    (tmp_path / ".codecarbon.config").write_text(
        "[codecarbon]\n"
        "save_to_api = true\n"
        "save_to_file = true\n"
        "emissions_endpoint = http://127.0.0.1:9/\n"
        "electricitymaps_api_token = secret\n"
        "co2_signal_api_token = secret\n"
        "output_dir = /nowhere/at/all\n"
        "allow_multiple_runs = false\n"
        "log_level = debug\n"
        "pue = 2.5\n"
    )
    settings.setenv("TMPDIR", str(tmp_path))  # where its lock would be
    done = subprocess.run(
        [sys.executable, "-c", ALONE], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [path.name for path in tmp_path.iterdir()] == [".codecarbon.config"]


def test_the_plugin_does_not_load_codecarbon_unless_it_is_asked_for():
    code = """
    import sys
    from pytest_energy.meters import builtin_sources, open_meters
    import pytest_energy.meters.codecarbon
    open_meters(["auto"], builtin_sources()).close()
    print([name for name in ("codecarbon", "pandas", "requests") if name in sys.modules])
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("other", "kind"), [("rapl", "cpu"), ("nvml", "gpu"), ("amd", "gpu"), ("cpu_time", "cpu")]
)
def test_it_counts_the_whole_machine_and_is_refused_beside_another_meter(meter, other, kind):
    class Fixed(Meter):
        name = other
        domains = (Domain(f"{other}:0", kind, Method.COUNTER, other, 0.0),)

        def read(self) -> tuple[int, ...]:
            return (0,)

    with pytest.raises(ValueError, match=f"both count '{kind}', which would count it twice"):
        MeterSet([meter, Fixed()])


def test_auto_never_takes_it():
    assert not next(s for s in builtin_sources() if s.name == "codecarbon").automatic
    chosen = open_meters(["auto"], builtin_sources())
    assert "codecarbon" not in chosen.names
    chosen.close()


# What codecarbon chose, on machines that this one is not


class CPU:
    def __init__(self, mode, **more):
        self._mode = mode
        self._tdp = 120
        vars(self).update(more)


class RAM:
    def total_power(self):
        return SimpleNamespace(W=40.0)


class GPU:
    def __init__(self, *counters):
        self.gpu_ids = list(range(len(counters)))
        boards = [SimpleNamespace(gpu_index=i, _has_counter=c) for i, c in enumerate(counters)]
        unused = SimpleNamespace(gpu_index=99, _has_counter=False)
        self.devices = SimpleNamespace(devices=[*boards, unused])


class AppleSiliconChip:
    def __init__(self, part):
        self.chip_part = part


def rapl(dram=False, psys=False):
    return SimpleNamespace(rapl_include_dram=dram, rapl_prefer_psys=psys)


@pytest.mark.parametrize(
    ("item", "name", "method", "basis"),
    [
        (CPU("intel_rapl", _intel_interface=rapl()), "cpu", "counter", "RAPL, packages"),
        (
            CPU("intel_rapl", _intel_interface=rapl(dram=True)),
            "cpu",
            "counter",
            "RAPL, packages and memory",
        ),
        (
            CPU("intel_rapl", _intel_interface=rapl(psys=True)),
            "cpu",
            "counter",
            "RAPL, psys where there is one",
        ),
        (CPU("windows_emi"), "cpu", "counter", "Windows' energy meter"),
        (CPU("intel_power_gadget"), "cpu", "sampled", "Intel Power Gadget"),
        (CPU("cpu_load"), "cpu", "estimated", "load of the whole machine, 120 W at full load"),
        (CPU("constant"), "cpu", "constant", "half of 120 W, always"),
        (GPU(True, True), "gpu", "counter", "energy counters of 2 boards"),
        (GPU(True, False), "gpu", "sampled", "power of 2 boards, a sample a second"),
        (AppleSiliconChip("GPU"), "gpu", "sampled", "powermetrics"),
        (RAM(), "dram", "constant", "40 W, always"),
    ],
)
def test_the_method_is_what_codecarbon_really_does(item, name, method, basis):
    (domain,) = codecarbon._domains(SimpleNamespace(_hardware=[item])).values()
    assert (domain.name, str(domain.method), domain.basis) == (name, method, basis)


@pytest.mark.parametrize(
    "tracker",
    [
        SimpleNamespace(),
        SimpleNamespace(_hardware=[]),
        SimpleNamespace(_hardware=[CPU("by_magic")]),
        SimpleNamespace(_hardware=["something else"]),
    ],
)
def test_a_version_that_does_not_tell_how_it_measures_is_refused(tracker):
    with pytest.raises(MeterUnavailableError, match="does not tell how it measures") as error:
        codecarbon._domains(tracker)
    assert "pip install" in error.value.hint


# A whole session

BURN = """
import time
import pytest

@pytest.mark.inference(n=10, task="burning", model="cpu")
def test_burn(energy):
    for _ in energy.each(range(10)):
        end = time.process_time() + 0.05
        while time.process_time() < end:
            pass
"""


def test_a_session_metered_by_codecarbon_says_so_in_its_report(project, settings):
    # What codecarbon can read hangs on the machine: the CPU's watts make it take its load model.
    settings.setenv("CODECARBON_FORCE_CPU_POWER", "100")
    settings.chdir(project.path)
    project.own_process = True
    project.write(test_burn=BURN)
    report = project.report("--energy-meter=codecarbon")
    (result,) = report["results"]
    measurement = result["measurement"]
    assert measurement["meters"] == ["codecarbon"]
    domains = {domain["name"]: domain for domain in measurement["domains"]}
    assert domains["cpu"]["method"] == "estimated"
    assert domains["cpu"]["basis"] == "load of the whole machine, 100 W at full load"
    assert domains["dram"]["method"] == "constant"
    assert not list(project.path.glob("**/*emissions*"))
