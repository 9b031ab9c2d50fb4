"""The meters: CPU time of real processes, a powercap tree, and NVIDIA's library compiled here."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
import time
from itertools import pairwise
from pathlib import Path

import pytest

from pytest_energy.machine import Cpu
from pytest_energy.measurement import Domain, Method
from pytest_energy.meters import builtin_sources, cpu_time, open_meters
from pytest_energy.meters.base import (
    Meter,
    MeterLostError,
    MeterSet,
    MeterSource,
    MeterUnavailableError,
)
from pytest_energy.meters.rapl import Rapl

# CPU time


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


BURN = "import time\nwhile time.process_time() < {}: pass\n"


@pytest.fixture
def meter():
    return cpu_time.CpuTime(Cpu("AMD EPYC", 2, 1, virtual=True))


def seconds_of(meter, before):
    return (meter.read()[0] - before[0]) / 1e6 / meter.watts


def test_own_cpu_seconds_are_counted_and_sleep_is_not(meter):
    before = meter.read()
    burn(0.2)
    time.sleep(0.3)
    assert 0.2 <= seconds_of(meter, before) < 0.3


def test_an_ended_child_is_counted(meter):
    before = meter.read()
    subprocess.run([sys.executable, "-c", BURN.format(0.4)], check=True)
    assert seconds_of(meter, before) >= 0.4


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX processes")
def test_living_children_and_grandchildren_are_counted_and_the_count_goes_on_when_they_end(meter):
    before = meter.read()
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys\n"
            f"inner = {BURN.format(0.3)!r} + 'print(flush=True)\\nimport sys\\nsys.stdin.read()'\n"
            "p = subprocess.Popen([sys.executable, '-c', inner], stdin=sys.stdin)\n"
            f"{BURN.format(0.3)}p.wait()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    child.stdout.readline()  # the grandchild has burnt its share and lives on
    living = seconds_of(meter, before)
    assert living >= 0.3
    child.communicate()
    ended = seconds_of(meter, before)
    assert ended >= 0.6
    assert ended >= living


def test_the_count_never_goes_back_even_when_a_child_takes_its_seconds_along(meter, monkeypatch):
    figures = iter([100, 200, 150, 160])
    monkeypatch.setattr(cpu_time, "children_cpu_ns", lambda: next(figures) * 10**9)
    monkeypatch.setattr(cpu_time.time, "process_time_ns", lambda: 0)
    counts = [meter.read()[0] for _ in range(4)]
    assert [(b - a) / 1e6 / meter.watts for a, b in pairwise(counts)] == [
        100,
        0,
        10,
    ]


def test_looking_for_children_is_charged_to_nobody(meter, monkeypatch):
    clock = iter([100, 107, 110, 117, 150, 157])  # 7 s of looking in each
    monkeypatch.setattr(cpu_time, "children_cpu_ns", lambda: 0)
    monkeypatch.setattr(cpu_time.time, "process_time_ns", lambda: next(clock) * 10**9)
    counts = [meter.read()[0] for _ in range(3)]
    assert [(b - a) / 1e6 / meter.watts for a, b in pairwise(counts)] == [3, 33]


def test_another_revisions_process_is_no_part_of_what_is_measured(meter):
    before = meter.read()
    child = subprocess.Popen(
        [sys.executable, "-c", BURN.format(0.3) + "input()"], stdin=subprocess.PIPE
    )
    cpu_time.set_apart(child.pid, True)
    try:
        while cpu_time.apart_cpu_ns() < 0.3e9:
            time.sleep(0.01)
        assert seconds_of(meter, before) < 0.2
        cpu_time.set_apart(child.pid, False)
        assert seconds_of(meter, before) >= 0.3
    finally:
        cpu_time.set_apart(child.pid, False)
        child.communicate(b"")


def test_psutil_counts_the_same_where_there_is_no_proc():
    child = subprocess.Popen(
        [sys.executable, "-c", BURN.format(0.3) + "print(flush=True)\ninput()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    child.stdout.readline()
    portable = cpu_time._living_children_ns_psutil()
    linux = cpu_time._living_children_ns()
    child.communicate(b"\n")
    assert portable >= 0.29e9
    assert linux == pytest.approx(portable, rel=0.2)


def test_watts_come_from_the_table_over_the_logical_cpus():
    watts, why = cpu_time.watts_per_cpu(
        Cpu("AMD EPYC 7763 64-Core Processor", 256, 2, virtual=False)
    )
    assert watts == pytest.approx(2 * 280 / 256)
    assert why == "2 x 280 W TDP over 256 logical CPUs, codecarbon's table"


@pytest.mark.parametrize(
    ("cpu", "why"),
    [
        (Cpu("AMD EPYC 7763 64-Core Processor", 2, 1, virtual=True), "virtual machine hides"),
        (Cpu("Wonder 9000", 8, 1, virtual=False), "not in its table"),
    ],
)
def test_where_the_table_does_not_help_a_labelled_default_stands_in(cpu, why):
    watts, label = cpu_time.watts_per_cpu(cpu)
    assert watts == cpu_time.DEFAULT_WATTS_PER_CPU
    assert why in label
    assert "default" in label


def test_an_estimate_says_that_it_is_one_and_what_it_rests_on(meter):
    (domain,) = meter.domains
    assert domain.method is Method.ESTIMATED
    assert domain.basis.startswith("4 W per logical CPU (codecarbon's default")


# RAPL, over a tree like the kernel's


class Powercap:
    """A powercap tree in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def zone(
        self, folder: str, name: str, microjoules: int = 0, wraps_at: int = 262_143_328_850
    ) -> Path:
        path = self.root / folder
        path.mkdir(parents=True)
        (path / "name").write_text(f"{name}\n")
        (path / "max_energy_range_uj").write_text(f"{wraps_at}\n")
        (path / "energy_uj").write_text(f"{microjoules}\n")
        return path

    def set(self, folder: str, microjoules: object) -> None:
        # In place: the meter holds the file open, as it would the kernel's.
        with (self.root / folder / "energy_uj").open("r+") as file:
            file.write(f"{microjoules}\n")
            file.truncate()


