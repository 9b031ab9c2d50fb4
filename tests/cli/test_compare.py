"""`pytest-energy compare A.json B.json`: one run judged against another.

Runs are real ones with the scripted meter, or sessions of known figures that are written as the
plugin writes them, or either of these, edited.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace

import jsonschema
import pytest

from pytest_energy.cli.main import main
from pytest_energy.compare.as_json import SCHEMA_FILE
from pytest_energy.report import json as json_report
from pytest_energy.types.counts import Judge
from pytest_energy.types.energy import Method
from pytest_energy.types.measurement import ReferenceReadings
from pytest_energy.types.verdict import Rule
from support.counted import call, counted, operator
from support.measurements import CPU, measured
from support.reports import HOSTILE, OTHER_MACHINE, hostile_session, new, session, unmeasured
from support.schema_1 import REPORT

LATER = "2026-03-04T05:20:00Z"
"""A quarter of an hour after the first run."""

MODEL = operator("Bert.encoder.layer.[0-5].dense", 10**9)
DOUBLED = operator("Bert.encoder.layer.[0-5].dense", 2 * 10**9)


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def write(tmp_path):
    """Write a session as a run's report."""

    def write_it(name, *results, blocks=True, **members):
        path = tmp_path / f"{name}.json"
        members = {"date": LATER if name == "b" else "2026-03-04T05:06:07Z"} | members
        assert json_report.write_report(path, session(*results, **members), blocks) == []
        return path

    return write_it


@pytest.fixture
def compare(capfd):
    """Run the command: its exit code, what it printed, and what it complained of."""

    def run(*arguments):
        code = main(["compare", *map(str, arguments)])
        out, err = capfd.readouterr()
        return code, out, err

    return run


@pytest.fixture
def as_json(compare):
    """Run the command with --json, which is always as its schema says."""
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text("utf-8")))

    def run(*arguments):
        _, out, _ = compare(*arguments, "--json")
        record = json.loads(out)
        validator.validate(record)
        return record

    return run


def flat(text):
    return " ".join(text.split())


def spend(joules, test="t.py::test_a", *, rule=None, counts=None, **members):
    """A test of so many joules per inference; with `counts`, these were counted as well."""
    facts = {name: members.pop(name) for name in list(members) if name in FACTS}
    one = new(joules, test=test, **members)
    measurement = measured(joules, wobble=0.01, **facts)
    return replace(one, measurement=measurement, rule=rule or one.rule, counts=counts)


FACTS = ("domains", "seconds", "other_cpu_share", "interference", "recorded", "blocks", "meters")


def edit(path, change):
    record = json.loads(path.read_text("utf-8"))
    change(record)
    path.write_text(json.dumps(record), "utf-8")
    return path


# Real runs


def test_a_model_that_takes_more_regresses_from_one_run_to_the_next(loop, compare, tmp_path):
    a, same, b = (tmp_path / f"{name}.json" for name in ("a", "same", "b"))
    loop.run(f"--energy-json={a}", "--energy-json-blocks")
    loop.run(f"--energy-json={same}")
    loop.set_cost(2.4)
    loop.run(f"--energy-json={b}", "--energy-json-blocks")

    code, text, error = compare(a, b)
    assert (code, error) == (1, "")
    (row,) = [line for line in text.splitlines() if line.startswith("tiny")]
    assert "  2.00 J   2.40 J   +20.0 % " in row
    assert row.rstrip().endswith("regressed")
    assert "test_it.py::test_loop: energy regressed: 2.40 J per inference, A 2.00 J" in text
    assert "(asked: 5 %)" in text  # one session says less than the tolerance asks for
    assert text.splitlines()[-1] == "compared 1 of 1 test of both runs: 1 regressed"

    code, text, _ = compare(b, a)
    assert code == 0
    assert text.splitlines()[-1] == "compared 1 of 1 test of both runs: 1 improved"

    code, text, _ = compare(a, same)
    assert code == 0
    assert "B without blocks" in text
    assert text.splitlines()[-1] == "compared 1 of 1 test of both runs: 1 ok"


