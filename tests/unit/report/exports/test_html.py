"""The page: what it holds, and what it may do. What it shows is tested in a browser."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace

import pytest

from pytest_energy.report.exports import html
from pytest_energy.report.exports.html import page_data as data
from pytest_energy.types.energy import Method
from pytest_energy.types.history import History, Replaced, StoredSession
from support.measurements import CPU, GPU, measured
from support.pages import Page, page_data
from support.reports import (
    OTHER_MACHINE,
    full_session,
    hostile_session,
    new,
    result,
    session,
    unmeasured,
)


def rows(*reports):
    return page_data(html.render(reports))["rows"]


def test_a_row_has_every_scope_of_its_energy():
    (row,) = rows(session(result(3.0, 3.0)))
    measurement = result(3.0, 3.0).measurement
    cpu, gpu = (one / measurement.unit_count for one in measurement.domain_joules)
    assert row["energy"]["gated"] == pytest.approx(measurement.joules_per_unit)
    assert row["energy"]["gpu"] == pytest.approx(gpu)
    assert row["energy"]["node"] == pytest.approx(cpu + gpu)
    assert [one["joules"] for one in row["energy"]["domains"]] == pytest.approx([cpu, gpu])


def test_a_result_without_a_gpu_has_no_figure_in_its_scope():
    (row,) = rows(session(new()))
    assert row["energy"]["gpu"] is None


def test_the_words_are_the_terminals_and_a_verdict_that_fails_nothing_asks_for_nothing():
    regressed, fine = rows(session(result(3.0, test="t.py::a"), result(test="t.py::b")))
    assert regressed["words"].startswith("energy regressed: 3.00 J per inference, baseline 2.00 J")
    assert regressed["words"].endswith("accept it: pytest t.py::a --energy-update")
    assert "--energy-update" not in fine["words"]


def test_what_was_not_measured_says_why():
    (row,) = rows(session(unmeasured("the body raised ValueError")))
    assert row["energy"] is None
    assert row["verdict"] == "unmeasured"
    assert "the body raised ValueError" in row["words"]


def test_culprits_stand_in_a_tree_whose_paths_are_written_once():
    row = next(one for one in rows(full_session()) if one["culprits"])
    (node,) = row["culprits"]["tree"]
    assert node["name"] == "Bert.encoder.layer.[0-5]"
    assert node["words"] == "1.00 GFLOP -> 2.00 GFLOP"
    assert row["culprits"]["functions"][0]["callee"] == "tokens.py:split"


def test_the_history_of_a_test_is_what_was_stored_replaced_and_measured():
    stored = History(
        (StoredSession("2026-01-01T00:00:00Z", "abc", 2.0),),
        (Replaced("2025-01-01T00:00:00Z", None, 4.0, 3, "-50 %"),),
    )
    one = replace(result(test="t.py::a"), history=stored)
    earlier = session(result(2.1, test="t.py::a"), date="2026-02-01T00:00:00Z")
    (row,) = rows(session(one), earlier)
    assert [each["joules"] for each in row["history"]["stored"]] == [2.0]
    assert [each["reason"] for each in row["history"]["replaced"]] == ["-50 %"]
    assert [each["date"][:7] for each in row["history"]["measured"]] == ["2026-02", "2026-03"]
    change = one.verdict.change
    assert row["history"]["limit"] == pytest.approx(change.joules * (1 + change.limit))


def test_a_session_that_was_measured_and_then_stored_is_in_the_history_once():
    stored = History((StoredSession("2026-02-01T00:00:09Z", None, 2.1),))
    now = session(replace(result(test="t.py::a"), history=stored), date="2026-03-01T00:00:00Z")
    then = session(result(2.1, test="t.py::a"), date="2026-02-01T00:00:10Z")
    (row,) = rows(now, then)
    assert [(one["joules"], one["verdict"]) for one in row["history"]["stored"]] == [
        (2.1, then.results[0].verdict.status.words)
    ]
    assert [one["date"] for one in row["history"]["measured"]] == [now.date]


@pytest.mark.parametrize(
    ("date", "joules"),
    [("2026-02-01T00:02:00Z", 2.1), ("2026-02-01T00:00:10Z", 2.2), ("yesterday", 2.1)],
    ids=["later", "another figure", "no date"],
)
def test_what_is_not_the_stored_session_is_in_the_history_beside_it(date, joules):
    stored = History((StoredSession("2026-02-01T00:00:09Z", None, 2.1),))
    now = session(replace(result(test="t.py::a"), history=stored), date="zzz")
    (row,) = rows(now, session(result(joules, test="t.py::a"), date=date, commit="0ld"))
    assert [one["verdict"] for one in row["history"]["stored"]] == [None]
    assert len(row["history"]["measured"]) == 2


def test_each_machine_class_has_a_row_of_its_own():
    here, there = session(result()), session(result(), machine=OTHER_MACHINE)
    assert {one["machine"] for one in rows(here, there)} == {
        here.machine.slug,
        there.machine.slug,
    }


def test_trainings_are_told_from_inferences():
    page = page_data(html.render([full_session()]))
    assert [one["training"] for one in page["rows"]] == [False, False, False, False]
    assert len(page["trainings"]) == 1


def test_many_results_have_trees_of_counts_only_where_something_has_changed(monkeypatch):
    monkeypatch.setattr(data, "MANY_RESULTS", 1)
    assert all(one["counts"] is None for one in rows(session(result(), new(test="t.py::b"))))


def test_every_country_of_the_tables_can_be_chosen():
    countries = page_data(html.render([]))["countries"]
    assert len(countries) > 150
    assert all(grams > 0 for _, grams, _ in countries)
    assert [name for name, _, _ in countries] == sorted(name for name, _, _ in countries)


def test_every_equivalent_has_a_source():
    for one in page_data(html.render([]))["equivalents"]:
        assert one["amount"] > 0
        assert one["source"]


@pytest.mark.parametrize(
    "reports",
    [[], [session()], [session(unmeasured())], [full_session()], [hostile_session()]],
    ids=["none", "empty", "unmeasured", "full", "hostile"],
)
def test_only_its_own_scripts_run_and_nothing_is_asked_of_a_network(reports):
    text = html.render(reports)
    page = Page(text)
    policy = next(attrs["content"] for tag, attrs in page.elements if "http-equiv" in attrs)
    assert policy.startswith("default-src 'none';")
    allowed = set(re.findall("'(sha256-[^']+)'", policy))
    scripts = re.findall("<script>(.*?)</script>", text, flags=re.DOTALL)
    styles = re.findall("<style>(.*?)</style>", text, flags=re.DOTALL)
    digests = (hashlib.sha256(one.encode()).digest() for one in (*scripts, *styles))
    assert {f"sha256-{base64.b64encode(one).decode()}" for one in digests} == allowed
    assert len(scripts) == 1 + len(html.SCRIPTS)
    for tag, attrs in page.elements:
        assert tag not in ("iframe", "img", "object", "base", "form") or tag == "form"
        assert "src" not in attrs
        assert not any(name.startswith("on") for name in attrs)
        if tag == "link":
            assert attrs["href"] == "data:,"


def test_the_same_reports_make_the_same_page():
    assert html.render([full_session()]) == html.render([full_session()])


def test_what_is_not_installed_is_named_before_anything_runs(monkeypatch):
    monkeypatch.setattr(html, "find_spec", lambda name: None)
    assert html.why_unavailable() == (
        'the page needs jinja2 and mpld3: pip install "pytest-energy[html]"'
    )
    with pytest.raises(ModuleNotFoundError, match=r"pytest-energy\[html\]"):
        html.render([])


def test_a_constant_is_no_figure_of_the_gpu():
    constant = replace(GPU, method=Method.CONSTANT)
    measurement = measured(2.0, domains=(CPU, constant))
    (row,) = rows(session(replace(result(), measurement=measurement)))
    assert row["energy"]["gpu"] is None
    assert [one["gated"] for one in row["energy"]["domains"]] == [True, False]


def test_published_sources_are_sentences_that_begin_with_a_capital():
    found = page_data(html.render([session(new())]))["published"]["sources"].values()
    assert len(found) == 4
    for one in found:
        words = one["words"].split("https://")[0]
        beginnings = re.findall(r"\. (\S)", words)
        assert not [each for each in beginnings if each.islower()], words


def test_no_method_is_named_twice_in_its_own_words():
    text = html.render([session(new())])
    for method in Method:
        (words,) = re.findall(rf'\b{method}: "([^"]*)"', text)
        assert not words.startswith(method.value)
