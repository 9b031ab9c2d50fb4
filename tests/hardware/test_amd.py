"""AMD's boards and sockets, over trees like the kernel's and libraries like ROCm's."""

from __future__ import annotations

import errno
import re
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from pytest_energy import meters
from pytest_energy.meters import builtin_sources, open_meters, sysfs
from pytest_energy.meters.amd import Amd, boards
from pytest_energy.meters.amd_energy import AmdEnergy
from pytest_energy.meters.base import Meter, MeterLostError, MeterSource, MeterUnavailableError
from pytest_energy.meters.meter_set import MeterSet
from pytest_energy.types.energy import Domain, Method
from pytest_energy.types.machine import Gpu


def write(path: Path, text: object) -> None:
    """In place: the meter holds the file open, as it would the kernel's."""
    with path.open("r+" if path.exists() else "w") as file:
        file.write(f"{text}\n")
        file.truncate()


class Drm:
    """The kernel's tree of graphics boards: `card0/device` is a link to the board's PCI folder."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "drm"
        self.root.mkdir()
        self._devices = folder / "devices"
        (self.root / "version").write_text("drm 1.1.0 20060810\n")

    def board(
        self,
        slot: str = "0000:03:00.0",
        pci_id: str = "1002:73BF",
        unique_id: str = "",
        product: str = "",
        **sensors: object,
    ) -> Path:
        """A board, and the folder of its sensors; each keyword is a file there."""
        card = self.root / f"card{len(list(self.root.glob('card?')))}"
        device = self._devices / slot
        folder = device / "hwmon" / "hwmon4"
        folder.mkdir(parents=True)
        card.mkdir()
        (card / "device").symlink_to(device, target_is_directory=True)
        (self.root / f"{card.name}-DP-1").mkdir()  # a socket for a screen
        (device / "uevent").write_text(
            f"DRIVER=amdgpu\nPCI_CLASS=30000\nPCI_ID={pci_id}\nPCI_SLOT_NAME={slot}\n"
        )
        if unique_id:
            (device / "unique_id").write_text(f"{unique_id}\n")
        if product:
            (device / "product_name").write_text(f"{product}\n")
        for name, value in {"name": "amdgpu", **sensors}.items():
            (folder / name).write_text(f"{value}\n")
        return folder


@pytest.fixture
def drm(tmp_path, monkeypatch):
    for variable in ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"):
        monkeypatch.delenv(variable, raising=False)
    tree = Drm(tmp_path)
    monkeypatch.setenv("PYTEST_ENERGY_DRM", str(tree.root))
    return tree


@pytest.fixture
def opened():
    """Open meters, and close them when the test ends."""
    kept: list[Meter] = []

    def keep(meter):
        kept.append(meter)
        return meter

    yield keep
    for meter in kept:
        meter.close()


def answer(monkeypatch, error):
    """Have the kernel answer every reading so: files cannot be made to."""

    def refuse(descriptor, size, offset):
        raise error

    monkeypatch.setattr(sysfs.os, "pread", refuse)


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


@pytest.mark.parametrize("garbage", ["oops", "", "-5", "3"])
def test_a_counter_that_turns_to_garbage_or_goes_back_is_a_lost_meter(drm, opened, garbage):
    sensors = drm.board(energy1_input=10)
    meter = opened(Amd())
    write(sensors / "energy1_input", garbage)
    with pytest.raises(MeterLostError, match="energy1_input"):
        meter.read()


@pytest.mark.parametrize("garbage", ["oops", "", "-5"])
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


# Boards, through ROCm's library

AMDSMI = r'''
"""Names, arguments, results and exceptions as in amdsmi 7.0; FAKE_* say what the boards do."""
import ctypes
import os

if os.environ.get("FAKE_NO_LIBRARY"):
    print("Unable to find libamd_smi.so library try installing amd-smi-lib")
    {}["libamd_smi.so"]

processor_handle = ctypes.POINTER(None)
BOARDS = os.environ.get("FAKE_BOARDS", "0000:03:00.0").split(",")
HANDLES = [processor_handle() for _ in BOARDS]
READS = [0]
RUNNING = []


class AmdSmiException(Exception):
    pass


class AmdSmiLibraryException(AmdSmiException):
    def __init__(self, err_code):
        super().__init__(abs(err_code))
        self.err_code = abs(err_code)

    def __str__(self):
        info = {2: "AMDSMI_STATUS_NOT_SUPPORTED - Feature not supported",
                31: "AMDSMI_STATUS_NOT_FOUND - Device Not found",
                34: "AMDSMI_STATUS_DRIVER_NOT_LOADED - Driver not loaded"}[self.err_code]
        return "Error code:\n\t{} | {}".format(self.err_code, info)


class AmdSmiInitFlags:
    INIT_AMD_GPUS = 2


def amdsmi_init(flag=AmdSmiInitFlags.INIT_AMD_GPUS):
    if os.environ.get("FAKE_NO_DRIVER"):
        raise AmdSmiLibraryException(34)
    RUNNING.append(flag)


def amdsmi_shut_down():
    RUNNING.pop()


def amdsmi_get_processor_handles():
    return list(HANDLES)


def _index(handle):
    return next(i for i, known in enumerate(HANDLES) if known is handle)


def amdsmi_get_gpu_device_bdf(processor_handle):
    return BOARDS[_index(processor_handle)]


def amdsmi_get_energy_count(processor_handle):
    if os.environ.get("FAKE_NO_COUNTER"):
        raise AmdSmiLibraryException(2)
    READS[0] += 1
    if READS[0] > int(os.environ.get("FAKE_LOST_AFTER", 1000)):
        raise AmdSmiLibraryException(31)
    step = int(os.environ.get("FAKE_STEP", 65536))  # a joule
    start = int(os.environ.get("FAKE_START", 65536 * 100))
    return {
        os.environ.get("FAKE_KEY", "energy_accumulator"): start + step * READS[0],
        "counter_resolution": ctypes.c_float(float(os.environ.get("FAKE_UNIT", 15.3))).value,
        "timestamp": 3824190842400799,
    }
'''

READ_TWICE = """
from pytest_energy.meters.amd import Amd
meter = Amd()
a, b = meter.read(), meter.read()
print([(d.name, str(d.method)) for d in meter.domains], [y - x for x, y in zip(a, b)])
meter.close()
"""


def run_python(code: str, path: Path) -> str:
    """Run a program that finds modules in a folder first."""
    program = f"import sys\nsys.path.insert(0, {str(path)!r})\n{textwrap.dedent(code)}"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


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


# Sockets, through the amd_energy driver


class Hwmon:
    """The kernel's tree of sensors: cores first, then sockets, as the driver lists them."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "hwmon1"
        self.folder.mkdir(parents=True)
        (self.folder / "name").write_text("amd_energy\n")
        other = root / "hwmon0"
        other.mkdir()
        (other / "name").write_text("k10temp\n")
        self.root = root

    def sensors(self, cores: int, *sockets: int) -> None:
        labels = [f"Ecore{core:03}" for core in range(cores)]
        labels += [f"Esocket{socket}" for socket in range(len(sockets))]
        for i, (label, count) in enumerate(zip(labels, [1000] * cores + [*sockets], strict=True)):
            (self.folder / f"energy{i + 1}_label").write_text(f"{label}\n")
            write(self.folder / f"energy{i + 1}_input", count)


