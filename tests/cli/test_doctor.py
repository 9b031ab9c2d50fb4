"""`pytest-energy doctor`, run as people run it: the installed script, in a folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path

import pytest

from support.faults import needs_full_device, to_full_device
from support.installed import SCRIPT, Place

pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="the console script is not installed")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


class Powercap:
    """A tree as the kernel shows it, whose counters move."""

    def __init__(self, place: Place, **watts: float) -> None:
        self.root = place.path / "powercap"
        self.watts = watts
        self.counters = []
        for position, zone in enumerate(watts):
            folder = self.root / ("intel-rapl:0" if position == 0 else f"intel-rapl:0:{position}")
            folder.mkdir(parents=True)
            (folder / "name").write_text(f"{zone.replace('_', '-')}\n")
            (folder / "max_energy_range_uj").write_text("262143328850\n")
            (folder / "energy_uj").write_text("1000000\n")
            self.counters.append(folder / "energy_uj")
        place.environment["PYTEST_ENERGY_POWERCAP"] = str(self.root)
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.move)

    def __enter__(self) -> Powercap:
        self.thread.start()
        return self

    def __exit__(self, *unused: object) -> None:
        self.ended.set()
        self.thread.join()

    def move(self) -> None:
        descriptors = [os.open(counter, os.O_WRONLY) for counter in self.counters]
        began = time.perf_counter()
        while not self.ended.wait(0.001):
            passed = time.perf_counter() - began
            for descriptor, watts in zip(descriptors, self.watts.values(), strict=True):
                os.pwrite(descriptor, b"%d\n" % (1_000_000 + passed * watts * 1e6), 0)
        for descriptor in descriptors:
            os.close(descriptor)


METERS = """
from pytest_energy import Domain, Meter, MeterLostError, MeterSource, MeterUnavailableError, Method

class Mine(Meter):
    name = "mine"
    domains = (Domain("socket", "system", Method.SAMPLED, "a plug", 1.0),)

    def read(self):
        return (7,)
"""

# What stands in the report


def test_a_counter_has_its_power_period_and_cost_and_the_exit_code_is_0(place):
    with Powercap(place, package_0=40.0, dram=3.0):
        row = place.row("rapl", code=0)
    assert (row["found"], row["chosen"], row["reason"]) == (True, True, "")
    assert [(d["name"], d["method"], d["source"]) for d in row["domains"]] == [
        ("cpu", "counter", "RAPL"),
        ("dram", "counter", "RAPL"),
    ]
    assert [d["watts"] for d in row["domains"]] == pytest.approx([40.0, 3.0], rel=0.3)
    # Where this machine is busy, the writer may be kept from moving the counters for a moment.
    assert all((d["update_seconds"] or 1) > 0.0005 for d in row["domains"])
    assert row["read_seconds"] > 0


def test_a_counter_that_stands_still_is_not_trusted(place):
    tree = Powercap(place, package_0=40.0)  # nobody moves it
    row = place.row("rapl", code=1)
    assert [(d["watts"], d["stalled"]) for d in row["domains"]] == [(None, True)]
    assert "cpu: the counter stands still" in place.doctor(code=1)
    assert "rest on hardware energy counters" not in place.doctor(code=1)
    del tree


def test_a_folder_that_is_not_there_is_an_error(place):
    done = place.call("doctor", "nowhere")
    assert done.returncode == 2
    assert "file or directory not found: nowhere" in done.stderr


@needs_full_device
def test_a_report_that_cannot_be_written_is_an_error_and_no_verdict_on_the_machine(place):
    done = to_full_device([str(SCRIPT), "doctor"], place.path, place.environment)
    assert done.returncode == 2
    assert "the report could not be written" in done.stderr


def test_an_estimate_alone_gives_exit_code_1_and_says_why_and_what_to_do(place):
    found = place.told(code=1)
    assert found["chosen"]["meters"] == ["cpu_time"]
    reason = f"there is no folder {place.path}"
    assert found["chosen"]["note"].startswith("estimated, because rapl: " + reason)
    assert found["quality"] == "estimated"
    assert "estimates only (cpu)" in found["summary"]
    assert found["next_step"]["text"]


def test_the_remedy_for_a_closed_counter_can_be_copied_whole(place):
    setpriv = shutil.which("setpriv")
    if os.geteuid() == 0:
        if setpriv is None:
            pytest.skip("root may read everything: needs setpriv (Debian: util-linux)")
        dropped = "-dac_override,-dac_read_search"
        place.prefix = [setpriv, f"--bounding-set={dropped}", f"--inh-caps={dropped}"]
    tree = Powercap(place, package_0=40.0)
    tree.counters[0].chmod(0)
    row = place.row("rapl")
    assert row["reason"] == f"no permission to read {tree.counters[0]}"
    assert row["hint"] in place.doctor(code=1)  # no line of it is broken at 80 columns


def test_a_remedy_of_several_lines_is_printed_as_it_is(place):
    hint = "as root:\n  " + "echo a command that is much longer than any line here " * 2 + "\nend"
    place.write(
        "conftest.py",
        METERS
        + f"""
