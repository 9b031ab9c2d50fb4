"""The page as a reader has it: in a real browser, every figure checked against Python's own."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import pytest

from pytest_energy.analysis.training import cost_of
from pytest_energy.carbon.tables import country_mixes
from pytest_energy.published.figures import figures, trainings
from pytest_energy.report.exports import html
from pytest_energy.report.exports.html.equivalents import EQUIVALENTS
from pytest_energy.report.training import lines as training_lines
from pytest_energy.types.energy import Method
from pytest_energy.types.history import History, Replaced, StoredSession
from pytest_energy.types.result import TrainingRun
from pytest_energy.types.units import JOULES_PER_KWH, format_count, significant
from support.browser import WIDTHS
from support.measurements import GPU
from support.reports import (
    HOSTILE,
    OTHER_MACHINE,
    full_session,
    hostile_session,
    new,
    on_gpu,
    result,
    session,
    trained,
    unmeasured,
)

READY = "document.documentElement.dataset.ready === 'true'"

HISTORY = History(
    tuple(
        StoredSession(f"2026-01-0{day}T00:00:00Z", f"abc{day}", 2.0 + day / 100)
        for day in range(1, 5)
    ),
    (Replaced("2025-12-01T00:00:00Z", "0dd", 3.0, 3, "-33 %, accepted with --energy-update"),),
)


def recorded(one, **quantities):
    return replace(one, measurement=replace(one.measurement, recorded=quantities))


def two_tasks():
    """Six results: two tasks, both roles, one regression, one without a figure."""
    small = {"task": "sorting", "role": "task-specific"}
    large = {"task": "sorting", "role": "general-purpose"}
    return [
        recorded(result(1.0, 1.0, test="t.py::a", model="ant", **small), accuracy=0.7, params=1e6),
        recorded(result(2.0, 2.0, test="t.py::b", model="bee", **small), accuracy=0.9, params=4e6),
        recorded(result(9.0, 9.0, test="t.py::c", model="cow", **large), accuracy=0.8, params=9e8),
        replace(result(3.0, 2.0, test="t.py::d", model="dog", task="naming"), history=HISTORY),
        new(5.0, test="t.py::e", model="elk", task="naming"),
        unmeasured(test="t.py::f", model="fox", task="naming"),
    ]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Writes a page of reports, and returns its path."""
    folder = tmp_path_factory.mktemp("pages")

    def write(*reports):
        path = folder / f"{len(list(folder.iterdir()))}.html"
        path.write_text(html.render(reports), encoding="utf-8")
        return path

    return write


@pytest.fixture
def opened(browser, page):
    """Opens a page of reports; the browser, when the page is drawn."""

    def show(*reports):
        browser.open(page(*reports), READY)
        return browser

    return show


def choose(browser, control, text):
    """Choose by its words what a select offers."""
    browser.run(
        "const [id, text] = arguments, select = document.getElementById(id);"
        "select.value = [...select.options].find((one) => one.text === text).value;"
        "select.dispatchEvent(new Event('change', { bubbles: true }))",
        control,
        text,
    )


def column(browser, number):
    return [one.text for one in browser.all(f".results tbody tr > :nth-child({number})")]


VERDICT, TEST, ENERGY, CHANGE, TASK = 2, 3, 4, 5, 7


def figures_shown(browser):
    """The column of energy as numbers alone, without the unit and the work that each has."""
    return [text.split()[0] for text in column(browser, ENERGY)]


def sort_by(browser, name):
    """Press the head of a column, whose words may go on with a unit."""
    heads = browser.all(".results thead button")
    next(one for one in heads if one.text.startswith(name)).click()


def turn(browser, name):
    return browser.find(f"#pages [data-turn={name}]")


def test_the_worst_stand_first_and_every_column_sorts_both_ways(opened):
    browser = opened(session(*two_tasks()))
    assert column(browser, VERDICT) == ["regressed", "unmeasured", "new", "ok", "ok", "ok"]
    sort_by(browser, "Energy")
    assert figures_shown(browser) == ["1.00", "2.00", "3.00", "5.00", "9.00", "–"]
    sort_by(browser, "Energy")
    assert figures_shown(browser) == ["9.00", "5.00", "3.00", "2.00", "1.00", "–"]
    assert browser.find(".results th[aria-sort]").get_attribute("aria-sort") == "descending"


def test_search_and_filters_leave_what_has_all_of_them(opened):
    browser = opened(session(*two_tasks()))
    browser.find("#search").send_keys("SORTING")
    assert sorted(column(browser, TEST)) == ["a", "b", "c"]
    assert browser.find("#count").text == "3 of 6 results"
    choose(browser, "filter-role", "general-purpose")
    assert column(browser, TEST) == ["c"]
    browser.find("#filters button[type=reset]").click()
    browser.until("document.querySelectorAll('.results tbody tr').length === 6")
    choose(browser, "filter-verdict", "regressed")
    assert column(browser, TEST) == ["d"]
    assert len(browser.all("#tasks-chart .point")) == 1


def test_filters_tell_machines_apart(opened):
    browser = opened(session(result()), session(result(), machine=OTHER_MACHINE))
    assert browser.find("#count").text == "2 results"
    choose(browser, "filter-machine", OTHER_MACHINE.slug)
    assert browser.find("#count").text == "1 of 2 results"


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("J", 1.0), ("Wh", 1 / 3600), ("kWh per 1,000", 1000 / JOULES_PER_KWH)],
)
def test_a_unit_converts_to_the_digit(opened, unit, factor):
    browser = opened(session(*two_tasks()))
    choose(browser, "unit", unit)
    sort_by(browser, "Energy")
    joules = [1.0, 2.0, 3.0, 5.0, 9.0]
    assert figures_shown(browser) == [*(significant(one * factor) for one in joules), "–"]


