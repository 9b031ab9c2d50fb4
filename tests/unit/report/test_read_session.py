"""A session's report that was written as JSON, read again."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pytest_energy.report import json as json_report
from pytest_energy.report.read import RunError, read_session
from pytest_energy.types.measurement import ReferenceReadings
from pytest_energy.types.verdict import Status
from support.reports import full_session, hostile_session, result, session
from support.schema_1 import REPORT


@pytest.fixture
def written(tmp_path):
    """Write a session's report, and read it again."""

    def write(report, blocks=True):
        path = tmp_path / "run.json"
        assert json_report.write_report(path, report, blocks) == []
        return read_session(path)

    return write


def test_a_report_with_its_blocks_is_read_as_the_session_had_it(written):
    report = full_session()
    found = written(report)
    assert found.results == report.results
    assert replace(found, baselines="baselines", instrumentation=report.instrumentation) == report


def test_without_its_blocks_the_figures_are_the_same_to_six_digits(written):
    report = full_session()
    found = written(report, blocks=False)
    for one, was in zip(found.results, report.results, strict=True):
        assert one.verdict.status is was.verdict.status
        if was.measurement is not None:
            assert one.measurement.joules_per_unit == pytest.approx(
                was.measurement.joules_per_unit, rel=1e-5
            )
            assert len(one.measurement.blocks) == 1
    assert found.results[2].base.joules_per_unit == pytest.approx(2.0)


def test_of_the_reference_work_the_median_is_kept_without_blocks(written):
    one = result(2.0)
    readings = ReferenceReadings("product", 1, (0.5, *[0.25] * 18, 0.125))
    beside = replace(one, measurement=replace(one.measurement, reference=readings))
    assert written(session(beside)).results[0].measurement.reference == readings
    (short,) = written(session(beside), blocks=False).results
    assert short.measurement.reference == replace(readings, joules=(0.25,))


def test_names_come_back_as_they_were_given(written):
    report = hostile_session()
    found = written(report)
    assert found.results == report.results
    assert found.notices == report.notices


def test_a_report_of_an_older_version_lacks_what_that_did_not_know(written, tmp_path):
    written(full_session())
    path = tmp_path / "run.json"
    record = json.loads(path.read_text())
    for name in ("notices", "judge", "role_ratios", "base", "overhead"):
        del record[name]
    for one in record["results"]:
        for name in ("counts", "training_run", "outcome", "stored", "rule", "base"):
            del one[name]
        del one["verdict"]["counts"]
        del one["verdict"]["obstacle"]
    del record["machine"]["cpu_details"]
    path.write_text(json.dumps(record))
    found = read_session(path)
    assert [one.verdict.status for one in found.results] == [
        one.verdict.status for one in full_session().results
    ]
    assert found.outcomes == {}


def test_a_report_of_schema_1_has_its_figures_and_its_verdicts():
    found = read_session(REPORT)
    record = json.loads(REPORT.read_text())
    for one, was in zip(found.results, record["results"], strict=True):
        verdict = was["verdict"]
        assert one.verdict.status == verdict["status"]
        assert one.rule.tolerance == verdict["tolerance"]
        assert one.measurement.joules_per_unit == pytest.approx(
            was["measurement"]["joules_per_unit"]
        )
        if verdict["change"] is not None:
            assert one.verdict.change.value == verdict["change"]
            assert one.verdict.change.detectable == verdict["notice"]
            assert one.verdict.change.joules == verdict["baseline_joules"]
            assert one.verdict.change.domains == verdict["domain_changes"]
    assert any(one.verdict.status is Status.OK for one in found.results)
    assert found.overhead.joules == record["gate"]["joules"]


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda r: r.update(date=3), "line 4: the report is not as .*: date: expected a text"),
        (lambda r: r.pop("machine"), "the report is not as reports have it: 'machine' is missing"),
        (lambda r: r["carbon"].update(pue=float("nan")), "carbon.pue: expected a finite number"),
        (lambda r: r["results"].append(7), "result 2 .*: expected an object, found 7"),
        (lambda r: r["results"][0].pop("verdict"), "result 1 .*: 'verdict' is missing"),
        (
            lambda r: r["results"][0]["verdict"].update(status="fine"),
            "verdict.status: expected one of ok, improved",
        ),
        (
            lambda r: r["results"][0]["measurement"].update(unit_count=0),
            "measurement.unit_count: expected a number above 0",
        ),
        (
            lambda r: r["results"][0]["measurement"].pop("seconds"),
            "measurement.blocks.0.seconds: expected a number, found null",
        ),
        (
            lambda r: r["results"][0]["subject"].update(test="\ud800"),
            "subject.test: .* has half a character",
        ),
        (
            lambda r: r["results"][0]["measurement"].update(
                reference={"kind": "product", "threads": 1, "joules": [0]}
            ),
            "measurement.reference.joules.0: expected a number above 0, found 0",
        ),
        (
            lambda r: r["results"][0]["measurement"].update(idle_watts=[1.0]),
            "measurement.idle_watts: expected one figure for each of 2 domains, or none",
        ),
        (
            lambda r: r["results"][0]["measurement"].update(
                flops={"count": 1, "without_formula": [], "samples": [10**40]}
            ),
            "measurement.flops.samples.0: expected a number from 0 to 1e",
        ),
        (
            lambda r: r.update(date="yesterday"),
            'line 4: the report .*: date: expected a date and time .*, found "yesterday"',
        ),
        (lambda r: r.update(date="2026-03-04T05:06:07"), "date: expected .* with its zone"),
        (lambda r: r.update(date="2026-03-04"), "date: expected a date and time of ISO 8601"),
        (
            lambda r: r["results"][0]["subject"].update(role="general purpose"),
            'subject.role: expected one of "", "task-specific", .*, found "general purpose"',
        ),
        (lambda r: r["results"][0]["subject"].update(test=""), "subject.test: expected a test's n"),
        (lambda r: r["results"][0].update(outcome="fine"), 'outcome: expected one of "passed", '),
        (
            lambda r: r["results"][0].update(
                history={"sessions": [{"date": "once", "commit": None, "joules_per_unit": 2.0}]}
            ),
            'history.sessions.0.date: expected a date of ISO 8601, found "once"',
        ),
        (lambda r: r.update(schema=3), "schema 3, .*upgrade it"),
        (lambda r: r.update(results={}), "it has no list of results"),
    ],
)
def test_what_is_no_report_is_refused_with_its_place_and_the_remedy(
    written, tmp_path, spoil, problem
):
    written(session(result()), blocks=False)
    path = tmp_path / "run.json"
    record = json.loads(path.read_text())
    spoil(record)
    path.write_text(json.dumps(record, indent=1))
    with pytest.raises(RunError, match=problem) as error:
        read_session(path)
    assert str(path) in str(error.value)
    assert "pytest" in str(error.value)


def test_a_date_of_another_zone_is_read_in_utc_that_sessions_sort_by_it(written):
    assert written(session(result(), date="2026-03-04T01:30:00+02:00")).date == (
        "2026-03-03T23:30:00Z"
    )


def test_the_default_of_what_is_allowed_is_that_of_the_session():
    from pytest_energy.report import read
    from pytest_energy.settings import DEFAULT_TOLERANCE
    from pytest_energy.types.units import parse_percent

    assert parse_percent(DEFAULT_TOLERANCE) == read.DEFAULT_TOLERANCE
