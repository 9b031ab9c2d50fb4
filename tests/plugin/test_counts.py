"""Exact counts as a gate: alone, beside joules, against another revision."""

from __future__ import annotations

import json
import sys

import pytest

from support.projects import TEST, flowing

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("torch.utils.flop_counter", reason="needs torch")

NET = """
import torch

class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = torch.nn.Linear(64, 64)
        self.output = torch.nn.Linear(64, 64)

    def forward(self, x):
        return self.output(self.attention(x))

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.ModuleList(Block() for _ in range(4))

    def forward(self, x):
        for layer in self.layer:
            x = layer(x)
        return x

def clean(word):
    return word.strip().lower()

def prepare(text):
    return torch.ones(len([clean(word) for word in text.split()]), 64)

net = Net().eval()
"""

TWICE = NET.replace(
    "self.output(self.attention(x))", "self.output(self.attention(self.attention(x)))"
)

LOOP = """
import pytest
import torch
from net import net, prepare
from scripted import spend

@pytest.mark.inference(n=100, task="sentiment", model="tiny"{more})
def test_loop(energy):
    with torch.inference_mode():
        for text in energy.each(["one two three four"] * 100):
            net(prepare(text))
            spend({joules})
"""


@pytest.fixture
def counted(project, monkeypatch):
    # The runs share this process and its torch, which cannot be imported twice in one.
    monkeypatch.setitem(sys.modules, "torch", torch)

    def write(net=NET, joules=2.0, more=""):
        project.write(net=net, test_it=LOOP.format(joules=joules, more=more))
        return project

    return write


# Counts alone


def test_new_then_ok_then_regressed_then_accepted_and_nothing_is_metered(counted):
    project = counted()
    first = project.run("--energy-judge=counted", "--energy-update")
    first.assert_outcomes(passed=1)
    first.stdout.fnmatch_lines(
        [
            "energy: nothing is metered: exact counts decide (--energy-judge=counted)",
            "energy: test_it.py::test_loop: counts stored",
        ]
    )
    assert not project.baselines()
    assert len(project.counts()) == 1
    (result,) = project.report("--energy-judge=counted")["results"]
    assert result["measurement"] is None
    assert result["verdict"]["status"] == "ok"
    assert result["verdict"]["counts"]["unchanged"]
    assert len(result["counts"]["samples"]) == 3
    failed = counted(TWICE).run("--energy-judge=counted")
    failed.assert_outcomes(failed=1)
    failed.stdout.re_match_lines(
        [
            r"energy regressed: [\d.]+ .J counted per inference, baseline [\d.]+ .J",
            r"  counted    .*FLOPs \+50.0 %, .*operator calls",
            r"  culprit .* %  Net.layer.\[0-3\].attention \(aten::addmm\): 131 kFLOP -> 262 kFLOP",
            r"accept it: pytest test_it.py::test_loop --energy-judge=counted --energy-update",
        ]
    )
    accepted = project.run("--energy-judge=counted", "--energy-update")
    accepted.assert_outcomes(passed=1)
    accepted.stdout.re_match_lines([r"energy: .*: counts replaced \(\+.* % of counted energy\)"])
    assert project.verdicts("--energy-judge=counted")[TEST]["status"] == "ok"


def test_only_what_is_counted_is_performed(counted):
    project = counted()
    project.write(
        test_it="""
        import pytest
        seen = []

        @pytest.mark.inference(n=1000, warmup=2)
        def test_loop(energy):
            outputs = energy.run(lambda sample: seen.append(sample) or sample, range(1000))
            assert seen == [0, 1, 0, 0, 500, 500, 999, 999]
            assert outputs == [0, 1]  # in the order of the samples, as ever
            assert energy.count == 8
            assert energy.result is None
        """
    )
    project.run("--energy-judge=counted").assert_outcomes(passed=1)


def test_a_fall_is_an_improvement(counted):
    counted(TWICE).run("--energy-judge=counted", "--energy-update").assert_outcomes(passed=1)
    verdict = counted().verdicts("--energy-judge=counted")[TEST]
    assert verdict["status"] == "improved"
    assert verdict["counts"]["flops"] == pytest.approx(-1 / 3)


