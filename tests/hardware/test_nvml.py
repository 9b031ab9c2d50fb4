"""NVIDIA boards: a driver's library that is compiled here, under the real nvidia-ml-py."""

from __future__ import annotations

import subprocess
import textwrap

import pytest

from pytest_energy.meters.base import MeterUnavailableError
from support.nvml import LIBRARY

READ_TWICE = """
from pytest_energy.meters.nvml import Nvml
meter = Nvml()
a, b = meter.read(), meter.read()
print([d.name for d in meter.domains], [y - x for x, y in zip(a, b)])
meter.close()
"""

OPEN = """
from pytest_energy.meters.base import MeterUnavailableError
from pytest_energy.meters.nvml import Nvml
try:
    meter = Nvml()
except MeterUnavailableError as error:
    print(error)
else:
    for d in meter.domains:
        print(d.name, d.method, d.resolution_seconds, d.basis)
    meter.close()
"""


def test_every_board_is_counted_in_microjoules(driver):
    assert driver.run(READ_TWICE) == "['gpu:0'] [500000]"
    driver.set(boards=2)
    assert driver.run(READ_TWICE) == "['gpu:0', 'gpu:1'] [1000000, 1000000]"


def test_a_counter_is_no_reason_for_a_thread(driver):
    driver.set(boards=2)
    count = "import threading; print(threading.active_count())"
    assert driver.run(READ_TWICE + count).endswith("1")


def test_without_a_driver_there_are_no_boards():
    from pytest_energy.meters.nvml import Nvml, boards

    if boards():
        pytest.skip("this machine has an NVIDIA driver")
    with pytest.raises(MeterUnavailableError, match="no NVIDIA driver"):
        Nvml()


# Which boards


@pytest.mark.parametrize(
    ("visible", "names"),
    [
        ("1", "['gpu:0'] [500000] 2"),
        ("GPU-bbbb", "['gpu:0'] [500000] 2"),
        ("GPU-b", "['gpu:0'] [500000] 2"),
        ("0,1", "['gpu:0', 'gpu:1'] [1000000, 1000000] 1"),
        ("0,0", "['gpu:0'] [500000] 1"),
        ("0,-1,1", "['gpu:0'] [500000] 1"),
        ("MIG-bbbb", "['gpu:0'] [500000] 2"),
        ("MIG-GPU-bbbb/1/0", "['gpu:0'] [500000] 2"),
    ],
)
def test_only_the_boards_that_the_process_may_use_are_counted(driver, visible, names):
    driver.set(boards=2, CUDA_VISIBLE_DEVICES=visible)
    # Numbered among the visible; the first counter's megajoules tell which board it is.
    assert driver.run(READ_TWICE + "print(a[0] // 10**9)").replace("\n", " ") == names


@pytest.mark.parametrize("visible", ["", "7", "GPU-cccc", "MIG-cccc", "GPU-"])
def test_a_process_that_may_use_no_board_has_no_meter(driver, visible):
    driver.set(boards=2, CUDA_VISIBLE_DEVICES=visible)
    assert driver.run(OPEN) == "no NVIDIA board is visible to this process"


def test_numbers_of_different_boards_are_only_trusted_in_bus_order(driver):
    driver.set(boards=2, mixed=1, CUDA_VISIBLE_DEVICES="0")
    assert "CUDA numbers different boards by speed" in driver.run(OPEN)
    driver.set(CUDA_DEVICE_ORDER="PCI_BUS_ID")
    assert driver.run(READ_TWICE).startswith("['gpu:0']")


def test_once_torch_uses_them_the_boards_are_those_that_it_names(driver):
    # Numbers mean what CUDA makes of them; torch, which asked it, knows the boards' names.
    driver.set(boards=2, mixed=1, CUDA_VISIBLE_DEVICES="0")
    torch = """
    import sys
    from types import SimpleNamespace
    cuda = SimpleNamespace(
        is_initialized=lambda: True,
        device_count=lambda: 1,
        get_device_properties=lambda index: SimpleNamespace(uuid="bbbb"),
    )
    sys.modules["torch"] = SimpleNamespace(cuda=cuda)
    """
    code = textwrap.dedent(torch) + READ_TWICE + "print(a[0] // 10**9)"
    assert driver.run(code).replace("\n", " ") == "['gpu:0'] [500000] 2"


