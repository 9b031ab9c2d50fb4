"""The options of the Prometheus meter."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pytest_energy.meters import builtin_sources
from support.prometheus import SECRET


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (f"--energy-prometheus-url=http://me:{SECRET}@host", "a user or password is refused"),
        ("--energy-prometheus-url=nowhere", "expected a URL such as http://localhost:9090"),
        ("--energy-prometheus-query=cpu=", "expected PromQL behind cpu="),
        ("--energy-prometheus-interval=0", "expected seconds such as 15, found '0'"),
    ],
)
def test_options_that_cannot_be_meant_are_usage_errors_that_name_them(loop, option, message):
    result = loop.run(option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    flag = option.partition("=")[0]
    result.stderr.fnmatch_lines([f"*{flag} (or ini *{message}*"])
    assert SECRET not in result.stderr.str() + result.stdout.str()


def test_in_an_ini_file_each_query_has_a_line_of_its_own(loop):
    loop.ini(
        "energy_meter = prometheus",
        "energy_prometheus_url = http://127.0.0.1:1",
        "energy_prometheus_query =",
        '    gpu=sum by (a, b) (x{a="1", b="2"})',
        "    gpu=y",
    )
    result = loop.run()
    result.stderr.fnmatch_lines(
        ["*--energy-prometheus-query (or ini energy_prometheus_query): two queries of the name*"]
    )


def test_without_a_query_the_meter_says_what_it_wants(loop):
    result = loop.run("--energy-meter=prometheus")
    result.stderr.fnmatch_lines(
        ["*meter 'prometheus' is unavailable: no query is given; --energy-prometheus-query with*"]
    )


def test_auto_leaves_it_and_nothing_is_imported_for_it():
    (source,) = [s for s in builtin_sources() if s.name == "prometheus"]
    assert not source.automatic
    code = (
        "import sys, pytest_energy.settings.settings, pytest_energy.meters;"
        "assert not {'requests', 'urllib3'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