def test_a_change_within_the_tolerance_passes_and_is_said(counted):
    counted().run("--energy-judge=counted", "--energy-update")
    more = NET.replace("return word.strip().lower()", "return word.strip().lower().strip()")
    project = counted(more)
    verdict = project.verdicts("--energy-judge=counted", "--energy-tolerance=50%")[TEST]
    assert verdict["status"] == "ok"
    assert verdict["counts"]["flops"] == 0
    assert verdict["counts"]["python_calls"] > 0
    assert "Python calls +" in flowing(
        project.run("--energy-judge=counted", "--energy-tolerance=50%", "--energy-report")
    )


def test_counts_of_another_torch_are_not_compared_and_the_run_says_how_to_go_on(counted):
    project = counted()
    project.run("--energy-judge=counted", "--energy-update")
    (path,) = project.counts()
    text = path.read_text("utf-8").replace(torch.__version__.partition("+")[0], "1.0.0")
    path.write_text(text, "utf-8")
    failed = project.run("--energy-judge=counted")
    failed.assert_outcomes(failed=1)
    assert "torch 1.0.0" in flowing(failed)
    failed.stdout.fnmatch_lines(["  allow *--energy-allow=baseline*"])
    project.run("--energy-judge=counted", "--energy-allow=baseline").assert_outcomes(passed=1)
    project.run("--energy-judge=counted", "--energy-update").assert_outcomes(passed=1)
    variants = json.loads(path.read_text("utf-8"))["entries"][TEST]["variants"]
    assert len(variants) == 2


def test_counts_that_were_edited_by_hand_are_used_and_said_and_fail_under_strict(counted):
    project = counted()
    project.run("--energy-judge=counted", "--energy-update")
    (path,) = project.counts()
    path.write_text(path.read_text("utf-8").replace('"commit": null', '"commit": "abc"'), "utf-8")
    passed = project.run("--energy-judge=counted")
    passed.assert_outcomes(passed=1)
    passed.stdout.fnmatch_lines(["energy: compared with what was edited by hand: test_loop"])
    project.run("--energy-judge=counted", "--energy-strict").assert_outcomes(failed=1)


def test_what_counts_cannot_judge_is_said(counted):
    project = counted(more=', budget="1 J"')
    project.run("--energy-judge=counted").stdout.fnmatch_lines(
        ["energy: budgets in joules and qualities are not judged by counts alone: test_loop"]
    )


def test_max_flops_gates_counts_too(counted):
    project = counted(more=', max_flops="1 kFLOP"')
    result = project.run("--energy-judge=counted")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*262 kFLOP per inference, allowed 1.00 kFLOP*"])


def test_a_body_without_a_loop_is_counted_by_its_operators(counted):
    project = counted()
    body = """
    import pytest
    from net import net, prepare

    @pytest.mark.inference(n=4, task="sentiment", model="tiny")
    def test_loop():
        for _ in range(4):
            net(prepare("one two"))
    """
    project.write(test_it=body)
    project.run("--energy-judge=counted", "--energy-update").assert_outcomes(passed=1)
    (result,) = project.report("--energy-judge=counted")["results"]
    assert result["verdict"]["status"] == "ok"
    assert result["counts"]["sizes"] == [4]
    assert result["counts"]["python_unavailable"]
    counted(TWICE)
    project.write(test_it=body)
    project.run("--energy-judge=counted").assert_outcomes(failed=1)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("pass", "nothing was counted: loop over energy.each"),
        ("for _ in energy.each([]): pass", "samples is empty"),
        ("next(energy.each([0]))", "the loop was left after 1 of its 100"),
        ("energy.run(lambda _: pytest.skip('no'), [0])", "skipped inside the body"),
        ("raise KeyError('mine')", "the body raised KeyError"),
    ],
)
def test_what_could_not_be_counted_says_why(counted, body, reason):
    project = counted()
    project.write(
        test_it=f"""
        import pytest

        @pytest.mark.inference(n=100)
        def test_loop(energy):
            {body}
        """
    )
    verdict = project.verdicts("--energy-judge=counted")[TEST]
    assert verdict["status"] == "unmeasured"
    assert reason in verdict["reason"]


def test_workers_need_not_wait_for_each_other(counted):
    project = counted()
    project.own_process = True
    project.run("--energy-judge=counted", "--energy-update").assert_outcomes(passed=1)
    result = project.run("--energy-judge=counted", "-n2")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["energy: 1 compared (1 ok)*"])