def test_grams_are_of_the_reports_grid_then_of_any_country_or_figure(opened):
    report = replace(session(new(2.5)), carbon=replace(session().carbon, pue=1.2))
    browser = opened(report)
    choose(browser, "unit", "gCO2e per 1,000")
    assert figures_shown(browser) == [significant(report.carbon.grams_per_1000(2.5))]
    mix = country_mixes()["FRA"]
    choose(browser, "country", mix.name)
    elsewhere = replace(report.carbon, grams_per_kwh=mix.grams_per_kwh)
    assert figures_shown(browser) == [significant(elsewhere.grams_per_1000(2.5))]
    assert f"({mix.name}, {mix.year}" in browser.find("#grid").text
    assert "a PUE of 1.2" in browser.find("#grid").text
    field = browser.find("#grams")
    field.clear()
    field.send_keys("100")
    own = replace(report.carbon, grams_per_kwh=100.0)
    assert figures_shown(browser) == [significant(own.grams_per_1000(2.5))]


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("-5", "-5 is less than 0: write a number from 0 to 5,000."),
        ("1e9", "1e9 is more than 5,000: write a number from 0 to 5,000."),
        ("e", "This is no number: write a number from 0 to 5,000."),
        ("", "No number is given: write a number from 0 to 5,000."),
    ],
    ids=["negative", "absurd", "no number", "empty"],
)
def test_an_intensity_that_cannot_be_is_refused_in_words_and_the_last_one_stays(opened, typed, why):
    keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
    browser = opened(session(new(2.5)))
    choose(browser, "unit", "gCO2e per 1,000")
    mix = country_mixes()["FRA"]
    choose(browser, "country", mix.name)
    before = figures_shown(browser)
    browser.run("document.getElementById('grams').select()")
    browser.find("#grams").send_keys(keys.BACKSPACE, typed)
    field = browser.find("#grams")
    assert field.get_attribute("aria-invalid") == "true"
    said = browser.find(f"#{field.get_attribute('aria-describedby')}").text
    assert said.startswith(
        f"{why} The figures keep {significant(mix.grams_per_kwh)} g/kWh ({mix.name}"
    )
    assert figures_shown(browser) == before
    chosen = "return document.getElementById('country').selectedOptions[0].text"
    assert browser.run(chosen) == mix.name
    assert browser.violations("#results, .bar") == []
    browser.run("document.getElementById('grams').select()")
    field.send_keys("100")
    assert field.get_attribute("aria-invalid") == "false"
    assert browser.find("#grams-error").text == ""
    assert browser.run(chosen) == "A figure of my own"
    assert figures_shown(browser) != before


def test_a_refused_intensity_is_forgotten_when_a_country_is_chosen(opened):
    browser = opened(session(new(2.5)))
    browser.find("#grams").send_keys("e")
    assert browser.find("#grams-error").text
    choose(browser, "country", country_mixes()["FRA"].name)
    assert browser.find("#grams").get_attribute("aria-invalid") == "false"
    assert browser.find("#grams-error").text == ""


def test_scopes_take_what_is_of_them(opened):
    browser = opened(session(result(3.0, 3.0, test="t.py::a"), new(5.0, test="t.py::b")))
    choose(browser, "scope", "GPU alone")
    sort_by(browser, "Test")
    gpu = next(
        d for d in browser.run("return energy.data.rows[0].energy.domains") if "gpu" in d["name"]
    )
    assert figures_shown(browser) == [significant(gpu["joules"]) if gpu["joules"] else "0", "–"]


def test_in_another_scope_verdict_and_change_are_said_to_be_of_what_was_gated(opened):
    browser = opened(session(*two_tasks()))
    caption, head = ".results caption", ".results thead th:nth-child(5)"
    assert browser.find(head).text == "Change"
    assert "whatever the scope" not in browser.find(caption).text
    for scope in ("GPU alone", "All domains, with constants"):
        choose(browser, "scope", scope)
        assert browser.find(head).text == "Change of what is gated"
        assert (
            "Verdict and change are the gate's, of all that it compared, whatever the scope."
            in (browser.find(caption).text)
        )
    choose(browser, "scope", "What a gate compares")
    assert browser.find(head).text == "Change"


def test_the_history_is_of_what_is_gated_in_every_scope_and_says_so(opened):
    browser = opened(session(on_gpu(3.0), recorded(new(2.0, test="t.py::b"))))
    choose(browser, "scope", "GPU alone")
    assert "of the domains that a gate compares" in browser.find("#history-chart figcaption").text