@pytest.fixture
def powercap(tmp_path):
    return Powercap(tmp_path / "powercap")


def difference(meter, change):
    before = meter.read()
    change()
    return [b - a for a, b in zip(before, meter.read(), strict=True)]


def test_a_package_and_its_memory_are_counted_and_what_is_inside_the_package_is_not(powercap):
    for folder, name in (
        ("intel-rapl:0", "package-0"),
        ("intel-rapl:0:0", "core"),
        ("intel-rapl:0:1", "uncore"),
        ("intel-rapl:0:2", "dram"),
        ("intel-rapl:1", "psys"),
        ("intel-rapl-mmio:0", "package-0"),
    ):
        powercap.zone(folder, name, 1000)
    meter = Rapl(powercap.root)
    assert [d.name for d in meter.domains] == ["cpu", "dram"]
    assert {d.method for d in meter.domains} == {Method.COUNTER}

    def spend():
        for folder in ("intel-rapl:0", "intel-rapl:0:0", "intel-rapl:1", "intel-rapl-mmio:0"):
            powercap.set(folder, 5000)
        powercap.set("intel-rapl:0:2", 1500)

    assert difference(meter, spend) == [4000, 500]


def test_two_sockets_wrap_apart(powercap):
    powercap.zone("intel-rapl:0", "package-0", 990, wraps_at=1000)
    powercap.zone("intel-rapl:1", "package-1", 100, wraps_at=1000)
    meter = Rapl(powercap.root)
    assert [d.name for d in meter.domains] == ["cpu:0", "cpu:1"]

    def spend():
        powercap.set("intel-rapl:0", 40)
        powercap.set("intel-rapl:1", 200)

    assert difference(meter, spend) == [50, 100]


def test_a_machine_without_zones_says_where_it_looked(tmp_path):
    with pytest.raises(MeterUnavailableError, match=r"no package zones under .*nowhere"):
        Rapl(tmp_path / "nowhere")


def test_no_permission_comes_with_the_remedy(powercap, monkeypatch):
    powercap.zone("intel-rapl:0", "package-0")
    # Files are open to root whatever their mode; so the kernel's answer is given here.
    from pytest_energy.meters import rapl

    def refuse(path, flags):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(rapl.os, "open", refuse)
    with pytest.raises(MeterUnavailableError, match="no permission to read") as error:
        Rapl(powercap.root)
    assert "chgrp" in error.value.remedy


