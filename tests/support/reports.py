"""Reports of sessions with known figures, whose names can be anything."""

from __future__ import annotations

from dataclasses import replace

from pytest_energy.types.counts import CallChange, CountsChange, Culprit, Work
from pytest_energy.types.history import History, StoredSession
from pytest_energy.types.machine import Gpu, Machine
from pytest_energy.types.result import Result, Subject, TrainingRun
from pytest_energy.types.session import BaseSummary, Instrumentation, Overhead, SessionReport
from pytest_energy.types.verdict import Status, Verdict
from support.baselines import CARBON, MACHINE
from support.counted import call, counted, operator
from support.measurements import CPU, FIVE, GPU, RULE, judge, measured, stored

TRAINING = TrainingRun(total_steps=1_000)

OTHER_MACHINE = replace(MACHINE, cpu="Intel Xeon")

HOSTILE = (
    "a|b`c``d</details><script>alert(1)</script>\r\n@octocat #1 [x](http://e.org) "
    "\x1b[2J\u202e\u200b\\ $x$ :smile: www.example.org https://e.org *b* _i_ ~s~ %0A,:"
)
"""What Markdown, HTML, CSV, workflow commands and exposition formats each have a meaning for."""

COUNTS = CountsChange(
    energy=1.2,
    joules=2.2,
    joules_before=1.0,
    flops=13.08,
    samples=3,
    culprits=(
        Culprit("Bert.encoder.layer.[0-5]", "", 0.61, Work(10**9, 9, 1), Work(2 * 10**9, 9, 1)),
    ),
    functions=(CallChange("model.py:run", "tokens.py:split", 1, 2, 1, 10),),
)


def subject(test="tests/test_x.py::test_a", **members):
    of = Subject(test, "", "task", "model", "", "", "inference", 100)
    return replace(of, **members)


def result(joules=2.0, base=2.0, **members):
    """A result of so many joules per inference over five sessions of `base`."""
    of = subject(**members)
    measurement = measured(joules, domains=(CPU, GPU), wobble=0.01, recorded={"accuracy": 0.9})
    baseline = stored(*(base * each / 2 for each in FIVE), domains=(CPU, GPU))
    verdict = judge(measurement, baseline)
    return Result(of, measurement, RULE, verdict)


def unmeasured(reason="the body raised ValueError", **members):
    return Result(subject(**members), None, RULE, Verdict(Status.UNMEASURED, reason))


def new(joules=2.0, **members):
    measurement = measured(joules, recorded={"accuracy": 0.9})
    return Result(subject(**members), measurement, RULE, judge(measurement, None))


def history_of(*joules):
    """Stored sessions of so many joules per unit, a day apart."""
    return History(
        tuple(
            StoredSession(f"2026-03-{i:02}T00:00:00Z", "abc1234", j)
            for i, j in enumerate(joules, 1)
        )
    )


def both_roles(general=20.0, specific=2.0):
    """Results of a general-purpose and of a task-specific model of one task."""
    return tuple(
        result(joules, base=joules, test=f"t.py::{role}", role=role, task="qa", model=f"m {role}")
        for role, joules in (("general-purpose", general), ("task-specific", specific))
    )


def session(*results, date="2026-03-04T05:06:07Z", machine=MACHINE, **members):
    """A session's report of these results, all of which passed unless they regressed."""
    failing = (Status.REGRESSED, Status.OVER_BUDGET)
    outcomes = {
        one.subject.test: "failed" if one.verdict.status in failing else "passed" for one in results
    }
    instrumentation = Instrumentation(domains=(CPU, GPU))
    given = {"outcomes": outcomes, "commit": "abc1234", "instrumentation": instrumentation}
    given |= members
    return SessionReport(
        date=date,
        machine=machine,
        carbon=CARBON,
        baselines="baselines",
        results=results,
        **given,
    )


def full_session():
    """A session that has something of everything that a report has."""
    risen = result(3.0, test="t.py::a")
    training = replace(new(test="t.py::b"), training_run=TrainingRun(total_steps=100))
    counted = replace(risen, verdict=replace(risen.verdict, counts=COUNTS))
    return session(
        counted,
        training,
        replace(result(test="t.py::c"), base=measured(2.0, recorded={"accuracy": 0.9})),
        unmeasured(test="t.py::d", region="decode"),
        base=BaseSummary("1a2b3c4 (main)", ("t.py::gone",)),
        stored={"t.py::b": "stored"},
        notices=("a notice",),
        overhead=Overhead(1.5, 2.5),
    )


def trained(joules=3.0, training=TRAINING, **members):
    """A training of so many joules per step, of which 100 were metered."""
    of = subject(**{"role": "training", "unit": "step", **members})
    measurement = measured(joules)
    verdict = judge(measurement, None, subject=of)
    return Result(of, measurement, RULE, verdict, training_run=training)


def only_counted(counts=None, **members):
    """A result of `--energy-judge=counted`: nothing was metered."""
    rows = (operator("Bert.layer", 2_000_000_000), call("a.py:f", "b.py:g", 40))
    counts = counted(*rows, samples=2) if counts is None else counts
    return Result(subject(**members), None, RULE, Verdict(Status.NEW), counts=counts)


def on_gpu(joules=3.0, gpu=GPU, recorded=None, **members):
    """Inferences of so many joules each by a board, and 1 J by the processor."""
    of = measured(joules, domains=(gpu, CPU), recorded=recorded)
    blocks = tuple(replace(block, joules=(block.joules[0], block.n)) for block in of.blocks)
    measurement = replace(of, blocks=blocks)
    return Result(subject(**members), measurement, RULE, judge(measurement, None))


def hostile_session(evil=HOSTILE):
    """A session all of whose names mean something to what shows them.

    Args:
        evil: in every name.
    """
    names = {
        "test": f"tests/{evil}.py::test_a[{evil}]",
        "region": evil,
        "task": evil,
        "model": f"={evil}",
        "dataset": f"@{evil}",
        "role": "",
        "unit": evil,
    }
    risen = result(3.0, **names)
    culprit = replace(COUNTS.culprits[0], module=evil, operator=evil)
    function = replace(COUNTS.functions[0], caller=evil, callee=evil)
    counts = replace(COUNTS, culprits=(culprit,), functions=(function,), notes=(evil,))
    verdict = replace(risen.verdict, reason=evil, hint=evil, counts=counts)
    risen = replace(
        risen,
        verdict=verdict,
        measurement=replace(risen.measurement, recorded={evil: 0.5}),
    )
    lost = unmeasured(evil, **{**names, "region": f"{evil}2"})
    carbon = replace(CARBON, place=evil, source=evil)
    return replace(
        session(risen, lost, notices=(evil,), problems=(evil,), commit=evil), carbon=carbon
    )


def hostile_models(evil):
    """A session with something for every format, and one name wherever there can be one."""
    session = hostile_session(evil)
    names = {"test": f"tests/{evil}.py::test_b[{evil}]", "task": evil, "model": f"={evil}"}
    names |= {"dataset": f"@{evil}"}
    gpu = replace(GPU, name=f"gpu:{evil}", source=evil)
    board = on_gpu(**names, unit=evil, recorded={"accuracy": 0.5, evil: 0.5}, gpu=gpu)
    board = replace(board, rule=replace(RULE, quality=evil))
    counts = replace(only_counted(), subject=subject(**names | {"test": evil}))
    training = trained(**names | {"test": f"tests/{evil}.py::test_c", "region": ""})
    machine = Machine(evil, 2, (Gpu(evil, None),), evil, evil)
    return replace(session, machine=machine, results=(*session.results, board, counts, training))
