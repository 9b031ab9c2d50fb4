"""Apple silicon's counters, over a module with the names and units of zeus-apple-silicon 1.1."""

from __future__ import annotations

import importlib
import platform
import sys

import pytest

from pytest_energy.meters import builtin_sources, open_meters
from pytest_energy.meters.apple import Apple
from pytest_energy.meters.base import Meter, MeterLostError, MeterUnavailableError
from pytest_energy.meters.meter_set import MeterSet
from pytest_energy.types.energy import Domain, Method

ZEUS = """
class AppleEnergyMetrics:
    def __init__(self):
        self.cpu_total_mj = None
        self.efficiency_cores_mj = None
        self.performance_cores_mj = None
        self.efficiency_cluster_mj = None
        self.performance_cluster_mj = None
        self.efficiency_core_manager_mj = None
        self.performance_core_manager_mj = None
        self.dram_mj = None
        self.gpu_mj = None
        self.gpu_sram_mj = None
        self.ane_mj = None


CHIP = AppleEnergyMetrics()
ERRORS = []


class AppleEnergyMonitor:
    def __init__(self):
        if ERRORS:
            raise RuntimeError(ERRORS[0])

    def get_cumulative_energy(self):
        if ERRORS:
            raise RuntimeError(ERRORS[0])
        told = AppleEnergyMetrics()
        vars(told).update(vars(CHIP))
        return told

    def begin_window(self, key, restart=False):
        raise NotImplementedError

    def end_window(self, key):
        raise NotImplementedError
"""


@pytest.fixture
def zeus(tmp_path, monkeypatch):
    """The module, with an M1 Max's figures."""
    (tmp_path / "zeus_apple_silicon.py").write_text(ZEUS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "zeus_apple_silicon", raising=False)
    module = importlib.import_module("zeus_apple_silicon")
    module.CHIP.cpu_total_mj = 1000
    module.CHIP.efficiency_cores_mj = [100, 100]
    module.CHIP.performance_cores_mj = [300, 300]
    module.CHIP.efficiency_cluster_mj = [250]
    module.CHIP.performance_cluster_mj = [700]
    module.CHIP.efficiency_core_manager_mj = 20
    module.CHIP.performance_core_manager_mj = 30
    module.CHIP.dram_mj = 200
    module.CHIP.gpu_mj = 400
    module.CHIP.gpu_sram_mj = 5
    module.CHIP.ane_mj = 0
    yield module
    sys.modules.pop("zeus_apple_silicon", None)


def test_each_part_of_the_chip_is_counted_once_in_microjoules(zeus):
    meter = Apple()
    assert [domain.name for domain in meter.domains] == ["cpu", "gpu", "dram", "ane"]
    assert {domain.method for domain in meter.domains} == {Method.COUNTER}
    # The figures of cores, clusters and managers are inside the CPU's.
    assert meter.read() == (1_000_000, 405_000, 200_000, 0)


def test_counts_go_on_from_one_reading_to_the_next(zeus):
    meter = Apple()
    before = meter.read()
    zeus.CHIP.cpu_total_mj += 3
    zeus.CHIP.gpu_sram_mj += 2
    assert [b - a for a, b in zip(before, meter.read(), strict=True)] == [3000, 2000, 0, 0]


def test_what_a_chip_does_not_tell_is_no_domain(zeus):
    zeus.CHIP.dram_mj = zeus.CHIP.gpu_sram_mj = None
    meter = Apple()
    assert [domain.name for domain in meter.domains] == ["cpu", "gpu", "ane"]
    assert meter.read() == (1_000_000, 400_000, 0)


def test_a_version_that_lacks_a_figure_is_read_for_the_others(zeus):
    del zeus.CHIP.ane_mj
    zeus.AppleEnergyMetrics.__init__ = lambda self: None
    assert [domain.name for domain in Apple().domains] == ["cpu", "gpu", "dram"]


def test_a_chip_that_tells_nothing_is_no_meter(zeus):
    vars(zeus.CHIP).update(dict.fromkeys(vars(zeus.CHIP)))
    with pytest.raises(MeterUnavailableError, match="none of this chip's counters") as error:
        Apple()
    assert "pip install --upgrade zeus-apple-silicon" in error.value.hint


def test_counters_that_are_closed_are_no_meter(zeus):
    zeus.ERRORS.append("Failed to create IOReport subscription.")
    with pytest.raises(MeterUnavailableError, match="Failed to create IOReport subscription"):
        Apple()


def test_counters_that_close_in_the_midst_are_a_lost_meter(zeus):
    meter = Apple()
    zeus.ERRORS.append("Failed to create sample.")
    with pytest.raises(MeterLostError, match="Failed to create sample"):
        meter.read()


def test_a_figure_that_vanishes_is_a_lost_meter(zeus):
    meter = Apple()
    zeus.CHIP.gpu_sram_mj = None
    with pytest.raises(MeterLostError, match="gpu_sram_mj: the chip no longer reports it"):
        meter.read()


@pytest.mark.parametrize("figure", [float("nan"), float("inf"), -1, 0.5, "1000", True])
def test_a_figure_that_is_no_count_is_a_lost_meter(zeus, figure):
    meter = Apple()
    zeus.CHIP.dram_mj = figure
    with pytest.raises(MeterLostError, match=r"dram_mj is .*, no count"):
        meter.read()


def test_a_count_that_goes_back_is_a_lost_meter(zeus):
    meter = Apple()
    zeus.CHIP.dram_mj -= 1
    with pytest.raises(MeterLostError, match="dram: went back from 200000 to 199000 microjoules"):
        meter.read()


@pytest.fixture
def without_zeus(monkeypatch):
    monkeypatch.setitem(sys.modules, "zeus_apple_silicon", None)  # as if it were not installed


@pytest.mark.parametrize(
    ("system", "machine", "reason", "hint"),
    [
        (
            "darwin",
            "arm64",
            "zeus-apple-silicon is not installed",
            "pip install 'pytest-energy[apple]'",
        ),
        ("darwin", "x86_64", "Python runs for x86_64", "use a Python for arm64"),
        ("linux", "x86_64", "only Macs with Apple silicon have these counters", ""),
    ],
)
def test_where_it_is_unavailable_it_says_why_and_what_would_help(
    without_zeus, monkeypatch, system, machine, reason, hint
):
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    with pytest.raises(MeterUnavailableError, match=reason) as error:
        Apple()
    assert hint in error.value.hint


def test_auto_takes_the_chips_counters_and_estimates_nothing(zeus):
    ours = [source for source in builtin_sources() if source.name in ("apple", "cpu_time")]
    chosen = open_meters(["auto"], ours)
    assert (chosen.names, chosen.note) == (("apple",), "")


def test_another_counter_of_the_same_cpu_is_refused(zeus):
    class Fixed(Meter):
        name = "theirs"
        domains = (Domain("cpu", "cpu", Method.COUNTER, "theirs", 0.0),)

        def read(self) -> tuple[int, ...]:
            return (0,)

    with pytest.raises(ValueError, match="'apple' and 'theirs' both count 'cpu'"):
        MeterSet([Apple(), Fixed()])