def closed():
    raise MeterUnavailableError("it is locked", {hint!r})

def pytest_energy_meters():
    return MeterSource("closed", closed, about="a vault")
""",
    )
    text = place.doctor(code=1)
    assert f"\nhint for closed\n{hint}\n\n" in text
    assert "closed      a vault: it is locked\n" in text


def test_machine_carbon_load_clock_and_heat_are_told_or_said_to_be_untold(place):
    found = place.told("--energy-country=DEU", "--energy-pue=1.2", code=1)
    assert found["machine"]["class"].startswith(
        found["machine"]["cpu"].split()[0].lower().removesuffix("(r)")
    )
    assert (found["carbon"]["place"], found["carbon"]["pue"]) == ("Germany", 1.2)
    assert found["carbon"]["source"].startswith("Our World in Data")
    assert 0 <= found["load"]["other_cpu_share"] <= 1
    assert found["load"]["seconds"] >= 0.5
    text = place.doctor(code=1)
    for label in (
        "chosen",
        "machine",
        "class",
        "carbon",
        "others",
        "clock",
        "heat",
        "quality",
    ):
        assert f"\n{label:<12}" in text
    if not found["heat"]["temperatures"] and found["heat"]["throttled"] is None:
        assert f"\n{'heat':<12}not reported by the system\n" in text


# What counts: options, ini files, conftests


def test_ini_values_and_options_count_as_in_a_session(place):
    place.write("pytest.ini", "[pytest]\nenergy_meter = cpu_time\nenergy_carbon_intensity = 42\n")
    found = place.told(code=1)
    assert found["chosen"]["asked"] == ["cpu_time"]
    assert found["carbon"]["grams_per_kwh"] == 42
    found = place.told("--energy-carbon-intensity", "43", code=1)
    assert found["carbon"]["grams_per_kwh"] == 43


def test_a_meter_of_a_conftest_has_a_row_and_can_be_chosen(place):
    place.write(
        "tests/conftest.py",
        METERS + "def pytest_energy_meters():\n    return MeterSource('mine', Mine, about='it')\n",
    )
    row = place.row("mine", "--energy-meter=mine", code=0)
    assert (row["found"], row["chosen"], row["automatic"]) == (True, True, False)
    assert row["domains"][0]["watts"] is None  # it never moved
    found = place.told(code=0)  # something better than an estimate is there; auto may not take it
    assert found["quality"] == "estimated"
    assert found["next_step"]["command"] == "pytest --energy-meter mine"


def test_a_meter_that_a_plugin_registers_when_it_is_configured_counts_too(place):
    place.write(
        "conftest.py",
        METERS
        + """
class Late:
    def pytest_energy_meters(self):
        return [MeterSource("mine", Mine)]

def pytest_configure(config):
    config.pluginmanager.register(Late())