def test_every_energy_can_be_read_alone(opened):
    one, many = new(2.0, test="t.py::a"), new(3.0, test="t.py::b", unit="token")
    browser = opened(session(one, many))
    sort_by(browser, "Test")
    assert column(browser, ENERGY) == ["2.00 J\nper inference", "3.00 J\nper token"]
    assert browser.find(".results thead th:nth-child(4)").text == "Energy, J"
    choose(browser, "unit", "kWh per 1,000")
    kilowatt_hours = [significant(one * 1000 / JOULES_PER_KWH) for one in (2.0, 3.0)]
    assert column(browser, ENERGY) == [
        f"{kilowatt_hours[0]} kWh\nper 1,000 inferences",
        f"{kilowatt_hours[1]} kWh\nper 1,000 tokens",
    ]
    assert browser.find(".results thead th:nth-child(4)").text == "Energy, kWh per 1,000"
    browser.find(".more").click()
    heads = [one.text for one in browser.all(".details thead th")]
    assert heads[1] == "kWh per 1,000 inferences"


OUT_OF_VIEW = """
const wide = document.documentElement.clientWidth;
return [...document.querySelectorAll(arguments[0])]
  .filter((one) => one.getBoundingClientRect().right > wide + 1).length;
"""


@pytest.mark.parametrize("width", [WIDTHS["phone"], 600])
def test_on_a_phone_a_result_is_a_card_and_its_energy_is_in_view(opened, browser, width):
    browser.viewport(width)
    opened(session(*two_tasks()))
    assert browser.run(OUT_OF_VIEW, ".results tbody td, .results thead button") == 0
    assert browser.run("const box = document.getElementById('table');"
                       "return box.scrollWidth - box.clientWidth") == 0  # fmt: skip
    label = (
        "const cell = document.querySelector(`.results tbody td:nth-child(${arguments[0]})`);"
        "return getComputedStyle(cell, '::before').content"
    )
    assert browser.run(label, ENERGY) == '"Energy"'
    assert browser.run(label, CHANGE) == '"Change"'
    sort_by(browser, "Energy")
    assert figures_shown(browser)[0] == "1.00"


def test_a_table_in_the_details_of_a_card_stays_a_table(opened, browser):
    browser.viewport(WIDTHS["phone"])
    opened(session(new()))
    browser.find(".more").click()
    shown = (
        "return ['table', 'tr', 'td']"
        ".map((name) => document.querySelector(`.details .scroll ${name}`))"
        ".map((one) => getComputedStyle(one).display)"
    )
    assert browser.run(shown) == ["table", "table-row", "table-cell"]


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_results_are_a_table_to_a_screen_reader_at_every_width(opened, browser, width):
    browser.viewport(width)
    opened(session(*two_tasks()))
    browser.run("document.getElementById('method').hidden = true")  # has a table of its own
    roles = {}
    tree = browser.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    for node in tree:
        role = node.get("role", {}).get("value")
        roles.setdefault(role, []).append(node.get("name", {}).get("value", ""))
    assert len(roles["row"]) == 1 + 6
    assert [re.match(r"\w+", name)[0] for name in roles["columnheader"]] == [
        "Details", "Verdict", "Test", "Energy", "Change", "Time", "Task", "Model", "Role"
    ]  # fmt: skip
    assert len(roles["rowheader"]) == 6
    # Not every browser keeps these where a style draws the table as something else.
    without = ".results:not([role]), .results :is(thead, tbody, tr, th, td):not([role])"
    assert browser.all(without) == []


def test_a_table_that_is_wider_than_its_box_has_a_shade_at_the_edge(opened, browser):
    browser.viewport(WIDTHS["phone"])
    opened(session(*two_tasks()))
    browser.find("#tasks-chart details summary").click()
    browser.until("document.querySelector('#tasks-chart .scroll')")
    wider, shade = browser.run(
        "const box = document.querySelector('#tasks-chart .scroll');"
        "return [box.scrollWidth - box.clientWidth, getComputedStyle(box).backgroundAttachment]"
    )
    assert wider > 0
    assert shade == "local, local, scroll, scroll"


def test_charts_have_a_point_for_each_figure_at_its_value(opened):
    browser = opened(session(*two_tasks()))
    found = browser.run(
        "return d3.selectAll('#tasks-chart .point').data().map((one) => [one.name, one.value])"
    )
    joules = {"a": 1.0, "b": 2.0, "c": 9.0, "d": 3.0, "e": 5.0}
    assert dict(found) == pytest.approx(joules)
    places = browser.run(
        "return d3.selectAll('#tasks-chart .point').data()"
        ".sort((one, two) => one.value - two.value).map((one) => one.px)"
    )
    assert places == sorted(places)
    assert len(browser.all("#parameters-chart .point")) == 3
    qualities = browser.run(
        "return d3.selectAll('#quality-chart .point').data().map((one) => [one.name, one.y])"
    )
    assert dict(qualities) == {"a": 0.7, "b": 0.9, "c": 0.8}


def test_the_frontier_has_what_nothing_beats(opened):
    browser = opened(session(*two_tasks()))
    browser.find("#quality-chart details summary").click()
    browser.until("document.querySelectorAll('#quality-chart tbody tr').length === 3")
    cells = [one.text.split() for one in browser.all("#quality-chart tbody tr")]
    assert {row[0]: row[-1] for row in cells} == {"a": "yes", "b": "yes", "c": "no"}


