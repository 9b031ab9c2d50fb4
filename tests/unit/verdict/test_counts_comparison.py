"""Exact counts against stored ones: whether they are the same, by how much not, and where."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_energy.types.counts import BUILT_IN, OTHERS, Work
from pytest_energy.types.obstacle import Obstacle
from pytest_energy.types.verdict import Rule, Status
from pytest_energy.verdict import counts_comparison
from pytest_energy.verdict.count_rules import CountedCase, judge_counts
from pytest_energy.verdict.counts_comparison import best_variant
from support.counted import VERSIONS, call, counted, operator, stored

MFLOP = 10**6


def compare(now, before, *, n=100, unit="inference", dataset=""):
    """What has changed since the counts were stored."""
    return counts_comparison.compare(now, n, unit, dataset, stored(before))


def places(change):
    """Modules and operators that are named."""
    return [f"{one.module} {one.operator}".strip() for one in change.culprits]


def functions(change):
    """Callers and callees that are named."""
    return [(one.caller, one.callee) for one in change.functions]


def bert(layers=6, *, attention=30, up=60, down=60, name="Bert"):
    """A model of equal layers, in MFLOP; a function of the layer's number, or a number."""
    rows = [operator(f"{name}.embeddings", 2 * MFLOP, name="aten::embedding")]
    for i in range(layers):
        for part, cost in (("attention.self", attention), ("up", up), ("down", down)):
            flops = cost(i) if callable(cost) else cost
            rows.append(operator(f"{name}.layer.{i}.{part}", flops * MFLOP))
    return rows


# How much


def test_the_same_counts_are_unchanged():
    change = compare(counted(*bert(), samples=3), counted(*bert(), samples=3))
    assert change.unchanged
    assert change.energy == 0
    assert change.samples == 3
    assert change.culprits == change.functions == ()


def test_one_operation_more_is_a_change():
    before = counted(operator("M", 10**12))
    change = compare(counted(operator("M", 10**12 + 1, size=10**10)), before)
    assert not change.unchanged
    assert change.flops == pytest.approx(1e-12, rel=1e-3)


def test_each_kind_has_its_own_change():
    before = counted(operator("M", 100, size=1000, calls=10), call("t", "f", 5))
    change = compare(counted(operator("M", 150, size=3000, calls=9), call("t", "f", 5)), before)
    assert change.flops == pytest.approx(0.5)
    assert change.bytes == pytest.approx(2.0)
    assert change.calls == pytest.approx(-0.1)
    assert change.python_calls == 0


def test_energy_is_that_of_the_stored_coefficients():
    before = stored(counted(operator("M", 100 * MFLOP)))
    dear = replace(before.coefficients, joules_per_flop={"": 1.0})
    before = replace(before, coefficients=dear, joules=100.0 * MFLOP + 3e-5)
    now = counted(operator("M", 130 * MFLOP))
    change = counts_comparison.compare(now, 100, "inference", "", before)
    assert change.energy == pytest.approx(0.3)


def test_what_was_nothing_before_has_no_fraction_but_costs_energy():
    before = counted(call("t", "f", 1000))
    change = compare(counted(operator("M", 10 * MFLOP), call("t", "f", 1000)), before)
    assert change.flops is None
    assert change.energy > 0.1
    assert places(change) == ["M aten::addmm"]


def test_where_nothing_at_all_was_counted_before_there_is_no_fraction():
    change = compare(counted(call("t", "f", 10)), counted(samples=1))
    assert change.energy is None
    assert change.joules > change.joules_before == 0
    assert not change.problem


def test_small_rows_do_not_show_in_the_energy_of_the_same_counts():
    dust = [operator(f"M.part{i}", 1000, size=0) for i in range(200)]
    rows = [operator("M.main", 10**12), *dust]
    before = stored(counted(*rows))
    assert len(before.counts.operators) == 2
    now = counted(operator("M.main", 2 * 10**12), *dust)
    change = counts_comparison.compare(now, 100, "inference", "", before)
    assert places(change) == ["M.main aten::addmm"]
    assert change.culprits[0].share == pytest.approx(1)


# What is compared with what


def test_the_variant_of_the_same_device_and_versions_is_taken():
    now = counted(*bert())
    same, other = stored(now), stored(counted(device="cuda"))
    newer = stored(replace(now, versions={**VERSIONS, "torch": "2.13.0"}), date="2026-02-01")
    assert best_variant(now, [other, newer, same]) is same
    assert best_variant(now, []) is None