def test_counts_of_real_runs_name_the_function_that_does_more(project, compare, tmp_path):
    a, b = tmp_path / "a.json", tmp_path / "b.json"
    project.write(test_it=COUNTED)
    project.write(work=WORK.format(5))
    project.run(f"--energy-json={a}", "--energy-judge=counted")
    project.write(work=WORK.format(9))
    project.run(f"--energy-json={b}", "--energy-judge=counted")
    code, text, _ = compare(a, b)
    assert code == 1
    assert "judged by exact counts alone" in text
    assert "counted per inference, A " in text
    assert re.search(r"counted +counted +exact", text)
    assert "work.py:infer calls work.py:step 5 -> 9 times" in text


COUNTED = """
import pytest
from work import infer

@pytest.mark.inference(n=20, model="tiny")
def test_loop(energy):
    for sample in energy.each(range(20)):
        infer(sample)
"""


WORK = """
def step():
    pass

def infer(_):
    for _ in range({}):
        step()
"""


# Verdicts


def test_each_test_has_a_row_and_its_verdict(write, compare):
    a = write("a", spend(2.0), spend(3.0, "t.py::test_b"), spend(4.0, "t.py::test_c"))
    b = write("b", spend(2.5), spend(3.01, "t.py::test_b"), spend(3.0, "t.py::test_c"))
    code, text, _ = compare(a, b)
    assert code == 1
    rows = text.split("─\n", 1)[1].split("\n\n")[0]
    assert [line.split()[-1] for line in rows.splitlines() if " J " in line] == [
        "regressed", "ok", "improved",
    ]  # fmt: skip
    assert "compared 3 of 3 tests of both runs: 1 ok, 1 improved, 1 regressed" in text


def test_the_tolerance_is_that_of_each_test_in_b_unless_it_is_given(write, as_json):
    tolerant = Rule(tolerance=0.5)
    a = write("a", spend(2.0, rule=Rule(0.01)))
    b = write("b", spend(2.5, rule=tolerant))
    (found,) = as_json(a, b)["results"]
    assert (found["verdict"], found["tolerance"]) == ("ok", 0.5)
    assert found["change"]["value"] == pytest.approx(0.25, rel=0.01)
    (found,) = as_json(a, b, "--tolerance", "10%")["results"]
    assert (found["verdict"], found["tolerance"]) == ("regressed", 0.1)


def test_the_more_tests_the_wider_each_limit(write, as_json):
    few = as_json(write("a", spend(2.0)), write("b", spend(2.01)))
    many = [f"t.py::test_{number}" for number in range(30)]
    a = write("a", *(spend(2.0, name) for name in many))
    b = write("b", *(spend(2.01, name) for name in many))
    assert (
        as_json(a, b)["results"][0]["change"]["limit"] > few["results"][0]["change"]["limit"]
    )  # false alarms are held over the whole comparison


def test_a_budget_is_each_runs_own_matter(write, as_json):
    over = Rule(tolerance=0.05, budget_joules=1.0, budget_text="1 J")
    a, b = write("a", spend(2.0, rule=over)), write("b", spend(2.0, rule=over))
    assert as_json(a, b)["results"][0]["verdict"] == "ok"


def test_a_fall_of_quality_is_a_regression(write, compare):
    rule = Rule(tolerance=0.05, quality="accuracy")
    a = write("a", spend(2.0, recorded={"accuracy": 0.9}))
    b = write("b", spend(1.0, recorded={"accuracy": 0.8}, rule=rule))
    code, text, _ = compare(a, b)
    assert code == 1
    assert "quality regressed: accuracy fell from 0.900 to 0.800" in text
    assert "accuracy 0.800, A 0.900; allowed -0 %" in text  # nothing is stored here
    assert "stored" not in text
    b = write("b", spend(2.0, recorded={"accuracy": 0.9}, rule=rule))
    a = write("a", spend(2.0))
    code, text, _ = compare(a, b)
    assert code == 2
    assert "incomparable: the first run has no accuracy" in text