def test_counts_cannot_decide_where_they_are_off(counted):
    counted().run("--energy-judge=counted", "--energy-counts=off").stderr.fnmatch_lines(
        ["*--energy-judge=counted*has nothing to go by with*--energy-counts=off*"]
    )
    counted().run("--energy-judge=guessed").stderr.fnmatch_lines(
        ["*--energy-judge*: expected measured, counted, both, found 'guessed'*"]
    )


# Beside joules


def store_both(project, times=1):
    for _ in range(times):
        project.run("--energy-update").assert_outcomes(passed=1)


def test_a_counted_rise_fails_a_test_whose_joules_say_nothing(counted):
    store_both(counted())
    project = counted(TWICE)
    failed = project.run()
    failed.assert_outcomes(failed=1)
    text = flowing(failed)
    assert "by exact count each inference does more" in text
    assert "measured alone it is ok" in text
    assert "Net.layer.[0-3].attention" in text
    (result,) = project.report()["results"]
    assert result["verdict"]["status"] == "regressed"
    assert result["verdict"]["measured_status"] == "ok"
    assert project.verdicts("--energy-judge=measured")[TEST]["status"] == "ok"
    store_both(project)
    assert project.verdicts()[TEST]["status"] == "ok"


def test_a_figure_that_was_measured_to_fall_stands(counted):
    store_both(counted(), 2)
    verdict = counted(TWICE, joules=1.0).verdicts()[TEST]
    assert verdict["status"] == "improved"
    assert verdict["counts"]["flops"] == pytest.approx(0.5)


def test_a_counted_fall_explains_an_improvement(counted):
    store_both(counted(TWICE), 2)
    project = counted(joules=1.0)
    assert project.verdicts()[TEST]["status"] == "improved"
    assert "FLOPs -33.3 %" in flowing(project.run("--energy-report"))


def test_an_inconclusive_figure_says_what_of_the_counts_has_changed(counted):
    store_both(counted(), 2)
    # A tolerance that no two sessions settle.
    verdict = counted(joules=2.0001).verdicts("--energy-tolerance=0.001%")[TEST]
    assert verdict["status"] == "inconclusive"
    assert verdict["reason"].endswith("; counts unchanged")


def test_python_calls_alone_decide_nothing_beside_joules(counted):
    plain = """
    import pytest
    from scripted import spend

    def work(times):
        return [str(i).strip() for i in range(times)]

    @pytest.mark.inference(n=100, task="sentiment", model="tiny")
    def test_loop(energy):
        for _ in energy.each(range(100)):
            work({times})
            spend(2.0)
    """
    project = counted()
    project.write(test_it=plain.format(times=10))
    store_both(project)
    project.write(test_it=plain.format(times=20))
    verdict = project.verdicts()[TEST]
    assert verdict["status"] == "ok"
    assert verdict["counts"]["python_calls"] > 0.5
    assert project.verdicts("--energy-judge=counted")[TEST]["status"] == "regressed"


def test_counts_that_stand_already_are_not_written_again(counted):
    project = counted()
    store_both(project)
    (path,) = project.counts()
    before = path.read_bytes()
    store_both(project)
    assert path.read_bytes() == before


def test_the_reason_of_an_accepted_rise_is_kept_beside_the_counts(counted):
    judged = "--energy-judge=counted"
    project = counted()
    project.run(judged, "--energy-update", "--energy-reason=the first").assert_outcomes(passed=1)
    (path,) = project.counts()
    assert "reason" not in stored_variant(path)  # they took the place of none
    project = counted(TWICE)
    accepted = project.run(judged, "--energy-update", "--energy-reason=a second look at the text")
    accepted.assert_outcomes(passed=1)
    assert stored_variant(path)["reason"] == "a second look at the text"
    assert project.verdicts(judged)[TEST]["status"] == "ok"


def stored_variant(path):
    (entry,) = json.loads(path.read_text("utf-8"))["entries"].values()
    (variant,) = entry["variants"].values()
    return variant


def test_a_broken_file_of_counts_is_named_and_left(counted):
    project = counted()
    store_both(project)
    (path,) = project.counts()
    path.write_text("{", "utf-8")
    failed = project.run("--energy-judge=counted")
    failed.assert_outcomes(failed=1)
    assert f"{path.relative_to(project.path)}, line 1" in flowing(failed)
    assert path.read_text("utf-8") == "{"


