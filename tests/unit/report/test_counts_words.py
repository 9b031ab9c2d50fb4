"""What has changed of exact counts, as people read it."""

from __future__ import annotations

import pytest

from pytest_energy.report.counts import (
    WIDTH,
    culprit_lines,
    exact_change,
    figures,
    function_lines,
    short_module,
)
from pytest_energy.report.shortening import columns
from pytest_energy.types.counts import OTHERS, CallChange, CountsChange, Culprit, Work

DENSE = "BertModel.encoder.layer.[0-5].intermediate.dense"

NOTHING = Work()


def line(module=DENSE, operator="", before=NOTHING, after=NOTHING, share=0.612, **dtypes):
    """The line of one culprit."""
    culprit = Culprit(module, operator, share, before, after, **dtypes)
    return culprit_lines(CountsChange(culprits=(culprit,)))[0]


def call_line(caller, callee, before=1.0, after=2.0, more=410.0):
    """The line of one function."""
    change = CallChange(caller, callee, before, after, 100.0, 100.0 + more)
    return function_lines(CountsChange(functions=(change,)))[0]


# Figures


def test_each_kind_that_changed_has_its_figure():
    change = CountsChange(energy=9.0, flops=13.08, bytes=1.05, calls=0.29, python_calls=0.011)
    assert figures(change) == (
        "FLOPs +1,308 %, bytes +105 %, operator calls +29.0 %, Python calls +1.1 %"
    )


def test_kinds_that_are_as_they_were_are_left_out():
    change = CountsChange(energy=0.1, flops=0.0, bytes=0.0, calls=None, python_calls=-0.25)
    assert figures(change) == "Python calls -25.0 %"


def test_unchanged_counts_say_of_how_many_samples():
    assert figures(CountsChange(energy=0.0, unchanged=True, samples=3)) == (
        "counts unchanged (3 samples)"
    )
    assert figures(CountsChange(unchanged=True, samples=1)) == "counts unchanged (1 sample)"


def test_sums_that_are_made_up_of_something_else_are_not_unchanged():
    change = CountsChange(energy=0.05, flops=0.0, bytes=0.0, calls=0.0, samples=3)
    assert figures(change) == "the same sums, of other operators or other samples"


def test_what_was_not_compared_says_why():
    change = CountsChange(problem="the baseline's n was 100, now 200")
    assert figures(change) == "not compared: the baseline's n was 100, now 200"


def test_a_change_is_never_rounded_to_none():
    assert exact_change(1.2e-5) == "+0.0012 %"
    assert exact_change(-3e-4) == "-0.030 %"
    assert figures(CountsChange(flops=1e-9)) == "FLOPs +1.0e-07 %"


# Modules and operators


def test_a_culprit_is_its_share_its_place_and_what_changed_most():
    before, after = Work(141 * 10**6, 10**6, 6), Work(2 * 10**9, 2 * 10**6, 6)
    assert line(operator="aten::addmm", before=before, after=after) == (
        "61 %  BertModel.….layer.[0-5].intermediate.dense (aten::addmm): 141 MFLOP -> 2.00 GFLOP"
    )


def test_without_operations_it_is_bytes_and_then_calls():
    assert line(before=Work(0, 10**6, 6), after=Work(0, 3 * 10**6, 6)).endswith(
        ": 1.00 MB -> 3.00 MB"
    )
    assert line(before=Work(5, 1000, 6), after=Work(5, 1010, 18)).endswith(": 6 -> 18 calls")


def test_what_is_new_comes_from_nothing():
    told = line("BertModel.encoder.layer.6", after=Work(58_300_000, 8_000_000, 10))
    assert told == "61 %  BertModel.encoder.layer.6: 0 FLOP -> 58.3 MFLOP"