""",
    )
    assert place.row("mine", code=0)["found"]


@pytest.mark.parametrize(
    ("autoload", "arguments"),
    [
        (False, []),
        (False, ["-p", "pytest_energy.plugin"]),
        (False, ["-p", "energy"]),
        (True, []),
        (True, ["-p", "energy"]),
    ],
)
def test_it_works_whether_or_not_plugins_are_loaded_by_themselves(place, autoload, arguments):
    if autoload:
        del place.environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"]
    found = place.told(*arguments, "--energy-meter=cpu_time", code=1)
    assert found["chosen"]["meters"] == ["cpu_time"]


def test_no_test_is_collected_imported_or_run(place):
    place.write("test_it.py", "open('imported', 'w')\n")
    place.write("conftest.py", "def pytest_collection():\n    open('collected', 'w')\n")
    place.doctor(code=1)
    assert not (place.path / "imported").exists()
    assert not (place.path / "collected").exists()


def test_it_leaves_nothing_behind(place):
    before = sorted(place.path.rglob("*"))
    place.doctor(code=1)
    after = sorted(path for path in place.path.rglob("*") if "__pycache__" not in path.parts)
    assert after == before


def test_it_says_when_metering_is_switched_off(place):
    assert place.told("--energy-off", code=1)["off"]
    assert "energy_off is set" in " ".join(place.doctor("--energy-off", code=1).split())


# What goes wrong


@pytest.mark.parametrize(
    ("opening", "reason"),
    [
        ("raise ZeroDivisionError('boom')", "ZeroDivisionError: boom"),
        ("raise SystemExit('gone')", "SystemExit: gone"),
        ("import pytest; pytest.skip('not here')", "Skipped: not here"),
        ("raise MeterUnavailableError('no board')", "no board"),
        ("return 3", "TypeError: what it opened is no Meter: 3"),
        ("m = Mine(); m.domains = (); return m", "TypeError: its domains are ()"),
        ("m = Mine(); m.read = lambda: (1, 2); return m", "read() returned more than 1, and"),
        ("m = Mine(); m.read = lambda: ('x',); return m", "read() returned 'x' for"),
        ("m = Mine(); m.read = lambda: 1 // 0; return m", "ZeroDivisionError: "),
        ("m = Mine(); m.interference = lambda: 1 // 0; return m", "ZeroDivisionError: "),
    ],
)
def test_whatever_a_meter_does_is_a_row_that_says_so(place, opening, reason):
    place.write(
        "conftest.py",
        METERS
        + f"""
def explode():
    {opening}

def pytest_energy_meters():
    return [MeterSource("bad", explode), MeterSource("good", Mine)]
""",
    )
    found = place.told(code=0)
    rows = {row["name"]: row for row in found["meters"]}
    assert not rows["bad"]["found"]
    assert rows["bad"]["reason"].startswith(reason)
    assert rows["good"]["found"]


def test_a_meter_that_is_lost_after_it_was_chosen_is_an_error(place):
    place.write(
        "conftest.py",
        METERS
        + """
class Lost(Mine):
    def read(self):
        raise MeterLostError("the plug was pulled")

def pytest_energy_meters():
    return [MeterSource("mine", Lost)]
