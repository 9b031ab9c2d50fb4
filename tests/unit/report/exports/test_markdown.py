"""Markdown: what is shown, what is folded, and that nothing in a name acts."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from pytest_energy.report.exports.markdown import MOST_BYTES, code, headline, render
from pytest_energy.report.printable import printable
from pytest_energy.types.session import BaseSummary, Overhead, Unrun
from pytest_energy.types.verdict import Status
from support.reports import (
    COUNTS,
    HOSTILE,
    OTHER_MACHINE,
    both_roles,
    hostile_session,
    new,
    only_counted,
    result,
    session,
    trained,
    unmeasured,
)

TEST = "tests/test_x.py::test_a"
OURS = {"p", "strong", "table", "thead", "tbody", "tr", "th", "td", "code", "br", "details"}
OURS |= {"summary", "ul", "li", "h4"}


class Page(HTMLParser):
    """The tags, the rows of each table and the texts of code of a page."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.rows, self.codes, self.plain = set(), [], [], ""
        self._inside = []
        self.feed(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))

    def handle_starttag(self, tag, attrs):
        assert not attrs
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "code":
            self.codes.append("")
        if tag != "br":
            self._inside.append(tag)

    def handle_endtag(self, tag):
        assert self._inside.pop() == tag

    def handle_data(self, data):
        if "td" in self._inside or "th" in self._inside:
            self.rows[-1][-1] += data
        if "code" in self._inside:
            self.codes[-1] += data
        else:
            self.plain += data


def test_the_verdict_is_the_first_line():
    report = session(result(3.0, test="a"), result(test="b"), new(test="c"), unmeasured(test="d"))
    assert headline([report]) == (
        "**Energy: 1 regressed**; 2 compared (1 ok, 1 regressed); 1 new, 1 unmeasured"
    )
    assert render([report]).startswith(headline([report]) + "\n\n")
    assert headline([session(result())]) == "**Energy: no regression**; 1 compared (1 ok)"
    assert headline([session(new())]) == "**Energy: nothing was compared**; 1 new"
    assert headline([session()]) == "**Energy: nothing was compared**"


def test_the_headline_ratio_stands_in_view_for_each_machine_class():
    text = render([session(*both_roles())])
    said = "- `qa: general-purpose takes 10.0 times the energy of task-specific (95 %:"
    assert said in text.partition("<details>")[0]
    elsewhere = session(*both_roles(general=8.0), machine=OTHER_MACHINE)
    text = render([session(*both_roles()), elsewhere])
    assert said in text.partition(OTHER_MACHINE.slug)[0]
    assert "takes 4.00 times" in text.partition(OTHER_MACHINE.slug)[2]


def test_of_many_headline_ratios_the_first_stand_in_view():
    tasks = [
        replace(one, subject=replace(one.subject, task=f"task {i}", test=f"{i}{one.subject.test}"))
        for i in range(30)
        for one in both_roles()
    ]
    text = render([session(*tasks)])
    assert text.count("general-purpose takes") == 10
    assert "- and 20 more tasks: `--energy-json` has each" in text


def test_what_changed_stands_in_a_table_with_its_culprit_and_the_rest_is_folded():
    risen, other = result(3.0, test="t.py::rose"), result(test="t.py::stayed")
    risen = replace(risen, verdict=replace(risen.verdict, counts=COUNTS))
    text = render([session(other, risen, result(1.0, test="t.py::fell"))])
    shown, folded = text.split("<details>", 1)
    assert "| **regressed** | `t.py::rose` | 3.00 J | +50.0 %" in shown
    assert "counted +120 %" in shown
    assert "`61 %  Bert.encoder.layer.[0-5]: 1.00 GFLOP -> 2.00 GFLOP`" in shown
    assert "`model.py:run calls tokens.py:split 1 -> 2 times (+9 Python calls)`" in shown
    assert shown.index("rose") < shown.index("fell")
    assert "stayed" not in shown
    assert "<summary>1 other</summary>" in folded
    assert "| ok | `t.py::stayed` | `model` | 2.00 J | 0.222 g |" in folded
    assert "carbon: `400 g/kWh (Testland, 2024)`" in folded


def test_without_counts_the_culprit_is_the_domain_that_rose_most():
    assert "| `cpu +50.0 %` |" in render([session(result(3.0))])


def test_a_test_that_failed_for_want_of_a_comparison_is_not_folded():
    lost = unmeasured("the meter was lost", test="t.py::lost")
    shown = render([session(lost, outcomes={"t.py::lost": "failed"})]).split("<details>")[0]
    assert "| **unmeasured** | `t.py::lost` |  |  | `the meter was lost` |" in shown
    assert "t.py::lost" not in render([session(lost)]).split("<details>")[0]