def test_without_it_one_of_another_python_and_then_the_nearest():
    now = counted(*bert())
    python = stored(replace(now, versions={**VERSIONS, "python": "3.13"}))
    torch = stored(replace(now, versions={**VERSIONS, "torch": "2.13.0"}))
    cuda = stored(replace(now, device="cuda"))
    assert best_variant(now, [cuda, torch, python]) is python
    assert best_variant(now, [cuda, torch]) is torch


def test_another_python_leaves_its_calls_out():
    before = counted(*bert(), call("t", "f", 100), versions={**VERSIONS, "python": "3.11"})
    change = compare(counted(*bert(), call("t", "f", 900)), before)
    assert change.unchanged
    assert change.energy == 0
    assert change.python_calls is None
    assert change.notes == (
        "Python calls do not compare across versions: the baseline's are of Python 3.11, now 3.12",
    )


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        ({"n": 200}, "the baseline's n was 100, now 200"),
        ({"unit": "token"}, "the baseline's unit was inference, now token"),
        ({"dataset": "reviews"}, "the baseline's dataset was none, now reviews"),
    ],
)
def test_other_terms_are_not_compared(facts, problem):
    change = compare(counted(*bert()), counted(*bert()), **facts)
    assert change.problem == problem
    assert change.energy is None


def test_another_device_and_other_libraries_are_not_compared():
    now = counted(*bert())
    gpu = counted(*bert(), device="cuda")
    older = counted(*bert(), versions={**VERSIONS, "torch": "2.11.0"})
    assert compare(now, gpu).problem == "the baseline's counts are of cuda, now of cpu"
    assert compare(now, older).problem == "the baseline's counts are of torch 2.11.0, now 2.12.0"


def test_a_library_that_only_one_side_had_loaded_is_no_obstacle():
    now = counted(*bert(), versions={**VERSIONS, "transformers": "5.0.0"})
    assert compare(now, counted(*bert())).unchanged


def test_batches_of_another_size_are_not_compared():
    now = replace(counted(*bert()), sizes=(8,))
    problem = "the baseline counted samples of 1 inferences, now of 8"
    assert compare(now, counted(*bert())).problem == problem


def test_calls_that_were_counted_on_one_side_alone_are_left_out():
    before = counted(*bert(), python_unavailable="a profiler was running")
    change = compare(counted(*bert(), call("t", "f", 100)), before)
    assert change.unchanged
    assert change.notes == ("the baseline has no Python calls: a profiler was running",)


def test_operators_that_were_counted_on_one_side_alone_are_left_out():
    now = counted(call("t", "f", 110), operators_unavailable="aten::x: KeyError: 0")
    change = compare(now, counted(*bert(), call("t", "f", 100)))
    assert change.flops is None
    assert change.energy == pytest.approx(0.1)
    assert change.notes == ("operators were not counted now: aten::x: KeyError: 0",)


def test_programs_without_torch_are_compared_by_their_calls_without_a_word():
    facts = {"operators_unavailable": "torch was not loaded", "versions": {"python": "3.12"}}
    before = counted(call("t", "f", 100), **facts)
    with_torch = counted(call("t", "f", 150), versions=VERSIONS)
    for now in (counted(call("t", "f", 150), **facts), with_torch):
        change = compare(now, before)
        assert change.energy == pytest.approx(0.5)
        assert change.notes == ()


def test_where_neither_was_counted_nothing_is_compared():
    facts = {"operators_unavailable": "torch was not loaded", "python_unavailable": "a profiler"}
    change = compare(counted(**facts), counted(**facts))
    assert change.problem == "Python calls were not counted: a profiler"


def test_of_different_numbers_of_samples_the_first_ones_are_compared():
    few, many = counted(*bert(), samples=3), counted(*bert(), samples=6)
    for now, before in ((few, many), (many, few)):
        change = compare(now, before)
        assert change.unchanged
        assert change.energy == 0
        assert change.samples == 3
        assert "3 samples were compared" in change.notes[0]


def test_then_rows_are_scaled_to_the_samples_that_are_compared():
    before = counted(*bert(up=60), samples=3)
    longer = counted(*bert(up=120), samples=3)
    more = Work(*(10 * count for count in (longer.samples[0].flops, 0, 0, 0)))
    now = replace(longer, samples=(*longer.samples, more), sizes=(1, 1, 1, 1))
    change = compare(now, before)
    assert change.flops == pytest.approx(360 / 902, rel=1e-6)
    assert change.joules_before == pytest.approx(stored(before).joules)


