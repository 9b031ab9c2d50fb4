"""AMD's boards, over trees like the kernel's and libraries like ROCm's."""

from __future__ import annotations

import errno
import re
import shutil
import subprocess
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from pytest_energy import meters
from pytest_energy.meters import sysfs
from pytest_energy.meters.amd import Amd, boards
from pytest_energy.meters.base import MeterLostError, MeterUnavailableError
from pytest_energy.types.energy import Method
from pytest_energy.types.machine import Gpu
from support.boards import AMDSMI, run_python, write


def answer(monkeypatch, error):
    """Have the kernel answer every reading so: files cannot be made to."""

    def refuse(descriptor, size, offset):
        raise error

    monkeypatch.setattr(sysfs, "pread", refuse)


# Boards, through the kernel's files


def test_a_board_that_counts_energy_is_read_in_microjoules(drm, opened):
    sensors = drm.board(energy1_input=5_000_000, power1_average=40_000_000)
    meter = opened(Amd())
    (domain,) = meter.domains
    assert (domain.name, domain.kind, domain.method) == ("amd:0", "gpu", Method.COUNTER)
    assert meter.read() == (5_000_000,)
    write(sensors / "energy1_input", 7_500_000)
    assert meter.read() == (7_500_000,)


@pytest.mark.parametrize("file", ["power1_average", "power1_input"])
def test_a_board_that_shows_only_its_power_is_sampled(drm, opened, file):
    drm.board(**{file: 50_000_000})
    meter = opened(Amd())
    assert meter.domains[0].method is Method.SAMPLED
    outside = time.perf_counter()
    (before,) = meter.read()
    inside = time.perf_counter()
    time.sleep(0.25)
    shortest = time.perf_counter() - inside
    (after,) = meter.read()
    longest = time.perf_counter() - outside
    assert 50 * shortest <= (after - before) / 1e6 <= 50 * longest


def test_counting_and_sampled_boards_stand_beside_each_other(drm, opened):
    drm.board("0000:03:00.0", power1_input=50_000_000)
    counting = drm.board("0000:83:00.0", energy1_input=1000)
    meter = opened(Amd())
    assert [(d.name, d.method) for d in meter.domains] == [
        ("amd:0", Method.SAMPLED),
        ("amd:1", Method.COUNTER),
    ]
    write(counting / "energy1_input", 4000)
    sampled, counted = meter.read()
    assert counted == 4000
    assert sampled > 0


def test_nothing_is_sampled_in_the_background_where_boards_count(drm, opened):
    before = threading.active_count()
    drm.board(energy1_input=1)
    opened(Amd())
    assert threading.active_count() == before


@pytest.mark.parametrize(
    "apu",
    [
        {"in1_label": "vddnb", "pci_id": "1002:1681"},
        {"pci_id": "1002:74A0", "product": "AMD Instinct MI300A"},  # shows no vddnb
    ],
)
def test_an_apu_is_left_out_since_its_power_includes_the_cpus(drm, opened, apu):
    drm.board("0000:c4:00.0", power1_average=15_000_000, **apu)
    with pytest.raises(MeterUnavailableError, match="an APU, whose power includes the CPU's"):
        Amd()
    drm.board("0000:03:00.0", power1_average=50_000_000)
    meter = opened(Amd())
    assert [domain.name for domain in meter.domains] == ["amd:0"]
    (why,) = meter.skipped_hardware
    assert "0000:c4:00.0: an APU" in why


def test_the_second_die_of_a_board_is_left_out_since_the_first_one_shows_both(drm, opened):
    drm.board("0000:29:00.0", power1_average=90_000_000)
    drm.board("0000:2c:00.0", power1_average=0)
    meter = opened(Amd())
    assert [domain.name for domain in meter.domains] == ["amd:0"]
    assert "0000:2c:00.0: it shows 0 W, as a second die does" in meter.skipped_hardware[0]


def test_a_board_that_shows_nothing_is_no_meter(drm):
    drm.board(temp1_input=40_000)
    with pytest.raises(MeterUnavailableError, match="shows neither energy nor power"):
        Amd()


def test_a_machine_without_boards_says_where_it_looked(tmp_path):
    with pytest.raises(MeterUnavailableError, match=r"no AMD graphics board under .*nowhere"):
        Amd(tmp_path / "nowhere")