def test_a_frontier_is_of_one_task_and_data_set_alone(opened):
    browser = opened()
    known = "return [...document.getElementById('quality-task').options].map((one) => one.text)"
    graded = {(one.task, one.dataset) for one in figures() if one.quality and one.scope == "node"}
    assert {*browser.run(known)} == {
        *(f"{task}, {dataset}" for task, dataset in graded),
        "All, without a frontier",
    }
    choose(browser, "quality-task", "text-classification, sst2")
    of_sst2 = {
        (one.model, one.quality["accuracy"])
        for one in figures()
        if (one.task, one.dataset) == ("text-classification", "sst2") and one.quality
    }
    found = browser.run(
        "return d3.selectAll('#quality-chart .point').data().map((one) => [one.model, one.y])"
    )
    assert {tuple(one) for one in found} == of_sst2
    assert len(found) == 16
    assert len(browser.all("#quality-chart .frontier")) == 1
    choose(browser, "quality-task", "All, without a frontier")
    assert len(browser.all("#quality-chart .frontier")) == 0


@pytest.mark.parametrize("name", ["constructor", "toString", "__proto__", "hasOwnProperty"])
def test_a_quality_may_be_called_what_every_object_of_the_page_has(opened, name):
    first = recorded(new(1.0, test="t.py::a"), **{name: 0.7})
    second = recorded(new(2.0, test="t.py::b"), accuracy=0.9)
    browser = opened(session(first, second))
    choose(browser, "metric", name)
    found = "return d3.selectAll('#quality-chart .point').data().map((one) => [one.name, one.y])"
    assert browser.run(found) == [["a", 0.7]]
    assert browser.errors() == []


def test_intervals_are_drawn_where_there_are_some(opened):
    browser = opened(session(*two_tasks()))
    drawn = browser.run(
        "return d3.selectAll('#tasks-chart .point').data().filter((one) => one.interval).length"
    )
    assert drawn == len(browser.all("#tasks-chart .whisker")) == 5


def test_published_figures_are_behind_one_switch(opened):
    browser = opened(session(*two_tasks()))
    assert len(browser.all("#tasks-chart .point")) == 5
    browser.find("#published").click()
    inferences = [one for one in figures() if one.unit == "inference"]
    assert len(browser.all("#tasks-chart .point")) == 5 + len(inferences)
    choose(browser, "scope", "All domains, with constants")
    of_nodes = [one for one in inferences if one.scope == "node"]
    assert len(browser.all("#tasks-chart .point")) == 5 + len(of_nodes)
    browser.find("#published").click()
    assert len(browser.all("#tasks-chart .point")) == 5


def test_the_published_figures_alone_are_a_page(opened):
    browser = opened()
    of_nodes = [one for one in figures() if one.unit == "inference" and one.scope == "node"]
    found = browser.run("return d3.selectAll('#tasks-chart .point').data().map((one) => one.value)")
    assert sorted(found) == pytest.approx(sorted(one.joules_per_unit for one in of_nodes))
    assert (
        len(
            browser.run(
                "return [...new Set(d3.selectAll('.point').data().map((one) => one.model))]"
            )
        )
        == 88
    )
    assert not browser.find("#results").is_displayed()


def test_the_history_has_sessions_updates_and_the_limit(opened):
    browser = opened(session(*two_tasks()))
    choose(browser, "history-test", "d")
    kinds = browser.run(
        "return d3.selectAll('#history-chart .point').data().map((one) => [one.kind, one.value])"
    )
    stored = [["stored", 2.0 + day / 100] for day in range(1, 5)]
    assert sorted(kinds) == sorted([["replaced", 3.0], *stored, ["measured", 3.0]])
    assert len(browser.all("#history-chart .limit")) == 1
    assert len(browser.all("#history-chart .update")) == 1
    words = [one.get_attribute("aria-label") for one in browser.all("#history-chart .point")]
    assert any(
        "2026-01-04 00:00 UTC, abc4: 2.04 J per inference, a stored session" in one for one in words
    )


def test_sessions_of_one_day_are_told_apart_by_their_time_or_commit(opened):
    dates = ["2026-01-01T08:00:00Z", "2026-01-02T08:00:01Z", "2026-01-02T09:30:59+00:00",
             "2026-01-03T07:00:01Z", "2026-01-03T07:00:02Z",
             "2026-01-04T07:00:02Z", "2026-01-04T07:00:02Z"]  # fmt: skip
    stored = [StoredSession(date, f"abc{i}", 2 + i / 50) for i, date in enumerate(dates)]
    now = replace(new(2.05, test="t.py::a"), history=History(tuple(stored)))
    browser = opened(session(now, date="2026-03-04T05:06:07Z"))
    label = (
        "return [...document.querySelectorAll('#history-chart .axis .tick')].slice(0, 8)"
        ".map((one) => [...one.querySelectorAll('tspan')]"
        ".map((line) => line.textContent).join(' '))"
    )
    assert browser.run(label) == [
        "2026-01-01",
        "2026-01-02 08:00",
        "2026-01-02 09:30",
        "2026-01-03 07:00:01",
        "2026-01-03 07:00:02",
        "2026-01-04 07:00:02 abc5",
        "2026-01-04 07:00:02 abc6",
        "2026-03-04",
    ]
    words = [one.get_attribute("aria-label") for one in browser.all("#history-chart .point")]
    assert any(one.startswith("2026-01-02 09:30 UTC, abc2: 2.04 J") for one in words)
    assert "UTC" in browser.find("#history-chart .axis-label").text
    assert browser.find("#summary-body p").text.startswith("2026-03-04 05:06 UTC, at abc1234")


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_labels_of_the_history_do_not_run_into_one_another(opened, browser, width):
    browser.viewport(width)
    dates = [f"2026-01-02T08:{minute:02}:00Z" for minute in range(10, 40)]
    stored = [StoredSession(date, None, 2.0) for date in dates]
    opened(session(replace(new(2.05, test="t.py::a"), history=History(tuple(stored)))))
    edges = browser.run(
        "return [...document.querySelectorAll('#history-chart .axis:nth-of-type(1) .tick text')]"
        ".map((one) => one.getBoundingClientRect()).map((box) => [box.left, box.right])"
    )
    assert len(edges) > 1
    assert all(right + 4 < left for (_, right), (left, _) in itertools.pairwise(edges))


