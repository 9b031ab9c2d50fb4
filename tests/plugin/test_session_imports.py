"""What a metered session imports: its meters and reports, and nothing that only others need."""

from __future__ import annotations

import json

import pytest

from pytest_energy import settings
from pytest_energy.meters.prometheus import queries

RECORD_MODULES = """
import json, sys

def pytest_unconfigure(config):
    with open("modules.json", "w") as out:
        json.dump(sorted(sys.modules), out)
"""

METERED = """
import pytest

@pytest.mark.inference(n=200, task="arithmetic", model="sum")
def test_sum(energy):
    for _ in energy.each(range(200)):
        sum(range(20_000))
"""

OWN = ("pytest_energy.papers", "pytest_energy.meters.prometheus", "pytest_energy.meters.codecarbon")
OTHERS = ("codecarbon", "numpy", "pandas", "requests", "shtab", "torch", "urllib3")


@pytest.fixture
def modules(pytester, monkeypatch):
    """Run a metered test in a process of its own; the names of all that it has imported."""
    # Other plugins import what they like; this is about ours.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeconftest(RECORD_MODULES)
    pytester.makepyfile(METERED)

    def run(*arguments):
        result = pytester.runpytest_subprocess("-p", "pytest_energy.plugin", *arguments)
        result.assert_outcomes(passed=1)
        return set(json.loads((pytester.path / "modules.json").read_text("utf-8")))

    return run


def unwanted(modules):
    prefixes = (*OWN, *OTHERS)
    return [
        name
        for name in modules
        if any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--energy-report", "--energy-json=report.json"),
        ("--energy-country=USA", "--energy-region=california", "--energy-report"),
        ("--energy-factors=strubell2019", "--energy-report"),
        ("--energy-update",),
    ],
    ids=["plain", "reports", "region", "factors of a paper", "update"],
)
def test_a_metered_session_imports_no_papers_no_prometheus_and_no_library_of_an_extra(
    modules, arguments
):
    found = modules(*arguments)
    assert "pytest_energy.metering.window" in found
    assert unwanted(found) == []


def test_the_prometheus_options_are_parsed_where_one_is_given(modules):
    found = modules("--energy-prometheus-query=dcgm")
    assert "pytest_energy.meters.prometheus.queries" in found
    assert not {"pytest_energy.meters.prometheus.meter", "requests", "urllib3"} & found


def test_the_option_and_the_parser_have_one_default():
    assert settings.PROMETHEUS_URL == queries.DEFAULT_URL
