"""A report of many results, always the same, as a long session would write it.

    python benchmarks/report_of_many.py N RUN.json [--without-blocks]

Over 200 models, with 20 blocks, exact counts of 24 rows and ten stored sessions each; most of them
unchanged, some risen, improved, new or without a figure, each judged as a session would. Written as
--energy-json with --energy-json-blocks does. No test is run.
"""

from __future__ import annotations

import argparse
from functools import cache
from pathlib import Path

from pytest_energy.report.json import write_report
from pytest_energy.types.baseline import Baseline, Session
from pytest_energy.types.carbon import Carbon
from pytest_energy.types.counts import CallRow, Counts, CountsChange, OperatorRow, Work
from pytest_energy.types.energy import Domain, Method
from pytest_energy.types.history import Replaced
from pytest_energy.types.machine import Gpu, Machine
from pytest_energy.types.measurement import Block, Measurement
from pytest_energy.types.result import Result, Subject
from pytest_energy.types.session import Instrumentation, MeterUse, Overhead, SessionReport
from pytest_energy.types.verdict import Rule, Status
from pytest_energy.verdict.case import Case
from pytest_energy.verdict.count_rules import with_counts
from pytest_energy.verdict.counts_comparison import as_baseline, compare
from pytest_energy.verdict.judge import judge, unmeasured

MODELS, TASKS, BLOCKS, SESSIONS = 200, 10, 20, 10
OPERATOR_ROWS, CALL_ROWS = 16, 8
"""With 24 and 16, 10,000 results take 105 MB, and the plugin reads no report of more than 101 MB
(`report.read.MOST_BYTES`)."""

METERS = ("nvml", "rapl")
DOMAINS = (
    Domain("gpu:0", "gpu", Method.COUNTER, "NVML", 0.1),
    Domain("cpu", "cpu", Method.COUNTER, "RAPL", 1e-3),
)
MACHINE = Machine(
    "Intel(R) Xeon(R) Platinum 8480C", 16, (Gpu("NVIDIA H100", 700),), "linux", "x86_64"
)
CARBON = Carbon(369.0, "United States", 2023, "Our World in Data", 1.1)
ENVIRONMENT = {"python": "3.12.1", "torch": "2.12.0", "transformers": "5.0.0", "threads": "8"}


def subject(i: int) -> Subject:
    """The i-th test: its names are as long as they are in projects."""
    model = i % MODELS
    return Subject(
        test=f"tests/energy/test_models_{i // 500:02}.py::TestInference::test_energy[{i:05}]",
        region="",
        task=f"task-{model % TASKS}",
        model=f"organisation/model-{model:05}",
        dataset=f"dataset-{i % 3}",
        role="general-purpose" if model % 2 else "task-specific",
        unit="inference",
        n=200,
    )


def level(i: int) -> float:
    """Joules per inference of the i-th test, from 0.2 to some 1,000."""
    return 0.2 * 1.044 ** (i % MODELS) * (1 + 0.002 * (i % 7))


def measurement(of: Subject, joules: float, i: int) -> Measurement:
    """Blocks that wobble by a fifth of a percent around so many joules per inference."""
    size = of.n // BLOCKS
    wobbles = [1 + 0.002 * ((i + 3 * block) % 5 - 2) for block in range(BLOCKS)]
    blocks = tuple(
        Block(size, 0.05 * size, (0.8 * joules * size * one, 0.2 * joules * size * one), 12 * size)
        for one in wobbles
    )
    return Measurement(
        METERS,
        DOMAINS,
        blocks,
        of.n,
        float(of.n),
        other_cpu_share=0.01,
        recorded={"accuracy": 0.5 + 0.002 * (i % MODELS), "parameters": 1e6 * (1 + i % MODELS)},
        cpus=1.0,
        environment=ENVIRONMENT,
    )