def test_boards_of_other_makers_are_none_of_amds(drm):
    folder = drm.root / "card0" / "device"
    folder.mkdir(parents=True)
    (folder / "uevent").write_text("DRIVER=i915\nPCI_ID=8086:46A6\n")
    with pytest.raises(MeterUnavailableError, match="no AMD graphics board"):
        Amd()
    assert boards() == ()


@pytest.mark.parametrize(
    ("rocr", "hip", "seen"),
    [
        (None, "1", [200]),
        ("1", None, [200]),
        ("1,2", "0", [200]),  # HIP numbers what ROCr leaves
        ("GPU-00000000000000C2", None, [300]),
        ("2,0", None, [100, 300]),
        (None, "0,0", [100]),
        (None, "0,9,1", [100]),  # what stands behind an unknown board is invisible
    ],
)
def test_only_the_boards_that_the_process_may_use_are_counted(
    drm, opened, monkeypatch, rocr, hip, seen
):
    for number in (1, 2, 3):
        slot = f"0000:0{number}:00.0"
        drm.board(slot, unique_id=f"00000000000000c{number - 1}", energy1_input=100 * number)
    for variable, value in (("ROCR_VISIBLE_DEVICES", rocr), ("HIP_VISIBLE_DEVICES", hip)):
        if value is not None:
            monkeypatch.setenv(variable, value)
    meter = opened(Amd())
    assert list(meter.read()) == seen
    assert [domain.name for domain in meter.domains] == [f"amd:{i}" for i in range(len(seen))]


@pytest.mark.parametrize("nothing", ["", "-1"])
def test_a_process_that_may_use_no_board_has_no_meter(drm, monkeypatch, nothing):
    drm.board(energy1_input=1)
    monkeypatch.setenv("HIP_VISIBLE_DEVICES", nothing)
    with pytest.raises(MeterUnavailableError, match="no AMD board is visible") as error:
        Amd()
    assert "HIP_VISIBLE_DEVICES" in error.value.hint


def test_boards_bring_their_model_and_power_limit_to_the_machine_class(drm, monkeypatch):
    drm.board("0000:03:00.0", product="AMD Instinct MI210", power1_cap=300_000_000)
    drm.board("0000:43:00.0", pci_id="1002:73bf")
    drm.board("0000:c4:00.0", in1_label="vddnb")
    expected = (Gpu("AMD Instinct MI210", 300), Gpu("AMD 1002:73BF", None))
    assert boards() == expected
    assert meters.boards()[-2:] == expected  # behind NVIDIA's
    monkeypatch.setenv("HIP_VISIBLE_DEVICES", "1")
    assert boards() == expected[1:]


# What goes wrong


def test_no_permission_comes_with_the_remedy_and_is_never_passed_over(drm, monkeypatch):
    drm.board(power1_average=50_000_000)

    # Files are open to root whatever their mode; so the kernel's answer is given here.
    def refuse(path, flags):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(sysfs.os, "open", refuse)
    with pytest.raises(MeterUnavailableError, match="no permission to read") as error:
        Amd()
    assert "chgrp" in error.value.hint


@pytest.mark.parametrize("garbage", ["oops", "", "-5", "nan", "1_0", "9" * 10_000, "3"])
def test_a_counter_that_turns_to_garbage_or_goes_back_is_a_lost_meter(drm, opened, garbage):
    sensors = drm.board(energy1_input=10)
    meter = opened(Amd())
    write(sensors / "energy1_input", garbage)
    with pytest.raises(MeterLostError, match="energy1_input"):
        meter.read()


@pytest.mark.parametrize("garbage", ["oops", "", "-5", "nan", "1_0", "9" * 10_000])
def test_a_power_that_turns_to_garbage_is_a_lost_meter(drm, opened, garbage):
    sensors = drm.board(power1_average=50_000_000)
    meter = opened(Amd())
    write(sensors / "power1_average", garbage)
    with pytest.raises(MeterLostError, match="power1_average"):
        meter.read()


@pytest.mark.parametrize("file", ["power1_average", "energy1_input"])
def test_a_board_that_falls_off_the_bus_is_a_lost_meter(drm, opened, monkeypatch, file):
    drm.board(**{file: 50_000_000})
    meter = opened(Amd())
    answer(monkeypatch, OSError(errno.ENODEV, "No such device"))
    with pytest.raises(MeterLostError, match=f"{file}.*No such device"):
        meter.read()


