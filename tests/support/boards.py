"""AMD's boards and sockets, which this machine has not: the kernel's trees and ROCm's library."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path


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


def run_python(code: str, path: Path) -> str:
    """Run a program that finds modules in a folder first."""
    program = f"import sys\nsys.path.insert(0, {str(path)!r})\n{textwrap.dedent(code)}"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


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