@pytest.fixture
def hwmon(tmp_path, monkeypatch):
    tree = Hwmon(tmp_path / "hwmon")
    monkeypatch.setenv("PYTEST_ENERGY_HWMON", str(tree.root))
    return tree


def test_a_socket_is_counted_and_the_cores_inside_it_are_not(hwmon, opened):
    hwmon.sensors(2, 5000)
    meter = opened(AmdEnergy())
    assert [(d.name, d.kind, d.method) for d in meter.domains] == [("cpu", "cpu", Method.COUNTER)]
    write(hwmon.folder / "energy3_input", 8000)
    assert meter.read() == (8000,)


def test_two_sockets_are_named_as_rapl_names_them(hwmon, opened):
    hwmon.sensors(2, 5_000_000_000, 9_000_000_000)
    meter = opened(AmdEnergy())
    assert [domain.name for domain in meter.domains] == ["cpu:0", "cpu:1"]
    assert meter.read() == (5_000_000_000, 9_000_000_000)


def test_numa_nodes_of_one_socket_show_its_register_and_are_counted_once(hwmon, opened):
    hwmon.sensors(1, 5_000_000_000, 5_000_000_700, 9_000_000_000, 9_000_000_900)
    meter = opened(AmdEnergy())
    assert [domain.name for domain in meter.domains] == ["cpu:0", "cpu:1"]


