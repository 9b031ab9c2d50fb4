"""The options of the meters for what serves."""

from __future__ import annotations

import subprocess
import sys

import pytest

from support.prometheus import SECRET


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (f"--energy-metrics-url=http://me:{SECRET}@host", "a user or password is refused"),
        ("--energy-metrics-url=nowhere", "expected a URL such as http://localhost:9400/metrics"),
        ("--energy-metrics-counter=x", "the unit of 'x' is not known"),
        ("--energy-metrics-interval=0", "expected seconds such as 15, found '0'"),
        ("--energy-metrics-requests=nowhere", "expected a URL"),
        (f"--energy-http-url=http://{SECRET}@plug", "a user or password is refused"),
        ("--energy-http-counter=aenergy.total", "expected PATH UNIT"),
        ("--energy-http-interval=x", "expected seconds such as 15, found 'x'"),
        ("--energy-processes-of=here", "expected a port such as 8000"),
    ],
)
def test_options_that_cannot_be_meant_are_usage_errors_that_name_them(loop, option, message):
    result = loop.run(option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    flag = option.partition("=")[0]
    result.stderr.fnmatch_lines([f"*{flag} (or ini *{message}*"])
    assert SECRET not in result.stderr.str() + result.stdout.str()


@pytest.mark.parametrize("meter", ["metrics", "http"])
def test_without_a_page_the_meter_says_what_it_wants(loop, meter):
    result = loop.run(f"--energy-meter={meter}")
    result.stderr.fnmatch_lines(
        [f"*meter '{meter}' is unavailable: no *--energy-{meter}-url with*"]
    )


def test_in_an_ini_file_each_counter_has_a_line_of_its_own(loop):
    loop.ini(
        "energy_meter = metrics",
        "energy_metrics_url = http://127.0.0.1:1/metrics",
        "energy_metrics_counter =",
        '    gpu=x{a="1", b="2"} J',
        "    gpu=y J",
    )
    result = loop.run()
    result.stderr.fnmatch_lines(
        ["*--energy-metrics-counter (or ini energy_metrics_counter): two counters of the name*"]
    )


def test_a_server_that_is_not_there_ends_the_session_and_not_the_estimate_alone(loop):
    result = loop.run("--energy-processes-of=pid:4194305")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--energy-processes-of*there is no such process*"])


@pytest.fixture
def server():
    """Any other process on this machine."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_a_servers_processes_beside_another_meter_are_refused_with_both_ways_out(loop, server):
    loop.own_process = True
    option = f"--energy-processes-of=pid:{server.pid}"
    result = loop.run(option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert (
        "--energy-processes-of (or ini energy_processes_of) is for the estimate of CPU time, and"
        " scripted is read instead"
    ) in " ".join(result.stderr.str().split())
    assert "leave the option out, or add --energy-meter=cpu_time" in result.stderr.str()
    loop.run(option, "--energy-meter=cpu_time").assert_outcomes(passed=1)