# What is not comparable


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ({"n": 50}, {}, "the first run's n was 50, now 100"),
        ({"unit": "token"}, {}, "the first run's unit was token, now inference"),
        ({"dataset": "imdb"}, {}, "the first run's dataset was imdb, now none"),
        (
            {"domains": (replace(CPU, method=Method.SAMPLED),)},
            {},
            "the first run's cpu was sampled, now counter",
        ),
        (
            {"interference": ("a debugger watched",)},
            {},
            "the first run has no figure to compare with: a debugger watched",
        ),
    ],
)
def test_what_is_not_comparable_is_refused_with_the_reason(write, compare, first, second, reason):
    a = write("a", spend(2.0, **first), spend(2.0, "t.py::test_b"))
    b = write("b", spend(9.0, **second), spend(2.0, "t.py::test_b"))
    code, text, _ = compare(a, b)
    assert code == 0
    assert f"test_a: incomparable: {reason}" in flat(text)
    assert text.splitlines()[-1] == (
        "compared 1 of 2 tests of both runs: 1 ok; not compared: 1 incomparable"
    )


def test_interference_with_the_second_run_leaves_it_inconclusive(write, compare):
    a = write("a", spend(2.0))
    b = write("b", spend(3.0, interference=("a debugger watched",)))
    code, text, _ = compare(a, b)
    assert code == 2
    assert "inconclusive: a debugger watched" in text
    assert "--energy-against=REV runs both side by side" in text


def test_a_comparison_that_compared_nothing_is_an_error(write, compare):
    a, b = write("a", spend(2.0, n=50)), write("b", spend(2.0))
    code, text, error = compare(a, b)
    assert code == 2
    assert text.splitlines()[-1] == (
        "nothing was compared of 1 test of both runs; not compared: 1 incomparable"
    )
    assert error == (
        "pytest-energy: nothing was compared, so that nothing can be said to be fine\n"
    )


def test_another_machine_class_is_refused_but_counts_are_of_no_machine(write, compare):
    a = write("a", spend(2.0, counts=counted(MODEL)), machine=OTHER_MACHINE)
    b = write("b", spend(9.0, counts=counted(MODEL)))
    code, text, error = compare(a, b)
    assert code == 2
    assert f"the first run is of another machine class: {OTHER_MACHINE.slug}" in flat(text)
    assert "--judge counted compares the counts of 1" in error
    assert compare(a, b, "--judge", "counted")[0] == 0


def test_a_later_occasion_widens_an_estimate_whichever_run_was_first(write, as_json):
    domain = replace(CPU, method=Method.ESTIMATED)
    soon = write("a", spend(2.0, domains=(domain,))), write("b", spend(2.0, domains=(domain,)))
    limit = as_json(*soon)["results"][0]["change"]["limit"]
    day = "2026-03-05T05:06:07Z"
    apart = (
        write("a", spend(2.0, domains=(domain,)), date=day),
        write("b", spend(2.0, domains=(domain,))),
    )
    for pair in (apart, apart[::-1]):
        assert as_json(*pair)["results"][0]["change"]["limit"] > limit


def test_an_estimate_is_compared_in_units_of_the_reference_workload(write, compare, as_json):
    domain = replace(CPU, method=Method.ESTIMATED)

    def run(name, joules, machine, kind="product 256, 1 thread", blocks=True):
        one = spend(joules * machine, domains=(domain,))
        readings = ReferenceReadings(kind, 1, (0.5 * machine,) * len(one.measurement.blocks))
        one = replace(one, measurement=replace(one.measurement, reference=readings))
        return write(name, one, blocks=blocks)

    for blocks in (True, False):  # a slower machine, and the same model
        a, b = run("a", 2.0, 1.0, blocks=blocks), run("b", 2.0, 1.3, blocks=blocks)
        (found,) = as_json(a, b)["results"]
        assert found["change"]["value"] == pytest.approx(0, abs=1e-4)
        assert found["change"]["reference_change"] == pytest.approx(0.3)
        assert found["verdict"] == "ok"
        words = flat(compare(a, b)[1])  # the row has 2.60 J beside 2.00 J, and a change of 0
        assert "test_a: 2.60 J over 2.00 J is +30.0 %, and +0.0 % judged: by the reference" in words
    (found,) = as_json(run("a", 2.0, 1.0), run("b", 2.0, 1.0, "another"))["results"]
    assert found["verdict"] == "incomparable"
    assert found["reason"].startswith("the first run's reference workload was product 256")


# Counts