def test_on_request_every_board_of_the_machine_is_counted(driver):
    driver.set(boards=2, CUDA_VISIBLE_DEVICES="1")
    code = """
    from pytest_energy.meters import builtin_sources, open_meters
    print([d.name for d in open_meters(["nvml_all"], builtin_sources()).domains])
    try:
        open_meters(["nvml", "nvml_all"], builtin_sources())
    except ValueError as error:
        print(error)
    """
    first, second = driver.run(code).splitlines()
    assert first == "['gpu:0', 'gpu:1']"
    assert second.startswith(
        "meters 'nvml' and 'nvml_all' both count 'gpu:0', which would count it"
    )


def test_boards_bring_their_model_and_power_limit_to_the_machine_class(driver):
    code = "from pytest_energy.meters.nvml import boards; print(boards())"
    assert driver.run(code) == "(Gpu(model='NVIDIA H100 80GB HBM3', power_limit_watts=700),)"
    driver.set(mig=1, CUDA_VISIBLE_DEVICES="MIG-aaaa")
    assert "H100 80GB HBM3 MIG 1g.10gb'" in driver.run(code)


# Slices and virtual boards


@pytest.mark.parametrize("visible", [None, "0", "MIG-aaaa"])
def test_slices_are_metered_as_the_whole_board_that_they_share_and_say_so(driver, visible):
    driver.set(mig=1, **({"CUDA_VISIBLE_DEVICES": visible} if visible else {}))
    assert driver.run(OPEN) == "gpu:0 counter 0.1 the whole board, which its MIG slices share"


def test_a_virtual_board_has_no_energy_of_its_own(driver):
    driver.set(vgpu=1)
    assert driver.run(OPEN).startswith("a virtual GPU (vGPU) has no energy of its own")


# Boards without a counter


@pytest.mark.parametrize(
    ("settings", "domain"),
    [
        ({}, "gpu:0 sampled 0.1 instantaneous power"),
        ({"no_instant": 1}, "gpu:0 sampled 1.0 power averaged over 1 s"),
        ({"no_instant": 1, "architecture": 4}, "gpu:0 sampled 0.1 instantaneous power"),
    ],
)
def test_a_board_without_a_counter_is_sampled_and_says_what(driver, settings, domain):
    driver.set(no_counter=1, **settings)
    assert driver.run(OPEN) == domain


def test_samples_add_up_to_power_times_time(driver):
    driver.set(boards=2, no_counter="01")
    code = """
    import threading, time
    from pytest_energy.meters.nvml import Nvml
    meter = Nvml()
    print(threading.active_count(), [d.method.value for d in meter.domains])
    a, began = meter.read()[1], time.perf_counter()
    time.sleep(0.5)
    b, ended = meter.read()[1], time.perf_counter()
    print(abs((b - a) / 1e6 - 200 * (ended - began)) < 1)
    meter.close()
    print(threading.active_count())
    """
    assert driver.run(code).splitlines() == ["2 ['counter', 'sampled']", "True", "1"]


def test_samples_that_lie_too_far_apart_make_the_window_unmeasured(driver):
    driver.set(no_counter=1)
    code = """
    import time
    from pytest_energy.meters import power_sampler
    from pytest_energy.meters.meter_set import MeterSet
    from pytest_energy.meters.nvml import Nvml
    from pytest_energy.metering.window import Window
    meters = MeterSet([Nvml()])
    power_sampler.LONGEST_GAP_SECONDS = 0.0
    time.sleep(0.2)
    power_sampler.LONGEST_GAP_SECONDS = 60.0
    quiet = Window(meters)
    quiet.open()  # what was missed before is no matter of the window's
    quiet.close(1)
    print(repr(quiet.lost))
    outer = Window(meters)
    outer.open()
    power_sampler.LONGEST_GAP_SECONDS = 0.0
    time.sleep(0.2)
    power_sampler.LONGEST_GAP_SECONDS = 60.0
    outer.close(1)
    print(outer.lost)
    meters.close()
    """
    first, second = driver.run(code).splitlines()
    assert first == "''"
    assert second.startswith("nvml: no power was sampled for a second or more")