def test_a_kernel_without_the_driver_says_where_it_looked(tmp_path):
    with pytest.raises(MeterUnavailableError, match=r"amd_energy driver under .*nowhere"):
        AmdEnergy(tmp_path / "nowhere")


@pytest.mark.parametrize("garbage", ["oops", "", "-5", "100"])
def test_a_socket_that_turns_to_garbage_or_goes_back_is_a_lost_meter(hwmon, opened, garbage):
    hwmon.sensors(0, 5000)
    meter = opened(AmdEnergy())
    write(hwmon.folder / "energy1_input", garbage)
    with pytest.raises(MeterLostError, match="energy1_input"):
        meter.read()


def test_sockets_closed_to_us_come_with_the_remedy(hwmon, monkeypatch):
    hwmon.sensors(0, 5000)

    def refuse(path, flags):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(sysfs.os, "open", refuse)
    with pytest.raises(MeterUnavailableError, match=r"no permission to read .*energy1_input") as e:
        AmdEnergy()
    assert "chgrp" in e.value.hint


# Choosing


class Fixed(Meter):
    """A meter that always reads the same."""

    def __init__(self, name: str, *domains: Domain) -> None:
        self.name = name
        self.domains = domains
        self.closed = False

    def read(self) -> tuple[int, ...]:
        return (0,) * len(self.domains)

    def close(self) -> None:
        self.closed = True


def source(meter: Fixed) -> MeterSource:
    return MeterSource(meter.name, lambda: meter, automatic=True, kind="cpu")


def test_auto_leaves_out_a_counter_of_what_another_one_counts_already():
    rapl = Fixed("rapl", Domain("cpu", "cpu", Method.COUNTER, "RAPL", 0.0))
    theirs = Fixed("esmi", Domain("cpu", "cpu", Method.COUNTER, "E-SMI", 0.0))
    assert open_meters(["auto"], [source(rapl), source(theirs)]).names == ("rapl",)
    assert (rapl.closed, theirs.closed) == (False, True)
    with pytest.raises(ValueError, match="'rapl' and 'esmi' both count 'cpu'"):
        open_meters(["rapl", "esmi"], [source(rapl), source(theirs)])


def test_auto_takes_the_drivers_sockets_only_where_rapl_shows_none(hwmon, tmp_path, monkeypatch):
    hwmon.sensors(0, 5_000_000_000, 9_000_000_000)
    ours = [s for s in builtin_sources() if s.name in ("rapl", "amd_energy", "cpu_time")]
    monkeypatch.setenv("PYTEST_ENERGY_POWERCAP", str(tmp_path / "powercap"))
    with_driver = open_meters(["auto"], ours)
    assert (with_driver.names, with_driver.note) == (("amd_energy",), "")
    with_driver.close()
    # One package with RAPL, though the driver calls it two sockets: still the same CPU.
    zone = tmp_path / "powercap" / "intel-rapl:0"
    zone.mkdir(parents=True)
    for name, text in (
        ("name", "package-0"),
        ("energy_uj", "1000"),
        ("max_energy_range_uj", "262143328850"),
    ):
        (zone / name).write_text(f"{text}\n")
    both = open_meters(["auto"], ours)
    assert both.names == ("rapl",)
    both.close()


def test_an_estimate_is_not_explained_by_hardware_of_other_makers():
    def closed():
        raise MeterUnavailableError("no permission to read /sys/x", "chgrp it")

    def elsewhere():
        raise MeterUnavailableError("only Macs have these counters")

    estimate = Fixed("cpu_time", Domain("cpu", "cpu", Method.ESTIMATED, "CPU time", 0.0))
    rapl = MeterSource("rapl", closed, True, "cpu")
    apple = MeterSource("apple", elsewhere, True, "cpu")
    note = open_meters(["auto"], [rapl, apple, source(estimate)]).note
    assert note == "estimated, because rapl: no permission to read /sys/x (chgrp it)"
    note = open_meters(["auto"], [apple, source(estimate)]).note
    assert note == "estimated, because apple: only Macs have these counters"


def test_boards_of_two_makers_are_counted_side_by_side(drm, opened):
    drm.board(energy1_input=1)
    nvidia = Fixed("nvml", Domain("gpu:0", "gpu", Method.COUNTER, "NVML", 0.0))
    both = MeterSet([nvidia, opened(Amd())])
    assert [domain.name for domain in both.domains] == ["gpu:0", "amd:0"]