def test_the_history_of_several_reports_stands_in_the_order_of_time(opened):
    history = History(
        (StoredSession("2026-03-01T00:00:00Z", "mar", 2.0),),
        (Replaced("2026-02-01T00:00:00Z", "feb", 3.0, 1, "-33 %"),),
    )
    days = {"2026-02-20T00:00:00Z": 2.9, "2026-01-15T00:00:00Z": 3.1, "2026-03-01T00:00:01Z": 2.0}
    earlier = [
        session(result(joules, test="t.py::a"), date=date, commit=date)
        for date, joules in days.items()
    ]
    now = replace(result(2.05, test="t.py::a"), history=history)
    browser = opened(session(now, date="2026-04-01T00:00:00Z"), *earlier)
    drawn = "d3.selectAll('#history-chart .point').data()"
    by_place = f"{drawn}.sort((a, b) => a.px - b.px)"
    found = browser.run(f"return {by_place}.map((one) => [one.date.slice(5, 10), one.kind])")
    assert found == [
        ["01-15", "measured"],
        ["02-01", "replaced"],
        ["02-20", "measured"],
        ["03-01", "stored"],
        ["04-01", "measured"],
    ]
    update = float(browser.find("#history-chart .update").get_attribute("x1"))
    places = browser.run(f"return {by_place}.map((one) => one.px)")
    assert places[2] < update < places[3]


def test_details_have_the_verdicts_words_the_domains_and_the_culprits(opened):
    browser = opened(full_session())
    browser.find(".more").click()
    words = browser.find(".words").text
    assert words.startswith("energy regressed: 3.00 J per inference, baseline 2.00 J")
    assert "Bert.encoder.layer.[0-5]" in browser.find(".tree").text
    assert "tokens.py:split" in browser.find(".details").text
    assert "read from a hardware counter" in browser.find(".details").text


def slide(browser, power):
    """Set the slider to ten to so much a day."""
    browser.run(
        "const slider = document.getElementById('even-queries'); slider.value = arguments[0];"
        "slider.dispatchEvent(new Event('input'))",
        power,
    )
    return browser.find("#break-even").text


def test_the_slider_says_when_inference_has_taken_as_much_as_training(opened):
    browser = opened()
    kinds = {one.kind: one for one in trainings() if one.model == "bigscience/bloomz-7b1"}
    joules = kinds["training"].joules + kinds["fine-tuning"].joules
    # 51,686 and 7,571 kWh: Table 5 as printed, whose cost parity has both.
    assert joules == pytest.approx((51_686 + 7_571) * JOULES_PER_KWH)
    (query, *_) = [
        one for one in figures() if one.model == "bigscience/bloomz-7b1" and one.scope == "node"
    ]
    queries = joules / query.joules_per_unit
    assert slide(browser, 3) == (
        "At 1,000 queries a day, inference has taken as much as the training"
        f" ({significant(joules / JOULES_PER_KWH)} kWh) after"
        f" {format_count(queries / 1000 / 365.25)} years:"
        f" {format_count(queries)} queries of {significant(query.joules_per_unit)} J."
        " The training's kWh are of Table 5 as printed."
    )
    choose(browser, "even-training", "bigscience/bloomz-7b1: training; Luccioni et al. (2024)")
    assert f"({significant(kinds['training'].joules / JOULES_PER_KWH)} kWh)" in slide(browser, 3)


def with_pue(report, pue):
    return replace(report, carbon=replace(report.carbon, pue=pue))


def test_a_trainings_kwh_have_the_pue_as_in_the_terminal_and_its_days_are_at_the_meter(opened):
    training = trained(3.0, TrainingRun(total_steps=10**6), test="t.py::b")
    report = with_pue(session(new(2.0, test="t.py::a"), training), 1.5)
    (line,) = training_lines([training], report.carbon, {"model": "model"}, {})
    cost = cost_of(training)
    kilowatt_hours = f"{significant(cost.kwh(report.carbon))} kWh"
    assert f": {kilowatt_hours} (95 %" in line
    browser = opened(report)
    said = browser.find("#break-even").text
    assert f"the training ({kilowatt_hours}, times a PUE of 1.5) after" in said
    assert f": {format_count(cost.joules / 2.0)} queries of 2.00 J." in said
    assert "at the meter on both sides" in said


def test_the_page_says_which_figures_have_the_pue(opened):
    browser = opened(with_pue(session(new(3.6)), 1.5))
    assert figures_shown(browser) == ["3.60"]  # at the meter
    choose(browser, "unit", "kWh per 1,000")
    assert figures_shown(browser) == [significant(3.6 * 1000 / JOULES_PER_KWH)]
    choose(browser, "unit", "gCO2e per 1,000")
    assert figures_shown(browser) == [significant(1.5 * session().carbon.grams_per_1000(3.6))]
    said = browser.find("#grid").text
    assert "Energy is at the meter; CO2e has the overhead of the site, a PUE of 1.5." in said
    assert "training" not in said