def test_counts_are_compared_beside_joules_and_a_counted_rise_fails(write, compare, as_json):
    a = write("a", spend(2.0, counts=counted(MODEL)))
    b = write("b", spend(2.0, counts=counted(DOUBLED)))
    code, text, _ = compare(a, b)
    assert code == 1
    assert "by exact count each inference does more" in text
    assert "FLOPs +100 %" in text
    assert "culprit" in text
    assert "Bert.encoder.layer.[0-5].dense (aten::addmm): 1.00 GFLOP -> 2.00 GFLOP" in text
    (found,) = as_json(a, b)["results"]
    assert found["counts"]["flops"] == 1.0
    (culprit,) = found["counts"]["culprits"]
    assert culprit["module"] == "Bert.encoder.layer.[0-5].dense"
    assert compare(a, b, "--judge", "measured")[0] == 0
    assert compare(a, b, "--judge", "counted")[0] == 1


def test_counts_that_changed_within_the_tolerance_are_said(write, compare):
    more = operator("Bert.encoder.layer.[0-5].dense", 10**9 + 10**6)
    a = write("a", spend(2.0, counts=counted(MODEL)))
    b = write("b", spend(2.0, counts=counted(more)))
    code, text, _ = compare(a, b)
    assert code == 0
    assert "test_a: counts FLOPs +0.1 %" in text


def test_runs_that_were_judged_by_counts_are_compared_by_counts(write, compare):
    def run(name, *rows):
        one = replace(unmeasured("counts decide", test="t.py::test_a"), counts=counted(*rows))
        return write(name, one, judge=Judge.COUNTED)

    a = run("a", MODEL, call("t.py:test_a", "m.py:run", 5))
    code, text, _ = compare(a, run("b", MODEL, call("t.py:test_a", "m.py:run", 5)))
    assert code == 0
    assert "1 ok" in text
    code, text, _ = compare(a, run("b", DOUBLED))
    assert code == 1


def test_what_one_run_has_not_counted_is_refused_where_counts_decide(write, compare):
    a, b = write("a", spend(2.0)), write("b", spend(2.0, counts=counted(MODEL)))
    for pair, reason in (
        ((a, b), "incomparable: nothing was counted in the first run"),
        ((b, a), "unmeasured: nothing was counted in the second run"),
    ):
        code, text, _ = compare(*pair, "--judge=counted")
        assert code == 2
        assert reason in text


# Tests of one run alone


def test_tests_that_are_new_or_gone_are_listed(write, compare):
    a = write("a", spend(2.0), spend(2.0, "t.py::test_gone"), spend(2.0, "t.py::test_m"))
    b = write("b", spend(2.0), spend(2.0, "t.py::test_new"), spend(2.0, "t.py::test_m", model="x"))
    code, text, _ = compare(a, b)
    assert code == 0
    assert "only in A: t.py::test_gone\n" in text
    assert "only in A: t.py::test_m (in B with another model (model, now x))" in text
    assert "only in B: t.py::test_new\n" in text
    assert text.splitlines()[-1].endswith(": 1 ok; 2 only in A; 2 only in B")
    assert compare(a, b, "--fail-missing")[0] == 1
    assert compare(b, b.with_name("a.json"), "--fail-missing")[0] == 1


def test_a_test_without_a_figure_in_b_is_missing_there(write, compare):
    a = write("a", spend(2.0), spend(2.0, "t.py::test_b"))
    b = write("b", spend(2.0), unmeasured("the body raised ValueError", test="t.py::test_b"))
    code, text, _ = compare(a, b)
    assert code == 0
    assert "test_b: unmeasured: the body raised ValueError" in text
    assert compare(a, b, "--fail-missing")[0] == 1


def test_a_test_that_failed_for_another_reason_is_said(write, compare):
    a = write("a", spend(2.0))
    b = write("b", spend(2.0), outcomes={"t.py::test_a": "failed"})
    code, text, _ = compare(a, b)
    assert code == 0
    assert "failed in B, and not for energy: test_a" in text


# Across machines