def test_counts_that_are_off_are_not_stored_and_not_compared(counted):
    project = counted()
    project.run("--energy-update", "--energy-counts=off").assert_outcomes(passed=1)
    assert not project.counts()
    assert counted(TWICE).verdicts("--energy-counts=off")[TEST]["counts"] is None


# Ceilings


@pytest.mark.parametrize("judge", ["both", "counted"])
def test_a_new_test_passes_under_strict_by_a_budget_that_is_checked(counted, judge):
    project = counted(joules=0.1, more=', budget="0.5 J"')
    run = project.run("--energy-strict", f"--energy-judge={judge}")
    run.assert_outcomes(**{"failed" if judge == "counted" else "passed": 1})


def test_a_new_test_passes_under_strict_by_a_ceiling_of_operations_alone(counted):
    project = counted(more=', max_flops="1 GFLOP"')
    project.run("--energy-strict", "--energy-judge=counted").assert_outcomes(passed=1)


def test_a_ceiling_of_operations_that_could_not_be_checked_is_said(project):
    project.own_process = True
    project.write(test_it=CALLS.replace("n=100", 'n=100, max_flops="1 GFLOP"'))
    calls_here(project, 20)
    said = "max_flops could not be checked: torch was not loaded"
    for stored in (False, True):
        if stored:
            project.run("--energy-judge=counted", "--energy-update").assert_outcomes(passed=1)
        project.run("--energy-judge=counted").assert_outcomes(passed=1)
        strict = project.run("--energy-judge=counted", "--energy-strict")
        strict.assert_outcomes(failed=1)
        assert said in flowing(strict)


def test_a_new_test_beside_a_base_passes_under_strict_by_a_ceiling_that_is_checked(repository):
    repository.own_process = True
    repository.write(net=NET)
    repository.commit()
    arguments = (
        "--energy-against=HEAD",
        "--energy-judge=counted",
        "--energy-strict",
        "test_new.py",
    )
    repository.write(test_new=LOOP.format(joules=2.0, more=', budget="0.5 J"'))
    repository.run(*arguments).assert_outcomes(failed=1)
    repository.write(test_new=LOOP.format(joules=2.0, more=', max_flops="1 GFLOP"'))
    repository.run(*arguments).assert_outcomes(passed=1)


# The plugin's own calls


def test_run_counts_what_each_counts_and_the_call_of_its_function(project):
    project.own_process = True
    project.write(
        test_it="""
        import pytest

        def infer(text):
            return text.lower()

        @pytest.mark.inference(n=100)
        def test_each(energy):
            for text in energy.each(["One"] * 100):
                infer(text)

        @pytest.mark.inference(n=100)
        def test_run(energy):
            energy.run(infer, ["One"] * 100)

        @pytest.mark.inference(n=100)
        def test_region(energy):
            for text in energy.each(["One"] * 100):
                with energy.measure("lower"):
                    infer(text)
                energy.add(words=1)
        """
    )
    for judge in ("counted", "both"):
        each, run, region, *_ = project.report(f"--energy-judge={judge}")["results"]
        calls = [
            [one["python_calls"] for one in r["counts"]["samples"]] for r in (each, run, region)
        ]
        assert calls == [[2] * 3] * 3  # infer, and lower in it


# What differs from process to process


VARYING = """
import os
import torch

here = os.path.dirname(__file__)

def is_first():
    for i in range({processes}):
        try:
            os.mkdir(f"{first}-{{i}}")
            return True
        except FileExistsError:
            pass
    return False

layer = torch.nn.Linear(64, 64)
times = {times} if {where} and is_first() else 20

def prepare(text):
    return torch.ones(1, 64)

def net(x):
    for _ in range(times):
        x = layer(x)
"""
"""The processes that come first call their layer so many times, and all others 20 times."""


def varies(project, times, tree="head", processes=1):
    """The model calls its layer so many times in the first processes on a tree alone."""
    first = project.path.parent / f"{project.path.name}-{times}-{tree}"
    where = f"(here == {str(project.path)!r}) == {tree == 'head'}"
    project.write(net=VARYING.format(first=first, times=times, where=where, processes=processes))