def test_another_dtype_says_more_than_the_bytes_that_follow_from_it():
    before, after = Work(10**9, 10**6, 6), Work(10**9, 2 * 10**6, 6)
    dtypes = {"dtypes_before": ("float32", "int64"), "dtypes_after": ("float64", "int64")}
    assert line("BertModel", "", before, after, 0.98, **dtypes) == (
        "98 %  BertModel: float32 -> float64"
    )


def test_one_more_dtype_is_said_beside_what_changed():
    dtypes = {"dtypes_before": ("float32",), "dtypes_after": ("float32", "float64")}
    told = line("M.softmax", before=Work(0, 9000, 1), after=Work(0, 30000, 3), **dtypes)
    assert told == "61 %  M.softmax: in float64 too, 1 -> 3 calls"


def test_an_operator_in_the_place_of_another_is_said_where_the_counts_are_the_same():
    swapped = {"operators_gone": ("aten::hardtanh",), "operators_new": ("aten::silu",)}
    assert line("Net.act", **swapped) == "61 %  Net.act: aten::hardtanh -> aten::silu"
    assert line("Net.act", after=Work(0, 8, 1), **swapped) == "61 %  Net.act: 0 B -> 8 B"


def test_shares_stand_below_each_other():
    work = {"before": Work(10, 10, 1), "after": Work(20, 10, 1)}
    culprits = tuple(Culprit("M", "", share, **work) for share in (1.2, 0.077, -0.3))
    starts = [told.partition("M")[0] for told in culprit_lines(CountsChange(culprits=culprits))]
    assert starts == ["120 %  ", "7.7 %  ", "-30 %  "]


def test_operators_outside_of_modules_and_small_ones_have_words_of_their_own():
    work = {"before": Work(0, 10, 1), "after": Work(0, 20, 1)}
    assert "outside of modules (aten::add)" in line("", "aten::add", **work)
    assert line("", OTHERS, **work) == "61 %  many small operators: 10 B -> 20 B"


def test_a_long_path_keeps_its_first_name_and_its_last_ones():
    path = "LlamaForCausalLM.model.layers.[0-31].self_attn.rotary_embedding.projection"
    assert short_module(path, 100) == path
    assert short_module(path, 60) == ("LlamaForCausalLM.….self_attn.rotary_embedding.projection")
    assert short_module(path, 24) == "….projection"


@pytest.mark.parametrize("length", [10, 60, 200])
def test_no_line_is_too_wide(length):
    module = ".".join(["Model", *["a" * 9] * (length // 10), "z" * length])
    work = {"before": Work(10**9, 10, 1), "after": Work(2 * 10**9, 10, 1)}
    assert columns(line(module, "aten::scaled_dot_product", **work)) <= WIDTH
    function = f"{'folder/' * (length // 7)}file.py:{'Class' * (length // 5)}.method"
    assert columns(call_line(function, function)) <= WIDTH
    assert columns(call_line(function, "f.py:g")) <= WIDTH


# Functions


def test_a_function_is_who_calls_whom_how_often_and_what_it_takes():
    assert call_line("tests/test_x.py:run", "tokens.py:Tokenizer.split") == (
        "tests/test_x.py:run calls tokens.py:Tokenizer.split 1 -> 2 times (+410 Python calls)"
    )


def test_folders_then_outer_functions_then_files_are_left_out():
    told = call_line(
        "tests/unit/test_reviews.py:run", "transformers/tokenization_utils_base.py:Base.__call__"
    )
    assert told == "test_reviews.py:run calls Base.__call__ 1 -> 2 times (+410 Python calls)"
    told = call_line("model.py:build.<locals>.run_all_of_it", "model.py:build.<locals>.run_one")
    assert told.startswith("model.py:build.<locals>.run_all_of_it calls …run_one 1 -> 2")


def test_what_calls_without_a_name_is_the_test():
    assert call_line("", "m.py:f", 0, 0.5, -3).startswith(
        "the test calls m.py:f 0 -> 0.500 times (-3"
    )