def test_across_machines_there_are_ratios_and_ranks_and_no_verdict(write, compare, as_json):
    tests = [f"t.py::test_{number}" for number in range(4)]
    a = write("a", *map(spend, (1.0, 2.0, 3.0, 4.0), tests), machine=OTHER_MACHINE)
    b = write("b", *map(spend, (10.0, 30.0, 20.0, 40.0), tests))
    code, text, error = compare(a, b, "--across")
    assert (code, error) == (0, "")
    assert f"warning: two machine classes, {OTHER_MACHINE.slug} and " in flat(text)
    assert "Rank correlation of 4 tests (Spearman): 0.80" in text
    assert "4 ratios of 4 tests of both runs, no verdict" in text
    for verdict in ("regressed", "improved", " ok"):
        assert verdict not in text
    (table,) = as_json(a, b, "--across")["tables"]
    assert [(row["a"]["rank"], row["b"]["rank"]) for row in table["rows"]] == [
        (1, 1), (2, 3), (3, 2), (4, 4),
    ]  # fmt: skip
    assert table["rows"][1]["ratio"]["value"] == pytest.approx(15)
    assert table["rows"][1]["ratio"]["low"] < 15 < table["rows"][1]["ratio"]["high"]
    assert table["rank_correlation"] == pytest.approx(0.8)


def test_across_machines_figures_of_two_methods_have_ranks_but_no_ratio(write, as_json):
    domain = replace(CPU, method=Method.ESTIMATED)
    a = write("a", spend(2.0, domains=(domain,)), machine=OTHER_MACHINE)
    b = write("b", spend(2.0))
    (table,) = as_json(a, b, "--across")["tables"]
    (row,) = table["rows"]
    assert row["ratio"] is None
    assert row["reason"] == "the first run's figure is of cpu (estimated), now of cpu (counter)"
    assert row["a"]["rank"] == row["b"]["rank"] == 1
    assert table["problem"] == "1 test in both; it takes 3 or more"


def test_across_machines_other_work_is_said(write, compare):
    a = write("a", spend(2.0, counts=counted(MODEL)), machine=OTHER_MACHINE)
    b = write("b", spend(2.0, counts=counted(DOUBLED)))
    assert "other work in B: FLOPs +100 %" in compare(a, b, "--across")[1]


def test_the_parts_of_a_test_have_ratios_and_no_ranks(write, as_json):
    names = [f"t.py::test_{number}" for number in range(3)]
    parts = spend(1.0, names[0], region="decode"), spend(5.0, names[0], region="decode")
    a = write("a", *map(spend, (1.0, 2.0, 3.0), names), parts[0], machine=OTHER_MACHINE)
    b = write("b", *map(spend, (1.0, 2.0, 3.0), names), parts[1])
    (table,) = as_json(a, b, "--across")["tables"]
    (region,) = [row for row in table["rows"] if row["subject"]["region"]]
    assert region["ratio"]["value"] == pytest.approx(5)
    assert region["a"]["rank"] is None
    assert table["rank_correlation"] == 1


def test_figures_per_another_unit_have_a_table_of_their_own(write, as_json):
    a = write("a", spend(1.0), spend(2.0, "t.py::test_b", unit="token"), machine=OTHER_MACHINE)
    b = write("b", spend(1.0), spend(2.0, "t.py::test_b", unit="token"))
    assert [table["unit"] for table in as_json(a, b, "--across")["tables"]] == [
        "inference", "token",
    ]  # fmt: skip


@pytest.mark.parametrize("option", ["--tolerance=5%", "--judge=both", "--fail-missing"])
def test_what_is_for_a_verdict_is_refused_across(write, capfd, option):
    a, b = write("a", spend(2.0)), write("b", spend(3.0))
    with pytest.raises(SystemExit) as ended:
        main(["compare", str(a), str(b), "--across", option])
    assert ended.value.code == 2
    name = option.partition("=")[0]
    assert f"--across gives no verdict: leave {name} out" in capfd.readouterr().err


# Errors


def test_what_is_no_report_is_an_error(write, compare, tmp_path):
    a, other = write("a", spend(2.0)), tmp_path / "b.json"
    code, out, error = compare(a, other)
    assert (code, out) == (2, "")
    assert f"{other}: No such file" in error
    for text, problem in (
        ("[", "not JSON"),
        ("[]", "not a report of pytest-energy"),
        ('{"schema": 9, "results": []}', "schema 9, this version reads 1 and 2"),
    ):
        other.write_text(text)
        for pair in ((a, other), (other, a)):
            code, out, error = compare(*pair)
            assert (code, out) == (2, "")
            assert problem in error