@pytest.mark.parametrize("garbage", ["oops", "", "-5", "999999999999999"])
def test_a_zone_that_turns_to_garbage_is_a_lost_meter(powercap, garbage):
    powercap.zone("intel-rapl:0", "package-0", 10)
    meter = Rapl(powercap.root)
    powercap.set("intel-rapl:0", garbage)
    with pytest.raises(MeterLostError, match="intel-rapl:0"):
        meter.read()


def test_a_counter_that_may_have_wrapped_unseen_is_said(powercap, monkeypatch):
    from pytest_energy import window as windows
    from pytest_energy.meters import base

    powercap.zone("intel-rapl:0", "package-0", 0, wraps_at=262_000_000_000)
    meters = MeterSet([Rapl(powercap.root)])
    assert meters.longest_seconds == pytest.approx(262)  # at 1,000 W
    monkeypatch.setattr(base, "perf_counter", iter([0.0, 1800.0]).__next__)
    window = windows.Window(meters)
    window.open()
    window.close(1)
    assert window.measurement() is None
    assert "1800 s passed between two readings, and after 262 s" in window.lost


def test_dies_of_one_package_are_counted_each(powercap):
    powercap.zone("intel-rapl:0", "package-0-die-0")
    powercap.zone("intel-rapl:1", "package-0-die-1")
    assert len(Rapl(powercap.root).domains) == 2


def test_closing_gives_the_descriptors_back(powercap):
    powercap.zone("intel-rapl:0", "package-0")
    before = set(Path("/proc/self/fd").iterdir()) if Path("/proc/self/fd").exists() else None
    meter = Rapl(powercap.root)
    meter.close()
    if before is not None:
        assert {p for p in before if p.exists()} >= {
            p for p in Path("/proc/self/fd").iterdir() if p.exists() and p in before
        }
    assert meter._zones == []


# NVML, over a library of our own under the real nvidia-ml-py

NVML = r"""
#include <stdlib.h>
#include <string.h>
typedef struct { unsigned index; } device;
static device boards[8] = {{0},{1},{2},{3},{4},{5},{6},{7}};
static unsigned long long reads;
static int setting(const char *name, int otherwise) {
    const char *text = getenv(name);
    return text ? atoi(text) : otherwise;
}
int nvmlInitWithFlags(unsigned flags) { return 0; }
int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int code) { return code == 15 ? "GPU is lost" : "Not Supported"; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = setting("FAKE_BOARDS", 1); return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, device **handle) {
    *handle = &boards[index];
    return 0;
}
int nvmlDeviceGetName(device *d, char *name, unsigned size) {
    int other = setting("FAKE_MIXED", 0) && d->index;
    strncpy(name, other ? "NVIDIA T4" : "NVIDIA H100 80GB HBM3", size);
    return 0;
}
int nvmlDeviceGetUUID(device *d, char *uuid, unsigned size) {
    strncpy(uuid, d->index ? "GPU-bbbb" : "GPU-aaaa", size);
    return 0;
}
int nvmlDeviceGetEnforcedPowerLimit(device *d, unsigned *milliwatts) {
    *milliwatts = 700000;
    return 0;
}
int nvmlDeviceGetTotalEnergyConsumption(device *d, unsigned long long *millijoules) {
    int without = setting("FAKE_NO_COUNTER_ON", -1);
    if (setting("FAKE_NO_COUNTER", 0) && (without < 0 || without == (int)d->index)) return 3;
    if (++reads > (unsigned long long)setting("FAKE_LOST_AFTER", 1000000)) return 15;
    *millijoules = 1000000ULL * (d->index + 1) + 500ULL * reads;
    return 0;
}
"""


