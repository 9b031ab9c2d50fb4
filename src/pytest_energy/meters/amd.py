"""AMD's GPU boards.

A board's energy comes from its accumulator, through ROCm's library `amdsmi` where that is
installed; else from the kernel's hwmon files, which show most boards' power only. Kernel
documentation: Documentation/gpu/amdgpu/thermal.rst.
"""

from __future__ import annotations

import os
import re
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from pytest_energy.files import text_of
from pytest_energy.meters.base import (
    MOST_BOARD_WATTS,
    Meter,
    MeterLostError,
    MeterUnavailableError,
)
from pytest_energy.meters.power_sampler import PowerSampler
from pytest_energy.meters.readings import parse_digits, shown, whole
from pytest_energy.meters.sysfs import Counter, NumberFile, open_number
from pytest_energy.types.energy import Domain, Method
from pytest_energy.types.machine import Gpu

DRM_ROOT = Path("/sys/class/drm")
"""Where the kernel shows graphics boards; `PYTEST_ENERGY_DRM` names another place (containers)."""

UPDATE_SECONDS = 0.1
"""How often a board's accumulator moves at the slowest: AMD documents nothing, NVIDIA's take so
long."""

SAMPLE_SECONDS = 0.1
"""Between two samples of a board's power. The driver asks the board at each reading."""

ACCUMULATOR_MICROJOULES = 1e6 / 2**16
"""Unit of a board's accumulator, 15.259 µJ (Linux, kgd_pp_interface.h, struct gpu_metrics_v1_4).
Versions of `amdsmi` up to 7 round it to 15.3."""

MOST_UNIT_MICROJOULES = 1e6
"""A board's accumulator counts in less than joules."""

APUS_WITHOUT_LABEL = frozenset({"1002:74A0"})
"""PCI id of the Instinct MI300A, an APU that has no vddnb (Linux, amdgpu_pm.c, GC 9.4.3)."""


# Which boards there are


@dataclass(frozen=True, slots=True)
class _Card:
    """A board as the kernel shows it.

    Args:
        slot: PCI address, `0000:03:00.0`.
        gpu: model and power limit.
        unique_id: 16 hexadecimal digits; empty where the board reports none.
        sensors: its hwmon folder; None where there is none.
        apu: whether the CPU is on the same chip and in the same power.
    """

    slot: str
    gpu: Gpu
    unique_id: str
    sensors: Path | None
    apu: bool


def _cards(root: Path) -> list[_Card]:
    """AMD's boards in the order of their PCI addresses, as the runtime numbers them."""
    cards: dict[str, _Card] = {}
    for folder in root.glob("card*"):
        if not re.fullmatch(r"card\d+", folder.name):  # `card0-DP-1` is a socket for a screen
            continue
        device = folder / "device"
        places = sorted(device.glob("hwmon/hwmon*"))
        sensors = next((place for place in places if text_of(place / "name") == "amdgpu"), None)
        uevent = dict(line.partition("=")[::2] for line in text_of(device / "uevent").splitlines())
        if sensors is None and uevent.get("DRIVER") != "amdgpu":
            continue
        slot = uevent.get("PCI_SLOT_NAME") or folder.name
        pci_id = uevent.get("PCI_ID", "").upper()
        cap = text_of(sensors / "power1_cap") if sensors else ""
        # The northbridge's voltage is shown on APUs alone (Linux, amdgpu_pm.c).
        vddnb = sensors is not None and text_of(sensors / "in1_label") == "vddnb"
        cards[slot] = _Card(
            slot=slot,
            gpu=Gpu(
                text_of(device / "product_name") or f"AMD {pci_id or 'GPU'}",
                _watts_of(cap),
            ),
            unique_id=text_of(device / "unique_id").lower(),
            sensors=sensors,
            apu=vddnb or pci_id in APUS_WITHOUT_LABEL,
        )
    return [card for _, card in sorted(cards.items())]


def _watts_of(microwatts: str) -> int | None:
    """A power limit in whole watts; None where it is none."""
    try:
        return round(parse_digits(microwatts) / 1e6) or None
    except ValueError:
        return None