def test_the_same_run_twice_is_an_error(write, compare):
    a, b = write("a", spend(2.0)), write("b", spend(2.0), date="2026-03-04T05:06:07Z")
    for pair in ((a, a), (a, b)):
        code, _, error = compare(*pair)
        assert code == 2
        assert "the same run as " in error


def test_two_figures_of_one_test_in_one_report_are_an_error(write, compare):
    a = write("a", spend(2.0), spend(3.0, "t.py::test_b"), spend(2.5))
    code, _, error = compare(a, write("b", spend(2.0)))
    assert code == 2
    assert (
        "a.json: results 1 and 3 are of the same test, and differ: t.py::test_a (model model);"
        " keep the one that is meant" in error
    )
    a = write("a", spend(2.0), spend(2.0))  # twice the same is no contradiction
    assert compare(a, write("b", spend(2.01)))[0] == 0


def test_nothing_in_common_is_an_error_that_says_why(write, compare):
    b = write("b", spend(2.0))
    for a, hint in (
        (write("a1", spend(2.0, "other.py::test_a")), "A has other.py::test_a, B has t.py::test_a"),
        (write("a2", spend(2.0, task="x")), "t.py::test_a has another task (x, now task)"),
        (write("a3"), "A has no results at all: no metered test ran"),
    ):
        code, _, error = compare(a, b)
        assert code == 2
        assert "no test in common with " in error
        assert hint in error


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda r: r.update(date="yesterday"), "date: expected a date and time of ISO 8601"),
        (lambda r: r["results"][0]["subject"].pop("test"), "'test' is missing"),
        (
            lambda r: r["results"][0]["measurement"].update(unit_count=-1),
            "measurement.unit_count: expected a number above 0, found -1",
        ),
        (
            lambda r: r["results"][0]["measurement"]["domains"][0].update(method="guessed"),
            "method: expected one of counter",
        ),
    ],
)
def test_a_report_that_was_edited_is_refused_with_its_place(write, compare, change, problem):
    a, b = write("a", spend(2.0)), edit(write("b", spend(3.0)), change)
    code, out, error = compare(a, b)
    assert (code, out) == (2, "")
    assert problem in error
    assert "b.json" in error


INSANE = [
    lambda r: r["results"][0]["measurement"]["domains"][0].update(resolution_seconds=1e308),
    lambda r: r["results"][0]["subject"].update(n=-(10**400)),
    lambda r: [b.update(joules=[0.0]) for b in r["results"][0]["measurement"]["blocks"]],
    lambda r: [b.update(joules=[-1.0]) for b in r["results"][0]["measurement"]["blocks"][:5]],
    lambda r: r["results"][0]["measurement"].update(blocks=[]),
    lambda r: [b.update(joules=[1e-320]) for b in r["results"][0]["measurement"]["blocks"]],
    lambda r: r["results"][0]["measurement"].update(unit_count=1e-300),
]
"""Changes of a report whose figures are none."""


@pytest.mark.parametrize("change", INSANE)
@pytest.mark.parametrize("across", [(), ("--across",)])
def test_figures_that_nothing_can_be_computed_with_end_in_words(write, compare, change, across):
    sound = spend(2.0, "t.py::test_b")
    for names in (("a", "b"), ("b", "a")):
        edited = edit(write(names[0], spend(3.0), sound), change)
        other = write(names[1], spend(2.0), spend(2.01, "t.py::test_b"))
        pair = (edited, other) if names[0] == "a" else (other, edited)
        for form in ((), ("--json",)):
            code, text, error = compare(*pair, *across, *form)
            assert code in (0, 1)
            assert error == ""
            assert "of 2 tests of both runs" in text


def both_roles(general):
    return (
        spend(general, "t.py::test_large", task="qa", model="large", role="general-purpose"),
        spend(2.0, "t.py::test_small", task="qa", model="small", role="task-specific"),
    )