@pytest.mark.parametrize("arguments", [(), ("--energy-judge=counted",)], ids=["both", "counted"])
def test_what_one_process_alone_counts_more_does_not_fail(project, arguments):
    project.own_process = True
    project.write(test_it=LOOP.format(joules=2.0, more=""))
    varies(project, 20)
    project.run("--energy-update").assert_outcomes(passed=1)
    varies(project, 24)
    (result,) = project.report(*arguments)["results"]
    assert result["outcome"] == "passed"
    assert "from process to process" in result["verdict"]["counts"]["problem"]


def test_what_every_process_counts_more_fails_whatever_the_joules_say(counted):
    project = counted()
    store_both(project)
    (result,) = counted(TWICE).report()["results"]
    assert result["verdict"]["measured_status"] == "ok"
    assert result["verdict"]["status"] == "regressed"


def test_xdists_workers_have_a_second_process_count_too(project):
    project.own_process = True
    project.write(test_it=LOOP.format(joules=2.0, more=""))
    varies(project, 20)
    project.run("--energy-judge=counted", "--energy-update").assert_outcomes(passed=1)
    varies(project, 24, processes=2)
    project.run("--energy-judge=counted", "-n2").assert_outcomes(passed=1)


CALLS = """
import pytest
from words import prepare

@pytest.mark.inference(n=100, task="sentiment", model="tiny")
def test_loop(energy):
    for text in energy.each(["One"] * 100):
        prepare(text)
"""


def calls_here(project, times):
    """One process, the first that comes, calls so many functions, and all others 20."""
    first = project.path.parent / f"{project.path.name}-{times}"
    project.write(
        words=f"""
        import os

        try:
            os.mkdir({str(first)!r})
            times = {times}
        except FileExistsError:
            times = 20

        def prepare(text):
            for _ in range(times):
                text.lower()
        """
    )


def test_what_differs_from_process_to_process_is_said_and_fails_under_strict_alone(project):
    project.own_process = True
    project.write(test_it=LOOP.format(joules=2.0, more=""))
    varies(project, 24)
    stored = flowing(project.run("--energy-judge=counted", "--energy-update"))
    assert (
        "none of its counts can be compared: operators and Python calls differ from process to"
        " process (" in stored
    )
    run = project.run("--energy-judge=counted", "--energy-report")
    run.assert_outcomes(passed=1)
    text = flowing(run)
    assert "operators are not compared: the baseline's differ from process to process" in text
    assert "counts are compared where a test does the same in every process" in text
    assert "store them with --energy-update" not in text
    project.run("--energy-judge=counted", "--energy-strict").assert_outcomes(failed=1)


def test_python_calls_that_differ_now_alone_fail_under_strict_alone(project):
    project.own_process = True
    project.write(test_it=CALLS)
    calls_here(project, 20)
    project.run("--energy-judge=counted", "--energy-update").assert_outcomes(passed=1)
    calls_here(project, 24)
    run = project.run("--energy-judge=counted", "--energy-report")
    run.assert_outcomes(passed=1)
    said = "Python calls are not compared: they differ from process to process (25 and 21)"
    assert said in flowing(run)
    calls_here(project, 28)
    strict = project.run("--energy-judge=counted", "--energy-strict")
    strict.assert_outcomes(failed=1)


@pytest.mark.parametrize("judge", ["counted", "both"])
@pytest.mark.parametrize(("tree", "times"), [("head", 24), ("base", 16)])
def test_each_tree_is_counted_against_itself(repository, judge, tree, times):
    repository.own_process = True
    repository.write(test_it=LOOP.format(joules=2.0, more=""))
    varies(repository, times, tree)
    repository.commit()
    (result,) = repository.report("--energy-against=HEAD", f"--energy-judge={judge}")["results"]
    assert result["outcome"] == "passed"
    assert "from process to process" in result["verdict"]["counts"]["problem"]


# Against another revision


@pytest.mark.parametrize("judge", ["counted", "both"])
def test_head_and_base_are_compared_by_count(repository, judge):
    repository.own_process = True
    repository.write(net=NET, test_it=LOOP.format(joules=2.0, more=""))
    repository.commit()
    arguments = ("--energy-against=HEAD", f"--energy-judge={judge}")
    assert repository.verdicts(*arguments)[TEST]["counts"]["unchanged"]
    repository.write(net=TWICE)
    failed = repository.run(*arguments)
    failed.assert_outcomes(failed=1)
    assert "Net.layer.[0-3].attention" in flowing(failed)
