"""Clock, heat and load, as the system tells them."""

from __future__ import annotations

import subprocess
import sys

from pytest_energy.machine.sensors import Clock, Heat, LoadWatch, read_clock, read_heat


def test_the_clock_is_read_from_the_kernels_tree(tmp_path):
    for number, khz in enumerate((2_000_000, 3_000_000)):
        policy = tmp_path / "cpufreq" / f"policy{number}"
        policy.mkdir(parents=True)
        (policy / "scaling_governor").write_text("powersave\n")
        (policy / "scaling_cur_freq").write_text(f"{khz}\n")
        (policy / "cpuinfo_max_freq").write_text("4800000\n")
    assert read_clock(tmp_path) == Clock(("powersave",), 2500.0, 4800.0, None)
    (tmp_path / "cpufreq" / "boost").write_text("1\n")
    assert read_clock(tmp_path).boost is True
    (tmp_path / "intel_pstate").mkdir()
    (tmp_path / "intel_pstate" / "no_turbo").write_text("1\n")
    assert read_clock(tmp_path).boost is False


def test_a_tree_that_tells_nothing_or_garbage_leaves_the_clock_unknown(tmp_path):
    assert read_clock(tmp_path) == Clock()
    (tmp_path / "cpufreq" / "policy0").mkdir(parents=True)
    (tmp_path / "cpufreq" / "policy0" / "scaling_cur_freq").write_text("<unknown>\n")
    assert read_clock(tmp_path) == Clock()


def test_throttling_is_the_busiest_cpus_count_and_unknown_where_nobody_counts(tmp_path):
    assert read_heat(tmp_path).throttled is None
    for number, (core, package) in enumerate(((3, 7), (5, 7))):
        folder = tmp_path / f"cpu{number}" / "thermal_throttle"
        folder.mkdir(parents=True)
        (folder / "core_throttle_count").write_text(f"{core}\n")
        (folder / "package_throttle_count").write_text(f"{package}\n")
    assert read_heat(tmp_path).throttled == 7
    assert isinstance(read_heat(tmp_path), Heat)


def test_other_processes_are_load_and_this_ones_children_are_not():
    burn = "import time\nend = time.process_time() + 0.8\nwhile time.process_time() < end: pass"
    child = subprocess.Popen([sys.executable, "-c", burn])
    watch = LoadWatch()
    child.wait()
    mine = watch.load()
    own_share = 0.8 / (mine.seconds * mine.logical_cpus)
    # Whatever else runs on this machine, it is not counted with the child's time.
    assert mine.other_cpu_share is not None
    assert mine.other_cpu_share <= 1 - 0.8 * own_share


def test_a_moment_is_too_short_to_tell_the_load():
    assert LoadWatch().load().other_cpu_share is None