def test_operators_without_a_formula_that_are_new_are_said():
    now = counted(*bert(), without_formula=("fast::attention",))
    assert "fast::attention" in compare(now, counted(*bert())).notes[0]


# Where: modules and operators


def test_one_module_that_changed_in_all_layers_is_named_once():
    change = compare(counted(*bert(attention=60)), counted(*bert()))
    assert places(change) == ["Bert.layer.[0-5].attention.self aten::addmm"]
    culprit = change.culprits[0]
    assert culprit.share == pytest.approx(1)
    assert (culprit.before.flops, culprit.after.flops) == (180 * MFLOP, 360 * MFLOP)


def test_one_layer_that_changed_is_named_alone():
    change = compare(counted(*bert(up=lambda i: 90 if i == 3 else 60)), counted(*bert()))
    assert places(change) == ["Bert.layer.3.up aten::addmm"]
    assert change.culprits[0].before.flops == 60 * MFLOP


def test_layers_that_changed_alike_are_told_from_those_that_changed_otherwise():
    change = compare(counted(*bert(up=lambda i: 80 if i < 4 else 200)), counted(*bert()))
    assert places(change) == ["Bert.layer.[4-5].up aten::addmm", "Bert.layer.[0-3].up aten::addmm"]


def test_one_more_layer_is_named_as_a_whole():
    change = compare(counted(*bert(7)), counted(*bert(6)))
    assert places(change) == ["Bert.layer.6"]
    assert change.culprits[0].before == Work()


def test_a_model_that_does_all_of_it_twice_is_named_as_a_whole():
    twice = [replace(row, flops=2 * row.flops, bytes=2 * row.bytes, calls=2) for row in bert()]
    change = compare(counted(*twice), counted(*bert()))
    assert places(change) == ["Bert"]


def test_operators_that_replace_each_other_are_one_change_of_their_module():
    before = counted(*bert(), operator("Bert.pool", 40 * MFLOP, name="aten::sdpa"))
    parts = [operator("Bert.pool", 30 * MFLOP, name=f"aten::{part}") for part in ("bmm", "div")]
    change = compare(counted(*bert(), *parts), before)
    assert places(change) == ["Bert.pool"]
    assert change.culprits[0].after.flops - change.culprits[0].before.flops == 20 * MFLOP


def test_a_module_that_is_wrapped_is_no_fall_and_no_rise():
    before = counted(*bert(), operator("Bert.head", 40 * MFLOP))
    parts = [operator("Bert.head.base", 40 * MFLOP), operator("Bert.head.adapter", 9 * MFLOP)]
    change = compare(counted(*bert(), *parts), before)
    assert places(change) == ["Bert.head"]
    assert change.culprits[0].share == pytest.approx(1, rel=0.01)


def test_at_most_three_are_named_and_the_module_around_more_of_them():
    wide = {"attention": 35, "up": 90, "down": 61}
    change = compare(counted(*bert(**wide)), counted(*bert()))
    assert places(change)[0] == "Bert.layer.[0-5].up aten::addmm"
    scattered = counted(*bert(up=lambda i: 60 + 7 * i * i))
    assert places(compare(scattered, counted(*bert()))) == [
        "Bert.layer.5.up aten::addmm",
        "Bert.layer.4.up aten::addmm",
        "Bert.layer.3.up aten::addmm",
    ]
    evenly = counted(*bert(up=lambda i: 60 + i + 5))
    assert places(compare(evenly, counted(*bert()))) == ["Bert.layer"]


def test_a_rise_and_a_fall_elsewhere_are_both_named():
    change = compare(counted(*bert(up=100, down=30)), counted(*bert()))
    assert [round(one.share) for one in change.culprits] == [4, -3]


def test_another_dtype_shows_on_its_module():
    row = operator("Bert.head", 40 * MFLOP)
    twice = replace(row, dtype="float64", bytes=2 * row.bytes)
    change = compare(counted(*bert(), twice), counted(*bert(), row))
    culprit = change.culprits[0]
    assert places(change) == ["Bert.head aten::addmm"]
    assert (culprit.dtypes_before, culprit.dtypes_after) == (("float32",), ("float64",))


def test_a_model_under_another_name_is_the_same_model():
    before = counted(*bert(name="Bert"))
    change = compare(counted(*bert(name="Roberta", up=70)), before)
    assert places(change) == ["Roberta.layer.[0-5].up aten::addmm"]