def test_what_has_no_result_stands_in_the_first_line():
    unrun = {"t::a": Unrun.SKIPPED, "t::b": Unrun.ERROR, "t::c": Unrun.UNFINISHED}
    assert headline([session(result(), unrun=unrun)]) == (
        "**Energy: no regression in what ran**; 1 compared (1 ok);"
        " 1 skipped, 1 failed in the set-up or at collection, 1 did not run to the end"
    )
    assert headline([session(result(), unrun={"t::a": Unrun.SKIPPED})]) == (
        "**Energy: no regression**; 1 compared (1 ok); 1 skipped"
    )
    assert headline([session(result(3.0), unrun=unrun)]).startswith("**Energy: 1 regressed**")
    assert headline([session(unrun=unrun)]).startswith("**Energy: nothing was compared**; 1 skip")


def test_a_test_that_failed_uncompared_is_not_among_those_without_a_regression():
    said = "**Energy: no regression in what was compared**; 1 compared (1 ok); 1 unmeasured"
    lost = unmeasured(test="t.py::broken")
    assert headline([session(result(), lost, outcomes={"t.py::broken": "failed"})]) == said
    unrun = {"t.py::other": Unrun.ERROR}
    both = session(result(), lost, outcomes={"t.py::broken": "failed"}, unrun=unrun)
    assert headline([both]).startswith(said)
    assert headline([session(result(), lost)]).startswith("**Energy: no regression**")


def test_what_was_to_be_metered_and_was_not_has_no_energy():
    lost = replace(unmeasured(test="t.py::lost"), counts=only_counted().counts)
    assert (
        "| unmeasured | `t.py::lost` | `model` |  |  |  | `the body raised ValueError` |"
        in render([session(lost)])
    )


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("commit", ["abc1234", None])
def test_of_the_sessions_of_one_commit_a_result_that_failed_counts(order, commit):
    """The jobs of a matrix run on alike machines: none may hide what another has found."""
    red = session(result(3.0), commit=commit)
    green = session(result(2.0), date="2026-03-05T00:00:00Z", commit=commit)
    assert headline([red, green][::order]).startswith("**Energy: 1 regressed**; 1 compared")
    changed = replace(green, commit=commit and f"{commit}+")
    assert headline([red, changed][::order]).startswith("**Energy: 1 regressed**; 1 compared")
    failed = session(unmeasured(), outcomes={TEST: "failed"}, commit=commit)
    later = replace(failed, date="2026-03-05T00:00:00Z")
    assert headline([red, later][::order]).startswith("**Energy: 1 regressed**; 1 compared")
    shown = render([failed, green][::order]).split("<details>")[0]
    assert "| **unmeasured** |" in shown


@pytest.mark.parametrize("order", [1, -1])
def test_what_one_session_of_a_commit_did_not_reach_is_no_ones_result(order):
    whole = session(result(), date="2026-03-05T00:00:00Z", commit="abc1234")
    for why, said in (
        (Unrun.UNFINISHED, "; 1 did not run to the end"),
        (Unrun.SKIPPED, ""),  # on that Python, say; another had it
    ):
        part = session(unrun={TEST: why}, commit="abc1234")
        assert headline([whole, part][::order]).endswith(f"; 1 compared (1 ok){said}")
        before = session(unrun={TEST: why}, commit="0ld")
        assert headline([whole, before][::order]).endswith("; 1 compared (1 ok)")


def test_of_several_commits_the_latest_result_of_each_machine_class_counts():
    first = session(result(3.0), commit="0ld")
    second = session(result(2.0), date="2026-03-05T00:00:00Z", commit="abc1234")
    assert headline([second, first]) == "**Energy: no regression**; 1 compared (1 ok)"
    elsewhere = session(result(3.0), machine=OTHER_MACHINE)
    text = render([second, elsewhere])
    assert "2 compared (1 ok, 1 regressed)" in text
    assert text.count("\n#### `") == 2
    assert {"h4"} <= Page(text).tags


def test_the_base_of_a_paired_run_and_the_notices_are_named():
    report = session(result(), base=BaseSummary("1a2b3c4 (main)"), notices=("counts are off",))
    text = render([report])
    assert "compared with the base `1a2b3c4 (main)`" in text
    assert "- `counts are off`" in text


def test_no_name_acts_as_markdown_or_html():
    text = render([hostile_session()])
    assert not [c for c in text if c != "\n" and not c.isprintable()]
    page = Page(text)
    assert page.tags <= OURS
    shown = printable(HOSTILE)
    assert [row for row in page.rows if len(row) not in (5, 7)] == []
    assert any(shown in text for text in page.codes)
    for sign in ("@octocat", "example.org", "e.org", "alert", "#1", ":smile:", "$x$"):
        assert sign not in page.plain


