"""Carbon by today's factors, or by a paper's."""

from __future__ import annotations

import pytest


def test_the_papers_factors_can_be_had_instead_of_todays(trained):
    report = trained.report("--energy-factors=strubell2019")
    cost = report["results"][0]["training_cost"]
    assert cost["kwh"] == pytest.approx(1.58)
    assert cost["gco2e"] == pytest.approx(1.58 * 0.954 * 453.59237)
    assert report["carbon"]["pue"] == 1.58
    output = trained.run("--energy-report", "-o", "energy_factors=strubell2019").stdout
    text = " ".join(output.str().split())
    assert "carbon: 433 g/kWh (United States, 2018, PUE 1.58); source: factors of Strubell" in text
    assert "historical" in text


@pytest.mark.parametrize(
    "flag",
    [
        "--energy-country=FRA",
        "--energy-region=california",
        "--energy-carbon-intensity=100",
        "--energy-pue=1.1",
        "--energy-pue=1.0",
    ],
)
def test_the_papers_factors_leave_no_other_to_be_given(trained, flag):
    done = trained.run("--energy-factors=strubell2019", flag)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    name = flag.partition("=")[0]
    done.stderr.fnmatch_lines([f"*leave out {name} (or ini {name[2:].replace('-', '_')})*"])


def test_an_ini_file_that_names_the_grid_is_told_as_well(trained):
    trained.ini("energy_meter = scripted", "energy_country = FRA", "energy_pue = 1.3")
    done = trained.run("--energy-factors=strubell2019")
    done.stderr.fnmatch_lines(
        ["*leave out --energy-country (or ini energy_country), --energy-pue*"]
    )


def test_unknown_factors_are_refused_with_those_that_there_are(trained):
    trained.run("--energy-factors=strubell").stderr.fnmatch_lines(
        ["*--energy-factors*expected today or strubell2019, found 'strubell'*"]
    )


def test_the_help_tells_of_the_papers_factors(project):
    assert "strubell2019" in project.run("--help").stdout.str()