def test_a_board_that_sleeps_spends_nothing_and_is_not_lost(drm, opened, monkeypatch):
    drm.board(power1_average=50_000_000)
    answer(monkeypatch, PermissionError(errno.EPERM, "Operation not permitted"))
    meter = opened(Amd())
    assert meter.read() == (0,)
    time.sleep(0.15)
    assert meter.read() == (0,)


def test_closing_ends_the_sampling_and_gives_the_descriptors_back(drm):
    drm.board(power1_average=50_000_000)
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir())) if descriptors.exists() else 0
    threads = threading.active_count()
    Amd().close()
    assert threading.active_count() == threads
    if before:
        assert len(list(descriptors.iterdir())) == before


READ_TWICE = """
from pytest_energy.meters.amd import Amd
meter = Amd()
a, b = meter.read(), meter.read()
print([(d.name, str(d.method)) for d in meter.domains], [y - x for x, y in zip(a, b)])
meter.close()
"""


@pytest.fixture
def with_amdsmi(drm, tmp_path):
    """Run a program where ROCm is installed; the board has a power file as well."""
    drm.board(power1_average=50_000_000)
    library = tmp_path / "rocm"
    (library / "amdsmi").mkdir(parents=True)
    (library / "amdsmi" / "__init__.py").write_text(AMDSMI)
    return lambda code: run_python(code, library)


COUNTED = "[('amd:0', 'counter')] [1000000]"
SAMPLED = "[('amd:0', 'sampled')]"


@pytest.mark.parametrize(
    ("key", "unit"),
    [
        ("energy_accumulator", "15.3"),  # the library rounds 2^-16 J
        ("energy_accumulator", "15.259"),
        ("power", "15.3"),  # ROCm 6.0 to 6.2
    ],
)
def test_rocm_counts_a_board_in_units_of_a_65536th_joule(with_amdsmi, monkeypatch, key, unit):
    monkeypatch.setenv("FAKE_KEY", key)
    monkeypatch.setenv("FAKE_UNIT", unit)
    assert with_amdsmi(READ_TWICE) == COUNTED


def test_another_unit_is_taken_as_the_library_tells_it(with_amdsmi, monkeypatch):
    monkeypatch.setenv("FAKE_UNIT", "1.0")
    assert with_amdsmi(READ_TWICE) == "[('amd:0', 'counter')] [65536]"


@pytest.mark.parametrize(
    "trouble",
    [
        {"FAKE_NO_LIBRARY": "1"},  # the Python package alone, as from PyPI
        {"FAKE_NO_DRIVER": "1"},
        {"FAKE_NO_COUNTER": "1"},
        {"FAKE_BOARDS": "0000:99:00.0"},  # somebody else's board
        {"FAKE_START": "0", "FAKE_STEP": "0"},  # counts nothing
        {"FAKE_KEY": "energy"},  # a version that nobody knows
    ],
)
def test_where_rocm_does_not_count_power_is_sampled(with_amdsmi, monkeypatch, trouble):
    for name, value in trouble.items():
        monkeypatch.setenv(name, value)
    assert with_amdsmi(READ_TWICE).startswith(SAMPLED)


def test_partitions_of_a_board_are_counted_once(with_amdsmi, monkeypatch):
    monkeypatch.setenv("FAKE_BOARDS", "0000:03:00.0,0000:03:00.1,0000:03:00.2")
    assert with_amdsmi(READ_TWICE) == COUNTED


LOSE = """
from pytest_energy.meters.amd import Amd
from pytest_energy.meters.base import MeterLostError
meter = Amd()
try:
    meter.read()
except MeterLostError as error:
    print(error)
"""


def test_a_counter_that_rocm_loses_is_a_lost_meter(with_amdsmi, monkeypatch):
    monkeypatch.setenv("FAKE_LOST_AFTER", "1")
    said = "0000:03:00.0: Error code: 31 | AMDSMI_STATUS_NOT_FOUND - Device Not found"
    assert with_amdsmi(LOSE) == said