def _visible(cards: list[_Card]) -> list[_Card]:
    """Those that this process may use.

    `ROCR_VISIBLE_DEVICES` hides boards from everything, `HIP_VISIBLE_DEVICES` numbers what is left
    (AMD, "GPU isolation techniques").
    """
    for variable in ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"):
        named = os.environ.get(variable)
        if named is not None:
            cards = _named(cards, named)
    return cards


def _named(cards: list[_Card], names: str) -> list[_Card]:
    chosen: dict[str, _Card] = {}
    for name in (name.strip() for name in names.split(",")):
        named = [
            card
            for index, card in enumerate(cards)
            if name == str(index) or (card.unique_id and name.lower() == f"gpu-{card.unique_id}")
        ]
        if not named:  # what stands behind an unknown board is invisible
            break
        chosen.update((card.slot, card) for card in named)
    return [card for card in cards if card.slot in chosen]


def _drm_root() -> Path:
    return Path(os.environ.get("PYTEST_ENERGY_DRM") or DRM_ROOT)


def boards() -> tuple[Gpu, ...]:
    """The boards that this process sees, for the machine class; APUs belong to the CPU's model."""
    try:
        return tuple(card.gpu for card in _visible(_cards(_drm_root())) if not card.apu)
    except Exception:  # a tree that answers half of the questions is no GPU to class by
        return ()


# ROCm's library


class _Library:
    """amdsmi, initialised; without boards where it is missing, broken or refuses."""

    def __init__(self) -> None:
        self._amdsmi: Any = None
        self._handles: dict[str, Any] = {}
        try:
            # Without its native library the import prints, and then fails.
            with redirect_stdout(StringIO()):
                import amdsmi
            amdsmi.amdsmi_init()
        except Exception:  # no ROCm here; the kernel's files are read instead
            return
        self._amdsmi = amdsmi
        with suppress(Exception):
            for handle in amdsmi.amdsmi_get_processor_handles():
                # A board in partitions is listed once each, the first one first.
                self._handles.setdefault(amdsmi.amdsmi_get_gpu_device_bdf(handle).lower(), handle)

    def counter(self, card: _Card) -> Counter | None:
        """The board's accumulator; None where it has none."""
        handle = self._handles.get(card.slot.lower())
        if handle is None:
            return None
        try:
            counter = Counter(card.slot, lambda: self._microjoules(handle))
        except Exception:  # most often: not supported by this board, or in a virtual machine
            return None
        # Where there is nothing to count with, some boards show 0 (a second die, say).
        return counter if counter.last else None

    def _microjoules(self, handle: Any) -> int:
        answer = self._amdsmi.amdsmi_get_energy_count(handle)
        # Called `power` in ROCm 6.0 to 6.2.
        name = "energy_accumulator" if "energy_accumulator" in answer else "power"
        count = whole(answer[name], name)
        unit = answer["counter_resolution"]
        if not isinstance(unit, int | float) or not 0 < unit < MOST_UNIT_MICROJOULES:
            raise ValueError(f"counter_resolution is {shown(unit)}, no microjoules")
        if round(unit, 1) == round(ACCUMULATOR_MICROJOULES, 1):
            unit = ACCUMULATOR_MICROJOULES
        return int(count * unit)

    def close(self) -> None:
        if self._amdsmi is not None:
            with suppress(Exception):
                self._amdsmi.amdsmi_shut_down()
            self._amdsmi = None


# The meters