def test_a_training_has_the_pue_of_its_own_run_and_not_of_a_later_one(opened):
    training = trained(3.0, TrainingRun(total_steps=10**6), test="t.py::b")
    earlier = with_pue(session(training, date="2026-01-01T00:00:00Z"), 1.5)
    browser = opened(earlier, session(new(2.0, test="t.py::a"), date="2026-03-01T00:00:00Z"))
    kilowatt_hours = significant(cost_of(training).kwh(earlier.carbon))
    assert f"({kilowatt_hours} kWh, times a PUE of 1.5)" in browser.find("#break-even").text
    said = browser.find("#grid").text
    assert "CO2e has no overhead of the site (PUE 1)." in said
    assert "The kWh of a whole training of one's own have the PUE of its run." in said


def test_a_published_training_says_what_its_kwh_are_of(opened):
    browser = opened()
    label = "return [...document.getElementById('even-training').options].map((one) => one.text)"
    choose(browser, "even-training", next(o for o in browser.run(label) if "Strubell" in o))
    said = browser.find("#break-even").text
    assert "Table 3 as printed, with the data center's overhead (PUE 1.58)." in said


def test_a_training_and_a_query_of_two_scopes_are_said_to_be(opened):
    browser = opened()
    assert "two scopes" not in browser.find("#break-even").text
    choose(browser, "scope", "GPU alone")
    said = browser.find("#break-even").text
    assert "of two scopes, all domains with constants against the GPU alone" in said


def test_tokens_are_not_called_queries(opened):
    training = replace(new(test="t.py::b"), training_run=TrainingRun(total_steps=100))
    browser = opened(session(new(2.0, test="t.py::a", unit="token"), training))
    choose(browser, "work", "token")
    joules = next(iter(browser.run("return energy.data.trainings")))["joules"]
    said = slide(browser, 6)
    assert said.startswith("At 1.00 million tokens a day,")
    assert f": {significant(joules / 2.0)} tokens of 2.00 J." in said
    assert f"after {significant(joules / 2.0 / 1e6 * 86400)} seconds" in said
    assert browser.find("label[for=even-queries]").text == "Tokens a day"


def test_what_was_chosen_is_kept_where_another_scope_has_it_in_another_place(opened):
    browser = opened(session(*two_tasks()))
    choose(browser, "everyday-model", "cow, sorting")
    choose(browser, "filter-task", "sorting")
    choose(browser, "scope", "All domains, with constants")
    shown = (
        "const of = document.getElementById('everyday-model'); return of.selectedOptions[0].text"
    )
    assert browser.run(shown) == "cow, sorting"
    choose(
        browser,
        "everyday-model",
        "facebook/bart-large-cnn, summarization, cnn; Luccioni et al. (2024)",
    )
    choose(browser, "scope", "What a gate compares")
    assert browser.run(shown).startswith("facebook/bart-large-cnn, summarization, cnn;")


def test_everyday_terms_follow_number_and_grid(opened):
    browser = opened(session(new(3.6)))
    number = browser.find("#everyday-number")
    number.clear()
    number.send_keys("22000")
    # 22,000 times 3.6 J are 22 Wh: the charge of a smartphone, as the paper has it.
    said = browser.find("#equivalents").text.splitlines()
    assert said[0] == "22,000 inferences: 22.0 Wh. At the meter, of what a gate compares."
    grams = session().carbon.grams(22_000 * 3.6)
    assert said[1].startswith(f"22,000 inferences: {significant(grams)} g of CO2e. At 400 g/kWh")
    assert said[2].startswith("22,000 inferences: 1.00 charge of a smartphone. 0.022 kWh, the")
    choose(browser, "country", country_mixes()["FRA"].name)
    france = grams * country_mixes()["FRA"].grams_per_kwh / session().carbon.grams_per_kwh
    said = browser.find("#equivalents").text.splitlines()
    assert said[1].startswith(f"22,000 inferences: {significant(france)} g of CO2e. At 56")


def test_everyday_energy_says_of_what_it_is_in_a_published_figure_too(opened):
    browser = opened(session(new(3.6)))
    one = "facebook/bart-large-cnn, summarization, cnn; Luccioni et al. (2024)"
    choose(browser, "everyday-model", one)
    said = browser.find("#equivalents li").text
    assert said.endswith(" Wh. At the meter, of all domains with constants.")


@pytest.mark.parametrize("joules", [1e-12, 2e-6, 8.65e-5, 0.07, 3.6, 4321.0, 5e7])
def test_everyday_numbers_can_be_read_at_a_glance_and_are_of_that_many(opened, joules):
    browser = opened(session(new(joules)))
    report = session()
    grams = report.carbon.grams(joules)
    amounts = {
        **({"Wh": joules / 3600} if joules < 1e7 else {"kWh": joules / JOULES_PER_KWH}),
        **({"g of CO2e": grams} if grams < 1000 else {"kg of CO2e": grams / 1000}),
        **{
            one.plural: (joules if one.of == "joules" else grams) / one.amount
            for one in EQUIVALENTS
        },
    }
    said = browser.find("#equivalents").text.splitlines()
    assert len(said) == len(amounts)
    for line, (name, each) in zip(said, amounts.items(), strict=True):
        count, number = re.match(r"(.+?) inferences?: ([\d.,]+) ", line).groups()
        assert 0.01 <= float(number.replace(",", "")) <= 10_000
        assert number == significant(each * whole(count))
        assert f" {name}. " in line or number == "1.00"
        assert line.endswith(".")