""",
    )
    done = place.call("doctor", "--energy-meter=mine")
    assert done.returncode == 2
    assert "the plug was pulled" in " ".join(done.stdout.split("error")[1].split())


def test_an_unknown_meter_is_an_error_that_lists_those_there_are(place):
    done = place.call("doctor", "--json", "--energy-meter=nothing")
    assert done.returncode == 2
    found = json.loads(done.stdout)
    (problem,) = found["problems"]
    assert problem.startswith("no meter named 'nothing'; there are: auto; rapl (there is no folder")
    assert problem in done.stderr
    assert [m["name"] for m in found["meters"]][:3] == ["rapl", "nvml", "cpu_time"]


def test_an_unavailable_meter_that_was_asked_for_is_an_error(place):
    (problem,) = place.told("--energy-meter=rapl", code=2)["problems"]
    assert problem.startswith("meter 'rapl' is unavailable: there is no folder")


def test_an_unknown_country_is_an_error_beside_all_that_was_found(place):
    found = place.told("--energy-country=Germny", code=2)
    assert found["carbon"] is None
    assert "near it" in found["problems"][0]
    assert found["chosen"]["meters"] == ["cpu_time"]


@pytest.mark.parametrize(
    ("name", "text", "arguments", "said"),
    [
        ("conftest.py", "1 / 0", [], "ZeroDivisionError"),
        ("conftest.py", "import pytest; pytest.exit('enough')", [], "enough"),
        ("conftest.py", "raise SystemExit(0)", [], "SystemExit"),
        ("conftest.py", "def pytest_configure(): 1 / 0", [], "ZeroDivisionError"),
        ("conftest.py", "def pytest_energy_meters(): 1 / 0", [], "pytest_energy_meters: ZeroDiv"),
        ("conftest.py", "def pytest_energy_meters(): return ['x']", [], "a MeterSource, found 'x'"),
        ("pytest.ini", "[pytest\n", [], "pytest.ini:1"),
        ("pytest.ini", "[pytest]\nenergy_tolerance = much\n", [], "ini energy_tolerance"),
        ("pytest.ini", "", ["--energy-nothing"], "unrecognized arguments: --energy-nothing"),
        ("pytest.ini", "", ["-p", "no:energy"], "switched off by -p no:energy"),
        ("pytest.ini", "", ["-p", "nothing_such"], "nothing_such"),
    ],
)
def test_what_stops_pytest_is_exit_code_2_with_its_message_on_standard_error(
    place, name, text, arguments, said
):
    place.write(name, text)
    done = place.call("doctor", "--json", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_nothing_but_json_stands_on_standard_output_whoever_writes_there(place):
    place.write(
        "conftest.py",
        """
import os, subprocess
print("imported")
os.write(1, b"at the import\\n")

def pytest_configure():
    print("configured")
    subprocess.run(["echo", "a child"])

def pytest_energy_meters():
    os.write(1, b"asked\\n")
    return []
""",
    )
    done = place.call("doctor", "--json", "-s")
    assert json.loads(done.stdout)["exit_code"] == 1
    for said in ("imported", "at the import", "configured", "a child", "asked"):
        assert said in done.stderr


def test_a_reader_who_leaves_early_is_no_error(place):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [str(SCRIPT), "doctor"],
        cwd=place.path,
        env=place.environment,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


# How it looks


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_in_a_file_there_are_no_colours_and_lines_fit(place, columns):
    place.environment["COLUMNS"] = str(columns)
    with Powercap(place, package_0=40.0, dram=3.0):
        text = place.doctor("--energy-meter=auto", code=0)
    assert "\x1b" not in text
    assert "…" not in text
    for name in ("rapl", "dram", "counter", "estimated", "cpu_time"):
        assert name in text.replace("\n", "") or columns == 40
    if columns >= 80:
        longest = max(text.splitlines(), key=len)
        assert len(longest) <= min(columns, 100) or str(place.path) in longest


def test_without_a_terminal_lines_are_80_columns_wide(place):
    text = place.doctor(code=1)
    rule = next(line for line in text.splitlines() if line.startswith("─"))
    assert 60 < len(rule) <= 80


# The command line


def test_the_doctor_explains_itself(place):
    done = place.call("doctor", "--help")
    assert done.returncode == 0
    assert "--json" in done.stdout
    assert "only an estimate is, 2 for an error" in " ".join(done.stdout.split())
    assert "doctor" in place.call("--help").stdout
    assert place.call("--version").stdout == f"pytest-energy {version('pytest-energy')}\n"


@pytest.mark.parametrize("arguments", [[], ["surgeon"]])
def test_an_unknown_command_is_exit_code_2(place, arguments):
    done = place.call(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: pytest-energy" in done.stderr


def test_the_module_is_the_script(place):
    done = subprocess.run(
        [sys.executable, "-m", "pytest_energy", "--version"],
        cwd=place.path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("pytest-energy ")