class Amd(Meter):
    """Energy of each AMD board that this process sees; APUs are left out, see `skipped_hardware`.

    Args:
        root: the kernel's tree of graphics boards.

    Raises:
        MeterUnavailableError: no board, none that is visible or shows what it spends, or no
            permission.
    """

    name = "amd"
    max_watts = MOST_BOARD_WATTS

    def __init__(self, root: Path | None = None) -> None:
        root = root or _drm_root()
        cards = _cards(root)
        if not cards:
            raise MeterUnavailableError(f"no AMD graphics board under {root}")
        visible = _visible(cards)
        if not visible:
            raise MeterUnavailableError(
                "no AMD board is visible to this process",
                "see ROCR_VISIBLE_DEVICES and HIP_VISIBLE_DEVICES",
            )
        self._files: list[NumberFile] = []
        self._powers: list[NumberFile] = []
        self._counters: list[Counter | None] = []
        self._sampler: PowerSampler | None = None
        self._library = _Library()
        domains: list[Domain] = []
        skipped_hardware: list[str] = []
        try:
            for position, card in enumerate(visible):
                why = self._take(card)
                if why:
                    skipped_hardware.append(f"{card.gpu.model} at {card.slot}: {why}")
                else:
                    # Numbered among the visible: a cluster hands out any of its equal boards.
                    domains.append(self._domain(f"amd:{position}"))
            if not domains:
                raise MeterUnavailableError("; ".join(skipped_hardware))
            if self._powers:
                self._sampler = PowerSampler(self._watts, SAMPLE_SECONDS, self.max_watts)
        except Exception:
            self.close()
            raise
        self.domains = tuple(domains)
        self.skipped_hardware = tuple(skipped_hardware)

    def _take(self, card: _Card) -> str:
        """Open what shows the board's energy; why nothing does."""
        if card.apu:
            return "an APU, whose power includes the CPU's, which would be counted twice"
        counter = self._library.counter(card)
        sensors = card.sensors
        if counter is None and sensors is not None:
            counter = self._open_counter(sensors / "energy1_input")
        if counter is not None:
            self._counters.append(counter)
            return ""
        # Since Linux 6.6 a board shows the one that it has, and most have one.
        for name in ("power1_average", "power1_input"):
            file = open_number(sensors / name) if sensors is not None else None
            if file is None:
                continue
            self._files.append(file)
            try:
                watts = _watts(file)
            except (OSError, ValueError):  # there, but not for this board
                continue
            if watts == 0:
                return "it shows 0 W, as a second die does whose first one shows both"
            self._powers.append(file)
            self._counters.append(None)
            return ""
        return "it shows neither energy nor power"

    def _open_counter(self, path: Path) -> Counter | None:
        file = open_number(path)
        if file is None:
            return None
        self._files.append(file)
        try:
            return Counter(str(path), file.read)
        except (OSError, ValueError):
            return None

    def _domain(self, name: str) -> Domain:
        if self._counters[-1] is None:
            return Domain(name, "gpu", Method.SAMPLED, "AMD hwmon", SAMPLE_SECONDS)
        return Domain(name, "gpu", Method.COUNTER, "AMD", UPDATE_SECONDS)

    def _watts(self) -> tuple[float, ...]:
        watts = []
        for file in self._powers:
            try:
                watts.append(_watts(file) or 0.0)
            except (OSError, ValueError) as error:
                raise MeterLostError(f"{file.path}: {error}") from error
        return tuple(watts)

    @property
    def missed_samples(self) -> int:  # type: ignore[override]
        """Of the sampled boards."""
        return self._sampler.missed_samples if self._sampler is not None else 0

    def read(self) -> tuple[int, ...]:
        """Microjoules board by board, since the driver was loaded or the sampling began."""
        sampled = iter(self._sampler.read() if self._sampler else ())
        return tuple(counter.read() if counter else next(sampled) for counter in self._counters)

    def close(self) -> None:
        """End the sampling, close the files and release ROCm's library."""
        if self._sampler is not None:
            self._sampler.close()
            self._sampler = None
        for file in self._files:
            file.close()
        self._files = []
        self._library.close()


def _watts(file: NumberFile) -> float | None:
    """Watts of a board; None while it sleeps.

    Newer kernels do not wake a board to ask it, and answer EPERM (Linux, amdgpu_pm.c,
    amdgpu_pm_get_access_if_active). A board that sleeps draws next to nothing.
    """
    try:
        return file.read() / 1e6
    except PermissionError:
        return None