def baseline(of: Subject, joules: float) -> Baseline:
    """Ten sessions within a percent of so many joules, and a level that they replaced."""
    sessions = []
    for number in range(SESSIONS):
        each = joules * (1 + 0.002 * (number % 5 - 2))
        sessions.append(
            Session(
                date=f"2026-03-{number + 1:02}T02:00:00Z",
                metered_count=of.n,
                commit=f"{number:07x}",
                joules_per_unit=each,
                domains={"gpu:0": 0.8 * each, "cpu": 0.2 * each},
                blocks=(each,) * BLOCKS,
                seconds_per_unit=0.05,
                other_cpu_share=0.01,
                environment=ENVIRONMENT,
            )
        )
    before = Replaced("2026-02-01T02:00:00Z", "00000ab", 1.2 * joules, 4, "a smaller model")
    return Baseline(of, METERS, DOMAINS, tuple(sessions), history=(before,))


@cache
def counts(flops: int) -> Counts:
    """Exact counts of two equal samples, in as many rows as a transformer's."""
    operators = tuple(
        OperatorRow(
            f"BertModel.encoder.layer.[0-11].part_{row % 8}.dense_{row}",
            ("aten::addmm", "aten::bmm", "aten::gelu")[row % 3],
            "float32",
            2 * (flops // (row + 1)),
            2 * (flops // (50 * (row + 1))),
            24,
        )
        for row in range(OPERATOR_ROWS)
    )
    calls = tuple(
        CallRow(f"src/app/model.py:run_{row}", f"src/app/tokens.py:part_{row}", 40, 400)
        for row in range(CALL_ROWS)
    )
    one = Work(
        sum(row.flops for row in operators) // 2,
        sum(row.bytes for row in operators) // 2,
        sum(row.calls for row in operators) // 2,
        sum(row.calls for row in calls) // 2,
    )
    return Counts(
        "cuda", {"python": "3.12", "torch": "2.12.0"}, (one, one), (1, 1), operators, calls
    )


@cache
def changed(now: int, before: int, n: int, dataset: str) -> CountsChange:
    """What is said of counts that are of so many operations now, and were of others before."""
    stored = as_baseline(counts(before), n, "inference", dataset)
    return compare(counts(now), n, "inference", dataset, stored)


def result(i: int) -> Result:
    """The i-th result, judged as a session would."""
    of, rule = subject(i), Rule(tolerance=0.05)
    joules, flops = level(i), 10**9 * (1 + i % MODELS)
    if i % 100 == 1:
        reason = "the test's body raised OSError: [Errno 28] No space left on device"
        return Result(of, None, rule, unmeasured(reason))
    factor = {2: 1.15, 3: 1.15, 4: 0.8}.get(i % 100, 1.0)
    measured = measurement(of, joules * factor, i)
    if i % 100 == 5:
        verdict = judge(Case(of, [measured], rule, None))
        return Result(of, measured, rule, verdict, counts=counts(flops))
    stored = baseline(of, joules)
    now = int(flops * factor)
    verdict = judge(Case(of, [measured], rule, stored))
    verdict = with_counts(verdict, changed(now, flops, of.n, of.dataset), rule)
    return Result(of, measured, rule, verdict, counts=counts(now), history=stored.as_history)


def session(size: int) -> SessionReport:
    """A session of so many results."""
    results = tuple(map(result, range(size)))
    failing = (Status.REGRESSED, Status.OVER_BUDGET)
    return SessionReport(
        date="2026-03-11T02:00:00Z",
        commit="abc1234",
        machine=MACHINE,
        carbon=CARBON,
        instrumentation=Instrumentation(
            tuple(MeterUse(name, (Method.COUNTER,)) for name in METERS), DOMAINS
        ),
        baselines="baselines",
        results=results,
        outcomes={
            one.subject.test: "failed" if one.verdict.status in failing else "passed"
            for one in results
        },
        notices=("a notice of this session",),
        overhead=Overhead(12.5, 800.0),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("size", type=int, metavar="N", help="results")
    parser.add_argument("path", type=Path, metavar="RUN.json", help="where the report goes")
    parser.add_argument("--without-blocks", action="store_true", help="as --energy-json alone does")
    given = parser.parse_args()
    if problems := write_report(given.path, session(given.size), not given.without_blocks):
        raise SystemExit("\n".join(problems))


if __name__ == "__main__":
    main()