def test_a_board_that_tells_neither_energy_nor_power_does_not_hide_the_one_beside_it(driver):
    driver.set(boards=2, no_counter="10", no_power="10")
    assert driver.run(READ_TWICE).startswith("['gpu:1']")


def test_boards_that_tell_nothing_are_no_meter(driver):
    driver.set(no_counter=1, no_power=1)
    assert driver.run(OPEN) == "no visible NVIDIA board reports its energy or its power"


# What goes wrong


def test_a_driver_that_refuses_is_said_and_not_taken_for_none(driver):
    driver.set(init=18)
    refused = "the NVIDIA driver refused: RM has detected an NVML/RM version mismatch."
    assert driver.run(OPEN) == refused
    code = """
    from pytest_energy.meters import builtin_sources, open_meters
    print(open_meters(["auto"], builtin_sources()).note)
    """
    note = f"not metered, because nvml: {refused} (see what nvidia-smi says)"
    assert driver.run(code).endswith(note)


def test_a_counter_that_answers_with_an_error_is_not_taken_for_none(driver):
    driver.set(boards=2, unknown="01")
    assert driver.run(OPEN) == "the NVIDIA driver refused: Unknown Error"


def test_a_board_that_is_gone_does_not_hide_one_that_the_process_may_use(driver):
    driver.set(boards=2, gone="10", CUDA_VISIBLE_DEVICES="1")
    assert driver.run(READ_TWICE) == "['gpu:0'] [500000]"
    driver.set(CUDA_VISIBLE_DEVICES="0")
    assert driver.run(OPEN) == "the NVIDIA driver refused: GPU is lost"


READ_UNTIL_LOST = """
import time
from pytest_energy.meters.base import MeterLostError
from pytest_energy.meters.nvml import Nvml
meter = Nvml()
try:
    for reads in range(1000):
        meter.read()
        time.sleep(0.001)
except MeterLostError as error:
    print(error)
meter.close()
"""


@pytest.mark.parametrize("k", [1, 2, 5])
def test_a_board_that_falls_off_the_bus_is_a_lost_meter(driver, k):
    driver.set(lost_after=k)
    assert driver.run(READ_UNTIL_LOST) == "GPU is lost"


def test_a_board_that_is_lost_between_samples_is_said_at_the_next_reading(driver):
    driver.set(no_counter=1, lost_after=4)
    assert driver.run(READ_UNTIL_LOST) == "GPU is lost"


FAULTY = """
import os
from pytest_energy.meters.base import MeterLostError
from pytest_energy.meters.meter_set import MeterSet
from pytest_energy.meters.nvml import Nvml
meters = MeterSet([Nvml()])
meters.read()
os.environ["FAKE_{name}"] = "{value}"
try:
    meters.read()
except MeterLostError as error:
    print(error)
meters.close()
"""


@pytest.mark.parametrize(
    ("settings", "name", "value", "message"),
    [
        ({}, "MILLIJOULES", 2**64 - 1, "nvml: the counter of gpu:0 (NVML) reads 1.84e+16 J, which"),
        ({}, "MILLIJOULES", 10**12, "nvml: the counter of gpu:0 (NVML) rose by 1e+09 J in"),
        ({}, "MILLIJOULES", 0, "nvml: the counter of gpu:0 (NVML) went back by"),
        ({"no_counter": 1}, "MILLIWATTS", 2**32 - 1, "nvml: a power of 4.29e+06 W was reported,"),
    ],
)
def test_what_no_board_can_have_counted_or_taken_is_a_faulty_reading(
    driver, settings, name, value, message
):
    driver.set(**settings)
    assert driver.run(FAULTY.format(name=name, value=value)).startswith(message)


