"""The message of a failing test, the table, the closing line."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from pytest_energy.report import failure, table, terminal
from pytest_energy.types.carbon import Carbon
from pytest_energy.types.energy import Domain, Method
from pytest_energy.types.measurement import Block, FlopCount, Measurement
from pytest_energy.types.result import Result, Subject
from pytest_energy.types.session import Overhead, Unrun
from pytest_energy.types.verdict import Change, Rule, Status, Verdict
from support.examples import ROOT
from support.reports import only_counted, session

USA = Carbon(369.0, "USA", 2022, "a test")


GPU = Domain("gpu:0", "gpu", Method.COUNTER, "NVML", 0.1)


CPU = Domain("cpu", "cpu", Method.COUNTER, "RAPL", 1e-3)


def result(
    status=Status.REGRESSED,
    *,
    model="distilbert",
    test="tests/test_x.py::test_sentiment",
    n=1000,
    region="",
    role="",
    recorded=None,
    change=None,
    **verdict,
):
    """2.41 J per inference against a baseline of 2.10 J."""
    subject = Subject(test, region, "sentiment", model, "", role, "inference", n)
    blocks = tuple(Block(n // 20, 1.0, (2.0 * n / 20, 0.41 * n / 20)) for _ in range(20))
    measured = Measurement(("nvml", "rapl"), (GPU, CPU), blocks, n, float(n), recorded=recorded)
    return Result(subject, measured, Rule(0.05), Verdict(status, change=change, **verdict))


CHANGE = Change(
    value=0.148,
    low=0.129,
    high=0.167,
    limit=0.05,
    detectable=0.069,
    joules=2.1,
    joules_low=2.05,
    joules_high=2.13,
    sessions=5,
    domains={"gpu:0": 0.151, "cpu": 0.139},
)

REGRESSED = {"change": CHANGE, "can_be_stored": True}


def test_the_message_of_a_regression_reads_as_the_design_has_it():
    assert failure.message(result(**REGRESSED), USA).splitlines() == [
        "energy regressed: 2.41 J per inference, baseline 2.10 J (5 sessions, 2.05 to 2.13)",
        "  change     +14.8 %  [+12.9 %, +16.7 %] (95 %)   allowed +5 %",
        "  detectable  +6.9 %  would have been found, in four of five sessions",
        "  gpu:0      +15.1 %  counter (NVML)",
        "  cpu        +13.9 %  counter (RAPL)",
        "  CO2e       0.215 g -> 0.247 g per 1,000 inferences at 369 g/kWh (USA, 2022)",
        "accept it: pytest tests/test_x.py::test_sentiment --energy-update",
    ]


def test_processes_machine_and_flops_stand_below_it_within_100_columns():
    seen = result(
        change=replace(CHANGE, passes=(0.152, 0.143), reference_change=-0.071, flops=0.0),
        interpretation="the operations are the same, the way they run is not",
    )
    measured = replace(seen.measurement, flops=FlopCount(8_450_000_000, (), 3 * (8_450_000_000,)))
    lines = failure.message(replace(seen, measurement=measured), USA).splitlines()
    assert lines[1:4] == [
        "  change     +14.8 %  [+12.9 %, +16.7 %] (95 %)   allowed +5 %",
        "  detectable  +6.9 %  would have been found, in four of five sessions",
        "  processes  +15.2 %, +14.3 %",
    ]
    assert lines[6:8] == [
        "  machine     -7.1 %  reference workload: the machine is faster than it was; taken out",
        "  flops       +0.0 %  8.45 GFLOP per inference: the operations are the same, the way they"
        " run is not",
    ]
    assert max(map(len, lines)) <= 100


def test_the_readme_begins_with_a_message_as_it_is_printed():
    seen = result(
        change=replace(CHANGE, low=0.101, high=0.196, passes=(0.152, 0.143), flops=0.0),
        can_be_stored=True,
        interpretation="the operations are the same, the way they run is not",
    )
    measured = replace(seen.measurement, flops=FlopCount(8_450_000_000, (), 3 * (8_450_000_000,)))
    message = failure.message(replace(seen, measurement=measured), USA)
    for page, block in (("README.md", "```"), ("docs/index.md", "```text")):
        assert f"{block}\n{message}\n```\n" in (ROOT / page).read_text("utf-8")


def test_where_the_headline_divided_is_another_change_it_says_why():
    change = replace(CHANGE, value=0.172, reference_change=-0.021)
    assert failure.message(result(change=change), USA).splitlines()[3:5] == [
        "  plain      +14.8 %  2.41 J over 2.10 J; judged is the typical block, in units of the"
        " reference",
        "             workload",
    ]


def test_a_limit_above_the_tolerance_says_what_was_asked_for():
    message = failure.message(result(change=replace(CHANGE, limit=0.083)), USA)
    assert "allowed +8.3 % (asked: 5 %)" in message


def test_the_command_at_its_end_can_be_pasted_whatever_the_test_is_called():
    message = failure.message(result(test="t.py::test_x[a b-$c]", **REGRESSED), USA)
    assert message.splitlines()[-1] == "accept it: pytest 't.py::test_x[a b-$c]' --energy-update"


def test_a_region_is_named():
    message = failure.message(result(region="prefill", **REGRESSED), USA)
    assert message.startswith("energy regressed in 'prefill': 2.41 J")


def test_a_long_reason_is_folded_at_100_columns():
    reason = "the baseline's cpu rests on " + "CPU time, 4 W per logical CPU, " * 12
    message = failure.message(
        result(Status.INCOMPARABLE, reason=reason, hint="start anew " * 20), USA
    )
    assert max(map(len, message.splitlines())) <= 100
    assert reason.split() == message[message.index("the base") : message.index("  CO2e")].split()


def test_without_a_baseline_nothing_is_compared_and_storing_is_offered():
    message = failure.message(result(Status.NEW, can_be_stored=True), USA)
    assert message.splitlines()[0] == "energy new: 2.41 J per inference, no baseline"
    assert message.splitlines()[-1].startswith("store it: pytest ")


def test_what_was_not_measured_has_no_figures():
    unmeasured = Result(
        result().subject, None, Rule(0.05), Verdict(Status.UNMEASURED, "samples is empty")
    )
    assert failure.message(unmeasured, USA) == "energy unmeasured: samples is empty"


MANY = [
    result(
        Status.OK,
        model="sentence-transformers/all-MiniLM-L6-v2",
        role="task-specific",
        recorded={"accuracy": 0.789},
        change=replace(CHANGE, value=0.01),
    ),
    result(
        model="meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8",
        role="general-purpose",
        test="t.py::test_general_purpose[a-very-long-parameter]",
        **REGRESSED,
    ),
    result(
        Status.INCONCLUSIVE,
        reason="others used 31 % of the machine's CPU time meanwhile",
        hint="measure on a quieter machine",
    ),
    Result(result().subject, None, Rule(0.05), Verdict(Status.UNMEASURED, "samples is empty")),
]


@pytest.mark.parametrize("width", [80, 100, 120, 200, 300])
def test_the_table_fits_the_terminal_and_no_more_than_200_columns(width):
    lines = table.render(MANY, {}, USA, width, colour=False).splitlines()
    assert max(map(len, lines)) <= min(width, 200)
    text = " ".join(" ".join(lines).split())
    for figure in ("2.41 J", "0.000669 kWh", "0.247 g", "+14.8 %", "+12.9 to +16.7", "accuracy"):
        assert figure in text
    for status in ("ok", "regressed", "inconclusive", "unmeasured"):
        assert re.search(rf"\b{status}\b", text)
    assert "samples is empty" in text
    assert "general-purpose takes 1.00 times the energy of task-specific" in text
    assert "369 g/kWh (USA, 2022)" in text


def test_no_escape_sequences_where_nobody_sees_colours():
    assert "\x1b" not in table.render(MANY, {}, USA, 80, colour=False)
    assert "\x1b" in table.render(MANY, {}, USA, 80, colour=True)


def test_names_cannot_smuggle_markup_into_the_table():
    odd = [result(model="[red]m[/red]", test="t.py::test_x[/bold]")]
    text = table.render(odd, {}, USA, 100, colour=False)
    assert "[red]m[/red]" in text
    assert "test_x[/bold]" in text


def test_names_cannot_act_on_the_terminal_in_the_table_nor_begin_a_line():
    evil = "x\x1b[2J\n\u202e"
    odd = [result(model=evil, test=f"t.py::test_{evil}", region=evil, recorded={evil: 1.0})]
    lines = table.render(odd, {odd[0].subject.key: evil}, USA, 200, colour=False).splitlines()
    assert lines[4].split()[0] == r"x\x1b[2J\n\u202e"
    assert lines[5].split()[0] == r"test_x\x1b[2J\n\u202e#x\x1b[2J\n\u202e"
    assert lines[5].endswith(r"x\x1b[2J\n\u202e 1.00")
    assert lines[6] == r"test_x\x1b[2J\n\u202e#x\x1b[2J\n\u202e: x\x1b[2J\n\u202e"


def test_figures_stand_on_one_line_where_there_is_room_and_names_give_way_for_them():
    name = "a-very-long-owner/" + "a-very-long-model-" * 9
    odd = [result(model=name, recorded={"normalized_exact_match": 0.5})]
    for width, folded in ((80, True), (130, False)):
        text = table.render(odd, {}, USA, width, colour=False)
        assert ("normalized_exact_match 0.500" not in text) is folded


def test_a_message_has_no_line_that_a_name_began():
    message = failure.message(result(region="x\n\x1b[2J", reason="a\nb", **REGRESSED), USA)
    assert message.splitlines()[0].startswith(r"energy regressed in 'x\n\x1b[2J': 2.41 J")
    assert message.splitlines()[1] == r"  reason     a\nb"


def test_the_closing_line_counts_and_says_what_the_gate_took():
    def of(results, unrun=()):
        return session(*results, overhead=Overhead(1.4, 3.2), unrun=dict(unrun))

    assert terminal.closing_line(of(MANY)) == (
        "energy: 2 compared (1 ok, 1 regressed), 1 inconclusive, 1 unmeasured;"
        " the gate itself, warm-up included, took 3.20 J and 1.40 s"
    )
    unrun = {"t::a": Unrun.SKIPPED, "t::b": Unrun.UNFINISHED, "t::c": Unrun.UNFINISHED}
    assert terminal.closing_line(of(MANY[:1], unrun)).startswith(
        "energy: 1 compared (1 ok), 1 skipped, 2 did not run to the end; the gate itself"
    )
    assert terminal.closing_markup(of(MANY))["red"]
    assert terminal.closing_markup(of(MANY[:1])) == {"green": True}
    assert terminal.closing_markup(of(MANY[:1] + MANY[2:])) == {"yellow": True}
    assert terminal.closing_markup(of(MANY[:1], unrun)) == {"yellow": True}


def test_thousands_of_rows_are_those_that_somebody_must_look_at():
    many = [
        result(
            Status.REGRESSED if i % 500 == 7 else Status.OK, test=f"t.py::test_{i}", change=CHANGE
        )
        for i in range(2000)
    ]
    text = table.render(many, {}, USA, 120, colour=False)
    assert text.count(" regressed") == 4
    assert text.count("%          ok") + text.count(" ok\n") >= 900
    assert "1,000 more are left out, each of them ok or new: --energy-json has every one" in text


def test_far_more_joules_that_pass_for_the_reference_workload_alone_are_explained():
    """Reference readings that were halved make twice the energy `ok`: the line says so."""
    slower = replace(CHANGE, value=0.0, joules=1.205, reference_change=1.0)
    text = table.render([result(Status.OK, change=slower)], {}, USA, 120, colour=False)
    flowing = " ".join(text.split())
    assert "over 1.21 J" in flowing
    assert (
        "2.41 J over 1.21 J is +100.0 %, and +0.0 % judged: by the reference workload the machine"
        " is 100 % slower than it was" in flowing
    )
    near = replace(CHANGE, value=0.0, joules=2.41, reference_change=0.0)
    text = table.render([result(Status.OK, change=near)], {}, USA, 120, colour=False)
    assert "judged" not in text


def row_of(joules, before, judged, **members):
    """What the table says of 1 test, in one line."""
    one = result(Status.OK, change=replace(CHANGE, value=judged, joules=before, **members))
    blocks = (Block(1000, 20.0, (1000 * joules - 410.0, 410.0)),)
    one = replace(one, measurement=replace(one.measurement, blocks=blocks))
    return " ".join(table.render([one], {}, USA, 120, colour=False).split())


@pytest.mark.parametrize(
    ("joules", "before", "judged"),
    [
        (2.93, 2.75, -0.013),  # another sign
        (2.05, 2.00, 0.031),  # another figure
        (2.76, 2.75, -0.001),  # no more than rounding, and another sign
    ],
)
def test_a_change_that_the_two_figures_of_the_row_do_not_give_is_explained(joules, before, judged):
    text = row_of(joules, before, judged, reference_change=None)
    assert f"{joules:.2f} J over {before:.2f} J is +" in text
    assert f"{100 * judged:+.1f} % judged: what is judged is the typical block, not th" in text


@pytest.mark.parametrize(("joules", "judged"), [(2.05, 0.025), (2.05, 0.028), (2.0, -0.002)])
def test_a_change_that_they_give_as_far_as_their_digits_go_needs_no_word(joules, judged):
    assert "judged" not in row_of(joules, 2.0, judged, reference_change=0.0)


def test_both_reasons_are_named_where_both_account_for_it():
    text = row_of(2.2, 2.0, -0.02, reference_change=0.08)
    assert "the machine is 8 % slower than it was and what is judged is the typical bl" in text
    text = row_of(2.2, 2.0, 1.1 / 1.08 - 1, reference_change=0.08)
    assert "the machine is 8 % slower than it was" in text
    assert "typical" not in text


def test_counted_joules_are_marked_beside_measured_ones():
    rows = [result(Status.NEW), only_counted(test="t.py::counted")]
    text = table.render(rows, {}, USA, 120, colour=False)
    assert re.search(r"distilbert +2\.41 J  ", text)
    assert re.search(r"model +\S+ mJ counted +-", text)
    step = only_counted(test="t.py::training", role="training", unit="step")
    text = table.render([step], {}, USA, 120, colour=False)
    assert re.search(r" training +per step", text)


def test_operations_that_say_nothing_about_the_verdict_stand_without_a_word():
    more = replace(CHANGE, flops=0.062)
    plain = table.render([result(Status.INCONCLUSIVE, change=more)], {}, USA, 120, colour=False)
    assert "test_sentiment: flops +6.2 %\n" in plain
    words = {"interpretation": "more operations"}
    told = table.render([result(Status.OK, change=more, **words)], {}, USA, 120, colour=False)
    assert "test_sentiment: flops +6.2 %: more operations\n" in told


def test_what_the_same_was_done_with_is_said_in_one_line_where_it_is_many():
    few = {f"t.py::test_{i}": "stored" for i in range(20)}
    assert terminal.stored_lines(few)[3] == "t.py::test_3: stored"
    many = {f"t.py::test_{i}": "stored" for i in range(5000)} | {"t.py::test_x": "not stored: busy"}
    assert terminal.stored_lines(many) == [
        "stored: test_0, test_1, test_2, test_3, test_4 and 4,995 more",
        "t.py::test_x: not stored: busy",
    ]