def blocks(norm="aten::norm", sizes=range(20), grown=1, **more):
    """A model of layers that all do something else, of which none has much."""
    rows = [operator("Net.stem", MFLOP, size=40 * MFLOP, calls=1_000)]
    for i in sizes:
        size = (10 + i) * 10**4 * grown
        rows.append(operator(f"Net.block.{i}.norm", 0, name=norm, size=size, **more))
    return rows


def test_layers_that_all_do_something_else_are_named_together():
    change = compare(counted(*blocks(grown=3)), counted(*blocks()))
    assert places(change) == ["Net.block.[*].norm aten::norm"]
    assert change.culprits[0].share == pytest.approx(1.0)


def test_so_they_are_where_another_operator_takes_the_place_of_theirs():
    change = compare(counted(*blocks("aten::gelu")), counted(*blocks("aten::clamp")))
    assert not change.unchanged
    assert change.energy > 0
    assert change.flops == change.bytes == change.calls == 0
    (one,) = change.culprits
    assert (one.module, one.operators_gone, one.operators_new) == (
        "Net.block.[*].norm",
        ("aten::clamp",),
        ("aten::gelu",),
    )


def test_one_of_them_that_has_grown_is_still_a_part_of_their_sum():
    grown = [*blocks(sizes=range(19)), operator("Net.block.19.norm", 0, size=900_000)]
    grown[-1] = replace(grown[-1], operator="aten::norm")
    named = places(compare(counted(*grown), counted(*blocks())))
    assert named == ["Net.block.[*].norm aten::norm"]


def test_the_same_layers_are_unchanged_however_few_have_rows_of_their_own():
    change = compare(counted(*blocks(), samples=2), counted(*blocks(), samples=2))
    assert change.unchanged
    assert change.culprits == ()


LAYERED = st.lists(
    st.builds(
        operator,
        st.sampled_from([f"Net.{part}" for part in ("a", "b.0", "b.1", "b.2", "b.[3-4]", "b.5.c")]),
        st.sampled_from([0, 10, 10**4, 10**8]),
        name=st.sampled_from(["aten::mm", "aten::add", "aten::clone", "aten::gelu"]),
        dtype=st.sampled_from(["float32", "int64", "bool", ""]),
        size=st.sampled_from([0, 8, 10**4, 10**7]),
        calls=st.integers(1, 3).map(lambda calls: 2 * calls),
    ),
    max_size=96,
    unique_by=lambda row: (row.module, row.operator, row.dtype),
)


def test_small_results_of_another_dtype_are_no_part_of_the_sum_of_the_others():
    def masked():
        masks = [
            operator(f"Net.block.{i}.norm", 0, name="aten::norm", dtype="bool", size=8, calls=0)
            for i in range(20)
        ]
        return counted(*blocks(), *masks)

    assert compare(masked(), masked()).unchanged


@settings(deadline=None)
@given(rows=LAYERED)
def test_whatever_was_counted_is_unchanged_against_itself(rows):
    change = compare(counted(*rows), counted(*rows))
    assert change.unchanged
    assert not change.energy
    assert change.culprits == ()


def test_of_other_numbers_of_samples_single_rows_are_not_compared():
    change = compare(counted(*blocks(), samples=3), counted(*blocks(), samples=2))
    assert change.unchanged


def test_rows_that_were_too_small_to_be_stored_pass_for_no_news():
    dust = [operator(f"M.part{i}", 1000, size=0, calls=0) for i in range(200)]
    before = counted(operator("M.main", 10**9), *dust)
    change = compare(counted(operator("M.main", 10**9 + 10**8), *dust), before)
    assert places(change) == ["M.main aten::addmm"]


def test_many_small_rows_are_named_together_where_nothing_else_changed():
    def dust(flops):
        return [operator(f"M.part{i}", flops + i, size=0, calls=0) for i in range(300)]

    before = counted(operator("M.main", 10**9, calls=0), *dust(10**5))
    change = compare(counted(operator("M.main", 10**9, calls=0), *dust(2 * 10**5)), before)
    assert places(change) == [OTHERS]
    assert change.culprits[0].share == pytest.approx(1)


# Where: Python functions