def test_a_board_whose_power_is_faulty_from_the_start_is_no_meter(driver, project):
    driver.set(no_counter=1, milliwatts=2**32 - 1)
    project.own_process = True
    project.write(test_it="def test_it(energy): pass")
    result = project.run("--energy-meter=nvml")
    result.stderr.fnmatch_lines(
        ["*meter 'nvml' is unavailable: a power of 4.29e+06 W was reported*"]
    )


def test_a_board_that_is_lost_in_a_test_leaves_it_unmeasured(driver, project):
    driver.set(lost_after=40)
    project.own_process = True
    project.write(
        test_it="""
        import pytest

        @pytest.mark.inference(n=1)
        def test_long():
            import pynvml

            handle = pynvml.nvmlDeviceGetHandleByIndex(0)
            with pytest.raises(pynvml.NVMLError):
                while True:
                    pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
        """
    )
    (verdict,) = project.verdicts("--energy-meter=nvml").values()
    assert verdict["status"] == "unmeasured"
    assert verdict["reason"] == "the meter was lost: nvml: GPU is lost"


def test_a_driver_that_lacks_newer_questions_still_counts(
    driver, nvml_library, tmp_path, monkeypatch
):
    old = LIBRARY
    for name in ("MigMode", "VirtualizationMode", "FieldValues", "ComputeRunningProcesses_v3"):
        old = old.replace(f"nvmlDeviceGet{name}(", f"unknown{name}(")
    (tmp_path / "old.c").write_text(old)
    library = tmp_path / "libnvidia-ml.so.1"
    command = ["cc", "-shared", "-fPIC", "-o", str(library), str(tmp_path / "old.c")]
    subprocess.run(command, check=True)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    code = READ_TWICE.replace("meter.close()", "print(meter.interference())\nmeter.close()")
    assert driver.run(code).splitlines() == ["['gpu:0'] [500000]", "()"]


# Others on the board

INTERFERED = """
import os, subprocess, sys
from pytest_energy.machine.process_tree import RunProcesses
from pytest_energy.meters.nvml import Nvml
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
os.environ["FAKE_PROCESSES"] = {processes}
meter = Nvml()
meter.processes = RunProcesses({added})
print(meter.interference())
meter.close()
child.communicate(b"")
"""


@pytest.mark.parametrize(
    ("processes", "clauses"),
    [
        ("''", "()"),
        ("f'{os.getpid()},{child.pid}'", "()"),
        ("f'{os.getpid()},1'", "('another process (1) computed on gpu:0',)"),
        ("f'{os.getppid()},1'", "('2 other processes (1, {parent}) computed on gpu:0',)"),
        ("'4194303'", "()"),
    ],
    ids=["nobody", "ours", "another", "two others", "a number from outside of a container"],
)
def test_other_processes_on_the_board_are_a_disturbance(driver, processes, clauses):
    import os

    clauses = clauses.replace("{parent}", str(os.getpid()))
    assert driver.run(INTERFERED.format(processes=processes, added="")) == clauses


def test_the_head_of_a_paired_run_is_no_disturbance_to_its_base(driver):
    code = INTERFERED.format(processes="str(os.getppid())", added="{os.getppid()}")
    assert driver.run(code) == "()"


def test_a_verdict_beside_others_on_the_board_is_inconclusive(driver, project):
    driver.set(processes=1)
    project.own_process = True
    project.write(
        test_it="""
        import time, pytest

        @pytest.mark.inference(n=1)
        def test_one():
            time.sleep(0.01)
        """
    )
    (verdict,) = project.verdicts("--energy-meter=nvml").values()
    assert verdict["status"] == "inconclusive"
    assert verdict["reason"] == "another process (1) computed on gpu:0"