def test_a_counter_of_rocms_that_goes_back_is_a_lost_meter(with_amdsmi, monkeypatch):
    # As seen with ROCm 6 in programs with several threads (ROCm/amdsmi, issue 115).
    monkeypatch.setenv("FAKE_STEP", "-65536")
    assert with_amdsmi(LOSE).startswith("0000:03:00.0: went back from 99000000 to 98000000 micro")


@pytest.mark.parametrize(
    "answer",
    [
        {"energy_accumulator": "N/A", "counter_resolution": 15.3},
        {"energy_accumulator": float("nan"), "counter_resolution": 15.3},
        {"energy_accumulator": -1, "counter_resolution": 15.3},
        {"energy_accumulator": 5, "counter_resolution": "N/A"},
        {"energy_accumulator": 5, "counter_resolution": float("inf")},
    ],
    ids=str,
)
def test_an_answer_of_rocms_that_is_no_count_is_a_lost_meter(with_amdsmi, answer):
    broken = f"""
    import amdsmi
    from math import inf, nan
    from pytest_energy.meters.amd import Amd
    from pytest_energy.meters.base import MeterLostError
    meter = Amd()
    amdsmi.amdsmi_get_energy_count = lambda handle: {answer!r}
    try:
        meter.read()
    except MeterLostError as error:
        print(error)
    """
    said = with_amdsmi(broken)
    assert said.startswith("0000:03:00.0: ")
    assert said.endswith((", no count", ", no microjoules"))


@pytest.mark.parametrize("limit", ["\u00b2", "9" * 10_000, "-5", "oops"], ids=lambda text: text[:5])
def test_a_power_limit_that_is_none_is_not_told(drm, limit):
    drm.board(energy1_input=1, power1_cap=limit)
    assert [gpu.power_limit_watts for gpu in boards()] == [None]


def test_closing_shuts_rocms_library_down(with_amdsmi):
    code = """
    import amdsmi
    from pytest_energy.meters.amd import Amd
    meter = Amd()
    print(len(amdsmi.RUNNING), end=" ")
    meter.close()
    meter.close()
    print(len(amdsmi.RUNNING))
    """
    assert with_amdsmi(code) == "1 0"


REAL = r"""
#include <stdint.h>
static uint64_t reads;
int amdsmi_init(uint64_t flags) { return 0; }
int amdsmi_shut_down(void) { return 0; }
int amdsmi_get_socket_handles(uint32_t *count, void **handles) {
    *count = 1;
    if (handles) handles[0] = &reads;
    return 0;
}
int amdsmi_get_processor_handles(void *socket, uint32_t *count, void **handles) {
    *count = 1;
    if (handles) handles[0] = &reads;
    return 0;
}
int amdsmi_get_gpu_device_bdf(void *handle, uint64_t *bdf) {
    *bdf = 3 << 8;  /* function 0, device 0, bus 3, domain 0 */
    return 0;
}
int amdsmi_get_energy_count(void *handle, uint64_t *count, float *unit, uint64_t *timestamp) {
    *count = 65536 * (100 + ++reads);
    *unit = 15.3f;
    *timestamp = reads;
    return 0;
}
"""


def test_rocms_own_python_package_is_read_as_the_stand_in_is(drm, tmp_path, monkeypatch):
    spec = find_spec("amdsmi")
    compiler = shutil.which("cc") or shutil.which("gcc")
    if spec is None or spec.origin is None or compiler is None:
        pytest.skip("needs amdsmi (PyPI) and a C compiler (Debian: gcc)")
    drm.board(power1_average=50_000_000)
    wrapper = (Path(spec.origin).parent / "amdsmi_wrapper.py").read_text("utf-8")
    names = set(re.findall(r"_libraries\['libamd_smi.so'\]\.(\w+)", wrapper))
    others = sorted(names - set(re.findall(r"^int (\w+)", REAL, re.MULTILINE)))
    library = tmp_path / "lib"
    library.mkdir()
    source = library / "amd_smi.c"
    source.write_text(REAL + "".join(f"int {name}(void) {{ return 2; }}\n" for name in others))
    command = [compiler, "-shared", "-fPIC", "-o", str(library / "libamd_smi.so"), str(source)]
    subprocess.run(command, check=True)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(library))
    assert run_python(READ_TWICE, tmp_path) == COUNTED