def tokens(per_text=1, per_word=1, words=50):
    """Calls of a test that tokenizes texts word by word."""
    looked_up = per_text * words * per_word
    return [
        call("t.py:test", "t.py:run", 1, 1 + per_text * (1 + words * per_word * 2)),
        call("t.py:run", "tokens.py:split", per_text, per_text * (1 + words * per_word * 2)),
        call("tokens.py:split", "tokens.py:look_up", looked_up, 2 * looked_up),
        call("tokens.py:look_up", BUILT_IN, looked_up),
    ]


def test_a_function_that_is_called_twice_is_no_change_of_what_it_calls():
    change = compare(counted(*tokens(per_text=2)), counted(*tokens()))
    assert functions(change) == [("t.py:run", "tokens.py:split")]
    (one,) = change.functions
    assert (one.before, one.after) == (1, 2)
    assert one.beneath_after - one.beneath_before == 101


def test_a_loop_that_has_grown_is_named_where_it_is():
    change = compare(counted(*tokens(per_word=3)), counted(*tokens()))
    assert functions(change) == [("tokens.py:split", "tokens.py:look_up")]


def test_more_calls_of_built_in_functions_are_their_callers():
    now = [*tokens()[:-1], call("tokens.py:look_up", BUILT_IN, 400)]
    change = compare(counted(*now), counted(*tokens()))
    assert functions(change) == [("tokens.py:look_up", BUILT_IN)]


def test_a_new_function_is_named_by_its_caller_and_not_for_what_it_does():
    new = [call("t.py:run", "log.py:dump", 1, 91), call("log.py:dump", BUILT_IN, 90)]
    change = compare(counted(*tokens(), *new), counted(*tokens()))
    assert functions(change) == [("t.py:run", "log.py:dump")]
    assert change.functions[0].before == 0


def test_a_function_that_others_call_more_often_is_not_to_blame_for_its_mean():
    def shared(from_a, from_b):
        made = from_a * 10 + from_b
        return [
            call("t.py:test", "a", 1, from_a * 11 + 1),
            call("t.py:test", "b", 1, from_b * 2 + 1),
            call("a", "each", from_a, from_a * 11),
            call("b", "each", from_b, from_b * 2),
            call("each", BUILT_IN, made),
        ]

    change = compare(counted(*shared(30, 5)), counted(*shared(10, 5)))
    assert functions(change) == [("a", "each")]


def test_functions_of_different_callers_come_first_and_small_ones_not_at_all():
    def calls(a, b, c):
        rows = [("x", "a1", a), ("x", "a2", a - 5), ("y", "b", b), ("z", "c", c)]
        return [call(caller, callee, count) for caller, callee, count in rows]

    change = compare(counted(*calls(500, 300, 101)), counted(*calls(100, 100, 100)))
    assert functions(change) == [("x", "a1"), ("y", "b"), ("x", "a2")]


def test_no_function_is_named_where_python_does_the_same():
    rows = tokens()
    change = compare(counted(*bert(up=90), *rows), counted(*bert(), *rows))
    assert change.functions == ()


def test_calls_that_were_too_small_to_be_stored_are_not_new():
    rows = [call("t.py:test", "f", 10, 100_010), call("f", BUILT_IN, 100_000)]
    small = [call("f", f"g{i}", 1, 2) for i in range(40)]
    grown = [call("t.py:test", "f", 10, 150_010), call("f", BUILT_IN, 150_000)]
    change = compare(counted(*grown, *small), counted(*rows, *small))
    assert functions(change) == [("f", BUILT_IN)]


@pytest.mark.parametrize(
    ("python", "fails"), [("they differ from process to process (3 and 4)", False), ("off", True)]
)
def test_counts_of_processes_that_differ_are_incomparable_and_no_obstacle(python, fails):
    differ = "they differ from process to process"
    row = operator("Net", 1000)
    before = stored(counted(row, call("", "f")))
    now = counted(row, operators_unavailable=differ, python_unavailable=python)
    change = counts_comparison.compare(now, 100, "inference", "", before)
    verdict = judge_counts(CountedCase(now, change=change), Rule(0.05))
    assert verdict.status is Status.INCOMPARABLE
    assert (verdict.obstacle is Obstacle.BASELINE) == fails


def test_python_calls_that_neither_side_counted_are_no_obstacle_beside_operators_that_differ():
    differ = "they differ from process to process"
    row = operator("Net", 1000)
    before = stored(counted(row, python_unavailable="in an event loop"))
    now = counted(row, operators_unavailable=differ, python_unavailable="in an event loop")
    change = counts_comparison.compare(now, 100, "inference", "", before)
    assert judge_counts(CountedCase(now, change=change), Rule(0.05)).obstacle is None
