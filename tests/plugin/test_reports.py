"""The JSON report, JUnit XML and the table of a session."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import jsonschema
import pytest

from pytest_energy.report import json as json_report

MIXED = """
import pytest
from model import infer

@pytest.mark.inference(n=40, task="t", model="m", role="task-specific", budget="9 J")
def test_loop(energy):
    for _ in energy.each([0]):
        infer()
    energy.record(accuracy=0.5)

@pytest.mark.inference(n=1, task="t", model="m")
def test_empty(energy):
    list(energy.each([]))

def test_region(energy):
    with energy.measure("decode"):
        infer()
"""


def test_the_json_report_fits_its_schema_in_every_state(project):
    schema = json.loads(json_report.SCHEMA_FILE.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    project.write(test_it=MIXED)
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    for cost, arguments in ((2.0, ["--energy-update"]), (2.0, []), (3.0, ["--energy-country=FRA"])):
        project.set_cost(cost)
        report = project.report(*arguments)
        validator.validate(report)
        assert len(report["results"]) == 3
    regressed = report["results"][0]
    assert regressed["verdict"]["status"] == "regressed"
    assert regressed["outcome"] == "failed"
    assert regressed["measurement"]["kwh_per_1000"] == pytest.approx(3 / 3600)
    assert regressed["measurement"]["gco2e_per_1000"] == pytest.approx(
        3 / 3600 * report["carbon"]["grams_per_kwh"]
    )
    assert report["carbon"]["place"] == "France"


def test_who_asks_for_a_file_gets_one_even_when_nothing_is_metered(project):
    project.write(test_it="def test_x(): pass")
    report = project.report()
    jsonschema.validate(report, json.loads(json_report.SCHEMA_FILE.read_text()))
    assert report["results"] == []


def test_the_schema_refuses_what_is_not_a_report(project):
    schema = json.loads(json_report.SCHEMA_FILE.read_text())
    project.write(test_it=MIXED)
    report = project.report()
    report["results"][0]["measurement"]["joules_per_unit"] = "2 J"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(report, schema)


def test_junit_xml_carries_figures_and_the_failures_message(project):
    project.write(test_it=MIXED)
    project.run("--energy-update")
    project.set_cost(3.0)
    project.run("--junitxml=junit.xml")
    suite = ElementTree.parse(project.path / "junit.xml").getroot()[0]
    assert suite.get("failures") == "2"
    case = next(c for c in suite.iter("testcase") if c.get("name") == "test_loop")
    properties = {p.get("name"): p.get("value") for p in case.iter("property")}
    assert properties["energy.verdict"] == "regressed"
    assert float(properties["energy.joules_per_unit"]) == 3.0
    assert float(properties["energy.change"]) == pytest.approx(0.5)
    assert properties["energy.method"] == "counter"
    assert properties["energy.accuracy"] == "0.5"
    assert case.find("failure").get("message").startswith("Failed: energy regressed: 3.00 J")
    region = next(c for c in suite.iter("testcase") if c.get("name") == "test_region")
    assert "energy.decode.verdict" in {p.get("name") for p in region.iter("property")}


def test_the_report_stands_between_its_own_lines(project):
    project.write(test_it=MIXED)
    project.run("--energy-report").stdout.fnmatch_lines(
        [
            "*= energy =*",
            "t",
            "model*energy/unit*per 1,000*change*verdict*",
            "m *2.00 J *0.000556 kWh *new*",
            "carbon: 475 g/kWh (world average, 2018); source: *",
            "gpu:0: counter (NVML)",
            "energy: nothing was compared, 2 new, 1 unmeasured; the gate itself, warm-up *",
        ]
    )


def test_a_report_of_nothing_opens_no_meter(project):
    project.pytester.makeconftest(
        "def pytest_energy_meters(config):\n    raise RuntimeError('meters were asked for')\n"
    )
    project.write(test_it="def test_plain(): pass")
    report = project.report()
    assert (report["results"], report["overhead"]["joules"]) == ([], 0.0)


SKIPPED = """
import pytest

@pytest.mark.skipif(True, reason="no GPU")
@pytest.mark.inference(n=10)
def test_on_a_gpu(energy):
    energy.run(len, ["x"] * 10)

def test_plain(): pass
"""


@pytest.mark.parametrize("more", [(), ("-v",), ("-n2",), ("-k", "plain")])
def test_a_table_of_nothing_is_left_out_and_ends_no_session(project, more):
    project.write(test_it=SKIPPED)
    result = project.run("--energy-report", "--energy-json=report.json", *more)
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=1, skipped=0 if "-k" in more else 1, deselected=more.count("-k"))
    assert "nothing was compared" in result.stdout.str()


ROLES = """
import pytest
from scripted import spend

@pytest.mark.inference(n=20, task="t", model="small", role="task-specific")
def test_small(energy):
    for _ in energy.each(range(20)): spend(2.0)

@pytest.mark.inference(n=20, task="t", model="large", role="general-purpose")
def test_large(energy):
    for _ in energy.each(range(20)): spend(6.0)
"""


@pytest.mark.parametrize("more", [(), ("-n2",)])
def test_with_verbosity_the_table_says_domains_and_stored_sessions(loop, more):
    for _ in range(2):
        loop.run("--energy-update")
    loop.set_cost(3.0, gpu=1.0)
    text = loop.run("--energy-report", "-v", *more).stdout.str()
    assert "\n  gpu:0  1.00 J per inference  counter, gated\n" in text
    assert "\n  cpu    3.00 J per inference  counter, gated\n" in text
    assert re.search(r"\n  stored  ▅▅ now █ \(▇ and █: over \+\d.* %\)  2 sessions since 20", text)
    assert "counter, gated" not in loop.run("--energy-report", *more).stdout.str()
    assert "counter, gated" not in loop.run("-v", *more).stdout.str()


@pytest.mark.parametrize("more", [(), ("-n2",)])
def test_the_headline_ratio_of_the_roles_is_a_property_of_the_suite(project, more):
    project.write(test_it=ROLES.replace('"t"', '"t<&\\x1b"'))
    project.run("--junitxml=junit.xml", *more)
    suite = ElementTree.parse(project.path / "junit.xml").getroot().find("testsuite")
    found = {one.get("name"): float(one.get("value")) for one in suite.find("properties")}
    names = [f"energy.role_ratio.t<&\\x1b{end}" for end in ("", ".low", ".high")]
    assert found == dict.fromkeys(names, pytest.approx(3.0))


def test_the_headline_ratio_of_the_roles_is_a_figure_of_the_report(project):
    project.write(test_it=ROLES)
    (found,) = project.report()["role_ratios"]
    assert found["task"] == "t"
    assert found["ratio"] == {
        "value": pytest.approx(3.0),
        "low": pytest.approx(3.0),
        "high": pytest.approx(3.0),
    }