def whole(words):
    """`22 million` as a number."""
    number, _, size = words.partition(" ")
    power = {"": 0, "million": 6, "billion": 9, "trillion": 12}[size]
    return float(number.replace(",", "")) * 10**power


@pytest.mark.parametrize("typed", ["-3", "0", "1e99", "e", ""])
def test_a_number_of_inferences_that_cannot_be_is_refused_in_words(opened, typed):
    keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
    browser = opened(session(new(3.6)))
    before = browser.find("#equivalents").text
    browser.run("document.getElementById('everyday-number').select()")
    field = browser.find("#everyday-number")
    field.send_keys(keys.BACKSPACE)
    browser.run("arguments[0].value = ''", field)
    field.send_keys(typed)
    assert field.get_attribute("aria-invalid") == "true"
    said = browser.find(f"#{field.get_attribute('aria-describedby')}").text
    assert "write a number from 1 to 1,000,000,000,000,000. The figures keep" in said
    assert browser.find("#equivalents").text == before  # not that of the 1 on the way to 1e99


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_every_width_and_is_accessible_light_and_dark(opened, browser, width, scheme):
    browser.viewport(width)
    browser.color_scheme(scheme)
    opened(session(*two_tasks()), full_session())
    browser.find(".more").click()
    for summary in browser.all("figure details summary"):
        summary.click()
    assert browser.overflow() == 0
    assert browser.violations() == []
    browser.screenshot(f"page-{width}-{scheme}")


TEXTS = ", ".join(
    (
        "main p, main h2, main h3, main h4, header p, footer p, .bar p, label, caption",
        "figcaption, summary:not(.tree summary), dt, .scroll th[scope=col]:not(:empty)",
        ".legend li, #equivalents li, #method-body li, #summary-body li:not(.verdicts li)",
        "#theme option, #country option, #scope option, #filters option[value='']",
        "#parameters .axis-label, #history .axis-label",
    )
)


NAMES = {"gCO2e per kWh", "accuracy", *(f"t.py::{one}" for one in "abcdefg"), "t.py::d#decode"}
"""A unit, a quantity that a test records, and tests: they are written as they are."""


@pytest.mark.parametrize(
    "reports",
    [
        [],
        [session()],
        [
            session(*two_tasks(), on_gpu(test="t.py::g"), notices=("the machine was busy",)),
            full_session(),
        ],
    ],
    ids=["published", "empty", "own"],
)
def test_every_text_begins_with_a_capital(opened, reports):
    browser = opened(*reports)
    for number in range(len(browser.all(".more"))):
        browser.all(".more")[number].click()
    for summary in browser.all("figure details summary"):
        browser.run("arguments[0].click()", summary)
    if reports:
        browser.find("#published").click()
    texts = browser.run(
        "return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent.trim())",
        TEXTS,
    )
    assert len(texts) > 50
    sentences = [one for text in texts for one in re.split(r"(?<=[a-z)])[.] ", text)]
    assert {one for one in sentences if re.match("[a-z]", one)} <= NAMES


def test_an_interval_says_that_it_is_one_of_95_percent_or_what_else(opened):
    small = {"task": "sorting", "role": "task-specific"}
    large = {"task": "sorting", "role": "general-purpose"}
    compared = result(2.0, 2.0, test="t.py::a", model="ant", **small)
    bare = new(5.0, test="t.py::b", model="bee", task="naming")
    general = result(9.0, 9.0, test="t.py::c", model="cow", **large)
    browser = opened(session(compared, bare, general))
    said = [one.get_attribute("aria-label") for one in browser.all("#tasks-chart .point")]
    (of_compared,) = (one for one in said if one.startswith("a, "))
    (of_bare,) = (one for one in said if one.startswith("b, "))
    assert re.search(r"2\.00 J per inference, 95 % interval: [\d.]+ to [\d.]+$", of_compared)
    assert re.search(r"per inference, smallest and largest block: [\d.]+ to [\d.]+$", of_bare)
    ratio = browser.find("#summary-body .ratio").text
    assert ratio.startswith("In sorting, general-purpose models take 4.50 times the energy of")
    assert re.search(r"\(95 % interval: [\d.]+ to [\d.]+\), of the domains that a gate", ratio)
    browser.find("#tasks-chart details summary").click()
    browser.until("document.querySelectorAll('#tasks-chart tbody tr').length === 3")
    ends = {row.text.split(" ")[0]: row.text for row in browser.all("#tasks-chart tbody tr")}
    assert ends["naming"].endswith("Smallest and largest block")
    assert ends["sorting"].endswith("95 % interval")
    sort_by(browser, "Test")
    browser.find(".more").click()
    assert "in brackets, is a 95 % interval." in browser.find(".details").text
    browser.find("#published").click()
    published = [
        one.get_attribute("aria-label") for one in browser.all("#tasks-chart .hollow.point")
    ]
    assert any(
        "95 % interval of the mean of ten repeats (Student's t): " in one for one in published
    )


def test_a_method_is_said_once(opened):
    browser = opened(session(on_gpu(gpu=replace(GPU, method=Method.ESTIMATED))))
    browser.find(".more").click()
    assert "estimated: from a model of something else" in browser.find(".details").text
    assert "estimated: estimated" not in browser.run("return document.body.textContent")


