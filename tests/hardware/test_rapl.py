"""RAPL, over a powercap tree like the kernel's."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from pytest_energy.metering.window import Window
from pytest_energy.meters import builtin_sources, open_meters
from pytest_energy.meters.base import MeterLostError, MeterUnavailableError
from pytest_energy.meters.meter_set import MeterSet
from pytest_energy.meters.rapl import Psys, Rapl
from pytest_energy.types.energy import Method
from support.clocks import Clock


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
    with pytest.raises(MeterUnavailableError, match=r"there is no folder .*nowhere"):
        Rapl(tmp_path / "nowhere")


def refused(path, flags):
    """What the kernel answers: root could read the file whatever its mode."""
    raise PermissionError(13, "Permission denied", str(path))


def test_no_permission_comes_with_the_remedy(powercap, monkeypatch):
    powercap.zone("intel-rapl:0", "package-0")
    monkeypatch.setattr("pytest_energy.meters.sysfs.os.open", refused)
    monkeypatch.setattr("pytest_energy.meters.rapl.POWERCAP_ROOT", powercap.root)
    with pytest.raises(MeterUnavailableError, match="no permission to read") as error:
        Rapl(powercap.root)
    hint = error.value.hint
    assert "groupadd" in hint
    assert "/etc/udev/rules.d/" in hint
    assert "udevadm trigger" in hint


def test_a_closed_counter_is_said_where_an_estimate_stands_in_for_it(powercap, monkeypatch):
    powercap.zone("intel-rapl:0", "package-0")
    monkeypatch.setattr("pytest_energy.meters.rapl.POWERCAP_ROOT", powercap.root)
    monkeypatch.delenv("PYTEST_ENERGY_POWERCAP", raising=False)
    monkeypatch.setattr("pytest_energy.meters.sysfs.os.open", refused)
    meters = open_meters(["auto"], builtin_sources())
    assert meters.names == ("cpu_time",)
    assert meters.note.startswith("estimated, because rapl: no permission to read")
    assert "pytest-energy doctor says what to do" in meters.note
    with pytest.raises(ValueError, match=r"'rapl' is unavailable: no permission(.|\n)*groupadd"):
        open_meters(["rapl"], builtin_sources())


GARBAGE = ["oops", "", "-5", "+5", "nan", "1_0", "1.5e9", "\u0665", "\0\0\0", "9" * 10_000]


@pytest.mark.parametrize("garbage", [*GARBAGE, "999999999999999"], ids=lambda text: text[:10])
def test_a_zone_that_turns_to_garbage_is_a_lost_meter(powercap, garbage):
    powercap.zone("intel-rapl:0", "package-0", 10)
    meter = Rapl(powercap.root)
    powercap.set("intel-rapl:0", garbage)
    with pytest.raises(MeterLostError, match="intel-rapl:0"):
        meter.read()


def test_a_counter_that_may_have_wrapped_unseen_is_said(powercap):
    clock = Clock()
    powercap.zone("intel-rapl:0", "package-0", 0, wraps_at=262_000_000_000)
    meters = MeterSet([Rapl(powercap.root)], clock=clock)
    assert meters.max_read_interval_seconds == pytest.approx(262)  # at 1,000 W
    clock.now += 1800
    window = Window(meters)
    window.open()  # what passed before is no matter of the window's
    clock.now += 100
    window.close(1)
    assert window.measurement() is not None
    window = Window(meters)
    window.open()
    clock.now += 1800
    window.close(1)
    assert window.measurement() is None
    assert "1800 s passed between two readings, and after 262 s" in window.lost
    meters.close()


@pytest.mark.parametrize("wraps_at", ["0", *GARBAGE], ids=lambda text: text[:10])
def test_a_counter_without_a_range_is_no_meter(powercap, wraps_at):
    powercap.zone("intel-rapl:0", "package-0", 10, wraps_at=wraps_at)
    with pytest.raises(MeterUnavailableError, match=r"intel-rapl:0: not a readable .*, found '"):
        Rapl(powercap.root)


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda text: text[:10])
def test_dies_whose_counters_are_garbage_are_no_meter(powercap, garbage):
    for die in range(2):
        powercap.zone(f"intel-rapl:{die}", f"package-0-die-{die}", garbage)
    with pytest.raises(MeterUnavailableError, match=r"intel-rapl:0: not a readable .*, found '"):
        Rapl(powercap.root)


def dies(powercap, *microjoules, package=0):
    for number, count in enumerate(microjoules):
        powercap.zone(
            f"intel-rapl:{2 * package + number}", f"package-{package}-die-{number}", count
        )


def test_dies_that_count_for_themselves_are_counted_each(powercap):
    dies(powercap, 5_000_000_000, 7_000_000_000)
    names = [d.name for d in Rapl(powercap.root, vendor="GenuineIntel").domains]
    assert names == ["cpu:0-die-0", "cpu:0-die-1"]


def test_dies_that_show_their_packages_counter_are_counted_once(powercap):
    dies(powercap, 5_000_000_000, 5_000_000_040)
    dies(powercap, 9_000_000_000, 9_000_000_000, package=1)
    meter = Rapl(powercap.root, vendor="GenuineIntel")  # the counts themselves tell
    assert [d.name for d in meter.domains] == ["cpu:0", "cpu:1"]

    def spend():
        powercap.set("intel-rapl:0", 5_000_003_000)
        powercap.set("intel-rapl:1", 5_000_003_000)

    assert difference(meter, spend) == [3000, 0]


def test_dies_that_have_not_counted_yet_are_told_apart_by_the_maker(powercap):
    dies(powercap, 0, 0)
    assert len(Rapl(powercap.root, vendor="AuthenticAMD").domains) == 1
    assert len(Rapl(powercap.root, vendor="GenuineIntel").domains) == 2


def test_a_twin_through_mmio_counts_only_where_it_stands_alone(powercap):
    powercap.zone("intel-rapl-mmio:0", "package-0", 10)
    assert [d.name for d in Rapl(powercap.root).domains] == ["cpu"]
    powercap.zone("intel-rapl:0", "package-0", 700)
    meter = Rapl(powercap.root)
    assert difference(meter, lambda: powercap.set("intel-rapl:0", 900)) == [200]


def test_a_tree_of_nested_folders_is_read_as_the_flat_one_is(powercap):
    powercap.zone("intel-rapl:0", "package-0")
    powercap.zone("intel-rapl:0/intel-rapl:0:0", "core")
    powercap.zone("intel-rapl:0/intel-rapl:0:1", "dram")
    assert [d.name for d in Rapl(powercap.root).domains] == ["cpu", "dram"]


def test_the_whole_platform_is_counted_on_request_and_alone(powercap, monkeypatch):
    powercap.zone("intel-rapl:0", "package-0", 100)
    powercap.zone("intel-rapl:1", "psys", 500)
    meter = Psys(powercap.root)
    assert [(d.name, d.kind) for d in meter.domains] == [("psys", "system")]
    assert difference(meter, lambda: powercap.set("intel-rapl:1", 800)) == [300]
    monkeypatch.setenv("PYTEST_ENERGY_POWERCAP", str(powercap.root))
    assert open_meters(["rapl_psys"], builtin_sources()).names == ("rapl_psys",)
    with pytest.raises(ValueError, match=r"'rapl_psys' and 'rapl' both count 'cpu', .* twice"):
        open_meters(["rapl", "rapl_psys"], builtin_sources())


def test_a_board_without_a_platform_counter_says_so(powercap):
    powercap.zone("intel-rapl:0", "package-0")
    with pytest.raises(MeterUnavailableError, match="no psys zone under"):
        Psys(powercap.root)


def test_a_counter_that_goes_back_is_not_taken_for_one_that_wrapped(powercap):
    powercap.zone("intel-rapl:0", "package-0", 5_000_000_000)
    meter = Rapl(powercap.root)
    powercap.set("intel-rapl:0", 4_000_000_000)
    with pytest.raises(
        MeterLostError, match=r"went back from 5000000000 to 4000000000 .*suspended"
    ):
        meter.read()


@pytest.mark.parametrize("how", ["zone", "tree"])
def test_a_tree_that_vanishes_leaves_what_was_opened_readable_and_nothing_new(powercap, how):
    powercap.zone("intel-rapl:0", "package-0", 10)
    meter = Rapl(powercap.root)
    shutil.rmtree(powercap.root / "intel-rapl:0" if how == "zone" else powercap.root)
    assert meter.read() == (0,)  # the descriptor is open: as with a file that was deleted
    with pytest.raises(MeterUnavailableError, match=r"no package zones under|there is no folder"):
        Rapl(powercap.root)


def test_permission_that_is_taken_away_half_way_does_not_matter_to_an_open_meter(powercap):
    path = powercap.zone("intel-rapl:0", "package-0", 10)
    meter = Rapl(powercap.root)
    (path / "energy_uj").chmod(0)
    os.truncate(path / "energy_uj", 0)
    (path / "energy_uj").write_text("15\n") if os.geteuid() == 0 else None
    assert meter.read() == ((5,) if os.geteuid() == 0 else (0,))


def test_closing_gives_the_descriptors_back(powercap):
    path = powercap.zone("intel-rapl:0", "package-0") / "energy_uj"
    if not Path("/proc/self/fd").exists():
        pytest.skip("no /proc here")
    meter = Rapl(powercap.root)
    assert path in opened_files()
    meter.close()
    assert path not in opened_files()


def opened_files():
    return {fd.resolve() for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink()}


# Windows longer than a wrap

SPENDER = """
import os, sys, time
path, wraps_at, watts, seconds = sys.argv[1], *map(float, sys.argv[2:])
fd = os.open(path, os.O_WRONLY)
start = time.monotonic()
while (passed := time.monotonic() - start) < seconds:
    os.pwrite(fd, b"%020d\\n" % int(passed * watts * 1e6 % wraps_at), 0)
    time.sleep(0.002)
