"""CSV: one row per result, read again by the library that reads such files."""

from __future__ import annotations

import csv
import io

import pytest

from pytest_energy.report.exports.csv import COLUMNS, render
from support.reports import hostile_session, new, only_counted, result, session, unmeasured


def rows(*reports):
    return list(csv.DictReader(io.StringIO(render(reports))))


def test_there_is_a_row_per_result_whatever_its_verdict():
    (risen, first, lost) = rows(session(result(3.0), new(test="b"), unmeasured(test="c")))
    assert tuple(risen) == COLUMNS
    assert (risen["verdict"], first["verdict"], lost["verdict"]) == (
        "regressed",
        "new",
        "unmeasured",
    )
    assert float(risen["joules_per_unit"]) == pytest.approx(3.0)
    assert float(risen["kwh_per_1000"]) == pytest.approx(3.0 / 3600)
    assert float(risen["gco2e_per_1000"]) == pytest.approx(3.0 / 3600 * 400)
    assert float(risen["change"]) == pytest.approx(0.5, abs=0.01)
    assert float(risen["compared_joules_per_unit"]) == pytest.approx(2.0)
    assert risen["method"] == "counter"
    assert risen["recorded"] == '{"accuracy": 0.9}'
    assert risen["outcome"] == "failed"
    assert first["change"] == ""
    assert lost["joules_per_unit"] == ""
    assert lost["reason"] == "the body raised ValueError"


def test_what_was_counted_has_columns_of_its_own():
    (row,) = rows(session(only_counted()))
    figures = [float(row[name]) for name in ("flops", "bytes", "operator_calls", "python_calls")]
    assert figures == [2e9, 2e7, 1, 40]
    assert float(row["counted_joules"]) > 0
    assert row["joules_per_unit"] == row["method"] == ""


def test_several_sessions_are_one_table_with_their_dates():
    reports = session(result()), session(result(), date="2026-03-05T05:06:07Z")
    assert [row["date"] for row in rows(*reports)] == [
        "2026-03-04T05:06:07Z",
        "2026-03-05T05:06:07Z",
    ]


def test_a_session_without_results_has_the_heading_alone():
    assert render([session()]) == ",".join(COLUMNS) + "\n"


def test_no_name_breaks_a_row_or_is_computed_by_a_spreadsheet():
    text = render([hostile_session()])
    assert len(text.splitlines()) == 3
    for row in csv.DictReader(io.StringIO(text)):
        assert row["model"].startswith("'=a|b")
        assert row["dataset"].startswith("'@")
        assert None not in row


def test_numbers_below_zero_stay_numbers():
    (row,) = rows(session(result(1.0)))
    assert float(row["change"]) < 0