@pytest.mark.parametrize(
    "text",
    [*("a|b", "``", "`", "\\", "\\|", "a\\", " x ", "<b>", "&amp;", "@me", "a\nb", "é 日本", "|")],
)
def test_a_name_is_shown_as_it_is_in_a_cell(text):
    page = Page(f"| a |\n| --- |\n| {code(text)} |\n")
    assert page.rows[1] == [printable(text)]
    assert page.codes == [printable(text)]


def test_long_names_are_cut_in_the_middle():
    shown = code("a" * 500 + "b")
    assert len(shown) < 320
    assert shown.startswith("`aaa")
    assert shown.endswith("b`")
    assert code("") == ""


def many(number, name="tests/test_models.py::test_classification[{}]", **members):
    one, risen = new(**members), result(3.0, **members)
    return session(
        *(
            replace(risen if i % 4 == 0 else one, subject=replace(one.subject, test=name.format(i)))
            for i in range(number)
        )
    )


def test_of_ten_thousand_tests_what_finds_no_room_is_counted():
    text = render([many(10_000)])
    assert 0.9 * MOST_BYTES < len(text.encode()) <= MOST_BYTES
    assert "2,500 regressed" in text
    assert text.count("\n| **regressed** |") == 2500
    left_out = 7500 - text.count("\n| new |")
    assert left_out > 0
    assert f"{left_out:,} more are left out: `--energy-json` has every one." in text
    assert "</details>" in text[-20:]


def test_hostile_names_of_ten_thousand_tests_find_their_room_or_none():
    text = render([many(10_000, "|`" * 1000 + "{}", model=HOSTILE, unit=HOSTILE)])
    assert len(text.encode()) <= MOST_BYTES
    assert "are left out" in text


@pytest.mark.parametrize("most", [100, 3500, 20_000])
def test_where_there_is_little_room_the_verdict_comes_first(most):
    text = render([many(1000)], most)
    assert len(text.encode()) <= max(most, 200)
    assert text.startswith("**Energy: 250 regressed**")


def test_many_machine_classes_keep_the_limit_too():
    reports = [
        replace(many(200), machine=replace(OTHER_MACHINE, cpu=f"cpu {i}")) for i in range(60)
    ]
    text = render(reports)
    assert len(text.encode()) <= MOST_BYTES
    assert text.count("\n| **regressed** |") == 60 * 50


def test_every_verdict_has_its_words():
    risen = result()
    everything = [
        replace(
            risen,
            subject=replace(risen.subject, test=status.value),
            verdict=replace(risen.verdict, status=status),
        )
        for status in Status
    ]
    page = Page(render([session(*everything)]))
    found = {row[0] for row in page.rows} - {"verdict"}
    assert found == {status.value.replace("_", " ") for status in Status}


def test_an_interval_is_said_to_be_of_95_percent():
    text = render([session(result(3.0), result(2.0, test="t.py::b"))])
    assert text.count("| change (95 % interval) |") == 2


def notes(*reports):
    return [line for line in render(list(reports)).splitlines() if line.startswith("- ")]


LATER = "2026-03-05T00:00:00Z"


def test_of_several_runs_each_line_says_which_it_is_of():
    first = session(trained(3.0), overhead=Overhead(1.5, 2.5), notices=("counts are off",))
    second = session(trained(4.0), overhead=Overhead(2.5, 3.5), date=LATER)
    lines = notes(first, second)
    of_first, of_second = ("- `2026-03-04T05:06:07Z`: ", f"- `{LATER}`: ")
    assert [line for line in lines if line.startswith(f"{of_first}`training of model: 1,000 steps")]
    assert [line for line in lines if line.startswith(f"{of_second}`training of model: 1,000 step")]
    assert [line for line in lines if line.startswith(f"{of_first}the gate itself took 2.50 J")]
    assert [line for line in lines if line.startswith(f"{of_second}the gate itself took 3.50 J")]
    assert f"{of_first}`counts are off`" in lines


def test_what_all_runs_say_is_said_once_and_of_one_run_none_is_named():
    first, second = session(new(), notices=("a",)), session(new(), notices=("a",), date=LATER)
    assert notes(first, second).count("- `a`") == 1
    assert render([]).startswith("**Energy: nothing was compared**")
    assert not [line for line in notes(first) if line.startswith("- `2026-03-04T05:06:07Z`: ")]


def test_runs_of_one_moment_are_told_apart_by_their_machine_or_number():
    first = session(new(), notices=("a",))
    elsewhere = session(new(), machine=OTHER_MACHINE)
    (line,) = [line for line in notes(first, elsewhere) if line.endswith("`a`")]
    assert line == f"- `{first.date}` on `{first.machine.slug}`: `a`"
    (line,) = [line for line in notes(session(new()), first) if line.endswith("`a`")]
    assert line == f"- `{first.date}` on `{first.machine.slug}` (run 2): `a`"