def test_published_figures_are_accessible_as_well(opened):
    browser = opened(session(*two_tasks()))
    browser.find("#published").click()
    assert browser.violations() == []


@pytest.mark.parametrize(
    "reports",
    [[], [session()], [session(unmeasured())], [session(new())]],
    ids=["published", "empty", "unmeasured", "one"],
)
def test_little_is_shown_as_well(opened, browser, reports):
    opened(*reports)
    assert browser.errors() == []
    assert browser.requests() == []
    assert browser.violations() == []
    assert browser.overflow() == 0


def test_the_system_may_prefer_dark_and_the_reader_light(opened, browser):
    browser.color_scheme("dark")
    opened(session(new()))
    background = "return getComputedStyle(document.body).backgroundColor"
    dark = browser.run(background)
    choose(browser, "theme", "Light")
    assert browser.run(background) == "rgb(255, 255, 255)" != dark
    choose(browser, "theme", "Dark")
    assert browser.run(background) == dark


def test_everything_can_be_reached_and_done_with_the_keyboard(opened):
    keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
    browser = opened(session(*two_tasks()))
    seen = []
    for _ in range(120):
        browser.press(keys.TAB)
        seen.append(browser.focused())
        if seen[-1] == "body":
            break
    for wanted in ("select#unit", "select#country", "input#grams", "select#scope", "input#search",
                   "select#filter-task", "input#published", "svg", "select#history-test",
                   "input#even-queries"):  # fmt: skip
        assert wanted in seen
    browser.run("document.querySelector('.more').focus()")
    browser.press(keys.ENTER)
    assert browser.find(".details").is_displayed()
    assert browser.run("return document.activeElement.className") == "more"
    browser.run("document.querySelector('#tasks-chart .canvas svg').focus()")
    browser.press(keys.ARROW_RIGHT)
    assert "J per inference" in browser.find("#tasks-chart .status").text
    first = browser.find("#tasks-chart .status").text
    browser.press(keys.ARROW_RIGHT)
    assert browser.find("#tasks-chart .status").text != first


def many(number):
    one = result(2.0)
    return [
        replace(one, subject=replace(one.subject, test=f"t.py::test_{i:05}")) for i in range(number)
    ]


def test_pages_are_turned_with_the_keyboard_and_the_focus_stays(opened):
    keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
    browser = opened(session(*many(120)))
    turned = "return document.activeElement.dataset.turn"
    browser.run("document.querySelector('#table').focus()")
    while browser.run(turned) != "Next":
        browser.press(keys.TAB)
    rows = browser.find("#pages [role=status]")
    assert rows.text == "1 to 50 of 120"
    browser.press(keys.ENTER)
    assert (rows.text, browser.run(turned)) == ("51 to 100 of 120", "Next")
    assert column(browser, TEST)[0] == "test_00050"
    browser.press(keys.SPACE)
    assert (rows.text, browser.run(turned)) == ("101 to 120 of 120", "Next")
    # What leads nowhere says so and does nothing: another key must not lead back to the start.
    assert turn(browser, "Next").get_attribute("aria-disabled") == "true"
    browser.press(keys.ENTER)
    assert (rows.text, browser.run(turned)) == ("101 to 120 of 120", "Next")
    browser.press(keys.TAB)
    assert browser.run(turned) == "Last"
    with_shift = f"{keys.SHIFT}{keys.TAB}"
    for name in ("Next", "Previous"):
        browser.find(":focus").send_keys(with_shift)
        assert browser.run(turned) == name
    browser.press(keys.ENTER)
    assert (rows.text, browser.run(turned)) == ("51 to 100 of 120", "Previous")
    browser.find(":focus").send_keys(with_shift)
    browser.press(keys.ENTER)
    assert (rows.text, browser.run(turned)) == ("1 to 50 of 120", "First")
    assert browser.violations("#results") == []


def test_turning_a_page_keeps_what_was_opened_and_a_filter_begins_anew(opened):
    browser = opened(session(*many(120)))
    browser.find(".more").click()
    turn(browser, "Last").click()
    assert len(browser.all(".details")) == 0
    turn(browser, "First").click()
    assert len(browser.all(".details")) == 1
    turn(browser, "Last").click()
    browser.find("#search").send_keys("test_00")
    assert browser.find("#pages [role=status]").text == "1 to 50 of 120"
    browser.find("#search").send_keys("00")
    assert not browser.find("#pages").is_displayed()


def test_hostile_names_are_texts_and_nothing_else(opened):
    browser = opened(hostile_session())
    for number in range(len(browser.all(".more"))):
        browser.all(".more")[number].click()
    assert browser.errors() == []
    assert browser.requests() == []
    assert browser.overflow() == 0
    assert len(browser.all("main script, main img, main iframe")) == 0
    assert "<script>alert(1)</script>" in HOSTILE
    assert "<script>alert(1)</script>" in browser.find("main").text


def test_ten_thousand_results_are_pages_of_fifty(opened):
    browser = opened(session(*many(10_000)))
    assert len(column(browser, TEST)) == 50
    assert browser.find("#count").text == "10,000 results"
    assert "The first 2,000 of 10,000 points are drawn" in browser.find("#tasks").text
    browser.find("[data-turn=Last]").click()
    assert "9,951 to 10,000 of 10,000" in browser.find("#pages").text
    browser.find("#search").send_keys("test_09999")
    assert column(browser, TEST) == ["test_09999"]
    assert browser.errors() == []