os.pwrite(fd, b"%020d\\n" % int(seconds * watts * 1e6 % wraps_at), 0)
"""


def metered_while_spending(powercap, joules_a_wrap, joules):
    """A window of 900 W, and what it says."""
    path = powercap.zone("intel-rapl:0", "package-0", wraps_at=int(joules_a_wrap * 1e6))
    meters = MeterSet([Rapl(powercap.root)])
    window = Window(meters)
    command = [sys.executable, "-c", SPENDER, str(path / "energy_uj")]
    try:
        window.open()
        subprocess.run([*command, str(joules_a_wrap * 1e6), "900", str(joules / 900)], check=True)
        window.close(1)
    finally:
        meters.close()
    return window


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="POSIX timers")
def test_a_window_in_which_a_counter_wraps_several_times_is_right(powercap):
    threads = threading.active_count()
    window = metered_while_spending(powercap, joules_a_wrap=900, joules=2000)
    (joules,) = window.measurement().domain_joules
    assert joules == pytest.approx(2000, rel=1e-6)
    assert threading.active_count() == threads
    assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL  # closed: as it was found


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="POSIX timers")
def test_the_timer_runs_from_a_tests_first_window_to_the_tests_end(powercap):
    powercap.zone("intel-rapl:0", "package-0")
    meters = MeterSet([Rapl(powercap.root)])
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    Window(meters).open()
    assert signal.getitimer(signal.ITIMER_REAL)[1] == pytest.approx(262.143 / 3, abs=0.01)
    meters.disarm()
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    meters.close()
    assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL


def test_a_metered_test_leaves_no_timer_to_the_next(powercap, project, monkeypatch):
    powercap.zone("intel-rapl:0", "package-0")
    project.own_process = True
    project.write(
        test_it="""
        import signal, pytest

        @pytest.mark.inference(n=1)
        def test_metered():
            assert signal.getitimer(signal.ITIMER_REAL)[1] > 80

        @pytest.mark.inference(n=1)
        def test_that_fails():
            raise ValueError

        def test_after():
            assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
        """
    )
    monkeypatch.setenv("PYTEST_ENERGY_POWERCAP", str(powercap.root))
    project.run("--energy-meter=rapl").assert_outcomes(passed=2, failed=1)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="POSIX timers")
def test_an_alarm_of_the_tests_own_still_ends_it(powercap):
    powercap.zone("intel-rapl:0", "package-0")
    code = f"""
    import os, signal, time
    from pathlib import Path
    from pytest_energy.meters.meter_set import MeterSet
    from pytest_energy.meters.rapl import Rapl
    from pytest_energy.metering.window import Window
    meters = MeterSet([Rapl(Path({str(powercap.root)!r}))])
    window = Window(meters)
    window.open()
    window.close(1)
    meters.disarm()
    signal.alarm(1)
    time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGALRM


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="POSIX timers")
def test_where_somebody_else_holds_the_timer_a_long_window_is_unmeasured_and_says_why(powercap):
    def theirs(number, frame):
        pass

    signal.signal(signal.SIGALRM, theirs)
    try:
        window = metered_while_spending(powercap, joules_a_wrap=300, joules=1000)
        assert signal.getsignal(signal.SIGALRM) is theirs
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    assert window.measurement() is None
    assert "may have wrapped unseen" in window.lost
    assert "timeout_method = thread" in window.lost