@pytest.mark.parametrize("across", [(), ("--across",)])
def test_the_headline_ratio_of_each_run_is_said(write, compare, as_json, across):
    a, b = write("a", *both_roles(20.0)), write("b", *both_roles(30.0))
    _, text, _ = compare(a, b, *across)
    assert re.search(
        r"qa: general-purpose over task-specific: A 10.0 times \(95 %: 9\.\d+ to 10\.\d\),"
        r" B 15.0 times \(95 %: 14\.\d to 15\.\d\)",
        flat(text),
    )
    record = as_json(a, b, *across)
    for name, value in (("a", 10.0), ("b", 15.0)):
        (found,) = record[name]["role_ratios"]
        assert found["task"] == "qa"
        assert found["ratio"]["value"] == pytest.approx(value)


@pytest.mark.parametrize("change", INSANE)
def test_a_headline_ratio_of_figures_that_are_none_is_left_out_or_a_number(
    write, compare, as_json, change
):
    a = edit(write("a", *both_roles(20.0)), change)
    b = write("b", *both_roles(30.0))
    for pair in ((a, b), (b, a)):
        assert "general-purpose over task-specific" in compare(*pair)[1]
        for name in ("a", "b"):
            for found in as_json(*pair)[name]["role_ratios"]:
                assert found["ratio"]["value"] > 0


def test_a_tolerance_that_is_none_is_a_usage_error(write, capfd):
    with pytest.raises(SystemExit) as ended:
        main(["compare", "a.json", "b.json", "--tolerance", "much"])
    assert ended.value.code == 2
    assert "expected a percentage" in capfd.readouterr().err


def test_a_report_of_schema_1_is_compared(compare, tmp_path):
    other = tmp_path / "b.json"
    other.write_text(REPORT.read_text("utf-8"), "utf-8")
    edit(other, lambda record: record.update(date="2026-11-26T12:50:00Z"))
    code, text, _ = compare(REPORT, other)
    assert code == 0
    assert "compared 4 of 4 tests of both runs: 4 ok" in text


# What is printed


@pytest.mark.parametrize("arguments", [(), ("--across",), ("--judge=counted",)])
def test_no_name_acts_on_the_terminal(tmp_path, compare, arguments):
    a, b = tmp_path / "a.json", tmp_path / "b.json"
    evil = replace(counted(operator(HOSTILE, 10**9)), without_formula=(HOSTILE,))
    first = hostile_session()
    results = [replace(one, counts=evil) for one in first.results]
    json_report.write_report(a, replace(first, results=tuple(results)), True)
    more = replace(evil, operators=(operator(HOSTILE + "2", 3 * 10**9),))
    risen = replace(results[0], counts=more, measurement=measured(9.0))
    gone = replace(results[1], subject=replace(results[1].subject, region="x" + HOSTILE))
    second = replace(first, results=(risen, gone), date=LATER)
    json_report.write_report(b, second, True)
    _, text, error = compare(a, b, *arguments)
    for output in (text, error):
        assert "\x1b" not in output
        assert "\u202e" not in output
        assert "\r" not in output
    assert r"\x1b[2J\u202e" in text


@pytest.mark.parametrize("columns", [80, 120])
def test_lines_are_as_wide_as_the_terminal_at_most(write, compare, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    long = "mistralai-community/Mixtral-8x22B-v0.1-AWQ-GEMM-4bit-{}-Instruct-v0.1"
    names = [long.format("wikitext"), long.format("pile-10k")]
    tests = [f"t.py::test_generation[{name}]" for name in names]
    a = write("a", *(spend(2.0, t, model=m) for t, m in zip(tests, names, strict=True)))
    b = write("b", *(spend(3.0, t, model=m) for t, m in zip(tests, names, strict=True)))
    for across in ((), ("--across",)):
        _, text, _ = compare(a, b, *across)
        table = text.split("\n\n")[1]
        assert max(map(len, table.splitlines())) <= columns
        assert "regressed" in table or across
    models = [line.split()[0] for line in table.splitlines() if line.startswith("mis")]
    assert len(set(models)) == 2  # shortened, and still told apart


def test_it_is_among_the_commands(capfd):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "judge one run against another, from their reports" in flat(capfd.readouterr().out)