@pytest.fixture(scope="session")
def nvml_library(tmp_path_factory):
    """A folder with a `libnvidia-ml.so.1`: each read of a counter finds 0.5 J more."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a C compiler (Debian: gcc)")
    folder = tmp_path_factory.mktemp("nvml")
    (folder / "nvml.c").write_text(NVML)
    library = folder / "libnvidia-ml.so.1"
    command = [compiler, "-shared", "-fPIC", "-o", str(library), str(folder / "nvml.c")]
    subprocess.run(command, check=True)
    return folder


@pytest.fixture
def with_nvml(nvml_library, monkeypatch):
    """Run Python where NVIDIA's library is the one compiled here."""
    monkeypatch.setenv("LD_LIBRARY_PATH", str(nvml_library))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def run(code: str) -> str:
        command = [sys.executable, "-c", textwrap.dedent(code)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


READ_TWICE = """
from pytest_energy.meters.nvml import Nvml, boards
meter = Nvml()
a, b = meter.read(), meter.read()
print([d.name for d in meter.domains], [y - x for x, y in zip(a, b)])
meter.close()
"""


def test_nvml_counts_every_board_in_microjoules(with_nvml, monkeypatch):
    assert with_nvml(READ_TWICE) == "['gpu:0'] [500000]"
    monkeypatch.setenv("FAKE_BOARDS", "2")
    assert with_nvml(READ_TWICE) == "['gpu:0', 'gpu:1'] [1000000, 1000000]"


@pytest.mark.parametrize(
    ("visible", "names"),
    [
        ("1", "['gpu:0'] [500000] 2"),
        ("GPU-bbbb", "['gpu:0'] [500000] 2"),
        ("0,1", "['gpu:0', 'gpu:1'] [1000000, 1000000] 1"),
        ("0,0", "['gpu:0'] [500000] 1"),
        ("0,-1,1", "['gpu:0'] [500000] 1"),
    ],
)
def test_only_the_boards_that_the_process_may_use_are_counted(
    with_nvml, monkeypatch, visible, names
):
    monkeypatch.setenv("FAKE_BOARDS", "2")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    # Numbered among the visible; the first counter's megajoules tell which board it is.
    assert with_nvml(READ_TWICE + "print(a[0] // 10**9)").replace("\n", " ") == names


def test_boards_bring_their_model_and_power_limit_to_the_machine_class(with_nvml):
    code = "from pytest_energy.meters.nvml import boards; print(boards())"
    assert with_nvml(code) == "(Gpu(model='NVIDIA H100 80GB HBM3', power_limit_watts=700),)"


OPEN = """
from pytest_energy.meters.base import MeterUnavailableError
from pytest_energy.meters.nvml import Nvml
try:
    Nvml()
except MeterUnavailableError as error:
    print(error)
"""


def test_boards_without_a_counter_are_no_meter(with_nvml, monkeypatch):
    monkeypatch.setenv("FAKE_NO_COUNTER", "1")
    assert with_nvml(OPEN) == "no visible NVIDIA board has an energy counter"


def test_a_board_without_a_counter_does_not_hide_the_one_beside_it(with_nvml, monkeypatch):
    monkeypatch.setenv("FAKE_BOARDS", "2")
    monkeypatch.setenv("FAKE_NO_COUNTER", "1")
    monkeypatch.setenv("FAKE_NO_COUNTER_ON", "0")
    assert with_nvml(READ_TWICE).startswith("['gpu:1']")


def test_numbers_of_different_boards_are_only_trusted_in_bus_order(with_nvml, monkeypatch):
    monkeypatch.setenv("FAKE_BOARDS", "2")
    monkeypatch.setenv("FAKE_MIXED", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert "CUDA numbers different boards by speed" in with_nvml(OPEN)
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    assert with_nvml(READ_TWICE).startswith("['gpu:0']")


def test_a_slice_of_a_board_has_no_counter(with_nvml, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-1234")
    assert with_nvml(OPEN) == "a MIG slice has no energy counter of its own"


def test_a_process_that_may_use_no_board_has_no_meter(with_nvml, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert with_nvml(OPEN) == "no NVIDIA board is visible to this process"


def test_a_board_that_falls_off_the_bus_is_a_lost_meter(with_nvml, monkeypatch):
    monkeypatch.setenv("FAKE_LOST_AFTER", "1")
    code = """
    from pytest_energy.meters.base import MeterLostError
    from pytest_energy.meters.nvml import Nvml
    meter = Nvml()
    try:
        meter.read()
    except MeterLostError as error:
        print(error)
    """
    assert with_nvml(code) == "GPU is lost"


def test_without_a_driver_there_are_no_boards():
    from pytest_energy.meters.nvml import Nvml, boards

    if boards():
        pytest.skip("this machine has an NVIDIA driver")
    with pytest.raises(MeterUnavailableError, match="no NVIDIA driver"):
        Nvml()


# Choosing


class Fixed(Meter):
    """A meter that always reads the same."""

    def __init__(self, name, *domains):
        self.name = name
        self.domains = domains

    def read(self):
        return (0,) * len(self.domains)


def source(name, method, kind="cpu", automatic=True, error=None):
    def open_it():
        if error:
            raise error
        return Fixed(name, Domain(kind, kind, method, name, 0.0))

    return MeterSource(name, open_it, automatic, kind)


COUNTER = source("rapl", Method.COUNTER)
ESTIMATE = source("cpu_time", Method.ESTIMATED)


def test_auto_takes_the_counter_and_no_estimate_of_the_same_thing():
    assert open_meters(["auto"], [COUNTER, ESTIMATE]).names == ("rapl",)


def test_auto_estimates_what_has_no_counter_and_says_why():
    closed = MeterUnavailableError("no permission to read /sys/x", "chgrp it")
    meters = open_meters(["auto"], [source("rapl", None, error=closed), ESTIMATE])
    assert meters.names == ("cpu_time",)
    assert meters.note == "estimated, because rapl: no permission to read /sys/x (chgrp it)"


def test_a_gpu_counter_stands_beside_an_estimate_of_the_cpu():
    gpu = source("nvml", Method.COUNTER, kind="gpu")
    assert open_meters(["auto"], [gpu, ESTIMATE]).names == ("nvml", "cpu_time")


def test_auto_sees_everybodys_counters_before_it_estimates():
    theirs = source("esmi", Method.COUNTER)
    assert open_meters(["auto"], [ESTIMATE, theirs]).names == ("esmi",)
    wall = source("wall", Method.COUNTER, kind="system", automatic=False)
    assert open_meters(["auto", "wall"], [COUNTER, ESTIMATE, wall]).names == ("rapl", "wall")


def test_a_meter_whose_library_is_missing_is_unavailable():
    theirs = source("esmi", None, error=ImportError("No module named 'esmi'"))
    with pytest.raises(ValueError, match="'esmi' is unavailable: ImportError: No module named"):
        open_meters(["esmi"], [theirs])
    assert open_meters(["auto"], [theirs, ESTIMATE]).names == ("cpu_time",)


def test_auto_leaves_meters_that_must_be_asked_for():
    wall = source("wall", Method.COUNTER, kind="system", automatic=False)
    assert open_meters(["auto"], [ESTIMATE, wall]).names == ("cpu_time",)
    assert open_meters(["wall"], [ESTIMATE, wall]).names == ("wall",)


def test_an_unknown_meter_is_refused_with_those_that_there_are():
    with pytest.raises(
        ValueError, match="no meter named 'watt'; there are: auto, rapl, nvml, cpu_time"
    ):
        open_meters(["watt"], builtin_sources())


def test_a_meter_asked_for_by_name_is_never_replaced():
    closed = source("rapl", None, error=MeterUnavailableError("no zones", "run on metal"))
    with pytest.raises(ValueError, match="'rapl' is unavailable: no zones; run on metal"):
        open_meters(["rapl"], [closed, ESTIMATE])


def test_two_meters_of_one_domain_would_count_twice_and_are_refused():
    with pytest.raises(ValueError, match=r"'rapl' and 'cpu_time' both count 'cpu'"):
        open_meters(["rapl", "cpu_time"], [COUNTER, ESTIMATE])


def test_a_defect_in_somebody_elses_meter_is_a_lost_meter_that_names_it():
    class Broken(Fixed):
        def read(self):
            return 1 / 0

    class Float(Fixed):
        def read(self):
            return (float("nan"),)

    class Short(Fixed):
        def read(self):
            return ()

    domain = Domain("x", "x", Method.COUNTER, "x", 0.0)
    with pytest.raises(MeterLostError, match="theirs: ZeroDivisionError"):
        MeterSet([Broken("theirs", domain)]).read()
    with pytest.raises(MeterLostError, match="theirs: TypeError: 'float'"):
        MeterSet([Float("theirs", domain)]).read()
    with pytest.raises(MeterLostError, match="0 counts for 1 domains"):
        MeterSet([Short("theirs", domain)]).read()
